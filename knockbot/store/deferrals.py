"""Deferrals: requests that are off the list of their management room until a moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.domain.model import Request
from knockbot.store.db import Tx, listed, portions
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Deferral:
    """A request is off the list until a moment (milliseconds since the epoch)."""

    request_id: int
    management_room: str
    deferred_by: str
    until: int
    event_id: str
    """The knock that was deferred, or what the request was about: another one is on the list."""

    def is_of(self, request: Request) -> bool:
        """Whether it is, or was until now, about the request as it is now, and that waits for an answer."""
        same = (self.management_room, self.event_id) == (request.management_room, request.event_id)
        return same and request.awaits_moderators


_DEFERRAL = Row(Deferral, "deferrals")

_OF_ITS_REQUEST = (
    "deferrals.request_id = requests.id AND deferrals.event_id = requests.event_id "
    "AND deferrals.management_room = requests.management_room"
)
"""Where the request is what was deferred: not after another knock, nor in another management room."""


def in_force(now: str) -> str:
    """The condition that a request is deferred at a moment, which is the value at this place of the query."""
    return f"EXISTS (SELECT 1 FROM deferrals WHERE {_OF_ITS_REQUEST} AND deferrals.until > {now})"


async def put(tx: Tx, deferral: Deferral) -> None:
    """Note a deferral, in place of the one before."""
    await tx.execute(
        "INSERT INTO deferrals (request_id, management_room, deferred_by, until, event_id) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (request_id) DO UPDATE SET management_room = excluded.management_room, "
        "deferred_by = excluded.deferred_by, until = excluded.until, event_id = excluded.event_id",
        deferral.request_id,
        deferral.management_room,
        deferral.deferred_by,
        deferral.until,
        deferral.event_id,
    )


async def find(tx: Tx, request_id: int) -> Deferral | None:
    """The deferral of a request, whether it is in force or not."""
    return _DEFERRAL.maybe(await tx.fetchrow(f"{_DEFERRAL.select} WHERE request_id = $1", request_id))


async def on(tx: Tx, about: Sequence[Request], now: int) -> dict[int, Deferral]:
    """The deferrals of these requests that are in force now: those that need no answer are not deferred."""
    found: list[Deferral] = []
    asked = f"SELECT 1 FROM requests WHERE {_OF_ITS_REQUEST} AND state = 'pending' AND answer_json IS NULL"
    for ids in portions([request.id for request in about]):
        rows = await tx.fetch(
            f"{_DEFERRAL.select} WHERE until > $1 AND request_id IN ({listed(ids, 2)}) AND EXISTS ({asked})", now, *ids
        )
        found += _DEFERRAL.all(rows)
    return {one.request_id: one for one in found}


async def end(tx: Tx, request_id: int) -> None:
    """A request is deferred no more."""
    await tx.execute("DELETE FROM deferrals WHERE request_id = $1", request_id)
