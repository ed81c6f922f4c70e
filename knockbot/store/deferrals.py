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
        """Whether it is about the request as it is now, and as long as that waits for an answer."""
        same = (self.management_room, self.event_id) == (request.management_room, request.event_id)
        return same and request.awaits_moderators


_DEFERRAL = Row(Deferral, "deferrals")


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
    """The deferrals of these requests that are in force now."""
    found: list[Deferral] = []
    known = {request.id: request for request in about}
    for ids in portions([*known]):
        rows = await tx.fetch(f"{_DEFERRAL.select} WHERE until > $1 AND request_id IN ({listed(ids, 2)})", now, *ids)
        found += _DEFERRAL.all(rows)
    return {one.request_id: one for one in found if one.is_of(known[one.request_id])}


async def end(tx: Tx, request_id: int) -> None:
    """A request is deferred no more."""
    await tx.execute("DELETE FROM deferrals WHERE request_id = $1", request_id)
