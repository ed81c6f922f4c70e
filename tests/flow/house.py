"""A knockbot in a world: its real store, flow and actions, driven one step at a time, so that a test says when."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

from knockbot.app import new_inbox
from knockbot.chat import messages
from knockbot.config.policies import read_known_policy
from knockbot.config.settings import read_settings
from knockbot.demo.people import until
from knockbot.documents.text import without_marks
from knockbot.domain.jobs import Act
from knockbot.domain.model import Request
from knockbot.domain.notices import loads
from knockbot.domain.policy import Policy
from knockbot.domain.reasons import in_words
from knockbot.engine.timers import Timers
from knockbot.engine.worker import Outcome, Run, Worker
from knockbot.flow import configured
from knockbot.flow.context import Context
from knockbot.flow.ports import PROMPT_KEY, REQUEST_KEY, REQUESTS_KEY
from knockbot.flow.working import hooks
from knockbot.matrix import events
from knockbot.matrix.acts import Acts, transaction_id
from knockbot.matrix.gateway import arrival, kept
from knockbot.matrix.homeserver import Homeserver
from knockbot.product import FEATURES, PROMPTS, TIMERS
from knockbot.store import inbox, lists, pins, policies, processes, records, requests, rooms
from knockbot.store.db import Database
from knockbot.store.inbox import Queue
from knockbot.store.jobs import Claimed
from knockbot.store.rooms import ProtectedRoom
from tests.flow.world import ALICE, BOT, HOME, AsBot, Clock, PostOffice, World, levels_for
from tests.lab import opened

GARDEN = "!garden:tulip.example"
MODS = "!mods:tulip.example"

MOST_ROUNDS = 1200
"""More rounds than anything here takes: what needs more goes in circles."""

SETTINGS: dict[str, Any] = {
    "homeserver": {"address": "http://127.0.0.1:1", "domain": HOME},
    "appservice": {"address": "http://127.0.0.1:2", "as_token": "as", "hs_token": "hs"},
    "permissions": {HOME: "user"},
}


@lru_cache(maxsize=200)
def known_policy(text: str) -> Policy:
    """The policy of a text: it is frozen, and read once for all tests that have it, since to read YAML takes long."""
    return read_known_policy(text)


@dataclass(frozen=True)
class Card:
    """A card as the moderators see it now."""

    event_id: str
    text: str
    block: Mapping[str, Any]
    blocks: tuple[Mapping[str, Any], ...]
    edits: int
    offers: tuple[str, ...]
    """The emoji that the bot offers on it."""

    @property
    def state(self) -> str:
        """What its machine block says of the newest request."""
        return str(self.block["state"])


class House:
    """One process of knockbot, or one after another, on one database in one world."""

    def __init__(self, url: str, world: World, settings: Mapping[str, Any] | None = None) -> None:
        self.url = url
        self.world = world
        self.clock = world.clock
        self.homeserver = AsBot(world)
        self.post = PostOffice(world)
        self.settings = read_settings({**SETTINGS, **(settings or {})})
        self.actions: dict[Act, Run] = {}
        """In place of the real ones."""
        self.ended: dict[str, str] = {}
        """The acts that have ended, and are on record no more."""
        self._chance = random.Random(os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0])

    # --- coming and going of the process --------------------------------------------------------------------------

    async def open(self) -> House:
        """Start."""
        self.db = await opened(self.url)
        if self.db.alone:
            async with self.db._pool.acquire_direct() as conn:
                await conn.execute("PRAGMA synchronous = OFF")  # nothing here has to survive a power cut
        self._furnish(self.new_context(self.db))
        async with self.db.tx() as tx:
            await processes.beat(tx, self.db.process, self.clock())
            await processes.bury(tx, self.db.process, self.clock(), alone=self.db.alone)
        return self

    def new_context(self, db: Database) -> Context:
        """What a process of this house works with."""
        acts = Acts(cast("Homeserver", self.homeserver))
        return Context.made(
            db,
            self.homeserver,
            self.settings,
            self.clock,
            acts=acts,
            wording=messages,
            issuer=self.post,
            files=self.homeserver,
            features=FEATURES,
            prompts=PROMPTS,
        )

    def furnish(self, **parts: Any) -> None:
        """Go on with other parts of the door."""
        self._furnish(replace(self.context, **parts))

    def _furnish(self, context: Context) -> None:
        self.context = context
        self.arrivals = new_inbox(context)
        as_ever = hooks(context)

        async def run(claimed: Claimed[Any]) -> Outcome:
            return await self.actions.get(claimed.job.act, as_ever.run)(claimed)

        self.worker = Worker(context, replace(as_ever, run=run))
        self.timers = Timers(context, TIMERS)

    async def close(self) -> None:
        """Stop in good order."""
        await self.arrivals.drain(5)
        await self.worker.drain(5)
        await self.context.elsewhere.close()
        async with self.db.tx() as tx:
            await processes.leave(tx, self.db.process)
        await self.db.close()

    async def die(self) -> None:
        """Stop as by SIGKILL: whatever was under way ends where it is, and nothing is said about it."""
        tasks = [*self.arrivals._busy.values(), *self.worker._running, *self.context.elsewhere.under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.db.close()

    async def start_again(self) -> None:
        """Start again after a death, when that has been noticed, and look at every room."""
        self.clock.go_on(processes.SILENCE / 1000 + 1)
        await self.open()
        await self.look_everywhere()

    # --- steps ----------------------------------------------------------------------------------------------------

    async def deliver(self) -> None:
        """The homeserver hands over what happened."""
        told = [(arrival(e), kind) for e in self.world.delivered() if (kind := events.matters(e)) is not None]
        async with self.db.tx() as tx:
            closed = await rooms.closed_to_chat(tx)
            followed = await lists.followed(tx) if any(kind == "entry" for _, kind in told) else frozenset()
            await inbox.store(tx, kept(told, closed, followed), self.clock())

    async def hear(self) -> None:
        """What has happened is delivered and handled, and rooms that are due for a look are looked at."""
        await self.deliver()
        for _ in range(MOST_ROUNDS):
            await self.arrivals._start_rooms()
            busy, errands = [*self.arrivals._busy.values()], self.context.elsewhere.under_way
            await self._perhaps_forget_ended()
            if not busy and not errands:
                return
            await asyncio.gather(*busy)
            await asyncio.gather(*errands, return_exceptions=True)  # who asked for one gets its error
        raise AssertionError("the arrivals go in circles")

    async def work(self) -> None:
        """What is due is done."""
        for _ in range(MOST_ROUNDS):
            # What is under way holds others up, and may end while it is looked what is due.
            idle = not self.worker._running
            await self._perhaps_forget_ended()
            await self.worker._start_due()
            if idle and not self.worker._running:
                return
            await asyncio.gather(*self.worker._running)
        raise AssertionError("the worker goes in circles")

    async def ring(self) -> None:
        """What is due by the clock is done."""
        await self.timers.plan_what_comes_again()
        await self.timers.run_due()

    async def _perhaps_forget_ended(self) -> None:
        """Acts that have ended go at any moment, in every story: nothing may be decided by them."""
        if self._chance.random() < 0.5:
            await self.forget_ended()

    async def forget_ended(self) -> None:
        """Acts that have ended are on record no more, nor does the homeserver know their transactions."""
        async with self.db.change() as tx:
            rows = await tx.fetch("DELETE FROM jobs WHERE ended_at IS NOT NULL RETURNING key, state")
        self.ended |= {row["key"]: row["state"] for row in rows}
        for row in rows:
            self.world.txn_ids.pop(transaction_id(row["key"]), None)

    async def live(self) -> None:
        """Hear and work until there is nothing to do for now."""
        for _ in range(MOST_ROUNDS):
            await self.hear()
            await self.work()
            if not self.world.outbox and not self._to_be_looked_at():
                return
        raise AssertionError("they go in circles")

    def _to_be_looked_at(self) -> set[str]:
        resting = self.arrivals._resting
        return {room for room in self.context.wakeups.unchecked if resting.get(Queue(room), 0) <= self.clock()}

    async def later(self, seconds: float = 10) -> None:
        """Live on after some time."""
        self.clock.go_on(seconds)
        await self.live()

    async def keep_configured(self, *, enter: bool = False) -> bool:
        """Protect what the config file names; false if something is missing."""
        complete = await configured.keep(self.context, enter=enter)
        await self.live()
        return complete

    async def look_everywhere(self) -> None:
        """Have every protected room compared with the records."""
        async with self.db.tx() as tx:
            for room in await rooms.all_rooms(tx):
                self.context.look_at(room.room_id)

    # --- what moderators do ---------------------------------------------------------------------------------------

    def click(self, emoji: str, *, by: str = ALICE, card: Card | None = None) -> str:
        """A moderator reacts to a card, the only one unless said otherwise; returns the event."""
        return self.world.react(MODS, by, (card or self.card()).event_id, emoji)

    def tell(self, command: str, *, by: str = ALICE, reply_to: str | None = None) -> str:
        """A moderator types a command in the management room; returns the event."""
        relation = {"m.relates_to": {"m.in_reply_to": {"event_id": reply_to}}} if reply_to else {}
        return self.world.say(MODS, by, f"!kb {command}", **relation)

    # --- setting up -----------------------------------------------------------------------------------------------

    async def protect(self, room_id: str = GARDEN, management_room: str = MODS, *, policy: str | None = None) -> None:
        """Keep the door of a room from now on."""
        label = self.world.rooms[room_id].label
        async with self.db.tx() as tx:
            await rooms.protect(tx, ProtectedRoom(room_id, management_room, label, ALICE, self.clock()))
        if policy is not None:
            await self.set_policy(policy, room_id)

    async def set_policy(self, text: str, room_id: str = GARDEN, *, author: str = ALICE) -> None:
        """Put a policy of this author in force; its aliases mean what they mean now."""
        meant = {alias: room for alias, room in self.world.aliases.items() if alias in text}
        async with self.db.tx() as tx:
            settings = known_policy(text).settings
            revision = await policies.revise(
                tx, room_id, author=author, text=text, now=self.clock(), cause=None, settings=settings
            )
            await pins.take(tx, pins.of_revision(room_id, revision), meant)

    # --- looking at the records -----------------------------------------------------------------------------------

    async def requests(self, user_id: str, room_id: str = GARDEN) -> list[Request]:
        """All requests of somebody, oldest first."""
        async with self.db.tx() as tx:
            rows = await tx.fetch(
                "SELECT id FROM requests WHERE room_id = $1 AND user_id = $2 AND kind = 'knock' ORDER BY id",
                room_id,
                user_id,
            )
            return [await requests.get(tx, row["id"]) for row in rows]

    async def request(self, user_id: str, room_id: str = GARDEN) -> Request:
        """The only request of somebody."""
        [only] = await self.requests(user_id, room_id)
        return only

    async def history(self, request: Request) -> list[tuple[str, str]]:
        """Who did what about a request."""
        async with self.db.tx() as tx:
            return [(line.actor, line.kind) for line in await records.of_request(tx, request.id)]

    async def jobs(self, *states: str) -> dict[str, str]:
        """The jobs by key, all or those in these states."""
        async with self.db.tx() as tx:
            rows = await tx.fetch("SELECT key, state FROM jobs ORDER BY id")
        found = self.ended | {row["key"]: row["state"] for row in rows}
        return {key: state for key, state in found.items() if not states or state in states}

    async def set_aside(self) -> list[str]:
        """The faults of events that could not be handled."""
        async with self.db.tx() as tx:
            rows = await tx.fetch("SELECT fault FROM inbox WHERE fault IS NOT NULL ORDER BY seq")
        return [in_words(loads(row["fault"])) for row in rows]

    async def waiting(self, room_id: str = GARDEN) -> int:
        """How many events of a room wait to be handled."""
        async with self.db.tx() as tx:
            return len(await inbox.waiting(tx, room_id))

    # --- looking at the rooms -------------------------------------------------------------------------------------

    def membership(self, user_id: str, room_id: str = GARDEN) -> str | None:
        """Where somebody stands in a room."""
        return self.world.rooms[room_id].membership(user_id)

    def said(self, room_id: str = MODS) -> list[Mapping[str, Any]]:
        """What the bot said in a room, edits left out, without the marks that keep links and directions in check."""
        contents = [event["content"] for event in self.world.rooms[room_id].said if self._is_message(event)]
        return [
            {**content, "body": without_marks(content["body"])}
            for content in contents
            if "m.new_content" not in content
        ]

    def spoken(self, room_id: str = MODS) -> list[str]:
        """The words of what the bot said beside cards, and beside the offer of presets that follows each `protect`."""
        said = [content for content in self.said(room_id) if content.get(PROMPT_KEY, {}).get("kind") != "preset"]
        return [content["body"] for content in said if not self._is_card(content)]

    def cards(self, room_id: str = MODS) -> list[Card]:
        """The cards in a management room, as they look now."""
        said = [event for event in self.world.rooms[room_id].said if self._is_message(event)]
        posted = [event for event in said if "m.new_content" not in event["content"]]
        return [self._card(event, said) for event in posted if self._is_card(event["content"])]

    def card(self, room_id: str = MODS) -> Card:
        """The only card."""
        [only] = self.cards(room_id)
        return only

    def _card(self, posted: Mapping[str, Any], said: list[dict[str, Any]]) -> Card:
        event_id = posted["event_id"]
        edits = [event["content"] for event in said if _relates_to(event) == ("m.replace", event_id)]
        now = edits[-1]["m.new_content"] if edits else posted["content"]
        reactions = [event for event in self.world.rooms[posted["room_id"]].said if event["type"] == "m.reaction"]
        offers = [
            event["content"]["m.relates_to"]["key"]
            for event in reactions
            if event["sender"] == BOT and _relates_to(event) == ("m.annotation", event_id)
        ]
        return Card(
            event_id,
            without_marks(now["body"]),
            now.get(REQUEST_KEY, {}),
            tuple(now.get(REQUESTS_KEY, [now.get(REQUEST_KEY)])),
            len(edits),
            tuple(offers),
        )

    @staticmethod
    def _is_message(event: Mapping[str, Any]) -> bool:
        sent = event["type"] == "m.room.message" and event["sender"] == BOT
        return bool(sent and event["content"])  # what was redacted says nothing

    @staticmethod
    def _is_card(content: Mapping[str, Any]) -> bool:
        return content["msgtype"] == "m.text" and REQUEST_KEY in content


def _relates_to(event: Mapping[str, Any]) -> tuple[str | None, str | None]:
    relation = event["content"].get("m.relates_to", {})
    return relation.get("rel_type"), relation.get("event_id")


def new_world() -> World:
    """A garden that takes knocks, and a private room where its moderators meet the bot, which is in both."""
    world = World(Clock())
    world.room(GARDEN, "Garden", ALICE, BOT, levels=levels_for())
    world.room(MODS, "Mods", ALICE, BOT, levels=levels_for(), join_rule="invite")
    return world


@asynccontextmanager
async def housed(url: str, **settings: Any) -> AsyncIterator[House]:
    """A knockbot that keeps the door of the garden, by the default policy: the moderators decide."""
    house = await House(url, new_world(), settings).open()
    try:
        await house.protect()
        yield house
    finally:
        await house.close()


async def until_called(house: House, call: str) -> None:
    """Until the bot has made this call; what is due meanwhile is begun, and what hangs, hangs."""
    await working_until(house, lambda: bool(house.world.asked(call)), f"{call} was called")


async def working_until(house: House, holds: Callable[[], bool], what: str) -> None:
    """Begin what is due until this holds. It waits for no job: one may hang, and how far the others are by then is
    left open. So a test says what it waits for, and not how often it has looked."""

    async def look() -> bool:
        await house.worker._start_due()
        return holds()

    await until(look, bool, lambda _: f"it never came to this: {what}")
