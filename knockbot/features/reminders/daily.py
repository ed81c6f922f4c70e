"""Once a day moderators are told of the requests that they were reminded of, and that still wait: one quiet line."""

from __future__ import annotations

from typing import Final

from knockbot.documents.zones import zone
from knockbot.domain.hours import is_next, next_time
from knockbot.domain.notices import Number, notice, numbered
from knockbot.domain.reminders import DIGEST, HOUR_OF_DAY, NOT_BEFORE
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.flow import place, saying
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.saying import Audience
from knockbot.store import reminders, timers
from knockbot.store.reminders import Reminded
from knockbot.store.timers import Timer

KIND: Final = "daily"


def key(room_id: str) -> str:
    """The key of a room's timer."""
    return f"{KIND}:{room_id}"


async def plan(context: Context, turn: Turn, there: Place, *, after: int = NOT_BEFORE) -> None:
    """Have the moderators told at the hour of the day that comes after so many milliseconds, unless it is planned."""
    due = next_time(turn.now + after, _minute(there), zone(there.settings.timezone))
    await set_timer(context, turn, Timer(key(there.room_id), KIND, there.room_id, due))


def _minute(there: Place) -> int:
    return there.settings.digest.minute if there.settings.digest is not None else HOUR_OF_DAY


async def rings(context: Context, timer: Timer) -> Write[None]:
    """It is that hour."""

    async def write(turn: Turn) -> None:
        there = await place.of(context, turn, timer.about)
        if there is not None and there.settings.remind_after is not None:
            await _tell(context, turn, there)

    return write


DAILY: Final = TimerKind(rings)


async def _tell(context: Context, turn: Turn, there: Place) -> None:
    found = await _reminded(turn, there)
    if not found:
        return
    await plan(context, turn, there, after=0)
    numbers = [one.number for one in found if not one.is_deferred]
    if numbers:
        said = notice("remind.daily", room=there.called, count=Number(len(numbers)), numbers=numbered(numbers))
        to = Audience(there.management_room, place=there.room_id)
        await saying.say(context, turn, to, f"{KIND}:{there.room_id}:{turn.now}", said)


async def _reminded(turn: Turn, there: Place) -> list[Reminded]:
    return await reminders.reminded(turn.tx, there.room_id, there.management_room, DIGEST, turn.now)


async def make_sure(context: Context, turn: Turn, there: Place) -> None:
    """Make sure that it is planned where there is something to tell: the room may be protected anew, or replace the one
    at which moderators were reminded."""
    if there.settings.remind_after is not None and await _reminded(turn, there):
        await plan(context, turn, there, after=0)


async def replan(context: Context, turn: Turn, there: Place) -> None:
    """The hour of the day may come at another moment now."""
    planned = await timers.find(turn.tx, key(there.room_id))
    if planned is not None and not is_next(planned.due_at, turn.now, _minute(there), zone(there.settings.timezone)):
        await timers.end(turn.tx, planned.key)
        await plan(context, turn, there, after=0)
