"""The inbox: raw events as the homeserver handed them over, kept until handled, in order of arrival."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from knockbot.store.db import Tx

KEEP = 7 * 24 * 3600 * 1000
"""How long the ids of handled events are remembered against repeats, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as it came in: its id, its room, and its JSON text."""

    event_id: str
    room_id: str
    raw: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """An arrival that waits to be handled; `attempts` counts the times that this failed."""

    seq: int
    event_id: str
    room_id: str
    raw: str
    received_at: int
    attempts: int


async def store(tx: Tx, arrivals: Iterable[Arrival], now: int) -> None:
    """Keep each event that is not known yet; repeats are the rule, not the exception."""
    await tx.executemany(
        "INSERT INTO inbox (event_id, room_id, raw, received_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (event_id) DO NOTHING",
        [(a.event_id, a.room_id, a.raw, now) for a in arrivals],
    )


async def rooms_waiting(tx: Tx) -> list[str]:
    """The rooms in which something waits, longest wait first."""
    rows = await tx.fetch(
        "SELECT room_id FROM inbox WHERE handled_at IS NULL AND fault IS NULL GROUP BY room_id ORDER BY min(seq)"
    )
    return [row["room_id"] for row in rows]


async def waiting(tx: Tx, room_id: str, limit: int = 100) -> list[Waiting]:
    """What waits in one room, in order of arrival."""
    rows = await tx.fetch(
        "SELECT seq, event_id, room_id, raw, received_at, attempts FROM inbox "
        "WHERE room_id = $1 AND handled_at IS NULL AND fault IS NULL ORDER BY seq LIMIT $2",
        room_id,
        limit,
    )
    return [
        Waiting(*(row[k] for k in ("seq", "event_id", "room_id", "raw", "received_at", "attempts"))) for row in rows
    ]


async def handled(tx: Tx, seq: int, now: int) -> bool:
    """Mark one event handled and forget its text; false if another process was quicker, whose work then stands."""
    row = await tx.fetchrow(
        "UPDATE inbox SET handled_at = $2, raw = NULL WHERE seq = $1 AND handled_at IS NULL RETURNING seq", seq, now
    )
    return row is not None


async def failed(tx: Tx, seq: int) -> int:
    """Count a failed attempt; returns how many there were."""
    attempts = await tx.fetchval("UPDATE inbox SET attempts = attempts + 1 WHERE seq = $1 RETURNING attempts", seq)
    return int(attempts)


async def set_aside(tx: Tx, seq: int, fault: str) -> None:
    """Take an event that cannot be handled out of the way of the rest; its text stays for the operator."""
    await tx.execute("UPDATE inbox SET fault = $2 WHERE seq = $1", seq, fault)


async def forget_old(tx: Tx, now: int) -> None:
    """Drop what was handled or set aside longer ago than repeats can come."""
    await tx.execute(
        "DELETE FROM inbox WHERE received_at < $1 AND (handled_at IS NOT NULL OR fault IS NOT NULL)", now - KEEP
    )


async def is_known(tx: Tx, event_id: str) -> bool:
    """Whether this event came in, handled or not."""
    return await tx.fetchrow("SELECT 1 FROM inbox WHERE event_id = $1", event_id) is not None


async def counts(tx: Tx) -> tuple[int, int]:
    """How many events wait, and how many are set aside."""
    row = await tx.fetchrow(
        "SELECT count(*) FILTER (WHERE fault IS NULL) AS waiting, count(*) FILTER (WHERE fault IS NOT NULL) AS aside "
        "FROM inbox WHERE handled_at IS NULL"
    )
    assert row is not None  # an aggregate without GROUP BY always gives one row
    return row["waiting"], row["aside"]
