"""Once a day moderators are told of the requests that they were reminded of, and that still wait: one quiet line."""

from __future__ import annotations

from typing import Final

from knockbot.documents.zones import zone
from knockbot.domain.hours import next_time
from knockbot.domain.notices import Number, notice, numbered
from knockbot.domain.reminders import DIGEST, HOUR_OF_DAY, NOT_BEFORE
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.flow import place, saying, tables
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.saying import Audience
from knockbot.store import digests, reminders, requests, timers
from knockbot.store.timers import Timer

KIND: Final = "daily"


def key(room_id: str) -> str:
    """The key of a room's timer."""
    return f"{KIND}:{room_id}"


async def plan(context: Context, turn: Turn, there: Place, *, after: int = NOT_BEFORE) -> None:
    """Have the moderators told at the hour of the day that comes after so many milliseconds, unless it is planned."""
    minute = there.settings.digest.minute if there.settings.digest is not None else HOUR_OF_DAY
    due = next_time(turn.now + after, minute, zone(there.settings.timezone))
    await set_timer(context, turn, Timer(key(there.room_id), KIND, there.room_id, due))


async def rings(context: Context, timer: Timer) -> Write[None]:
    """It is that hour."""

    async def write(turn: Turn) -> None:
        there = await place.of(context, turn, timer.about)
        if there is not None and there.settings.remind_after is not None:
            await _tell(context, turn, there)

    return write


DAILY: Final = TimerKind(rings)


async def _tell(context: Context, turn: Turn, there: Place) -> None:
    found = await requests.unsettled(turn.tx, there.room_id)
    here = [one for one in found if one.awaits_moderators and one.management_room == there.management_room]
    reminded = await reminders.of(turn.tx, [one.id for one in here])
    daily_anyway = await digests.at(turn.tx, there.room_id, DIGEST)
    waiting = [one for one in here if one.id in reminded and one.id not in daily_anyway]
    if not waiting:
        return
    await plan(context, turn, there, after=0)
    off = await tables.put_off(context, turn.tx, waiting)
    numbers = [one.number for one in waiting if one.id not in off]
    if numbers:
        said = notice("remind.daily", room=there.called, count=Number(len(numbers)), numbers=numbered(numbers))
        to = Audience(there.management_room, place=there.room_id)
        await saying.say(context, turn, to, f"{KIND}:{there.room_id}:{turn.now}", said)


async def replan(context: Context, turn: Turn, there: Place) -> None:
    """The hour of the day may come at another moment now."""
    planned = await timers.find(turn.tx, key(there.room_id))
    if planned is not None:
        await timers.end(turn.tx, planned.key)
        await plan(context, turn, there, after=0)
