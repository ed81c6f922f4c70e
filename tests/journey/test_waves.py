"""A wave of knocks at a real door: rules accept nobody any more, one message counts, and a restart changes nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from knockbot.demo.certificates import CertificateFiles
from knockbot.demo.people import until
from tests.journey.conftest import OwnKeeper
from tests.keeper import Garden, InProcess, words
from tests.strangers import strangers
from tests.sydent import FederatingHomeserver

MANY = 8
"""Who makes a wave here."""

POLICY = f"""
wave: {{knocks: {MANY}, within: 10m, ends_after: 30m}}
otherwise: accept
announce: none
"""


def kind(event: dict[str, Any]) -> str | None:
    found = event["content"].get("org.knockbot.prompt", {}).get("kind")
    return str(found) if found is not None else None


def mentions(event: dict[str, Any]) -> list[str]:
    """Whom a new message calls."""
    new = "m.new_content" not in event["content"]
    return list(event["content"].get("m.mentions", {}).get("user_ids", [])) if new else []


async def told(names: list[str]) -> list[str]:
    return names


async def on_record(keeper: InProcess) -> int:
    async with keeper.context.db.tx() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM requests"))


async def invited(garden: Garden) -> set[str]:
    return {user_id for user_id, membership in await garden.acts_of_the_bot() if membership == "invite"}


async def test_a_wave_on_a_real_server_is_held_through_a_restart_and_ended_by_hand(own_keeper: OwnKeeper) -> None:
    keeper = await own_keeper()
    garden = await keeper.plant(POLICY, alone=True)
    people = [await garden.person() for _ in range(3 * MANY)]
    await asyncio.gather(*(person.knock(garden.room) for person in people[: 2 * MANY]))
    await garden.heard(lambda event: kind(event) == "wave", what="the digest")
    await keeper.stop()
    await asyncio.gather(*(person.knock(garden.room) for person in people[2 * MANY :]))
    await keeper.start()
    await keeper.catch_up(garden)

    assert await on_record(keeper) == len(people)
    before = await invited(garden)
    assert len(before) <= MANY - 1
    held = [person for person in people if person.user_id not in before]
    async with keeper.context.db.tx() as tx:
        number = await tx.fetchval("SELECT number FROM requests WHERE user_id = $1", held[0].user_id)
    await garden.command(f"accept {number}")
    await garden.membership(held[0], "invite")
    assert await invited(garden) == before | {held[0].user_id}

    await garden.tell(f"wave off {garden.room}")
    over = await garden.heard(lambda event: kind(event) == "wave_over", what="the end")
    assert f"{len(held) - 1} requests wait for you" in words(over)
    await garden.alice.react(garden.mods, over["event_id"], "✅")
    for person in held:
        await garden.membership(person, "invite")
    said = [event for event in await garden.said() if kind(event) == "wave" and "m.new_content" not in event["content"]]
    assert len(said) == 1


SERVERS, KNOCKS = 40, 300
BIG = 'wave: {knocks: 50, within: 20m, ends_after: 30m}\notherwise: accept\nannounce: none\ncall: ["%s"]\n'


@pytest.mark.long
async def test_three_hundred_from_forty_servers_make_one_wave_that_a_restart_does_not_end(
    certificates: CertificateFiles, tmp_path: Path, sqlite_url: str
) -> None:
    async with (
        FederatingHomeserver(tmp_path / "besieged", certificates) as homeserver,
        strangers(SERVERS, certificates) as servers,
        InProcess(homeserver.take_slot(), sqlite_url).running() as keeper,
    ):
        assert isinstance(keeper, InProcess)
        garden = await keeper.plant(alone=True)
        await garden.set_policy(BIG % garden.alice.user_id)
        turns = asyncio.Semaphore(10)

        async def knock(number: int) -> str:
            async with turns:
                server = servers[number % SERVERS]
                return await server.knock(f"p{number}", homeserver, garden.room, "let me in")

        async def siege(first: int, last: int) -> list[str]:
            return await asyncio.gather(*(knock(number) for number in range(first, last)))

        async def all_on_record(count: int) -> None:
            await until(lambda: on_record(keeper), lambda found: found >= count, str, within=300)

        rules = await garden.alice.state(garden.room, "m.room.join_rules")
        people = await siege(0, 200)
        await all_on_record(200)
        await keeper.stop()
        people += await siege(200, KNOCKS)
        await keeper.start()
        await all_on_record(KNOCKS)
        async with keeper.context.db.tx() as tx:
            rows = await tx.fetch("SELECT number, user_id, answer_json FROM requests ORDER BY number")
            [began] = await tx.fetch("SELECT began_at, ended_at FROM waves")
        assert began["ended_at"] is None
        assert {row["user_id"] for row in rows} == {*people}
        answered = {row["user_id"] for row in rows if row["answer_json"]}
        assert len(answered) < 50
        by_hand = next(row for row in rows if row["user_id"] not in answered)
        await garden.command(f"accept {by_hand['number']}")
        server = next(server for server in servers if by_hand["user_id"].endswith(f":{server.name}"))
        await until(lambda: told(server.invited), lambda names: by_hand["user_id"] in names, str)

        assert {*(await invited(garden))} <= answered | {by_hand["user_id"]}
        assert await garden.alice.state(garden.room, "m.room.join_rules") == rules
        said = await garden.said()
        assert [kind(event) for event in said if "m.new_content" not in event["content"]].count("wave") == 1
        calls = [event for event in said if garden.alice.user_id in mentions(event)]
        assert len(calls) == 1
        assert len(said) <= 12
