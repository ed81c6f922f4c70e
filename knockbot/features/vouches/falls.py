"""Words fall with whoever gave them, who left the room or was removed: heard, or found by a look.

Who waits is judged again, and an invite that nobody has taken is withdrawn; who has joined stays.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from knockbot.domain.model import Because, MemberChange, Membership, Rejudge, Request, RoomChange, State
from knockbot.domain.records import Recorded
from knockbot.domain.vouches import Fell
from knockbot.engine.turn import Turn, Write
from knockbot.flow import place, rejudging, remarks
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.records import record
from knockbot.store import requests, vouches
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom

OUT: Final = (Membership.LEAVE, Membership.BAN)


async def moved(context: Context, change: MemberChange) -> Write[None] | None:
    """Somebody came or went: their words fall if they went, and count from now on in a room that replaces another."""
    if change.membership is Membership.JOIN:
        return await _came(context, change)
    if change.membership not in OUT:
        return None
    async with context.db.statement() as tx:
        if not await vouches.names(tx, change.room_id, change.user_id):
            return None
    async with context.db.tx() as tx:
        there = await place.find(context, tx, change.room_id)
    if there is not None and _moves_on(there, change):
        return None
    return partial(_went, context, change)


def _moves_on(there: Place, change: MemberChange) -> bool:
    """Whether somebody only leaves a room that is replaced: their words go along to the room that replaces it."""
    return there.is_replaced and change.of_their_own


async def _came(context: Context, change: MemberChange) -> Write[None] | None:
    async with context.db.statement() as tx:
        whom = await vouches.given_for(tx, change.room_id, change.user_id, context.now())
    if not whom:
        return None
    again = Rejudge(change.room_id, Because.VOUCHED, change.event_id, whom=tuple(whom))
    return lambda turn: rejudging.plan_for(context, turn, again)


async def _went(context: Context, change: MemberChange, turn: Turn) -> None:
    """Somebody is out: what they said for others falls, and what was said for them if a moderator removed them."""
    await _fall(context, change, turn)
    if _removed_by_a_moderator(context, change):
        await vouches.fall_for(turn.tx, change.room_id, change.user_id, Fell.REJECTED)


def _removed_by_a_moderator(context: Context, change: MemberChange) -> bool:
    """Whether it is no rule that removed somebody: by a rule the bot removes nobody who has joined."""
    return not change.of_their_own and (change.sender != context.bot or change.replaced_membership is Membership.JOIN)


async def _fall(context: Context, change: MemberChange, turn: Turn) -> None:
    """All words of whoever this is about fall at that room."""
    room_id, giver = change.room_id, change.user_id
    fell = await vouches.fall(turn.tx, room_id, giver, why(change))
    await vouches.forget_way_in(turn.tx, room_id, giver)
    found = [await _about(turn.tx, room_id, whom, request_id) for whom, request_id in fell]
    for request in sorted({one.id: one for one in found if one is not None}.values(), key=lambda one: one.id):
        await record(turn, request, giver, Recorded.WORD_FELL, whom=[request.user_id], people=1)
        await remarks.changed(turn, request.id)
        if request.state in (State.PENDING, State.ACCEPTED):
            again = Rejudge(room_id, Because.FACTS_CHANGED, change.event_id, request.id)
            await rejudging.plan_each(context, turn, [again])


async def _about(tx: Tx, room_id: str, user_id: str, request_id: int | None) -> Request | None:
    """The request that a word is for, if there is one: that of whoever came in by it, else the newest."""
    if request_id is not None:
        return await requests.find(tx, request_id)
    newest = await requests.latest(tx, room_id, user_id, held=False)
    return newest if newest is not None and newest.state in (State.PENDING, State.ACCEPTED) else None


def why(change: MemberChange) -> Fell:
    """Why the words of somebody fall whose membership is this now."""
    if change.membership is Membership.BAN:
        return Fell.BANNED
    return Fell.KICKED if change.membership is Membership.LEAVE and not change.of_their_own else Fell.LEFT


async def powers_changed(context: Context, change: RoomChange) -> Write[None] | None:
    """Powers changed: who waits, and for whom a word stands, is judged again."""
    if change.type != "m.room.power_levels":
        return None
    async with context.db.tx() as tx:
        waiting = await requests.who_awaits(tx, change.room_id)
        users = [user for _, user in waiting]
        stands = await vouches.stands_among(tx, change.room_id, users, context.now()) if users else set()
    again = [Rejudge(change.room_id, Because.VOUCHED, change.event_id, one) for one, user in waiting if user in stands]
    return (lambda turn: rejudging.plan_each(context, turn, again)) if again else None


async def look(context: Context, there: Place) -> None:
    """Find those whose words stand, or who came in by one, and who are out of the room, of which no event told. Whoever
    never was in the room, since it replaces another, may still come."""
    async with context.db.statement() as tx:
        members = await vouches.members(tx, there.room_id)
    if not members:
        return
    for user_id in sorted(members - {*await context.outside.joined(there.room_id)}):
        member = await context.outside.member(there.room_id, user_id)
        if member is not None and member.membership is not Membership.JOIN and not _moves_on(there, member):
            async with context.turn() as turn:
                await _went(context, member, turn)


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is not managed from here any more: what was said here for people is over."""
    await vouches.let_go(turn.tx, room.room_id, room.management_room)


async def took_place(turn: Turn, old: str, new: str) -> None:
    """A room was replaced: its words are for the new one."""
    await vouches.move_over(turn.tx, old, new)


async def forget(_: Context, turn: Turn) -> None:
    """Forget the words whose time is over."""
    await vouches.forget(turn.tx, turn.now)
