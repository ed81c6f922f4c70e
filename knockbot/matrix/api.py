"""The HTTP client, and what each kind of answer of the homeserver means for a retry.

mautrix builds and sends the requests; its error handling is replaced, because it handles neither `Retry-After` nor
malformed bodies. Every failure leaves this module as `Later` or `Never`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from aiohttp import (
    ClientConnectionError,
    ClientConnectorError,
    ClientHandlerType,
    ClientOSError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    ServerDisconnectedError,
    StreamReader,
)
from mautrix.api import HTTPAPI, Method, Path, PathBuilder
from mautrix.errors import MatrixConnectionError
from yarl import URL

from knockbot.documents.text import shown
from knockbot.domain.notices import Duration, Foreign, Letters, Notice, Number, because
from knockbot.domain.reasons import in_words
from knockbot.errors import Later, Never
from knockbot.flow.ports import TOO_LARGE as FILE_TOO_LARGE
from knockbot.http import MIB, ONLY_TLS, TooLarge, as_json, leads_elsewhere, origin, read, why_unreachable
from knockbot.matrix.answers import read_items

log = logging.getLogger("knockbot.homeserver")

READ: Final = 20.0
"""Seconds to wait for an answer that the homeserver can give by itself."""
HANDSHAKE: Final = 90.0
"""Seconds to wait if another server has to answer too: invites, joins, knocks, aliases."""
LONGEST_WISH: Final = 3600.0
"""The most seconds to wait when the homeserver asks us to wait."""
SHORTEST_WISH: Final = 1.0
"""The fewest seconds to wait: if a homeserver keeps answering 0, knockbot must not ask in a tight loop."""
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
"""What an errcode means to a moderator, if the homeserver's own words do not explain it."""

UNWELL: dict[str, Notice] = {
    "M_UNKNOWN_TOKEN": because("homeserver.unknown_token"),
    "M_MISSING_TOKEN": because("homeserver.missing_token"),
    "M_USER_SUSPENDED": because("homeserver.suspended"),
    "M_USER_DEACTIVATED": because("homeserver.deactivated"),
    "M_USER_LOCKED": because("homeserver.locked"),
}
"""Errcodes whose cause only the server admin can fix. Jobs wait until they have done that."""

UNWELL_PAUSE: Final = 60.0

NOT_COVERED: Final = "homeserver.not_covered"
"""The reason if the registration does not cover the user that the bot wants to act as."""

PASSWORD_WANTED: Final = "KNOCKBOT_PASSWORD_WANTED"  # noqa: S105 - an error code
"""The homeserver asks for a password (client-server API, "User-Interactive Authentication")."""

LARGEST: Final = 16 * MIB
"""Bytes of an answer that are read: a page of a hundred events has 6.5 MiB at most."""
LARGEST_REFUSAL: Final = MIB // 4
"""Bytes of a refusal that are read."""
LARGEST_LIST: Final = 64 * MIB
"""Bytes of an answer that are read if its list is read item by item, and never held as a whole."""
MOST_KEPT: Final = 200_000
"""Items of such a list that are held."""
TOO_LARGE: Final = "KNOCKBOT_TOO_LARGE"
"""The code of a `Later` for an answer that is larger."""

LARGEST_STATE: Final = 256 * MIB
"""Bytes of the state of a room that are read, portion by portion: some hundred thousand events."""
READING: Final = 4000.0
"""Seconds that this may take; whoever reads says how long they wait (`features/lists/reading.py`)."""
SILENT: Final = 280.0
"""Seconds without a single byte after which the homeserver counts as silent meanwhile."""
PORTION: Final = 500
"""Items that are handed over at once."""
SLICE: Final = 0.005
"""Seconds of such work after which others have a turn."""

CONTENT: Final = "content"
"""Where to find the content of a file."""

LISTED: Final = ""
"""Where to find the list of such an answer."""

Keep = Callable[[Any], Any]
"""What to keep of an item; `None` for nothing."""

Take = Callable[[Sequence[Any]], Awaitable[None]]
"""Takes a portion of such items."""

BY_PROXY: Final = frozenset({404, 502, 503})
"""What a proxy answers, without an errcode, while its homeserver is down, or restarting and not known to the proxy.

With 504 the homeserver may be up, and itself wait for another server.
"""


class Stages(Never):
    """The homeserver asks for interactive authentication; `stages` are the ways that this account has for it."""

    def __init__(self, flows: Any) -> None:
        super().__init__(because("homeserver.password_wanted"), code=PASSWORD_WANTED)
        steps = [flow.get("stages") for flow in flows if isinstance(flow, dict)] if isinstance(flows, list) else []
        self.stages = frozenset(
            shown(stage, SAID) for step in steps if isinstance(step, list) for stage in step if isinstance(stage, str)
        )


class Api(HTTPAPI):
    """mautrix's client with its own reading of answers."""

    clock_ahead: float | None = None
    """Seconds that the homeserver's clock was ahead of this machine's, by its last answer that had a date."""

    async def request(self, method: Method, path: PathBuilder | str, *args: Any, **kwargs: Any) -> Any:
        """One request. Raises `Never` for an address that a proxy could mistake for another."""
        if leads_elsewhere(str(path)):
            raise Never(because("homeserver.path"))
        return await super().request(method, path, *args, **kwargs)

    def _log_request(self, *args: Any, **kwargs: Any) -> None:
        if self.log.isEnabledFor(logging.DEBUG):  # mautrix makes the line in any case
            super()._log_request(*args, **kwargs)

    def _log_request_done(self, *args: Any, **kwargs: Any) -> None:
        if self.log.isEnabledFor(logging.DEBUG):
            super()._log_request_done(*args, **kwargs)

    limits: Mapping[str, Any] = {}
    """What aiohttp is told of how long a request may take, beside what the session says."""

    async def _send(
        self, method: Method, url: URL, content: Any, query_params: dict[str, str], headers: dict[str, str]
    ) -> tuple[Any, ClientResponse]:
        once = (_send_once,) if method is Method.PUT else ()
        async with self.session.request(
            str(method),
            url,
            data=content,
            params=query_params,
            # Without compression, no body can be small on the wire and huge here.
            headers=headers | {"Accept-Encoding": "identity"},
            middlewares=once,
            allow_redirects=False,  # aiohttp leaves the token out where one leads to another server
            auto_decompress=False,
            **self.limits,
        ) as answer:
            self.clock_ahead = _clock_ahead(answer.headers.get("Date", ""), self.clock_ahead)
            if 200 <= answer.status < 300:
                if answer.headers.get("Content-Encoding", "identity") != "identity":
                    raise Later(because("homeserver.compressed"))
                return await self._read(answer), answer
            raise await _refused(answer)

    async def _read(self, answer: ClientResponse) -> dict[str, Any]:
        """The content of a success. Raises `Later` if it cannot be read."""
        try:
            body = as_json(await read(answer.content, LARGEST))
        except TooLarge:
            raise _too_large(LARGEST) from None
        if not isinstance(body, dict):
            raise Later(because("homeserver.nonsense"))
        return body


class ListApi(Api):
    """The API for one answer with a long list in it; it holds only what `keep` returns for each item."""

    def __init__(self, *args: Any, path: Sequence[str], keep: Keep, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._path = path
        self._keep = keep

    async def _read(self, answer: ClientResponse) -> dict[str, Any]:
        kept = []
        async for item in _items(answer.content, self._path, LARGEST_LIST):
            thing = self._keep(item)
            if thing is not None:
                kept.append(thing)
            if len(kept) > MOST_KEPT:
                raise _too_large(LARGEST_LIST)
        return {LISTED: kept}


class FileApi(Api):
    """The API for one answer that is a file; `most` is how many bytes it may have."""

    def __init__(self, *args: Any, most: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._most = most

    async def _read(self, answer: ClientResponse) -> dict[str, Any]:
        try:
            return {CONTENT: await read(answer.content, self._most)}
        except TooLarge:
            raise Never(because("file.too_large"), code=FILE_TOO_LARGE) from None


class PortionsApi(Api):
    """The API for one answer that is a long list: it hands over what `keep` returns for its items, portion by portion.

    It never holds more than a portion, and leaves most of the time to others.
    """

    # aiohttp would give up after five minutes in all.
    limits: Mapping[str, Any] = {"timeout": ClientTimeout(total=None, sock_connect=30.0, sock_read=SILENT)}

    def __init__(self, *args: Any, keep: Keep, take: Take, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._keep = keep
        self._take = take

    async def _read(self, answer: ClientResponse) -> dict[str, Any]:
        portion, pace = [], _Pace()
        async for item in _items(answer.content, (), LARGEST_STATE):
            thing = self._keep(item)
            portion += [] if thing is None else [thing]
            if len(portion) >= PORTION:
                await self._take(portion)
                portion = []
            await pace.keep()
        if portion:
            await self._take(portion)
        return {}


async def _items(content: StreamReader, path: Sequence[str], limit: int) -> AsyncIterator[Any]:
    """The items of a list in an answer. Raises `Later` if it cannot be read."""
    try:
        async for item in read_items(content, path, limit):
            yield item
    except TooLarge:
        raise _too_large(limit) from None
    except ValueError:
        raise Later(because("homeserver.nonsense")) from None


class _Pace:
    """Lets others have their turn in the middle of a long piece of work."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def keep(self) -> None:
        """Wait as long as was worked, once that was long enough to be felt."""
        worked = time.perf_counter() - self._began
        if worked >= SLICE:
            await asyncio.sleep(worked)
            self._began = time.perf_counter()


async def _refused(answer: ClientResponse) -> Later | Never:
    """The content of an answer other than success; empty if the body is too large."""
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

    The message may be in the room already, and a homeserver that was restarted does not remember transaction IDs.
    """
    try:
        return await send(request)
    except ClientConnectorError:
        raise  # nothing was sent
    except (ClientOSError, ServerDisconnectedError) as error:
        raise ClientConnectionError("the connection broke") from error


def _refusal(status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> Later | Never:
    """What an error answer says about a retry (client-server API, "Standard error response")."""
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
        # Without an errcode the answer is not from a homeserver. It does not show what the homeserver would answer.
        why = because("homeserver.says" if code is not None else "homeserver.proxy_says", words=words)
        by_proxy = code is None and status in BY_PROXY
        return Later(why, retry_after=_wish(body, headers), code=code, unreachable=by_proxy)
    # Only the homeserver's words distinguish this from its other refusals.
    not_covered = code == "M_FORBIDDEN" and "masquerade" in words.text
    says = because(NOT_COVERED if not_covered else "homeserver.says", words=words)
    return Never(REFUSALS.get(code, says), code=code)


def _wish(body: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """How long the homeserver asks us to wait: the header first, then the older field of the body; `None` for nonsense.

    A little is added, so that not all waiting clients come back at once.
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
    # "-0000" is UTC without a known local zone; Python gives such a time no zone.
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
    """The API as one device of the bot, for its keys: with its own token, or with the service's token and its ID."""

    def __init__(
        self, session: ClientSession, address: str, token: str, user_id: str | None, device_id: str | None
    ) -> None:
        typed: Any = {"as_user_id": user_id, "as_device_id": device_id, "log": log}
        super().__init__(address, token, client_session=session, **typed)

    async def request(self, method: Method, path: PathBuilder | str, *args: Any, **kwargs: Any) -> Any:
        """One request; its content is never logged."""
        async with in_our_words(READ):
            return await super().request(method, path, *args, **{**kwargs, "sensitive": method is not Method.GET})

    async def news(self, since: str | None, *, wait: bool = True) -> dict[str, Any]:
        """What arrived for the device since then, as soon as there is something; nothing from any room."""
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
"""A sync filter that lets through only what is for a device."""
