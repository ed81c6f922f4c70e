"""Batches at a real door: one answer to many, through the deaths of the bot and its homeserver, each request once."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from pathlib import Path

import pytest

from knockbot.demo.people import Json, Person, until
from knockbot.flow.ports import PROMPT_KEY
from tests.keeper import Garden, InProcess, Process, edit_of, words
from tests.lab import LabHomeserver

LONG = 300.0
"""Seconds in which a large batch has to go on."""


async def crowd(gardens: list[Garden], size: int) -> list[tuple[Garden, Person]]:
    """So many people, who knock at these doors in turn, and are on record."""
    people = [(gardens[n % len(gardens)], await gardens[0].person(f"p{n}")) for n in range(size)]
    for start in range(0, size, 10):
        await asyncio.gather(*(person.knock(garden.room, "hello") for garden, person in people[start : start + 10]))
        await gardens[0].said()  # heard along: a homeserver leaves out events where many came at once

    async def waiting() -> str:
        return await gardens[0].command("list")

    wanted = f"{size} requests are waiting." if size > 20 else f"#{size} "
    await until(waiting, lambda said: wanted in said, str, within=LONG)
    return people


async def asked(garden: Garden, command: str) -> str:
    """Alice gives the command; returns the event of the message of the batch."""
    cause = await garden.tell(command)
    found = await garden.heard(lambda event: _is_of(event, cause), "a batch")
    return str(found["event_id"])


def _is_of(event: Json, cause: str) -> bool:
    replies = event["content"].get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id")
    return bool(event["content"].get(PROMPT_KEY, {}).get("kind") == "batch" and replies == cause)


async def batch_says(garden: Garden, event_id: str, what: str) -> str:
    """What the message of the batch says, once it says this."""

    async def now() -> str:
        edits = [event for event in await garden.said() if edit_of(event) == event_id]
        return words({"content": edits[-1]["content"]["m.new_content"]}) if edits else ""

    return await until(now, lambda said: what in said, str, within=LONG)


async def edited(garden: Garden, event_id: str, what: str) -> str:
    """The same, where so much is said that a client would not be told all of it: by the homeserver's own account."""

    async def now() -> str:
        event = await garden.alice.call("GET", "rooms", garden.mods, "event", event_id)
        edit = event.get("unsigned", {}).get("m.relations", {}).get("m.replace")
        return words({"content": edit["content"]["m.new_content"]}) if edit else ""

    return await until(now, lambda said: what in said, str, within=LONG)


async def gone(people: list[tuple[Garden, Person]]) -> int:
    """How many of them do not knock any more."""
    rooms = {garden.room: garden for garden, _ in people}
    knocking = 0
    for room, garden in rooms.items():
        members = await garden.alice.call("GET", "rooms", room, "members", query={"membership": "knock"})
        knocking += len(members["chunk"])
    return len(people) - knocking


async def each_got_one_answer(people: list[tuple[Garden, Person]], wanted: dict[str, str]) -> None:
    """What the bot did in the rooms: one act on each of them, or the one that is wanted here."""
    acts = Counter[tuple[str, str]]()
    for garden in {garden.room: garden for garden, _ in people}.values():
        acts += await garden.acts_of_the_bot()
    ours = {person.user_id for _, person in people}
    found = {key: count for key, count in acts.items() if key[0] in ours}
    assert found == {(person.user_id, wanted.get(person.user_id, "leave")): 1 for _, person in people}


async def test_sixty_are_rejected_by_one_batch_though_the_bot_is_killed(process: Process) -> None:
    await process.start()
    garden = await process.plant(alone=True)
    mona = await garden.moderator()
    people = await crowd([garden], 60)
    batch = await asked(garden, "reject all because Not now.")
    late = await garden.knocker("late")
    await garden.offered(batch, "✅❌")

    await garden.alice.react(garden.mods, batch, "✅")
    await until(lambda: gone(people), lambda count: count >= 10, str, within=LONG)
    process.kill()
    await mona.invite(garden.room, people[59][1].user_id)
    await process.start()
    said = await batch_says(garden, batch, "is done")

    assert "59 of 60 rejected." in said
    assert "1 was answered otherwise meanwhile: #" in said
    for _, person in people[:59]:
        assert (await garden.membership(person, "leave"))["reason"] == "Not now."
    await garden.membership(people[59][1], "invite")
    await garden.membership(late, "knock")
    await each_got_one_answer(people[:59], {})
    assert "Traceback" not in process.said()


async def test_somebody_elses_click_does_nothing_and_a_running_batch_is_stopped(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)
    mona = await garden.moderator()
    people = await crowd([garden], 25)
    batch = await asked(garden, "accept all")
    await mona.react(garden.mods, batch, "✅")
    await garden.heard(lambda event: "Only" in words(event) and "who asked for this" in words(event))
    await garden.membership(people[0][1], "knock")

    await garden.alice.react(garden.mods, batch, "✅")
    await until(lambda: gone(people), lambda count: count >= 2, str, within=LONG)
    await mona.react(garden.mods, batch, "❌")
    said = await batch_says(garden, batch, "was stopped")
    assert f"was stopped by {mona.user_id}" in said
    await garden.caught_up()

    async def figures() -> tuple[int, int]:  # what was under way when it was stopped is counted by an edit soon after
        done = re.search(r"([0-9]+) of 25 accepted", await batch_says(garden, batch, " of 25 accepted."))
        assert done is not None
        return int(done[1]), await gone(people)

    await until(figures, lambda both: both[0] == both[1], str, within=LONG)


@pytest.mark.long
async def test_five_hundred_at_three_doors_are_rejected_though_bot_and_homeserver_are_killed(
    own_homeserver: LabHomeserver, sqlite_url: str, tmp_path: Path
) -> None:
    process = Process(own_homeserver.take_slot(), sqlite_url, tmp_path)
    async with process.running():
        garden = await process.plant(alone=True)
        mona = await garden.moderator()
        gardens = [garden, *[await process.plant(alice=garden.alice, mods=garden.mods) for _ in range(2)]]
        for one in gardens[1:]:
            await one.bring(mona, one.room)
            await one.give_power(mona.user_id, 50)
        people = await crowd(gardens, 500)
        batch = await asked(garden, "reject all")
        late = await garden.knocker("late")
        await garden.alice.react(garden.mods, batch, "✅")

        await until(lambda: gone(people), lambda count: count >= 60, str, within=LONG)
        process.kill()
        await process.start()
        await until(lambda: gone(people), lambda count: count >= 150, str, within=LONG)
        own_homeserver.kill()
        await own_homeserver.start()
        accepted, rejected = [people[n][1] for n in (499, 498)], people[497][1]
        for person in accepted:
            await garden.tell(f"accept {person.user_id}", by=mona)
        await garden.tell(f"reject {rejected.user_id}", by=mona)
        said = await edited(garden, batch, "is done")

        assert "497 of 500 rejected." in said, said
        assert "3 were answered otherwise meanwhile: #" in said, said
        await each_got_one_answer(people, {person.user_id: "invite" for person in accepted})
        await garden.membership(late, "knock")
        assert "Traceback" not in process.said()
