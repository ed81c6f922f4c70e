"""Batches: answers to many requests at once, and where each of these requests stands."""

from __future__ import annotations

from collections.abc import Sequence

from knockbot.domain.batches import OPEN, Batch, Item, Left, Stage, Step
from knockbot.domain.model import Verdict
from knockbot.store.db import Tx, for_update, listed, portions
from knockbot.store.rows import Row

_BATCH = Row(Batch, "batches")
_ITEM = Row(Item, "batch_requests")


async def add(
    tx: Tx,
    *,
    management_room: str,
    verdict: Verdict,
    reason: str | None,
    given_by: str,
    cause: str,
    selection: str,
    prompt_id: int,
    closes_at: int,
) -> Batch:
    """A batch that is asked about, with the next number of its management room."""
    row = await tx.fetchrow(
        "INSERT INTO batches (management_room, number, verdict, reason, given_by, cause, selection, stage, prompt_id, "
        "closes_at) SELECT $1, coalesce(max(number), 0) + 1, $2, $3, $4, $5, $6, 'asked', $7, $8 FROM batches "
        f"WHERE management_room = $1 RETURNING {_BATCH.columns}",
        management_room,
        verdict,
        reason,
        given_by,
        cause,
        selection,
        prompt_id,
        closes_at,
    )
    return _BATCH.one(row)


async def add_items(tx: Tx, batch_id: int, items: Sequence[Item]) -> None:
    """The requests that it is about, in their order; those that are left out from the beginning have a reason."""
    for place, item in enumerate(items):
        await tx.execute(
            "INSERT INTO batch_requests (batch_id, request_id, place, event_id, step, why, asked) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            batch_id,
            item.request_id,
            place,
            item.event_id,
            item.step,
            item.why,
            item.why is None,
        )


async def find(tx: Tx, batch_id: int, *, held: bool = False) -> Batch | None:
    """The batch with this id; held until the transaction ends if asked for."""
    row = await tx.fetchrow(f"{_BATCH.select} WHERE id = $1{for_update(tx, held)}", batch_id)
    return _BATCH.maybe(row)


async def of_prompt(tx: Tx, prompt_id: int) -> Batch | None:
    """The batch that a message shows."""
    return _BATCH.maybe(await tx.fetchrow(f"{_BATCH.select} WHERE prompt_id = $1", prompt_id))


async def open_in(tx: Tx, management_room: str) -> list[Batch]:
    """The batches of a management room that are asked about, or running; oldest first."""
    rows = await tx.fetch(
        f"{_BATCH.select} WHERE management_room = $1 AND stage IN ('asked', 'running') ORDER BY id", management_room
    )
    return _BATCH.all(rows)


async def move_on(tx: Tx, batch: Batch, stage: Stage, by: str | None = None) -> bool:
    """Go on to a stage, unless it has gone on to another one meanwhile."""
    assert batch.stage in OPEN
    row = await tx.fetchrow(
        "UPDATE batches SET stage = $2, ended_by = $3 WHERE id = $1 AND stage = $4 RETURNING id",
        batch.id,
        stage,
        by,
        batch.stage,
    )
    return row is not None


async def shown_by(tx: Tx, batch_id: int, prompt_id: int) -> None:
    """Another message shows it, because the one before was removed."""
    await tx.execute("UPDATE batches SET prompt_id = $2 WHERE id = $1", batch_id, prompt_id)


# --- its requests ---------------------------------------------------------------------------------------------


async def items(tx: Tx, batch_id: int, *, asked: bool) -> list[Item]:
    """The requests that were to get the answer when it was asked about; or those that were left out then."""
    rows = await tx.fetch(f"{_ITEM.select} WHERE batch_id = $1 AND asked = $2 ORDER BY place", batch_id, asked)
    return _ITEM.all(rows)


async def waiting(tx: Tx, batch_id: int, limit: int) -> list[Item]:
    """The next requests that wait for their turn."""
    rows = await tx.fetch(
        f"{_ITEM.select} WHERE batch_id = $1 AND step = 'waiting' ORDER BY place LIMIT $2", batch_id, limit
    )
    return _ITEM.all(rows)


async def answered(tx: Tx, batch_id: int) -> list[Item]:
    """The requests that it has answered, and whose outcome the room has not shown yet."""
    rows = await tx.fetch(f"{_ITEM.select} WHERE batch_id = $1 AND step = 'answered' ORDER BY place", batch_id)
    return _ITEM.all(rows)


async def put(tx: Tx, batch_id: int, request_ids: Sequence[int], step: Step, why: Left | None = None) -> None:
    """Where these requests of it stand from now on."""
    for some in portions(request_ids):
        await tx.execute(
            f"UPDATE batch_requests SET step = $2, why = $3 WHERE batch_id = $1 AND request_id IN ({listed(some, 4)})",
            batch_id,
            step,
            why,
            *some,
        )


async def that_voted(tx: Tx, request_id: int) -> list[int]:
    """The batches that were a vote on a request, oldest first."""
    rows = await tx.fetch(
        "SELECT batch_id FROM batch_requests WHERE request_id = $1 AND why = 'voted' ORDER BY batch_id", request_id
    )
    return [row["batch_id"] for row in rows]


async def rooms_waiting(tx: Tx, batch_id: int) -> list[str]:
    """The rooms of the requests that wait for their turn, or whose outcome the room has not shown yet."""
    rows = await tx.fetch(
        "SELECT DISTINCT room_id FROM batch_requests JOIN requests ON requests.id = request_id "
        "WHERE batch_id = $1 AND step IN ('waiting', 'answered') ORDER BY room_id",
        batch_id,
    )
    return [row["room_id"] for row in rows]


async def counts(tx: Tx, batch_id: int) -> tuple[int, int]:
    """How many of its requests have their outcome, or were left out since; and how many it has."""
    row = await tx.fetchrow(
        "SELECT coalesce(sum(CASE WHEN step IN ('settled', 'left') THEN 1 ELSE 0 END), 0) AS ended, count(*) AS total "
        "FROM batch_requests WHERE batch_id = $1 AND asked",
        batch_id,
    )
    assert row is not None  # a sum is always one row
    return int(row["ended"]), int(row["total"])
