"""One knockbot's Matrix edge on loopback, piece by piece: the gateway, the inbox at work, and raw events to feed it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from aiohttp import web

from knockbot.chat import messages
from knockbot.config.settings import Settings, read_settings
from knockbot.demo.people import until
from knockbot.domain.model import (
    Echo,
    Happening,
    MemberChange,
    Message,
    Reaction,
    Redaction,
    RoomChange,
    ThirdPartyChange,
)
from knockbot.engine.inbox import Inbox
from knockbot.engine.turn import Handled, Turn
from knockbot.engine.wakeups import Wakeups
from knockbot.features.encryption import sealed
from knockbot.flow.context import Context
from knockbot.flow.ports import Acts, Outside
from knockbot.flow.reading import Reader
from knockbot.listening import Visitors
from knockbot.matrix import events
from knockbot.matrix.gateway import Gateway
from knockbot.store import inbox
from knockbot.store.db import Database
from knockbot.store.rooms import ProtectedRoom, protect

HOME = "tulip.example"
BOT = f"@knockbot:{HOME}"
ANA = f"@ana:{HOME}"
MODERATOR = f"@mod:{HOME}"
AWAY = "@ben:rose.example"
GARDEN = f"!garden:{HOME}"
MODS = f"!mods:{HOME}"
HS_TOKEN = "hs-token-of-the-tests"
AS_TOKEN = "as-token-of-the-tests"
START = 1_800_000_000_000

Json = dict[str, Any]


@dataclass
class Clock:
    """The time, which stands still until a test moves it on."""

    at: int = START

    def __call__(self) -> int:
        """The time in milliseconds."""
        return self.at


def settings(**appservice: str) -> Settings:
    """Settings of a knockbot that is reached and started by nobody."""
    return read_settings(
        {
            "homeserver": {"address": "http://127.0.0.1:1", "domain": HOME},
            "appservice": {
                "address": "http://127.0.0.1:1",
                "as_token": AS_TOKEN,
                "hs_token": HS_TOKEN,
                **appservice,
            },
            "permissions": {HOME: "user"},
        }
    )


@contextlib.asynccontextmanager
async def serving(app: web.Application, how: Json | None = None, **runner_options: Any) -> AsyncIterator[str]:
    """The address of a web application, for as long as the block lasts; `how` its visitors are watched."""
    visitors = Visitors(app, **(how or {}))
    runner = web.AppRunner(app, access_log=None, auto_decompress=False, **runner_options)
    await runner.setup()
    assert runner.server is not None
    server = await asyncio.get_running_loop().create_server(visitors.watched(runner.server), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await runner.cleanup()


def gateway(db: Database, wakeups: Wakeups | None = None) -> Gateway:
    """A gateway into this database."""
    return Gateway(HS_TOKEN, db, wakeups or Wakeups(), Clock())


async def keep_door(db: Database, room_id: str = GARDEN, management_room: str = MODS) -> None:
    """Have a room protected."""
    async with db.tx() as tx:
        await protect(tx, ProtectedRoom(room_id, management_room, "Garden", MODERATOR, START))


async def stored(db: Database) -> list[str]:
    """The ids of the events in the inbox, in order of arrival."""
    async with db.tx() as tx:
        return [row["event_id"] for row in await tx.fetch("SELECT event_id FROM inbox ORDER BY seq")]


async def faults(db: Database) -> dict[str, str]:
    """What was set aside, and why."""
    async with db.tx() as tx:
        rows = await tx.fetch("SELECT event_id, fault FROM inbox WHERE fault IS NOT NULL ORDER BY seq")
    return {row["event_id"]: row["fault"] for row in rows}


@dataclass
class Inside:
    """The inbox at work behind a gateway, with handlers that note what they are handed."""

    db: Database
    url: str
    heard: list[Happening] = field(default_factory=list)

    async def settled(self) -> None:
        """Until nothing waits any more."""

        async def waiting() -> int:
            async with self.db.tx() as tx:
                return (await inbox.counts(tx))[0]

        await until(waiting, lambda left: left == 0, lambda left: f"{left} events still wait")

    def ids(self) -> list[str]:
        """The events that reached a handler, in that order."""
        return [happening.event_id for happening in self.heard]


@contextlib.asynccontextmanager
async def at_work(db: Database) -> AsyncIterator[Inside]:
    """A gateway that serves, and the real `Arrivals` behind it."""
    wakeups = Wakeups()
    context = Context.made(
        db, cast("Outside", None), settings(), Clock(), wakeups, acts=cast("Acts", None), wording=messages
    )
    async with serving(gateway(db, wakeups).app) as url:
        inside = Inside(db, url)

        async def note(_: Context, happening: Any) -> Handled:
            async def write(_: Turn) -> None:
                inside.heard.append(happening)

            return write

        async def look(_: Context, room_id: str) -> None:
            raise AssertionError(f"nobody asked to look at {room_id}")

        kinds = (MemberChange, ThirdPartyChange, Redaction, Message, Reaction, RoomChange, Echo)
        arrivals = Inbox(context, Reader(context, events.parse, sealed.read), dict.fromkeys(kinds, note), look)
        working = asyncio.create_task(arrivals.run())
        try:
            yield inside
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            await arrivals.drain(5)


# --- raw events -----------------------------------------------------------------------------------------------


def member(event_id: str = "$knock", *, user: str = ANA, room: str = GARDEN, **content: Any) -> Json:
    """A membership event of a user's own making, a knock unless said otherwise."""
    return {
        "type": "m.room.member",
        "event_id": event_id,
        "room_id": room,
        "sender": user,
        "state_key": user,
        "origin_server_ts": START,
        "content": {"membership": "knock"} | content,
        "unsigned": {"age": 5},
    }


def text(event_id: str = "$said", body: str = "!kb help", *, room: str = MODS, **content: Any) -> Json:
    """A text message of the moderator."""
    return {
        "type": "m.room.message",
        "event_id": event_id,
        "room_id": room,
        "sender": MODERATOR,
        "origin_server_ts": START,
        "content": {"msgtype": "m.text", "body": body} | content,
    }


def reaction(event_id: str = "$click", *, room: str = MODS, target: str = "$card", key: str = "✅") -> Json:
    """A click of the moderator."""
    return {
        "type": "m.reaction",
        "event_id": event_id,
        "room_id": room,
        "sender": MODERATOR,
        "origin_server_ts": START,
        "content": {"m.relates_to": {"rel_type": "m.annotation", "event_id": target, "key": key}},
    }


def state(event_id: str, event_type: str, *, room: str = GARDEN, key: str = "", **content: Any) -> Json:
    """Any other state event."""
    return {
        "type": event_type,
        "event_id": event_id,
        "room_id": room,
        "sender": MODERATOR,
        "state_key": key,
        "origin_server_ts": START,
        "content": content,
    }


def without(event: Mapping[str, Any], *path: str) -> Json:
    """The event with one field left out, however deep it stands."""
    first, *rest = path
    if rest:
        return {**event, first: without(event[first], *rest)}
    return {key: value for key, value in event.items() if key != first}


def changed(event: Mapping[str, Any], value: Any, *path: str) -> Json:
    """The event with another value in one field, however deep it stands."""
    first, *rest = path
    return {**event, first: changed(event.get(first, {}), value, *rest) if rest else value}


def transaction(parts: Sequence[Any]) -> bytes:
    """A transaction's body; a part that is `bytes` stands in it as it is."""
    written = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in parts)
    return b'{"events": [' + b", ".join(written) + b"]}"
