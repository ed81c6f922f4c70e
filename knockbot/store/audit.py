"""The audit record: who did what, when, and by which rule; only ever added to."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knockbot.store.db import Tx


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the record."""

    at: int
    room_id: str
    request_id: int | None
    actor: str
    what: str
    detail: Mapping[str, Any]
    number: int | None = None
    """When read: the number of the request, and whose it is: of an invite that nobody redeemed, its inviter's."""
    user_id: str | None = None


async def add(tx: Tx, entry: Entry) -> None:
    """Write one line."""
    await tx.execute(
        "INSERT INTO audit (at, room_id, request_id, actor, what, detail_json) VALUES ($1, $2, $3, $4, $5, $6)",
        entry.at,
        entry.room_id,
        entry.request_id,
        entry.actor,
        entry.what,
        json.dumps(entry.detail),
    )


async def of_request(tx: Tx, request_id: int) -> list[Entry]:
    """The lines about one request, oldest first."""
    rows = await tx.fetch(f"SELECT {_COLUMNS} {_WITH_NUMBERS} WHERE request_id = $1 ORDER BY audit.id", request_id)
    return [_entry(row) for row in rows]


async def latest(tx: Tx, room_ids: list[str], limit: int, *, about: str | None = None) -> list[Entry]:
    """The newest lines about some rooms, or about one applicant or inviter in them; oldest first."""
    found: list[Entry] = []
    for room_id in room_ids:
        rows = await tx.fetch(
            f"SELECT {_COLUMNS} {_WITH_NUMBERS} WHERE audit.room_id = $1 "
            + ("AND (requests.user_id = $3 OR requests.inviter = $3) " if about is not None else "")
            + "ORDER BY audit.id DESC LIMIT $2",
            *(room_id, limit, about)[: 3 if about is not None else 2],
        )
        found.extend(_entry(row) for row in reversed(rows))  # sorting by time keeps the order of the same moment
    return sorted(found, key=lambda entry: entry.at)[-limit:]


_COLUMNS = (
    "audit.at, audit.room_id, request_id, actor, what, detail_json, requests.number, "
    "coalesce(nullif(requests.user_id, ''), requests.inviter) AS user_id"
)
_WITH_NUMBERS = "FROM audit LEFT JOIN requests ON requests.id = request_id"


def _entry(row: Any) -> Entry:
    return Entry(
        row["at"],
        row["room_id"],
        row["request_id"],
        row["actor"],
        row["what"],
        json.loads(row["detail_json"]),
        row["number"],
        row["user_id"],
    )
