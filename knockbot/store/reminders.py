"""Reminders: of which requests the moderators were reminded, and which ones wait until they are."""

from __future__ import annotations

from collections.abc import Sequence

from knockbot.store.db import Tx, listed, portions
from knockbot.store.requests import UNSETTLED

_WAITS = f"room_id = $1 AND {UNSETTLED} AND state = 'pending' AND answer_json IS NULL"


async def first(tx: Tx, room_id: str, management_room: str) -> int | None:
    """Since when the request waits at a room of which nobody there was reminded, and that has waited longest."""
    found = await tx.fetchval(
        f"SELECT MIN(opened_at) FROM requests WHERE {_WAITS} AND card_id IS NOT NULL AND management_room = $2 "
        "AND NOT EXISTS (SELECT 1 FROM reminders WHERE request_id = requests.id)",
        room_id,
        management_room,
    )
    return int(found) if found is not None else None


async def note(tx: Tx, request_id: int, now: int) -> bool:
    """The moderators are reminded of a request; false if they were before."""
    row = await tx.fetchrow(
        "INSERT INTO reminders (request_id, at) VALUES ($1, $2) ON CONFLICT (request_id) DO NOTHING "
        "RETURNING request_id",
        request_id,
        now,
    )
    return row is not None


async def of(tx: Tx, request_ids: Sequence[int]) -> frozenset[int]:
    """Those of these requests of which the moderators were reminded."""
    found: set[int] = set()
    for ids in portions([*request_ids]):
        rows = await tx.fetch(f"SELECT request_id FROM reminders WHERE request_id IN ({listed(ids)})", *ids)
        found |= {int(row["request_id"]) for row in rows}
    return frozenset(found)


async def end(tx: Tx, request_id: int) -> None:
    """A request is settled."""
    await tx.execute("DELETE FROM reminders WHERE request_id = $1", request_id)


async def first_stale(tx: Tx, room_id: str) -> int | None:
    """Since when the knock at a room has not changed that has waited longest for an answer.

    Who is invited already does not knock any more, and does not expire (`domain.compare.is_stale`).
    """
    found = await tx.fetchval(
        f"SELECT MIN(changed_at) FROM requests WHERE {_WAITS} AND kind = 'knock' AND untaken_json IS NULL", room_id
    )
    return int(found) if found is not None else None
