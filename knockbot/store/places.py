"""Places: a protected room with the policies that decide there and its replacement, read together."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.store import layers
from knockbot.store.db import Tx
from knockbot.store.layers import NEWEST, STEP, LayerOnRecord, LookUp, Step
from knockbot.store.rooms import ROOM, ProtectedRoom
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class PlaceOnRecord:
    """A protected room, the policies that decide there, its own first, and its replacement."""

    room: ProtectedRoom
    layers: tuple[LayerOnRecord, ...]
    """As `layers.of` has them."""
    replacement: str | None
    """The room that a tombstone names; empty if it names none; none without a tombstone."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A protected room, what decides there by itself, and its replacement."""

    room: ProtectedRoom
    step: Step
    replacement: str | None


_FOUND = Row(_Found, "rooms", room=ROOM, step=STEP, replacement="room_upgrades.replacement")

_FROM = (
    f"{_FOUND.select} LEFT JOIN {NEWEST} "
    "LEFT JOIN room_upgrades ON room_upgrades.room_id = rooms.room_id AND room_upgrades.policy_of = ''"
)


async def find(tx: Tx, room_id: str) -> PlaceOnRecord | None:
    """The protected room with this id, if it is one."""
    found = _FOUND.maybe(await tx.fetchrow(f"{_FROM} WHERE rooms.room_id = $1", room_id))
    return await _place(found, layers.space_of(tx, room_id)) if found is not None else None


async def managed_by(tx: Tx, management_room: str) -> list[PlaceOnRecord]:
    """The rooms managed from a management room, by label, as `rooms.managed_by` has them."""
    rows = await tx.fetch(f"{_FROM} WHERE management_room = $1 ORDER BY label", management_room)
    found = _FOUND.all(rows)
    steps = {one.room.room_id: one.step for one in found}

    async def look(space: str) -> Step | None:
        return steps.get(space)

    return [await _place(one, look) for one in found]


async def _place(found: _Found, look: LookUp) -> PlaceOnRecord:
    return PlaceOnRecord(found.room, await layers.above(found.step, look), found.replacement)
