"""The digest of a room: once a day, at a time of the day, one message tells of all knocks that wait.

A knock is put into a prompt that is never posted and collects them. At the time, all that wait go to a new prompt,
those of earlier digests too, and that is posted. The time is a timer; where another one is set, or another time zone,
it is planned anew in the same turn.
"""

from __future__ import annotations

from typing import Final

from knockbot.documents.zones import zone
from knockbot.domain.hours import is_next, next_time
from knockbot.domain.model import Kind, Request
from knockbot.domain.notices import Notice, notice
from knockbot.domain.reminders import DIGEST, LATE
from knockbot.engine import prompts as prompting
from knockbot.engine.timers import TimerKind, move_timer, replace_timer, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.flow import cards, digests, inheriting, place
from knockbot.flow.context import Context
from knockbot.flow.digests import Digest
from knockbot.flow.place import Place
from knockbot.store import digests as folded
from knockbot.store import prompts, requests, timers
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom
from knockbot.store.timers import Timer

KIND: Final = "send_digest"


async def _heading(_: Context, __: Tx, there: Place, ___: Prompt) -> Notice:
    return notice("daily.heading", room=there.called)


SENT: Final = Digest(DIGEST, _heading)


def _key(room_id: str) -> str:
    return f"{KIND}:{room_id}"


async def fold(context: Context, turn: Turn, request: Request) -> int | None:
    """The prompt that collects the knocks of a room until its time comes; none where the policy names no time."""
    there = await place.of(context, turn, request.room_id)
    if there is None or there.settings.digest is None or there.management_room != request.management_room:
        return None
    if request.judged_as is not Kind.KNOCK or not request.awaits_moderators:
        return None
    collecting = await digests.find(turn.tx, SENT, there)
    if collecting is None:
        collecting = await prompts.new(turn.tx, there.management_room, DIGEST, there.room_id, turn.now)
    await set_timer(context, turn, _timer(there, there.settings.digest.minute, turn.now))
    return collecting.id


def _timer(there: Place, minute: int, now: int) -> Timer:
    return Timer(_key(there.room_id), KIND, there.room_id, next_time(now, minute, zone(there.settings.timezone)))


# --- its time -------------------------------------------------------------------------------------------------


async def rings(context: Context, timer: Timer) -> Write[None]:
    """It is the time, or was while the bot was down: so late that the next one is sooner, nothing is sent."""

    async def write(turn: Turn) -> None:
        there = await place.of(context, turn, timer.about)
        if there is None:
            return
        waiting = await folded.at(turn.tx, there.room_id, DIGEST, turn.now)
        if waiting and turn.now - timer.due_at < LATE:
            await _send(turn, there, waiting)
        if waiting and there.settings.digest is not None:
            await set_timer(context, turn, _timer(there, there.settings.digest.minute, turn.now))

    return write


SEND: Final = TimerKind(rings)


async def _send(turn: Turn, there: Place, waiting: dict[int, int]) -> None:
    """One message for all of them; the earlier ones tell of them no more."""
    await requests.hold(turn.tx, [*waiting])
    now_waiting = await folded.at(turn.tx, there.room_id, DIGEST, turn.now)
    told = [request_id for request_id in waiting if request_id in now_waiting]
    if not told:
        return
    now = turn.now
    prompt = await prompts.new(turn.tx, there.management_room, DIGEST, there.room_id, now, closes_at=now)
    await folded.put(turn.tx, told, prompt.id)
    await prompting.post(turn, prompt)
    for earlier in sorted({waiting[request_id] for request_id in told}):
        await cards.refresh(turn, earlier)


# --- changes --------------------------------------------------------------------------------------------------


async def revised(context: Context, turn: Turn, room_id: str) -> None:
    """Another policy is in force: with another time or zone it is planned anew; without a time there are cards, for a
    deferred request once it is back on the list."""
    for one in await inheriting.where_it_decides(turn.tx, room_id):
        there = await place.of(context, turn, one.room_id)
        if there is not None:
            await _plan(context, turn, there)


async def _plan(context: Context, turn: Turn, there: Place) -> None:
    waiting = await folded.at(turn.tx, there.room_id, DIGEST, turn.now)
    if waiting and there.settings.digest is not None:
        await _plan_anew(context, turn, there, there.settings.digest.minute)
        return
    await timers.end(turn.tx, _key(there.room_id))
    collecting = await digests.find(turn.tx, SENT, there) if waiting else None
    for request_id in [one for one, card_id in waiting.items() if collecting and card_id == collecting.id]:
        await folded.take_off(turn.tx, request_id)
        await cards.show(context, turn, request_id)


async def _plan_anew(context: Context, turn: Turn, there: Place, minute: int) -> None:
    planned = await timers.find(turn.tx, _key(there.room_id))
    if planned is None or not is_next(planned.due_at, turn.now, minute, zone(there.settings.timezone)):
        await replace_timer(context, turn, _timer(there, minute, turn.now))


async def look(context: Context, there: Place) -> None:
    """Make sure that its time is planned, unless it is due: the config file may have another default policy now."""
    async with context.turn() as turn:
        planned = await timers.find(turn.tx, _key(there.room_id))
        if planned is None or planned.due_at > turn.now:
            await _plan(context, turn, there)


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is not managed from here any more."""
    await digests.close(turn, SENT, room.room_id)
    await timers.end(turn.tx, _key(room.room_id))


async def took_place(turn: Turn, old: str, new: str) -> None:
    """A room was replaced: what is collected is about the new one."""
    for prompt in await prompts.still_open(turn.tx, DIGEST, old):
        await prompts.move_over(turn.tx, prompt.id, new)
    await move_timer(turn, _key(old), _key(new), new)
