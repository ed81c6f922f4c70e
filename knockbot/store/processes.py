"""Who is at work on this database: heartbeats, and the leases that keep a room's order.

On SQLite there is one process, and it holds every lease. On PostgreSQL a process that has not been seen for
`SILENCE` is dead, and its leases and claims are free.
"""

from __future__ import annotations

from knockbot.store.db import Database, Tx

HEARTBEAT = 5.0
"""Seconds between two signs of life."""

SILENCE = 20_000
"""Milliseconds without a sign of life after which a process counts as dead."""


async def beat(tx: Tx, process: str, now: int) -> None:
    """Give a sign of life."""
    await tx.execute(
        "INSERT INTO processes (id, seen_at) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET seen_at = $2", process, now
    )


async def hear(tx: Tx, process: str, ping: str) -> None:
    """Note that a ping of the homeserver has reached this process."""
    await tx.execute("UPDATE processes SET heard = $2 WHERE id = $1", process, ping)


async def was_heard(tx: Tx, ping: str) -> bool:
    """Whether a ping has reached any process on this database, as its last one."""
    return await tx.fetchrow("SELECT 1 FROM processes WHERE heard = $1", ping) is not None


async def bury(tx: Tx, process: str, now: int, *, alone: bool) -> None:
    """Free what dead processes held: their leases, and the jobs they had begun.

    Where this process is `alone`, every other one is dead, even if it was seen a moment ago, or its clock is ahead.
    """
    if alone:
        await tx.execute("DELETE FROM processes WHERE id <> $1", process)
    else:
        await tx.execute("DELETE FROM processes WHERE id <> $1 AND seen_at <= $2", process, now - SILENCE)
    await tx.execute("DELETE FROM leases WHERE process NOT IN (SELECT id FROM processes)")
    await tx.execute(
        "UPDATE jobs SET state = 'due', claimed_by = NULL "
        "WHERE state = 'running' AND claimed_by NOT IN (SELECT id FROM processes)"
    )


async def leave(tx: Tx, process: str) -> None:
    """Leave: free everything that this process holds."""
    await tx.execute(
        "UPDATE jobs SET state = 'due', claimed_by = NULL WHERE claimed_by = $1 AND state = 'running'", process
    )
    await tx.execute("DELETE FROM leases WHERE process = $1", process)
    await tx.execute("DELETE FROM processes WHERE id = $1", process)


async def lease(db: Database, name: str) -> bool:
    """Take the lease `name` for this process, unless another living process holds it."""
    if db.alone:
        return True
    async with db.statement() as tx:
        holder = await tx.fetchval(
            "INSERT INTO leases (name, process) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET name = $1 "
            "RETURNING process",
            name,
            db.process,
        )
    return bool(holder == db.process)


async def is_held(tx: Tx, name: str, now: int) -> bool:
    """Whether a living process holds the lease `name`."""
    row = await tx.fetchrow(
        "SELECT 1 FROM leases JOIN processes ON id = process WHERE name = $1 AND seen_at > $2", name, now - SILENCE
    )
    return row is not None


async def release(db: Database, name: str) -> None:
    """Give the lease `name` back."""
    if db.alone:
        return
    async with db.statement() as tx:
        await tx.execute("DELETE FROM leases WHERE name = $1 AND process = $2", name, db.process)
