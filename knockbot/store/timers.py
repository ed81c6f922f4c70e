"""Timers: what is to happen at a time, each a row until it has."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from knockbot.store.db import Tx, for_update, listed
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Timer:
    """Something that is to happen at a time; `key` is unique: planning the same twice is planning it once."""

    key: str
    kind: str
    """Its row in the table of kinds (`engine/timers.py`)."""
    about: str
    """What it is about, in the form that its kind uses; empty where it is about nothing in particular."""
    due_at: int


_TIMER = Row(Timer, "timers")


async def add(tx: Tx, timer: Timer) -> None:
    """Plan it, unless one of this key is planned already."""
    await tx.execute(
        "INSERT INTO timers (key, kind, about, due_at) VALUES ($1, $2, $3, $4) ON CONFLICT (key) DO NOTHING",
        timer.key,
        timer.kind,
        timer.about,
        timer.due_at,
    )


async def at_latest(tx: Tx, timer: Timer) -> None:
    """Plan it; if one of this key is planned for later, let it happen then."""
    await tx.execute(
        "INSERT INTO timers (key, kind, about, due_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (key) DO UPDATE SET due_at = excluded.due_at WHERE timers.due_at > excluded.due_at",
        timer.key,
        timer.kind,
        timer.about,
        timer.due_at,
    )


async def find(tx: Tx, key: str) -> Timer | None:
    """The timer of this key, if one is planned."""
    return _TIMER.maybe(await tx.fetchrow(f"{_TIMER.select} WHERE key = $1", key))


async def due(tx: Tx, kind: str, until: int) -> list[Timer]:
    """All timers of a kind that are due at a moment."""
    return _TIMER.all(
        await tx.fetch(f"{_TIMER.select} WHERE kind = $1 AND due_at <= $2 ORDER BY due_at, key", kind, until)
    )


async def first(tx: Tx, kinds: Collection[str]) -> Timer | None:
    """The timer of these kinds that is due first."""
    if not kinds:
        return None
    row = await tx.fetchrow(
        f"{_TIMER.select} WHERE kind IN ({listed([*kinds])}) ORDER BY due_at, key LIMIT 1", *sorted(kinds)
    )
    return _TIMER.maybe(row)


async def of_kind(tx: Tx, kind: str) -> list[Timer]:
    """All timers of a kind."""
    return _TIMER.all(await tx.fetch(f"{_TIMER.select} WHERE kind = $1 ORDER BY key", kind))


async def hold(tx: Tx, timer: Timer) -> bool:
    """Hold it until the transaction ends; false where another process has run it, or is at it."""
    skipping = " SKIP LOCKED" if for_update(tx) else ""
    row = await tx.fetchrow(
        f"SELECT 1 FROM timers WHERE key = $1 AND due_at = $2{for_update(tx)}{skipping}", timer.key, timer.due_at
    )
    return row is not None


async def move(tx: Tx, timer: Timer, due_at: int) -> None:
    """Let it happen at another time; not if it has been moved since it was read."""
    await tx.execute("UPDATE timers SET due_at = $3 WHERE key = $1 AND due_at = $2", timer.key, timer.due_at, due_at)


async def not_before(tx: Tx, key: str, now: int, due_at: int) -> None:
    """Let it happen at this time instead, if it is planned for now or earlier."""
    await tx.execute("UPDATE timers SET due_at = $3 WHERE key = $1 AND due_at <= $2", key, now, due_at)


async def hasten(tx: Tx, kind: str, due_at: int) -> None:
    """Let all of a kind that would happen later than this happen then."""
    await tx.execute("UPDATE timers SET due_at = $2 WHERE kind = $1 AND due_at > $2", kind, due_at)


async def end(tx: Tx, key: str) -> None:
    """It has happened, or is not to happen any more."""
    await tx.execute("DELETE FROM timers WHERE key = $1", key)
