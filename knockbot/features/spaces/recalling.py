"""An invite by `also_invite` that nobody has taken yet is withdrawn if a policy list of that room names its user.

Such an invite has no request of its own at that room. So it is remembered until its user joins, declines or is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.domain import plan
from knockbot.domain.may import Deed, shortfall
from knockbot.domain.model import Answer, MemberChange, Membership, Request
from knockbot.domain.notices import Id, Notice, Room, User, below, listed, notice
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never
from knockbot.features.spaces.telling import NAMED
from knockbot.flow import authority, place, saying
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.records import record
from knockbot.flow.saying import Audience
from knockbot.flow.tables import Names
from knockbot.store import also_invites, records, requests, rooms
from knockbot.store.also_invites import Sent
from knockbot.store.rooms import ProtectedRoom


async def seen(context: Context, change: MemberChange) -> Write[None] | None:
    """Somebody's membership changed: an invite that was taken, declined or withdrawn is not remembered any more."""
    if change.membership in (Membership.KNOCK, Membership.INVITE):
        return None
    async with context.db.tx() as tx:
        sent = await also_invites.find_sent(tx, change.room_id, change.user_id)
    if sent is None:
        return None

    async def write(turn: Turn) -> None:
        known = await also_invites.find_sent(turn.tx, change.room_id, change.user_id)
        if known is not None and change.membership is not Membership.JOIN and not change.of_their_own:
            await _record_withdrawal(turn, known, change.sender)
        await also_invites.forget_sent(turn.tx, change.room_id, change.user_id)

    return write


async def _record_withdrawal(turn: Turn, sent: Sent, by: str) -> None:
    request = await requests.get(turn.tx, sent.request_id)
    room = await rooms.find(turn.tx, sent.room_id)
    called = _called(request, sent.room_id, room)
    name = called.label if isinstance(called, Room) else sent.room_id
    kind = Recorded.ALSO_WITHDRAWN
    await record(turn, request, by, kind, invited_to=sent.room_id, invited_to_name=name)


async def reconsider(context: Context, room_id: str, names: Names) -> Write[None] | None:
    """Withdraw those invites to a room whose users a list of that room names now."""
    async with context.db.tx() as tx:
        there = await place.find(context, tx, room_id)
        sent = await also_invites.sent_to(tx, room_id)
    if there is None or there.settings.dry_run:
        return None
    found = [(one, why) for one in sent if (why := await names(one.user_id)) is not None]
    named = [await _named_now(context, one, why) for one, why in found if await _stands(context, one)]

    async def write(turn: Turn) -> None:
        for one in named:
            await _withdraw(context, turn, there, one)

    return write if named else None


@dataclass(frozen=True, slots=True)
class Named:
    """An invite whose user a list names."""

    sent: Sent
    why: Notice
    lacking: Notice | None
    """Why whoever had them invited may not withdraw that; none if they may."""
    powerless: Notice | None
    """Why the bot may not; none if it may."""


async def _stands(context: Context, one: Sent) -> bool:
    """Whether the bot's invite is in the room still; that of a moderator is not ours."""
    try:
        member = await context.outside.member(one.room_id, one.user_id)
    except Never:
        return False
    return member is not None and member.membership is Membership.INVITE and member.sender == context.bot


async def _named_now(context: Context, one: Sent, why: Notice) -> Named:
    by, room_id, user_id = one.on_behalf_of, one.room_id, one.user_id
    lacking = await authority.lacking(context, by, Deed.REJECT, room_id=room_id, target=user_id)
    mine = shortfall(await context.outside.powers(room_id), Deed.REJECT, context.bot, user_id)
    return Named(one, why, lacking, mine.why if mine is not None else None)


async def undone(_: Context, turn: Turn, request: Request, answer: Answer) -> Notice | None:
    """The accept is undone by which somebody was invited to other rooms: withdraw those invites that are not taken.
    From the other rooms nobody is removed, and the reply names them."""
    sent = await also_invites.sent_for(turn.tx, request.id)
    for one in sent:
        await turn.plan(plan.call_back(one.room_id, one.user_id, answer.by, f"{request.id}:{answer.cause}"))
    entries = await records.of_request(turn.tx, request.id)
    invited = [entry.detail["invited_to"] for entry in entries if entry.kind is Recorded.ALSO_INVITED_TO]
    taken = [room_id for room_id in dict.fromkeys(invited) if room_id not in {one.room_id for one in sent}]
    user = User(request.user_id)
    withdrawn = await _named(turn, request, [one.room_id for one in sent])
    stay = await _named(turn, request, taken)
    said = [
        *([notice("undo.also_withdrawn", user=user, rooms=listed(withdrawn))] if withdrawn else []),
        *([notice("undo.also_taken", user=user, rooms=listed(stay))] if stay else []),
    ]
    return below(*said) if said else None


async def _named(turn: Turn, request: Request, room_ids: Sequence[str]) -> list[Room | Id]:
    """What people call these rooms; those that are not managed from there any more by their ID."""
    known = [await rooms.find(turn.tx, room_id) for room_id in room_ids[:NAMED]]
    here = {room.room_id: room for room in known if room is not None}
    return [_called(request, room_id, here.get(room_id)) for room_id in room_ids[:NAMED]]


def _called(request: Request, room_id: str, room: ProtectedRoom | None) -> Room | Id:
    managed = room is not None and room.management_room == request.management_room
    return Room(room_id, room.label) if room is not None and managed else Id(room_id)


async def _withdraw(context: Context, turn: Turn, there: Place, named: Named) -> None:
    sent, user = named.sent, User(named.sent.user_id)
    occasion = f"also back:{sent.request_id}:{sent.room_id}"
    if named.lacking is not None:
        said = notice("also.not_called_back", user=user, room=there.called, named=named.why, why=named.lacking)
        await saying.alarm(context, turn, sent.room_id, occasion, said)
        return
    await turn.plan(plan.call_back(sent.room_id, sent.user_id, sent.on_behalf_of, f"{sent.request_id}:{turn.now}"))
    if named.powerless is not None:
        said = notice("also.called_back_later", user=user, room=there.called, named=named.why, why=named.powerless)
        await saying.alarm(context, turn, sent.room_id, f"{occasion}:later", said)
        return
    said = notice("also.called_back", user=user, room=there.called, why=named.why)
    await saying.say(context, turn, Audience(there.management_room, place=sent.room_id), f"{occasion}:{turn.now}", said)
