"""The record, to read: who decided what, when, and by which rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from knockbot.flow.context import Context
from knockbot.store import records, rooms
from knockbot.store.db import Tx
from knockbot.store.records import Entry


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the record, and what its room is called."""

    entry: Entry
    label: str
    names_room: bool = False
    """Whether a line about a request says at which room: several are managed from here."""


async def of_request(context: Context, management_room: str, request_id: int) -> tuple[Line, ...]:
    """What is on record about one request, oldest first."""
    async with context.db.tx() as tx:
        labels = await _labels(tx, management_room)
        return _lines(await records.of_request(tx, request_id), labels)


async def of_requests(
    context: Context, management_room: str, request_ids: Iterable[int], most: int
) -> tuple[Line, ...]:
    """The newest lines about several requests, oldest first."""
    found = [line for one in request_ids for line in await of_request(context, management_room, one)]
    return tuple(sorted(found, key=lambda line: line.entry.at)[-most:])


async def latest(context: Context, management_room: str, most: int, about: str | None = None) -> tuple[Line, ...]:
    """The newest lines about the rooms managed from here, or about one applicant or inviter in them; oldest first."""
    async with context.db.tx() as tx:
        labels = await _labels(tx, management_room)
        return _lines(await records.latest(tx, list(labels), most, about=about), labels)


async def _labels(tx: Tx, management_room: str) -> dict[str, str]:
    return {room.room_id: room.label for room in await rooms.managed_by(tx, management_room)}


def _lines(found: Iterable[Entry], labels: Mapping[str, str]) -> tuple[Line, ...]:
    several = len(labels) > 1
    return tuple(Line(entry, labels.get(entry.room_id, entry.room_id), several) for entry in found)
