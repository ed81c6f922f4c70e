"""Quiet hours: nobody is called while they last; at their end one line tells what came, and calls once.

That something came is a row as soon as a message has called nobody, and the end a timer. Where other hours are in
force, or another time zone, the end is planned anew in the same turn. The clock of the bot decides; that of a
homeserver does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from knockbot.documents.zones import zone
from knockbot.domain.notices import Notice, Number, below, notice, numbered
from knockbot.engine.timers import TimerKind, move_timer, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.flow import calling, inheriting, place, saying
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.saying import Audience, Urgency
from knockbot.store import mornings, timers
from knockbot.store.mornings import Morning
from knockbot.store.rooms import ProtectedRoom
from knockbot.store.timers import Timer

KIND: Final = "quiet_hours_end"


def ends(there: Place, now: int) -> int | None:
    """When the quiet hours end that go on at a room; `None` where none do."""
    hours = there.settings.quiet_hours
    return hours.until(now, zone(there.settings.timezone)) if hours is not None else None


def is_quiet(context: Context, there: Place) -> bool:
    """Whether nobody is called about a room now."""
    return ends(there, context.now()) is not None


async def silenced(context: Context, turn: Turn, there: Place, alarm: bool) -> None:
    """A message has called nobody: that is to be told when the quiet hours are over."""
    since = turn.now - EARLIER if not alarm else turn.now
    await mornings.note(turn.tx, Morning(there.room_id, there.management_room, since, int(alarm)))
    await _plan(context, turn, there)


EARLIER: Final = 60_000
"""Milliseconds that a request may have waited until its card was posted."""


async def _plan(context: Context, turn: Turn, there: Place) -> None:
    """Have the end of the quiet hours told at their end; at once, if none go on."""
    due = ends(there, turn.now) or turn.now
    await set_timer(context, turn, Timer(_key(there.room_id), KIND, there.room_id, due))


def _key(room_id: str) -> str:
    return f"{KIND}:{room_id}"


# --- in the morning -------------------------------------------------------------------------------------------


async def rings(context: Context, timer: Timer) -> Write[None]:
    """Quiet hours may be over: one line for all rooms of the management room at which they are."""

    async def write(turn: Turn) -> None:
        told = await mornings.find(turn.tx, timer.about)
        if told is not None:
            await _tell(context, turn, told.management_room)

    return write


END: Final = TimerKind(rings)


async def _tell(context: Context, turn: Turn, management_room: str) -> None:
    over: list[Place] = []
    lines: list[Notice] = []
    for one in await mornings.of(turn.tx, management_room):
        there = await place.of(context, turn, one.room_id)
        managed = there is not None and there.management_room == management_room
        await timers.end(turn.tx, _key(one.room_id))
        if there is not None and managed and ends(there, turn.now) is not None:
            await _plan(context, turn, there)
            continue
        await mornings.end(turn.tx, one.room_id)
        said = await _came(turn, there, one) if there is not None and managed else []
        if there is not None and said:
            over.append(there)
            lines += said
    if over:
        await _say(context, turn, over, below(notice("quiet.over"), *lines))


async def _came(turn: Turn, there: Place, one: Morning) -> list[Notice]:
    """What came to one room, in a line or two; nothing if all of it was answered."""
    numbers = await mornings.came(turn.tx, one, turn.now)
    lines = []
    if numbers:
        said = notice("quiet.came", room=there.called, count=Number(len(numbers)), numbers=numbered(numbers))
        lines.append(said)
    if one.alarms:
        lines.append(notice("quiet.alarms", room=there.called, count=Number(one.alarms)))
    return lines


async def _say(context: Context, turn: Turn, over: Sequence[Place], said: Notice) -> None:
    calls = await calling.about(context, turn.tx, over)
    only = over[0].room_id if len(over) == 1 else None
    to = Audience(over[0].management_room, None, only, calls.users, tuple(one.room_id for one in over))
    await saying.say(context, turn, to, f"{KIND}:{over[0].room_id}:{turn.now}", said, urgency=Urgency.ALOUD)


# --- changes --------------------------------------------------------------------------------------------------


async def revised(context: Context, turn: Turn, room_id: str) -> None:
    """Another policy is in force, perhaps with other hours or another zone: the end is planned anew."""
    for one in await inheriting.where_it_decides(turn.tx, room_id):
        there = await place.of(context, turn, one.room_id)
        if there is not None and await mornings.find(turn.tx, one.room_id) is not None:
            await timers.end(turn.tx, _key(one.room_id))
            await _plan(context, turn, there)


async def look(context: Context, there: Place) -> None:
    """Make sure that the end is planned: a default policy may have changed with the config file."""
    async with context.db.statement() as tx:
        if await mornings.find(tx, there.room_id) is None:
            return
    async with context.turn() as turn:
        await revised(context, turn, there.room_id)


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is not managed from here any more: nothing is told of it."""
    await mornings.end(turn.tx, room.room_id)
    await timers.end(turn.tx, _key(room.room_id))


async def took_place(turn: Turn, old: str, new: str) -> None:
    """A room was replaced: what came at night is told of the new one, to which it came over."""
    told = await mornings.find(turn.tx, old)
    if told is not None:
        await mornings.end(turn.tx, old)
        await mornings.note(turn.tx, replace(told, room_id=new))
    await move_timer(turn, _key(old), _key(new), new)
