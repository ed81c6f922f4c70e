"""Places: a protected room with its newest policy and its replacement, in one query."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.store.db import Tx
from knockbot.store.rooms import ROOM, ProtectedRoom
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class PlaceOnRecord:
    """A protected room, the number and the author of its own policy, if it has one, and what replaces it."""

    room: ProtectedRoom
    revision: int | None
    author: str | None
    replacement: str | None
    """What a tombstone names, which may be nothing at all; none without a tombstone."""

    @property
    def newest(self) -> tuple[int, str] | None:
        """Its own policy, as `policies.newest` tells it."""
        return (self.revision, self.author) if self.revision is not None and self.author is not None else None


_PLACE = Row(
    PlaceOnRecord,
    "rooms",
    room=ROOM,
    revision="policies.revision",
    author="policies.author",
    replacement="room_upgrades.replacement",
)


async def find(tx: Tx, room_id: str) -> PlaceOnRecord | None:
    """The protected room with this id, if it is one."""
    row = await tx.fetchrow(
        f"{_PLACE.select} LEFT JOIN policies ON policies.room_id = rooms.room_id "
        "AND policies.revision = (SELECT max(revision) FROM policies WHERE room_id = $1) "
        "LEFT JOIN room_upgrades ON room_upgrades.room_id = rooms.room_id AND room_upgrades.policy_of = '' "
        "WHERE rooms.room_id = $1",
        room_id,
    )
    return _PLACE.maybe(row)
