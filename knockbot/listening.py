"""Answers on a port: each client has limited time for the header of a request, and strangers have few connections.

aiohttp waits an hour for a header that never ends. Only the homeserver should connect here, so a client that has not
shown its token is a stranger: if there are too many strangers, the oldest connection is closed.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, cast

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from knockbot.config.values import Listen
from knockbot.errors import Unavailable

log = logging.getLogger("knockbot.visitors")

HEADER: Final = 10.0
"""Seconds in which a request has to send its whole header."""
STRANGERS: Final = 200
"""The most simultaneous connections that have not shown a token yet."""

KNOWN: Final = web.RequestKey("known", bool)
"""Where a handler writes into its request whether it had the right token."""

NO_FAULT_OF_OURS: Final = (HttpProcessingError, RequestPayloadError, ConnectionResetError)
"""What aiohttp raises if a client sends something that is no HTTP, or disconnects."""


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """aiohttp logs a traceback with the sent data for each of them: anybody could fill the disk."""
    error = record.exc_info[1] if record.exc_info else None
    if not isinstance(error, NO_FAULT_OF_OURS):
        return True
    log.debug("a visitor's request could not be read: %s", type(error).__name__)
    return False


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Visitors:
    """Watches the connections of one web application."""

    def __init__(self, app: web.Application, *, header: float = HEADER, strangers: int = STRANGERS) -> None:
        self._header = header
        self._most = strangers
        self._by_transport: dict[asyncio.BaseTransport, _Visitor] = {}
        """All that are connected, oldest first."""
        app.middlewares.append(self._serve)
        logging.getLogger("aiohttp.server").addFilter(_is_worth_a_line)

    def watched(self, protocols: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """The same protocols, for connections that are watched."""
        return lambda: _Visitor(self, protocols())

    @web.middleware
    async def _serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """One request, whose header is complete."""
        visitor = self._by_transport.get(cast("asyncio.BaseTransport", request.transport))
        if visitor is None:
            return await handler(request)
        visitor.begin(request)
        try:
            if "Content-Encoding" in request.headers:
                return _no_compression()  # a few bytes could become hundreds of megabytes
            return await handler(request)
        finally:
            visitor.end()

    def come(self, visitor: _Visitor, transport: asyncio.Transport) -> None:
        """A client has connected."""
        strangers = [transport for transport, one in self._by_transport.items() if not one.known]
        for oldest in strangers[: max(0, len(strangers) + 1 - self._most)]:
            self._by_transport.pop(oldest).leave()
        self._by_transport[transport] = visitor

    def gone(self, transport: asyncio.BaseTransport) -> None:
        """A client has disconnected."""
        self._by_transport.pop(transport, None)

    @property
    def header(self) -> float:
        """Seconds for a header."""
        return self._header


def _no_compression() -> web.Response:
    answer = web.json_response({"errcode": "M_UNKNOWN", "error": "no compressed body is taken"}, status=415)
    answer.force_close()
    return answer


class _Visitor(asyncio.Protocol):
    """One connection: passes everything on to aiohttp, and watches the time."""

    def __init__(self, visitors: Visitors, inner: asyncio.Protocol) -> None:
        self._visitors = visitors
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._request: web.Request | None = None
        self._was_known = False

    @property
    def known(self) -> bool:
        """Whether this connection has shown the right token."""
        return self._was_known or (self._request is not None and bool(self._request.get(KNOWN)))

    def begin(self, request: web.Request) -> None:
        """The header of a request is complete."""
        self._request = request
        self._stop_the_clock()

    def end(self) -> None:
        """The request was answered; the next one may begin with the next byte, or began in the last bytes."""
        self._was_known = self.known
        self._request = None
        if not self._was_known:
            self._start_the_clock()

    def leave(self) -> None:
        """Close, even if a request is in progress."""
        self._stop_the_clock()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._visitors.come(self, self._transport)
        self._start_the_clock()
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._request is None:
            self._start_the_clock()
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_the_clock()
        if self._transport is not None:
            self._visitors.gone(self._transport)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def _start_the_clock(self) -> None:
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(self._visitors.header, self.leave)

    def _stop_the_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


# --- a port --------------------------------------------------------------------------------------------------

NOT_LISTENING = {
    errno.EADDRINUSE: "is another knockbot running, or the port taken?",
    errno.EACCES: "a port below 1024 needs a permission that knockbot does not have; choose a higher one",
    errno.EADDRNOTAVAIL: "is that an address of this machine? 0.0.0.0 and :: mean all of them",
    errno.EAFNOSUPPORT: "this machine has no IPv6; 0.0.0.0 means all its other addresses",
}
"""What to do if knockbot cannot listen on a port."""


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[None]:
    """Answer requests there as long as the block lasts. Raises `Unavailable`."""
    where = Listen(host, port)
    visitors = Visitors(app)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    protocols, server = runner.server, None
    assert protocols is not None  # `setup` has made it
    # For asyncio, `::` means only the IPv6 addresses.
    hosts = ("::", "0.0.0.0") if host == "::" else (host,)  # noqa: S104 - as the config says
    try:
        try:
            server = await asyncio.get_running_loop().create_server(visitors.watched(protocols), hosts, port)
        except OSError as error:
            no_name = isinstance(error, socket.gaierror)
            hint = "no such host is known" if no_name else NOT_LISTENING.get(error.errno or 0, "see the words before")
            raise Unavailable(f"cannot listen on {where}: {error.strerror}; {hint}") from error
        yield
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()
