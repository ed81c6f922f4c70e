"""`ask N`: a moderator asks an applicant something by the bot, and the answer comes back to the card."""

from __future__ import annotations

import pytest

from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Never
from tests.flow.asked import POLICY, clicks, edits, knocked, passed, read, replying, talk, talks, writes
from tests.flow.house import GARDEN, MODS, House
from tests.flow.test_questions import state, tell
from tests.flow.world import ALICE, ANA, BOT, levels_for

BOB = "@bob:tulip.example"
PUT = (
    "The moderators of Garden ask you about your request to join:\nWhom do you know?\n"
    "Please write your answer here. Edit your message to correct it."
)


async def asked(house: House) -> str:
    """Somebody who waits is asked; returns the command."""
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    command = house.tell("ask 1 Whom do you know?")
    await house.live()
    house.world.change(talk(house), ANA, ANA, "join")
    await house.live()
    return command


async def test_the_answer_comes_into_the_thread_of_the_card_and_on_the_card(house: House) -> None:
    command = await asked(house)
    assert read(house) == [PUT]
    assert "💬 @alice:tulip.example asked: Whom do you know? (no answer yet)" in house.card().text
    await writes(house, "Bob")
    assert "💬 @alice:tulip.example asked: Whom do you know? Bob" in house.card().text
    [said] = [content for content in house.said() if "answers" in content["body"]]
    assert said["body"] == "💬 #1: @ana:tulip.example answers “Whom do you know?”: Bob"
    assert said["m.relates_to"]["event_id"] == house.card().event_id
    assert said["m.relates_to"]["m.in_reply_to"]["event_id"] == command
    assert await state(house) is State.PENDING
    assert "alice" not in repr([content["body"] for content in house.said(talk(house))])


async def test_a_correction_is_told_as_well_and_after_the_decision_nothing_is(house: House) -> None:
    await asked(house)
    first = await writes(house, "Bob")
    await edits(house, first, "Bea")
    assert [said for said in house.spoken() if "answers" in said] == [
        "💬 #1: @ana:tulip.example answers “Whom do you know?”: Bob",
        "💬 #1: @ana:tulip.example answers “Whom do you know?”: Bea",
    ]
    await tell(house, "reject 1")
    await edits(house, first, "Cem")
    assert read(house)[-1] == "Your request to join Garden is decided already, so your answer changes nothing."
    assert "Cem" not in house.card().text


async def test_who_is_asked_by_the_policy_can_be_asked_by_hand_too(house: House) -> None:
    await house.set_policy(POLICY)
    await knocked(house)
    await tell(house, "ask 1 Whom do you know?")
    by_hand = next(one for one in house.world.rooms[talk(house)].said if "Whom" in one["content"].get("body", ""))
    await writes(house, "Bob", **replying(by_hand["event_id"]))
    await writes(house, "By the paper")
    await clicks(house, "1️⃣")
    text = house.card().text
    assert "How did you hear of us? By the paper" in text
    assert "asked: Whom do you know? Bob" in text


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("ask 1", "Please write your question after the number."),
        ("ask 9 What?", "#9"),
        (f"ask 1 {'x' * 501}", "A question has at most 500 characters, and this one has 501. Nothing is asked."),
    ],
)
async def test_a_question_that_cannot_be_put_is_refused(house: House, command: str, said: str) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    assert said in await tell(house, command)
    assert not talks(house)


async def test_a_question_about_what_is_decided_is_refused(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    await tell(house, "accept 1")
    assert "Accepted by" in await tell(house, "ask 1 What?")
    assert not talks(house)


async def test_it_takes_the_level_of_an_answer(house: House) -> None:
    house.world.set_levels(GARDEN, **levels_for((ALICE,)))
    house.world.change(GARDEN, BOB, BOB, "join")
    house.world.change(MODS, BOB, BOB, "join")
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    house.tell("ask 1 What?", by=BOB)
    await house.live()
    assert not talks(house)
    assert "level" in house.spoken()[-1]


async def test_no_more_than_ten(house: House) -> None:
    await asked(house)
    for number in range(9):
        await tell(house, f"ask 1 And {number}?")
    assert await tell(house, "ask 1 Once more?") == ("#1 has 10 questions of moderators already, and cannot get more.")


async def test_who_cannot_be_asked_is_told_to_the_moderator_once(house: House) -> None:
    house.world.play("invite", Never(foreign("no"), code="M_INVITE_BLOCKED"), times=100)
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    await tell(house, "ask 1 What?")
    await passed(house, 0)
    await passed(house, 1)
    said = [line for line in house.spoken() if "cannot ask" in line]
    assert "\n".join(said) == (
        "💬 #1: I cannot ask @ana:tulip.example. They refuse invites, have left the conversation, or cannot be "
        "reached. 1 question of yours stays without an answer."
    )


async def test_who_leaves_with_several_questions_is_told_of_once(house: House) -> None:
    await asked(house)
    for number in range(9):
        await tell(house, f"ask 1 And {number}?")
    house.world.change(talk(house), ANA, ANA, "leave")
    await house.live()
    await passed(house, 0)
    [said] = [line for line in house.spoken() if "cannot ask" in line]
    assert "10 questions of yours stay without an answer." in said


async def test_of_two_open_questions_the_one_that_was_answered_is_named(house: House) -> None:
    await asked(house)
    await tell(house, "ask 1 And since when?")
    house.world.say(talk(house), ANA, "Bob")
    await house.live()
    assert read(house)[-1] == (
        "I took this as your answer to “Whom do you know?” (Garden). To answer another question, reply to its message."
    )


async def test_a_card_keeps_the_answers_that_the_policy_wants_and_says_how_many_more_there_are(house: House) -> None:
    asks = "".join(f"- ask: Question {number}?\n" for number in range(8))
    await house.set_policy(f"questions:\n{asks}rules:\n- {{when: {{answered: true}}, then: forward}}\n- then: ask\n")
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    house.world.change(talk(house), ANA, ANA, "join")
    await house.live()
    for number in range(8):
        house.world.say(talk(house), ANA, f"answer {number}")
        await house.live()
    for number in range(3):
        await tell(house, f"ask 1 And {number}?")
    await passed(house, 0)
    lines = [line for line in house.card().text.split("\n") if line.startswith("💬")]
    assert lines == [
        *(f"💬 Question {number}? answer {number}" for number in range(4)),
        *(f"💬 {ALICE} asked: And {number}? (no answer yet)" for number in (1, 2)),
        "💬 … and 5 more questions. !kb show 1 shows all.",
    ]


async def test_a_room_under_other_moderators_shows_them_nothing(house: House) -> None:
    await asked(house)
    await writes(house, "Bob")
    other = "!other:tulip.example"
    house.world.room(other, "Other", ALICE, BOT, levels=levels_for())
    await house.protect(GARDEN, other)
    house.tell("show 1")
    await house.live()
    shown = "\n".join(house.spoken(other))
    assert "Bob" not in shown
