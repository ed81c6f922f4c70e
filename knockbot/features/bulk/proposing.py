"""Asking whether a batch is meant: which requests it is for is kept from then on, and what comes later is not in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from knockbot.domain.batches import MOST, WITHIN, Batch, Item, Left, Stage, Step
from knockbot.domain.filters import Filters
from knockbot.domain.model import Request, Verdict
from knockbot.engine.prompts import post, refresh
from knockbot.engine.timers import set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.features.bulk.choosing import Rights, left_at_first
from knockbot.features.bulk.preview import NAME
from knockbot.flow import place
from knockbot.flow.context import Context
from knockbot.store import batches, prompts, requests
from knockbot.store.timers import Timer

LAPSES: Final = "batch_lapses"
"""The timer by which a batch that nobody confirms is over."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants for many requests."""

    management_room: str
    by: str
    cause: str
    verdict: Verdict
    reason: str | None
    filters: Filters
    room_id: str | None
    """The room that they named; none for all."""
    selection: str
    """What they select, as a command has it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The requests that fit, the longest wait first, each with why it is left out, if it is."""

    found: Sequence[tuple[Request, Left | None]]
    more: int = 0
    """How many more fit than one batch takes."""

    @property
    def is_empty(self) -> bool:
        """Whether none of them would get the answer."""
        return all(why is not None for _, why in self.found)


async def choose(context: Context, order: Order) -> Chosen:
    """The pending requests that fit an order, and who of them is left out. May raise `Later`."""
    async with context.db.tx() as tx:
        managed = {there.room_id: there for there in await place.managed_by(context, tx, order.management_room)}
        pending = await requests.pending(tx, order.management_room, order.room_id)
    now = context.now()
    fitting = [one for one in pending if one.room_id in managed and order.filters.fit(one, now)]
    fitting.sort(key=lambda one: (one.opened_at, one.number))
    rights = Rights(context, order.by, order.verdict)
    found = [(one, await left_at_first(context, rights, managed[one.room_id], one)) for one in fitting[:MOST]]
    return Chosen(found, len(fitting) - len(found))


async def ask(context: Context, turn: Turn, order: Order, chosen: Chosen) -> Batch:
    """Ask whoever wants it whether they mean these requests."""
    prompt = await prompts.new(turn.tx, order.management_room, NAME, order.management_room, turn.now)
    batch = await batches.add(
        turn.tx,
        management_room=order.management_room,
        verdict=order.verdict,
        reason=order.reason,
        given_by=order.by,
        cause=order.cause,
        selection=order.selection,
        prompt_id=prompt.id,
        closes_at=turn.now + WITHIN,
    )
    await batches.add_items(turn.tx, batch.id, [_item(request, why) for request, why in chosen.found])
    await post(turn, prompt)
    await set_timer(context, turn, Timer(f"{LAPSES}:{batch.id}", LAPSES, str(batch.id), batch.closes_at))
    return batch


def _item(request: Request, why: Left | None) -> Item:
    return Item(request.id, request.event_id, Step.WAITING if why is None else Step.LEFT, why)


async def lapse(_: Context, timer: Timer) -> Write[None]:
    """The time to confirm a batch is over."""

    async def write(turn: Turn) -> None:
        batch = await batches.find(turn.tx, int(timer.about), held=True)
        if batch is not None and batch.stage is Stage.ASKED:
            await batches.move_on(turn.tx, batch, Stage.LAPSED)
            await refresh(turn, batch.prompt_id)

    return write
