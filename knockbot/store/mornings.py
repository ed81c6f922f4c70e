"""Mornings: the rooms about which messages called nobody because it was quiet, until that is told."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.store.db import Tx
from knockbot.store.rows import Row
from knockbot.store.waiting import waits


@dataclass(frozen=True, slots=True)
class Morning:
    """It is, or was, quiet about a room since a moment (milliseconds), and messages called nobody."""

    room_id: str
    management_room: str
    since: int
    alarms: int
    """How many of them were no cards."""


_MORNING = Row(Morning, "mornings")


async def note(tx: Tx, morning: Morning) -> None:
    """Messages called nobody; `alarms` more of them were no cards."""
    await tx.execute(
        "INSERT INTO mornings (room_id, management_room, since, alarms) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (room_id) DO UPDATE SET alarms = mornings.alarms + excluded.alarms, "
        "management_room = excluded.management_room",
        morning.room_id,
        morning.management_room,
        morning.since,
        morning.alarms,
    )


async def find(tx: Tx, room_id: str) -> Morning | None:
    """What is to be told about a room."""
    return _MORNING.maybe(await tx.fetchrow(f"{_MORNING.select} WHERE room_id = $1", room_id))


async def of(tx: Tx, management_room: str) -> list[Morning]:
    """What is to be told in a management room."""
    rows = await tx.fetch(f"{_MORNING.select} WHERE management_room = $1 ORDER BY room_id", management_room)
    return _MORNING.all(rows)


async def end(tx: Tx, room_id: str) -> None:
    """It was told, or there is nothing to tell any more."""
    await tx.execute("DELETE FROM mornings WHERE room_id = $1", room_id)


async def came(tx: Tx, morning: Morning, now: int) -> list[int]:
    """The numbers of the requests that came since then and wait for an answer, in their order."""
    rows = await tx.fetch(
        f"SELECT number FROM requests WHERE room_id = $1 AND {waits('$4')} "
        "AND card_id IS NOT NULL AND management_room = $2 AND changed_at >= $3 ORDER BY id",
        morning.room_id,
        morning.management_room,
        morning.since,
        now,
    )
    return [int(row["number"]) for row in rows]
