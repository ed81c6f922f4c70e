"""The homeserver as the bot has it: it looks and acts by its own membership and power."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from knockbot.domain.reasons import foreign
from knockbot.errors import Never
from tests.flow.world.clock import Clock
from tests.flow.world.invites import Invites
from tests.flow.world.lists import Lists
from tests.flow.world.people import BOT
from tests.flow.world.rooms import Room
from tests.flow.world.tricks import Tricks

T = TypeVar("T")


class World(Invites, Lists, Tricks):
    """Rooms and people, and the tricks of the homeserver that they live on."""

    def __init__(self, clock: Clock) -> None:
        Invites.__init__(self, clock)
        Tricks.__init__(self)
        self.txn_ids: dict[str, str] = {}
        """The events of transactions that the homeserver knows."""


class Called:
    """A homeserver that the bot calls."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def _call(self, act: Callable[[], T], call: str, *about: str) -> T:
        return await self.world.played(act, call, *about)

    def _once_seen(self, room_id: str) -> Room:
        """The same, or a room that the bot was in: a homeserver shows its state of that day, here that of now."""
        room = self.world.rooms.get(room_id)
        return room if room is not None and room.membership(BOT) in ("leave", "ban") else self._seen(room_id)

    def _seen(self, room_id: str) -> Room:
        """A room that the bot may look into."""
        room = self.world.rooms.get(room_id)
        if room is None or room.membership(BOT) != "join":
            raise Never(foreign("the homeserver says: not in the room"), code="M_FORBIDDEN")
        return room
