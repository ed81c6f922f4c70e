"""A back-up that is read in again, later and on another engine: nobody is answered twice, and nobody is forgotten."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from knockbot.cli import main
from knockbot.demo.people import Json, Person
from tests.journey.test_durability import EXPECTED, MIXED, Crowd
from tests.keeper import Garden, InProcess, Process, block
from tests.lab import LabHomeserver


async def told(process: Process, command: str, file: Path) -> int:
    """Run a command of the command line for this bot; its exit status."""
    config = process.write_config()
    return await asyncio.to_thread(main, [command, "-c", str(config), str(file)])


@dataclass
class Since:
    """What came about after the back-up."""

    joined: Person
    joined_number: int
    knocked_again: Person
    waits: Person
    card: Json
    """Of whoever waits: posted since, and so on no record."""


async def live_on(garden: Garden, cards: dict[Person, Json]) -> Since:
    """Moderators and rules answer, people join and knock again."""
    clicked, again = cards
    crowd = await Crowd.of(garden, 4)
    await crowd.knock()
    await garden.alice.react(garden.mods, cards[clicked]["event_id"], "✅")
    await garden.alice.react(garden.mods, cards[again]["event_id"], "❌")
    await garden.membership(clicked, "invite")
    await garden.membership(again, "leave")
    await clicked.join(garden.room)
    await garden.shown(clicked, "joined")
    for kind, person in crowd.people:
        await garden.membership(person, EXPECTED[kind])
        await garden.shown(person)
    waits = crowd.people[-1][1]
    card = await garden.card(waits)
    await again.knock(garden.room, "visitor")
    await garden.card(again, number=block(card)["number"] + 1)
    return Since(clicked, block(cards[clicked])["number"], again, waits, card)


async def said_by(garden: Garden) -> list[Json]:
    """What the bot said, edits left out."""
    return [event for event in await garden.said() if "m.new_content" not in event["content"]]


async def test_an_old_back_up_answers_nobody_again(
    homeserver: LabHomeserver, sqlite_url: str, postgres_url: str, tmp_path: Path
) -> None:
    first = Process(homeserver.take_slot(), sqlite_url, tmp_path)
    backup = tmp_path / "backup.jsonl"
    async with first.running():
        garden = await first.plant(MIXED, alone=True)
        crowd = await Crowd.of(garden, 4)
        await crowd.knock()
        cards = {person: await garden.card(person) for person in [await garden.knocker(reason="visitor") for _ in "ab"]}
        await garden.caught_up()
        assert await told(first, "export", backup) == 0  # while it runs
        since = await live_on(garden, cards)
        first.kill()
    said, acts = await said_by(garden), await garden.acts_of_the_bot()

    first.config["database"] = postgres_url
    assert await told(first, "import", backup) == 0
    async with InProcess(first.slot, postgres_url).running():
        late = await garden.knocker("late", "visitor")
        card = await garden.card(late)
        await garden.caught_up()

        now = await said_by(garden)
        assert now[: len(said)] == said
        assert sum("back-up" in event["content"]["body"] for event in now[len(said) :]) == 1
        assert block(card)["number"] == block(since.card)["number"] + 2
        assert await garden.acts_of_the_bot() == acts
        assert await garden.alice.membership(garden.room, since.knocked_again.user_id) == "knock"
        pending = await garden.command(f"list {garden.room}")
        assert all(person.user_id in pending for person in (since.waits, since.knocked_again, late))
        assert since.joined.user_id not in pending
        assert "joined" in await garden.command(f"show {since.joined_number}")
        shown = Counter(one["event_id"] for event in now if (one := block(event)))
        assert [event_id for event_id, count in shown.items() if count > 1] == []

        await garden.alice.react(garden.mods, since.card["event_id"], "✅")
        await garden.membership(since.waits, "invite")
        await garden.shown(since.waits, "accepted")
