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
    rows = await tx.fetch("SELECT * FROM audit WHERE request_id = $1 ORDER BY id", request_id)
    return [
        Entry(row["at"], row["room_id"], row["request_id"], row["actor"], row["what"], json.loads(row["detail_json"]))
        for row in rows
    ]
