"""A world to keep doors in, held in memory: rooms, who is in them and what is said, as one homeserver would have it.

People act through `World`; the bot through `AsBot`, which stands in for `flow.ports.Outside` and for the homeserver
that the actions call. `World.play` makes it refuse, answer late, or change something between the bot's look and its
act.
"""

from __future__ import annotations

from tests.flow.world.acts import AsBot
from tests.flow.world.clock import NOW, Clock
from tests.flow.world.homeserver import World
from tests.flow.world.invites import OWN_KEY
from tests.flow.world.people import ALICE, ANA, BEA, BOT, FAR, HOME, levels_for
from tests.flow.world.post import PostOffice
from tests.flow.world.rooms import OUT, Room
from tests.flow.world.tricks import Trick

__all__ = [
    "ALICE",
    "ANA",
    "BEA",
    "BOT",
    "FAR",
    "HOME",
    "NOW",
    "OUT",
    "OWN_KEY",
    "AsBot",
    "Clock",
    "PostOffice",
    "Room",
    "Trick",
    "World",
    "levels_for",
]
