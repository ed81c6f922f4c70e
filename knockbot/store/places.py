"""Places: a protected room with the settings of its policy and its replacement, in one query."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.domain.policy import RoomSettings
from knockbot.store.db import Tx
from knockbot.store.policies import settings_read
from knockbot.store.rooms import ROOM, ProtectedRoom
from knockbot.store.rows import Column, Row, optional


@dataclass(frozen=True, slots=True)
class PlaceOnRecord:
    """A protected room; the number, author and settings of its own policy, if it has one; and its replacement."""

    room: ProtectedRoom
    revision: int | None
    author: str | None
    settings: RoomSettings | None
    replacement: str | None
    """The room that a tombstone names; empty if it names none; none without a tombstone."""


_PLACE = Row(
    PlaceOnRecord,
    "rooms",
    room=ROOM,
    revision="policies.revision",
    author="policies.author",
    settings=Column("policies.settings_json", optional(settings_read)),
    replacement="room_upgrades.replacement",
)


_FROM = (
    f"{_PLACE.select} LEFT JOIN policies ON policies.room_id = rooms.room_id "
    "AND policies.revision = (SELECT max(revision) FROM policies WHERE room_id = rooms.room_id) "
    "LEFT JOIN room_upgrades ON room_upgrades.room_id = rooms.room_id AND room_upgrades.policy_of = ''"
)


async def find(tx: Tx, room_id: str) -> PlaceOnRecord | None:
    """The protected room with this id, if it is one."""
    return _PLACE.maybe(await tx.fetchrow(f"{_FROM} WHERE rooms.room_id = $1", room_id))


async def managed_by(tx: Tx, management_room: str) -> list[PlaceOnRecord]:
    """The rooms managed from a management room, by label, as `rooms.managed_by` has them."""
    return _PLACE.all(await tx.fetch(f"{_FROM} WHERE management_room = $1 ORDER BY label", management_room))
