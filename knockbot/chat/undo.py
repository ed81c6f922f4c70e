"""Undo in chat: `undo`, of what somebody has answered last, or of requests by their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knockbot.chat.arguments import REQUESTS, optional
from knockbot.chat.calls import AWAITED, Answered, Call, Meant, Reply, requests_to_undo
from knockbot.chat.command import Command
from knockbot.domain.batches import Batch, batch_of
from knockbot.domain.may import Deed
from knockbot.domain.model import Request, Step
from knockbot.domain.notices import Notice, Room, below, notice
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.features.undo import asking, looking, many, taking
from knockbot.features.undo.looking import Found, Wish
from knockbot.flow import authority
from knockbot.flow.authority import Wanted
from knockbot.store import batches, records, requests, rooms


async def undo(call: Call, meant: Meant | None) -> Answered:
    """Undo the answers to these requests, or what its author has answered last."""
    await authority.insist(call.context, Wanted(Deed.TAKE_BACK, call.actor, Room(call.room, call.room)))
    wish = Wish(call.actor, call.cause, own=meant is None)
    wanted = meant.found if meant is not None else await _own(call)
    batch = await _own_batch(call, wanted) if meant is None else None
    if batch is not None:
        return _batch_undone(call, wish, batch)
    found = [await _looked_at(call, wish, one) for one in wanted]

    async def write(turn: Turn) -> Reply:
        await requests.hold(turn.tx, [one.request.id for one in found if isinstance(one, Found)])
        said = [await _undone(call, turn, wish, one) for one in found]
        kept = [one for one in dict.fromkeys(said) if one is not None]
        return below(*kept) if kept else AWAITED

    return write


async def _own(call: Call) -> list[Request]:
    """The requests that the author of a command has answered last, as far as they are managed from here."""
    async with call.context.db.tx() as tx:
        managed = {room.room_id for room in await rooms.managed_by(tx, call.room)}
        numbers = await records.last_answered_by(tx, call.actor, call.room)
        found = [await requests.get(tx, one, held=False) for one in numbers]
    theirs = [request for request in found if request.room_id in managed]
    if not theirs:
        raise Refused(notice("undo.none"))
    return theirs


async def _own_batch(call: Call, answered: Sequence[Request | Refused]) -> Batch | None:
    """The batch that gave these answers, if the author of the command has begun it."""
    causes = [one.answer.cause for one in answered if isinstance(one, Request) and one.answer is not None]
    batch_id = next((found for cause in causes if (found := batch_of(cause)) is not None), None)
    if batch_id is None:
        return None
    async with call.context.db.tx() as tx:
        batch = await batches.find(tx, batch_id)
    return batch if batch is not None and batch.given_by == call.actor else None


def _batch_undone(call: Call, wish: Wish, batch: Batch) -> Write[Reply]:
    async def write(turn: Turn) -> Reply:
        return await many.begin(call.context, turn, wish, batch)

    return write


async def _looked_at(call: Call, wish: Wish, one: Request | Refused) -> Found | Refused:
    if isinstance(one, Refused):
        return one
    try:
        return await looking.look(call.context, wish, one)
    except Refused as refused:
        return refused


async def _undone(call: Call, turn: Turn, wish: Wish, one: Found | Refused) -> Notice | None:
    """What is said of one of them; nothing where a question says it."""
    if isinstance(one, Refused):
        return one.said
    try:
        if one.step is Step.REMOVE:
            await asking.ask(call.context, turn, wish, one)
            return None
        return await taking.take(call.context, turn, wish, one)
    except Refused as refused:
        return refused.said


ANSWERED = optional(replace(REQUESTS, read=requests_to_undo))
"""The requests whose answers are to be undone."""

COMMANDS = (Command("undo", (ANSWERED,), undo, Deed.TAKE_BACK),)
