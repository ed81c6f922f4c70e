"""Callers: who wants to be called about which protected room, each by their own wish."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.store.db import Tx
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who wants to be called about a room, in its management room."""

    room_id: str
    user_id: str
    management_room: str
    since: int


_CALLER = Row(Caller, "callers")


async def of(tx: Tx, room_id: str) -> list[Caller]:
    """Who wants to be called about a room, in the order in which they said so."""
    return _CALLER.all(await tx.fetch(f"{_CALLER.select} WHERE room_id = $1 ORDER BY since, user_id", room_id))


async def add(tx: Tx, caller: Caller, most: int) -> bool:
    """Note one; false where so many want that already."""
    row = await tx.fetchrow(
        "INSERT INTO callers (room_id, user_id, management_room, since) SELECT $1, $2, $3, $4 "
        "WHERE (SELECT COUNT(*) FROM callers WHERE room_id = $1 AND user_id <> $2) < $5 "
        "ON CONFLICT (room_id, user_id) DO UPDATE SET management_room = excluded.management_room RETURNING user_id",
        caller.room_id,
        caller.user_id,
        caller.management_room,
        caller.since,
        most,
    )
    return row is not None


async def remove(tx: Tx, room_id: str, user_id: str) -> bool:
    """They do not want it any more; false where they did not."""
    row = await tx.fetchrow(
        "DELETE FROM callers WHERE room_id = $1 AND user_id = $2 RETURNING user_id", room_id, user_id
    )
    return row is not None


async def is_one_in(tx: Tx, management_room: str, user_id: str) -> bool:
    """Whether somebody is to be called in a management room."""
    row = await tx.fetchrow(
        "SELECT 1 FROM callers WHERE user_id = $1 AND management_room = $2 LIMIT 1", user_id, management_room
    )
    return row is not None


async def left(tx: Tx, management_room: str, user_id: str) -> None:
    """Somebody has left a management room: they are called there no more."""
    await tx.execute("DELETE FROM callers WHERE user_id = $1 AND management_room = $2", user_id, management_room)


async def let_go(tx: Tx, room_id: str, management_room: str) -> None:
    """A room is not managed from here any more."""
    await tx.execute("DELETE FROM callers WHERE room_id = $1 AND management_room = $2", room_id, management_room)


async def move_over(tx: Tx, room_id: str, new: str) -> None:
    """They are called about the room that replaces theirs."""
    await tx.execute(
        "UPDATE callers SET room_id = $2 WHERE room_id = $1 AND NOT EXISTS (SELECT 1 FROM callers AS there "
        "WHERE there.room_id = $2 AND there.user_id = callers.user_id)",
        room_id,
        new,
    )
