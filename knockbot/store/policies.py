"""Policies, one revision per change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from knockbot.domain.policy import SETTINGS, UNSAID, RoomSettings
from knockbot.store.db import Tx
from knockbot.store.rows import Column, Row

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
    settings: RoomSettings = UNSAID
    """The settings in its text, beside the rules."""


@lru_cache(maxsize=1024)
def settings_read(stored: str) -> RoomSettings:
    """The settings that `revise` has stored. Every turn reads those of its room, mostly the same."""
    return SETTINGS.decode(json.loads(stored))


_REVISION = Row(Revision, "policies", settings=Column("settings_json", settings_read))


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
    tx: Tx,
    room_id: str,
    *,
    author: str,
    text: str,
    now: int,
    cause: str | None,
    settings: RoomSettings = UNSAID,
) -> int:
    """Write the next revision and return its number; the same cause writes once. `settings` are those in its text."""
    if cause is not None:
        known = await tx.fetchval("SELECT revision FROM policies WHERE cause = $1", cause)
        if known is not None:
            return int(known)
    revision = (await latest(tx, room_id) or 0) + 1
    await tx.execute(
        "INSERT INTO policies (room_id, revision, author, written_at, text, settings_json, cause) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        room_id,
        revision,
        author,
        now,
        text,
        json.dumps(SETTINGS.encode(settings)),
        cause,
    )
    return revision


async def newest(tx: Tx, room_id: str) -> tuple[int, str] | None:
    """The number and the author of the revision in force, without its text, which may be long."""
    row = await tx.fetchrow(
        "SELECT revision, author FROM policies WHERE room_id = $1 ORDER BY revision DESC LIMIT 1", room_id
    )
    return (row["revision"], row["author"]) if row is not None else None


async def latest(tx: Tx, room_id: str) -> int | None:
    """The number of the revision in force, where the room has a policy of its own."""
    revision = await tx.fetchval("SELECT max(revision) FROM policies WHERE room_id = $1", room_id)
    return int(revision) if revision is not None else None
