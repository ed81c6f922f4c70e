"""A protected room as one turn sees it: whose policy is in force there, and what replaces the room."""

from __future__ import annotations

from knockbot.config.policies import read_known_policy
from knockbot.flow import place
from knockbot.times import DAY
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE


async def found(house: House, room_id: str = GARDEN) -> place.Place | None:
    async with house.context.db.tx() as tx:
        return await place.find(house.context, tx, room_id)


async def test_a_room_without_a_policy_of_its_own_goes_by_the_default(house: House) -> None:
    there = await found(house)

    assert there is not None
    assert (there.room_id, there.label, there.management_room) == (GARDEN, "Garden", MODS)
    assert (there.revision, there.author) == (None, None)
    assert there.settings is house.context.settings.defaults.policy.policy


async def test_the_newest_revision_is_in_force_with_the_power_of_its_author(house: House) -> None:
    await house.set_policy("otherwise: reject")
    await house.set_policy("otherwise: ban")
    there = await found(house)

    assert there is not None
    assert (there.revision, there.author, there.settings.otherwise) == (2, ALICE, "ban")


async def test_the_settings_of_a_policy_are_known_before_its_rules_are_compiled(house: House) -> None:
    await house.set_policy("{language: de, reasons: hidden, call: ['@alice:tulip.example'], stale_after: 3d}")
    there = await found(house)

    assert there is not None
    assert (there.language, there.settings.reasons, there.settings.call) == ("de", "hidden", (ALICE,))
    assert there.settings.stale_after == 3 * DAY
    assert house.context.policies.rooms == []


async def test_what_is_stored_of_a_policy_is_all_that_it_says_beside_its_rules(house: House) -> None:
    text = (
        "{otherwise: ban, otherwise_third_party: reject, inviter_removed: keep, announce: none, notify_remote: message}"
    )
    await house.set_policy(text)
    there = await found(house)

    assert there is not None
    assert there.settings == read_known_policy(text).settings


async def test_a_room_with_a_tombstone_is_replaced_even_if_that_names_no_room(house: House) -> None:
    before = await found(house)
    house.world.replace(GARDEN, "")
    await house.live()
    after = await found(house)

    assert (before and before.is_replaced, after and after.is_replaced) == (False, True)


async def test_a_room_that_nobody_protects_is_no_place(house: House) -> None:
    assert await found(house, MODS) is None
