"""A real Synapse with all contestants beside it, rooms for each, and a crowd that knocks."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from knockbot.demo.homeserver import RELAXED, Homeserver, free_port
from knockbot.demo.people import NothingHappened, Person
from tests.bench.child import Child, child, knockbot, protected, ready
from tests.counting import CountingProxy
from tests.documentation import ROOT
from tests.lab import Postgres

NAME = "lab.test"
PLUGIN = Path(__file__).parent / "plugin"
MAUBOT = ROOT / ".venv-maubot"

GUESTS_AT_ONCE = 20
"""Knocks under way at once in a burst."""

WITHIN = 240.0


@dataclass(frozen=True, slots=True)
class Service:
    """An application service: its own user, and the token it comes with."""

    localpart: str
    port: int = field(default_factory=free_port)
    as_token: str = field(default_factory=lambda: secrets.token_hex(16))
    hs_token: str = field(default_factory=lambda: secrets.token_hex(16))
    users: str = ""
    """A pattern for the localparts of all its users, where there are more than one."""

    @property
    def user_id(self) -> str:
        """Its user."""
        return f"@{self.localpart}:{NAME}"

    def registration(self, *, called: bool = True) -> Mapping[str, Any]:
        """What the homeserver knows of it; one that is not `called` gets no events."""
        return {
            "id": self.localpart,
            "url": f"http://127.0.0.1:{self.port}" if called else None,
            "as_token": self.as_token,
            "hs_token": self.hs_token,
            "sender_localpart": f"_{self.localpart}",
            "rate_limited": False,
            "namespaces": {
                "users": [{"exclusive": True, "regex": f"^@{self.users or re.escape(self.localpart)}:{NAME}$"}]
            },
        }

    def acting(self, homeserver: Homeserver, localpart: str = "") -> Acting:
        """One of its users, its own unless said otherwise."""
        user_id = f"@{localpart or self.localpart}:{NAME}"
        return Acting(homeserver.http, homeserver.url, user_id, self.as_token)


class Acting(Person):
    """A user of an application service, which acts for them."""

    async def call(
        self, method: str, *path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """One request, in their name."""
        return await super().call(method, *path, body=body, query={**(query or {}), "user_id": self.user_id})

    async def sign_up(self) -> None:
        """Have the account made."""
        body = {"type": "m.login.application_service", "username": self.user_id[1:].partition(":")[0]}
        await self.call("POST", "register", body={**body, "inhibit_login": True})


@dataclass(slots=True)
class Contestant:
    """Somebody who answers knocks: in a room alone, and in several."""

    name: str
    room: str
    rooms: Sequence[str]
    process: Child
    url: str = ""


@dataclass
class Stage:
    """Everything, running; used as `async with stage(...) as played`."""

    homeserver: Homeserver
    crowd: Service
    moderator: Person
    contestants: list[Contestant] = field(default_factory=list)
    seen: dict[tuple[str, str], float] = field(default_factory=dict)
    """When the moderator saw somebody invited, by room and user."""
    invites: Counter[tuple[str, str]] = field(default_factory=Counter)
    pause: float = 0.0
    """Seconds between two looks of the moderator."""
    proxy: CountingProxy | None = None
    """Through which knockbot reaches the homeserver, where its requests are counted."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def guests(self, count: int) -> list[Acting]:
        """New users who have knocked nowhere yet."""
        made = [self.crowd.acting(self.homeserver, f"guest_{secrets.token_hex(6)}") for _ in range(count)]
        for guest in made:
            await guest.sign_up()
        return made

    async def knock(self, guest: Acting, room: str) -> float:
        """Somebody knocks; returns the seconds until the moderator sees them invited."""
        began = time.perf_counter()
        await guest.knock(room)
        await self.answered([(room, guest.user_id)])
        return self.seen[room, guest.user_id] - began

    async def burst(self, guests: Sequence[Acting], rooms: Sequence[str]) -> float:
        """All knock at once, spread over the rooms; returns the seconds until the last is invited."""
        began = time.perf_counter()
        turns = asyncio.Semaphore(GUESTS_AT_ONCE)
        wanted = [(rooms[place % len(rooms)], guest) for place, guest in enumerate(guests)]

        async def knock(room: str, guest: Acting) -> None:
            async with turns:
                await guest.knock(room)

        await asyncio.gather(*(knock(room, guest) for room, guest in wanted))
        pairs = [(room, guest.user_id) for room, guest in wanted]
        await self.answered(pairs)
        return max(self.seen[pair] for pair in pairs) - began

    async def answered(self, wanted: Sequence[tuple[str, str]]) -> None:
        """Return once the moderator has seen all these invited."""
        async with asyncio.timeout(WITHIN):
            while not all(pair in self.seen for pair in wanted):
                self._news.clear()
                await self._news.wait()

    async def look(self) -> None:
        """Be the moderator, who looks at all that happens, until cancelled."""
        everything = {"types": ["m.room.member"], "limit": 1000}
        nothing = {"limit": 0, "types": []}
        shown = {"room": {"timeline": everything, "state": nothing, "ephemeral": nothing}, "presence": nothing}
        query: dict[str, Any] = {"filter": json.dumps(shown), "timeout": "0"}
        while True:
            answer = await self.moderator.call("GET", "sync", query=query)
            at = time.perf_counter()
            query |= {"since": answer["next_batch"], "timeout": "30000"}
            for room, news in answer.get("rooms", {}).get("join", {}).items():
                for event in news["timeline"]["events"]:
                    self._see(room, event, at)
            self._news.set()
            if self.pause:
                await asyncio.sleep(self.pause)

    def _see(self, room: str, event: Mapping[str, Any], at: float) -> None:
        if event["type"] == "m.room.member" and event["content"].get("membership") == "invite":
            self.seen.setdefault((room, event["state_key"]), at)
            self.invites[room, event["state_key"]] += 1


# --- setting it up --------------------------------------------------------------------------------------------


@asynccontextmanager
async def stage(
    directory: Path,
    engine: str,
    *,
    rooms: int = 0,
    maubot: bool = True,
    counted: bool = False,
    before: str | None = None,
) -> AsyncIterator[Stage]:
    """A Synapse on this engine, and beside it knockbot on the same, bare, and, where it is installed, maubot.

    Each has a room of its own, and so many more. Where it is `counted`, knockbot reaches Synapse by a proxy. The
    knockbot of another checkout, `before`, is a further contestant.
    """
    crowd = Service("crowd", users="guest_.*")
    bots = {name: Service(name) for name in ("knockbot", "bare", *(("before",) if before else ()))}
    async with AsyncExitStack() as stack:
        databases: dict[str, str] = {name: f"sqlite:{directory / name}.db" for name in bots}
        synapses: str | None = None
        if engine == "PostgreSQL":
            postgres = await stack.enter_async_context(Postgres(durable=True))
            synapses = await postgres.create_database()
            databases = {name: await postgres.create_database() for name in bots}
        registrations = [crowd.registration(called=False), *(bot.registration() for bot in bots.values())]
        synapse = Homeserver(
            directory / "synapse", name=NAME, extra=RELAXED, registrations=registrations, database=synapses
        )
        homeserver = await stack.enter_async_context(synapse)
        made = Stage(homeserver, crowd, await Person.register(homeserver, "alice"))
        if counted:
            made.proxy = await stack.enter_async_context(CountingProxy(homeserver.url))
        for name, bot in bots.items():
            account = bot.acting(homeserver)
            await account.sign_up()
            places = await _let_in(made, account, rooms)
            if name == "bare":
                starting = _bare(made, bot, directory)
            else:
                starting = _knockbot(
                    made,
                    bot,
                    places,
                    directory,
                    database=databases[name],
                    checkout=before if name == "before" else None,
                )
            process = await stack.enter_async_context(starting)
            await process.answers(f"http://127.0.0.1:{bot.port}/_matrix/mau/ready")
            made.contestants.append(
                Contestant(name, places[0], places[1:], process, url=f"http://127.0.0.1:{bot.port}")
            )
        if maubot and (MAUBOT / "bin" / "python").exists():
            made.contestants.append(await stack.enter_async_context(_maubot(made, rooms, directory)))
        looking = asyncio.create_task(made.look())
        stack.callback(looking.cancel)
        await _warmed_up(made)
        yield made


async def _let_in(made: Stage, account: Person, rooms: int) -> list[str]:
    """New rooms that take knocks, with this account in them and able to answer."""
    places = []
    for _ in range(1 + rooms):
        room = await made.moderator.create_room(
            "Garden",
            join_rule="knock",
            invite=[account.user_id],
            power_levels={"users": {made.moderator.user_id: 100, account.user_id: 50}},
            room_version="11",
        )
        await account.join(room)
        places.append(room)
    return places


async def _warmed_up(made: Stage) -> None:
    """Each has answered some, whatever that starts for the first time."""
    for contestant in made.contestants:
        for guest in await made.guests(3):
            await made.knock(guest, contestant.room)


@asynccontextmanager
async def _knockbot(
    made: Stage, bot: Service, rooms: Sequence[str], directory: Path, *, database: str, checkout: str | None
) -> AsyncIterator[Child]:
    if checkout is None:
        await protected(database, rooms, made.moderator.user_id)
    else:  # in the schema of its own time, which only its own code knows
        await _protected_by(checkout, database, rooms, made.moderator.user_id)
    config = {
        "homeserver": {"address": (made.proxy or made.homeserver).url, "domain": NAME},
        "appservice": {
            "address": f"http://127.0.0.1:{bot.port}",
            "port": bot.port,
            "id": bot.localpart,
            "bot_username": bot.localpart,
            "as_token": bot.as_token,
            "hs_token": bot.hs_token,
        },
        "database": database,
        "permissions": {NAME: "user"},
        "defaults": {"policy": {"otherwise": "accept", "announce": "none", **_no_waves(checkout)}},
        "logging": {"level": "warning"},
    }
    async with knockbot(config, directory, bot.localpart, checkout) as running:
        await running.answers(ready(config))
        yield running


def _no_waves(checkout: str | None) -> Mapping[str, str]:
    """Have any number of knocks accepted by the rules; a checkout from before there were waves does so anyway."""
    knows = checkout is None or (Path(checkout) / "knockbot" / "domain" / "waves.py").exists()
    return {"wave": "off"} if knows else {}


async def _protected_by(checkout: str, database: str, rooms: Sequence[str], moderator: str) -> None:
    script = (
        "import asyncio, sys; from tests.bench.child import protected; "
        "asyncio.run(protected(sys.argv[1], sys.argv[3:], sys.argv[2]))"
    )
    path = os.pathsep.join((checkout, str(ROOT)))
    run = await asyncio.create_subprocess_exec(  # -P, or the code of the directory it runs in would come first
        sys.executable, "-P", "-c", script, database, moderator, *rooms, env={**os.environ, "PYTHONPATH": path}
    )
    assert await run.wait() == 0


@asynccontextmanager
async def _bare(made: Stage, bot: Service, directory: Path) -> AsyncIterator[Child]:
    command = [sys.executable, "-m", "tests.bench.bare", str(bot.port), made.homeserver.url, bot.as_token, bot.user_id]
    async with child(command, directory, "bare", {"PYTHONPATH": str(ROOT)}) as running:
        yield running


@asynccontextmanager
async def _maubot(made: Stage, rooms: int, directory: Path) -> AsyncIterator[Contestant]:
    account = await Person.register(made.homeserver, "maubot")
    places = await _let_in(made, account, rooms)
    config = {
        "user": {
            "credentials": {"id": account.user_id, "homeserver": made.homeserver.url, "access_token": account.token},
            "sync": True,
            "autojoin": False,
            "displayname": "disable",
            "avatar_url": "disable",
            "ignore_initial_sync": True,
            "ignore_first_sync": True,
        },
        "server": {"hostname": "127.0.0.1", "port": free_port(), "base_path": "/", "public_url": "http://localhost"},
        "database": f"sqlite:{directory / 'maubot.db'}",
        "plugin_config": {},
        "logging": {"version": 1, "root": {"level": "WARNING"}},
    }
    file = directory / "maubot.yaml"
    file.write_text(json.dumps(config))
    command: list[str | Path] = [
        MAUBOT / "bin" / "python",
        "-m",
        "maubot.standalone",
        "-c",
        file,
        "-m",
        PLUGIN / "maubot.yaml",
    ]
    async with child(command, directory, "maubot") as running:
        await _listening(made, places[0])
        yield Contestant("maubot", places[0], places[1:], running)


async def _listening(made: Stage, room: str) -> None:
    """Until a knock is answered: maubot leaves alone what its first /sync brings, and says of it nothing."""
    for _ in range(60):
        (guest,) = await made.guests(1)
        await guest.knock(room)
        with suppress(NothingHappened):
            await made.moderator.wait_for_membership(room, guest.user_id, "invite", within=1.0)
            return
    raise RuntimeError("maubot answers no knock")
