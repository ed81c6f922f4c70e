"""A homeserver that answers by script, for what a real one will not do on demand."""

from __future__ import annotations

import asyncio
import contextlib
import io
import itertools
import json
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import unquote

import aiohttp
from aiohttp import web

from knockbot.demo.people import until


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came: `path` in its parts, unquoted, without the leading slash."""

    method: str
    path: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        """The JSON it carried; None if nothing."""
        return json.loads(self.raw) if self.raw else None


@dataclass(frozen=True, slots=True)
class Reply:
    """What to answer. `raw` stands in place of the JSON `body`; the rest is how to misbehave."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    delay: float = 0
    """Seconds before the answer."""
    hang: bool = False
    """Never answer, and keep the connection."""
    stream: Iterable[bytes] | None = None
    """What the body is made of, piece by piece, for as long as somebody reads; it may have no end."""
    drop: bool = False
    """Close the connection in place of an answer: the caller cannot know whether the act took place."""


Script = Reply | Callable[[Asked], Reply]


@dataclass(slots=True)
class _Rule:
    method: str
    pattern: tuple[str, ...]
    scripts: list[Script]

    def fits(self, asked: Asked) -> bool:
        return _fits(self.method, self.pattern, asked)

    def next_script(self) -> Script:
        """The scripts in order; the last one for ever."""
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]


@dataclass(frozen=True, slots=True)
class Pushed:
    """What an application service answered to a transaction."""

    status: int
    text: str


class FakeHomeserver:
    """A homeserver by script, on a free port of loopback.

        async with FakeHomeserver() as fake:
            fake.on("POST", "rooms/*/invite", Reply(429, {"errcode": "M_LIMIT_EXCEEDED"}), Reply())
            ... fake.url ...
            [first, second] = fake.asked("POST", "rooms/*/invite")

    A pattern is the end of a path; `*` stands for any one part. What no script answers gets 404 M_UNRECOGNIZED.
    """

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.url = ""
        self._rules: list[_Rule] = []
        self._transactions = itertools.count(1)
        self._closing = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", r"/{path:[\s\S]*}", self._answer)  # an id may hold a line break
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        await web.SockSite(self._runner, listener).start()
        self._http = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing.set()
        await self._http.close()
        await self._runner.cleanup()

    def on(self, method: str, pattern: str, *scripts: Script) -> None:
        """Answer such requests by these scripts, one after another, the last one for ever.

        A script is a `Reply`, or makes one from the request. The newest `on` that fits a request answers it.
        """
        self._rules.insert(0, _Rule(method, _parts(pattern), list(scripts)))

    def asked(self, method: str, pattern: str) -> list[Asked]:
        """The requests of this kind that came, in order."""
        return [asked for asked in self.requests if _fits(method, _parts(pattern), asked)]

    async def wait_for(self, method: str, pattern: str, times: int = 1) -> list[Asked]:
        """The same, as soon as there are that many."""

        async def look() -> list[Asked]:
            return self.asked(method, pattern)

        return await until(
            look,
            lambda found: len(found) >= times,
            lambda found: f"{method} {pattern} came {len(found)} times, not {times}. All that came: {self._lines()}",
        )

    async def push(
        self,
        url: str,
        hs_token: str,
        events: Sequence[Any] = (),
        txn_id: str | None = None,
        *,
        raw: bytes | None = None,
    ) -> Pushed:
        """Hand a transaction to the application service at `url`; `raw` stands in place of its JSON."""
        where = f"{url}/_matrix/app/v1/transactions/{txn_id or next(self._transactions)}"
        headers = {"Authorization": f"Bearer {hs_token}", "Content-Type": "application/json"}
        data = json.dumps({"events": list(events)}).encode() if raw is None else raw
        async with self._http.put(where, headers=headers, data=io.BytesIO(data)) as response:
            return Pushed(response.status, await response.text())

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        asked = Asked(
            request.method, _parts(request.rel_url.raw_path), request.query, request.headers, await request.read()
        )
        self.requests.append(asked)
        reply = self._reply(asked)
        if reply.delay:
            await self._pause(reply.delay)
        if reply.hang:
            await self._pause(None)
        if (reply.drop or reply.hang) and request.transport is not None:
            request.transport.abort()
        if reply.stream is not None:
            return await _streamed(request, reply)
        data = json.dumps(reply.body).encode() if reply.raw is None else reply.raw
        headers = {"Content-Type": "application/json", **reply.headers}
        return web.Response(status=reply.status, body=data, headers=headers)

    def _reply(self, asked: Asked) -> Reply:
        for rule in self._rules:
            if rule.fits(asked):
                script = rule.next_script()
                return script if isinstance(script, Reply) else script(asked)
        return Reply(404, {"errcode": "M_UNRECOGNIZED", "error": "the script has no answer to this"})

    async def _pause(self, seconds: float | None) -> None:
        """Wait that long, or until the fake homeserver closes."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    def _lines(self) -> list[str]:
        return [f"{asked.method} /{'/'.join(asked.path)}" for asked in self.requests]


async def _streamed(request: web.Request, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        for piece in reply.stream or ():
            await response.write(piece)
        await response.write_eof()
    return response


def _parts(path: str) -> tuple[str, ...]:
    return tuple(unquote(part) for part in path.strip("/").split("/"))


def _fits(method: str, pattern: tuple[str, ...], asked: Asked) -> bool:
    end = asked.path[-len(pattern) :]
    return (
        method == asked.method
        and len(end) == len(pattern)
        and all(want in ("*", part) for want, part in zip(pattern, end, strict=True))
    )
