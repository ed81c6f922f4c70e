"""What is told after a policy names a list: whom it names, where, and only as long as that policy is in force."""

from __future__ import annotations

import pytest

from knockbot.documents.text import without_marks
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.features.lists import hits, visiting
from knockbot.times import HOUR
from tests.flow.house import GARDEN, House
from tests.flow.test_lists import BANS, LIZ, settled
from tests.flow.test_space_policies import POND, TOWN, room, town
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

EVE = "@eve:tulip.example"
MONA = "@mona:tulip.example"
OTHER = "!other:tulip.example"


def a_list(house: House, *users: str, room_id: str = BANS) -> None:
    """A list that names these users."""
    house.world.room(room_id, "Bans", LIZ, ALICE, levels=levels_for([LIZ]), join_rule="public")
    for user in users:
        house.world.list_entity(room_id, LIZ, user, reason="ads")


async def named(house: House, where: str, *lists: str, more: str = "otherwise: forward") -> str:
    """Somebody sets a policy that names these lists; returns their message."""
    command = house.tell(f"policy set {where}\nlists: [{', '.join(lists)}]\n{more}")
    await settled(house)
    return command


def use(name: str, then: str = "ban", room_id: str = BANS) -> str:
    """A list as a policy names it."""
    return f'{{room: "{room_id}", name: {name}, then: {then}}}'


def reports(house: House) -> list[str]:
    """What was told of whom lists name."""
    lines = [line for said in house.spoken() for line in without_marks(said).split("\n")]
    return [line for line in lines if line.startswith("The list ") and " names" in line]


def come_in(house: House, where: str, user: str) -> None:
    """Somebody is invited by hand, and joins."""
    house.world.change(where, ALICE, user, "invite")
    house.world.change(where, user, user, "join")


async def test_a_list_of_a_space_is_told_of_in_the_rooms_that_take_its_policy(house: House) -> None:
    room(house, POND)
    await town(house, GARDEN, POND)
    a_list(house, ANA, BEA)
    come_in(house, POND, BEA)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    command = await named(house, TOWN, use("community"))

    about_ana, about_bea = reports(house)
    assert ANA in about_ana
    assert "Garden" in about_ana
    assert about_bea == f"The list community names 1 person who has joined Pond: {BEA}. They stay in the room."
    [told] = [said for said in house.said() if "names 1 person" in said["body"]]
    assert told["m.relates_to"]["m.in_reply_to"]["event_id"] == command
    assert house.membership(ANA) == "ban"


async def test_a_room_with_a_policy_of_its_own_that_does_not_inherit_is_left_out(house: House) -> None:
    room(house, POND)
    await town(house, GARDEN, POND)
    await house.set_policy("otherwise: forward", POND)
    a_list(house, BEA)
    come_in(house, POND, BEA)
    await settled(house)
    await named(house, TOWN, use("community"))
    nobody = "The list community names nobody who is in Town or in the other 1 room"
    assert reports(house) == [f"{nobody} where its policy decides, or waits there."]


async def test_of_many_rooms_the_first_are_told_of(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hits, "NAMED", 1)
    room(house, POND)
    await town(house, GARDEN, POND)
    a_list(house, BEA)
    for where in (GARDEN, POND):
        come_in(house, where, BEA)
    await settled(house)
    await named(house, TOWN, use("community"))
    assert reports(house)[-1] == "The list community also names people at 1 more room."
    assert len(reports(house)) == 2


async def test_a_later_policy_takes_the_place_of_what_is_not_told_yet(house: House) -> None:
    a_list(house, ANA)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    house.world.play("policy_rules", Later(foreign("slow"), retry_after=20))
    await named(house, GARDEN, use("first"))
    second = await named(house, GARDEN, use("second", "none"))
    assert reports(house) == []
    await house.later(30)
    await settled(house)

    [text] = reports(house)
    assert text.endswith(f"waits: {ANA}. This request goes on waiting, because only rules ask this list.")
    [told] = [said for said in house.said() if "The list second" in said["body"]]
    assert told["m.relates_to"]["m.in_reply_to"]["event_id"] == second


async def test_nothing_is_told_of_a_list_that_a_later_policy_does_not_name(house: House) -> None:
    a_list(house, ANA)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    house.world.play("policy_rules", Later(foreign("slow"), retry_after=20))
    await named(house, GARDEN, use("first"))
    house.tell(f"policy set {GARDEN}\notherwise: forward")
    await house.later(30)
    await settled(house)
    assert reports(house) == []


async def test_it_is_told_as_soon_as_the_list_was_read(house: House) -> None:
    a_list(house, MONA)
    come_in(house, GARDEN, MONA)
    await settled(house)
    house.tell(f"policy set {GARDEN}\nlists: [{use('community')}]")
    await house.live()
    await house.ring()
    await house.live()
    before = house.clock()
    await house.ring()
    await house.live()
    assert house.clock() == before
    assert len(reports(house)) == 1


async def test_where_another_list_comes_first_and_decides_that_is_said(house: House) -> None:
    a_list(house, ANA)
    a_list(house, ANA, room_id=OTHER)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    await named(house, GARDEN, use("one", "forward"))
    await named(house, GARDEN, use("one", "forward"), use("two", room_id=OTHER))
    assert reports(house)[-1] == (
        f"The list two names 1 person whose request for Garden waits: {ANA}. "
        "Another list that comes first in the policy decides about them."
    )
    assert house.membership(ANA) == "knock"


@pytest.mark.parametrize("restart", [False, True])
async def test_what_was_missed_while_the_bot_was_out_of_the_list_is_told_too(
    house: House, restart: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visiting, "LONGEST", HOUR)  # it is followed on meanwhile
    a_list(house)
    await named(house, GARDEN, use("community"), more="otherwise: accept")
    await named(house, GARDEN, more="otherwise: accept")
    house.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(house)
    house.world.change(BANS, LIZ, BOT, "ban")
    await settled(house)
    house.world.list_entity(BANS, LIZ, BEA, reason="ads")
    if restart:
        await house.close()
        await house.start_again()
    for user in (ANA, BEA):
        house.world.knock(GARDEN, user)
    await settled(house)
    assert [house.membership(user) for user in (ANA, BEA)] == ["invite", "invite"]
    house.world.change(BANS, LIZ, BOT, "leave")
    house.world.play("policy_rules", Later(foreign("slow"), retry_after=20))
    await named(house, GARDEN, use("community"), more="otherwise: accept")
    await house.later(30)
    await settled(house)

    told = " ".join(reports(house))
    assert [user in told for user in (ANA, BEA)] == [True, True], told
    assert [house.membership(user) for user in (ANA, BEA)] == ["ban", "ban"]


@pytest.mark.parametrize("then", ["ban", "none"])
@pytest.mark.parametrize("by", ["rule", "moderator"])
async def test_who_is_invited_and_has_not_joined_is_told(house: House, by: str, then: str) -> None:
    a_list(house, ANA)
    await house.set_policy(f"otherwise: {'accept' if by == 'rule' else 'forward'}")
    house.world.knock(GARDEN, ANA)
    await settled(house)
    if by == "moderator":
        house.click("✅")
        await settled(house)
    assert house.membership(ANA) == "invite"
    await named(house, GARDEN, use("community", then), more="otherwise: accept")

    [told] = reports(house)
    assert ANA in told
    if then == "none":
        assert told.endswith("The list does not decide: the invite stays, unless a rule withdraws it.")
    assert house.membership(ANA) == ("ban" if (then, by) == ("ban", "rule") else "invite")


@pytest.mark.parametrize(("then", "becomes"), [("forward", "leave"), ("reject", "leave"), ("ban", "ban")])
async def test_that_an_invite_stays_is_not_promised_where_a_rule_withdraws_it(
    house: House, then: str, becomes: str
) -> None:
    a_list(house, ANA)
    await house.set_policy("otherwise: accept")
    house.world.knock(GARDEN, ANA)
    await settled(house)
    rule = f"{{name: watched, when: {{on_list: community}}, then: {then}}}"
    await named(house, GARDEN, use("community", "none"), more=f"rules: [{rule}]\notherwise: accept")

    assert [told.partition(ANA)[2] for told in reports(house)] == [
        ". The list does not decide: the invite stays, unless a rule withdraws it."
    ]
    assert house.membership(ANA) == becomes


async def test_in_dry_run_the_invite_stays_whatever_rules_say(house: House) -> None:
    a_list(house, ANA)
    await house.set_policy("otherwise: accept")
    house.world.knock(GARDEN, ANA)
    await settled(house)
    rule = "{name: watched, when: {on_list: community}, then: ban}"
    await named(house, GARDEN, use("community", "none"), more=f"rules: [{rule}]\ndry_run: true")

    [told] = reports(house)
    assert told.endswith(f"{ANA}. The invite stays.")
    assert house.membership(ANA) == "invite"
