"""The smallest thing that can be written to the database and read back, for tests of transactions themselves."""

from __future__ import annotations

from knockbot.store.db import Tx


async def write(tx: Tx, key: str, value: str) -> None:
    """Write a note, or write it anew."""
    await tx.execute(
        "INSERT INTO pins (place, name, room_id) VALUES ('note', $1, $2) "
        "ON CONFLICT (place, name) DO UPDATE SET room_id = $2",
        key,
        value,
    )


async def read(tx: Tx, key: str) -> str | None:
    """What a note says."""
    value = await tx.fetchval("SELECT room_id FROM pins WHERE name = $1", key)
    return str(value) if value is not None else None
