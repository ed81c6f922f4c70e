"""Durability: killed at any moment and started again, the bot answers every knock, and none twice."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from aiohttp import web

from knockbot.demo.homeserver import free_port
from knockbot.demo.people import Person, until
from knockbot.engine.wakeups import Wakeups
from knockbot.listening import listening
from knockbot.matrix.gateway import Gateway
from knockbot.store import inbox
from knockbot.store.db import Database, opened
from tests.journey.conftest import OwnKeeper
from tests.keeper import REQUESTS, Garden, InProcess, Keeper, Process, block, edit_of, in_reply_to
from tests.lab import LabHomeserver

MIXED = """
rules:
- {name: friends, when: {reason_matches: friend}, then: accept, reason: come in}
- {name: strangers, when: {reason_matches: stranger}, then: reject, reason: say who you are}
- {name: spammers, when: {reason_matches: spam}, then: ban}
otherwise: forward
"""

EXPECTED = {"friend": "invite", "stranger": "leave", "spam": "ban", "visitor": "knock"}
"""Where each kind of applicant ends up."""


class Crowd:
    """Applicants of every kind, and the promise that each was answered once."""

    def __init__(self, garden: Garden, people: list[tuple[str, Person]]) -> None:
        self.garden = garden
        self.people = people

    @classmethod
    async def of(cls, garden: Garden, size: int, kinds: Sequence[str] = tuple(EXPECTED)) -> Crowd:
        """So many people, of these kinds in turn, who have not knocked yet."""
        turns = itertools.islice(itertools.cycle(kinds), size)
        return cls(garden, [(kind, await garden.person(kind)) for kind in turns])

    async def knock(self, first: int = 0, end: int | None = None) -> None:
        """All of them, or some, one after the other."""
        for kind, person in self.people[first:end]:
            await person.knock(self.garden.room, kind)

    async def has_knocked(self, place: int) -> None:
        """Return once somebody has knocked, whatever came of it since."""
        person = self.people[place][1]
        await until(
            lambda: self.garden.alice.member(self.garden.room, person.user_id), bool, lambda _: "nobody knocked"
        )

    async def is_answered_once(self) -> None:
        """Wait until everybody is answered; then nobody may be found to have been answered twice."""
        for kind, person in self.people:
            await self.garden.membership(person, EXPECTED[kind])
            await self.garden.shown(person)
        await self.garden.caught_up()
        acts = await self.garden.acts_of_the_bot()
        wanted = {(person.user_id, EXPECTED[kind]): 1 for kind, person in self.people if kind != "visitor"}
        assert acts == Counter(wanted)
        await self.are_told_once()

    async def are_told_once(self) -> None:
        """No card and no decision line stands twice, no edit came before its card, and each key was used once."""
        said = await self.garden.said()
        originals = [event for event in said if edit_of(event) is None]
        told = Counter(
            one["user_id"]
            for event in originals
            for one in ([block(event)] if REQUESTS not in event["content"] else event["content"][REQUESTS])
            if one
        )
        assert [(user_id, count) for user_id, count in told.items() if count != 1] == []
        replies = Counter(reply for event in said if (reply := in_reply_to(event)))
        assert [reply for reply, count in replies.items() if count != 1] == []


# --- killed -------------------------------------------------------------------------------------------------------


@pytest.fixture
async def on_postgres(homeserver: LabHomeserver, postgres_url: str) -> AsyncIterator[InProcess]:
    """A bot on PostgreSQL."""
    keeper = InProcess(homeserver.take_slot(), postgres_url)
    async with keeper.running():
        yield keeper


@pytest.fixture
async def mortal(homeserver: LabHomeserver, database_url: str, tmp_path: Path) -> AsyncIterator[Process]:
    """A bot as a process of its own, on either engine."""
    process = Process(homeserver.take_slot(), database_url, tmp_path)
    async with process.running():
        yield process
        assert "Traceback" not in process.said(), process.said()


async def kill_and_start(bot: Process) -> None:
    """A power cut and a restart; on PostgreSQL, one that comes when the dead process is known to be dead."""
    bot.kill()
    if bot.database.startswith("postgres"):
        connection = await asyncpg.connect(bot.database)
        await connection.execute("UPDATE processes SET seen_at = 0")
        await connection.close()
    await bot.start()


async def test_killed_in_the_middle_of_many_knocks_it_answers_each_of_them_once(mortal: Process) -> None:
    garden = await mortal.plant(MIXED, alone=True)
    crowd = await Crowd.of(garden, 12)

    for first, second in ((0, 6), (6, 12)):
        knocking = asyncio.create_task(crowd.knock(first, second))
        await crowd.has_knocked(first + 3)
        await kill_and_start(mortal)
        await knocking

    await crowd.is_answered_once()


async def test_killed_while_moderators_answer_it_carries_every_answer_out_once(process: Process) -> None:
    await process.start()
    garden = await process.plant(alone=True)
    people = [await garden.knocker() for _ in range(4)]
    cards = [await garden.card(person) for person in people]

    for place, card in enumerate(cards):
        await garden.alice.react(garden.mods, card["event_id"], "❌")
        if place in (0, 2):
            await kill_and_start(process)

    for person in people:
        await garden.membership(person, "leave")
        await garden.shown(person, "rejected", by=garden.alice.user_id)
    await garden.caught_up()
    assert [await garden.acts_on(person) for person in people] == [["leave"]] * 4
    await Crowd(garden, []).are_told_once()


# --- stored, and not handled --------------------------------------------------------------------------------------


async def test_what_was_stored_before_a_power_cut_is_handled_after_it(own_keeper: OwnKeeper) -> None:
    """The homeserver got its 200 and will never send these again: not the knock, not the click, not the command."""
    keeper = await own_keeper()
    garden = await keeper.plant(MIXED, alone=True)
    ana, ben, cleo = [await garden.knocker(name, "visitor") for name in ("ana", "ben", "cleo")]
    cards = [await garden.card(person) for person in (ana, ben, cleo)]
    await keeper.stop()
    friend = await garden.person("friend")

    async with only_storing(keeper) as db:
        await friend.knock(garden.room, "friend")
        await garden.alice.react(garden.mods, cards[0]["event_id"], "✅")
        command = await garden.tell(f"reject {block(cards[1])['number']} no")
        await until(lambda: _is_stored(db, command), bool, lambda _: "the command was not stored", within=40)

    await keeper.start()
    await garden.membership(friend, "invite")
    await garden.membership(ana, "invite")
    assert (await garden.membership(ben, "leave"))["reason"] == "no"
    await garden.answer_to(command)
    await garden.caught_up()
    assert await garden.alice.membership(garden.room, cleo.user_id) == "knock"
    assert [len(await garden.acts_on(person)) for person in (friend, ana, ben)] == [1, 1, 1]


@asynccontextmanager
async def only_storing(keeper: Keeper) -> AsyncIterator[Database]:
    """Take what the homeserver sends and do nothing with it, as a bot that is killed right after its 200."""
    async with opened(keeper.database) as db:
        gateway = Gateway(keeper.slot.hs_token, db, Wakeups(), lambda: round(time.time() * 1000))
        async with listening(gateway.app, "127.0.0.1", keeper.slot.port):
            yield db


async def _is_stored(db: Database, event_id: str) -> bool:
    async with db.tx() as tx:
        return await inbox.is_known(tx, event_id)


# --- lost ---------------------------------------------------------------------------------------------------------


async def test_events_that_got_lost_are_found_in_the_room(own_keeper: OwnKeeper) -> None:
    """A homeserver that restarts forgets what it was about to deliver."""
    keeper = await own_keeper()
    garden = await keeper.plant(MIXED, alone=True)
    names = ("clicked", "withdrawn", "accepted", "again")
    people = {name: await garden.knocker(name, "visitor") for name in names}
    cards = {name: await garden.card(person) for name, person in people.items()}
    await keeper.stop()

    async with losing_everything(keeper) as lost:
        await garden.alice.react(garden.mods, cards["clicked"]["event_id"], "❌")
        await people["withdrawn"].retract(garden.room)
        await garden.alice.invite(garden.room, people["accepted"].user_id)
        await people["again"].knock(garden.room, "stranger")
        new = await garden.knocker("new", "friend")
        await until(lambda: _has(lost, new.user_id), bool, lambda _: "nothing was sent", within=40)

    await keeper.start()
    await garden.membership(people["clicked"], "leave")
    await garden.shown(people["withdrawn"], "withdrawn")
    await garden.shown(people["accepted"], "accepted", by=garden.alice.user_id)
    await garden.membership(people["again"], "leave")
    await garden.membership(new, "invite")
    await garden.caught_up()
    assert await garden.acts_of_the_bot() == Counter(
        {
            (people["clicked"].user_id, "leave"): 1,
            (people["again"].user_id, "leave"): 1,
            (new.user_id, "invite"): 1,
        }
    )


@asynccontextmanager
async def losing_everything(keeper: Keeper) -> AsyncIterator[list[str]]:
    """Acknowledge what the homeserver sends and forget it; gives what was lost."""
    lost: list[str] = []

    async def forget(request: web.Request) -> web.Response:
        lost.append(await request.text())
        return web.json_response({})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forget)
    async with listening(app, "127.0.0.1", keeper.slot.port):
        yield lost


async def _has(lost: list[str], text: str) -> bool:
    return any(text in one for one in lost)


# --- down ---------------------------------------------------------------------------------------------------------


async def test_what_happens_while_the_bot_is_down_is_answered_once_when_it_is_back(own_keeper: OwnKeeper) -> None:
    keeper = await own_keeper()
    garden = await keeper.plant(MIXED, alone=True)
    ana, ben, cleo = [await garden.knocker(name, "visitor") for name in ("ana", "ben", "cleo")]
    cards = [await garden.card(person) for person in (ana, ben, cleo)]
    crowd = await Crowd.of(garden, 4)
    await keeper.stop()

    await crowd.knock()
    await garden.alice.react(garden.mods, cards[0]["event_id"], "❌")
    command = await garden.tell(f"ban {block(cards[1])['number']}")
    await cleo.retract(garden.room)
    gone = await garden.knocker("gone", "friend")
    await gone.retract(garden.room)

    await keeper.start()
    await garden.membership(ana, "leave")
    await garden.membership(ben, "ban")
    await garden.answer_to(command)
    await garden.shown(cleo, "withdrawn")
    for kind, person in crowd.people:
        await garden.membership(person, EXPECTED[kind])
        await garden.shown(person)
    await garden.caught_up()
    acts = await garden.acts_of_the_bot()
    answered = {(person.user_id, EXPECTED[kind]): 1 for kind, person in crowd.people if kind != "visitor"}
    assert acts == Counter({**answered, (ana.user_id, "leave"): 1, (ben.user_id, "ban"): 1})
    await crowd.are_told_once()


async def test_a_restart_says_nothing_twice(own_keeper: OwnKeeper) -> None:
    keeper = await own_keeper()
    garden = await keeper.plant(MIXED, alone=True)
    crowd = await Crowd.of(garden, 4)
    await crowd.knock()
    await crowd.is_answered_once()
    before = [event["event_id"] for event in await garden.said()]

    for _ in range(3):
        await keeper.stop()
        await keeper.start()

    await garden.caught_up()
    assert [event["event_id"] for event in await garden.said()] == before


async def test_a_transaction_that_comes_again_is_handled_once(own_keeper: OwnKeeper) -> None:
    keeper = await own_keeper()
    garden = await keeper.plant("otherwise: reject", alone=True)
    ana = await garden.knocker()
    knock = await garden.alice.call(
        "GET", "rooms", garden.room, "state", "m.room.member", ana.user_id, query={"format": "event"}
    )
    await garden.membership(ana, "leave")
    command = await garden.tell("rooms")
    await garden.answer_to(command)
    said = await garden.alice.event(garden.mods, command)

    for transaction in ("1", "1", "1000000"):
        url = f"{keeper.slot.url}/_matrix/app/v1/transactions/{transaction}"
        headers = {"Authorization": f"Bearer {keeper.slot.hs_token}"}
        async with keeper.homeserver.http.put(url, json={"events": [knock, said]}, headers=headers) as answer:
            assert answer.status == 200

    await garden.caught_up_here()
    assert await garden.acts_on(ana) == ["leave"]
    assert len(await garden.answers_to(command)) == 1


async def test_a_click_taken_back_while_the_bot_is_down_says_nothing(own_keeper: OwnKeeper) -> None:
    keeper = await own_keeper()
    garden = await keeper.plant()
    ana = await garden.knocker()
    card = await garden.card(ana)
    await keeper.stop()
    click = await garden.alice.react(garden.mods, card["event_id"], "⛔")
    await garden.alice.redact(garden.mods, click)

    await keeper.start()

    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


# --- others fall --------------------------------------------------------------------------------------------------


async def test_a_database_that_drops_its_connections_costs_nobody_an_answer(
    on_postgres: InProcess, complaints: list[str]
) -> None:
    garden = await on_postgres.plant(MIXED)
    crowd = await Crowd.of(garden, 8)
    knocking = asyncio.create_task(crowd.knock())

    for place in (2, 5):
        await crowd.has_knocked(place)
        await drop_all_connections(on_postgres.database)

    await knocking
    await crowd.is_answered_once()
    complaints.clear()  # it says so, and goes on


async def drop_all_connections(database: str) -> None:
    """What a restart of PostgreSQL does to those it serves."""
    connection = await asyncpg.connect(database)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await connection.close()


async def test_a_homeserver_that_dies_and_comes_back_is_served_on(
    own_homeserver: LabHomeserver, sqlite_url: str
) -> None:
    keeper = InProcess(own_homeserver.take_slot(), sqlite_url)
    async with keeper.running():
        garden = await keeper.plant(MIXED)
        ana = await garden.knocker("ana", "visitor")
        card = await garden.card(ana)
        await garden.caught_up()
        own_homeserver.kill()
        await own_homeserver.start()

        await garden.alice.react(garden.mods, card["event_id"], "✅")
        friend = await garden.knocker("friend", "friend")

        await garden.membership(ana, "invite")
        await garden.membership(friend, "invite")
        await garden.shown(ana, "accepted")
        await garden.shown(friend, "accepted")


# --- stopped and started ------------------------------------------------------------------------------------------


async def test_sigterm_in_the_middle_of_work_ends_it_in_good_order(process: Process) -> None:
    async with process.running():
        garden = await process.plant(MIXED, alone=True)
        crowd = await Crowd.of(garden, 4)
        await crowd.knock()

        process.ask_to_stop()

        assert await process.ended() == 0
        assert "Traceback" not in process.said()
        await process.start()
        await crowd.is_answered_once()


async def test_a_second_process_on_the_same_sqlite_file_is_refused(process: Process, homeserver: LabHomeserver) -> None:
    second = Process(homeserver.take_slot(), process.database, process.directory)

    async with process.running():
        second.begin()
        status = await second.ended()

    assert status == 1
    (line,) = second.said().strip().splitlines()
    assert "another knockbot" in line


async def test_two_processes_on_one_postgresql_share_the_work(on_postgres: InProcess) -> None:
    twin = InProcess(on_postgres.slot, on_postgres.database, port=free_port())
    garden = await on_postgres.plant(MIXED, alone=True)
    crowd = await Crowd.of(garden, 8)

    async with twin.running():
        await crowd.knock()
        await crowd.is_answered_once()


async def test_a_knock_of_strange_text_is_kept_on_postgresql_too(on_postgres: InProcess) -> None:
    garden = await on_postgres.plant(alone=True)

    people = [await garden.knocker(reason=text) for text in ("NUL \0", {"a": "\0"}, "\U0001f600", "x" * 50_000)]

    for person in people:
        await garden.shown(person, "pending")
