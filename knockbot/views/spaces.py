"""Spaces with their rooms, to look at: how far each room is, and which spaces a room is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from knockbot.domain.notices import Notice, Room
from knockbot.domain.spaces import SpaceRoom, Stage
from knockbot.store import rooms, spaces
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom


@dataclass(frozen=True, slots=True)
class Shown:
    """One room of a space."""

    called: Room
    """By its ID where it is not protected from there."""
    stage: Stage
    why: Notice | None
    is_protected: bool
    """Whether it is protected from there; perhaps the policy of the space does not count in it."""
    elsewhere: Room | None
    """The other space that it belongs to, because that one had it first."""


@dataclass(frozen=True, slots=True)
class Followed:
    """A space that is protected with its rooms; itself left out."""

    rooms: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class InSpaces:
    """The space that a room belongs to, and the others that it is in."""

    first: Room | None
    others: tuple[Room, ...]


Managed: TypeAlias = Mapping[str, ProtectedRoom]
"""The rooms that are managed from one room, by their IDs."""


async def managed_with(tx: Tx, room: ProtectedRoom) -> Managed:
    """The rooms that are managed from where this one is."""
    return {one.room_id: one for one in await rooms.managed_by(tx, room.management_room)}


async def followed(tx: Tx, room: ProtectedRoom, managed: Managed) -> Followed | None:
    """The rooms of a space that is protected with them; `None` for any other room."""
    found = await spaces.rooms_of(tx, room.room_id)
    if not any(one.room_id == room.room_id for one in found):
        return None
    inner = [one.room_id for one in found if one.is_followed and one.room_id != room.room_id]
    within = {room.room_id, *[one for one in inner if not await _is_within(tx, one, room.room_id)]}
    return Followed(tuple(_shown(one, managed, within) for one in found if one.room_id != room.room_id))


def _shown(one: SpaceRoom, managed: Managed, within: set[str]) -> Shown:
    known = managed.get(one.room_id)
    above = known.space if known is not None else None
    other = managed.get(above) if above is not None and above not in within else None
    return Shown(
        Room(one.room_id, known.label if known is not None else one.room_id),
        one.stage,
        one.why,
        known is not None,
        Room(other.room_id, other.label) if other is not None else None,
    )


async def _is_within(tx: Tx, space: str, room_id: str | None) -> bool:
    """Whether a room is a space, or one of the spaces in it that are followed."""
    found = await spaces.find(tx, space, room_id) if room_id is not None else None
    return found is not None and found.is_followed


async def _is_around(tx: Tx, space: str, room_id: str | None) -> bool:
    """Whether a space is another one, or has it in it and is not in that one itself: spaces may name each other."""
    if space == room_id:
        return True
    return await _is_within(tx, space, room_id) and not (room_id and await _is_within(tx, room_id, space))


async def spaces_of(tx: Tx, room: ProtectedRoom, managed: Managed) -> InSpaces:
    """The spaces of a protected room, all managed from where it is managed."""
    first = managed.get(room.space) if room.space is not None else None
    others = [
        managed[one.space]
        for one in await spaces.of_room(tx, room.room_id)
        if one.space in managed and one.space != room.room_id and not await _is_around(tx, one.space, room.space)
    ]
    return InSpaces(
        Room(first.room_id, first.label) if first is not None else None,
        tuple(Room(one.room_id, one.label) for one in others),
    )
