"""The application service's own endpoint: events are committed before they are acknowledged.

Step 1 of the journey (ARCHITECTURE.md). mautrix's routes and its ping are used as they are; its transaction handler
is replaced, because it answers 200 before the work is done, and loses work when it is killed (docs/decisions/0001).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web
from mautrix.appservice.as_handler import AppServiceServerMixin

from knockbot.domain import nesting
from knockbot.domain.ids import is_room_id
from knockbot.engine.wakeups import Wakeups
from knockbot.flow.keys import SEALED
from knockbot.listening import KNOWN
from knockbot.matrix.crypto.keyring import FOR_DEVICES, mail_in_transaction
from knockbot.matrix.events import ENCRYPTION, is_encryption, is_event_id, mapping, matters
from knockbot.store import encryption, inbox, lists, processes, rooms
from knockbot.store.db import Database, Unusable
from knockbot.store.inbox import Arrival

log = logging.getLogger("knockbot.gateway")

LARGEST_TRANSACTION = 256 * 2**20
"""Bytes. With aiohttp's default of 1 MiB, the answer would be 413, and the homeserver would repeat it for ever."""

BODY = 60.0
"""Seconds; the homeserver sends again what arrived too slowly."""

PING = re.compile(r"[a-z]{1,16}-[0-9a-f]{16}")
"""The name of a ping that knockbot asked for: hard to guess, because any local user may ask whether it arrived."""

PINGS_KEPT = 16

NOWHERE = ""
"""The room of an arrival that names none: it will be set aside when it is handled."""


class PingOnly(AppServiceServerMixin):
    """Answers pings, but no transaction: it cannot store them, and the homeserver sends them again."""

    def __init__(self, hs_token: str) -> None:
        super().__init__(log=log, hs_token=hs_token)
        self.ready = False
        self.reached = True
        """Whether the last ping that knockbot asked the homeserver for has arrived."""
        self._pings: deque[str] = deque(maxlen=PINGS_KEPT)
        self.app = web.Application(client_max_size=LARGEST_TRANSACTION)
        self.app.router.add_get("/_matrix/mau/live", self._live)
        self.app.router.add_get("/_matrix/mau/ready", self._ready)
        self.app.router.add_get("/_matrix/mau/heard/{ping}", self._heard)
        self.register_routes(self.app)

    async def _live(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _ready(self, _: web.Request) -> web.Response:
        why = self.why_not_ready
        return web.json_response({}) if why is None else web.json_response({"reason": why}, status=503)

    @property
    def why_not_ready(self) -> str | None:
        """Why nothing is received or done now; none if knockbot works."""
        if not self.ready:
            return "it is starting or stopping"
        return None if self.reached else "the homeserver does not reach it"

    async def _heard(self, request: web.Request) -> web.Response:
        """Whether a ping has arrived, for the caller that asked the homeserver for it and knows its name."""
        ping = request.match_info["ping"]
        return web.json_response({}, status=200 if PING.fullmatch(ping) and await self.heard(ping) else 404)

    async def heard(self, ping: str) -> bool:
        """Whether this ping has arrived."""
        return ping in self._pings

    async def _note(self, ping: str) -> None:
        self._pings.append(ping)

    async def _http_ping(self, request: web.Request) -> web.Response:
        """The homeserver calls back. Its success is no proof for the caller: any program may have answered it."""
        if not self._check_token(request):
            return _error(403, "M_FORBIDDEN", "wrong hs_token")
        try:
            body = _read(await request.read())
        except ValueError:
            return _error(400, "M_NOT_JSON", "the body is not JSON")
        ping = body.get("transaction_id")
        if isinstance(ping, str) and PING.fullmatch(ping):
            await self._note(ping)
        return web.json_response({})

    def _check_token(self, request: web.Request) -> bool:
        """Compared in constant time; the token in the query string is the older way."""
        header = request.headers.get("Authorization", "")
        given = header.removeprefix("Bearer ") if header else request.rel_url.query.get("access_token", "")
        right = hmac.compare_digest(given.encode(errors="replace"), self.hs_token.encode())
        request[KNOWN] = right
        return right

    async def _http_handle_transaction(self, _: web.Request) -> web.Response:
        return _error(503, "M_UNKNOWN", "knockbot is not running")


class Gateway(PingOnly):
    """Receives transactions; what can matter is in the inbox before the answer leaves."""

    def __init__(
        self, hs_token: str, db: Database, wakeups: Wakeups, now: Callable[[], int], *, sealed_for: str | None = None
    ) -> None:
        super().__init__(hs_token)
        self._db = db
        self._wakeups = wakeups
        self._now = now
        self._sealed_for = sealed_for
        """The bot, if it can read encrypted events; otherwise they are dropped."""
        self.patience = BODY
        """Seconds that the body of a transaction may take."""
        self.last_transaction: int | None = None
        """When the homeserver last delivered something to this process."""

    @property
    def why_not_ready(self) -> str | None:
        """The same; also, nothing can be stored without the database."""
        return self._db.trouble or super().why_not_ready

    async def heard(self, ping: str) -> bool:
        """Whether this ping has arrived, at this process or to another one on the same database."""
        if await super().heard(ping):
            return True
        if self._db.alone:
            return False
        async with self._db.tx() as tx:
            return await processes.was_heard(tx, ping)

    async def _note(self, ping: str) -> None:
        await super()._note(ping)
        if self._db.alone or self._db.trouble is not None:
            return
        try:
            async with self._db.tx() as tx:
                await processes.hear(tx, self._db.process, ping)
        except Unusable:
            pass  # the log has the error; this process has received the ping anyway

    async def _http_handle_transaction(self, request: web.Request) -> web.Response:
        if not self._check_token(request):
            return _error(403, "M_FORBIDDEN", "wrong hs_token")
        try:
            async with asyncio.timeout(self.patience):
                text = await request.read()
        except TimeoutError:
            log.warning("the body of a transaction took more than %g seconds", self.patience)
            return _error(408, "M_UNKNOWN", "the body came too slowly")
        try:
            body = _read(text)
            sifted = _sifted(body, sealed=self._sealed_for is not None)
        except ValueError:
            return _error(400, "M_NOT_JSON", "the body is not JSON")
        if sifted is None:
            return _error(400, "M_BAD_JSON", "no list of events")
        return await self._stored(sifted, body)

    async def _stored(self, sifted: list[Sifted], body: Mapping[str, Any]) -> web.Response:
        try:
            # Shielded: a homeserver that hangs up must not leave the commit undone half-way.
            await asyncio.shield(self._keep(sifted, body))
        except Unusable as error:
            return _error(503, "M_UNKNOWN", str(error))
        except Exception:
            log.exception("storing a transaction failed; the homeserver will send it again")
            return _error(500, "M_UNKNOWN", "storing failed")
        self.last_transaction = self._now()
        return web.json_response({})

    async def _keep(self, sifted: list[Sifted], body: Mapping[str, Any]) -> None:
        """Store in one transaction everything that can matter."""
        if self._sealed_for is not None and any(name in body for name in FOR_DEVICES):
            await self._keep_mail(self._sealed_for, body)
        if not sifted:
            return
        kinds = {kind for _, kind in sifted}
        single = kinds == {"state"} and not any(one.encrypts for one, _ in sifted)  # the statement that stores them
        async with self._db.change(first=True) if single else self._db.tx(first=True) as tx:
            closed = await rooms.closed_to_chat(tx) if kinds - {"state", "entry"} else frozenset()
            followed = await lists.followed(tx) if "entry" in kinds else frozenset()
            await inbox.store(tx, kept(sifted, closed, followed), self._now())
        self._wakeups.arrivals.set()

    async def _keep_mail(self, bot: str, body: Mapping[str, Any]) -> None:
        async with self._db.tx() as tx:
            device = await encryption.device(tx, bot)
            mail = mail_in_transaction(body, bot, device.device_id if device else None)
            await encryption.store_mail(tx, mail, self._now())
        self._wakeups.mail.set()


# --- reading a transaction ------------------------------------------------------------------------------------

Sifted = tuple[Arrival, str]
"""An arrival, and why it can matter (`events.matters`)."""


def _read(text: bytes) -> dict[str, Any]:
    """A transaction; empty if it is none.

    Raises `ValueError` for what is not JSON. One event that is nested too deeply must not stop the rest for ever.
    """
    body = nesting.read(text)
    return body if isinstance(body, dict) else {}


def _sifted(body: Mapping[str, Any], *, sealed: bool) -> list[Sifted] | None:
    """What can matter in a transaction, in its order; `None` if it holds no list of events."""
    events = body.get("events")
    if not isinstance(events, list):
        return None
    kinds = ((event, matters(event) if isinstance(event, dict) else "state") for event in events)
    return [(arrival(event), kind) for event, kind in kinds if kind is not None and (sealed or kind != "sealed")]


def kept(sifted: Iterable[Sifted], closed: Collection[str], followed: Collection[str]) -> list[Arrival]:
    """The part that is kept of all that can matter: no messages from rooms that are `closed` to chat, and no entries of
    policy lists that are not `followed`.

    In the other rooms a redaction is handled after the messages before it, because it redacts one of them.
    """
    return [
        replace(one, talk=True) if kind == "redaction" and one.room_id not in closed else one
        for one, kind in sifted
        if (one.room_id in followed if kind == "entry" else kind in ("state", "redaction") or one.room_id not in closed)
    ]


def arrival(event: Any) -> Arrival:
    """An event, or what claims to be one, as it goes into the inbox: by its ID, or by a hash if it has none."""
    raw = nesting.written(event)
    fields = mapping(event)
    event_id, room_id = fields.get("event_id"), fields.get("room_id")
    return Arrival(
        event_id if is_event_id(event_id) else f"nameless {hashlib.sha256(raw.encode()).hexdigest()}",
        room_id if isinstance(room_id, str) and is_room_id(room_id) else NOWHERE,
        raw,
        sealed=fields.get("type") == SEALED,
        encrypts=fields.get("type") == ENCRYPTION and is_encryption(mapping(fields.get("content"))),
        talk=matters(fields) in ("talk", "sealed"),
    )


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"errcode": code, "error": message}, status=status)
