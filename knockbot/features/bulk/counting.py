"""What has become of the requests of a batch, and its message when that changes, also after the batch is done."""

from __future__ import annotations

from typing import Final

from knockbot.domain.batches import Batch, Stage, Step, Tally, batch_of, tally
from knockbot.domain.model import Request
from knockbot.engine.prompts import refresh
from knockbot.engine.turn import Turn
from knockbot.flow.context import Context
from knockbot.store import batches, requests, votes
from knockbot.store.db import Tx
from knockbot.times import SECOND

SHOWN: Final = 5 * SECOND
"""Milliseconds for which changes of what its message says are gathered."""


async def count(tx: Tx, batch: Batch) -> Tally:
    """What has become of the requests of a batch."""
    items = await batches.items(tx, batch.id, asked=True)
    found = await requests.several(tx, [item.request_id for item in items])
    voted = await votes.given_by(tx, batch.answer_cause, batch.given_by)
    return tally(batch, [(item, found.get(item.request_id)) for item in items], voted)


async def settled(context: Context, turn: Turn, request: Request) -> None:
    """The outcome of a request is recorded: the batch that answered it counts it."""
    batch_id = batch_of(request.answer.cause if request.answer is not None else None)
    if batch_id is not None and await batches.find(turn.tx, batch_id) is not None:
        await batches.put(turn.tx, batch_id, [request.id], Step.SETTLED)
    await changed(context, turn, request)


async def changed(_: Context, turn: Turn, request: Request) -> None:
    """Something else is true of a request: batches that answered it, or voted on it, say so."""
    before = request.undone.answer if request.undone is not None else None
    causes = [answer.cause for answer in (request.answer, before) if answer is not None]
    answered = [found for cause in causes if (found := batch_of(cause)) is not None]
    for batch_id in dict.fromkeys([*answered, *await batches.that_voted(turn.tx, request.id)]):
        batch = await batches.find(turn.tx, batch_id)
        if batch is not None and batch.stage in (Stage.DONE, Stage.STOPPED):  # while it runs, its steps show that
            await refresh(turn, batch.prompt_id, after=SHOWN)
