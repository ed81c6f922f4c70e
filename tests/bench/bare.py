"""The yardstick: a handler that invites whoever knocks straight away and remembers nothing."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp
from aiohttp import web


class Bare:
    """Answers transactions at once, and invites beside that, so many at once."""

    def __init__(self, homeserver: str, token: str, user_id: str) -> None:
        self._homeserver, self._headers = homeserver, {"Authorization": f"Bearer {token}"}
        self._query = {"user_id": user_id}
        self._at_once = asyncio.Semaphore(10)
        self._tasks: set[asyncio.Task[None]] = set()
        self.app = web.Application(client_max_size=2**30)
        self.app.router.add_put("/_matrix/app/v1/transactions/{id}", self._transaction)
        self.app.router.add_put("/at-once/{number}", self._set_at_once)
        self.app.router.add_get("/_matrix/mau/ready", self._ready)
        self.app.cleanup_ctx.append(self._session)

    async def _session(self, _: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(headers=self._headers) as self._http:
            yield

    async def _ready(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _set_at_once(self, request: web.Request) -> web.Response:
        self._at_once = asyncio.Semaphore(int(request.match_info["number"]))
        return web.json_response({})

    async def _transaction(self, request: web.Request) -> web.Response:
        for event in (await request.json())["events"]:
            if event["type"] == "m.room.member" and event["content"].get("membership") == "knock":
                task = asyncio.create_task(self._invite(event["room_id"], event["state_key"]))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        return web.json_response({})

    async def _invite(self, room_id: str, user_id: str) -> None:
        where = f"{self._homeserver}/_matrix/client/v3/rooms/{quote(room_id)}/invite"
        body = {"user_id": user_id}
        async with self._at_once, self._http.post(where, params=self._query, json=body) as response:
            await response.read()


if __name__ == "__main__":
    port, homeserver, token, user_id = sys.argv[1:]

    async def make() -> web.Application:
        """The application, made where its loop runs."""
        return Bare(homeserver, token, user_id).app

    web.run_app(make(), host="127.0.0.1", port=int(port), access_log=None, print=None)
