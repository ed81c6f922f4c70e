"""The busiest room that people can read: fifty wait, and each reply about them is one event that a server takes."""

from __future__ import annotations

import asyncio
import json

import pytest

from knockbot.demo.people import Json
from tests.keeper import Garden, InProcess, in_reply_to, words

FITS = 65_536
"""Bytes that an event may have (client-server API, "Size limits")."""

LONGEST = "x" * 230
"""With its number and its server, about as long as a user ID may be."""

COMMANDS = ["list", "list 2", "list 3", "show 1", "queue", "rooms", "log", "accept all"]


async def reply(garden: Garden, command: str) -> Json:
    """The event by which the bot replies to a command."""
    asked = await garden.tell(command)
    return await garden.heard(lambda event: in_reply_to(event) == asked, f"a reply to {command}")


def numbers(event: Json) -> list[int]:
    return [int(line.split()[0][1:]) for line in words(event).split("\n") if line.startswith("#")]


@pytest.mark.long
@pytest.mark.parametrize("reason", ["😀" * 5000, "&" * 20_000])
async def test_fifty_who_wait_are_three_pages_whatever_they_call_themselves(
    keeper: InProcess, crowds: int, reason: str
) -> None:
    garden = await keeper.plant(alone=True)
    people = [await garden.person(LONGEST) for _ in range(50)]
    assert crowds < len(people), "most of them share a card"
    for start in range(0, 50, 5):
        await asyncio.gather(*(person.knock(garden.room, reason) for person in people[start : start + 5]))
        await garden.said()  # heard along: a homeserver leaves out events where many came at once
    await keeper.catch_up(garden)

    said = {command: await reply(garden, command) for command in COMMANDS}
    assert {command: len(json.dumps(event, ensure_ascii=False).encode()) > FITS for command, event in said.items()} == (
        dict.fromkeys(COMMANDS, False)
    )
    assert [numbers(said[page]) for page in COMMANDS[:3]] == [
        list(range(1, 21)),
        list(range(21, 41)),
        list(range(41, 51)),
    ]
    assert "Accept 50 requests?" in words(said["accept all"])
