"""The stage: a Synapse, a database and one or two knockbots, with wires between them that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
from mautrix.errors import MatrixConnectionError

from knockbot.config.settings import can_encrypt
from knockbot.demo.homeserver import free_port
from knockbot.demo.people import Json, MatrixRefused, NothingHappened, Person, until
from knockbot.demo.story import ENCRYPTED
from knockbot.times import HOUR, MINUTE
from tests.faults.course import BY_REASON, HELD_BACK, WAITS, Course
from tests.faults.ledger import BUSY, CALM, TIMED, Door, Knocked, Ledger, now
from tests.faults.wire import Way, Wire
from tests.keeper import Process, in_reply_to, reacts_to
from tests.lab import LabHomeserver, Postgres

WITHIN = 150.0
"""Seconds after which what is still not over counts as lost: the bot itself waits up to a minute between attempts."""

ENCRYPTION = {"allow": can_encrypt(), "pickle_key": "a secret of twenty characters at least"}

REASONS = tuple(BY_REASON)

ENCRYPTED_EVENT = "m.room.encrypted"

PATIENCE = 40.0
"""Seconds after which a moderator types a command again that nobody answers."""

TRIES = 4

QUIET_LOOKS = 4

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
        self._typing: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """Each person types one message at a time, as their client shares its keys."""
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
            more = {"homeserver": address, "encryption": ENCRYPTION, "notices": {"per_day": 10_000}}
            bot = Process(self.slot, self.url, directory, port=port, **more)
            self.bots.append(bot)
            self.to_bots.behind = [f"http://127.0.0.1:{bot.port}" for bot in self.bots]
        await asyncio.gather(*(bot.start() for bot in self.bots[-number:]))

    async def door(self, *, sealed: bool = False, busy: bool = False, timed: bool = False) -> Door:
        """A new garden with a management room of its own, encrypted if it is to be `sealed`; `busy`: with waves;
        `timed`: with votes, letters, reminders, and quiet hours that are over soon."""
        alice = await self._moderator("alice", sealed=sealed)
        state = ENCRYPTED if sealed else ()
        mods = await alice.create_room(invite=[self.bots[0].user_id], initial_state=state)
        bans = await alice.create_room("Bans", invite=[self.bots[0].user_id])
        quiet_until = (now() // MINUTE + QUIET_FOR) * MINUTE if timed else None
        written = TIMED if timed else BUSY if busy else CALM
        policy = written.format(bans=bans, alice=alice.user_id, quiet=_hours(quiet_until or 0))
        garden = await self.bots[0].plant(policy, alice=alice, mods=mods)
        mona, nora = [await self._moderator(name, sealed=sealed) for name in ("mona", "nora")]
        cara = await self._moderator("cara", sealed=sealed) if timed else None
        door = Door(garden, bans, mona, nora, busy, cara, quiet_until)
        for person in filter(None, (mona, nora, cara)):
            await garden.bring(person, garden.mods)
            await garden.bring(person, garden.room)
            await garden.give_power(person.user_id, 50)
        self.ledger.doors.append(door)
        return door

    async def _moderator(self, name: str, *, sealed: bool) -> Person:
        if not sealed:
            return await self.homeserver.person(name)
        from tests import sealed as rooms  # noqa: PLC0415 - there only with the extra

        return await rooms.moderator(self.homeserver, name)

    # --- who knocks -----------------------------------------------------------------------------------------------

    async def crowd(self, door: Door, reasons: Sequence[str]) -> list[Knocked]:
        """People who will knock for these reasons, and have not yet."""
        people = [await door.garden.person(_called(reason)) for reason in reasons]
        return self._expected(door, zip(people, reasons, strict=True))

    async def crowds(self, doors: Sequence[Door], reasons: Sequence[str]) -> list[list[Knocked]]:
        """The same people at each of several doors, for accounts cost more than knocks do."""
        people = [(await doors[0].garden.person(_called(reason)), reason) for reason in reasons]
        return [self._expected(door, people) for door in doors]

    def _expected(self, door: Door, people: Iterable[tuple[Person, str]]) -> list[Knocked]:
        crowd = [Knocked(person, door.garden, reason, begins(door, reason)) for person, reason in people]
        self.ledger.everybody += crowd
        return crowd

    async def knock(self, door: Door, crowd: Sequence[Knocked], pause: float = 0.0) -> None:
        """They all knock, one after the other, also at a homeserver that is restarted meanwhile."""
        for one in crowd:
            if one.reason == "listed friend":
                await self.name(door, one)
            one.begins = begins(door, one.reason)
            try:
                await one.person.knock(one.garden.room, one.reason)
            except (aiohttp.ClientError, OSError, MatrixRefused):
                await self._insisting(partial(self._knock_again, one))
            await asyncio.sleep(pause)

    async def _knock_again(self, one: Knocked) -> None:
        # What broke in the middle may have got through; knocking again after an answer would be another knock.
        if await one.garden.alice.membership(one.garden.room, one.user_id) is None:
            await one.person.knock(one.garden.room, one.reason)

    async def name(self, door: Door, one: Knocked) -> None:
        """An entry for somebody arrives on the policy list of their garden."""
        entry = {"entity": one.user_id, "recommendation": "m.ban", "reason": "spam elsewhere"}

        async def put() -> None:
            await door.garden.alice.put_state(door.bans, RULE, entry, key=f"rule:{one.user_id}")

        await self._insisting(put)

    # --- what moderators do ---------------------------------------------------------------------------------------

    async def react(self, door: Door, event_id: str, emoji: str, *, by: Person | None = None) -> None:
        """A moderator, alice if nobody else is named, puts an emoji on a message."""

        async def act() -> None:
            with contextlib.suppress(MatrixRefused):  # there it is already
                await (by or door.garden.alice).react(door.garden.mods, event_id, emoji)

        await self._insisting(act)

    async def click(self, door: Door, event_id: str, emoji: str, *, by: Person) -> str:
        """The same; returns its event."""
        await self.react(door, event_id, emoji, by=by)

        def is_it(event: Json) -> bool:
            key = event["content"].get("m.relates_to", {}).get("key")
            return (event["sender"], reacts_to(event), key) == (by.user_id, event_id, emoji)

        found = await self._heard(door, is_it, PATIENCE)
        assert found is not None
        return str(found["event_id"])

    async def unclick(self, door: Door, click: str, *, by: Person) -> None:
        """Whoever reacted takes that back."""

        async def act() -> None:
            await by.redact(door.garden.mods, click)

        await self._insisting(act)

    async def tell(self, door: Door, command: str, *, by: Person | None = None) -> str:
        """A moderator types a command, once, whatever breaks meanwhile; returns its event."""
        return await self._say(door, f"!kb {command}", by or door.garden.alice)

    async def _say(self, door: Door, text: str, person: Person) -> str:
        room, transaction = door.garden.mods, secrets.token_hex(8)
        content = {"msgtype": "m.text", "body": text}
        seal = getattr(person, "seal", None)  # there where their client encrypts
        sealed: list[Json] = []
        sent: list[str] = []

        async def send() -> None:
            if seal is not None and not sealed:
                sealed.append(await seal(room, "m.room.message", content))
            kind, what = (ENCRYPTED_EVENT, sealed[0]) if sealed else ("m.room.message", content)
            answer = await person.call("PUT", "rooms", room, "send", kind, transaction, body=what)
            sent.append(str(answer["event_id"]))

        async with self._typing[person.user_id]:
            await self._insisting(send)
        return sent[0]

    async def command(self, door: Door, command: str, *, by: Person | None = None) -> list[str]:
        """A moderator types a command until it is answered, as people do; returns its events, the answered one last.

        What a homeserver was about to deliver when it was killed, it never delivers: a command, or the key of one.
        """
        person = by or door.garden.alice
        new_key = getattr(person, "use_another_key", None)  # there where their client encrypts
        told: list[str] = []
        for _ in range(TRIES):
            told.append(await self.tell(door, command, by=by))
            if await self._heard(door, lambda event: _answers(door, event, told[-1]), PATIENCE) is not None:
                return told
            if new_key is not None:
                await new_key(door.garden.mods)
        raise AssertionError(f"nobody answered {command!r}, though it was typed {TRIES} times")

    async def speak(self, one: Knocked, talk: str, text: str) -> None:
        """An applicant writes something in their conversation, and again if nobody answers."""
        bot = one.garden.keeper.user_id
        for _ in range(TRIES):
            sent = await self._sent(one.person, talk, text)

            async def answers(sent: str = sent) -> bool:
                said: list[Json] = []

                async def listen() -> None:
                    said[:] = await one.person.messages(talk, limit=50)

                await self._insisting(listen)
                return any(event["sender"] == bot and in_reply_to(event) == sent for event in said)

            with contextlib.suppress(NothingHappened):
                await until(answers, bool, str, within=PATIENCE)
                return
        raise AssertionError(f"nobody answered the applicant's {text!r}, though it was typed {TRIES} times")

    async def _sent(self, person: Person, room: str, text: str) -> str:
        transaction, sent = secrets.token_hex(8), list[str]()

        async def send() -> None:
            await person.join(room)
            content = {"msgtype": "m.text", "body": text}
            answer = await person.call("PUT", "rooms", room, "send", "m.room.message", transaction, body=content)
            sent.append(str(answer["event_id"]))

        await self._insisting(send)
        return sent[0]

    async def answer(self, door: Door, event_id: str) -> Json:
        """The bot's answer to a command, which is there."""
        found = await self._heard(door, lambda event: _answers(door, event, event_id), PATIENCE)
        assert found is not None
        return found

    async def _heard(self, door: Door, wanted: Callable[[Json], bool], within: float) -> Json | None:
        """The first event of the management room for which this holds, also from a homeserver that is away at times."""
        found: list[Json] = []
        ears = door.garden._ears
        deadline = asyncio.get_running_loop().time() + within

        async def listen() -> None:
            found[:] = [event for event in await ears.listen() if wanted(event)][:1]

        while not found and asyncio.get_running_loop().time() < deadline:
            await self._insisting(listen)
            await asyncio.sleep(0.1)
        return found[0] if found else None

    async def _insisting(self, act: Callable[[], Awaitable[None]]) -> None:
        """Do something as soon as the homeserver is there for it."""

        async def tried() -> bool:
            try:
                await asyncio.wait_for(act(), 30)
            except (aiohttp.ClientError, OSError, TimeoutError, MatrixConnectionError):
                return False
            except MatrixRefused as refused:
                if refused.status < 500:  # it says no, and is not about to stop
                    raise
                return False
            return True

        await until(tried, bool, lambda _: "the homeserver did not come back", within=WITHIN)

    async def settled(self, within: float = WITHIN) -> str:
        """Wait until it is all over; what is missing, if it is not even then.

        The homeserver delivers in order, so what is said last comes last; and it is over once several looks in a row,
        during which what waits for an echo would begin, find nothing to do.
        """
        last = [await self._say(door, "…", door.garden.alice) for door in self.ledger.doors]
        missing, quiet = "", 0

        async def look() -> int:
            nonlocal missing, quiet
            missing = await self.ledger.what_is_missing(last)
            quiet = 0 if missing else quiet + 1
            await asyncio.sleep(0.3)
            return quiet

        with contextlib.suppress(NothingHappened):
            await until(look, lambda count: count >= QUIET_LOOKS, str, within=within)
        return missing

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


QUIET_FOR = 2
"""Minutes from a door's beginning until its quiet hours end."""


def _hours(until: int) -> str:
    """Quiet hours since an hour before this time (UTC)."""
    return "-".join(time.strftime("%H:%M", time.gmtime(at / 1000)) for at in (until - HOUR, until))


def _called(reason: str) -> str:
    return reason.replace(" ", "-")


def reasons(chance: random.Random, number: int) -> list[str]:
    """So many reasons, each kind about as often."""
    found = [REASONS[place % len(REASONS)] for place in range(number)]
    chance.shuffle(found)
    return found


def begins(door: Door, reason: str) -> frozenset[Course]:
    """What a knock for this reason may lead to by itself: in a wave, rules accept nobody."""
    if reason != "friend" or not door.busy:
        return frozenset({BY_REASON[reason]})
    return frozenset({WAITS} if door.holds else {WAITS, HELD_BACK, BY_REASON[reason]})


def _answers(door: Door, event: Json, event_id: str) -> bool:
    ours = event["sender"] == door.garden.keeper.user_id
    return bool(ours and event["content"] and event_id in (in_reply_to(event), reacts_to(event)))
