"""Neighbours: rooms beside the garden, one managed from the same management room and one from another."""

from __future__ import annotations

from knockbot.domain.model import Decision
from tests.flow.house import GARDEN, House
from tests.flow.world import ALICE, ANA, BOT, levels_for

ORCHARD = "!orchard:tulip.example"
"""Managed from the same management room as the garden."""

MEADOW = "!meadow:tulip.example"
FARMERS = "!farmers:tulip.example"
"""A room that is managed from somewhere else, and where from."""


async def with_neighbours(house: House) -> None:
    """Keep the doors of both rooms as well."""
    for room_id, label in ((ORCHARD, "Orchard"), (MEADOW, "Meadow")):
        house.world.room(room_id, label, ALICE, BOT, levels=levels_for())
    house.world.room(FARMERS, "Farmers", ALICE, BOT, levels=levels_for(), join_rule="invite")
    await house.protect(ORCHARD)
    await house.protect(MEADOW, FARMERS)


async def decided(house: House, user_id: str = ANA, room_id: str = GARDEN, reason: str | None = None) -> Decision:
    """The decision on the next knock of somebody."""
    house.world.knock(room_id, user_id, reason)
    await house.hear()
    [*_, last] = await house.requests(user_id, room_id)
    assert last.decision is not None
    return last.decision
