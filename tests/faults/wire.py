"""The wire between two parties: HTTP that can be cut in every way, and shared out among several who listen."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from typing import Self

import aiohttp
from aiohttp import web

LARGEST = 256 * 2**20
HOP = frozenset({"connection", "content-encoding", "content-length", "host", "keep-alive", "transfer-encoding"})
"""Headers that are about one hop, or about a body that was unpacked on the way."""


PATIENCE = 5.0
"""Seconds after which a load balancer asks the next of several."""


class Way(StrEnum):
    """What becomes of a request on its way."""

    OPEN = "open"
    """It goes through."""
    BLACK_HOLE = "black hole"
    """It is taken, goes nowhere, and is never answered."""
    RESET = "reset"
    """The connection breaks before it gets through."""
    HALF_OPEN = "half-open"
    """It gets through, and the connection breaks before the answer does."""
    LATE = "answers after the timeout"
    """It gets through, and the answer comes once nobody waits for it any more."""
    UNAVAILABLE = "5xx of a proxy"
    """A proxy answers 502: nobody is behind it."""
    BROKEN = "5xx after the act"
    """It gets through, and is answered with 500."""
    SLOW_DOWN = "429"
    """It is answered with 429."""


ERRORS = {
    Way.UNAVAILABLE: (502, "<html>Bad Gateway</html>", "text/html"),
    Way.BROKEN: (500, '{"errcode": "M_UNKNOWN", "error": "Internal server error"}', "application/json"),
    Way.SLOW_DOWN: (429, '{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 300}', "application/json"),
}

GETS_THROUGH = frozenset({Way.OPEN, Way.HALF_OPEN, Way.LATE, Way.BROKEN})


class Wire:
    """Listens on a port and hands requests on, in turn, to those who listen behind it.

    One who does not answer the door is passed over, as a load balancer does.
    """

    def __init__(self, port: int, *behind: str) -> None:
        self.port = port
        self.behind: list[str] = list(behind)
        self.way = Way.OPEN
        self.taken: Counter[str] = Counter()
        """How many requests each of those behind has answered."""
        self._turn = itertools.count()
        self._mended = asyncio.Event()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(auto_decompress=True)
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.deaf()
        await self._http.close()

    async def listen(self) -> None:
        """Take requests."""
        app = web.Application(client_max_size=LARGEST)
        app.router.add_route("*", "/{path:.*}", self._hand_on)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def deaf(self) -> None:
        """Refuse every connection."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def go(self, way: Way) -> None:
        """From now on requests go this way; those held up by another go on."""
        self.way = way
        if way is Way.OPEN:
            self._mended.set()
        else:
            self._mended.clear()

    async def _hand_on(self, request: web.Request) -> web.StreamResponse:
        way = self.way
        body = await request.read()
        answer = await self._ask(request, body) if way in GETS_THROUGH else None
        if way in ERRORS:
            status, text, kind = ERRORS[way]
            return web.Response(status=status, text=text, content_type=kind)
        if way in (Way.BLACK_HOLE, Way.LATE):
            await self._mended.wait()
        if answer is None or way is Way.HALF_OPEN:
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=502)
        return answer

    async def _ask(self, request: web.Request, body: bytes) -> web.Response:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP}
        patience = aiohttp.ClientTimeout(total=PATIENCE if len(self.behind) > 1 else None)
        for behind in self.whom(body):
            try:
                async with self._http.request(
                    request.method,
                    f"{behind}{request.raw_path}",
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=patience,
                ) as answer:
                    self.taken[behind] += 1
                    kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP}
                    return web.Response(status=answer.status, body=await answer.read(), headers=kept)
            except (aiohttp.ClientError, TimeoutError):
                continue
        return web.Response(status=502, text="nobody is there")

    def whom(self, _: bytes) -> Sequence[str]:
        """Who is asked for an answer to a request with this body, one after the other until one answers."""
        first = next(self._turn) % len(self.behind)
        return [*self.behind[first:], *self.behind[:first]]
