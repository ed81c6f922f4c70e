"""A protected room as one turn sees it: whose policy is in force there, and what replaces the room."""

from __future__ import annotations

from knockbot.flow import place
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE


async def found(house: House, room_id: str = GARDEN) -> place.Place | None:
    async with house.context.db.tx() as tx:
        return await place.find(house.context, tx, room_id)


async def test_a_room_without_a_policy_of_its_own_goes_by_the_default(house: House) -> None:
    there = await found(house)

    assert there is not None
    assert (there.room_id, there.label, there.management_room) == (GARDEN, "Garden", MODS)
    assert (there.revision, there.in_force.author) == (None, None)
    assert there.policy is house.context.settings.defaults.policy.policy


async def test_the_newest_revision_is_in_force_with_the_power_of_its_author(house: House) -> None:
    await house.set_policy("otherwise: reject")
    await house.set_policy("otherwise: ban")
    there = await found(house)

    assert there is not None
    assert (there.revision, there.in_force.author, there.policy.otherwise) == (2, ALICE, "ban")


async def test_a_room_with_a_tombstone_is_replaced_even_if_that_names_no_room(house: House) -> None:
    before = await found(house)
    house.world.replace(GARDEN, "")
    await house.live()
    after = await found(house)

    assert (before and before.is_replaced, after and after.is_replaced) == (False, True)


async def test_a_room_that_nobody_protects_is_no_place(house: House) -> None:
    assert await found(house, MODS) is None
