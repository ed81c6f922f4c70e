"""Approvals in advance: who may come in before they knock, by whose word and until when; one row for each giver."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from knockbot.store.db import Tx, listed, portions
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody's word that a user, or everybody of a server, may come into a room."""

    room_id: str
    who: str
    """A user ID, or `*:host` for everybody of a server."""
    given_by: str
    given_at: int
    until: int | None
    """The last millisecond at which it is in force; none for ever."""
    note: str
    cause: str
    """The command that gave it."""


_APPROVAL = Row(Approval, "approvals")

IN_FORCE = "(until IS NULL OR until >= {now})"


async def give(tx: Tx, given: Iterable[Approval]) -> None:
    """Store approvals; one that the same person gave before gets the new date and note."""
    await tx.executemany(
        "INSERT INTO approvals (room_id, who, given_by, given_at, until, note, cause) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (room_id, who, given_by) DO UPDATE SET "
        "given_at = excluded.given_at, until = excluded.until, note = excluded.note, cause = excluded.cause",
        [(a.room_id, a.who, a.given_by, a.given_at, a.until, a.note, a.cause) for a in given],
    )


async def take_back(tx: Tx, room_id: str, whom: Sequence[str]) -> set[str]:
    """Delete the approvals of these, whoever gave them; returns who had one."""
    found: set[str] = set()
    for some in portions(whom):
        rows = await tx.fetch(
            f"DELETE FROM approvals WHERE room_id = $1 AND who IN ({listed(some, 2)}) RETURNING who", room_id, *some
        )
        found |= {row["who"] for row in rows}
    return found


async def applying_to(tx: Tx, room_ids: Sequence[str], names: Sequence[str], now: int, limit: int) -> list[Approval]:
    """The newest approvals in force in one of these rooms for one of these: a user, and everybody of their server."""
    which = f"room_id IN ({listed(room_ids, 3)}) AND who IN ({listed(names, 3 + len(room_ids))})"
    rows = await tx.fetch(
        f"{_APPROVAL.select} WHERE {which} AND {IN_FORCE.format(now='$1')} ORDER BY given_at DESC, given_by LIMIT $2",
        now,
        limit,
        *room_ids,
        *names,
    )
    return _APPROVAL.all(rows)


async def newest(tx: Tx, room_id: str, now: int, limit: int) -> list[Approval]:
    """The newest approvals that are in force in a room."""
    rows = await tx.fetch(
        f"{_APPROVAL.select} WHERE room_id = $1 AND {IN_FORCE.format(now='$2')} "
        "ORDER BY given_at DESC, who, given_by LIMIT $3",
        room_id,
        now,
        limit,
    )
    return _APPROVAL.all(rows)


async def count(tx: Tx, room_id: str, now: int) -> int:
    """How many approvals are in force in a room."""
    counted = await tx.fetchval(
        f"SELECT count(*) FROM approvals WHERE room_id = $1 AND {IN_FORCE.format(now='$2')}", room_id, now
    )
    return int(counted)


async def given_before(tx: Tx, room_id: str, given_by: str, whom: Sequence[str]) -> dict[str, int | None]:
    """Those of these who have a row by this person already, and until when that is in force."""
    found: dict[str, int | None] = {}
    for some in portions(whom):
        rows = await tx.fetch(
            f"SELECT who, until FROM approvals WHERE room_id = $1 AND given_by = $2 AND who IN ({listed(some, 3)})",
            room_id,
            given_by,
            *some,
        )
        found |= {row["who"]: row["until"] for row in rows}
    return found


async def approved_among(tx: Tx, room_id: str, whom: Sequence[str], now: int) -> set[str]:
    """Those of these who have an approval in force in a room."""
    found: set[str] = set()
    for some in portions(whom):
        rows = await tx.fetch(
            f"SELECT who FROM approvals WHERE room_id = $1 AND {IN_FORCE.format(now='$2')} "
            f"AND who IN ({listed(some, 3)})",
            room_id,
            now,
            *some,
        )
        found |= {row["who"] for row in rows}
    return found


async def forget_notes(tx: Tx, room_id: str) -> None:
    """Nobody reads any more why people were approved for a room: it is managed from elsewhere now, or from nowhere."""
    await tx.execute("UPDATE approvals SET note = '' WHERE room_id = $1", room_id)


async def has_given(tx: Tx, given_by: str, room_ids: Sequence[str] = ()) -> bool:
    """Whether somebody has approved anybody for one of these rooms, or for any; in force still or not."""
    which = f" AND room_id IN ({listed(room_ids, 2)})" if room_ids else ""
    row = await tx.fetchrow(f"SELECT 1 FROM approvals WHERE given_by = $1{which} LIMIT 1", given_by, *room_ids)
    return row is not None


async def move_over(tx: Tx, room_id: str, replacement: str) -> None:
    """A room was replaced: its approvals count in the new room, unless the same person gave the same there."""
    await tx.execute(
        "UPDATE approvals SET room_id = $2 WHERE room_id = $1 AND NOT EXISTS (SELECT 1 FROM approvals AS there "
        "WHERE there.room_id = $2 AND there.who = approvals.who AND there.given_by = approvals.given_by)",
        room_id,
        replacement,
    )


async def forget_ended(tx: Tx, now: int) -> None:
    """Delete those that are no longer in force."""
    await tx.execute("DELETE FROM approvals WHERE until < $1", now)
