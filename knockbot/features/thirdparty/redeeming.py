"""People who use a third-party invite: each is linked to the invite by its token, and then judged.

Steps 5 and 6 of an invite's journey (ARCHITECTURE.md). The record reads as one story: the invite was issued, judged
and redeemed by somebody, and then comes the outcome for that person. If no rule for redeemed invites matches, the
answer to the invite is valid for its user too: accepted stays accepted, and revoked stays revoked.
"""

from __future__ import annotations

from dataclasses import replace

from knockbot.domain import plan
from knockbot.domain.judgements import Judgement, still_held
from knockbot.domain.kinds import OTHERWISE
from knockbot.domain.model import (
    Answer,
    Came,
    Decision,
    Kind,
    Knock,
    MemberChange,
    Membership,
    Request,
    State,
    ThirdPartyInvite,
    Verdict,
)
from knockbot.domain.notices import Notice, Numbered, User, because, notice
from knockbot.domain.outcomes import after_redeeming, credited, outcome
from knockbot.domain.policy import AS_INVITED, held_back, rehearsed
from knockbot.domain.records import ENDS, Recorded
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Later, Never
from knockbot.flow import authority, place, rules, saying, settling
from knockbot.flow.context import Context
from knockbot.flow.judging import Case, judge
from knockbot.flow.records import record
from knockbot.store import inbox, judgements, prompts, records, requests
from knockbot.store.rooms import ProtectedRoom


async def redeemed(context: Context, change: MemberChange) -> Write[None]:
    """Somebody used a third-party invite: its request continues under the same number, and the person is judged.

    The event is true even if it is old. Later events tell the current membership.
    """
    in_force = await rules.look_up(context, change.room_id)
    async with context.db.tx() as tx:
        known = await requests.by_token(tx, change.room_id, change.token or "")
    unseen = known is None or not _is_of(known, change)
    invite = await _unseen(context, change) if known is None or unseen else known.invite
    if await _is_to_be_judged(context, change, invite if unseen else None):
        raise Later(because("keys.asked_now"), retry_after=1, unreachable=True)
    ruled = await judge(context, in_force, Case(change.as_knock(), Kind.REDEEMED_INVITE, invite))
    expected = _decided(known if known is not None and _is_of(known, change) else None, ruled).decision
    refusal = await _refusal(context, change, expected)
    inside = await _was_inside(context, change)

    async def write(turn: Turn) -> None:
        there = await place.of(context, turn, change.room_id)
        if there is None or await requests.redeemed_by(turn.tx, change.room_id, change.user_id, change.event_id):
            return
        await _settle_knock(context, turn, change)
        before = await requests.by_token(turn.tx, change.room_id, change.token or "")
        before = before if before is not None and _is_of(before, change) else None
        judgement = _decided(before, ruled)
        if refusal is not None and judgement.decision == expected:
            judgement = replace(judgement, decision=held_back(expected, refusal))
        if inside:
            judgement = _spared(judgement)
        nameless = ThirdPartyInvite(change.room_id, change.event_id, change.token or "", change.sender)
        request = await _its_request(turn, there.room, before, invite or nameless)
        request = await _goes_on(turn, request, change)
        decision = rehearsed(judgement.decision, there.settings, judgement.kind)
        await _carry_out(context, turn, request, replace(judgement, decision=decision), before)

    return write


async def judged_again(context: Context, request: Request, _: str) -> Judgement | None:
    """What the policy in force says about a pending user of an invite; if no rule matches, the decision stays."""
    async with context.db.tx() as tx:
        before = await judgements.newest(tx, request.id)
    came = before.facts.came if before is not None else Came.UNSEEN
    in_force = await rules.look_up(context, request.room_id)
    guest = Knock(request.room_id, request.user_id, request.event_id)
    again = await judge(context, in_force, Case(guest, Kind.REDEEMED_INVITE, request.invite, came=came))
    if before is not None:
        again = replace(again, decision=still_held(again.decision, before.decision))
    change = await context.outside.past_member(request.room_id, request.event_id)
    return _spared(again) if change is not None and await _was_inside(context, change) else again


def _spared(judgement: Judgement) -> Judgement:
    """The judgement on somebody who was in the room before: only moderators decide whether to remove such a person."""
    if judgement.decision.verdict not in (Verdict.REJECT, Verdict.BAN):
        return judgement
    return replace(judgement, decision=held_back(judgement.decision, because("doubt.was_inside")))


def _is_of(request: Request, change: MemberChange) -> bool:
    """Whether they used this invite: the token may have an invite of another inviter by now."""
    return request.invite is not None and request.invite.inviter == change.sender


async def _unseen(context: Context, change: MemberChange) -> ThirdPartyInvite | None:
    """An invite that the bot did not see before it was redeemed, if it is still in the room."""
    try:
        stands = await context.outside.third_party(change.room_id, change.token or "")
    except Never:
        return None
    invite = stands.invite if stands is not None else None
    return invite if invite is not None and invite.inviter == change.sender else None


async def _is_to_be_judged(context: Context, change: MemberChange, unseen: ThirdPartyInvite | None) -> bool:
    """Whether the invite itself is to be judged first: identity servers are asked about it, or were a moment ago."""
    elsewhere = context.elsewhere
    if elsewhere.are_asked_about(change.room_id, change.token or ""):
        return True
    if unseen is None:
        return False
    async with context.db.tx() as tx:
        return elsewhere.vouched(unseen.event_id) is not None or await inbox.waits(tx, unseen.event_id)


async def _was_inside(context: Context, change: MemberChange) -> bool:
    """Whether they were in the room before. Anyone who has a key can sign for members too, and so remove them from the
    room: the members must not be punished because of that."""
    before = change.replaced_membership
    if before is None and change.replaces is not None:
        before = await context.outside.membership_of(change.room_id, change.replaces)
    return before is Membership.JOIN


async def _settle_knock(context: Context, turn: Turn, change: MemberChange) -> None:
    """If they also had a join request, it is answered now: the inviter counts as the one who answered."""
    knock = await requests.latest(turn.tx, change.room_id, change.user_id)
    state = outcome(knock, change) if knock is not None else None
    if knock is not None and state is not None:
        await settling.record_outcome(context, turn, knock, state, credited(knock, change, context.bot))


def _decided(before: Request | None, ruled: Judgement) -> Judgement:
    """What a rule says about the user of the invite or, if no rule matched, what was decided about the invite."""
    facts = replace(ruled.facts, came=_how_far(before))
    if ruled.decision.rule != OTHERWISE:
        return replace(ruled, facts=facts)
    decision = replace(AS_INVITED[_how_far(before)], missed=ruled.decision.missed, author=ruled.decision.author)
    if before is not None and before.answer is not None:
        decision = replace(decision, author=before.answer.on_behalf_of)
    return replace(ruled, facts=facts, decision=decision)


def _how_far(before: Request | None) -> Came:
    """How far an invite had come when somebody used it."""
    if before is None:
        return Came.UNSEEN
    if before.redeemed:
        return Came.USED
    if before.state is State.STANDING or (before.answer is not None and before.answer.verdict is Verdict.ACCEPT):
        return Came.ACCEPTED
    return Came.TAKEN_BACK if before.answer is not None or not before.open else Came.UNANSWERED


async def _refusal(context: Context, change: MemberChange, decision: Decision) -> Notice | None:
    """Why the person who had an invite revoked may not reject or ban the user of that invite; none if they may."""
    if decision.author is None or decision.rule != OTHERWISE or decision.verdict is Verdict.ACCEPT:
        return None
    ruled = await authority.ruled(context, decision, change.as_knock(), Kind.REDEEMED_INVITE)
    return ruled.doubt if ruled.verdict is not decision.verdict else None


async def _its_request(turn: Turn, room: ProtectedRoom, before: Request | None, invite: ThirdPartyInvite) -> Request:
    """The request of the invite that somebody used; a new one if the request is about another user already."""
    if before is None or before.redeemed:
        issued_by = before.issued_by if before is not None else None
        return await requests.open_invite(turn.tx, room.management_room, invite, turn.now, issued_by=issued_by)
    return before


async def _goes_on(turn: Turn, request: Request, change: MemberChange) -> Request:
    """From now on the request is about the user of the invite."""
    await settling.withdraw_answer(turn, request, because("overtaken.used"))
    await requests.redeemed(turn.tx, request.id, change)
    await requests.reopened(turn.tx, request.id, turn.now)
    await record(turn, request, change.user_id, Recorded.REDEEMED)
    # The holder of its key can let in any number of people. The person who used it stays in when it is removed.
    await turn.plan(plan.spend(request, change.event_id))
    return await requests.get(turn.tx, request.id)


async def _carry_out(
    context: Context, turn: Turn, request: Request, judgement: Judgement, before: Request | None
) -> None:
    decision = judgement.decision
    word = before.answer if before is not None and decision.rule == OTHERWISE else None
    await settling.apply_decision(context, turn, request, judgement, word=_followed(context, request, decision, word))
    if decision.verdict is Verdict.FORWARD and request.card_id is not None:
        # Its card may be far up by now, and an edit notifies nobody.
        card = await prompts.get(turn.tx, request.card_id)
        said = notice(
            "invite.used",
            request=Numbered(request.number),
            user=User(request.user_id),
            room=await place.called(context, turn, request.room_id),
            sponsor=User(request.sponsor),
        )
        occasion = f"came:{request.id}:{request.event_id}"
        await saying.alarm(context, turn, request.room_id, occasion, said, about=request, reply_to=card.event_id)


def _followed(context: Context, request: Request, decision: Decision, word: Answer | None) -> Answer | None:
    """The answer to the invite as an answer about its user: it stays the answer of the person who gave it.

    None if there was no answer, or if the invite was revoked because of what happened to its inviter.
    """
    if word is None or (word.by == context.bot and word.rule is None):
        return None
    reason = word.reason if word.verdict is decision.verdict is Verdict.ACCEPT else decision.reason
    told = decision.told
    return replace(word, verdict=decision.verdict, event_id=request.event_id, reason=reason, told=told, quiet=False)


async def tell_on(_: Context, turn: Turn, request: Request, change: MemberChange) -> None:
    """Record the end of a redeemed invite: its user has joined, or has gone without joining."""
    state = after_redeeming(change) if request.redeemed else None
    if request.state is not State.REDEEMED or state is None:
        return
    if not await records.kinds(turn.tx, request.id) & ENDS:
        await record(turn, request, change.sender, Recorded(state))
