"""Restores: back-ups that were read in, and whether what the bot said since each has been recalled."""

from __future__ import annotations

from knockbot.store.db import Tx


async def restored(tx: Tx, exported_at: int, now: int) -> None:
    """The records are those of a back-up that was made at `exported_at`."""
    await tx.execute(
        "INSERT INTO restores (restored_at, exported_at) VALUES ($1, $2) "
        "ON CONFLICT (restored_at) DO UPDATE SET exported_at = $2, recalled = FALSE",
        now,
        exported_at,
    )


async def to_recall(tx: Tx) -> int | None:
    """The moment after which the records do not have what was said; none where they have all of it."""
    exported_at = await tx.fetchval("SELECT min(exported_at) FROM restores WHERE NOT recalled")
    return int(exported_at) if exported_at is not None else None


async def recalled(tx: Tx) -> None:
    """What was said since is on record again."""
    await tx.execute("UPDATE restores SET recalled = TRUE")
