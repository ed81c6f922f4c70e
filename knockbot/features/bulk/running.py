"""Running a batch: a few answers at a time, each request once, whoever may still give it at that moment.

Only a few of its acts are under way at once, so that the answers of people and new knocks do not wait for it. What it
has answered is on record with the answers themselves: after a restart it goes on with the next request.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from knockbot.domain.batches import Batch, Given, Item, Left, Stage, Step, fate, left_out
from knockbot.domain.model import Request
from knockbot.engine.prompts import refresh
from knockbot.engine.timers import set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.features.bulk import asking
from knockbot.features.bulk.choosing import left_now, wish
from knockbot.features.bulk.counting import SHOWN
from knockbot.features.bulk.preview import RUN
from knockbot.flow import answering, offers, place
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import batches, prompts, requests
from knockbot.store.timers import Timer
from knockbot.times import SECOND

IN_FLIGHT: Final = 4
"""Acts of a batch that are under way at once."""

FRESH: Final = 10 * SECOND
"""Milliseconds after which an act that is still under way is not waited for: its server may be gone."""

PAUSE: Final = 250
"""Milliseconds between two steps of a batch."""


async def run(context: Context, timer: Timer) -> Write[None] | None:
    """Give the next few answers of a batch. May raise `Later`."""
    async with context.db.tx() as tx:
        batch = await batches.find(tx, int(timer.about))
        if batch is None or batch.stage is not Stage.RUNNING:
            return None
        given = await batches.answered(tx, batch.id)
        known = await requests.several(tx, [item.request_id for item in given])
        free = IN_FLIGHT - sum(_is_in_flight(batch, item, known.get(item.request_id), context.now()) for item in given)
        items = await batches.waiting(tx, batch.id, max(free, 0))
        found = await requests.several(tx, [item.request_id for item in items])
    looked_at = [(item, await left_now(context, batch, item, found[item.request_id])) for item in items]

    async def write(turn: Turn) -> None:
        now = await batches.find(turn.tx, batch.id, held=True)
        if now is None or now.stage is not Stage.RUNNING:
            return
        await requests.hold(turn.tx, [item.request_id for item in items])
        for item, why in looked_at:
            left = why or await _answered(context, turn, batch, item)
            step = Step.LEFT if left is not None else Step.ANSWERED
            await batches.put(turn.tx, batch.id, [item.request_id], step, left)
        await _go_on(context, turn, batch)

    return write


def _is_in_flight(batch: Batch, item: Item, request: Request | None, now: int) -> bool:
    if fate(batch, item, request) is not Given.UNDER_WAY or request is None or request.answer is None:
        return False
    return now - request.answer.at < FRESH


async def _answered(context: Context, turn: Turn, batch: Batch, item: Item) -> Left | None:
    """Store the answer on a request; returns why not, where something came first."""
    request = await requests.get(turn.tx, item.request_id)
    known = left_out(batch.verdict, batch.management_room, item.event_id, request)
    if known is not None:
        return known
    there = await place.of(context, turn, request.room_id)
    wanted = wish(batch, item)
    if there is not None and batch.reason:
        wanted = replace(wanted, reason=asking.text_at(batch, there))
    try:
        missing = await answering.take(context, turn, wanted, request.id)
    except Refused:
        return Left.ANSWERED
    return Left.VOTED if missing is not None else None


async def _go_on(context: Context, turn: Turn, batch: Batch) -> None:
    """Plan the next step; where there is none left, the batch is done."""
    given = await batches.answered(turn.tx, batch.id)
    known = await requests.several(turn.tx, [item.request_id for item in given])
    under_way = any(fate(batch, item, known.get(item.request_id)) is Given.UNDER_WAY for item in given)
    if under_way or await batches.waiting(turn.tx, batch.id, 1):
        await set_timer(context, turn, Timer(f"{RUN}:{batch.id}", RUN, str(batch.id), turn.now + PAUSE))
        await refresh(turn, batch.prompt_id, after=SHOWN)
        return
    await batches.move_on(turn.tx, batch, Stage.DONE)
    await refresh(turn, batch.prompt_id)


async def look(context: Context, there: Place) -> None:
    """Look for clicks on batches that came while the bot was away, and post again what was not posted."""
    async with context.db.tx() as tx:
        found = await batches.open_in(tx, there.management_room)
        at_work = [one for one in found if there.room_id in await batches.rooms_waiting(tx, one.id)]
        shown = [await prompts.get(tx, one.prompt_id, held=False) for one in at_work]
    for prompt in shown:
        await offers.look_at(context, prompt)
