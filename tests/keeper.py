"""A knockbot to test with, in this process or as one of its own, and gardens: rooms whose door it keeps."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from knockbot.app import service
from knockbot.config.settings import read_settings
from knockbot.demo.people import Json, NothingHappened, Person, until
from knockbot.documents.text import without_marks
from knockbot.errors import Unavailable
from knockbot.flow.context import Context
from knockbot.flow.keys import SEALED
from knockbot.matrix import watching
from knockbot.store import inbox
from tests import warm
from tests.lab import DoorSlot, LabHomeserver
from tests.warm import Warm

WITHIN = 60.0
"""Seconds that anything is waited for: nothing takes so long but on a machine that is busy with other things."""

THROUGH_WITHIN = watching.PINGS + watching.WATCH + WITHIN
"""Seconds that the homeserver's last word is waited for: it may hold it back until the bot's next ping."""

SIGTERM_WITHIN = 25.0
"""Seconds that a process may drain, and some to start Python's own end."""


def config(slot: DoorSlot, database: str, port: int, more: Mapping[str, Any]) -> dict[str, Any]:
    """A config.yaml for this slot: whoever lives on the homeserver may have rooms protected."""
    return {
        "homeserver": {"address": slot.homeserver.url, "domain": slot.homeserver.name},
        "appservice": {
            "address": slot.url,
            "port": port,
            "id": slot.id,
            "bot_username": slot.bot_localpart,
            "as_token": slot.as_token,
            "hs_token": slot.hs_token,
        },
        "database": database,
        "permissions": {slot.homeserver.name: "user"},
        **more,
    }


# --- bots ---------------------------------------------------------------------------------------------------------


class Keeper(ABC):
    """A knockbot on a slot of a homeserver. Stopped, it starts again on the same database."""

    def __init__(self, slot: DoorSlot, database: str, *, port: int | None = None, **more: Any) -> None:
        self.slot = slot
        self.homeserver = slot.homeserver
        self.database = database
        self.port = port or slot.port
        """Where it listens: where the homeserver expects it, unless it is one of several on one database."""
        self.config = config(slot, database, self.port, more)
        self._gardens: dict[str, Garden] = {}
        self._ears: dict[tuple[str, str], Ears] = {}
        self._house: tuple[Person, str] | None = None

    @property
    def user_id(self) -> str:
        """The bot's user id."""
        return self.slot.bot_id

    @abstractmethod
    async def start(self) -> None:
        """Start it, and return once it is ready."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop it in good order; nothing if it is not running."""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Keeper]:
        """Running for as long as the block lasts, unless it is stopped or killed inside."""
        try:
            await self.start()
            yield self
        finally:
            await self.stop()

    async def is_ready(self) -> bool:
        """Whether it says that it is."""
        try:
            async with self.homeserver.http.get(f"http://127.0.0.1:{self.port}/_matrix/mau/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    def ears(self, person: Person, room: str) -> Ears:
        """What somebody has heard in a room, from its beginning."""
        return self._ears.setdefault((person.user_id, room), Ears(person, room))

    async def catch_up(self, garden: Garden) -> None:
        """Return once the bot has dealt with all that has happened in a garden so far.

        The events of a room are handled in order, and what is said in a room is said in order: so a new knock that
        is shown, and then a command that is replied to, come after everything.
        """
        late = await garden.knocker("late")
        await garden.shown(late)
        await garden.command("help")

    # --- gardens ----------------------------------------------------------------------------------------------

    async def plant(
        self,
        policy: str | None = None,
        *,
        alone: bool = False,
        alice: Person | None = None,
        mods: str | None = None,
        bot_level: int | None = 50,
        levels: Mapping[str, Any] | None = None,
        protect: bool = True,
        room_version: str | None = None,
        join_rule: Mapping[str, Any] | None = None,
        **room: Any,
    ) -> Garden:
        """A new garden: alice makes the room, lets the bot in and has it keep the door.

        All gardens share one alice and one management room, but one that stands `alone` or has others given.
        """
        if alice is None and mods is None and not alone:
            alice, mods = await self._shared_house()
        alice = alice or await self.homeserver.person("alice")
        users = {self.user_id: bot_level} if bot_level is not None else {}
        users |= (levels or {}).get("users", {})
        if room_version is not None and int(room_version) < 12:
            users[alice.user_id] = 100  # from version 12 on the creator stands above all levels instead
        garden_room = await alice.create_room(
            room.pop("name", "Garden"),
            invite=[self.user_id],
            power_levels={**(levels or {}), "users": users},
            room_version=room_version,
            initial_state=[{"type": "m.room.join_rules", "content": join_rule or {"join_rule": "knock"}}],
            **room,
        )
        mods = mods or await alice.create_room(invite=[self.user_id])
        garden = Garden(self, alice, garden_room, mods)
        for place in (garden_room, mods):
            await alice.wait_for_membership(place, self.user_id, "join")
        if protect:
            await garden.command(f"protect {garden_room}", expect="is now protected")
        if policy is not None:
            await garden.set_policy(policy)
        return garden

    async def _shared_house(self) -> tuple[Person, str]:
        if self._house is None:
            alice = await self.homeserver.person("alice")
            self._house = alice, await alice.create_room(invite=[self.user_id])
        return self._house

    async def garden(self, policy: str | None = None, **room: Any) -> Garden:
        """A garden planted so once, and shared by all who bring their own applicants and leave it as it was."""
        key = repr((policy, room))
        if key not in self._gardens:
            self._gardens[key] = await self.plant(policy, **room)
        return self._gardens[key]

    async def ruled(self, policy: str | None = None) -> Garden:
        """The shared garden whose policy each test sets for itself, now or later; no other trace may be left there."""
        garden = await self.garden("otherwise: forward  # until somebody sets another")
        if policy is not None:
            await garden.set_policy(policy)
        return garden


class InProcess(Keeper):
    """A knockbot in this process: quick to start and to stop."""

    context: Context

    def __init__(self, slot: DoorSlot, database: str, **more: Any) -> None:
        super().__init__(slot, database, **more)
        self._task: asyncio.Task[None] | None = None
        self._end = asyncio.Event()

    async def start(self) -> None:
        """Start it, and return once it is ready."""
        self._end = asyncio.Event()
        self._task = asyncio.create_task(self._run())
        await until(self._settled, bool, lambda _: "knockbot did not get ready", within=WITHIN)
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Stop it in good order; nothing if it is not running."""
        self._end.set()
        if self._task is not None:
            task, self._task = self._task, None
            await task

    async def catch_up(self, garden: Garden) -> None:
        """The same, cheaper: the homeserver delivers in order, so all that came before a last word is there with it."""
        last_word = await garden.alice.say(garden.mods, "…")
        await until(
            lambda: self._left(last_word),
            lambda left: not left,
            lambda left: f"knockbot did not get through: {left}",
            within=THROUGH_WITHIN,
        )

    async def _left(self, last_word: str) -> str:
        """What keeps it from being through; empty once this message came in, and nothing is left to do now."""
        busy = "SELECT key, state, why FROM jobs WHERE state = 'running' OR (state = 'due' AND due_at <= $1)"
        async with self.context.db.tx() as tx:
            if not await inbox.is_known(tx, last_word):
                return "the homeserver has not told it of the last message"
            if waiting := await inbox.queues_waiting(tx):
                return f"events wait in {waiting}"
            if self.context.wakeups.unchecked:
                return f"it has yet to look at {self.context.wakeups.unchecked}"
            row = await tx.fetchrow(busy, self.context.now())
            return f"it has yet to do {tuple(row)}" if row is not None else ""

    async def _run(self) -> None:
        settings = read_settings(self.config)
        async with service(settings) as self.context:
            await self._end.wait()

    async def _settled(self) -> bool:
        return self._task is None or self._task.done() or await self.is_ready()


class Process(Keeper):
    """A knockbot as a process of its own, which may be killed."""

    def __init__(self, slot: DoorSlot, database: str, directory: Path, **more: Any) -> None:
        super().__init__(slot, database, **more)
        self.directory = directory
        self.log = directory / f"{slot.id}.log"
        self._process: Warm | None = None

    async def start(self) -> None:
        """Start it, and return once it is ready."""
        self.begin()
        await until(self._settled, bool, lambda _: f"knockbot did not get ready:\n{self.said()}", within=WITHIN)
        if self._process is not None and self._process.poll() is not None:
            raise Unavailable(f"knockbot ended while starting:\n{self.said()}")

    async def stop(self) -> None:
        """Stop it in good order; nothing if it is not running."""
        if self._process is not None and self._process.poll() is None:
            self.ask_to_stop()
            await self.ended()

    def begin(self) -> None:
        """Start it without waiting for anything."""
        config_file = self.write_config()
        self._process = Warm(warm.knockbot, ["run", "-c", str(config_file)], self.directory, self.log)

    def write_config(self) -> Path:
        """Write its config.yaml as `config` says now."""
        config_file = self.directory / f"{self.slot.id}.yaml"
        config_file.write_text(json.dumps(self.config))
        return config_file

    def ask_to_stop(self) -> None:
        """SIGTERM."""
        self._running.terminate()

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        self._running.send_signal(signal.SIGKILL)
        self._running.wait()

    async def ended(self) -> int:
        """Its exit status, once it has ended; killed if it does not."""
        process = self._running
        try:
            return await asyncio.to_thread(process.wait, SIGTERM_WITHIN)
        finally:
            process.kill()
            process.wait()

    def said(self) -> str:
        """What it wrote to its log, in all its runs."""
        return self.log.read_text(errors="replace")

    async def heard(self) -> str:
        """The same, to be waited for."""
        return self.said()

    @property
    def _running(self) -> Warm:
        assert self._process is not None
        return self._process

    async def _settled(self) -> bool:
        return self._running.poll() is not None or await self.is_ready()


# --- gardens ------------------------------------------------------------------------------------------------------

REQUEST = "org.knockbot.request"
REQUESTS = "org.knockbot.requests"


@dataclass(frozen=True, slots=True)
class Garden:
    """A room whose door is kept, its management room, and alice, who made both and may do everything."""

    keeper: Keeper
    alice: Person
    room: str
    mods: str

    # --- people -----------------------------------------------------------------------------------------------

    async def person(self, name: str = "ana") -> Person:
        """A new user of the homeserver."""
        return await self.keeper.homeserver.person(name)

    async def knocker(self, name: str = "ana", reason: Any = None) -> Person:
        """Somebody new who knocks here."""
        person = await self.person(name)
        await person.knock(self.room, reason)
        return person

    async def moderator(self, name: str = "mona", *, level: int | None = 50, joined: bool = True) -> Person:
        """Somebody in the management room, with this level in the protected room, and joined to it or not."""
        person = await self.person(name)
        await self.bring(person, self.mods)
        if joined:
            await self.bring(person, self.room)
        if level is not None:
            await self.give_power(person.user_id, level)
        return person

    async def bring(self, person: Person, room: str) -> None:
        """Alice invites, and they join."""
        await self.alice.invite(room, person.user_id)
        await person.join(room)

    async def bring_into(self, room: str, *, by: Person) -> None:
        """Somebody invites alice into a room of theirs, and she joins."""
        await by.invite(room, self.alice.user_id)
        await self.alice.join(room)

    async def give_power(self, user_id: str, level: int) -> None:
        """Alice gives somebody a level in the protected room."""
        levels = await self.alice.state(self.room, "m.room.power_levels") or {}
        users = {**levels.get("users", {}), user_id: level}
        await self.alice.put_state(self.room, "m.room.power_levels", {**levels, "users": users})

    @property
    def _ears(self) -> Ears:
        return self.keeper.ears(self.alice, self.mods)

    # --- the bot's words --------------------------------------------------------------------------------------

    async def tell(self, command: str, *, by: Person | None = None, **how: Any) -> str:
        """Somebody types a command; returns its event id."""
        return await (by or self.alice).say(self.mods, f"!kb {command}", **how)

    async def command(self, command: str, *, by: Person | None = None, expect: str = "", **how: Any) -> str:
        """Somebody types a command; returns what the bot says to it, which holds what is expected."""
        said = await self.answer_to(await self.tell(command, by=by, **how))
        assert expect in said, said
        return said

    async def answer_to(self, event_id: str) -> str:
        """What the bot says to a message, once it does: the words of its reply, or the emoji it puts on it."""
        found = await self._ears.wait_for(
            lambda event: event["sender"] == self.keeper.user_id and event_id in (in_reply_to(event), reacts_to(event)),
            what=f"an answer to {event_id}",
        )
        return words(found) or str(found["content"]["m.relates_to"]["key"])

    async def answers_to(self, event_id: str) -> list[Json]:
        """All replies of the bot to a message."""
        return [event for event in await self.said() if in_reply_to(event) == event_id]

    async def set_policy(self, policy: str, *, by: Person | None = None) -> None:
        """Put a policy in force."""
        said = await self.command(f"policy set {self.room}\n{policy}", by=by)
        assert said.startswith("✅"), said

    async def heard(self, wanted: Callable[[Json], bool], what: str = "it", *, after: str | None = None) -> Json:
        """The first message of the bot in the management room for which `wanted` holds."""
        return await self._ears.wait_for(lambda event: self.is_said(event) and wanted(event), what=what, after=after)

    async def shown(
        self, who: Person | str, state: str | None = None, *, after: str | None = None, **fields: Any
    ) -> Json:
        """The first message of the bot that shows a request of somebody in this state, and with these fields."""
        wanted = {"user_id": who.user_id if isinstance(who, Person) else who, "room_id": self.room, **fields}
        if state is not None:
            wanted["state"] = state
        return await self.heard(lambda event: _holds(event, wanted), f"{wanted}", after=after)

    async def card(self, who: Person, **fields: Any) -> Json:
        """The card of somebody who waits, with all the reactions it offers."""
        card = await self.shown(who, "pending", **fields)
        await self.offered(card["event_id"])
        return card

    async def offered(self, card: str, emojis: Iterable[str] = "✅❌⛔") -> None:
        """Wait until the bot offers exactly these answers on a card."""

        async def look() -> set[str]:
            return set(await self.offers(card))

        await until(
            look,
            lambda seen: seen == set(emojis),
            lambda seen: f"{card} was to offer {emojis}, but offers {seen}",
            within=WITHIN,
        )

    async def offers(self, card: str) -> list[str]:
        """The emojis that the bot has put on a card."""
        return [
            event["content"]["m.relates_to"]["key"]
            for event in await self._ears.listen()
            if event["sender"] == self.keeper.user_id and reacts_to(event) == card
        ]

    async def said(self) -> list[Json]:
        """All messages of the bot in the management room."""
        return [event for event in await self._ears.listen() if self.is_said(event)]

    async def said_about(self, who: Person) -> list[Json]:
        """All messages of the bot that show a request of somebody."""
        return [event for event in await self.said() if block(event).get("user_id") == who.user_id]

    async def caught_up(self) -> None:
        """Return once the bot has dealt with all that has happened so far, here and in the management room."""
        await self.keeper.catch_up(self)

    async def caught_up_here(self) -> None:
        """Return once the bot has dealt with all that was said in the management room."""
        await self.command("help")

    def is_said(self, event: Json) -> bool:
        """Whether this is a message of the bot."""
        return (event["type"], event["sender"]) == ("m.room.message", self.keeper.user_id)

    # --- the protected room -----------------------------------------------------------------------------------

    async def membership(self, who: Person, membership: str) -> Json:
        """The member event's content of somebody here, as soon as they stand so."""
        return await self.alice.wait_for_membership(self.room, who.user_id, membership, within=WITHIN)

    async def membership_of_bot(self, membership: str) -> None:
        """Return as soon as the bot itself stands so in the protected room."""
        await self.alice.wait_for_membership(self.room, self.keeper.user_id, membership, within=WITHIN)

    async def acts_on(self, who: Person) -> list[str]:
        """What the bot did to somebody: the membership that each of its acts set."""
        acts = await self.acts_of_the_bot()
        return [membership for user_id, membership in acts.elements() if user_id == who.user_id]

    async def acts_of_the_bot(self) -> Counter[tuple[str, str]]:
        """How often the bot did what to whom: by user id and membership, from the room's whole history."""
        events: list[Json] = []
        query: dict[str, Any] = {"dir": "b", "limit": 1000, "filter": json.dumps({"types": ["m.room.member"]})}
        while True:
            page = await self.alice.call("GET", "rooms", self.room, "messages", query=query)
            events += page["chunk"]
            if "end" not in page:
                break
            query["from"] = page["end"]
        return Counter(
            (event["state_key"], event["content"]["membership"])
            for event in events
            if event["sender"] == self.keeper.user_id != event["state_key"]
        )


class Ears:
    """All that somebody hears in a room, in order; what was redacted has lost its content.

    It asks for news only and lets the homeserver wake it up: to read the room again and again would cost the
    homeserver more than what is waited for.
    """

    def __init__(self, person: Person, room: str) -> None:
        self._person = person
        self._room = room
        self._heard: list[Json] = []
        self._since: str | None = None
        self._turn = asyncio.Lock()

    async def listen(self, patience: float = 0.0) -> list[Json]:
        """All events so far; where there is no news, wait so many seconds for some."""
        async with self._turn:
            answer = await self._person.sync(self._since, filter=self._filter(), timeout=round(patience * 1000))
            self._since = answer["next_batch"]
            timeline = answer.get("rooms", {}).get("join", {}).get(self._room, {}).get("timeline", {})
            assert not (self._heard and timeline.get("limited")), "events were left out"
            for event in timeline.get("events", []):
                self._hear(event)
            await self._open_what_waited_for_its_key()
        return self._heard

    async def _open_what_waited_for_its_key(self) -> None:
        """A key may come after the message, as to any client."""
        for place, event in enumerate(self._heard):
            if event["type"] == SEALED:
                self._heard[place] = await self._person.open(event, self._room)

    async def wait_for(self, wanted: Callable[[Json], bool], *, what: str, after: str | None = None) -> Json:
        """The first event, after the event `after`, for which `wanted` holds, as soon as there is one."""
        deadline = time.monotonic() + WITHIN
        events = self._heard
        while True:
            ids = [event["event_id"] for event in events]
            begin = ids.index(after) + 1 if after in ids else 0
            found = next((event for event in events[begin:] if wanted(event)), None)
            if found is not None:
                return found
            if time.monotonic() > deadline:
                raise NothingHappened("\n".join([f"{what} did not come in {WITHIN:g} s. Heard:", *map(_line, events)]))
            events = await self.listen(patience=1.0)

    def _hear(self, event: Json) -> None:
        self._heard.append(event)
        if event["type"] == "m.room.redaction":
            redacted = event["content"].get("redacts", event.get("redacts"))
            for one in self._heard:
                if one["event_id"] == redacted:
                    one["content"] = {}

    def _filter(self) -> str:
        nothing = {"not_types": ["*"]}
        room = {"rooms": [self._room], "timeline": {"limit": 1000}, "state": nothing, "ephemeral": nothing}
        return json.dumps({"room": {**room, "account_data": nothing}, "presence": nothing, "account_data": nothing})


def _line(event: Json) -> str:
    about = f" {event['state_key']}" if event.get("state_key") else ""
    return f"  {event['sender']}: {event['type']}{about} {json.dumps(event['content'], ensure_ascii=False)[:400]}"


def block(event: Json) -> Json:
    """The machine block of a message; empty where there is none."""
    found = event["content"].get(REQUEST)
    return found if isinstance(found, dict) else {}


def words(event: Json) -> str:
    """What a message says."""
    return without_marks(str(event["content"].get("body", "")))


def html(event: Json) -> str:
    """What a message says, as HTML."""
    return without_marks(str(event["content"].get("formatted_body", "")))


def in_reply_to(event: Json) -> str | None:
    """The message this one replies to."""
    relation = event["content"].get("m.relates_to", {})
    found = relation.get("m.in_reply_to", {}).get("event_id")
    return found if isinstance(found, str) else None


def reacts_to(event: Json) -> str | None:
    """The message that this reaction is on."""
    relation = event["content"].get("m.relates_to", {})
    return str(relation["event_id"]) if relation.get("rel_type") == "m.annotation" else None


def edit_of(event: Json) -> str | None:
    """The message this one is an edit of."""
    relation = event["content"].get("m.relates_to", {})
    return str(relation["event_id"]) if relation.get("rel_type") == "m.replace" else None


def _holds(event: Json, wanted: Mapping[str, Any]) -> bool:
    blocks = [block(event), *event["content"].get(REQUESTS, [])]
    return any(wanted.items() <= one.items() for one in blocks if one)


# --- a shared bot -------------------------------------------------------------------------------------------------


class Keepers:
    """One bot for all tests that leave it as it was; another takes its place when its homeserver retires."""

    def __init__(self, directory: Path, **more: Any) -> None:
        self._directory = directory
        self._more = more
        self._running: InProcess | None = None

    async def on(self, homeserver: LabHomeserver) -> InProcess:
        """The shared bot beside this homeserver."""
        if self._running is None or self._running.homeserver is not homeserver:
            await self.stop()
            slot = homeserver.take_slot()
            database = f"sqlite:{self._directory / f'{slot.id}-{os.urandom(4).hex()}.db'}"
            self._running = InProcess(slot, database, **self._more)
            await self._running.start()
        return self._running

    async def stop(self) -> None:
        """Stop it; nothing if none runs."""
        if self._running is not None:
            running, self._running = self._running, None
            await running.stop()
