"""Who waits for an answer: the requests that moderators have on their list, by one condition for all who tell of them.

A list, a digest, a reminder and the line in the morning never tell different figures, because each asks here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.store import deferrals
from knockbot.store.db import Tx, listed, portions
from knockbot.store.requests import UNSETTLED
from knockbot.store.rows import Row


def waits(now: str) -> str:
    """The condition on a request: it is open, no answer to it is being carried out, and it is not deferred at a moment,
    which is the value at the place `now` of the query."""
    return f"{UNSETTLED} AND state = 'pending' AND answer_json IS NULL AND NOT {deferrals.in_force(now)}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """One request that waits, with no more of it than is told."""

    id: int
    number: int
    card_id: int | None
    """The prompt that shows it."""
    moved_from: str | None
    """The room at which its applicant knocked, where that is another one: no policy judges them here."""


_WAITING = Row(Waiting, "requests")


async def at(tx: Tx, room_id: str, management_room: str, now: int) -> list[Waiting]:
    """The requests at a room that wait for the moderators in a management room, oldest first."""
    rows = await tx.fetch(
        f"{_WAITING.select} WHERE room_id = $1 AND management_room = $2 AND {waits('$3')} ORDER BY id",
        room_id,
        management_room,
        now,
    )
    return _WAITING.all(rows)


async def those(tx: Tx, request_ids: Sequence[int], now: int) -> list[Waiting]:
    """Those of these requests that wait, oldest first."""
    found: list[Waiting] = []
    for some in portions(sorted(request_ids)):
        which = f"id IN ({listed(some, 2)}) AND {waits('$1')}"
        found += _WAITING.all(await tx.fetch(f"{_WAITING.select} WHERE {which} ORDER BY id", now, *some))
    return found


async def ids(tx: Tx, management_room: str, now: int) -> frozenset[int]:
    """All requests that wait for the moderators in a management room."""
    rows = await tx.fetch(f"SELECT id FROM requests WHERE management_room = $1 AND {waits('$2')}", management_room, now)
    return frozenset(int(row["id"]) for row in rows)
