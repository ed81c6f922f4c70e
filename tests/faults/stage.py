"""The stage: a Synapse, a database and one or two knockbots, with wires between them that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp

from knockbot.config.settings import can_encrypt
from knockbot.demo.homeserver import free_port
from knockbot.demo.people import MatrixRefused, Person, until
from knockbot.demo.story import ENCRYPTED
from tests.faults.ledger import DUE, NAMED, POLICY, Knocked, Ledger
from tests.faults.wire import Way, Wire
from tests.keeper import Garden, Process
from tests.lab import LabHomeserver, Postgres

WITHIN = 150.0
"""Seconds after which what is still not over counts as lost: the bot itself waits up to a minute between attempts."""

ENCRYPTION = {"allow": can_encrypt(), "pickle_key": "a secret of twenty characters at least"}

RULED = ("friend", "stranger", "spam", "visitor", "listed friend")

RULE = "m.policy.rule.user"


class Stage:
    """Everything there is, and who knocks."""

    def __init__(self, homeserver: LabHomeserver, postgres: Postgres | None, url: str, directory: Path) -> None:
        self.homeserver = homeserver
        self.postgres = postgres
        self.url = url
        self.ledger = Ledger(url)
        self.directory = directory
        self.bots: list[Process] = []
        self.lists: dict[str, str] = {}
        """The policy list of each garden."""
        slot = homeserver.take_slot()
        self.slot = slot
        self.to_bots = Wire(slot.port, "http://127.0.0.1:1")
        self.to_homeserver = Wire(free_port(), homeserver.url)

    async def more_bots(self, number: int) -> None:
        """Start so many knockbots on the database."""
        for _ in range(number):
            port = free_port()
            directory = self.directory / f"bot-{len(self.bots)}"
            directory.mkdir(parents=True)
            address = {"address": self.to_homeserver.url, "domain": self.homeserver.name}
            bot = Process(self.slot, self.url, directory, port=port, homeserver=address, encryption=ENCRYPTION)
            self.bots.append(bot)
            self.to_bots.behind = [f"http://127.0.0.1:{bot.port}" for bot in self.bots]
        await asyncio.gather(*(bot.start() for bot in self.bots[-number:]))

    async def garden(self, *, sealed: bool = False) -> Garden:
        """A new garden with a management room of its own, encrypted if it is to be `sealed`."""
        if not sealed:
            alice = await self.homeserver.person()
            return await self._planted(alice, await alice.create_room(invite=[self.bots[0].user_id]))
        from tests import sealed as rooms  # noqa: PLC0415 - there only with the extra

        alice = await rooms.moderator(self.homeserver)
        mods = await alice.create_room(invite=[self.bots[0].user_id], initial_state=ENCRYPTED)
        return await self._planted(alice, mods)

    async def _planted(self, alice: Person, mods: str) -> Garden:
        """A garden whose policy follows a policy list of its own."""
        bans = await alice.create_room("Bans", invite=[self.bots[0].user_id])
        garden = await self.bots[0].plant(POLICY.format(bans=bans), alice=alice, mods=mods)
        self.lists[garden.room] = bans
        return garden

    async def name_who_waits(self, one: Knocked) -> None:
        """An entry for somebody arrives while they wait: they are banned, by no moderator."""
        one.due = NAMED
        await self.name(one)

    async def name(self, one: Knocked) -> None:
        """An entry for somebody arrives on the policy list of their garden."""
        entry = {"entity": one.person.user_id, "recommendation": "m.ban", "reason": "spam elsewhere"}
        alice, bans = one.garden.alice, self.lists[one.garden.room]

        async def put() -> None:
            await alice.put_state(bans, RULE, entry, key=f"rule:{one.person.user_id}")

        await self._insisting(put)

    async def crowd(self, garden: Garden, reasons: Sequence[str]) -> list[Knocked]:
        """People who will knock for these reasons, and have not yet."""
        people = [Knocked(await garden.person(_called(reason)), garden, reason) for reason in reasons]
        self.ledger.everybody += people
        return people

    async def crowds(self, gardens: Sequence[Garden], reasons: Sequence[str]) -> list[list[Knocked]]:
        """The same people at each of several gardens, for accounts cost more than knocks do."""
        people = [(await gardens[0].person(_called(reason)), reason) for reason in reasons]
        crowds = [[Knocked(person, garden, reason) for person, reason in people] for garden in gardens]
        self.ledger.everybody += [one for crowd in crowds for one in crowd]
        return crowds

    async def knock(self, crowd: Sequence[Knocked], pause: float = 0.0) -> None:
        """They all knock, one after the other, also at a homeserver that is restarted meanwhile."""
        for one in crowd:
            if one.due == "listed friend":
                await self.name(one)
            try:
                await one.person.knock(one.garden.room, one.due)
            except (aiohttp.ClientError, OSError, MatrixRefused):
                await self._insisting(partial(self._knock_again, one))
            await asyncio.sleep(pause)

    async def _knock_again(self, one: Knocked) -> None:
        # What broke in the middle may have got through; knocking again after an answer would be another knock.
        if await one.garden.alice.membership(one.garden.room, one.person.user_id) is None:
            await one.person.knock(one.garden.room, one.due)

    async def click(self, one: Knocked, emoji: str) -> None:
        """A moderator answers the card of somebody who waits."""
        one.due = emoji
        card = one.card or (await one.garden.shown(one.person, "pending"))["event_id"]
        await self._insisting(lambda: self._click(one, card, emoji))

    async def _click(self, one: Knocked, card: str, emoji: str) -> None:
        with contextlib.suppress(MatrixRefused):  # there it is already
            await one.garden.alice.react(one.garden.mods, card, emoji)

    async def _insisting(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do something as soon as the homeserver is there for it."""

        async def tried() -> bool:
            try:
                await asyncio.wait_for(act(), 30)
            except (aiohttp.ClientError, OSError, TimeoutError):
                return False
            return True

        await until(tried, bool, lambda _: "the homeserver did not come back", within=WITHIN)

    async def settled(self, within: float = WITHIN) -> str:
        """Wait until it is all over; what is missing, if it is not even then."""
        missing = ""

        async def look() -> str:
            nonlocal missing
            missing = await self.ledger.what_is_missing()
            await asyncio.sleep(0.2)
            return missing

        with contextlib.suppress(Exception):
            await until(look, lambda said: not said, lambda said: said, within=within)
        return missing

    async def note_cards(self) -> None:
        """Find the cards of those who wait, while the homeserver is well."""
        for one in self.ledger.everybody:
            if one.due == "visitor" and one.card is None:
                one.card = (await one.garden.shown(one.person, "pending"))["event_id"]

    def open_wires(self) -> None:
        """Let everything through."""
        self.to_bots.go(Way.OPEN)
        self.to_homeserver.go(Way.OPEN)

    def logs(self) -> str:
        """What every knockbot said."""
        return "\n".join(bot.said() for bot in self.bots)


@asynccontextmanager
async def staged(directory: Path, engine: str, *, bots: int = 1) -> AsyncIterator[Stage]:
    """A stage with everything of its own, so that all of it can be broken."""
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(Postgres(durable=True)) if engine == "postgres" else None
        url = await postgres.create_database() if postgres is not None else f"sqlite:{directory / 'knockbot.db'}"
        homeserver = await stack.enter_async_context(LabHomeserver(directory / "homeserver", slots=1))
        stage = Stage(homeserver, postgres, url, directory)
        await stack.enter_async_context(stage.to_bots)
        await stack.enter_async_context(stage.to_homeserver)
        try:
            await stage.more_bots(bots)
            yield stage
        finally:
            stage.open_wires()
            for bot in stage.bots:
                with contextlib.suppress(Exception):
                    await bot.stop()


def _called(reason: str) -> str:
    return reason.replace(" ", "-")


def reasons(chance: random.Random, number: int) -> list[str]:
    """So many reasons, each kind about as often."""
    found = [RULED[place % len(RULED)] for place in range(number)]
    chance.shuffle(found)
    return found


def answers() -> list[str]:
    """What a moderator may click."""
    return [due for due in DUE if due not in (*RULED, NAMED)]
