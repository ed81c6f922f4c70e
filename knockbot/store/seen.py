"""Since when somebody is known in the rooms of a management room; nobody learns it of the rooms of another."""

from __future__ import annotations

from knockbot.store.db import Tx
from knockbot.times import DAY

FRESH = DAY
"""Milliseconds for which it is not noted again that somebody was seen: a busy room would write with every join."""

_PLACE = "(SELECT management_room FROM rooms WHERE room_id = $1)"


async def note(tx: Tx, room_id: str, user_id: str, now: int) -> None:
    """Somebody was seen at a protected room; at any other room nothing is noted."""
    await tx.execute(
        "INSERT INTO seen (management_room, user_id, first_at, last_at) "
        "SELECT management_room, CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($3 AS BIGINT) FROM rooms "
        "WHERE room_id = $1 ON CONFLICT (management_room, user_id) DO UPDATE SET last_at = excluded.last_at "
        "WHERE seen.last_at < $4",
        room_id,
        user_id,
        now,
        now - FRESH,
    )


async def is_news(tx: Tx, room_id: str, user_id: str, now: int) -> bool:
    """Whether `note` would write anything."""
    row = await tx.fetchrow(
        "SELECT 1 FROM rooms LEFT JOIN seen ON seen.management_room = rooms.management_room AND seen.user_id = $2 "
        "WHERE rooms.room_id = $1 AND (seen.last_at IS NULL OR seen.last_at < $3)",
        room_id,
        user_id,
        now - FRESH,
    )
    return row is not None


async def first(tx: Tx, room_id: str, user_id: str) -> int | None:
    """When somebody was first seen at a room with the same management room as this one."""
    at = await tx.fetchval(
        f"SELECT first_at FROM seen WHERE management_room = {_PLACE} AND user_id = $2", room_id, user_id
    )
    return int(at) if at is not None else None


async def forget_old(tx: Tx, before: int) -> None:
    """Forget whom nobody has seen since a moment."""
    await tx.execute("DELETE FROM seen WHERE last_at < $1", before)
