"""A homeserver by table, for sizes that no throwaway Synapse reaches: it answers at once and counts requests."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

import aiohttp
from aiohttp import web

from knockbot.demo.homeserver import free_port
from tests.bench.figures import Row

SERVER = "tulip.example"
BOT = f"@knockbot:{SERVER}"
AS_TOKEN, HS_TOKEN = "as-token-of-the-benchmark", "hs-token-of-the-benchmark"

MEMBER = "m.room.member"

AFTER = {"invite": "invite", "kick": "leave", "ban": "ban"}
"""What each call leaves behind as membership."""


@dataclass
class Crowd:
    """Rooms full of people, as a homeserver tells of them; used as `async with Crowd() as crowd`."""

    members: int = 0
    """How many are joined to each room, beside the bot."""
    knocking: dict[str, dict[str, Row]] = field(default_factory=dict)
    """By room, the member events of those who knock."""
    acts: list[tuple[float, str, str]] = field(default_factory=list)
    """Invites, kicks and bans: when (`time.perf_counter`), in which room, of whom."""
    asked: Counter[str] = field(default_factory=Counter)
    """The kinds of requests that came, and how many of each."""
    settled: dict[tuple[str, str], str] = field(default_factory=dict)
    states: dict[str, bytes] = field(default_factory=dict)
    """The whole state of rooms, as it is sent, where it is not as in any other room."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        self.port, self.door_port = free_port(), free_port()
        self.url, self.door = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{self.door_port}"
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", r"/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.http = aiohttp.ClientSession(headers={"Authorization": f"Bearer {HS_TOKEN}"})
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.close()
        await self._runner.cleanup()

    def config(self, database: str) -> dict[str, Any]:
        """The config.yaml of a knockbot beside it that lets everybody in."""
        return {
            "homeserver": {"address": self.url, "domain": SERVER},
            "appservice": {
                "address": self.door,
                "port": self.door_port,
                "as_token": AS_TOKEN,
                "hs_token": HS_TOKEN,
            },
            "database": database,
            "permissions": {SERVER: "user"},
            "defaults": {"policy": {"otherwise": "accept", "announce": "none", "wave": "off"}},
            "logging": {"level": "warning"},
        }

    def knock(self, room_id: str, user_id: str) -> Row:
        """Somebody knocks; returns the event, which nobody has been handed yet."""
        event = member(room_id, user_id, "knock")
        self.knocking.setdefault(room_id, {})[user_id] = event
        return event

    async def push(self, txn_id: str, body: bytes) -> float:
        """Hand the door a transaction; returns the seconds until the 200."""
        where = f"{self.door}/_matrix/app/v1/transactions/{txn_id}"
        began = time.perf_counter()
        async with self.http.put(where, data=body, headers={"Content-Type": "application/json"}) as response:
            response.raise_for_status()
        return time.perf_counter() - began

    async def answered(self, count: int, within: float = 300.0) -> None:
        """Return once there were so many acts."""
        await self._until(lambda: len(self.acts) >= count, within)

    async def looked_at(self, rooms: int, within: float = 300.0) -> None:
        """Return once third-party invites, the last that a look asks for, were asked for so many times."""
        await self._until(lambda: self.asked["GET sync"] >= rooms, within)

    async def _until(self, so: Callable[[], bool], within: float) -> None:
        async with asyncio.timeout(within):
            while not so():
                self._news.clear()
                await self._news.wait()

    def state_of(self, room_id: str) -> list[Row]:
        """The state that each room has."""
        return list(_state(room_id).values())

    # --- the client-server API --------------------------------------------------------------------------------

    async def _answer(self, request: web.Request) -> web.Response:
        # Below /_matrix/client, and the version of the API where there is one: /versions has none.
        parts = [unquote(part) for part in request.rel_url.raw_path.split("/")[3:]]
        path = parts[1:] or parts
        said = await request.json() if request.can_read_body else {}
        if path[-1] == "ping":
            await self._ping(said)
        if path[0] == "rooms" and path[2:] == ["state"] and path[1] in self.states:
            return web.Response(body=self.states[path[1]], content_type="application/json")
        kind, status, body = self._told(request, path, said)
        self.asked[f"{request.method} {kind}"] += 1
        self._news.set()
        return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")

    async def _ping(self, body: Row) -> None:
        async with self.http.post(f"{self.door}/_matrix/app/v1/ping", json=body) as response:
            response.raise_for_status()

    def _told(self, request: web.Request, path: list[str], body: Row) -> tuple[str, int, Any]:
        if path[0] == "rooms":
            return self._told_of_room(request, path[1], path[2:], body)
        if path[0] == "sync":
            (room_id,) = json.loads(request.query["filter"])["room"]["rooms"]
            return "sync", 200, {"rooms": {"join": {room_id: {"state": {"events": list(_state(room_id).values())}}}}}
        if path[0] == "login":
            return "login", 400, {"errcode": "M_APPSERVICE_LOGIN_UNSUPPORTED"}
        return path[0], 200, {"displayname": "Knockbot", "joined_rooms": [], "devices": []}

    def _told_of_room(self, request: web.Request, room_id: str, path: list[str], body: Row) -> tuple[str, int, Any]:
        match path:
            case ["state", event_type, *key]:
                found = self._stands(room_id, event_type, "".join(key))
                return f"state/{event_type}", 200 if found else 404, found or {"errcode": "M_NOT_FOUND"}
            case ["members"] if request.query.get("membership") == "knock":
                return "members?membership=knock", 200, {"chunk": list(self.knocking.get(room_id, {}).values())}
            case ["members"]:
                everybody = (f"@member{number}:{SERVER}" for number in range(self.members))
                return "members", 200, {"chunk": [member(room_id, user_id, "join") for user_id in everybody]}
            case ["state"]:
                return "state", 200, list(_state(room_id).values())
            case [act] if act in AFTER:
                self._act(room_id, act, body["user_id"])
                return act, 200, {}
        return path[0], 200, {"chunk": [], "event_id": f"$said-{sum(self.asked.values())}"}

    def _act(self, room_id: str, act: str, user_id: str) -> None:
        self.acts.append((time.perf_counter(), room_id, user_id))
        self.knocking.get(room_id, {}).pop(user_id, None)
        self.settled[room_id, user_id] = AFTER[act]

    def _stands(self, room_id: str, event_type: str, key: str) -> Row | None:
        if event_type != MEMBER:
            return _state(room_id).get(event_type)
        if key == BOT:
            return member(room_id, BOT, "join")
        settled = self.settled.get((room_id, key))
        return member(room_id, key, settled) if settled else self.knocking.get(room_id, {}).get(key)


def member(room_id: str, user_id: str, membership: str, **unsigned: Any) -> Row:
    """A membership event of somebody's own making."""
    return {
        "type": MEMBER,
        "event_id": f"${membership}-{user_id[1:].partition(':')[0]}-{room_id[1:].partition(':')[0]}",
        "room_id": room_id,
        "sender": user_id,
        "state_key": user_id,
        "origin_server_ts": time.time_ns() // 1_000_000,
        "content": {"membership": membership, "displayname": "Somebody", "reason": "May I come in?"},
        "unsigned": {"age": 5, **unsigned},
    }


def _state(room_id: str) -> dict[str, Row]:
    contents: dict[str, Row] = {
        "m.room.create": {"room_version": "11"},
        "m.room.join_rules": {"join_rule": "knock"},
        "m.room.name": {"name": "Garden"},
        "m.room.power_levels": {"users": {BOT: 50}, "invite": 50, "kick": 50, "ban": 50},
    }
    return {
        event_type: {
            "type": event_type,
            "event_id": f"${event_type}",
            "room_id": room_id,
            "sender": f"@mod:{SERVER}",
            "state_key": "",
            "content": content,
        }
        for event_type, content in contents.items()
    }
