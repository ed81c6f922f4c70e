"""A card tells in a few short lines what helps to decide, and waits for none of it."""

from __future__ import annotations

import asyncio

import pytest

from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from knockbot.flow import dossier
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, levels_for

POND, SECRET = "!pond:tulip.example", "!secret:tulip.example"
OTHERS = "!others:tulip.example"
FAR = "@ana:far.example"


@pytest.fixture
async def house(house: House) -> House:
    """With a second and a third room, the last one managed from elsewhere."""
    for room_id, label in ((POND, "Pond"), (SECRET, "Secret"), (OTHERS, "Other moderators")):
        house.world.room(room_id, label, ALICE, BOT, levels=levels_for())
    await house.protect(POND)
    await house.protect(SECRET, OTHERS)
    return house


def becomes_member(house: House, room_id: str, user_id: str = ANA) -> None:
    house.world.change(room_id, ALICE, user_id, "invite")
    house.world.change(room_id, user_id, user_id, "join")


async def knock(house: House, room_id: str = GARDEN, user_id: str = ANA) -> None:
    house.world.knock(room_id, user_id, "hello")
    await house.later()


def newest(house: House, room_id: str = MODS) -> str:
    return house.cards(room_id)[-1].text


# --- rooms ----------------------------------------------------------------------------------------------------


async def test_a_card_names_the_rooms_managed_from_here_that_the_applicant_is_in_and_no_others(house: House) -> None:
    house.world.room("!plain:tulip.example", "Plain", ALICE, BOT, ANA, levels=levels_for())
    becomes_member(house, POND)
    becomes_member(house, SECRET)
    await knock(house)

    assert "\nThey are in Pond.\n" in newest(house)
    assert not {"Secret", "Plain"} & set(newest(house).replace(".", " ").split())


async def test_where_the_homeserver_does_not_tell_shared_rooms_each_is_looked_at(house: House) -> None:
    house.world.play("mutual_rooms", Never(foreign("unrecognized"), code="M_UNRECOGNIZED"), times=9)
    becomes_member(house, POND)
    await knock(house)

    assert "\nThey are in Pond.\n" in newest(house)


async def test_a_management_room_with_one_room_asks_the_homeserver_for_nothing(house: House) -> None:
    await knock(house, SECRET)

    assert "They are in" not in newest(house, OTHERS)
    assert house.world.asked("mutual_rooms") == []


# --- decisions ------------------------------------------------------------------------------------------------


async def test_a_card_tells_what_was_decided_before_in_the_rooms_managed_from_here(house: House) -> None:
    for room_id, answer in ((GARDEN, "reject"), (POND, "ban")):
        await knock(house, room_id)
        house.tell(f"{answer} {house.cards()[-1].block['number']}")
        await house.later()
    await knock(house)

    told = newest(house)
    assert "Before: rejected by" in told
    assert "Earlier decisions: 1 rejected, 1 banned. The last one: banned from Pond, " in told


async def test_what_was_decided_from_another_management_room_is_not_told_here(house: House) -> None:
    await knock(house, SECRET)
    house.world.react(OTHERS, ALICE, house.card(OTHERS).event_id, "⛔")
    await house.later()
    await knock(house)

    assert "decisions" not in newest(house)
    assert "Secret" not in newest(house)


async def test_one_decision_that_the_card_shows_anyway_is_not_told_twice(house: House) -> None:
    await knock(house)
    house.click("❌")
    await house.later()
    await knock(house)

    assert "Before: rejected by" in newest(house)
    assert "decisions" not in newest(house)


async def test_of_several_decisions_the_last_one_is_not_told_twice(house: House) -> None:
    for _ in range(2):
        await knock(house)
        house.tell(f"reject {house.cards()[-1].block['number']}")
        await house.later()
    await knock(house)

    told = newest(house)
    assert "Before: rejected by" in told
    assert "Earlier decisions: 2 rejected.\n" in f"{told}\n"


# --- servers --------------------------------------------------------------------------------------------------


async def test_a_card_tells_how_many_have_knocked_from_the_same_server_of_late(house: House) -> None:
    for number in range(3):
        await knock(house, (GARDEN, POND)[number % 2], f"@user{number}:far.example")
    assert "3 join requests from far.example in the last 24 hours." in newest(house)

    house.clock.go_on(24 * 3600 + 60)
    await knock(house, user_id="@late:far.example")
    assert "join requests from" not in newest(house)


async def test_of_our_own_server_it_says_nothing(house: House) -> None:
    for number in range(4):
        await knock(house, user_id=f"@user{number}:tulip.example")

    assert "join requests from" not in newest(house)


# --- only for cards, and never waited for ---------------------------------------------------------------------


async def test_an_automatic_decision_gathers_nothing(house: House) -> None:
    await house.set_policy("otherwise: accept")
    becomes_member(house, POND)
    await knock(house)

    assert house.membership(ANA) == "invite"
    assert house.world.asked("mutual_rooms") == []


async def test_a_settled_card_needs_no_dossier(house: House) -> None:
    becomes_member(house, POND)
    await knock(house)
    house.world.calls.clear()
    house.click("✅")
    await house.later()

    assert "They are in" not in newest(house)
    assert house.world.asked("mutual_rooms") == []


@pytest.mark.parametrize("error", [Later(foreign("nobody there")), Never(foreign("no")), ValueError("a bug")])
async def test_a_line_that_cannot_be_found_out_is_left_out(house: House, error: Exception) -> None:
    becomes_member(house, POND)
    house.world.play("mutual_rooms", error)
    if isinstance(error, Never):
        house.world.play("member", error, times=2)  # of the bot and of Ana in the pond, in the next attempt
    await knock(house)

    assert newest(house).startswith("🚪 #1")


async def test_a_slow_homeserver_does_not_hold_up_the_card_and_its_line_comes_with_the_next_edit(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dossier, "PATIENCE", 0.5)
    never = asyncio.Event()
    becomes_member(house, POND, FAR)
    for number in range(2):
        await knock(house, POND, f"@user{number}:far.example")
    house.world.play("mutual_rooms", hang=never)
    await knock(house, user_id=FAR)

    told = newest(house)
    assert "member of" not in told
    assert "3 join requests from far.example" in told

    house.world.behave()
    house.world.knock(GARDEN, FAR, "hello again")
    await house.later()
    assert "\nThey are in Pond.\n" in newest(house)
