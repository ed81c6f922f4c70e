"""A knock that nobody answers for too long expires: at its time, by one timer for each room.

A look at the room finds the same (`flow/missed.py`), for what was answered and never carried out.
"""

from __future__ import annotations

from typing import Final

from knockbot.domain.kinds import kind_of
from knockbot.domain.model import Request
from knockbot.engine.timers import TimerKind, replace_timer
from knockbot.engine.turn import Turn, Write
from knockbot.flow import missed, place
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import reminders, timers
from knockbot.store.timers import Timer

KIND: Final = "expire"

AT_ONCE: Final = 50
"""Requests that expire in one turn."""

PAUSE: Final = 250
"""Milliseconds between two such turns, in which the answers of people and new knocks come first."""


def key(room_id: str) -> str:
    """The key of a room's timer."""
    return f"{KIND}:{room_id}"


async def left_open(context: Context, turn: Turn, request: Request) -> None:
    """A knock waits for an answer: it expires after some time."""
    there = await place.of(context, turn, request.room_id)
    if there is not None and kind_of(request).waits_outside:
        due = max(turn.now, request.changed_at + there.settings.stale_after)
        await timers.at_latest(turn.tx, Timer(key(request.room_id), KIND, request.room_id, due))
        turn.after(context.wakeups.timers.set)


async def plan(context: Context, turn: Turn, there: Place, *, pause: int = 0) -> None:
    """Plan anew when the next knock at a room expires; not before a pause (milliseconds) is over."""
    first = await reminders.first_stale(turn.tx, there.room_id)
    if first is None:
        await timers.end(turn.tx, key(there.room_id))
        return
    due = max(turn.now + pause, first + there.settings.stale_after)
    await replace_timer(context, turn, Timer(key(there.room_id), KIND, there.room_id, due))


async def rings(context: Context, timer: Timer) -> Write[None]:
    """Knocks may have waited for too long."""

    async def write(turn: Turn) -> None:
        there = await place.of(context, turn, timer.about)
        if there is None:
            return
        oldest = turn.now - there.settings.stale_after
        stale = await reminders.stale(turn.tx, there.room_id, oldest, AT_ONCE)
        for request_id in stale:
            await missed.expire(context, turn, request_id, oldest)
        await plan(context, turn, there, pause=PAUSE)

    return write


EXPIRE: Final = TimerKind(rings)
