"""Arriving: an event or a look brings a request, which is opened or updated, and judged.

Step 3 of the journey (ARCHITECTURE.md). Knocks and third-party invites take the same way, with a row for each
(`Arrives`): what is on record of it, whether it is news, and how its request is opened or updated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Request, Verdict
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Busy
from knockbot.flow import cards, place, settling, sharing
from knockbot.flow.context import Context
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom


class Event(Protocol):
    """The event that brings a request."""

    @property
    def room_id(self) -> str:
        """The room of the event."""

    @property
    def event_id(self) -> str:
        """The id of the event."""


E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Arrives(Generic[E]):
    """How requests of one kind arrive."""

    on_record: Callable[[Tx, E], Awaitable[Request | None]]
    """The newest request of the same applicant, or under the same token."""
    is_known: Callable[[Request, E], bool]
    """Whether that request is about this very event."""
    may_stand_again: Callable[[Request], bool]
    """Whether it counts as news that this event is current in the room: the record says that it is over."""
    goes_on: Callable[[Request], bool]
    """Whether what arrives is the same request, and replaces what was current before."""
    replaced: Callable[[Context, Turn, Request, E], Awaitable[Request]]
    """Replaces what was current before; returns the updated request, perhaps with an answer that still holds."""
    opened: Callable[[Context, Turn, ProtectedRoom, E, Request | None], Awaitable[Request]]
    """Opens a request, after the one before it."""


def take_in(
    context: Context,
    kind: Arrives[E],
    event: E,
    judgement: Judgement,
    *,
    card_id: int | None = None,
    stands: bool = False,
) -> Write[None]:
    """Open or update the request for what was judged; where it needs a card, `card_id` names one to be shared.

    `stands` says that it was seen to be current in the room, no matter what is on record of it.
    """

    async def write(turn: Turn) -> None:
        there = await place.of(context, turn, event.room_id)
        before = await kind.on_record(turn.tx, event)
        if there is None or (before is not None and _is_no_news(kind, before, event, stands=stands)):
            return
        if before is not None and kind.goes_on(before):
            request = await kind.replaced(context, turn, before, event)
            if request.answer is not None:
                return
        else:
            request = await kind.opened(context, turn, there.room, event, before)
        await settling.apply_decision(context, turn, request, judgement, card_id=card_id)

    return write


def _is_no_news(kind: Arrives[E], before: Request, event: E, *, stands: bool) -> bool:
    return kind.is_known(before, event) and not (stands and kind.may_stand_again(before))


Judge = Callable[[E], Awaitable[Judgement | None]]
"""What the policy says of something that was found; `None` where that is not known yet, or it is no longer current."""

Take = Callable[[E, Judgement, int | None], Awaitable[Write[None] | None]]
"""Takes in what was judged, on a shared card where one is named; `None` where it is no longer current."""


async def take_in_found(
    context: Context, room: ProtectedRoom, found: Iterable[E], judge: Judge[E], take: Take[E]
) -> None:
    """Take in what a look has found, as far as the room's share of time goes; the next look finds the others.

    If more than a few need a card, they share one. Raises `Busy` where the share is used up.
    """
    judged, busy = await _as_far_as_possible(judge, found)
    card_id = await _card_for_many(context, room, [judgement for _, judgement in judged])
    for event, judgement in judged:
        await context.turns.found(event.event_id, await take(event, judgement, card_id))
    if busy is not None:
        raise busy


async def _as_far_as_possible(judge: Judge[E], found: Iterable[E]) -> tuple[list[tuple[E, Judgement]], Busy | None]:
    """What was decided about each until the room had used up its share of time, and whether it had."""
    judged: list[tuple[E, Judgement]] = []
    for event in found:
        try:
            judgement = await judge(event)
        except Busy as busy:
            return judged, busy
        if judgement is not None:
            judged.append((event, judgement))
    return judged, None


async def _card_for_many(context: Context, room: ProtectedRoom, judged: Iterable[Judgement]) -> int | None:
    """One card to share, where more than a few requests of a kind need one."""
    if sum(judgement.decision.verdict is Verdict.FORWARD for judgement in judged) <= sharing.CROWDED:
        return None
    async with context.db.tx() as tx:
        return (await cards.new(tx, room.management_room, room.room_id, context.now())).id
