"""The HTTP client: every call knockbot makes on the homeserver, and what each kind of answer means.

mautrix builds and sends the requests; its error handling is replaced, since it knows neither `Retry-After` nor
bodies that are not what they should be. Whatever goes wrong leaves here as `Later` or `Never`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, Final

from aiohttp import (
    ClientConnectionError,
    ClientConnectorError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ServerDisconnectedError,
)
from mautrix.api import HTTPAPI, Method, Path, PathBuilder
from mautrix.errors import MatrixConnectionError
from yarl import URL

from knockbot.documents.text import shown, storable
from knockbot.domain.ids import MAX_VIA, is_room_id, is_server_name, is_user_id
from knockbot.domain.notices import Duration, Foreign, Letters, Notice, Number, because
from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError, Later, Never
from knockbot.http import MIB, ONLY_TLS, TooLarge, as_json, leads_elsewhere, origin, read, why_unreachable
from knockbot.matrix.answers import read_items

log = logging.getLogger("knockbot.homeserver")

READ: Final = 20.0
"""Seconds to wait for what the homeserver can answer by itself."""
HANDSHAKE: Final = 90.0
"""Seconds to wait where another server has to answer too: invites, joins, knocks, aliases."""
SAME_TIME: Final = 5.0
"""Seconds between two clocks that are not made up for: an answer tells whole ones, and is on its way a while."""
LONGEST_WISH: Final = 3600.0
"""No more seconds than this are waited at the homeserver's own wish."""
SHORTEST_WISH: Final = 1.0
"""Nor fewer: one that says 0, and says it again, must not be asked in a tight loop."""
SAID: Final = 200
"""Characters of the homeserver's own words that are passed on."""

REFUSALS: dict[str, Notice] = {
    "M_INVITE_BLOCKED": because("homeserver.invite_blocked"),
    "M_BAD_STATE": because("homeserver.banned"),
    "M_UNSUPPORTED_ROOM_VERSION": because("homeserver.room_version"),
    "M_INCOMPATIBLE_ROOM_VERSION": because("homeserver.room_version"),
    "M_TOO_LARGE": because("homeserver.text_too_long"),
    "M_NOT_FOUND": because("homeserver.not_found"),
    "M_EXCLUSIVE": because("homeserver.exclusive"),
}
"""What an errcode means to a moderator, where the homeserver's own words would not say it."""

UNWELL: dict[str, Notice] = {
    "M_UNKNOWN_TOKEN": because("homeserver.unknown_token"),
    "M_MISSING_TOKEN": because("homeserver.missing_token"),
    "M_USER_SUSPENDED": because("homeserver.suspended"),
    "M_USER_DEACTIVATED": because("homeserver.deactivated"),
    "M_USER_LOCKED": because("homeserver.locked"),
}
"""Errcodes that only the server admin can mend. What is due waits until they have."""

UNWELL_PAUSE: Final = 60.0

NOT_COVERED: Final = "homeserver.not_covered"
"""The reason where the registration does not cover the user that the bot wants to act as."""

PASSWORD_WANTED: Final = "KNOCKBOT_PASSWORD_WANTED"  # noqa: S105 - an error code
"""Where the homeserver asks for a password (client-server API, "User-Interactive Authentication")."""

LARGEST: Final = 16 * MIB
"""Bytes of an answer that are read: a page of a hundred events has 6.5 MiB at most."""
LARGEST_REFUSAL: Final = MIB // 4
"""Bytes of a refusal that are read."""
LARGEST_LIST: Final = 64 * MIB
"""Bytes of an answer that are read where its list is taken item by item, and never held as a whole."""
MOST_KEPT: Final = 200_000
"""Items of such a list that are held."""
TOO_LARGE: Final = "KNOCKBOT_TOO_LARGE"
"""The code of a `Later` for an answer that is larger."""

LISTED: Final = ""
"""Where to find the list of such an answer."""

Keep = Callable[[Any], Any]
"""What to hold of an item; `None` for nothing."""

MEMBER_FIELDS: Final = ("type", "state_key", "sender", "event_id", "origin_server_ts", "content.membership")
"""The fields of a member event that its user has not written, but for where they stand."""

STANDING_STATE: Final = ("m.room.create", "m.room.join_rules", "m.room.power_levels")
"""State that every room has: an answer with none of it says nothing of what else the room has not."""

BY_PROXY: Final = frozenset({404, 502, 503})
"""What a proxy answers, without an errcode, whose homeserver is down, or not known to it while it restarts.

At 504 the homeserver may well be up, and itself wait for another.
"""


class Stages(Never):
    """The homeserver asks who is at the keyboard; `stages` are the ways to say so that this account has."""

    def __init__(self, flows: Any) -> None:
        super().__init__(because("homeserver.password_wanted"), code=PASSWORD_WANTED)
        steps = [flow.get("stages") for flow in flows if isinstance(flow, dict)] if isinstance(flows, list) else []
        self.stages = frozenset(
            shown(stage, SAID) for step in steps if isinstance(step, list) for stage in step if isinstance(stage, str)
        )


class Api(HTTPAPI):
    """mautrix's client with its own reading of answers."""

    clock_ahead: float | None = None
    """Seconds that the homeserver's clock was ahead of this machine's, by its last answer that told."""

    async def request(self, method: Method, path: PathBuilder | str, *args: Any, **kwargs: Any) -> Any:
        """One request. Raises `Never` for an address that a proxy could take for another."""
        if leads_elsewhere(str(path)):
            raise Never(because("homeserver.path"))
        return await super().request(method, path, *args, **kwargs)

    def _log_request(self, *args: Any, **kwargs: Any) -> None:
        if self.log.isEnabledFor(logging.DEBUG):  # mautrix makes the line in any case
            super()._log_request(*args, **kwargs)

    def _log_request_done(self, *args: Any, **kwargs: Any) -> None:
        if self.log.isEnabledFor(logging.DEBUG):
            super()._log_request_done(*args, **kwargs)

    async def _send(
        self, method: Method, url: URL, content: Any, query_params: dict[str, str], headers: dict[str, str]
    ) -> tuple[Any, ClientResponse]:
        once = (_send_once,) if method is Method.PUT else ()
        async with self.session.request(
            str(method),
            url,
            data=content,
            params=query_params,
            # What is not compressed cannot be small on the wire and huge here.
            headers=headers | {"Accept-Encoding": "identity"},
            middlewares=once,
            allow_redirects=False,  # aiohttp leaves the token out where one leads to another server
            auto_decompress=False,
        ) as answer:
            self.clock_ahead = _clock_ahead(answer.headers.get("Date", ""), self.clock_ahead)
            if 200 <= answer.status < 300:
                if answer.headers.get("Content-Encoding", "identity") != "identity":
                    raise Later(because("homeserver.compressed"))
                return await self._read(answer), answer
            raise await _refused(answer)

    async def _read(self, answer: ClientResponse) -> dict[str, Any]:
        """What a success says. Raises `Later` where that cannot be read."""
        try:
            body = as_json(await read(answer.content, LARGEST))
        except TooLarge:
            raise _too_large(LARGEST) from None
        if not isinstance(body, dict):
            raise Later(because("homeserver.nonsense"))
        return body


class ListApi(Api):
    """The API for one answer with a long list in it, of which only what `keep` makes of each item is held."""

    def __init__(self, *args: Any, path: Sequence[str], keep: Keep, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = path
        self._keep = keep

    async def _read(self, answer: ClientResponse) -> dict[str, Any]:
        kept = []
        try:
            async for item in read_items(answer.content, self._path, LARGEST_LIST):
                thing = self._keep(item)
                if thing is not None:
                    kept.append(thing)
                if len(kept) > MOST_KEPT:
                    raise TooLarge
        except TooLarge:
            raise _too_large(LARGEST_LIST) from None
        except ValueError:
            raise Later(because("homeserver.nonsense")) from None
        return {LISTED: kept}


async def _refused(answer: ClientResponse) -> Later | Never:
    """What an answer other than success says; a body that is too large says nothing."""
    if 300 <= answer.status < 400:
        return _redirect(answer.headers.get("Location", ""), answer.url)
    try:
        text = await read(answer.content, LARGEST_REFUSAL)
    except TooLarge:
        text = b""
    body = as_json(text)
    if answer.status == 400 and body is None and b"https" in text.lower():
        return Later(because("homeserver.unreachable", why=ONLY_TLS), unreachable=True)
    return _refusal(answer.status, body if isinstance(body, dict) else {}, answer.headers)


def _too_large(limit: int) -> Later:
    return Later(because("homeserver.too_large", size=Number(limit // MIB)), code=TOO_LARGE)


def _redirect(location: str, asked: URL) -> Later:
    try:
        where = shown(origin(location, asked), SAID) if location else "nowhere"
    except ValueError:
        where = "nowhere"
    return Later(
        because("homeserver.redirects", where=Letters(where)),
        unreachable=True,
    )


async def _send_once(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
    """Keep aiohttp from sending a PUT again by itself when its connection breaks.

    The message may be in the room already, and a homeserver that was restarted knows no transaction ids.
    """
    try:
        return await send(request)
    except ClientConnectorError:
        raise  # nothing was sent
    except (ClientOSError, ServerDisconnectedError) as error:
        raise ClientConnectionError("the connection broke") from error


def _refusal(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> Later | Never:
    """What an error answer says of the future (client-server API, "Standard error response")."""
    code = body.get("errcode")
    code = code if isinstance(code, str) else None
    message = body.get("error")
    words = Foreign(shown(message, SAID) if isinstance(message, str) else f"HTTP {status}")
    if status == 429:
        return Later(because("homeserver.slow_down"), retry_after=_wish(body, headers), code=code, unreachable=True)
    if status == 401 and "flows" in body:
        return Stages(body["flows"])
    if status == 401 or code in UNWELL:
        why = UNWELL.get(code or "", because("homeserver.no_token"))
        log.error("%s", in_words(why))
        return Later(why, retry_after=UNWELL_PAUSE, code=code, unreachable=True)
    if code is None or status >= 500 or status == 408:
        # Without an errcode it is not Matrix that speaks: that says nothing of what the homeserver would answer.
        why = because("homeserver.says" if code is not None else "homeserver.proxy_says", words=words)
        by_proxy = code is None and status in BY_PROXY
        return Later(why, retry_after=_wish(body, headers), code=code, unreachable=by_proxy)
    # Only the homeserver's words tell this from its other refusals.
    not_covered = code == "M_FORBIDDEN" and "masquerade" in words.text
    says = because(NOT_COVERED if not_covered else "homeserver.says", words=words)
    return Never(REFUSALS.get(code, says), code=code)


def _wish(body: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """How long the homeserver asks us to wait: the header first, then the older field of the body; `None` for nonsense.

    A little is added, so that all who were asked to wait do not come back at once.
    """
    for seconds in (_header_seconds(headers.get("Retry-After", "")), _body_seconds(body.get("retry_after_ms"))):
        if seconds is not None and seconds >= 0:
            return min(max(seconds, SHORTEST_WISH), LONGEST_WISH) * random.uniform(1.0, 1.1)  # noqa: S311 - no secret
    return None


def _clock_ahead(date: str, before: float | None) -> float | None:
    seconds = _seconds_until(date)
    return seconds if seconds is not None else before


def _header_seconds(header: str) -> float | None:
    """`Retry-After` is a number of seconds or a date (RFC 9110, section 10.2.3)."""
    try:
        return float(header)
    except ValueError:
        return _seconds_until(header)


def _seconds_until(header: str) -> float | None:
    """How far ahead of this machine's clock a date lies."""
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
    # "-0000" is UTC of which nobody says where it was written; Python leaves that without a zone.
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime.now(UTC)).total_seconds()


def _body_seconds(wish: Any) -> float | None:
    """`retry_after_ms`, which may be any JSON."""
    if isinstance(wish, bool) or not isinstance(wish, int | float):
        return None
    return min(wish, LONGEST_WISH * 1000) / 1000


@asynccontextmanager
async def in_our_words(patience: float) -> AsyncIterator[None]:
    """One request, with `patience` in seconds: a silent homeserver is a `Later`."""
    try:
        async with asyncio.timeout(patience):
            yield
    except TimeoutError:
        raise Later(because("homeserver.silent", time=Duration(round(patience * 1000)))) from None
    except MatrixConnectionError as error:
        what = why_unreachable(error.__cause__)
        raise Later(because("homeserver.unreachable", why=what), unreachable=True) from error


POLL: Final = 25.0
"""Seconds that the homeserver may keep a sync waiting for news."""


class DeviceApi(Api):
    """The API as one device of the bot, for its keys: by a token of its own, or by naming it beside the service's."""

    def __init__(
        self, session: ClientSession, address: str, token: str, user_id: str | None, device_id: str | None
    ) -> None:
        typed: Any = {"as_user_id": user_id, "as_device_id": device_id, "log": log}
        super().__init__(address, token, client_session=session, **typed)

    async def request(self, method: Method, path: PathBuilder | str, *args: Any, **kwargs: Any) -> Any:
        """One request; what it says is never logged."""
        async with in_our_words(READ):
            return await super().request(method, path, *args, **{**kwargs, "sensitive": method is not Method.GET})

    async def news(self, since: str | None, *, wait: bool = True) -> dict[str, Any]:
        """What came for the device since, as soon as there is something; nothing of any room."""
        timeout = round(POLL * 1000) if since and wait else 0
        query = {"filter": FOR_DEVICE, "timeout": str(timeout), "set_presence": "offline"}
        query |= {"since": since} if since else {}
        async with in_our_words(POLL + READ):
            found: dict[str, Any] = await super().request(Method.GET, Path.v3.sync, query_params=query)
        return found


NOTHING_OF: Final = {"not_types": ["*"]}
FOR_DEVICE: Final = json.dumps(
    {
        "presence": NOTHING_OF,
        "account_data": NOTHING_OF,
        "room": dict.fromkeys(("state", "timeline", "ephemeral", "account_data"), NOTHING_OF),
    }
)
"""A sync's filter that lets through what is for a device only."""


class Homeserver:
    """The calls of the client-server API that knockbot makes, as the bot's own user.

    Room and user ids must have been checked to be such (`domain/ids.py`); paths are quoted here. Every method may
    raise `Later` and `Never`.
    """

    def __init__(self, session: ClientSession, address: str, token: str, bot: str | None) -> None:
        self.bot = bot or ""
        self.absences = 0
        """How often nobody was there to answer. One that breaks a connection is there: idle ones break by design."""
        # mautrix asks for types of its own: a UserID, which is a str, and a logger with a level more, unused here.
        typed: Any = {"as_user_id": bot, "log": log, "client_session": session}
        self._api = Api(address, token, **typed)
        self._list_api = partial(ListApi, address, token, **typed)

    @property
    def clock_ahead(self) -> float | None:
        """Seconds that the homeserver's clock is ahead of this machine's; `None` as long as it has not said."""
        return self._api.clock_ahead

    @property
    def ahead(self) -> int:
        """The same in milliseconds; none for what the way of an answer may make up."""
        seconds = self.clock_ahead or 0.0
        return round(seconds * 1000) if abs(seconds) > SAME_TIME else 0

    async def call(
        self,
        method: Method,
        path: PathBuilder,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, Any] | None = None,
        patience: float = READ,
        *,
        api: Api | None = None,
    ) -> dict[str, Any]:
        """One request, with `patience` in seconds."""
        try:
            async with in_our_words(patience):
                answer: dict[str, Any] = await (api or self._api).request(
                    method, path, dict(body or {}), query_params=dict(query or {}), sensitive=method is not Method.GET
                )
                return answer
        except Later as error:
            self.absences += _nobody_was_there(error)
            raise

    async def _listed(
        self, path: PathBuilder, where: Sequence[str], keep: Keep, query: Mapping[str, Any] | None = None
    ) -> list[Any]:
        """What `keep` makes of each object of the list that stands at `where` in an answer, however long it is."""
        api = self._list_api(path=where, keep=keep)
        answer = await self.call(Method.GET, path, query=query, patience=HANDSHAKE, api=api)
        found: list[Any] = answer[LISTED]
        return found

    # --- reading ----------------------------------------------------------------------------------------------

    async def whoami(self) -> dict[str, Any]:
        """Who the homeserver takes us for."""
        return await self.call(Method.GET, Path.v3.account.whoami)

    async def versions(self) -> dict[str, Any]:
        """What the homeserver speaks."""
        return await self.call(Method.GET, Path.versions)

    async def state(self, room_id: str, event_type: str, key: str = "") -> dict[str, Any] | None:
        """A whole state event, or `None` where there is none.

        The default form of the answer is the content alone, without the event id.
        """
        try:
            path = Path.v3.rooms[room_id].state[event_type][key]
            return await self.call(Method.GET, path, query={"format": "event"})
        except Never as error:
            if error.code == "M_NOT_FOUND":
                return None
            raise

    async def event(self, room_id: str, event_id: str) -> dict[str, Any] | None:
        """One event of a room, or `None` where the bot cannot see it."""
        try:
            return await self.call(Method.GET, Path.v3.rooms[room_id].event[event_id])
        except Never:
            return None

    async def knocking_members(self, room_id: str, keep: Keep = lambda event: event) -> list[Any]:
        """What `keep` makes of the member event of each who knocks at a room.

        Where they have written so much that it is not read, all members are listed without what they wrote.
        """
        try:
            return await self._listed(Path.v3.rooms[room_id].members, ["chunk"], keep, {"membership": "knock"})
        except Later as error:
            if error.code != TOO_LARGE:
                raise
        log.info("the knocks at %s are too large to be read; they are listed without their reasons", room_id)
        wanted = {"types": ["m.room.member"]}
        return await self._synced_state(room_id, wanted, keep, fields=MEMBER_FIELDS)

    async def members(self, room_id: str, memberships: Iterable[str]) -> set[str]:
        """Who stands so in a room."""
        path, found = Path.v3.rooms[room_id].members, set[str]()
        for membership in memberships:
            found |= {*await self._listed(path, ["chunk"], _user_of, {"membership": membership})}
        return found

    async def joined_rooms(self) -> list[str]:
        """The rooms the bot is in."""
        answer = await self.call(Method.GET, Path.v3.joined_rooms, patience=HANDSHAKE)
        return [room_id for room_id in _list(answer, "joined_rooms") if isinstance(room_id, str)]

    async def state_of_type(self, room_id: str, event_type: str, *, exact: bool = False) -> list[dict[str, Any]]:
        """The state events of one type in a room: by a sync that is asked for little else, or from its whole state.

        Not every homeserver lets an application service sync, and a room may be missing in the answer. What else is
        missing may be there all the same: where two events came at once, Synapse syncs the state as one of them left
        it, until the next event. `exact` asks for the whole state at once.
        """
        wanted = (event_type, *STANDING_STATE)

        def keep(event: Any) -> Any:
            return event if isinstance(event, dict) and event.get("type") in wanted else None

        events = [] if exact else await self._quick_state(room_id, wanted, keep)
        if not _tells_of_a_room(events):
            events = await self._listed(Path.v3.rooms[room_id].state, [], keep)
            if not _tells_of_a_room(events):
                raise Later(because("homeserver.nonsense"))
        return [event for event in events if event["type"] == event_type]

    async def _quick_state(self, room_id: str, types: Sequence[str], keep: Keep) -> list[Any]:
        """A room's state of these types by a sync; empty where there is none, or it says nothing of the room."""
        try:
            return await self._synced_state(room_id, {"types": list(types)}, keep)
        except ActionError as error:
            if isinstance(error, Later) and error.unreachable:
                raise
            log.info("no sync for %s (%s); its whole state is asked for instead", room_id, in_words(error.why))
            return []

    async def _synced_state(
        self, room_id: str, wanted: Mapping[str, Any], keep: Keep, fields: Sequence[str] | None = None
    ) -> list[Any]:
        """A room's state as the bot's own first sync has it; only these fields of each event, where they are named.

        Synapse keeps the answer to a repeated first sync for minutes; a filter that differs each time is not repeated.
        """
        nothing = {"limit": 0, "types": []}
        sought = {
            "room": {
                "rooms": [room_id],
                "state": {**wanted, "not_senders": [f"@{secrets.token_hex(8)}:invalid"]},
                "timeline": nothing,
                "ephemeral": nothing,
                "account_data": nothing,
            },
            "presence": nothing,
            "account_data": nothing,
        } | ({"event_fields": list(fields)} if fields is not None else {})
        query = {"filter": json.dumps(sought), "timeout": "0", "set_presence": "offline"}
        return await self._listed(Path.v3.sync, ("rooms", "join", room_id, "state", "events"), keep, query)

    async def annotations(self, room_id: str, event_id: str) -> list[Any]:
        """The reactions on a message, the newest hundred."""
        answer = await self.call(
            Method.GET, Path.v1.rooms[room_id].relations[event_id]["m.annotation"], query={"limit": "100"}
        )
        return _list(answer, "chunk")

    async def messages_back(self, room_id: str, since: str | None, event_filter: str) -> tuple[list[Any], str | None]:
        """A page of a room's messages, newest first, and where the next page begins."""
        query = {"dir": "b", "limit": "100", "filter": event_filter, "from": since}
        answer = await self.call(
            Method.GET, Path.v3.rooms[room_id].messages, query={k: v for k, v in query.items() if v is not None}
        )
        end = answer.get("end")
        return _list(answer, "chunk"), end if isinstance(end, str) else None

    async def directory(self, alias: str) -> tuple[str, tuple[str, ...]]:
        """The room an alias means, and servers to reach it by."""
        try:
            # Not HANDSHAKE: judging a knock may wait for this, and others behind it.
            answer = await self.call(Method.GET, Path.v3.directory.room[alias])
        except Never as error:
            raise Never(because("homeserver.no_alias"), code=error.code) from error
        room_id = answer.get("room_id")
        if not isinstance(room_id, str) or not is_room_id(room_id):
            # Another server has said so, and the homeserver passed it on.
            raise Never(because("homeserver.alias_leads_nowhere"))
        servers = (server for server in _list(answer, "servers") if isinstance(server, str))
        return room_id, tuple(server for server in servers if is_server_name(server))[:MAX_VIA]

    # --- acting -----------------------------------------------------------------------------------------------

    async def register(self) -> None:
        """Have the bot's account made; it may be there already."""
        localpart = self.bot[1:].partition(":")[0]
        body = {"type": "m.login.application_service", "username": localpart, "inhibit_login": True}
        try:
            await self.call(Method.POST, Path.v3.register, body)
        except Never as error:
            if error.code != "M_USER_IN_USE":
                raise

    async def login(self, device_id: str, name: str) -> str:
        """Log the bot in on this device, which is made if there is none; returns the device's own token."""
        body = {
            "type": "m.login.application_service",
            "identifier": {"type": "m.id.user", "user": self.bot},
            "device_id": device_id,
            "initial_device_display_name": name,
        }
        return _id_in(await self.call(Method.POST, Path.v3.login, body), "access_token")

    async def make_device(self, device_id: str, name: str) -> None:
        """Make a device of the bot without logging in (MSC4190)."""
        await self.call(Method.PUT, Path.v3.devices[device_id], {"display_name": name})

    async def devices(self) -> list[str]:
        """The bot's devices."""
        found = _list(await self.call(Method.GET, Path.v3.devices), "devices")
        ids = (device.get("device_id") for device in found if isinstance(device, dict))
        return [device_id for device_id in ids if isinstance(device_id, str)]

    async def delete_device(self, device_id: str) -> None:
        """Take a device of the bot away (MSC4190)."""
        await self.call(Method.DELETE, Path.v3.devices[device_id])

    async def account_data(self, event_type: str) -> dict[str, Any]:
        """What the bot has left in its account; empty where there is nothing."""
        try:
            return await self.call(Method.GET, Path.v3.user[self.bot].account_data[event_type])
        except Never as error:
            if error.code == "M_NOT_FOUND":
                return {}
            raise

    async def set_account_data(self, event_type: str, content: Mapping[str, Any]) -> None:
        """Leave something in the bot's account."""
        await self.call(Method.PUT, Path.v3.user[self.bot].account_data[event_type], content)

    async def set_display_name(self, name: str) -> None:
        """Give the bot a name, unless it has that already; only once it is registered (FACTS)."""
        path = Path.v3.profile[self.bot].displayname
        try:
            if (await self.call(Method.GET, path)).get("displayname") == name:
                return
        except Never:
            pass  # no profile yet
        await self.call(Method.PUT, path, {"displayname": name})

    async def set_avatar(self, uri: str) -> None:
        """Give the bot a picture, unless it has that already. It does its work without one, so a no is only logged."""
        path = Path.v3.profile[self.bot].avatar_url
        try:
            if (await self.call(Method.GET, path)).get("avatar_url") == uri:
                return
        except Never:
            pass  # no profile yet
        try:
            await self.call(Method.PUT, path, {"avatar_url": uri})
        except Never as error:
            log.warning("the homeserver does not accept bot_avatar: %s", in_words(error.why))

    async def prove(self) -> dict[str, Any]:
        """A token by which another server can ask the homeserver who the bot is (OpenID)."""
        return await self.call(Method.POST, Path.v3.user[self.bot].openid.request_token)

    async def ping(self, service_id: str, txn_id: str) -> None:
        """Have the homeserver call us back: it proves the round trip, and makes it deliver what it kept."""
        await self.call(
            Method.POST, Path.v1.appservice[service_id].ping, {"transaction_id": txn_id}, patience=HANDSHAKE
        )

    async def invite(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Let somebody in."""
        await self._membership(room_id, "invite", user_id, reason, HANDSHAKE)

    async def kick(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Send somebody away."""
        await self._membership(room_id, "kick", user_id, reason, READ)

    async def ban(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Keep somebody out."""
        await self._membership(room_id, "ban", user_id, reason, READ)

    async def _membership(self, room_id: str, call: str, user_id: str, reason: str | None, patience: float) -> None:
        body = {"user_id": user_id} | ({"reason": reason} if reason else {})
        await self.call(Method.POST, Path.v3.rooms[room_id][call], body, patience=patience)

    async def join(self, room: str, via: Sequence[str] = ()) -> str:
        """Enter a room by id or alias; returns its id."""
        return await self._enter("join", room, via, {})

    async def knock(self, room: str, via: Sequence[str], reason: str) -> str:
        """Ask to be let into a room; returns its id."""
        return await self._enter("knock", room, via, {"reason": reason})

    async def _enter(self, call: str, room: str, via: Sequence[str], body: Mapping[str, Any]) -> str:
        # `server_name` is the old name of `via`; servers of either age find theirs.
        query = {"via": list(via), "server_name": list(via)} if via else {}
        entered = _id_in(await self.call(Method.POST, Path.v3[call][room], body, query, patience=HANDSHAKE), "room_id")
        log.info("%s: %s", call, entered, extra={"fields": {"what": call, "room_id": entered, "by": self.bot}})
        return entered

    async def leave(self, room_id: str) -> None:
        """Leave a room, decline an invite or take a knock back; not to be in it at all is as good."""
        try:
            await self.call(Method.POST, Path.v3.rooms[room_id].leave, patience=HANDSHAKE)
            log.info("leave: %s", room_id, extra={"fields": {"what": "leave", "room_id": room_id, "by": self.bot}})
        except Never as error:
            log.info("leaving %s: %s", room_id, in_words(error.why))

    async def put_state(self, room_id: str, event_type: str, key: str, content: Mapping[str, Any]) -> str:
        """Set a room's state; returns the event id."""
        path = Path.v3.rooms[room_id].state[event_type][key]
        return _id_in(await self.call(Method.PUT, path, content), "event_id")

    async def send(self, room_id: str, event_type: str, txn_id: str, content: Mapping[str, Any]) -> str:
        """Send a message event; returns its event id."""
        return _id_in(await self.call(Method.PUT, Path.v3.rooms[room_id].send[event_type][txn_id], content), "event_id")

    async def redact(self, room_id: str, event_id: str, txn_id: str) -> None:
        """Take an event's content away: one of the bot's own, or, where it has the power, of somebody else."""
        await self.call(Method.PUT, Path.v3.rooms[room_id].redact[event_id][txn_id])

    async def create_room(self, content: Mapping[str, Any]) -> str:
        """Make a room; returns its id. Called twice, it makes two."""
        return _id_in(await self.call(Method.POST, Path.v3.createRoom, content, patience=HANDSHAKE), "room_id")


def _id_in(answer: Mapping[str, Any], key: str) -> str:
    """The id that an answer has to hold."""
    found = answer.get(key)
    if not isinstance(found, str) or storable(found) != found:
        raise Later(because("homeserver.nonsense"))
    return found


def _user_of(event: Any) -> str | None:
    """Whom a member event is about."""
    user_id = event.get("state_key") if isinstance(event, dict) else None
    return user_id if isinstance(user_id, str) and is_user_id(user_id) else None


def _tells_of_a_room(events: Sequence[Any]) -> bool:
    return any(isinstance(event, dict) and event.get("type") in STANDING_STATE for event in events)


def _nobody_was_there(error: Later) -> bool:
    """Whether no homeserver took the call at all, by its own word or by that of the proxy before it."""
    if isinstance(error.__cause__, MatrixConnectionError):
        return isinstance(error.__cause__.__cause__, ClientConnectorError)
    return error.unreachable and error.code is None


def _list(answer: Mapping[str, Any], key: str) -> list[Any]:
    found = answer.get(key)
    return found if isinstance(found, list) else []


def on_our_clock(event: Mapping[str, Any], ahead: int) -> dict[str, Any]:
    """An event that was read from the homeserver, with its time by this machine's clock, which that one is ahead of."""
    at = event.get("origin_server_ts")
    return {**event, "origin_server_ts": at - ahead} if ahead and isinstance(at, int) and at > ahead else dict(event)
