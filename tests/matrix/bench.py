"""A door with a real store beside a homeserver by script: requests at it, and its jobs run one by one."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from knockbot.chat import messages
from knockbot.domain.model import Answer, Knock, Request, Verdict
from knockbot.engine.worker import Worker
from knockbot.flow import cards, settling
from knockbot.flow.context import Context
from knockbot.flow.working import hooks
from knockbot.identity.client import IdentityServers
from knockbot.matrix.acts import Acts
from knockbot.matrix.homeserver import Homeserver
from knockbot.matrix.rooms import Outside
from knockbot.product import FEATURES, PROMPTS
from knockbot.store import jobs, requests
from knockbot.store.db import Database
from knockbot.store.jobs import Claimed
from tests.matrix.edge import ANA, AS_TOKEN, BOT, GARDEN, MODERATOR, MODS, START, Clock, Json, keep_door, settings
from tests.matrix.fake_homeserver import Asked, FakeHomeserver, Reply

FORBIDDEN = Reply(403, {"errcode": "M_FORBIDDEN", "error": "no"})
NOT_FOUND = Reply(404, {"errcode": "M_NOT_FOUND", "error": "not found"})

AFTER = {"invite": "invite", "kick": "leave", "ban": "ban"}
"""What each call leaves behind as membership."""


@dataclass
class Bench:
    """The parts, and the state of rooms as the homeserver tells it."""

    db: Database
    fake: FakeHomeserver
    homeserver: Homeserver
    context: Context
    clock: Clock
    worker: Worker
    identity: IdentityServers
    state: dict[tuple[str, str, str], Json] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    # --- the homeserver's side --------------------------------------------------------------------------------

    def stands(
        self, membership: str, user: str = ANA, *, by: str | None = None, event_id: str = "", **more: Any
    ) -> Json:
        """From now on this is the member event of a user in the garden."""
        event = {
            "type": "m.room.member",
            "room_id": more.pop("room", GARDEN),
            "state_key": user,
            "sender": by or user,
            "event_id": event_id or f"${membership}-{next(self._numbers)}",
            "origin_server_ts": START,
            "content": {"membership": membership, **more},
        }
        self.state[event["room_id"], "m.room.member", user] = event
        return event

    def powers(self, levels: Mapping[str, Any] | None = None, *, room: str = GARDEN) -> None:
        """From now on these are the power levels of a room; the bot may do everything unless said otherwise."""
        content = {"users": {BOT: 50, MODERATOR: 50}, "invite": 50, "kick": 50, "ban": 50, **(levels or {})}
        self.state[room, "m.room.power_levels", ""] = {"event_id": "$powers", "content": content}

    def read(self, asked: Asked) -> Reply:
        """The answer to somebody who reads state."""
        key = asked.path[asked.path.index("state") + 1 :]
        event = self.state.get((asked.path[asked.path.index("rooms") + 1], key[0], key[1] if len(key) > 1 else ""))
        return Reply(body=event) if event is not None else NOT_FOUND

    def act(self, asked: Asked) -> Reply:
        """The answer to an invite, a kick or a ban that takes place."""
        self.stands(AFTER[asked.path[-1]], asked.body["user_id"], by=BOT, room=asked.path[-2])
        return Reply()

    def act_and_hang_up(self, asked: Asked) -> Reply:
        """It takes place, and the answer is lost."""
        self.act(asked)
        return Reply(drop=True)

    @property
    def acts(self) -> list[str]:
        """The invites, kicks and bans that were asked for, in order."""
        return [f"{a.path[-1]} {a.body['user_id']}" for a in self.fake.requests if a.path[-1] in AFTER]

    @property
    def lines(self) -> list[str]:
        """Every request that came, as its method and the end of its path."""
        return [
            f"{a.method} {'/'.join(a.path[5:] if a.path[3] == 'rooms' else a.path[3:])}" for a in self.fake.requests
        ]

    # --- the door's side --------------------------------------------------------------------------------------

    async def knock(self, user: str = ANA, reason: str = "please", room: str = GARDEN) -> Request:
        """A request for a knock that stands in the room."""
        event = self.stands("knock", user, room=room, reason=reason)
        async with self.db.tx() as tx:
            return await requests.open_knock(tx, MODS, Knock(room, user, event["event_id"], reason), self.clock())

    async def answer(self, request: Request, verdict: Verdict, reason: str | None = None) -> Request:
        """A moderator's word on a request."""
        async with self.context.turn() as turn:
            word = Answer(
                verdict, MODERATOR, self.clock(), request.event_id, reason=reason, cause=f"$word-{request.id}"
            )
            await settling.apply_answer(self.context, turn, request, word)
            return await requests.get(turn.tx, request.id)

    async def forward(self, request: Request) -> None:
        """Have a request shown to the moderators."""
        async with self.context.turn() as turn:
            await cards.show(self.context, turn, request.id)

    async def request(self, request: Request) -> Request:
        """A request as it is now."""
        async with self.db.tx() as tx:
            return await requests.get(tx, request.id)

    async def claim(self) -> list[Claimed[Any]]:
        """The jobs that are due, taken on."""
        return await jobs.claim(self.db, self.clock(), 10)

    async def run_due(self) -> None:
        """Run what is due, once, one after the other."""
        for claimed in await self.claim():
            await self.worker._attempt(claimed)

    async def later(self) -> None:
        """Run what is due in two hours, once: the longest back-off has passed by then."""
        self.clock.at += 2 * 3600 * 1000
        await self.run_due()

    async def jobs(self) -> dict[str, str]:
        """Every job by its key, and its state."""
        async with self.db.tx() as tx:
            return {row["key"]: row["state"] for row in await tx.fetch("SELECT key, state FROM jobs ORDER BY id")}

    async def states(self) -> list[str]:
        """The states of all jobs, in order."""
        return list((await self.jobs()).values())

    async def why(self) -> str:
        """What the newest job says of its fate."""
        async with self.db.tx() as tx:
            return str(await tx.fetchval("SELECT why FROM jobs ORDER BY id DESC LIMIT 1"))


@contextlib.asynccontextmanager
async def bench(db: Database, fake: FakeHomeserver) -> AsyncIterator[Bench]:
    """A bench on which the bot is joined to the garden and to its management room, with the power for everything."""
    clock = Clock()
    async with aiohttp.ClientSession() as session:
        homeserver = Homeserver(session, fake.url, AS_TOKEN, BOT)
        identity = IdentityServers(session, homeserver, lambda: context.settings.identity_servers)
        acts = Acts(homeserver)
        context = Context.made(
            db,
            Outside(homeserver),
            settings(),
            clock,
            acts=acts,
            wording=messages,
            issuer=identity,
            features=FEATURES,
            prompts=PROMPTS,
        )
        worker = Worker(context, hooks(context))
        made = Bench(db, fake, homeserver, context, clock, worker, identity)
        await keep_door(db)
        for room in (GARDEN, MODS):
            made.state[room, "m.room.create", ""] = {"sender": MODERATOR, "content": {"room_version": "11"}}
            made.powers(room=room)
            made.stands("join", BOT, room=room)
            made.stands("join", MODERATOR, room=room)
        fake.on("GET", "state/*", made.read)
        fake.on("GET", "state/*/*", made.read)
        for call in AFTER:
            fake.on("POST", call, made.act)
        yield made
