"""A space's policy is set, applied and lost: what is said of its rooms, who may do what there, and who waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from knockbot.domain.model import Origin
from knockbot.store import layers, rooms
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.offered import click, offers
from tests.flow.test_lists import ALIAS, BANS, LIZ, open_door, settled
from tests.flow.test_spaces import upgraded
from tests.flow.world import ALICE, ANA, BEA, BOT, HOME, levels_for

TOWN, LAWN, POND = f"!town:{HOME}", f"!lawn:{HOME}", f"!pond:{HOME}"
BOB = f"@bob:{HOME}"
HERE = {"via": [HOME]}


def room(house: House, room_id: str, *more: str, **levels: int) -> None:
    """A room that nobody protects yet, in which alice and the bot may do everything, and perhaps others."""
    users = {ALICE: 100, BOT: 100, **dict.fromkeys(more, 100)}
    name = room_id[1:].partition(":")[0].capitalize()
    house.world.room(room_id, name, ALICE, BOT, *more, levels={**levels_for(), "users": users, **levels})


async def town(house: House, *children: str, by: str = ALICE) -> list[str]:
    """A space with these rooms is protected with them; returns what is said of it."""
    room(house, TOWN, *([by] if by != ALICE else []))
    house.world.rooms[TOWN].is_space = True
    house.world.rooms[TOWN].children = dict.fromkeys(children, HERE)
    return await told(house, f"protect {TOWN} with rooms", by=by)


async def told(house: House, command: str, *, by: str = ALICE) -> list[str]:
    """What is said until all that follows from a command is done."""
    before = len(house.spoken())
    house.tell(command, by=by)
    await house.live()
    return house.spoken()[before:]


async def deciding(house: House, room_id: str = GARDEN) -> list[str]:
    """The rooms whose policies decide in a room, in their order."""
    async with house.db.tx() as tx:
        return [layer.room_id for layer in await layers.of(tx, room_id)]


async def knocks(house: House, *room_ids: str, by: str = ANA) -> None:
    """Somebody knocks at these rooms."""
    for room_id in room_ids:
        house.world.knock(room_id, by)
    await house.live()


# --- set ------------------------------------------------------------------------------------------------------


async def test_whoever_sets_the_policy_of_a_space_is_told_which_rooms_take_it(house: House) -> None:
    room(house, LAWN)
    room(house, POND)
    await house.set_policy("otherwise: forward")  # the garden has a policy of its own
    await town(house, GARDEN, LAWN, POND)
    [said, *_] = await told(house, f"policy set {TOWN}\notherwise: reject")

    assert "The policy of Town decides in 2 rooms as well." in said
    assert "Rooms: Lawn, Pond" in said
    assert (await deciding(house), await deciding(house, POND)) == ([GARDEN], [TOWN])


async def test_a_room_that_is_protected_with_its_space_says_by_whose_policy_it_goes(house: House) -> None:
    await town(house)
    await told(house, f"policy set {TOWN}\notherwise: reject")
    room(house, POND)
    house.world.rooms[TOWN].children = {POND: HERE}
    house.context.look_at(TOWN)
    await house.live()
    said = await told(house, f"protect {POND}")

    assert f"In force: the policy of Town, revision 1 by {ALICE}." in said[0]


async def test_a_policy_that_inherits_says_what_is_in_force_with_it(house: House) -> None:
    await town(house, GARDEN)
    await told(house, f"policy set {TOWN}\notherwise: reject\nrules: [{{when: {{local: true}}, then: accept}}]")
    [said, *_] = await told(house, f"policy set {GARDEN}\ninherit: true\nreasons: hidden")

    assert "1 rule now, 1 before" in said
    assert "reasons: hidden (before: shown)" in said
    assert "otherwise" not in said  # it is as it was: that of the space


async def test_whoever_has_a_space_protected_with_its_rooms_is_told_in_which_of_them_its_policy_decides(
    house: House,
) -> None:
    room(house, POND)
    await town(house)
    await told(house, f"policy set {TOWN}\notherwise: reject")
    house.world.rooms[TOWN].children = dict.fromkeys((GARDEN, POND), HERE)  # the garden was protected before
    said = "\n".join(await told(house, f"protect {TOWN} with rooms"))

    assert "The policy of Town decides in 2 rooms as well." in said
    assert "Rooms: Garden, Pond" in said


# --- applied --------------------------------------------------------------------------------------------------


async def test_those_who_wait_in_the_rooms_of_a_space_are_counted_and_judged_by_its_new_policy(house: House) -> None:
    room(house, POND)
    await town(house, GARDEN, POND)
    await knocks(house, GARDEN, POND)
    await knocks(house, POND, by=BEA)
    *_, offered = await told(house, f"policy set {TOWN}\notherwise: reject")
    assert "3 pending requests in Town and its rooms" in offered
    assert "(rooms with requests: 2)" in offered
    assert house.membership(ANA) == "knock"

    said, *_ = await told(house, f"policy apply {TOWN}")
    assert said.startswith("I judge 3 pending requests again by the policy in force (rooms: 2).")
    await house.later(5)
    hit = ((ANA, GARDEN), (ANA, POND), (BEA, POND))
    assert {house.membership(user, room_id) for user, room_id in hit} == {"leave"}


async def test_the_offer_about_a_space_counts_who_still_waits_in_its_rooms(house: House) -> None:
    room(house, POND)
    await town(house, GARDEN, POND)
    await knocks(house, GARDEN, POND)
    await told(house, f"policy set {TOWN}\notherwise: reject")
    for left, room_id in (("1 pending request in Town", GARDEN), ("This question is closed", POND)):
        house.world.change(room_id, ANA, ANA, "leave")
        await house.live()
        await house.later(3)
        await house.live()
        [offer] = offers(house, "apply_policy")
        assert offer.text.startswith(left)


async def test_a_policy_is_applied_only_in_rooms_in_which_the_actor_may_set_it(house: House) -> None:
    room(house, POND, BOB)
    house.world.change(MODS, BOB, BOB, "join")
    await town(house, GARDEN, POND)
    await knocks(house, GARDEN, POND)
    await told(house, f"policy set {TOWN}\notherwise: reject")
    said, *_ = await told(house, f"policy apply {TOWN}", by=BOB)  # Bob is in the pond alone
    await house.later(5)

    assert "Not in Garden:" in said
    assert (house.membership(ANA, GARDEN), house.membership(ANA, POND)) == ("knock", "leave")
    again, *_ = await told(house, f"policy apply {TOWN}", by=BOB)
    assert "Not in Garden:" in again
    assert house.membership(ANA, GARDEN) == "knock"


@pytest.mark.parametrize("by_click", [True, False])
async def test_an_offer_that_was_taken_in_some_rooms_is_made_again_for_the_others(
    house: House, *, by_click: bool
) -> None:
    room(house, POND, BOB)
    house.world.change(MODS, BOB, BOB, "join")
    await town(house, GARDEN, POND)
    await knocks(house, GARDEN, POND)
    await told(house, f"policy set {TOWN}\notherwise: reject")
    [first] = offers(house, "apply_policy")
    if by_click:
        await click(house, first, by=BOB)  # Bob is in the pond alone
    else:
        await told(house, f"policy apply {TOWN}", by=BOB)
    await house.later(5)

    assert (house.membership(ANA, GARDEN), house.membership(ANA, POND)) == ("knock", "leave")
    first, rest = offers(house, "apply_policy")
    assert first.emojis == ()
    assert rest.text.startswith("1 pending request in Town")
    assert [said[:14] for said in await click(house, rest, by=BOB)] == ["Not in Garden:"]

    said = await click(house, offers(house, "apply_policy")[-1])
    await house.later(5)
    assert said[0].startswith("I judge 1 pending request")
    assert house.membership(ANA, GARDEN) == "leave"
    assert [offer.emojis for offer in offers(house, "apply_policy")] == [(), ()]
    results = [line for line in house.spoken() if line.startswith("I judged 1 pending request")]
    assert len(results) == 2


async def test_a_policy_that_applies_nowhere_because_nobody_waits_says_so(house: House) -> None:
    await town(house, GARDEN)
    await told(house, f"policy set {TOWN}\notherwise: reject")

    assert (await told(house, f"policy apply {TOWN}"))[0] == "No request of Town is waiting for an answer."


async def test_the_result_of_all_rooms_is_told_once_when_the_last_of_them_is_done(house: House) -> None:
    room(house, POND)
    await town(house, GARDEN, POND)
    await knocks(house, GARDEN)
    for number in range(45):
        house.world.knock(POND, f"@guest{number}:{HOME}")
    await house.live()
    await told(house, f"policy set {TOWN}\notherwise: reject")
    before = len(house.spoken())
    await told(house, f"policy apply {TOWN}")
    assert not any("I judged" in line for line in house.spoken()[before:])
    for _ in range(6):
        await house.later(1)

    results = [line for line in house.spoken()[before:] if "I judged" in line]
    assert results == [
        "I judged 46 pending requests again (rooms: 2). Accept: 0. Reject: 46. Ban: 0. Left to the moderators: 0."
    ]


async def test_fifty_who_wait_at_five_rooms_are_judged_once_each(house: House) -> None:
    children = [f"!r{number}:{HOME}" for number in range(5)]
    for child in children:
        room(house, child)
    await town(house, *children)
    people = [f"@guest{number}:{HOME}" for number in range(10)]
    for user in people:
        await knocks(house, *children, by=user)
    await told(house, f"policy set {TOWN}\notherwise: accept")
    await told(house, f"policy apply {TOWN}")
    for _ in range(5):
        await house.later(5)

    found = {house.membership(user, child) for user in people for child in children}
    assert found == {"invite"}
    assert len(list(house.world.asked("invite"))) == 50


# --- rights ---------------------------------------------------------------------------------------------------


async def test_nobody_inherits_what_they_may_not_do_by_hand(house: House) -> None:
    await town(house, GARDEN)
    await told(house, f"policy set {TOWN}\nrules: [{{when: {{local: true}}, then: ban}}]")
    await told(house, f"policy set {GARDEN}\notherwise: forward")
    house.world.set_levels(GARDEN, ban=100, users={ALICE: 60, BOT: 100})
    await house.live()
    [said] = await told(house, f"policy set {GARDEN}\ninherit: true")

    assert "inherit" in said
    assert "ban" in said
    assert await deciding(house) == [GARDEN]


async def test_a_room_is_not_protected_into_a_policy_that_its_requester_could_not_set(house: House) -> None:
    await town(house)
    await told(house, f"policy set {TOWN}\notherwise: ban")
    room(house, POND, ban=100)
    house.world.set_levels(POND, ban=100, users={ALICE: 60, BOT: 100})
    house.world.rooms[TOWN].children = {POND: HERE}
    house.context.look_at(TOWN)
    await house.live()
    await told(house, f"protect {POND}")

    async with house.db.tx() as tx:
        assert await rooms.find(tx, POND) is None


# --- lost -----------------------------------------------------------------------------------------------------


async def lost(house: House) -> list[str]:
    """What was said of rooms in which a space's policy decides no longer."""
    return [line for line in house.spoken() if "no longer decides in" in line]


async def test_rooms_that_took_the_policy_of_a_space_are_named_once_it_is_not_protected_any_more(
    house: House,
) -> None:
    room(house, POND)
    await town(house, GARDEN, POND)
    await told(house, f"policy set {TOWN}\notherwise: reject")
    [said] = await told(house, f"unprotect {TOWN}")
    await house.later(5)

    assert await lost(house) == []
    assert "Its 2 rooms stay protected." in said
    assert "In force now in Garden, Pond: the default policy." in said
    assert await deciding(house) == []
    await knocks(house, GARDEN)
    assert house.membership(ANA) == "knock"


async def test_a_room_that_is_taken_out_of_its_space_is_named_once(house: House) -> None:
    room(house, POND)
    await town(house, GARDEN, POND)
    await told(house, f"policy set {TOWN}\notherwise: reject")
    house.world.rooms[TOWN].children = {POND: HERE}
    for _ in range(2):
        house.context.look_at(TOWN)
        await house.live()

    said = [line for line in house.spoken() if "no longer in the space Town" in line]
    assert (len(said), await lost(house)) == (1, [])
    assert (await deciding(house), await deciding(house, POND)) == ([], [TOWN])


async def test_a_space_that_is_managed_from_elsewhere_leaves_its_rooms_to_the_default(house: House) -> None:
    house.world.room("!others:tulip.example", "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    await town(house, GARDEN)
    await told(house, f"policy set {TOWN}\notherwise: reject")
    house.world.say("!others:tulip.example", ALICE, f"!kb protect {TOWN}")
    await house.live()

    [said] = await lost(house)
    assert "moved Town to another management room" in said
    assert "The policy of Town no longer decides in 1 room.\nIn force now in Garden: the default policy." in said
    assert await deciding(house) == []


async def test_rooms_with_policies_of_their_own_are_not_named(house: House) -> None:
    await house.set_policy("otherwise: forward")
    await town(house, GARDEN)
    await told(house, f"policy set {TOWN}\notherwise: reject")
    await told(house, f"unprotect {TOWN}")

    assert await lost(house) == []


async def test_nothing_is_said_twice_where_space_and_rooms_are_let_go_together(house: House) -> None:
    await town(house, GARDEN)
    await told(house, f"policy set {TOWN}\notherwise: reject")
    await told(house, f"unprotect {TOWN} with rooms")

    assert await lost(house) == []


async def test_the_policy_of_a_space_that_is_reverted_is_that_of_its_rooms_at_once(house: House) -> None:
    await town(house, GARDEN)
    await told(house, f"policy set {TOWN}\notherwise: forward")
    await told(house, f"policy set {TOWN}\notherwise: reject")
    [said, *_] = await told(house, f"policy revert {TOWN} 1")
    await knocks(house, GARDEN)

    assert "The policy of Town decides in 1 room as well." in said
    assert house.membership(ANA) == "knock"


# --- the config file ------------------------------------------------------------------------------------------


@asynccontextmanager
async def configured(url: str, **lawn: Any) -> AsyncIterator[House]:
    """The config file names the space, with a policy, and the lawn; the garden is in the space and in no entry."""
    entries = {
        TOWN: {"management_room": MODS, "policy": {"otherwise": "accept", "reasons": "hidden"}},
        LAWN: {"management_room": MODS, **lawn},
    }
    async with housed(url, rooms=entries) as house:
        room(house, LAWN)
        room(house, TOWN)
        await house.keep_configured(enter=True)
        async with house.db.tx() as tx:
            for room_id in (GARDEN, LAWN):
                await rooms.set_space(tx, room_id, TOWN)
        yield house


async def test_a_space_of_the_config_file_gives_its_policy_to_its_rooms_with_the_power_of_the_bot(
    ready_url: str,
) -> None:
    async with configured(ready_url) as house:
        house.world.set_levels(GARDEN, users={ALICE: 0, BOT: 100})
        await knocks(house, GARDEN)

        request = await house.request(ANA)
        assert house.membership(ANA) == "invite"
        assert request.decision is not None
        assert (request.decision.author, request.decision.origin) == (None, Origin(TOWN, "Town"))


async def test_a_room_with_an_entry_of_its_own_takes_nothing_from_its_space(ready_url: str) -> None:
    async with configured(ready_url) as house:
        await knocks(house, LAWN)

        assert await deciding(house, LAWN) == [LAWN]
        assert house.membership(ANA, LAWN) == "knock"


async def test_a_room_with_an_entry_takes_what_its_entry_inherits(ready_url: str) -> None:
    async with configured(ready_url, policy={"inherit": True, "reasons": "shown"}) as house:
        await knocks(house, LAWN)

        assert await deciding(house, LAWN) == [LAWN, TOWN]
        assert house.membership(ANA, LAWN) == "invite"
        [said] = await told(house, f"policy set {LAWN}\notherwise: ban")
        assert "config" in said
        assert await deciding(house, LAWN) == [LAWN, TOWN]


# --- settings that act ----------------------------------------------------------------------------------------


async def two_authors(house: House, *, alice: int, bob: int) -> None:
    """The space's policy, of Bob, lets everybody into the garden; that of the garden, of Alice, sends them on to the
    lawn, where the two have these levels."""
    room(house, LAWN, BOB)
    await town(house, GARDEN, LAWN)
    house.world.change(GARDEN, ALICE, BOB, "invite")
    house.world.change(GARDEN, BOB, BOB, "join")
    house.world.set_levels(GARDEN, users={ALICE: 100, BOB: 100, BOT: 100})
    house.world.set_levels(LAWN, invite=50, users={ALICE: alice, BOB: bob, BOT: 100})
    await house.live()
    await house.set_policy("otherwise: accept", TOWN, author=BOB)
    await house.set_policy(f'{{inherit: true, also_invite: "{LAWN}"}}')
    await knocks(house, GARDEN)
    assert house.membership(ANA) == "invite"
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()


async def test_a_setting_acts_with_the_power_of_who_set_it_and_a_rule_with_that_of_its_author(house: House) -> None:
    await two_authors(house, alice=100, bob=0)

    assert house.membership(ANA, LAWN) == "invite"


async def test_a_setting_of_a_room_borrows_no_power_from_the_author_of_the_rule_that_decided(house: House) -> None:
    await two_authors(house, alice=0, bob=100)

    assert house.membership(ANA, LAWN) is None


async def test_a_name_in_a_setting_means_what_it_means_in_the_policy_that_sets_it(house: House) -> None:
    room(house, LAWN)
    room(house, POND)
    await town(house, GARDEN, LAWN, POND)
    house.world.aliases["#there:tulip.example"] = POND
    rule = "rules: [{when: {member_of: '#there:tulip.example'}, then: reject}]"
    await house.set_policy(f"inherit: true\n{rule}")
    house.world.aliases["#there:tulip.example"] = LAWN
    await house.set_policy('{otherwise: accept, also_invite: "#there:tulip.example"}', TOWN)
    await knocks(house, GARDEN)
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()

    assert (house.membership(ANA, LAWN), house.membership(ANA, POND)) == ("invite", None)


async def test_a_list_of_the_space_decides_before_the_rules_of_the_room(house: House) -> None:
    await town(house, GARDEN)
    await house.set_policy("lists: [{room: '!bad:tulip.example', name: bad}]", TOWN)
    await house.set_policy("{inherit: true, rules: [{when: {local: true}, then: accept}]}")
    await knocks(house, GARDEN)

    request = await house.request(ANA)
    assert house.membership(ANA) == "knock"  # nobody has read the list yet, so nobody knows
    assert request.decision is not None
    assert request.decision.origin is not None
    assert (request.decision.rule, request.decision.origin.room_id) == ("list bad", TOWN)


# --- upgraded -------------------------------------------------------------------------------------------------


async def test_the_rooms_of_a_space_that_is_upgraded_go_by_its_policy_as_before(house: House) -> None:
    room(house, POND)
    await town(house, GARDEN, POND)
    await told(house, f"policy set {TOWN}\notherwise: reject")
    new = f"!newtown:{HOME}"
    room(house, new)
    await upgraded(house, TOWN, new, is_space=True, children={GARDEN: HERE, POND: HERE})
    await knocks(house, GARDEN)

    assert (await deciding(house), await deciding(house, POND)) == ([new], [new])
    assert house.membership(ANA) == "leave"
    assert await lost(house) == []


async def test_a_list_of_a_space_withdraws_an_invite_in_a_room_that_takes_its_policy(house: House) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ]), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    await town(house, GARDEN)
    await told(house, f"policy set {TOWN}\n{open_door('none')}")
    await settled(house)
    house.world.list_entity(BANS, LIZ, ANA)
    await settled(house)
    await knocks(house, GARDEN)
    assert house.membership(ANA) == "invite"
    await told(house, f"policy set {TOWN}\n{open_door()}")
    await settled(house)
    assert house.membership(ANA) == "ban"
