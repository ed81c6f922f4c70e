"""Appeals: what applicants write against a rejection, once for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.domain.model import Request
from knockbot.store.db import Tx, listed, portions
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Appeal:
    """One appeal."""

    request_id: int
    rejected_at: int
    """When the rejection was recorded that it is about: a request may be rejected again."""
    management_room: str
    user_id: str
    text: str
    at: int


_APPEAL = Row(Appeal, "appeals")


async def add(tx: Tx, appeal: Appeal) -> bool:
    """Keep an appeal; false if there is one against this rejection."""
    row = await tx.fetchrow(
        "INSERT INTO appeals (request_id, rejected_at, management_room, user_id, text, at) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (request_id, rejected_at) DO NOTHING RETURNING at",
        appeal.request_id,
        appeal.rejected_at,
        appeal.management_room,
        appeal.user_id,
        appeal.text,
        appeal.at,
    )
    return row is not None


async def is_there(tx: Tx, request: Request) -> bool:
    """Whether there is one against the rejection that a request has now."""
    row = await tx.fetchrow(
        "SELECT 1 FROM appeals WHERE request_id = $1 AND rejected_at = $2", request.id, request.changed_at
    )
    return row is not None


async def made_since(tx: Tx, user_id: str, since: int) -> int:
    """How many appeals an applicant has made since a moment."""
    return int(await tx.fetchval("SELECT count(*) FROM appeals WHERE user_id = $1 AND at > $2", user_id, since))


async def on(tx: Tx, about: Sequence[Request]) -> dict[int, Appeal]:
    """The newest appeal of each of these requests, as far as it was told in their management room."""
    known = {request.id: request for request in about}
    found: list[Appeal] = []
    for ids in portions([*known]):
        rows = await tx.fetch(f"{_APPEAL.select} WHERE request_id IN ({listed(ids)}) ORDER BY at", *ids)
        found += _APPEAL.all(rows)
    return {one.request_id: one for one in found if known[one.request_id].management_room == one.management_room}
