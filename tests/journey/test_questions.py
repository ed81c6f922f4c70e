"""Questions at a real door: an applicant is asked in their conversation, answers by a click and words, and comes in."""

from __future__ import annotations

from typing import Any

from knockbot.demo.people import Json, Person
from tests.journey.test_letters import invited_to, number_of, read
from tests.keeper import Ears, Garden, InProcess, words

POLICY = """
questions:
- ask: How did you hear of us?
- ask: Do you accept our rules?
  choices: {yes: "Yes, all", no: "No"}
rules:
- {name: a friend, when: {answer: {question: 1, matches: "(?i)alice"}, answered: true}, then: accept}
- {name: complete, when: {answered: true}, then: forward}
- {name: ask them, then: ask}
"""


async def offered(person: Person, room: str, question: Json, emoji: str) -> None:
    """The bot offers an answer on its question."""

    def wanted(event: Json) -> bool:
        relation: dict[str, Any] = event["content"].get("m.relates_to", {})
        return relation.get("event_id") == question["event_id"] and relation.get("key") == emoji

    await Ears(person, room).wait_for(wanted, what=emoji)


def edit_of(event_id: str, text: str) -> dict[str, Any]:
    return {
        "m.new_content": {"msgtype": "m.text", "body": text},
        "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
    }


async def card_says(garden: Garden, who: Person, said: str) -> None:
    """The card of somebody shows this, once it is edited."""

    def wanted(event: Json) -> bool:
        return garden.is_said(event) and who.user_id in words(event) and said in words(event)

    await garden.keeper.ears(garden.alice, garden.mods).wait_for(wanted, what=said)


async def test_who_is_asked_answers_by_words_and_a_click_corrects_and_is_accepted(keeper: InProcess) -> None:
    garden = await keeper.garden(POLICY, name="Asking")
    ana = await garden.knocker()
    talk = await invited_to(ana)
    await ana.join(talk)
    await read(ana, talk, "Asking, question 1 of 2", "How did you hear of us?")
    first = await ana.say(talk, "By the paper")
    second = await read(ana, talk, "question 2 of 2", "Do you accept our rules?")
    await offered(ana, talk, second, "2️⃣")
    await ana.react(talk, second["event_id"], "1️⃣")
    await card_says(garden, ana, "How did you hear of us? By the paper")
    await read(ana, talk, "these were all questions")

    await ana.say(talk, "* By Alice", content=edit_of(first, "By Alice"))
    await garden.membership(ana, "invite")
    assert (await garden.shown(ana, "accepted"))["content"]


async def test_a_moderator_asks_in_german_and_reads_the_answer_in_the_thread(keeper: InProcess) -> None:
    garden = await keeper.garden("language: de", name="Beet")
    ana = await garden.knocker(reason="hallo")
    number = await number_of(garden, ana)
    await garden.tell(f"ask {number} Wen kennst du?")
    talk = await invited_to(ana)
    await ana.join(talk)
    await read(ana, talk, "Die Moderation von Beet fragt dich", "Wen kennst du?")
    await ana.say(talk, "Alice, vom Markt")
    said = await garden.keeper.ears(garden.alice, garden.mods).wait_for(
        lambda event: garden.is_said(event) and "antwortet auf „Wen kennst du?“: Alice, vom Markt" in words(event),
        what="the answer",
    )
    assert said["content"]["m.relates_to"]["rel_type"] == "m.thread"
    await card_says(garden, ana, "fragte: Wen kennst du? Alice, vom Markt")


async def test_an_interview_brings_the_applicant_and_whoever_clicks_together(keeper: InProcess) -> None:
    garden = await keeper.garden(name="Talking")
    mona = await garden.moderator()
    ana = await garden.knocker(reason="hello")
    await garden.tell(f"interview {await number_of(garden, ana)}")
    asks = await garden.heard(lambda event: "interview with" in words(event) and ana.user_id in words(event), "it")
    await garden.offered(asks["event_id"], "✋")
    room = await invited_to(ana)
    await ana.join(room)
    await mona.react(garden.mods, asks["event_id"], "✋")
    await ana.wait_for_membership(room, mona.user_id, "invite")
    await ana.wait_for_membership(room, garden.alice.user_id, "invite")
    given = await keeper.ears(ana, room).wait_for(
        lambda event: event["type"] == "m.room.power_levels" and mona.user_id in event["content"]["users"],
        what="the power of whoever clicked",
    )
    levels = given["content"]
    assert (levels["users"][mona.user_id], levels["users"][garden.alice.user_id]) == (50, 50)
    assert (levels["kick"], levels.get("users_default", 0)) == (50, 0)
