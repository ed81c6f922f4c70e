"""Policy lists where an entry and a knock come at once: in one transaction, or to different processes."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from knockbot.demo.homeserver import free_port
from knockbot.demo.people import Json, Person, until
from tests.faults.wire import Way, Wire
from tests.journey.test_lists import DOOR, bans, entry
from tests.keeper import WITHIN, Garden, InProcess, Process
from tests.lab import LabHomeserver

RULES = frozenset({"m.policy.rule.user"})


class Door(Wire):
    """The wire to one knockbot or to several; it keeps what each transaction held, and may hand some to one of them."""

    def __init__(self, port: int, *behind: str) -> None:
        super().__init__(port, *behind)
        self.transactions: list[list[Json]] = []
        self.entries_go_to: str | None = None
        """Which of several is handed the transactions that hold entries, and nothing else."""

    def whom(self, body: bytes) -> Sequence[str]:
        """All of them in turn, unless those that get entries get nothing else."""
        events = json.loads(body).get("events", []) if body else []
        if events:
            self.transactions.append(events)
        if self.entries_go_to is None or not events:
            return super().whom(body)
        if any(event["type"] in RULES for event in events):
            return [self.entries_go_to]
        return [one for one in super().whom(body) if one != self.entries_go_to]

    def one_held(self, *event_ids: str) -> bool:
        """Whether one transaction held all of these."""
        return any({event["event_id"] for event in events} >= {*event_ids} for events in self.transactions)


async def is_queued(homeserver: LabHomeserver, *event_ids: str) -> bool:
    """Whether the homeserver has these in the queues of its application services, sent or not, by its own records."""

    def look() -> bool:
        with sqlite3.connect(f"file:{homeserver.directory / 'homeserver.db'}?mode=ro", uri=True) as records:
            (queued,) = records.execute("SELECT stream_ordering FROM appservice_stream_position").fetchone()
            places = [
                records.execute("SELECT stream_ordering FROM events WHERE event_id = ?", [one]).fetchone()
                for one in event_ids
            ]
        return all(place is not None and place[0] <= queued for place in places)

    return await asyncio.to_thread(look)


async def knock(garden: Garden, who: Person) -> str:
    """They knock; the event."""
    await who.knock(garden.room)
    path = ("rooms", garden.room, "state", "m.room.member", who.user_id)
    return str((await garden.alice.call("GET", *path, query={"format": "event"}))["event_id"])


# --- in one transaction -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Held:
    """A bot behind a door that can be held."""

    door: Door
    keeper: InProcess

    async def at_once(self, garden: Garden, liz: Person, bans: str, who: Person, *, entry_first: bool) -> None:
        """An entry for somebody and their knock, in this order or the other, both queued before either is sent."""
        before = len(self.door.transactions)
        self.door.go(Way.LATE)
        await garden.alice.say(garden.mods, "…")
        await until(self._sent(before), bool, lambda _: "nothing is held up", within=WITHIN)
        if entry_first:
            both = [await entry(liz, bans, who.user_id), await knock(garden, who)]
        else:
            both = [await knock(garden, who), await entry(liz, bans, who.user_id)]
        homeserver = self.keeper.homeserver
        await until(lambda: is_queued(homeserver, *both), bool, lambda _: "they were not queued", within=WITHIN)
        self.door.go(Way.OPEN)
        await until(self._sent(before + 1), bool, lambda _: "they were not sent", within=WITHIN)
        assert self.door.one_held(*both), self.door.transactions[before:]

    def _sent(self, before: int) -> Callable[[], Awaitable[bool]]:
        async def look() -> bool:
            return len(self.door.transactions) > before

        return look


@pytest.fixture
async def held(homeserver: LabHomeserver, sqlite_url: str) -> AsyncIterator[Held]:
    """A bot of the test's own, behind a door that can be held."""
    slot = homeserver.take_slot()
    keeper = InProcess(slot, sqlite_url, port=free_port())
    async with Door(slot.port, f"http://127.0.0.1:{keeper.port}") as door, keeper.running():
        yield Held(door, keeper)


@pytest.mark.parametrize("entry_first", [True, False], ids=["entry first", "knock first"])
async def test_an_entry_and_a_knock_in_one_transaction_let_nobody_in(held: Held, entry_first: bool) -> None:
    garden = await held.keeper.plant()
    liz = await garden.person("liz")
    room = await bans(liz)
    await garden.set_policy(DOOR.format(room=room, then="ban", otherwise="accept"))
    ana = await garden.knocker("ana")
    await garden.membership(ana, "invite")  # the list was read

    for _ in range(3):
        eve = await garden.person("eve")
        await held.at_once(garden, liz, room, eve, entry_first=entry_first)

        await garden.membership(eve, "ban")
        await garden.shown(eve, "banned", rule="list community")
        assert await garden.acts_on(eve) == ["ban"]


# --- to several processes -----------------------------------------------------------------------------------------


@pytest.fixture
async def three(homeserver: LabHomeserver, postgres_url: str, tmp_path: Path) -> AsyncIterator[tuple[Door, Process]]:
    """Three processes on one database, behind a door; entries go to the first of them, all else to the others."""
    slot = homeserver.take_slot()
    ports = [free_port() for _ in range(3)]
    directories = [tmp_path / f"process-{number}" for number in range(3)]
    async with Door(slot.port, *(f"http://127.0.0.1:{port}" for port in ports)) as door, AsyncExitStack() as stack:
        door.entries_go_to = door.behind[0]
        processes = []
        for port, directory in zip(ports, directories, strict=True):
            directory.mkdir()
            processes.append(Process(slot, postgres_url, directory, port=port))
            await stack.enter_async_context(processes[-1].running())
        yield door, processes[0]


async def test_an_entry_to_one_process_and_a_knock_to_another_ban_them(three: tuple[Door, Process]) -> None:
    door, process = three
    garden = await process.plant(alone=True)
    liz = await garden.person("liz")
    room = await bans(liz)
    await garden.set_policy(DOOR.format(room=room, then="ban", otherwise="accept"))
    first = await garden.knocker("first")
    await garden.membership(first, "invite")  # the list was read

    before = [await garden.person("eve") for _ in range(4)]
    after = [await garden.person("mal") for _ in range(4)]
    others = [await garden.person("ana") for _ in range(4)]
    for early, late, other in zip(before, after, others, strict=True):
        await entry(liz, room, early.user_id)
        await early.knock(garden.room)
        await late.knock(garden.room)
        await entry(liz, room, late.user_id)
        await other.knock(garden.room)

    for who in others:
        await garden.membership(who, "invite")
    for who in (*before, *after):
        await garden.membership(who, "ban")
        await garden.shown(who, "banned", rule="list community")
    # The homeserver hands over one transaction after the other: these entries were stored before the knocks came.
    assert [await garden.acts_on(who) for who in before] == [["ban"]] * len(before)
    assert {(await garden.acts_on(who)).count("ban") for who in after} == {1}
    assert all(door.taken[one] for one in door.behind)
