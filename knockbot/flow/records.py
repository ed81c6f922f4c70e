"""The record: a line about a request or a protected room, in the database and in the log."""

from __future__ import annotations

from typing import Unpack

from knockbot.domain.model import Request
from knockbot.domain.records import Detail, Recorded
from knockbot.engine.turn import Turn
from knockbot.flow import journal
from knockbot.store import records


async def record(turn: Turn, request: Request, actor: str, kind: Recorded, **detail: Unpack[Detail]) -> None:
    """Add a line about a request to the record, and to the log."""
    entry = records.Entry(turn.now, request.room_id, request.id, actor, kind, detail)
    journal.decided(request, await records.add(turn.tx, entry), kind, actor, detail)


async def record_of_room(turn: Turn, room_id: str, actor: str, kind: Recorded, **detail: Unpack[Detail]) -> None:
    """Add a line about a protected room to the record, and to the log."""
    entry = records.Entry(turn.now, room_id, None, actor, kind, detail)
    journal.changed(room_id, await records.add(turn.tx, entry), kind, actor, detail)
