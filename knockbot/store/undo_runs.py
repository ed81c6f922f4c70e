"""The undoing of batches: which batch, for whom, and what came of each of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.domain.notices import Notice, dumps, loads
from knockbot.store.db import Tx, for_update, listed
from knockbot.store.rows import Column, Row, optional


@dataclass(frozen=True, slots=True)
class UndoRun:
    """A batch that is undone; what is left of it can be tried again."""

    batch_id: int
    asked_by: str
    """Who wants it, and with whose power it is done."""
    cause: str
    """Their command."""
    ended: bool = False


@dataclass(frozen=True, slots=True)
class UndoItem:
    """One answer of a batch that is undone."""

    request_id: int
    tried: bool = False
    why: Notice | None = None
    """Why it is not undone."""
    was_vote: bool = False
    """Whether it was no answer, and a vote was taken back."""


_RUN = Row(UndoRun, "undo_runs")
_ITEM = Row(UndoItem, "undo_items", why=Column("why", optional(loads)))


async def begin(tx: Tx, run: UndoRun) -> tuple[int, int] | None:
    """Begin to undo what a batch has answered; returns how many answers and how many votes these are, or `None` if it
    was begun before."""
    row = await tx.fetchrow(
        "INSERT INTO undo_runs (batch_id, asked_by, cause, ended) VALUES ($1, $2, $3, FALSE) "
        "ON CONFLICT (batch_id) DO NOTHING RETURNING batch_id",
        run.batch_id,
        run.asked_by,
        run.cause,
    )
    if row is None:
        return None
    answers = await tx.fetch(f"{_ITEMS} AND step IN ('answered', 'settled') RETURNING request_id", run.batch_id)
    votes = await tx.fetch(f"{_ITEMS} AND step = 'left' AND why = 'voted' RETURNING request_id", run.batch_id)
    return len(answers), len(votes)


async def again(tx: Tx, run: UndoRun) -> int:
    """Begin once more, with what could not be undone the last time; returns how many answers and votes these
    are."""
    left = await tx.fetch(
        "UPDATE undo_items SET tried = FALSE, why = NULL WHERE batch_id = $1 AND why IS NOT NULL RETURNING request_id",
        run.batch_id,
    )
    if left:
        await tx.execute(
            "UPDATE undo_runs SET asked_by = $2, cause = $3, ended = FALSE WHERE batch_id = $1",
            run.batch_id,
            run.asked_by,
            run.cause,
        )
    return len(left)


_ITEMS = (
    "INSERT INTO undo_items (batch_id, request_id, place, tried, was_vote) SELECT batch_id, request_id, place, FALSE, "
    "FALSE FROM batch_requests WHERE batch_id = $1"
)


async def also(tx: Tx, batch_id: int, request_ids: Sequence[int]) -> None:
    """Undo what stands of a batch on these requests as well."""
    for request_id in request_ids:
        await tx.execute(
            "INSERT INTO undo_items (batch_id, request_id, place, tried, was_vote) "
            "SELECT $1, $2, coalesce(max(place), 0) + 1, FALSE, FALSE FROM undo_items WHERE batch_id = $1 "
            "ON CONFLICT (batch_id, request_id) DO NOTHING",
            batch_id,
            request_id,
        )


async def that_tried(tx: Tx, asked_by: str, request_ids: Sequence[int]) -> int | None:
    """The batch that was undone for somebody last, if these requests were among its answers."""
    batch_id = await tx.fetchval(
        "SELECT max(undo_items.batch_id) FROM undo_items JOIN undo_runs ON undo_runs.batch_id = undo_items.batch_id "
        f"WHERE asked_by = $1 AND tried AND undo_items.why IS NULL AND request_id IN ({listed(request_ids, 2)})",
        asked_by,
        *request_ids,
    )
    return int(batch_id) if batch_id is not None else None


async def find(tx: Tx, batch_id: int, *, held: bool = False) -> UndoRun | None:
    """The undoing of a batch; held until the transaction ends if asked for."""
    return _RUN.maybe(await tx.fetchrow(f"{_RUN.select} WHERE batch_id = $1{for_update(tx, held)}", batch_id))


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A batch that is being undone: its number, for whom, how many of its answers were tried, and how many it has."""

    number: int
    asked_by: str
    tried: int
    total: int


async def under_way(tx: Tx, management_room: str) -> list[UnderWay]:
    """The batches of a management room that are being undone, oldest first."""
    rows = await tx.fetch(
        "SELECT batches.number, undo_runs.asked_by, sum(CASE WHEN undo_items.tried THEN 1 ELSE 0 END) AS tried, "
        "count(*) AS total FROM undo_runs JOIN batches ON batches.id = undo_runs.batch_id "
        "JOIN undo_items ON undo_items.batch_id = undo_runs.batch_id "
        "WHERE NOT undo_runs.ended AND batches.management_room = $1 "
        "GROUP BY batches.id, batches.number, undo_runs.asked_by ORDER BY batches.id",
        management_room,
    )
    return [UnderWay(row["number"], row["asked_by"], int(row["tried"]), int(row["total"])) for row in rows]


async def waiting(tx: Tx, batch_id: int, limit: int) -> list[UndoItem]:
    """The next answers that were not tried yet."""
    rows = await tx.fetch(f"{_ITEM.select} WHERE batch_id = $1 AND NOT tried ORDER BY place LIMIT $2", batch_id, limit)
    return _ITEM.all(rows)


async def tried(tx: Tx, batch_id: int, request_id: int, why: Notice | None, *, was_vote: bool = False) -> None:
    """An answer is undone, or a vote is taken back; or it is not, and why."""
    await tx.execute(
        "UPDATE undo_items SET tried = TRUE, why = $3, was_vote = $4 WHERE batch_id = $1 AND request_id = $2",
        batch_id,
        request_id,
        dumps(why) if why is not None else None,
        was_vote,
    )


async def end(tx: Tx, batch_id: int) -> Sequence[UndoItem]:
    """All were tried: what came of each, also of those that were tried before."""
    await tx.execute("UPDATE undo_runs SET ended = TRUE WHERE batch_id = $1", batch_id)
    return _ITEM.all(await tx.fetch(f"{_ITEM.select} WHERE batch_id = $1 ORDER BY place", batch_id))
