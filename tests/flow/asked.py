"""Applicants who are asked questions in their conversation, for tests: what they read there, and what they answer."""

from __future__ import annotations

from typing import Any

from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ANA

LAWN = "!lawn:tulip.example"

QUESTIONS = """
questions:
- ask: How did you hear of us?
- ask: Do you accept our rules?
  choices: {yes: "Yes, all", no: "No"}
asking: {within: 24h, unanswered: reject, unreachable: forward}
"""

POLICY = f"""{QUESTIONS}
rules:
- {{name: no rules, when: {{answer: {{question: 2, is: no}}}}, then: reject, reason: Then not.}}
- {{name: known, when: {{answer: {{question: 1, matches: "(?i)alice"}}, answered: true}}, then: accept}}
- {{name: complete, when: {{answered: true}}, then: forward}}
- {{name: ask them, then: ask}}
"""

FIRST = (
    "About your request to join Garden, question 1 of 2:\nHow did you hear of us?\n"
    "Please write your answer here. Edit your message to correct it."
)
SECOND = (
    "About your request to join Garden, question 2 of 2:\nDo you accept our rules?\n"
    "Please answer with one of these, or click on its number: 1️⃣ Yes, all, 2️⃣ No"
)


def talks(house: House) -> list[str]:
    """The rooms that the bot has made."""
    return [room_id for room_id in house.world.rooms if room_id not in (GARDEN, MODS, LAWN)]


def talk(house: House) -> str:
    """The only one."""
    [room] = talks(house)
    return room


def read(house: House) -> list[str]:
    """What the applicant can read."""
    return [content["body"] for content in house.said(talk(house))]


async def knocked(house: House, user_id: str = ANA, reason: str = "hello", room_id: str = GARDEN) -> None:
    """They knock, and join the conversation if they are invited to it."""
    house.world.knock(room_id, user_id, reason)
    await house.live()
    if talks(house) and house.membership(user_id, talk(house)) == "invite":
        house.world.change(talk(house), user_id, user_id, "join")
        await house.live()


async def writes(house: House, text: str, *, by: str = ANA, **content: Any) -> str:
    """They write in the conversation; returns the event."""
    event_id = house.world.say(talk(house), by, text, **content)
    await house.live()
    return event_id


def replying(event_id: str) -> dict[str, Any]:
    """What the content of a reply has."""
    return {"m.relates_to": {"m.in_reply_to": {"event_id": event_id}}}


async def edits(house: House, event_id: str, text: str, by: str = ANA) -> str:
    """They edit what they wrote."""
    new = {"m.new_content": {"msgtype": "m.text", "body": text}}
    return await writes(
        house, f"* {text}", by=by, **new, **{"m.relates_to": {"rel_type": "m.replace", "event_id": event_id}}
    )


async def clicks(house: House, emoji: str, which: int = -1, by: str = ANA) -> str:
    """They click on what the bot has said, the newest message unless another one is named."""
    target = house.world.rooms[talk(house)]
    said = [event["event_id"] for event in target.said if event["sender"] != by and event["type"] == "m.room.message"]
    event_id = house.world.react(talk(house), by, said[which], emoji)
    await house.live()
    return event_id


async def passed(house: House, hours: float) -> None:
    """Time passes, and what is due is done."""
    await house.later(hours * 3600)
    await house.ring()
    await house.live()
