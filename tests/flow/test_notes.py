"""Notes: moderators write about a request for each other, and what they write stays in their management room."""

from __future__ import annotations

import logging

import pytest

from knockbot.features.notes.writing import LONGEST, MOST
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, levels_for

BOB = "@bob:tulip.example"
OTHERS = "!others:tulip.example"
POND = "!pond:tulip.example"
SECRET = "saw her at the choir"


@pytest.fixture
async def house(house: House) -> House:
    """With a second moderator, who may answer nothing, and another management room that has a room of its own."""
    house.world.change(MODS, ALICE, BOB, "invite")
    house.world.change(MODS, BOB, BOB, "join")
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for())
    house.world.room(POND, "Pond", ALICE, BOT, levels=levels_for())
    await house.protect(POND, OTHERS)
    return house


async def knock(house: House, room_id: str = GARDEN, user_id: str = ANA) -> None:
    house.world.knock(room_id, user_id, "hello")
    await house.later()


async def note(house: House, text: str, *, by: str = ALICE, reply_to: str | None = None) -> str:
    """Whoever it is writes a note, and what the bot replies; empty for a tick."""
    before = len(house.spoken())
    house.tell(f"note {text}", by=by, reply_to=reply_to)
    await house.later()
    return "\n".join(house.spoken()[before:])


# --- written ------------------------------------------------------------------------------------------------------


async def test_a_note_stands_on_the_card_with_its_author_and_day(house: House) -> None:
    await knock(house)

    assert await note(house, f"1 {SECRET}", by=BOB) == ""
    assert f"📝 {BOB}, " in house.card().text
    assert house.card().text.count(f": {SECRET}\n") == 1


async def test_in_a_reply_to_a_card_the_number_may_be_left_out(house: House) -> None:
    await knock(house)
    await note(house, SECRET, reply_to=house.card().event_id)

    assert SECRET in house.card().text


async def test_a_card_shows_the_three_newest_notes_and_show_shows_all(house: House) -> None:
    await knock(house)
    for number in range(5):
        await note(house, f"1 note number-{number}")
    house.tell("show 1")
    await house.later()

    assert "📝 2 earlier notes\n" in house.card().text
    assert [f"number-{n}" in house.card().text for n in range(5)] == [False, False, True, True, True]
    assert all(f"number-{n}" in house.spoken()[-1] for n in range(5))


async def test_list_says_how_many_notes_a_request_has(house: House) -> None:
    await knock(house)
    await note(house, f"1 {SECRET}")
    house.tell("list")
    await house.later()

    assert "📝 1 note" in house.spoken()[-1]
    assert SECRET not in house.spoken()[-1]


async def test_whatever_a_note_says_is_no_link_and_no_markup(house: House) -> None:
    await knock(house)
    await note(house, "1 <b>@room</b> https://evil.example \u202e")
    contents = [event["content"] for event in house.world.rooms[MODS].said]
    card = [content["m.new_content"] for content in contents if "m.new_content" in content][-1]

    assert "<b>@room" not in card["formatted_body"]
    assert card["m.mentions"] == {}
    assert "\u202e" not in card["body"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1", "Please write the text of the note"),
        ("1 2 3", "Several numbers need commas: 1, 2, 3."),
        (f"1 {'x' * (LONGEST + 1)}", "A note has at most 500 characters, and this one has 501."),
        ("9 hello", "#9"),
    ],
)
async def test_what_is_no_note_is_told(house: House, text: str, said: str) -> None:
    await knock(house)

    assert said in await note(house, text)
    assert "📝" not in house.card().text


async def test_a_request_has_so_many_notes_and_no_more(house: House) -> None:
    await knock(house)
    for number in range(MOST):
        assert await note(house, f"1 note number-{number}") == ""

    assert await note(house, "1 one more") == "#1 has 20 notes already. Remove one of yours first."


async def test_two_who_write_at_the_same_moment_both_have_their_note(house: House) -> None:
    await knock(house)
    house.tell("note 1 from alice", by=ALICE)
    house.tell("note 1 from bob", by=BOB)
    await house.later()

    assert ("from alice" in house.card().text, "from bob" in house.card().text) == (True, True)


async def test_a_note_of_somebody_who_has_left_the_management_room_is_not_taken(house: House) -> None:
    await knock(house)
    house.tell(f"note 1 {SECRET}", by=BOB)
    house.world.change(MODS, BOB, BOB, "leave")
    await house.later()

    assert SECRET not in house.card().text


# --- removed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dash", ["-", "\u2013", "\u2014"])
async def test_who_wrote_a_note_can_remove_it_and_nobody_else(house: House, dash: str) -> None:
    await knock(house)
    await note(house, "1 the first")
    await note(house, "1 the second")

    assert await note(house, f"1 {dash}", by=BOB) == "You have no note on #1."
    assert await note(house, f"1 {dash}") == ""
    assert ("the first" in house.card().text, "the second" in house.card().text) == (True, False)


async def test_a_note_goes_with_the_message_that_has_its_text(house: House) -> None:
    await knock(house)
    message = house.tell(f"note 1 {SECRET}")
    await house.later()
    assert SECRET in house.card().text
    house.world.redact(MODS, ALICE, message)
    await house.later()

    assert SECRET not in house.card().text


# --- where it is told ---------------------------------------------------------------------------------------------


async def test_whoever_knocks_again_comes_with_the_last_note_about_them(house: House) -> None:
    await knock(house)
    await note(house, f"1 {SECRET}", by=BOB)
    house.click("❌")
    await house.later()
    await knock(house)

    newest = house.cards()[-1].text
    assert f"📝 Note about an earlier request, by {BOB} (" in newest
    assert f": {SECRET}\n" in newest


async def test_another_management_room_learns_nothing_of_it(house: House) -> None:
    await knock(house)
    await note(house, f"1 {SECRET}")
    await knock(house, POND)

    assert SECRET not in str(house.said(OTHERS))


async def test_a_room_that_moves_to_another_management_room_takes_no_note_along(house: House) -> None:
    await knock(house)
    await note(house, f"1 {SECRET}")
    house.tell(f"unprotect {GARDEN}")
    await house.later()
    house.world.say(OTHERS, ALICE, f"!kb protect {GARDEN}")
    await house.later()
    house.world.say(OTHERS, ALICE, "!kb show 1")
    await house.later()

    assert len(house.cards(OTHERS)) == 1
    assert SECRET not in str(house.said(OTHERS))
    assert SECRET not in str([event for event in house.world.rooms[OTHERS].said if event["sender"] == BOT])


async def test_the_applicant_hears_nothing_of_it_and_the_log_neither(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await knock(house)
    await note(house, f"1 {SECRET}")
    house.click("❌")
    await house.later()

    assert SECRET not in str(house.world.asked("kick"))
    assert SECRET not in caplog.text


async def test_a_note_that_comes_while_its_card_is_being_posted_is_shown(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.hear()
    house.tell(f"note 1 {SECRET}")
    await house.hear()
    await house.later()

    assert SECRET in house.card().text
