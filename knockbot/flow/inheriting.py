"""The policy of a space in its rooms: which rooms take it, who waits there, and what is said when they no longer do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from knockbot.domain.notices import Arg, Many, Notice, Number, Room, listed, notice
from knockbot.flow import place, rules
from knockbot.flow.context import Context
from knockbot.store import judgements, layers, places, requests, rooms
from knockbot.store.db import Tx
from knockbot.store.layers import LayerOnRecord
from knockbot.store.rooms import ProtectedRoom

NAMED = 10
"""Rooms that one message names."""


async def takers(tx: Tx, space: ProtectedRoom) -> list[ProtectedRoom]:
    """The rooms in which the policy of a space decides too, by label; the space itself is not among them."""
    if not await rooms.of_space(tx, space.room_id):
        return []
    managed = await places.managed_by(tx, space.management_room)
    others = [found for found in managed if found.room.room_id != space.room_id]
    return [found.room for found in others if any(layer.room_id == space.room_id for layer in found.layers)]


async def where_it_decides(tx: Tx, room_id: str) -> list[ProtectedRoom]:
    """The rooms in which the policy of a protected room decides: that room, and as a space those that take it too."""
    room = await rooms.find(tx, room_id)
    return [room, *await takers(tx, room)] if room is not None else []


async def waiting(tx: Tx, space: ProtectedRoom) -> list[tuple[ProtectedRoom, int]]:
    """How many requests wait for an answer in a room, and in those in which its policy decides too; rooms without any
    are left out."""
    pending = await requests.count_pending(tx)
    found = [room for room in (space, *await takers(tx, space)) if pending[room.management_room, room.room_id]]
    counts = [(room, len(await requests.awaiting(tx, room.room_id))) for room in found]
    return [(room, count) for room, count in counts if count]


async def judged_before(context: Context, tx: Tx, space: ProtectedRoom) -> list[tuple[ProtectedRoom, int]]:
    """The same without those that were judged by the policies in force there."""
    found: list[tuple[ProtectedRoom, int]] = []
    for room, count in await waiting(tx, space):
        there = await place.find(context, tx, room.room_id)
        by = await judgements.policies_of_waiting(tx, room.room_id)
        found.append((room, count - sum(there is not None and one == there.policies for one in by)))
    return [(room, count) for room, count in found if count > 0]


def called(room: ProtectedRoom) -> Room:
    """A room, as notices name it."""
    return Room(room.room_id, room.label)


def named(found: Sequence[ProtectedRoom]) -> list[Notice]:
    """The first of these rooms in a row, and how many more there are."""
    more = len(found) - NAMED
    first = notice("policy.rooms", rooms=listed([called(room) for room in found[:NAMED]]))
    return [first, *([notice("list.more", count=Number(more))] if more > 0 else [])]


async def taken_by(tx: Tx, space: ProtectedRoom) -> list[Notice]:
    """In which rooms the policy of a space decides too."""
    found = await takers(tx, space)
    return [notice("policy.taken_by", count=Number(len(found)), space=called(space)), *named(found)] if found else []


def origins(room_id: str, decide: Sequence[LayerOnRecord]) -> list[Notice]:
    """The policies of other rooms that decide in a room."""
    own = any(layer.room_id == room_id for layer in decide)
    found = [rules.origin(room_id, layer) for layer in decide if layer.room_id != room_id]
    if not own:
        return [notice("policy.goes_by", origin=origin) for origin in found]
    return [notice("policy.goes_on_with", origin=origin) for origin in found]


async def decide_now(tx: Tx, found: Sequence[ProtectedRoom]) -> list[Notice]:
    """Which policies decide in these rooms: a line for all rooms in which the same ones do."""
    there: dict[Many, list[ProtectedRoom]] = {}
    for room in sorted(found, key=lambda room: room.label):
        there.setdefault(_ways(room.room_id, await layers.of(tx, room.room_id)), []).append(room)
    return [notice("policy.decides_in", ways=ways, rooms=_first(rooms)) for ways, rooms in there.items()]


def _ways(room_id: str, decide: Sequence[LayerOnRecord]) -> Many:
    """Which policies decide in a room, in their order."""
    own = bool(decide) and decide[0].room_id == room_id
    found: list[Arg] = [notice("policy.first_own")] if own else []
    for layer in decide[1 if own else 0 :]:
        space = Room(layer.room_id, layer.label)
        found.append(notice("policy.then_space", space=space) if found else notice("policy.first_space", space=space))
    if not decide or decide[-1].settings.inherit:
        found.append(notice("policy.then_default") if found else notice("policy.first_default"))
    return listed(found)


def _first(found: Sequence[ProtectedRoom]) -> Many:
    more = len(found) - NAMED
    first: list[Arg] = [called(room) for room in found[:NAMED]]
    return listed([*first, notice("list.more", count=Number(more))] if more > 0 else first)


async def deciding(tx: Tx, management_room: str) -> dict[str, tuple[str, ...]]:
    """The rooms managed from a management room, each with the rooms whose policies decide there."""
    managed = await places.managed_by(tx, management_room)
    return {found.room.room_id: tuple(layer.room_id for layer in found.layers) for found in managed}


async def otherwise_now(tx: Tx, management_room: str, before: Mapping[str, Sequence[str]]) -> list[ProtectedRoom]:
    """The rooms that are still managed from there, and in which other policies decide than before."""
    now = await deciding(tx, management_room)
    changed = {room_id for room_id, decide in now.items() if before.get(room_id) not in (None, decide)}
    return [room for room in await rooms.managed_by(tx, management_room) if room.room_id in changed]


async def left_to_others(tx: Tx, space: ProtectedRoom, before: Mapping[str, Sequence[str]]) -> list[Notice]:
    """In how many rooms the policy of a space decides no longer, and which policies decide there now."""
    gone = await otherwise_now(tx, space.management_room, before)
    if not gone:
        return []
    said = notice("policy.taken_no_longer", count=Number(len(gone)), space=called(space))
    return [said, *await decide_now(tx, gone)]
