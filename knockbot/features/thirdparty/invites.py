"""Third-party invites: noticed, judged when they are added to a room, and then accepted or revoked.

Steps 2 and 3 of an invite's journey (ARCHITECTURE.md). An invite to an e-mail address or phone number stays
valid when its inviter loses power, leaves or is banned. Anyone who has one of its keys can use it. So each invite is a
request, and it stays valid only as long as the policy allows it. `redeeming.py` judges the people who use an invite.
`inviters.py` handles the invites of an inviter who may not invite any more.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final, Unpack

from knockbot.domain import plan
from knockbot.domain.card import already_answered
from knockbot.domain.invites import MOST_KEYS, is_awaited, is_on_record, may_be_taken_back
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import (
    Answer,
    Facts,
    Kind,
    Known,
    Redaction,
    Request,
    State,
    Step,
    ThirdPartyChange,
    ThirdPartyInvite,
    Truth,
    Undone,
    Verdict,
    Wish,
)
from knockbot.domain.notices import Number, Numbered, User, because, notice
from knockbot.domain.outcomes import INVITE_OUTCOMES, InviteEvent, invite_outcome
from knockbot.domain.records import Detail, Recorded
from knockbot.engine.turn import WAITS, Handled, Turn, Write
from knockbot.errors import Never, Refused
from knockbot.flow import cards, place, rules, saying, settling
from knockbot.flow.arriving import Arrives, take_in
from knockbot.flow.context import Context
from knockbot.flow.elsewhere import ASKED_ABOUT
from knockbot.flow.judging import Case, by_facts, gather
from knockbot.flow.records import record
from knockbot.flow.saying import Audience
from knockbot.store import inbox, requests, rooms
from knockbot.store.db import Tx, Unusable
from knockbot.store.rooms import ProtectedRoom
from knockbot.times import MINUTE

# --- what happens to them -------------------------------------------------------------------------------------


async def invite_changed(context: Context, change: ThirdPartyChange) -> Handled:
    """The state under a token changed. The current state is read first: a transaction is only a hint."""
    async with context.db.tx() as tx:
        kept = await rooms.find(tx, change.room_id) is not None
        known = await requests.by_token(tx, change.room_id, change.token) if kept else None
    if change.invite is not None and is_awaited(known, change.invite):
        return _arriving(context, change)
    stands = None
    if kept and (change.invite is None or not is_on_record(known, change.invite)):
        stands = await _standing(context, change.room_id, change.token)
    if stands is None:
        return None
    if stands.invite is None:
        return _emptied(context, stands)
    judgement = await judged(context, stands.invite, change.event_id)
    return plant(context, stands.invite, judgement) if judgement is not None else WAITS


async def redacted(context: Context, redaction: Redaction) -> Write[None] | None:
    """An event was redacted. If it was a third-party invite, nothing else tells the bot that the invite is void."""
    async with context.db.tx() as tx:
        kept = await rooms.find(tx, redaction.room_id) is not None
        standing = await requests.invites_of(tx, redaction.room_id) if kept else []
    hit = next((request for request in standing if request.event_id == redaction.redacts), None)
    if hit is None or hit.invite is None:
        return None
    stands = await _standing(context, hit.room_id, hit.invite.token)
    if stands is None or stands.invite is not None:
        return None
    request_id = hit.id

    async def write(turn: Turn) -> None:
        await _void(context, turn, await requests.get(turn.tx, request_id), redaction.sender)

    return write


async def _standing(context: Context, room_id: str, token: str) -> ThirdPartyChange | None:
    """The current state under a token; none if the bot may not look, and then it looks when it is back in the room."""
    try:
        return await context.outside.third_party(room_id, token)
    except Never:
        return None


def _arriving(context: Context, change: ThirdPartyChange) -> Write[None]:
    async def write(turn: Turn) -> None:
        known = await requests.by_token(turn.tx, change.room_id, change.token)
        await arrived(context, turn, known, change.event_id)

    return write


async def arrived(context: Context, turn: Turn, request: Request | None, event_id: str) -> None:
    """The room has an invite that the bot sent. It is accepted because a moderator ordered it; no policy judges it."""
    if request is None or not request.on_its_way:
        return
    await requests.planted(turn.tx, request, event_id)
    if request.answer is not None and request.answer.verdict is Verdict.ACCEPT:
        await settling.record_outcome(
            context, turn, await requests.get(turn.tx, request.id), State.STANDING, request.answer.by
        )


def _emptied(context: Context, change: ThirdPartyChange) -> Write[None]:
    """There is no invite under a token any more."""

    async def write(turn: Turn) -> None:
        request = await requests.by_token(turn.tx, change.room_id, change.token)
        if request is not None:
            await _void(context, turn, request, change.sender)

    return write


async def _void(context: Context, turn: Turn, request: Request, sender: str) -> None:
    state = None if request.redeemed else invite_outcome(request.state, InviteEvent.EMPTIED)
    if state is not None:
        by = request.answer.by if sender == context.bot and request.answer is not None else sender
        await settling.record_outcome(context, turn, request, state, by)


# --- judged ---------------------------------------------------------------------------------------------------


async def judged(context: Context, invite: ThirdPartyInvite, event_id: str | None = None) -> Judgement | None:
    """What the policy in force says about a third-party invite; none while the identity servers are asked about it.

    The bot asks whether the keys are valid only if the invite would be accepted: a flood of invites must not become a
    flood of requests to identity servers. It asks outside of any turn, because knocks would wait for the answer. When
    the answer is there, the event `event_id` is handled again; if there is none, the bot looks at the room again.
    """
    in_force = (await rules.look_up(context, invite.room_id)).only(Kind.THIRD_PARTY_INVITE)
    case = Case(invite.as_knock(), Kind.THIRD_PARTY_INVITE, invite)
    facts = await gather(context, in_force, case)
    judge = partial(by_facts, context, in_force, case)
    at_best = await judge(_with_keys(facts, Known(Truth.TRUE)))
    if (at_best.decision.rehearsed or at_best.decision.verdict) is not Verdict.ACCEPT:
        return replace(at_best, facts=facts)
    valid = await _vouched_for(context, invite, event_id)
    return await judge(_with_keys(facts, valid)) if valid is not None else None


async def judged_again(context: Context, request: Request, key: str) -> Judgement | None:
    """What the policy in force says about a pending invite; `key` is that of the arrival that had it judged again."""
    assert request.invite is not None
    return await judged(context, request.invite, key)


def _with_keys(facts: Facts, valid: Known) -> Facts:
    """The facts, with what is known about the keys."""
    return replace(facts, invite=replace(facts.invite, valid=valid)) if facts.invite is not None else facts


ANSWERED: Final = MINUTE
"""Milliseconds after which an event is handled again if the process stopped while it asked the identity servers."""


async def _vouched_for(context: Context, invite: ThirdPartyInvite, handled: str | None) -> Known | None:
    if len(invite.keys) > MOST_KEYS:
        return Known(Truth.FALSE, because("keys.many", most=Number(MOST_KEYS)))
    elsewhere, event_id = context.elsewhere, invite.event_id
    if elsewhere.vouched(event_id) is None and not elsewhere.is_asked_about(event_id):
        if not elsewhere.may_ask_about(invite.inviter):
            return Known(Truth.UNKNOWN, because("keys.asked_too_often", most=Number(ASKED_ABOUT)))
        elsewhere.ask_about(invite, context.vouch)
        await asyncio.sleep(0)  # if nobody has to be asked, the answer is known now
    if elsewhere.vouched(event_id) is None and handled is not None:
        async with context.db.tx() as tx:
            await inbox.let_wait(tx, handled, context.now() + ANSWERED)
    known = elsewhere.vouched(event_id)  # the answer may have come meanwhile
    if known is None:
        elsewhere.after_that(event_id, partial(_go_on, context, invite.room_id, handled))
    return known


async def _go_on(context: Context, room_id: str, event_id: str | None) -> None:
    """The identity servers have answered: handle the event again, or look at the room again."""
    waits = False
    if event_id is not None:
        with suppress(Unusable):  # then it is handled a little later
            async with context.db.tx() as tx:
                waits = await inbox.let_wait(tx, event_id, None)
    if waits:
        context.wakeups.arrivals.set()
    else:
        context.look_at(room_id)


# --- added to a room ------------------------------------------------------------------------------------------


def plant(
    context: Context,
    invite: ThirdPartyInvite,
    judgement: Judgement,
    *,
    card_id: int | None = None,
    stands: bool = False,
) -> Write[None]:
    """Open the request for a judged invite, or continue the request of the invite that it replaces under its token.

    `stands` says that the invite was seen in the room, although it may be on record as revoked.
    """

    taking_in = take_in(context, INVITES, invite, judgement, card_id=card_id, stands=stands)

    async def write(turn: Turn) -> None:
        request = await requests.by_token(turn.tx, invite.room_id, invite.token)
        if is_awaited(request, invite):
            await arrived(context, turn, request, invite.event_id)
        else:
            await taking_in(turn)

    return write


async def _before(tx: Tx, invite: ThirdPartyInvite) -> Request | None:
    return await requests.by_token(tx, invite.room_id, invite.token)


async def _opened(_: Context, turn: Turn, room: ProtectedRoom, invite: ThirdPartyInvite, __: Request | None) -> Request:
    return await requests.open_invite(turn.tx, room.management_room, invite, turn.now)


async def _replaced(context: Context, turn: Turn, request: Request, invite: ThirdPartyInvite) -> Request:
    """Another invite is under the token now. An accept was only for the invite before it. A reject or ban is also
    valid for any other invite that the same inviter puts there."""
    answer, before = request.answer, request.invite
    await requests.invite_replaced(turn.tx, request.id, invite, turn.now)
    await settling.withdraw_answer(turn, request, because("overtaken.another_invite"))
    if invite_outcome(request.state, InviteEvent.REPLACED) is not None:
        await requests.reopened(turn.tx, request.id, turn.now)
    await record(turn, request, invite.inviter, Recorded.REPLACED)
    replaced = await requests.get(turn.tx, request.id)
    if answer and answer.verdict is not Verdict.ACCEPT and before and before.inviter == invite.inviter:
        again = replace(answer, event_id=invite.event_id, cause=None)
        await requests.answered(turn.tx, request.id, again)
        await turn.plan(*plan.plan(replaced, again, context.home))
    if request.card_id is not None:
        await cards.refresh(turn, request.card_id)
    return await requests.get(turn.tx, request.id)


INVITES = Arrives(
    on_record=_before,
    is_known=is_on_record,
    may_stand_again=lambda request: request.state is State.REVOKED,
    goes_on=lambda request: not request.redeemed and request.state in (State.PENDING, State.STANDING),
    replaced=_replaced,
    opened=_opened,
)
"""How a new third-party invite is handled: it replaces a pending or accepted invite under the same token."""


async def answered(context: Context, turn: Turn, request: Request) -> None:
    """Record what an answer to an invite means, beside its jobs. If it is an accept, the invite is accepted at once, or
    the person who used it may stay. If the inviter is banned, all their other invites are revoked too."""
    if request.invite is None:
        return
    request = await requests.get(turn.tx, request.id)
    answer = request.answer
    if not request.open or answer is None:
        return
    if answer.verdict is Verdict.ACCEPT:
        state = INVITE_OUTCOMES[request.state, InviteEvent.REDEEMED if request.redeemed else InviteEvent.ACCEPTED]
        await settling.record_outcome(context, turn, request, state, answer.by)
    elif answer.verdict is Verdict.BAN and not request.redeemed:
        await _take_back_the_others(context, turn, request, answer)


# --- revoked --------------------------------------------------------------------------------------------------


async def revoke(turn: Turn, wish: Wish, request_id: int) -> None:
    """A moderator revokes an invite. Raises `Refused` if the invite cannot be revoked any more."""
    request = await requests.get(turn.tx, request_id)
    if request.answer is not None and request.answer.cause == wish.cause:
        return
    if not may_be_taken_back(request):
        raise Refused(already_answered(request, turn.now))
    answer = Answer(
        Verdict.REJECT, wish.actor, turn.now, request.event_id, reason=wish.reason or None, cause=wish.cause
    )
    await take_back(turn, request, answer)


async def take_back(
    turn: Turn,
    request: Request,
    answer: Answer,
    kind: Recorded = Recorded.TAKEN_BACK,
    **detail: Unpack[Detail],
) -> None:
    """Have a pending or accepted invite revoked; `answer` says who wants it, and `kind` how that is recorded."""
    await requests.answered(turn.tx, request.id, answer)
    await requests.reopened(turn.tx, request.id, turn.now)
    await turn.plan(plan.revoke(request, answer.cause or answer.event_id, answer.on_behalf_of))
    await record(turn, request, answer.by, kind, **detail)
    if request.card_id is not None:
        await cards.refresh(turn, request.card_id, after=cards.UNDER_WAY)


async def undo_accept(_: Context, turn: Turn, request: Request, answer: Answer, step: Step) -> None:
    """Undo the accept of an invite that nobody has used: it is revoked."""
    undone = Undone(request.state, step, request.by, request.answer)
    await take_back(turn, request, answer, Recorded.UNDONE, verdict=Verdict.ACCEPT)
    await requests.undo(turn.tx, request.id, answer, undone)


async def undo_ban(_: Context, turn: Turn, request: Request, answer: Answer, __: Step) -> None:
    """Undo the ban of an inviter whose invite was revoked with it. The invite stays revoked: its keys are not kept."""
    await record(turn, request, answer.by, Recorded.UNDONE, verdict=Verdict.BAN)
    await turn.plan(plan.lift_inviter(request, answer.cause or answer.event_id, answer.by))


async def _take_back_the_others(context: Context, turn: Turn, request: Request, answer: Answer) -> None:
    """The inviter will be banned: all their other invites in this room are revoked together with this one."""
    inviter, cause = request.subject, answer.cause or answer.event_id
    others = [
        other
        for other in await requests.invites_of(turn.tx, request.room_id)
        if other.id != request.id and other.subject == inviter and may_be_taken_back(other)
    ]
    for other in others:
        word = Answer(
            Verdict.REJECT,
            answer.by,
            turn.now,
            other.event_id,
            cause=cause,
            quiet=True,
            author=answer.author,
            by_click=answer.by_click,
        )
        await take_back(turn, other, word, Recorded.TAKEN_BACK_WITH_BAN)
    if others:
        said = notice(
            "invite.revoked_together",
            request=Numbered(request.number),
            inviter=User(inviter),
            room=await place.called(context, turn, request.room_id),
            count=Number(len(others)),
        )
        occasion = f"together:{request.id}:{cause}"
        await saying.say(context, turn, Audience(request.management_room, about=request), occasion, said)
