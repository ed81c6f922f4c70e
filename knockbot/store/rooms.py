"""Protected rooms: whose door is kept, from where, and what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.store.db import Tx


@dataclass(frozen=True, slots=True)
class ProtectedRoom:
    """A room whose door knockbot keeps. `label` is what people call it; `locked` means the config file rules it."""

    room_id: str
    management_room: str
    label: str
    protected_by: str
    protected_at: int
    locked: bool = False
    trouble: str | None = None


_ROOM = "room_id, management_room, label, protected_by, protected_at, locked, trouble"


def _room(row: object) -> ProtectedRoom:
    values = [row[k] for k in _ROOM.split(", ")]  # type: ignore[index]  # sqlite3.Row or asyncpg.Record
    values[5] = bool(values[5])
    return ProtectedRoom(*values)


async def find(tx: Tx, room_id: str) -> ProtectedRoom | None:
    """The protected room with this id, if it is one."""
    row = await tx.fetchrow(f"SELECT {_ROOM} FROM rooms WHERE room_id = $1", room_id)
    return _room(row) if row else None


async def all_rooms(tx: Tx) -> list[ProtectedRoom]:
    """Every protected room."""
    return [_room(row) for row in await tx.fetch(f"SELECT {_ROOM} FROM rooms ORDER BY room_id")]


async def managed_by(tx: Tx, management_room: str) -> list[ProtectedRoom]:
    """The rooms one management room looks after."""
    rows = await tx.fetch(f"SELECT {_ROOM} FROM rooms WHERE management_room = $1 ORDER BY label", management_room)
    return [_room(row) for row in rows]


async def protect(tx: Tx, room: ProtectedRoom) -> None:
    """Protect a room, or move it to another management room; since when it is protected stays as it was."""
    await tx.execute(
        "INSERT INTO rooms (room_id, management_room, label, protected_by, protected_at, locked) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (room_id) DO UPDATE SET "
        "management_room = $2, label = $3, protected_by = $4, locked = $6, trouble = NULL",
        room.room_id,
        room.management_room,
        room.label,
        room.protected_by,
        room.protected_at,
        room.locked,
    )
    await tx.execute(
        "INSERT INTO management_rooms (room_id) VALUES ($1) ON CONFLICT (room_id) DO NOTHING", room.management_room
    )


async def unprotect(tx: Tx, room_id: str) -> None:
    """Protect a room no longer; its requests and policies stay on record."""
    await tx.execute("DELETE FROM rooms WHERE room_id = $1", room_id)


async def unlock_others(tx: Tx, locked: set[str]) -> None:
    """Unlock every room that the config file does not rule any more; its door stays kept."""
    for room in await all_rooms(tx):
        if room.locked and room.room_id not in locked:
            await tx.execute("UPDATE rooms SET locked = FALSE WHERE room_id = $1", room.room_id)


async def rename(tx: Tx, room_id: str, label: str) -> None:
    """Call a protected room by its new name."""
    await tx.execute("UPDATE rooms SET label = $2 WHERE room_id = $1", room_id, label)


async def set_trouble(tx: Tx, room_id: str, trouble: str | None) -> bool:
    """Note what the moderators are told is missing; true if they have not been told this yet."""
    row = await tx.fetchrow(
        "UPDATE rooms SET trouble = $2 WHERE room_id = $1 AND coalesce(trouble, '') <> coalesce($2, '') "
        "RETURNING room_id",
        room_id,
        trouble,
    )
    return row is not None


async def is_management_room(tx: Tx, room_id: str) -> bool:
    """Whether any protected room is looked after from here."""
    return await tx.fetchrow("SELECT 1 FROM rooms WHERE management_room = $1 LIMIT 1", room_id) is not None


async def closed_to_chat(tx: Tx) -> frozenset[str]:
    """Protected rooms that manage none: what is said in them is none of the bot's business."""
    rows = await tx.fetch("SELECT room_id FROM rooms WHERE room_id NOT IN (SELECT management_room FROM rooms)")
    return frozenset(row["room_id"] for row in rows)
