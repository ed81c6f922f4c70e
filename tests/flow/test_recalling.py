"""An invite by `also_invite` is withdrawn if its user is put on a list of that room before they join there."""

from __future__ import annotations

import pytest

from tests.flow.house import House
from tests.flow.test_also_invite import BOB, gardens, let_in
from tests.flow.test_lists import ALIAS, BANS, LIZ, open_door, settled
from tests.flow.test_spaces import LAWN, POND
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for


@pytest.fixture
async def lawn(house: House) -> House:
    """A garden whose guests are invited to the lawn as well, where a list decides; ana holds that invite."""
    await gardens(house)
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ]), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.tell(f"policy set {LAWN}\n{open_door()}")
    await settled(house)
    await let_in(house, by=BOB)
    await settled(house)
    assert house.membership(ANA, LAWN) == "invite"
    return house


async def lists(house: House, who: str = ANA) -> list[str]:
    """Liz lists somebody; returns what the moderators are told."""
    before = len(house.spoken())
    house.world.list_entity(BANS, LIZ, who, reason="ads")
    await settled(house)
    return [said for said in house.spoken()[before:] if "as well" in said]


async def remembered(house: House) -> int:
    async with house.db.tx() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM also_invited"))


async def test_who_is_listed_there_before_they_join_is_not_invited_any_more(lawn: House) -> None:
    told = await lists(lawn)
    [said] = told
    assert said.startswith(f"{ANA} was invited to Lawn as well and has not joined. I withdraw the invite, because they")
    assert said.endswith(f'because they are on list "community", by its entry "{ANA}" (ads).'), said
    assert lawn.membership(ANA, LAWN) == "leave"
    assert not [said for said in lawn.spoken() if "meant for" in said], "it hit what it was meant for"
    assert await remembered(lawn) == 0


async def test_such_an_invite_is_written_down_before_it_is_sent(house: House) -> None:
    await gardens(house)
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ]), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    house.tell(f"policy set {LAWN}\n{open_door()}")
    await settled(house)
    await let_in(house, by=BOB, join=False)
    house.world.change("!garden:tulip.example", ANA, ANA, "join")
    await house.hear()
    assert (await remembered(house), house.membership(ANA, LAWN)) == (1, None)


@pytest.mark.parametrize("by", [ANA, ALICE])
async def test_who_has_joined_there_or_was_invited_by_a_moderator_stays(lawn: House, by: str) -> None:
    lawn.world.change(LAWN, by, ANA, "join" if by == ANA else "invite")
    await settled(lawn)
    assert await lists(lawn) == []
    assert lawn.membership(ANA, LAWN) == ("join" if by == ANA else "invite")


async def test_others_stay_invited_and_so_do_they_where_the_list_does_not_decide(lawn: House) -> None:
    assert await lists(lawn, BEA) == []
    lawn.tell(f"policy set {LAWN}\n{open_door('none')}")
    await settled(lawn)
    assert await lists(lawn) == []
    assert lawn.membership(ANA, LAWN) == "invite"


async def test_they_are_looked_up_as_well_when_a_policy_names_the_list_later(lawn: House) -> None:
    lawn.tell(f"policy set {LAWN}\notherwise: forward")
    await settled(lawn)
    assert await lists(lawn) == []
    lawn.tell(f"policy set {LAWN}\n{open_door()}")
    await settled(lawn)
    assert lawn.membership(ANA, LAWN) == "leave"


@pytest.mark.parametrize("lack", ["power", "membership"])
async def test_where_whoever_had_them_invited_lost_the_power_the_moderators_are_told_once(
    lawn: House, lack: str
) -> None:
    if lack == "power":
        lawn.world.set_levels(LAWN, users={ALICE: 100, BOB: 0, BOT: 100})
    else:
        lawn.world.change(LAWN, BOB, BOB, "leave")
    await settled(lawn)
    told = await lists(lawn)
    assert await lists(lawn, BEA) == []
    assert len(told) == 1
    assert f'They are on list "community", by its entry "{ANA}" (ads). I could not withdraw the invite:' in told[0]
    assert "I would do this for @bob:tulip.example" in told[0]
    assert lawn.membership(ANA, LAWN) == "invite"


async def test_where_the_bot_lacks_the_power_that_is_said_and_it_withdraws_once_it_can(lawn: House) -> None:
    lawn.world.set_levels(LAWN, users={ALICE: 100, BOB: 100, BOT: 0})
    await settled(lawn)
    [told] = await lists(lawn)
    assert f'They are on list "community", by its entry "{ANA}" (ads). I cannot withdraw the invite yet:' in told
    assert "power level 0 is too low to kick; level 50 is needed. I withdraw it once I can." in told
    assert lawn.membership(ANA, LAWN) == "invite"
    lawn.world.set_levels(LAWN, users={ALICE: 100, BOB: 100, BOT: 100})
    await settled(lawn)
    assert lawn.membership(ANA, LAWN) == "leave"
    assert await lawn.jobs("due", "running", "blocked") == {}


async def test_a_policy_in_dry_run_withdraws_nothing(lawn: House) -> None:
    lawn.tell(f"policy set {LAWN}\ndry_run: true\n{open_door()}")
    await settled(lawn)
    assert await lists(lawn) == []
    assert lawn.membership(ANA, LAWN) == "invite"


async def test_nothing_is_said_of_it_at_other_rooms(lawn: House) -> None:
    lawn.world.change(POND, ALICE, ANA, "invite")
    await settled(lawn)
    await lists(lawn)
    assert lawn.membership(ANA, POND) == "invite"
