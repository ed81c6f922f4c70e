"""Reminders: of which requests the moderators were reminded, and which ones wait until they are, or until they expire.

Each query reads what is due, by an index of those that wait: not all that is open at a room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from knockbot.store import deferrals
from knockbot.store.db import Tx

_WAITS = "room_id = $1 AND state = 'pending' AND answer_json IS NULL"
"""As the indexes `requests_waiting` and `requests_knocking` have it."""

_NEW = (
    f"{_WAITS} AND card_id IS NOT NULL AND management_room = $2 "
    "AND NOT EXISTS (SELECT 1 FROM reminders WHERE request_id = requests.id)"
)

FIRST: Final = f"SELECT opened_at FROM requests WHERE {_NEW} ORDER BY opened_at LIMIT 1"
DUE: Final = f"SELECT id, CAST($4 AS BIGINT) FROM requests WHERE {_NEW} AND opened_at <= $3 ORDER BY opened_at"

_KNOCKS = f"{_WAITS} AND kind = 'knock' AND untaken_json IS NULL"
"""Who is invited already does not knock any more, and does not expire (`domain.compare.is_stale`)."""

FIRST_STALE: Final = f"SELECT changed_at FROM requests WHERE {_KNOCKS} ORDER BY changed_at LIMIT 1"
STALE: Final = f"SELECT id FROM requests WHERE {_KNOCKS} AND changed_at <= $2 ORDER BY changed_at LIMIT $3"


async def first(tx: Tx, room_id: str, management_room: str) -> int | None:
    """Since when the request waits at a room of which nobody there was reminded, and that has waited longest."""
    found = await tx.fetchval(FIRST, room_id, management_room)
    return int(found) if found is not None else None


async def note(tx: Tx, room_id: str, management_room: str, until: int, now: int) -> list[int]:
    """The moderators are reminded of those at a room that wait since this moment, or for longer: returns which ones,
    without those of which they were reminded before."""
    rows = await tx.fetch(
        f"INSERT INTO reminders (request_id, at) {DUE} ON CONFLICT (request_id) DO NOTHING RETURNING request_id",
        room_id,
        management_room,
        until,
        now,
    )
    return sorted(int(row["request_id"]) for row in rows)


@dataclass(frozen=True, slots=True)
class Reminded:
    """A request of which the moderators were reminded, and that still has no answer."""

    number: int
    is_deferred: bool


async def reminded(tx: Tx, room_id: str, management_room: str, but: str, now: int) -> list[Reminded]:
    """Those at a room, oldest first; without those in prompts of the kind `but`."""
    rows = await tx.fetch(
        f"SELECT number, CASE WHEN {deferrals.in_force('$4')} THEN 1 ELSE 0 END AS is_deferred "
        f"FROM requests WHERE {_WAITS} AND management_room = $2 "
        "AND EXISTS (SELECT 1 FROM reminders WHERE request_id = requests.id) "
        "AND NOT EXISTS (SELECT 1 FROM prompts WHERE prompts.id = card_id AND prompts.kind = $3) ORDER BY id",
        room_id,
        management_room,
        but,
        now,
    )
    return [Reminded(int(row["number"]), bool(row["is_deferred"])) for row in rows]


async def end(tx: Tx, request_id: int) -> None:
    """A request is settled."""
    await tx.execute("DELETE FROM reminders WHERE request_id = $1", request_id)


async def first_stale(tx: Tx, room_id: str) -> int | None:
    """Since when the knock at a room has not changed that has waited longest for an answer."""
    found = await tx.fetchval(FIRST_STALE, room_id)
    return int(found) if found is not None else None


async def stale(tx: Tx, room_id: str, oldest: int, most: int) -> list[int]:
    """The knocks at a room that have not changed since this moment, or for longer: so many at most."""
    return [int(row["id"]) for row in await tx.fetch(STALE, room_id, oldest, most)]
