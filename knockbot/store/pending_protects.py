"""Requests to protect a room that the bot is not in yet, and how many attempts each requester has made."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.store.db import Tx
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class PendingProtect:
    """`requester` asked to protect `room_id`, and the bot waits until it is let in."""

    room_id: str
    management_room: str
    requester: str
    cause: str
    created_at: int
    with_rooms: bool = False
    """Whether the rooms of it are to be protected too, if it is a space."""


_PENDING = Row(PendingProtect, "pending_protects")


async def add(tx: Tx, pending: PendingProtect) -> None:
    """Store what to go on with once the bot is let in: for each requester, their newest."""
    await tx.execute(
        "INSERT INTO pending_protects (room_id, management_room, requester, cause, created_at, with_rooms) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (room_id, requester) "
        "DO UPDATE SET management_room = $2, cause = $4, created_at = $5, with_rooms = $6",
        pending.room_id,
        pending.management_room,
        pending.requester,
        pending.cause,
        pending.created_at,
        pending.with_rooms,
    )


async def of_room(tx: Tx, room_id: str) -> list[PendingProtect]:
    """What waits for the bot to be let into this room, oldest first."""
    return _PENDING.all(await tx.fetch(f"{_PENDING.select} WHERE room_id = $1 ORDER BY created_at, requester", room_id))


async def clear(tx: Tx, room_id: str) -> None:
    """Nothing waits for this room any more."""
    await tx.execute("DELETE FROM pending_protects WHERE room_id = $1", room_id)


async def attempt(tx: Tx, requester: str, cause: str, now: int, *, most: int, within: int) -> int | None:
    """Count an attempt at `protect`, or, where this requester made `most` of them `within` the last milliseconds, say
    when the next one is possible. One that is not possible does not count."""
    await tx.execute("DELETE FROM attempts WHERE at <= $1", now - within)
    rows = await tx.fetch(
        "SELECT at FROM attempts WHERE requester = $1 AND cause <> $2 ORDER BY at DESC LIMIT $3", requester, cause, most
    )
    if len(rows) == most:
        return int(rows[-1]["at"]) + within
    await tx.execute(
        "INSERT INTO attempts (cause, requester, at) VALUES ($1, $2, $3) ON CONFLICT (cause) DO NOTHING",
        cause,
        requester,
        now,
    )
    return None


async def forgive(tx: Tx, cause: str) -> None:
    """An attempt that succeeded, or asked nobody else for anything, does not count against the requester."""
    await tx.execute("DELETE FROM attempts WHERE cause = $1", cause)
