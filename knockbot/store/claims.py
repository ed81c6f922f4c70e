"""Claims: who is at a request, for the other moderators in the same management room to see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.domain.model import Request
from knockbot.store.db import Tx, listed, portions
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Claim:
    """Somebody is at a request, until a moment (milliseconds since the epoch)."""

    request_id: int
    management_room: str
    claimed_by: str
    until: int


_CLAIM = Row(Claim, "claims")


async def put(tx: Tx, claim: Claim) -> None:
    """Note a claim, in place of the one before."""
    await tx.execute(
        "INSERT INTO claims (request_id, management_room, claimed_by, until) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (request_id) DO UPDATE SET management_room = excluded.management_room, "
        "claimed_by = excluded.claimed_by, until = excluded.until",
        claim.request_id,
        claim.management_room,
        claim.claimed_by,
        claim.until,
    )


async def on(tx: Tx, about: Sequence[Request], now: int) -> dict[int, Claim]:
    """The claims that are in force now on these requests, in the management room that each has."""
    found: dict[int, Claim] = {}
    rooms = {request.id: request.management_room for request in about}
    for ids in portions([*rooms]):
        rows = await tx.fetch(f"{_CLAIM.select} WHERE until > $1 AND request_id IN ({listed(ids, 2)})", now, *ids)
        claims = _CLAIM.all(rows)
        found |= {claim.request_id: claim for claim in claims if claim.management_room == rooms[claim.request_id]}
    return found


async def end(tx: Tx, request_id: int) -> None:
    """Nobody is at a request any more."""
    await tx.execute("DELETE FROM claims WHERE request_id = $1", request_id)


async def end_if_over(tx: Tx, request_id: int, now: int) -> bool:
    """The same where the time of the claim is over; false where it is not, or there is none."""
    row = await tx.fetchrow(
        "DELETE FROM claims WHERE request_id = $1 AND until <= $2 RETURNING request_id", request_id, now
    )
    return row is not None
