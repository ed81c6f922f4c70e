"""Policy lists that a room takes from its space: what an entry leads to there, and with whose power."""

from __future__ import annotations

import pytest

from knockbot.domain.model import Request
from tests.flow.house import GARDEN, House
from tests.flow.test_lists import BANS, LIZ, memberships, settled
from tests.flow.test_space_policies import BOB, POND, TOWN, room, told, town
from tests.flow.world import ALICE, ANA, BEA, levels_for

EVE = "@eve:tulip.example"

OF_THE_TOWN = f"lists: [{{room: '{BANS}', name: community}}]\notherwise: forward"
OF_THE_GARDEN = f"{{inherit: true, rules: [{{name: friends, when: {{user: '{BEA}'}}, then: accept}}]}}"


@pytest.fixture
async def garden(house: House) -> House:
    """A garden with rules of bob's, in a town whose policy is alice's, and has a list that was read; and a pond."""
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ]), join_rule="public")
    room(house, POND)
    for membership in ("invite", "join"):
        house.world.change(GARDEN, ALICE if membership == "invite" else BOB, BOB, membership)
    house.world.set_levels(GARDEN, users={ALICE: 100, BOB: 100, house.context.bot: 100})
    await town(house, GARDEN, POND)
    assert "list" in "".join(await told(house, f"policy set {TOWN}\n{OF_THE_TOWN}")).lower()
    await house.set_policy(OF_THE_GARDEN, author=BOB)
    await settled(house)
    return house


async def lists_all(house: House, *users: str) -> None:
    """Liz puts them on the list."""
    for user in users:
        house.world.list_entity(BANS, LIZ, user, reason="ads")
    await settled(house)


async def newest(house: House, user_id: str) -> Request:
    return (await house.requests(user_id))[-1]


async def test_an_entry_bans_at_the_rooms_of_a_space_with_the_power_of_who_set_the_policy_of_the_space(
    garden: House,
) -> None:
    for where in (GARDEN, POND):
        garden.world.knock(where, ANA)
    garden.world.knock(GARDEN, BEA)
    await settled(garden)
    assert [garden.membership(user) for user in (ANA, BEA)] == ["knock", "invite"]

    await lists_all(garden, ANA, BEA)
    garden.world.knock(GARDEN, EVE)
    await lists_all(garden, EVE)

    assert [garden.membership(user) for user in (ANA, BEA, EVE)] == ["ban", "ban", "ban"]
    assert garden.membership(ANA, POND) == "ban"
    for user in (ANA, BEA, EVE):
        decision = (await newest(garden, user)).decision
        assert decision is not None
        assert decision.origin is not None
        assert (decision.rule, decision.author, decision.origin.room_id) == ("list community", ALICE, TOWN)


@pytest.mark.parametrize("lack", ["power", "membership"])
async def test_where_who_set_the_policy_of_the_space_has_no_power_the_moderators_decide_and_the_card_says_so(
    garden: House, lack: str
) -> None:
    garden.world.knock(GARDEN, ANA)
    await settled(garden)
    if lack == "power":
        garden.world.set_levels(GARDEN, users={ALICE: 0, BOB: 100, garden.context.bot: 100})
    else:
        garden.world.change(GARDEN, ALICE, ALICE, "leave")
    await settled(garden)

    await lists_all(garden, ANA, BEA, EVE)
    for user in (BEA, EVE):
        garden.world.knock(GARDEN, user)
    await settled(garden)

    assert [garden.membership(user) for user in (ANA, BEA, EVE)] == ["knock", "knock", "knock"]
    assert "invite" not in memberships(garden, BEA), "a rule of bob's accepts nobody who is listed"
    cards = {card.block["user_id"]: card.text for card in garden.cards()}
    for user in (ANA, BEA, EVE):
        assert ALICE in cards[user], cards[user]
        assert "community" in cards[user], cards[user]
    garden.world.knock(POND, EVE)
    await settled(garden)
    assert garden.membership(EVE, POND) == "ban", "where she has the power it is done"


async def test_an_invite_by_a_rule_is_withdrawn_though_who_set_the_policy_of_the_space_has_no_power(
    garden: House,
) -> None:
    garden.world.set_levels(GARDEN, users={ALICE: 0, BOB: 100, garden.context.bot: 100})
    garden.world.knock(GARDEN, BEA)
    await settled(garden)
    assert garden.membership(BEA) == "invite"

    await lists_all(garden, BEA)

    assert garden.membership(BEA) == "leave"
    garden.world.knock(GARDEN, BEA)
    await settled(garden)
    assert garden.membership(BEA) == "knock"
    assert ALICE in garden.cards()[-1].text
