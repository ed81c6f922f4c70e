"""Third-party invites: watched, judged when they are planted and again when they are redeemed, and taken back.

An invite to an e-mail address or phone number outlives the power, the membership and the ban of whoever planted it,
and whoever holds one of its keys comes in by it. So each is a request, and stands only as long as the policy lets it.
"""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.domain import plan, wording
from knockbot.domain.invites import Fall, fall, may_invite
from knockbot.domain.model import (
    Answer,
    Decision,
    InviteFacts,
    Kind,
    MemberChange,
    Redaction,
    Request,
    State,
    ThirdPartyChange,
    ThirdPartyInvite,
    Verdict,
    Wish,
)
from knockbot.domain.outcomes import Turn, invite_outcome
from knockbot.domain.policy import OTHERWISE, Fate, Policy
from knockbot.domain.power import Powers
from knockbot.domain.words import Words
from knockbot.errors import Never
from knockbot.flow import rules, settle
from knockbot.flow.door import Door
from knockbot.flow.judge import is_member, judge
from knockbot.store import effects, requests, rooms
from knockbot.store.db import Tx

# --- planted, replaced, emptied -------------------------------------------------------------------------------


async def invite_changed(door: Door, change: ThirdPartyChange, seq: int | None) -> None:
    """The state under a token changed. What stands there now is read first: a transaction is a hint."""
    async with door.db.tx() as tx:
        kept = await rooms.find(tx, change.room_id) is not None
        known = await requests.by_token(tx, change.room_id, change.token) if kept else None
    if not kept or (known is not None and change.invite is not None and known.event_id == change.event_id):
        async with door.closing(seq):
            return
    stands = await door.outside.third_party_invite(change.room_id, change.token)
    if stands is None:
        await _emptied(door, change, seq)
    else:
        await plant(door, stands, await judged(door, stands), seq)


async def judged(door: Door, invite: ThirdPartyInvite) -> Decision:
    """What the policy in force says of a third-party invite."""
    async with door.db.tx() as tx:
        policy = (await rules.in_force(door, tx, invite.room_id)).policy
    return await judge(door, policy, invite.as_knock(), Kind.THIRD_PARTY_INVITE, await _facts(door, invite, vouch=True))


async def _facts(door: Door, invite: ThirdPartyInvite, *, vouch: bool) -> InviteFacts:
    """What can be found out about an invite and its inviter; what cannot is unknown."""
    try:
        power = (await door.outside.powers(invite.room_id)).level(invite.inviter)
    except Never:
        power = None
    async with door.db.tx() as tx:
        known = await requests.by_token(tx, invite.room_id, invite.token)
        made = await requests.invites_made(tx, invite.room_id, invite.inviter)
    now = door.now()
    facts = InviteFacts(
        inviter=invite.inviter,
        keys=invite.keys,
        power=power,
        member=await is_member(door, invite.room_id, invite.inviter),
        earlier=tuple(now - at for request_id, at in made if known is None or request_id != known.id),
    )
    if not vouch:
        return facts
    return InviteFacts(
        facts.inviter, facts.keys, facts.power, facts.member, facts.earlier, await door.vouch(invite.keys)
    )


async def plant(
    door: Door, invite: ThirdPartyInvite, decision: Decision, seq: int | None, *, card_id: int | None = None
) -> None:
    """Open the request for a judged invite; another one under the same token takes the place of the one before."""
    async with door.closing(seq) as tx:
        room = await rooms.find(tx, invite.room_id)
        request = await requests.by_token(tx, invite.room_id, invite.token)
        if room is None or (request is not None and request.event_id == invite.event_id):
            return
        if request is None:
            request = await requests.open_invite(tx, room.management_room, invite, door.now())
        else:
            request = await _replaced(door, tx, request, invite)
        await carry_out(door, tx, request, decision, card_id=card_id)


async def _replaced(door: Door, tx: Tx, request: Request, invite: ThirdPartyInvite) -> Request:
    """The word was for what stood there before: the request is open again."""
    await requests.invite_replaced(tx, request.id, invite, door.now())
    await settle.take_back_answer(door, tx, request, "another invite stands under its token")
    await requests.reopened(tx, request.id, door.now())
    return await requests.get(tx, request.id)


async def carry_out(door: Door, tx: Tx, request: Request, decision: Decision, *, card_id: int | None = None) -> None:
    """As for a knock; but to accept an invite is to leave it alone, which is done at once."""
    await settle.carry_out(door, tx, request, decision, card_id=card_id)
    if decision.verdict is Verdict.ACCEPT:
        await leave_alone(door, tx, request.id)


async def leave_alone(door: Door, tx: Tx, request_id: int) -> None:
    """The word on an invite is accept: it stands, or, where somebody came in by it, it is redeemed for good."""
    request = await requests.get(tx, request_id)
    if request.open and request.answer is not None and request.answer.verdict is Verdict.ACCEPT:
        state = State.REDEEMED if request.redeemed else State.STANDING
        await settle.settle(door, tx, request, state, request.answer.by)


async def _emptied(door: Door, change: ThirdPartyChange, seq: int | None) -> None:
    async with door.closing(seq) as tx:
        request = await requests.by_token(tx, change.room_id, change.token)
        if request is not None:
            await _turn(door, tx, request, Turn.EMPTIED, change.sender)


async def found_empty(door: Door, request: Request) -> None:
    """An invite on record does not stand in the room any more, and nobody told by whom it was taken back."""
    async with door.closing(None) as tx:
        found = await requests.get(tx, request.id)
        by = found.answer.by if found.answer is not None else door.bot
        await _turn(door, tx, found, Turn.EMPTIED, by)


async def _turn(door: Door, tx: Tx, request: Request, turn: Turn, sender: str) -> None:
    state = None if request.redeemed else invite_outcome(request.state, turn)
    if state is not None:
        by = request.answer.by if sender == door.bot and request.answer is not None else sender
        await settle.settle(door, tx, request, state, by)


async def redacted(door: Door, redaction: Redaction, seq: int | None) -> None:
    """An event lost its content: where it was a third-party invite, nothing else tells that it is void."""
    async with door.db.tx() as tx:
        kept = await rooms.find(tx, redaction.room_id) is not None
        standing = await requests.invites_of(tx, redaction.room_id) if kept else []
    hit = next((request for request in standing if request.event_id == redaction.redacts), None)
    gone = hit is not None and hit.invite is not None and await _is_gone(door, hit.invite)
    async with door.closing(seq) as tx:
        if hit is not None and gone:
            await _turn(door, tx, await requests.get(tx, hit.id), Turn.EMPTIED, redaction.sender)


async def _is_gone(door: Door, invite: ThirdPartyInvite) -> bool:
    return await door.outside.third_party_invite(invite.room_id, invite.token) is None


# --- redeemed -------------------------------------------------------------------------------------------------


async def redeemed(door: Door, change: MemberChange, seq: int | None) -> None:
    """Somebody came in by a third-party invite: the story goes on under its number, and they are judged in turn."""
    token = change.token or ""
    async with door.db.tx() as tx:
        policy = (await rules.in_force(door, tx, change.room_id)).policy
        request = await requests.by_token(tx, change.room_id, token)
    decision = await _judge_redeemer(door, policy, change, request)
    async with door.closing(seq) as tx:
        room = await rooms.find(tx, change.room_id)
        request = await requests.by_token(tx, change.room_id, token)
        if room is None or (request is not None and request.event_id == change.event_id):
            return
        if request is None:
            unseen = ThirdPartyInvite(change.room_id, change.event_id, token, change.sender)
            request = await requests.open_invite(tx, room.management_room, unseen, door.now())
        await settle.take_back_answer(door, tx, request, "somebody came in by it")
        await requests.redeemed(tx, request.id, change)
        await settle.record(door, tx, request, change.user_id, "redeemed")
        await requests.reopened(tx, request.id, door.now())
        if request.invite is not None:
            # Its key would let in as many as its holder signs for; the invite of who came in stays good without it.
            await effects.add(tx, [plan.spend(request, change.event_id)], door.now())
        await carry_out(door, tx, await requests.get(tx, request.id), decision)


async def _judge_redeemer(door: Door, policy: Policy, change: MemberChange, request: Request | None) -> Decision:
    """What the rules for redeemed invites say; where none does, whoever was accepted is, and nobody else."""
    invite = request.invite if request is not None else None
    facts = await _facts(door, invite, vouch=False) if invite is not None else None
    decision = await judge(door, policy, change.as_knock(), Kind.REDEEMED_INVITE, facts)
    if decision.rule != OTHERWISE:
        return decision
    return Decision(_by_default(request), OTHERWISE, None, decision.missed)


def _by_default(request: Request | None) -> Verdict:
    """What follows for the redeemer from how far their invite had come."""
    if request is None or request.redeemed:
        return Verdict.FORWARD  # never seen before, or used twice
    if request.state is State.STANDING:
        return Verdict.ACCEPT
    refused = request.state is State.REVOKED or (
        request.answer is not None and request.answer.verdict is not Verdict.ACCEPT
    )
    return Verdict.REJECT if refused else Verdict.FORWARD


# --- when the inviter falls -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fallen:
    """Somebody who planted invites, and what became of them; `cause` names the occasion."""

    room_id: str
    inviter: str
    how: Fall
    cause: str


async def inviter_moved(door: Door, tx: Tx, change: MemberChange) -> None:
    """Somebody left, was kicked or banned: what they planted does not simply stand any longer."""
    fell = fall(change)
    if fell is not None:
        await inviter_fell(door, tx, Fallen(change.room_id, change.user_id, fell, change.event_id))


async def inviters_demoted(door: Door, tx: Tx, room_id: str, powers: Powers) -> None:
    """The powers changed: who may not invite any more, may not have invites standing."""
    standing = await requests.invites_of(tx, room_id)
    for inviter in dict.fromkeys(request.invite.inviter for request in standing if request.invite is not None):
        if not may_invite(powers, inviter):
            cause = f"level {powers.level(inviter):g} of {inviter}"
            await inviter_fell(door, tx, Fallen(room_id, inviter, Fall.DEMOTED, cause))


async def inviter_fell(door: Door, tx: Tx, fallen: Fallen) -> None:
    """Revoke, forward or keep the standing invites of an inviter, as the policy says, and say how many there were."""
    room_id, inviter, cause = fallen.room_id, fallen.inviter, fallen.cause
    room = await rooms.find(tx, room_id)
    mine = [
        request
        for request in await requests.invites_of(tx, room_id, inviter)
        if request.answer is None or request.state is State.STANDING
    ]
    if room is None or not mine:
        return
    fate = (await rules.in_force(door, tx, room_id)).policy.fate(fallen.how)
    for request in mine:
        if fate is Fate.REVOKE:
            await take_back(
                door, tx, request, Answer(Verdict.REJECT, door.bot, door.now(), request.event_id, cause=cause)
            )
        elif fate is Fate.FORWARD and request.state is State.STANDING:
            await settle.take_back_answer(door, tx, request, "its inviter is gone")
            await requests.reopened(tx, request.id, door.now())
            await settle.show(door, tx, request.id)
    text = wording.inviter_fell(inviter, room.label, fallen.how, fate, len(mine))
    await settle.say(door, tx, room.management_room, f"fell:{room_id}:{inviter}:{cause}", text)


async def revoke(door: Door, tx: Tx, request_id: int, wish: Wish) -> Words | None:
    """A moderator takes an invite back; the words say why that is no use any more."""
    request = await requests.get(tx, request_id)
    if request.answer is not None and request.answer.cause == wish.cause:
        return None
    if request.redeemed or request.state not in (State.PENDING, State.STANDING):
        return wording.already_answered(request, door.now())
    await take_back(
        door,
        tx,
        request,
        Answer(Verdict.REJECT, wish.actor, door.now(), request.event_id, reason=wish.reason or None, cause=wish.cause),
    )
    return None


async def take_back(door: Door, tx: Tx, request: Request, answer: Answer) -> None:
    """Have a pending or standing invite revoked; `answer` says on whose word."""
    await requests.answered(tx, request.id, answer)
    await requests.reopened(tx, request.id, door.now())
    await effects.add(tx, [plan.revoke(request, answer.cause or answer.event_id)], door.now())
    await settle.record(door, tx, request, answer.by, "revoke")
    if request.card_id is not None:
        await settle.refresh(door, tx, request.card_id, after=settle.UNDER_WAY)
