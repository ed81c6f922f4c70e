"""A proxy before a homeserver that notes every request on its way through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

import aiohttp
from aiohttp import web
from yarl import URL

from knockbot.demo.homeserver import free_port

ACTS = frozenset({"invite", "kick", "ban"})

HOP_BY_HOP = frozenset({"connection", "content-length", "content-encoding", "host", "keep-alive", "transfer-encoding"})
"""Headers that are about one connection or about the body's form on it (RFC 9110, section 7.6.1)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request: what it was about, and of whom."""

    method: str
    path: tuple[str, ...]
    """What follows the version of the API, unquoted."""
    body: bytes

    @property
    def is_act(self) -> bool:
        """Whether it invites, kicks or bans somebody."""
        return self.method == "POST" and self.path[0] == "rooms" and self.path[-1] in ACTS

    @property
    def is_read(self) -> bool:
        """Whether it reads anything at all."""
        return self.method == "GET"

    @property
    def is_saying(self) -> bool:
        """Whether it sends a message."""
        return self.method == "PUT" and len(self.path) > 2 and self.path[2] == "send"

    @property
    def is_of_all(self) -> bool:
        """Whether it asks for the whole state of a room, or for its members."""
        return self.is_read and len(self.path) == 3 and self.path[2] in ("state", "members", "joined_members")

    def is_about(self, user_id: str) -> bool:
        """Whether it names this user, in its path or in its body."""
        return user_id in self.path or user_id.encode() in self.body


class CountingProxy:
    """Stands before a homeserver for as long as the block lasts: `async with CountingProxy(url) as proxy`."""

    def __init__(self, homeserver: str) -> None:
        self._homeserver = URL(homeserver)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests: list[Request] = []

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), auto_decompress=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        await self._runner.cleanup()

    def about(self, user_ids: Iterable[str]) -> dict[str, list[Request]]:
        """The requests that name somebody, of each of these."""
        return {user_id: [request for request in self.requests if request.is_about(user_id)] for user_id in user_ids}

    async def _pass_on(self, request: web.Request) -> web.Response:
        body = await request.read()
        parts = tuple(unquote(part) for part in request.rel_url.raw_path.split("/")[4:])
        if parts:  # /_matrix/client/versions has none: asked by the clock whether the homeserver is there, for no knock
            self.requests.append(Request(request.method, parts, body))
        where = self._homeserver.join(URL(request.rel_url.raw_path_qs, encoded=True))
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        async with self._http.request(request.method, where, data=body, headers=headers) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)
