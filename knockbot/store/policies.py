"""Policies, one revision per change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.store.db import Tx
from knockbot.store.rows import Row

CONFIG_FILE = "config"
"""The author of a policy that the config file holds."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One version of a room's policy, as it was written."""

    room_id: str
    revision: int
    author: str
    written_at: int
    text: str
    language: str | None = None
    """The one that it names."""


_REVISION = Row(Revision, "policies")


async def current(tx: Tx, room_id: str) -> Revision | None:
    """The policy in force, where the room has one of its own."""
    row = await tx.fetchrow(f"{_REVISION.select} WHERE room_id = $1 ORDER BY revision DESC LIMIT 1", room_id)
    return _REVISION.maybe(row)


async def revision(tx: Tx, room_id: str, number: int) -> Revision | None:
    """One revision of a room's policy, old or in force."""
    row = await tx.fetchrow(f"{_REVISION.select} WHERE room_id = $1 AND revision = $2", room_id, number)
    return _REVISION.maybe(row)


async def revisions(tx: Tx, room_id: str, limit: int) -> list[Revision]:
    """The newest revisions of a room's policy, newest first."""
    rows = await tx.fetch(f"{_REVISION.select} WHERE room_id = $1 ORDER BY revision DESC LIMIT $2", room_id, limit)
    return _REVISION.all(rows)


async def revise(
    tx: Tx, room_id: str, *, author: str, text: str, now: int, cause: str | None, language: str | None = None
) -> int:
    """Write the next revision and return its number; the same cause writes once."""
    if cause is not None:
        known = await tx.fetchval("SELECT revision FROM policies WHERE cause = $1", cause)
        if known is not None:
            return int(known)
    revision = (await latest(tx, room_id) or 0) + 1
    await tx.execute(
        "INSERT INTO policies (room_id, revision, author, written_at, text, language, cause) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        room_id,
        revision,
        author,
        now,
        text,
        language,
        cause,
    )
    return revision


async def newest(tx: Tx, room_id: str) -> tuple[int, str] | None:
    """The number and the author of the revision in force, without its text, which may be long."""
    row = await tx.fetchrow(
        "SELECT revision, author FROM policies WHERE room_id = $1 ORDER BY revision DESC LIMIT 1", room_id
    )
    return (row["revision"], row["author"]) if row is not None else None


async def languages(tx: Tx, room_ids: Sequence[str]) -> dict[str, str | None]:
    """The language that the policy in force in each of these rooms names, for those that have one of their own."""
    places = ", ".join(f"${place}" for place in range(1, len(room_ids) + 1))
    rows = await tx.fetch(
        f"SELECT room_id, language FROM policies AS p WHERE room_id IN ({places or 'NULL'}) "
        "AND revision = (SELECT max(revision) FROM policies WHERE room_id = p.room_id)",
        *room_ids,
    )
    return {row["room_id"]: row["language"] for row in rows}


async def latest(tx: Tx, room_id: str) -> int | None:
    """The number of the revision in force, where the room has a policy of its own."""
    revision = await tx.fetchval("SELECT max(revision) FROM policies WHERE room_id = $1", room_id)
    return int(revision) if revision is not None else None
