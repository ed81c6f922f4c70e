"""The application service's own endpoint: events are committed before they are acknowledged.

Step 1 of the journey (ARCHITECTURE.md). mautrix's routes and its ping are used as they are; its transaction handler
is replaced, because it answers 200 before the work and loses what it was doing when killed (docs/decisions/0001).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from typing import Any

from aiohttp import web
from mautrix.appservice.as_handler import AppServiceServerMixin

from knockbot.domain.ids import is_room_id
from knockbot.flow.door import Bells
from knockbot.matrix.events import is_event_id, matters
from knockbot.store import inbox, rooms
from knockbot.store.db import Database
from knockbot.store.inbox import Arrival

log = logging.getLogger("knockbot.gateway")

LARGEST_TRANSACTION = 256 * 2**20
"""Bytes. aiohttp's default of 1 MiB would answer 413, and the homeserver would send the same again for ever."""

LONGEST_INTEGER = 20
"""Digits. Python refuses to read integers of thousands of digits, which would stop a whole transaction."""

NOWHERE = ""
"""The room of an arrival that names none: it will be set aside when it is looked at."""


class PingOnly(AppServiceServerMixin):
    """Answers pings, and no transaction: it has nowhere to keep them, and the homeserver sends them again."""

    def __init__(self, hs_token: str) -> None:
        super().__init__(log=log, hs_token=hs_token)
        self.ready = False
        self.app = web.Application(client_max_size=LARGEST_TRANSACTION)
        self.app.router.add_get("/_matrix/mau/live", self._live)
        self.app.router.add_get("/_matrix/mau/ready", self._ready)
        self.register_routes(self.app)

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _ready(self, _: web.Request) -> web.Response:
        return web.json_response({}, status=200 if self.ready else 503)

    def _check_token(self, request: web.Request) -> bool:
        """Compared in constant time; the token in the query string is the older way."""
        header = request.headers.get("Authorization", "")
        given = header.removeprefix("Bearer ") if header else request.rel_url.query.get("access_token", "")
        return hmac.compare_digest(given.encode(errors="replace"), self.hs_token.encode())

    async def _http_handle_transaction(self, _: web.Request) -> web.Response:
        return _error(503, "M_UNKNOWN", "knockbot is not running")


class Gateway(PingOnly):
    """Receives transactions; what can matter is in the inbox before the answer leaves."""

    def __init__(self, hs_token: str, db: Database, bells: Bells, now: Callable[[], int]) -> None:
        super().__init__(hs_token)
        self._db = db
        self._bells = bells
        self._now = now

    async def _http_handle_transaction(self, request: web.Request) -> web.Response:
        if not self._check_token(request):
            return _error(403, "M_FORBIDDEN", "wrong hs_token")
        try:
            body = json.loads(await request.read(), parse_int=_integer)
        except (ValueError, RecursionError):
            return _error(400, "M_NOT_JSON", "the body is not JSON")
        events = body.get("events") if isinstance(body, dict) else None
        if not isinstance(events, list):
            return _error(400, "M_BAD_JSON", "no list of events")
        try:
            # Shielded: a homeserver that hangs up must not leave the commit undone half-way.
            await asyncio.shield(self._keep(events))
        except Exception:
            log.exception("storing a transaction failed; the homeserver will send it again")
            return _error(500, "M_UNKNOWN", "storing failed")
        return web.json_response({})

    async def _keep(self, events: list[Any]) -> None:
        """Store in one transaction whatever can matter."""
        state: list[Arrival] = []
        talk: list[Arrival] = []
        for event in events:
            kind = matters(event) if isinstance(event, dict) else "state"
            if kind is not None:
                (talk if kind == "talk" else state).append(arrival(event))
        if not state and not talk:
            return
        async with self._db.tx() as tx:
            if talk:
                closed = await rooms.closed_to_chat(tx)
                talk = [one for one in talk if one.room_id not in closed]
            await inbox.store(tx, state + talk, self._now())
        self._bells.arrivals.set()


def arrival(event: Any) -> Arrival:
    """An event, or what claims to be one, as it goes into the inbox: by its id, or by a hash where it has none."""
    raw = json.dumps(event)
    fields = event if isinstance(event, dict) else {}
    event_id, room_id = fields.get("event_id"), fields.get("room_id")
    return Arrival(
        event_id if is_event_id(event_id) else f"nameless {hashlib.sha256(raw.encode()).hexdigest()}",
        room_id if isinstance(room_id, str) and is_room_id(room_id) else NOWHERE,
        raw,
    )


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"errcode": code, "error": message}, status=status)
