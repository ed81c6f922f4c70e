"""The course of a wave: the knock that begins it, those that keep it going, what it holds back, and its end.

All of it is in rows. A wave begins in the transaction of the knock that makes it one, under the lock by which requests
of a management room are numbered; the accept of a rule is stored under the same lock, so none is stored after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from knockbot.domain.model import Decision, Kind, MemberChange, Request, Verdict
from knockbot.domain.notices import Notice, because
from knockbot.domain.policy import held_back
from knockbot.domain.waves import counted_from, is_reached
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.features.waves import over
from knockbot.features.waves.shown import DIGEST, changed, going_on, newest
from knockbot.flow import cards, digests, inheriting, offers, place
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import digests as folded
from knockbot.store import knocks, prompts, requests, rooms, timers, waves
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom
from knockbot.store.timers import Timer
from knockbot.store.waves import Wave

HELD: Final = because("doubt.wave")
"""Why a rule accepts nobody."""


async def knocked(context: Context, turn: Turn, change: MemberChange, at: int) -> None:
    """Somebody knocked: this may begin a wave, or keep one going."""
    there = await place.of(context, turn, change.room_id)
    if there is None or there.settings.wave.is_off:
        return
    rule = there.settings.wave
    await _take_turns(turn, there)
    last = await newest(turn, there.room_id)
    since = counted_from(at, rule, last.ended_at if last is not None else None)
    if not is_reached(rule, await knocks.applicants(turn.tx, there.room_id, since=since, until=at, most=rule.knocks)):
        return
    until = turn.now + rule.ends_after
    if last is not None and last.goes_on:
        await waves.lasts(turn.tx, last.id, until)
    else:
        await begin(context, turn, there, until)


async def _take_turns(turn: Turn, there: Place) -> None:
    """Hold the lock of the management room, and forget what was looked up without it."""
    held = f"waves at {there.management_room}"
    if held not in turn.seen:
        await requests.hold_numbers(turn.tx, there.management_room)
        turn.seen[held] = True
        changed(turn, there.room_id)


async def begin(context: Context, turn: Turn, there: Place, until: int, *, by: str | None = None) -> bool:
    """A wave begins at a room and lasts until this moment at least; false where one goes on there."""
    wave = await waves.begin(turn.tx, there.room_id, turn.now, until, by)
    if wave is None:
        return False
    changed(turn, there.room_id)
    await set_timer(context, turn, _timer(wave))
    await offers.close(turn, over.OVER, there.room_id)
    await digests.opened(turn, DIGEST, there)
    return True


# --- what it holds back ---------------------------------------------------------------------------------------


async def hold(_: Context, turn: Turn, there: Place, request: Request) -> Notice | None:
    """Whether a wave goes on, in which rules accept nobody who knocks."""
    if request.judged_as is not Kind.KNOCK:
        return None
    await _take_turns(turn, there)
    return HELD if await going_on(turn, there.room_id) is not None else None


async def bar(context: Context, there: Place, request: Request) -> Notice | None:
    """The same for an accept that a rule gave before, and that is not carried out yet."""
    if request.judged_as is Kind.KNOCK and await _goes_on(context, there.room_id):
        return HELD
    return None


async def as_held(context: Context, room_id: str, decision: Decision) -> Decision:
    """The decision on a knock as it would be at this moment: an accept is left to the moderators in a wave."""
    if decision.verdict is Verdict.ACCEPT and await _goes_on(context, room_id):
        return held_back(decision, HELD)
    return decision


async def _goes_on(context: Context, room_id: str) -> bool:
    async with context.db.statement() as tx:
        return await waves.at(tx, room_id) is not None


# --- its end --------------------------------------------------------------------------------------------------

ENDS: Final = "wave_ends"
"""The kind of its timer."""

CARDS: Final = 5
"""Requests of a wave that get cards of their own after it; if there are more, they stay in the digest."""


def _timer(wave: Wave) -> Timer:
    return Timer(f"wave:{wave.id}", ENDS, str(wave.id), wave.until)


async def _rings(context: Context, timer: Timer) -> Write[None] | None:
    async with context.db.tx() as tx:
        wave = await waves.get(tx, int(timer.about))
    if wave is None or not wave.goes_on:
        return None

    async def write(turn: Turn) -> None:
        now = await waves.get(turn.tx, wave.id)
        if now is None or not now.goes_on:
            return
        if now.until > turn.now:
            await timers.add(turn.tx, replace(timer, due_at=now.until))
            return
        await end(context, turn, now)

    return write


TIMERS: Mapping[str, TimerKind[Context]] = {ENDS: TimerKind(_rings)}
"""When a wave may be over."""


async def end(context: Context, turn: Turn, wave: Wave) -> bool:
    """A wave is over: the few who are left get cards, and the moderators are told; false if it was over before.

    Those whom a rule would have accepted in it are not accepted now: they were left to the moderators.
    """
    found = await prompts.still_open(turn.tx, DIGEST.name, wave.room_id)
    left = {one.id: await _few_in(turn, one) for one in found}
    await requests.hold(turn.tx, [request_id for ids in left.values() for request_id in ids])
    if not await waves.end(turn.tx, wave.id, turn.now):
        return False
    changed(turn, wave.room_id)
    await timers.end(turn.tx, _timer(wave).key)
    await digests.close(turn, DIGEST, wave.room_id)
    for request_id in [request_id for ids in left.values() for request_id in ids]:
        await folded.take_off(turn.tx, request_id)
        await cards.show(context, turn, request_id)
    await over.tell(context, turn, wave)
    return True


async def _few_in(turn: Turn, prompt: Prompt) -> list[int]:
    """The requests of a digest that wait for an answer, if they are few enough to get cards. Those that are deferred
    get theirs when they are back on the list."""
    found = await folded.first_waiting(turn.tx, prompt.id, CARDS + 1, turn.now)
    return found if len(found) <= CARDS else []


async def revised(context: Context, turn: Turn, room_id: str) -> None:
    """Another policy is in force: where it says that there are no waves, the one that goes on is over."""
    for one in await inheriting.where_it_decides(turn.tx, room_id):
        there, wave = await place.of(context, turn, one.room_id), await waves.at(turn.tx, one.room_id)
        if there is not None and wave is not None and there.settings.wave.is_off:
            await end(context, turn, wave)


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is not managed from here any more. If it is from elsewhere, the wave goes on, with a digest there."""
    now = await rooms.find(turn.tx, room.room_id)
    wave = await waves.at(turn.tx, room.room_id)
    moves = now is not None and now.management_room != room.management_room
    if wave is not None and not moves:
        await waves.end(turn.tx, wave.id, turn.now)
        changed(turn, room.room_id)
        await timers.end(turn.tx, _timer(wave).key)
    await digests.close(turn, DIGEST, room.room_id)
    await offers.close(turn, over.OVER, room.room_id)


async def took_place(turn: Turn, old: str, new: str) -> None:
    """A room took the place of another: the wave goes on there."""
    for prompt in await prompts.still_open(turn.tx, DIGEST.name, old):
        await prompts.move_over(turn.tx, prompt.id, new)
    await waves.move_over(turn.tx, old, new)
    for room_id in (old, new):
        changed(turn, room_id)
