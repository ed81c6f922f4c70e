"""Deferring: a request is off the list until a moment, and then its card says that it is back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, levels_for

BOB = "@bob:tulip.example"
OTHERS = "!others:tulip.example"
DAY = 24 * 3600
BACK = "⏰ #1 is back on the list."


@pytest.fixture
async def house(house: House) -> House:
    """With Ana at the door."""
    house.world.knock(GARDEN, ANA, "hello")
    await house.later()
    return house


async def tell(house: House, command: str, *, by: str = ALICE, reply_to: str | None = None) -> str:
    """A command, and what the bot replies; empty for a tick."""
    before = len(house.spoken())
    house.tell(command, by=by, reply_to=reply_to)
    await house.later()
    return "\n".join(house.spoken()[before:])


async def until_then(house: House, seconds: float = 2 * DAY) -> None:
    house.clock.go_on(seconds)
    await house.ring()
    await house.later()


def told_back(house: House) -> int:
    return sum(BACK in said for said in house.spoken())


def is_deferred(house: House) -> bool:
    return f"⏳ Deferred by {ALICE} until " in house.cards()[-1].text


async def is_listed(house: House) -> bool:
    return f"{ANA} at Garden" in await tell(house, "list")


async def test_what_is_deferred_is_off_the_list_and_its_card_says_until_when(house: House) -> None:
    assert await is_listed(house)
    assert await tell(house, "defer 1 2d") == ""

    assert is_deferred(house)
    listed = await tell(house, "list")
    assert "⏳ 1 deferred: #1 until " in listed
    assert ANA not in listed
    assert "⏳ Deferred by" in await tell(house, "show 1")


@pytest.mark.parametrize("dies", [True, False])
async def test_at_its_time_it_is_back_and_its_card_says_so_once(house: House, dies: bool) -> None:
    await tell(house, "defer 1 2d")
    await until_then(house, DAY)
    assert (told_back(house), is_deferred(house)) == (0, True)

    if dies:
        await house.die()
        house.clock.go_on(DAY)
        await house.start_again()
    await until_then(house, DAY)
    await until_then(house, DAY)

    [said] = [content for content in house.said() if BACK in content["body"]]
    assert said["m.relates_to"]["m.in_reply_to"]["event_id"] == house.card().event_id
    assert said["m.mentions"] == {"user_ids": [ALICE]}
    assert not is_deferred(house)
    assert await is_listed(house)


async def test_in_a_reply_to_a_card_the_number_may_be_left_out(house: House) -> None:
    card = house.card().event_id
    await tell(house, "defer 2d", reply_to=card)
    assert is_deferred(house)
    await tell(house, "defer off", reply_to=card)
    assert not is_deferred(house)


@pytest.mark.parametrize("off", ["off", "0"])
async def test_it_can_be_taken_back_and_then_nothing_is_told_at_its_time(house: House, off: str) -> None:
    await tell(house, "defer 1 2d")

    assert await tell(house, f"defer 1 {off}") == ""
    assert await tell(house, f"defer 1 {off}") == "#1 is not deferred."
    await until_then(house)
    assert (told_back(house), await is_listed(house)) == (0, True)


async def test_deferred_again_it_comes_back_at_the_last_time_that_was_named(house: House) -> None:
    await tell(house, "defer 1 2d")
    await tell(house, "defer 1 5d")
    await until_then(house)
    assert (told_back(house), is_deferred(house)) == (0, True)

    await until_then(house, 4 * DAY)
    assert (told_back(house), is_deferred(house)) == (1, False)


async def test_an_answer_ends_it(house: House) -> None:
    await tell(house, "defer 1 2d")
    house.click("✅")
    await house.later()
    assert house.membership(ANA) == "invite"
    await until_then(house)

    assert (told_back(house), is_deferred(house)) == (0, False)


async def test_another_knock_ends_it(house: House) -> None:
    await tell(house, "defer 1 2d")
    house.world.knock(GARDEN, ANA, "please")
    await house.later()

    assert not is_deferred(house)
    assert await is_listed(house)
    await until_then(house)
    assert told_back(house) == 0


async def test_a_day_begins_in_the_zone_of_the_room(house: House) -> None:
    await house.set_policy("timezone: Pacific/Auckland\notherwise: forward")
    day = (datetime.fromtimestamp(house.clock() / 1000, UTC) + timedelta(days=3)).date()

    assert await tell(house, f"defer 1 {day.isoformat()}") == ""
    assert f"until {day.day} {day:%b}" in house.card().text
    assert f" {day.year}, 00:00 Pacific/Auckland." in house.card().text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1", "Until when?"),
        ("1 soon", "This is not a time: “soon”."),
        ("1 31d", "A request can be deferred for 1m at least and 30d at most."),
        ("1 1s", "A request can be deferred for 1m at least and 30d at most."),
        ("1 2020-01-01", "That day has begun already. Write a later one, or a length of time such as 2d."),
        ("1 2d please", "I do not understand “please” here."),
        ("9 2d", "#9"),
    ],
)
async def test_what_is_no_time_is_told(house: House, text: str, said: str) -> None:
    assert said in await tell(house, f"defer {text}")
    assert not is_deferred(house)


async def test_two_who_defer_at_the_same_moment_the_later_one_counts(house: House) -> None:
    for room_id in (GARDEN, MODS):
        house.world.change(room_id, ALICE, BOB, "join")
    house.world.rooms[GARDEN].levels["users"][BOB] = 50
    house.tell("defer 1 5d", by=BOB)
    house.tell("defer 1 2d", by=ALICE)
    await house.later()
    assert is_deferred(house)

    await until_then(house)
    assert told_back(house) == 1
    await until_then(house, 5 * DAY)
    assert told_back(house) == 1


async def test_who_could_not_answer_cannot_defer(house: House) -> None:
    house.world.change(MODS, ALICE, BOB, "join")

    assert await tell(house, "defer 1 2d", by=BOB) != ""
    assert "Deferred" not in house.card().text


async def test_a_room_that_moves_to_another_management_room_takes_no_deferral_along(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for())
    await tell(house, "defer 1 2d")
    house.tell(f"unprotect {GARDEN}")
    await house.later()
    house.world.say(OTHERS, ALICE, f"!kb protect {GARDEN}")
    await house.later()
    house.world.say(OTHERS, ALICE, "!kb list")
    await house.later()
    assert f"{ANA} at Garden" in house.spoken(OTHERS)[-1]

    await until_then(house)
    assert "Deferred" not in str(house.said(OTHERS))
    assert BACK not in str([house.said(OTHERS), house.said()])
