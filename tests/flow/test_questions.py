"""Questions: an applicant is asked in their conversation, one after the other, and what they answer decides."""

from __future__ import annotations

import pytest

from knockbot.domain.conversations import LONGEST
from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from tests.flow.asked import (
    FIRST,
    LAWN,
    POLICY,
    QUESTIONS,
    SECOND,
    clicks,
    edits,
    knocked,
    passed,
    read,
    replying,
    talk,
    talks,
    writes,
)
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.world import ALICE, ANA, BOT, FAR, levels_for

ASKED = (
    "💬 #1: @ana:tulip.example wants to join Garden and is asked 2 questions. You can answer the request at any time."
)
THANKS = "Thank you, these were all questions. The moderators of Garden decide about your request now."
REJECTED = (
    "❌ #1 @ana:tulip.example at Garden: Rejected by rule “ask them”. "
    "The policy asks questions, but they did not answer all questions in time."
)
DECIDED = "Your request to join Garden is decided already, so your answer changes nothing."
HOW_CHOICE = "Please answer with one of these, or click on its number: 1️⃣ Yes, all, 2️⃣ No"


async def state(house: House, user_id: str = ANA, room_id: str = GARDEN) -> State:
    return (await house.request(user_id, room_id)).state


async def tell(house: House, command: str) -> str:
    """What the bot answers to a command; nothing where it says nothing."""
    before = len(house.spoken())
    house.tell(command)
    await house.live()
    return "\n".join(house.spoken()[before:])


async def asked(house: House) -> None:
    await house.set_policy(POLICY)
    await knocked(house)


# --- asked and answered -------------------------------------------------------------------------------------------


async def test_they_are_asked_one_after_the_other_and_the_card_shows_what_they_answer(house: House) -> None:
    await asked(house)
    assert read(house) == [FIRST]
    assert house.spoken() == [ASKED]
    await writes(house, "From a friend")
    assert read(house) == [FIRST, SECOND]
    await writes(house, "yes")
    assert read(house) == [FIRST, SECOND, THANKS]
    assert "💬 How did you hear of us? From a friend\n💬 Do you accept our rules? Yes, all\n" in house.card().text
    assert await state(house) is State.PENDING


@pytest.mark.parametrize("said", ["no", "No.", "NO", "2", "2️⃣", " “no” "])
async def test_a_choice_is_answered_by_its_word_its_number_or_its_emoji(house: House, said: str) -> None:
    await asked(house)
    await writes(house, "From a friend")
    await writes(house, said)
    assert await state(house) is State.REJECTED
    assert house.world.rooms[GARDEN].members[ANA]["content"]["reason"] == "Then not."


async def test_a_choice_is_answered_by_a_click_on_a_number_that_the_bot_offers(house: House) -> None:
    await asked(house)
    await writes(house, "Alice told me")
    offered = [event for event in house.world.rooms[talk(house)].said if event["type"] == "m.reaction"]
    assert [event["content"]["m.relates_to"]["key"] for event in offered if event["sender"] == BOT][1:] == ["1️⃣", "2️⃣"]
    await clicks(house, "1️⃣")
    assert await state(house) is State.ACCEPTED
    assert not house.cards()


async def test_an_answer_is_acknowledged_and_what_is_none_is_asked_again(house: House) -> None:
    await asked(house)
    first = await writes(house, "a" * 1001)
    assert read(house)[1:] == ["Your answer is longer than 1,000 characters, so I did not take it. Please write less."]
    first = await writes(house, "From a friend")
    assert (BOT, "✅", first) in [
        (event["sender"], event["content"]["m.relates_to"]["key"], event["content"]["m.relates_to"]["event_id"])
        for event in house.world.rooms[talk(house)].said
        if event["type"] == "m.reaction"
    ]
    await writes(house, "maybe")
    assert read(house)[2:] == [SECOND, HOW_CHOICE]
    await clicks(house, "3️⃣", which=-2)
    assert read(house)[4:] == [HOW_CHOICE]
    assert await state(house) is State.PENDING
    assert not house.cards()


async def test_a_command_alone_is_no_answer_but_a_sentence_that_begins_like_one_is(house: House) -> None:
    await asked(house)
    await writes(house, "status")
    assert read(house)[1:] == ["1. Garden, asked just now: waits for an answer"]
    await writes(house, "help from a friend of mine")
    assert read(house)[2:] == [SECOND]


async def test_a_reply_to_a_question_is_its_answer_whatever_it_says(house: House) -> None:
    await asked(house)
    [question] = [event for event in house.world.rooms[talk(house)].said if event["type"] == "m.room.message"]
    await writes(house, "help", **replying(question["event_id"]))
    assert read(house)[1:] == [SECOND]


async def test_questions_are_asked_in_the_language_of_the_applicant(house: House) -> None:
    await house.set_policy(f"language: de\n{POLICY}")
    await knocked(house)
    [said] = read(house)
    assert said == (
        "Zu deiner Anfrage, Garden beizutreten, Frage 1 von 2:\nHow did you hear of us?\n"
        "Bitte schreibe deine Antwort hierher. Um sie zu berichtigen, bearbeite deine Nachricht."
    )


# --- corrected ----------------------------------------------------------------------------------------------------


async def test_an_edit_corrects_an_answer_and_counts(house: House) -> None:
    await asked(house)
    first = await writes(house, "From a freind")
    await edits(house, first, "From Alice")
    await clicks(house, "1️⃣", which=1)
    assert await state(house) is State.ACCEPTED


async def test_the_card_shows_a_correction_and_the_rules_decide_anew(house: House) -> None:
    await asked(house)
    first = await writes(house, "From a freind")
    await writes(house, "yes")
    await edits(house, first, "From a friend")
    assert "💬 How did you hear of us? From a friend\n" in house.card().text
    await edits(house, first, "From Alice")
    assert await state(house) is State.ACCEPTED


async def test_an_older_edit_that_comes_late_changes_nothing(house: House) -> None:
    await asked(house)
    first = await writes(house, "one")
    await house.later(60)
    await edits(house, first, "three")
    event = house.world.rooms[talk(house)].said[-1]
    assert event["origin_server_ts"]
    house.clock.go_on(-30)
    await edits(house, first, "two")
    house.clock.go_on(30)
    await writes(house, "yes")
    assert "How did you hear of us? three\n" in house.card().text


async def test_a_removed_answer_is_none_and_is_waited_for_again(house: House) -> None:
    await asked(house)
    first = await writes(house, "From a friend")
    house.world.redact(talk(house), ANA, first)
    await house.live()
    await clicks(house, "1️⃣", which=1)
    assert not house.cards()
    await writes(house, "By the paper")
    assert "💬 How did you hear of us? By the paper\n💬 Do you accept our rules? Yes, all" in house.card().text


async def test_a_removed_click_is_no_answer(house: House) -> None:
    await asked(house)
    await writes(house, "From a friend")
    click = await clicks(house, "1️⃣")
    assert house.card().text.count("Yes, all") == 1
    house.world.redact(talk(house), ANA, click)
    await house.live()
    assert "Do you accept our rules? (the applicant removed the answer)" in house.card().text
    assert read(house)[-1] == (
        "I have forgotten your answer to “Do you accept our rules?”. The question waits for an answer again: "
        "reply to its message."
    )


async def test_after_the_decision_they_are_told_that_it_is_decided(house: House) -> None:
    await asked(house)
    first = await writes(house, "From a friend")
    await tell(house, "accept 1")
    await edits(house, first, "From Alice")
    await writes(house, "no")
    assert read(house)[2:] == [DECIDED, DECIDED]
    assert await state(house) is State.ACCEPTED


# --- no answer ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answers", [[], ["From a friend"]])
async def test_who_does_not_answer_all_in_time_falls_to_unanswered_once(house: House, answers: list[str]) -> None:
    await asked(house)
    for said in answers:
        await writes(house, said)
    await passed(house, 23)
    assert await state(house) is State.PENDING
    await passed(house, 2)
    assert await state(house) is State.REJECTED
    assert house.world.rooms[GARDEN].members[ANA]["content"]["reason"] == "Please answer my questions and knock again."
    await passed(house, 48)
    assert house.spoken() == [ASKED, REJECTED]


async def test_a_late_answer_counts_while_the_moderators_decide(house: House) -> None:
    await house.set_policy(POLICY.replace("unanswered: reject", "unanswered: forward"))
    await knocked(house)
    await passed(house, 25)
    assert "they did not answer all questions in time" in house.card().text
    await writes(house, "From a friend")
    assert "How did you hear of us? From a friend\n" in house.card().text
    assert read(house) == [FIRST]  # nothing more is asked


async def test_who_answers_in_time_is_not_told_off_later(house: House) -> None:
    await asked(house)
    await writes(house, "From a friend")
    await writes(house, "yes")
    await passed(house, 25)
    assert await state(house) is State.PENDING


@pytest.mark.parametrize("code", ["M_INVITE_BLOCKED", "M_FORBIDDEN"])
async def test_who_refuses_invites_is_left_to_the_moderators_at_once(house: House, code: str) -> None:
    await house.set_policy(POLICY)
    house.world.play("invite", Never(foreign("no"), code=code), times=100)
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    await passed(house, 0)
    assert "they cannot be reached for questions" in house.card().text
    await passed(house, 25)
    await passed(house, 25)
    assert len(house.cards()) == 1
    assert await state(house) is State.PENDING


@pytest.mark.parametrize("when", ["invited", "joined", "answered"])
async def test_who_leaves_the_conversation_is_left_to_the_moderators(house: House, when: str) -> None:
    await house.set_policy(POLICY)
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    if when != "invited":
        house.world.change(talk(house), ANA, ANA, "join")
        await house.live()
    if when == "answered":
        await writes(house, "From a friend")
    house.world.change(talk(house), ANA, ANA, "leave")
    await house.live()
    await passed(house, 0)
    assert "they cannot be reached for questions" in house.card().text
    assert ("From a friend" in house.card().text) is (when == "answered")


async def test_who_leaves_after_the_last_answer_has_answered(house: House) -> None:
    await asked(house)
    await writes(house, "From a friend")
    await writes(house, "yes")
    house.world.change(talk(house), ANA, ANA, "leave")
    await house.live()
    await passed(house, 0)
    assert "cannot be reached" not in house.card().text


async def test_a_silent_server_is_unreachable_within_the_time_and_not_unanswered(house: House) -> None:
    await house.set_policy(POLICY.replace("within: 24h", "within: 2h"))
    house.world.play("invite", Later(foreign("silent"), retry_after=600), times=10_000)
    house.world.knock(GARDEN, FAR, "hello")
    await house.live()
    await passed(house, 3)
    assert await state(house, FAR) is State.PENDING
    assert "they cannot be reached for questions" in house.card().text
    await passed(house, LONGEST / 3_600_000)
    assert len(house.cards()) == 1


async def test_a_conversation_that_is_gone_makes_them_unreachable(house: House) -> None:
    await asked(house)
    house.world.change(talk(house), ALICE, BOT, "leave")
    await house.live()
    await passed(house, 0)
    assert "they cannot be reached for questions" in house.card().text


async def test_beyond_the_budget_of_a_day_the_moderators_decide(ready_url: str) -> None:
    async with housed(ready_url, notices={"per_day": 1}) as house:
        await house.set_policy(POLICY)
        for user in (ANA, "@bea:tulip.example"):
            house.world.knock(GARDEN, user, "hello")
            await house.live()
        await passed(house, 0)
        assert len(talks(house)) == 1
        assert "@bea:tulip.example" in house.card().text


# --- what else happens meanwhile ----------------------------------------------------------------------------------


async def test_a_moderator_can_answer_at_any_time_and_list_says_that_they_are_asked(house: House) -> None:
    await asked(house)
    await writes(house, "From a friend")
    assert "💬 is being asked (1 of 2 answered)" in await tell(house, "list")
    shown = await tell(house, "show 1")
    assert "💬 How did you hear of us? From a friend" in shown
    assert "💬 Do you accept our rules? (no answer yet)" in shown
    await tell(house, "accept 1")
    assert await state(house) is State.ACCEPTED
    await passed(house, 25)
    assert await state(house) is State.ACCEPTED


async def test_a_re_knock_is_the_same_request_and_asks_nothing_twice(house: House) -> None:
    await asked(house)
    await writes(house, "From a friend")
    await knocked(house, reason="please")
    assert read(house) == [FIRST, SECOND]
    await writes(house, "yes")
    assert "From a friend" in house.card().text


async def test_a_knock_after_the_outcome_is_asked_anew(house: House) -> None:
    await asked(house)
    await passed(house, 25)
    assert await state(house) is State.REJECTED
    await knocked(house)
    assert read(house) == [FIRST, FIRST]


async def test_who_withdraws_or_leaves_is_asked_no_more(house: House) -> None:
    await asked(house)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()
    await writes(house, "From a friend")
    assert read(house)[1:] == [
        "You have withdrawn your request to join Garden, so your answer changes nothing. You can ask again at any time."
    ]
    await passed(house, 25)
    assert await state(house) is State.WITHDRAWN


async def test_old_answers_count_for_the_same_question_of_another_policy(house: House) -> None:
    await asked(house)
    await writes(house, "From a friend")
    await house.set_policy(POLICY.replace("Do you accept our rules?", "Do you accept the new rules?"))
    await writes(house, "yes")  # to the question that they have read
    assert read(house)[2] == SECOND.replace("our rules", "the new rules")
    await writes(house, "yes")
    assert "How did you hear of us? From a friend\n" in house.card().text
    assert "Do you accept the new rules? Yes, all\n" in house.card().text


async def test_a_policy_without_questions_decides_at_the_next_answer(house: House) -> None:
    await asked(house)
    await house.set_policy("otherwise: accept")
    await writes(house, "From a friend")
    assert await state(house) is State.ACCEPTED


async def test_a_room_that_is_no_longer_protected_asks_no_more(house: House) -> None:
    await asked(house)
    await tell(house, "unprotect Garden")
    await writes(house, "From a friend")
    await passed(house, 25)
    assert read(house)[1:] == ["Your answer is not needed any more."]
    assert house.membership(ANA) == "knock"


async def test_two_rooms_ask_at_once_and_each_answer_goes_where_it_belongs(house: House) -> None:
    house.world.room(LAWN, "Lawn", ALICE, BOT, levels=levels_for())
    await house.protect(LAWN, policy=POLICY)
    await asked(house)
    await knocked(house, room_id=LAWN)
    assert read(house) == [FIRST, FIRST.replace("Garden", "Lawn")]
    await writes(house, "From a friend")
    told = (
        "I took this as your answer to “How did you hear of us?” (Garden). "
        "To answer another question, reply to its message."
    )
    assert set(read(house)[2:]) == {told, SECOND}
    lawn = house.world.rooms[talk(house)].said
    second = next(one["event_id"] for one in lawn if "Lawn" in one["content"].get("body", ""))
    await writes(house, "By the paper", **replying(second))
    shown = await tell(house, "show 2")
    assert "How did you hear of us? By the paper" in shown
    assert "From a friend" not in shown


async def test_others_in_the_conversation_are_not_heard(house: House) -> None:
    await asked(house)
    house.world.change(talk(house), ANA, "@eve:tulip.example", "join")
    await writes(house, "From me", by="@eve:tulip.example")
    await writes(house, "From a friend")
    await clicks(house, "2️⃣", by="@eve:tulip.example")
    await writes(house, "yes")
    assert "From a friend" in house.card().text


async def test_a_dry_run_asks_nobody(house: House) -> None:
    await house.set_policy(f"dry_run: true\n{POLICY}")
    await knocked(house)
    assert not talks(house)
    assert "would" in house.card().text.lower()


async def test_test_says_that_they_would_be_asked(house: House) -> None:
    await house.set_policy(POLICY)
    said = await tell(house, "test Garden @bea:tulip.example")
    assert "Policy: ask" in said
    assert "question 2 is not answered yet" in said


async def test_answers_of_strangers_are_escaped_and_bounded(house: House) -> None:
    await asked(house)
    await writes(house, "<b>https://evil.example</b> @room " + "x" * 900)
    await writes(house, "yes")
    [card] = [one for one in house.said() if one["body"].startswith("🚪")][-1:]
    assert "&lt;b&gt;" in card["formatted_body"]
    assert card["formatted_body"].count("<a ") == 1  # the applicant
    assert "x" * 300 not in house.card().text


async def test_hidden_reasons_hide_answers_as_well(house: House) -> None:
    await house.set_policy(f"reasons: hidden\n{POLICY}")
    await knocked(house)
    await writes(house, "From a friend")
    await writes(house, "yes")
    assert "From a friend" not in house.card().text


async def test_kill_between_answer_and_judgement_loses_nothing(house: House) -> None:
    await asked(house)
    house.world.say(talk(house), ANA, "Alice")
    await house.deliver()
    await house.start_again()
    await house.live()
    house.world.say(talk(house), ANA, "yes")
    await house.hear()
    await house.start_again()
    await house.live()
    assert await state(house) is State.ACCEPTED


async def test_the_default_asks_the_moderators_where_nothing_else_is_said(house: House) -> None:
    policy = POLICY.replace("unanswered: reject, ", "")
    await house.set_policy(policy)
    await knocked(house)
    await passed(house, 25)
    assert "they did not answer all questions in time" in house.card().text


async def test_otherwise_can_ask_as_well(house: House) -> None:
    await house.set_policy(f"{QUESTIONS}rules: [{{when: {{answered: true}}, then: accept}}]\notherwise: ask")
    await knocked(house)
    await writes(house, "From a friend")
    await writes(house, "no")
    assert await state(house) is State.ACCEPTED


async def test_mods_and_applicant_answer_in_the_same_second(house: House) -> None:
    await asked(house)
    await writes(house, "Alice")
    house.world.say(talk(house), ANA, "no")
    house.tell("accept 1")
    await house.live()
    assert await state(house) in (State.ACCEPTED, State.REJECTED)
    assert house.membership(ANA) in ("invite", "leave")


async def test_who_did_not_answer_can_knock_again_at_once_whatever_the_cooldown(house: House) -> None:
    await house.set_policy(f"cooldown: 7d\n{POLICY}")
    await knocked(house)
    await passed(house, 25)
    assert await state(house) is State.REJECTED
    await knocked(house)
    assert read(house) == [FIRST, FIRST]


NEW, OTHER = "!new:tulip.example", "!other:tulip.example"


async def test_a_request_that_moves_to_the_room_that_replaces_its_own_is_still_asked(house: House) -> None:
    await asked(house)
    room = talk(house)
    await writes(house, "Alice")
    house.world.room(NEW, "Garden", ALICE, BOT, levels=levels_for(), predecessor=GARDEN)
    house.world.replace(GARDEN, NEW)
    await house.live()
    question = next(event for event in house.world.rooms[MODS].said if "replaced" in event["content"].get("body", ""))
    house.world.react(MODS, ALICE, question["event_id"], "✅")
    await house.live()
    assert "How did you hear of us? Alice" in house.card().text
    house.world.say(room, ANA, "yes")
    await house.live()
    assert house.membership(ANA, NEW) == "invite"


async def test_who_was_asked_when_the_room_was_let_go_is_asked_again_once_it_is_protected_again(house: House) -> None:
    await asked(house)
    room = talk(house)
    await writes(house, "From a friend")
    await tell(house, f"unprotect {GARDEN}")
    house.world.say(room, ANA, "yes")
    await house.live()
    assert house.said(room)[-1]["body"] == "Your answer is not needed any more."
    house.clock.go_on(60)
    await tell(house, f"protect {GARDEN}")
    await house.live()
    assert house.said(room)[-1]["body"] == SECOND
    house.world.say(room, ANA, "yes")
    await house.live()
    assert "💬 How did you hear of us? From a friend\n💬 Do you accept our rules? Yes, all" in house.card().text


async def test_an_answer_that_is_removed_after_the_decision_stays_on_record_as_removed(house: House) -> None:
    await asked(house)
    first = await writes(house, "From a friend")
    await tell(house, "accept 1")
    house.world.redact(talk(house), ANA, first)
    await house.live()
    assert read(house)[-1] == (
        "I have forgotten your answer to “How did you hear of us?”. The moderators do not see it any more. "
        "Nothing else changes by that."
    )
    said = await tell(house, "show 1")
    assert "💬 How did you hear of us? (the applicant removed the answer)" in said
    assert "removed an answer · by @ana:tulip.example" in said


async def test_other_moderators_decide_and_learn_nothing_of_what_was_answered_before(house: House) -> None:
    await asked(house)
    room = talk(house)
    await writes(house, "From a friend")
    house.world.room(OTHER, "Other", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.say(OTHER, ALICE, f"!kb protect {GARDEN}")
    await house.live()
    house.world.say(room, ANA, "yes")
    await house.live()
    assert house.said(room)[-1]["body"] == "Your answer is not needed any more."
    [card] = house.cards(OTHER)
    assert "From a friend" not in card.text
    house.world.say(OTHER, ALICE, "!kb show 1")
    await house.live()
    assert "From a friend" not in "\n".join(house.spoken(OTHER))
    await passed(house, 25)
    assert await state(house) is State.PENDING


async def test_a_trial_takes_nothing_for_answered_and_says_what_cannot_be_known(house: House) -> None:
    await house.set_policy("otherwise: forward")
    await knocked(house)
    await house.later()
    said = await tell(house, f"policy try Garden 7d\n{POLICY}")
    assert "#1 @ana:tulip.example: forward → ask" in said
    await house.set_policy(POLICY)
    await tell(house, "policy apply Garden")
    house.world.change(talk(house), ANA, ANA, "join")
    await writes(house, "Alice")
    await writes(house, "yes")
    assert await state(house) is State.ACCEPTED
    assert "cannot be known" in await tell(house, f"policy try Garden 7d\n{POLICY}")
