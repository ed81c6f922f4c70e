"""The protected rooms, each with its pending requests and its problems."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.domain.fitness import Concern
from knockbot.domain.notices import Notice
from knockbot.flow import checkup, names, place
from knockbot.flow.context import Context
from knockbot.store import layers, requests, rooms, waves
from knockbot.store.layers import LayerOnRecord
from knockbot.store.rooms import ProtectedRoom
from knockbot.store.waves import Wave
from knockbot.views.spaces import Followed, InSpaces, followed, spaces_of


@dataclass(frozen=True, slots=True)
class Listed:
    """One protected room."""

    room: ProtectedRoom
    waiting: int
    """The number of its pending requests."""
    concerns: tuple[Concern, ...]
    """What makes it unfit to be protected; empty if the bot is not in it."""
    dry_run: bool
    """Whether its policy does nothing by itself."""
    decide: tuple[LayerOnRecord, ...]
    """The policies that decide there."""
    named: tuple[Notice, ...]
    """The names that the config file has for it, and the names in its policy that mean another room by now."""
    spaces: InSpaces
    followed: Followed | None
    """Its rooms, if it is a space that is protected with them."""
    wave: Wave | None = None
    """The wave that goes on there."""


@dataclass(frozen=True, slots=True)
class Managed:
    """What is managed from one management room."""

    rooms: tuple[Listed, ...]
    concerns: tuple[Concern, ...]
    """What makes the management room itself unfit."""


async def managed(context: Context, management_room: str, *, everywhere: bool = False) -> Managed:
    """The rooms that are managed from this one, or, `everywhere`, all there are."""
    async with context.db.tx() as tx:
        found = await rooms.all_rooms(tx) if everywhere else await rooms.managed_by(tx, management_room)
        pending = await requests.count_pending(tx)
        together: dict[str, dict[str, ProtectedRoom]] = {}
        for room in found:
            together.setdefault(room.management_room, {})[room.room_id] = room
        in_waves = await waves.at_any(tx, [room.room_id for room in found])
        listed = [
            Listed(
                room,
                pending[room.management_room, room.room_id],
                room.concerns if room.trouble != checkup.NOT_THERE else (),
                place.settings_of(context, decide := await layers.of(tx, room.room_id)).dry_run,
                decide,
                tuple(await names.of_room(context, tx, room)),
                await spaces_of(tx, room, together[room.management_room]),
                await followed(tx, room, together[room.management_room]),
                in_waves.get(room.room_id),
            )
            for room in found
        ]
        return Managed(tuple(listed), await rooms.management_concerns(tx, management_room))
