"""Which protected rooms use which lists, as the policies in force say; no policy has to be compiled for that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from knockbot.domain.ids import room_meant
from knockbot.domain.layers import ends
from knockbot.domain.listed import ListThen, PolicyList
from knockbot.flow import place
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import lists, pins, rooms
from knockbot.store.db import Tx
from knockbot.store.lists import ListNow

Named: TypeAlias = tuple[PolicyList, str | None]
"""A list that a policy names, and its room; none where the room is not known."""

FIRST: Final = None
"""The place of the first policy that decides in a room, which is mostly its own; others are named by their room."""


@dataclass(frozen=True, slots=True)
class Used:
    """A list as a policy uses it in a protected room."""

    there: Place
    one: PolicyList
    room_id: str


@dataclass(frozen=True, slots=True)
class Naming:
    """The lists that one policy names, and the place of the pins that say which rooms they are."""

    lists: tuple[PolicyList, ...]
    pinned_in: str


@dataclass(frozen=True, slots=True)
class NamedNow:
    """A list that a policy names, as it is at one moment."""

    one: PolicyList
    room_id: str | None
    """None where it is not known which room it is."""
    now: ListNow


async def of_policy(tx: Tx, naming: Naming) -> list[Named]:
    """The lists of one policy, with the rooms that their names meant when it was set."""
    meant = await pins.meant(tx, naming.pinned_in) if naming.lists else {}
    return _each_room_once([(one, room_meant(one.room, meant)) for one in naming.lists])


async def now(tx: Tx, naming: Naming) -> list[NamedNow]:
    """The lists of one policy as they are now, by one statement."""
    found = await lists.as_named(tx, naming.pinned_in, [*dict.fromkeys(one.room for one in naming.lists)])
    meant = {name: one.pinned for name, one in found.items() if one.pinned is not None}
    named = _each_room_once([(one, room_meant(one.room, meant)) for one in naming.lists])
    return [NamedNow(one, room_id, found[one.room]) for one, room_id in named]


def _each_room_once(named: Sequence[Named]) -> list[Named]:
    """The same; two names may mean one room by now, and then what the policy says of the first one counts."""
    first: dict[str, PolicyList] = {}
    found: list[Named] = []
    for one, room_id in named:
        before = first.setdefault(room_id, one) if room_id is not None else one
        found.append((one if before is one else _again(one, before), room_id))
    return found


def _again(one: PolicyList, before: PolicyList) -> PolicyList:
    return replace(one, then=ListThen.NONE, allow_everything=before.allow_everything, same_as=before.name)


def policies_of(context: Context, there: Place) -> dict[str | None, Naming]:
    """What all policies name that decide in a protected room, by the room of the policy, the first as `FIRST`."""
    found: dict[str | None, Naming] = {}
    for layer in there.layers:
        naming = Naming(layer.settings.lists, pins.of_revision(layer.room_id, layer.revision))
        found[layer.room_id if found else FIRST] = naming
    if not ends([layer.settings for layer in there.layers]):
        default = context.settings.defaults.policy.policy.lists
        found["" if found else FIRST] = Naming(default, pins.DEFAULT_POLICY)
    return found


async def of_place(context: Context, tx: Tx, there: Place) -> dict[str | None, list[Named]]:
    """The lists of all these policies, with their rooms."""
    return {origin: await of_policy(tx, naming) for origin, naming in policies_of(context, there).items()}


async def in_room(context: Context, tx: Tx, there: Place) -> list[Used]:
    """The lists that are used in a protected room, as far as their rooms are known."""
    named = [one for layer in (await of_place(context, tx, there)).values() for one in layer]
    return [Used(there, one, room_id) for one, room_id in named if room_id is not None]


async def everywhere(context: Context, tx: Tx) -> list[Used]:
    """Every use of a list in a protected room."""
    places = [await place.find(context, tx, room.room_id) for room in await rooms.all_rooms(tx)]
    using = [there for there in places if there is not None and there.settings.lists]
    return [used for there in using for used in await in_room(context, tx, there)]


async def of_list(context: Context, tx: Tx, list_room: str) -> list[Used]:
    """Where one list is used."""
    return [used for used in await everywhere(context, tx) if used.room_id == list_room]
