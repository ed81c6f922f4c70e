"""A person whose client is not ours: the official SDK for JavaScript with its Rust crypto, under Node."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

from knockbot.demo.people import Json, Person
from tests.lab import LabHomeserver

HERE = Path(__file__).parent

LONGEST_LINE = 64 * 2**20
"""Bytes; all that was heard comes in one."""


def missing() -> str | None:
    """Why it cannot be had here."""
    if shutil.which("node") is None:
        return "there is no Node, under which the official SDK would run"
    if not (HERE / "node_modules" / "matrix-js-sdk").is_dir():
        return "the official SDK is not installed: make test does that, or npm ci in tests/jssdk"
    return None


class JsPerson(Person):
    """Somebody who talks and listens by the official SDK; all else they do as a `Person` does."""

    @classmethod
    @asynccontextmanager
    async def on(cls, homeserver: LabHomeserver, name: str) -> AsyncIterator[Self]:
        """Somebody new, for as long as the block lasts."""
        person = await cls.register(homeserver, f"{name}.js{next(cls._made)}", display_name=name.capitalize())
        async with person.online():
            yield person

    _made = itertools.count(1)

    @asynccontextmanager
    async def online(self) -> AsyncIterator[None]:
        """With a client on this device, for as long as the block lasts."""
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        pipe = asyncio.subprocess.PIPE
        self._node = await asyncio.create_subprocess_exec(
            "node", HERE / "moderator.mjs", cwd=HERE, limit=LONGEST_LINE, stdin=pipe, stdout=pipe
        )
        reader = asyncio.create_task(self._read())
        try:
            me = await self.call("GET", "account", "whoami")
            await self.act("start", url=self.url, user=self.user_id, token=self.token, device=me["device_id"])
            yield
        finally:
            assert self._node.stdin is not None
            self._node.stdin.close()
            await self._node.wait()
            await reader

    async def act(self, act: str, **what: Any) -> Any:
        """Have the client do something; returns its answer."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        assert self._node.stdin is not None
        self._node.stdin.write(json.dumps({"id": number, "act": act, **what}).encode() + b"\n")
        return await answer

    async def _read(self) -> None:
        assert self._node.stdout is not None
        async for line in self._node.stdout:
            said = json.loads(line)
            answer = self._answers.pop(said["id"])
            if "error" in said:
                answer.set_exception(RuntimeError(said["error"]))
            else:
                answer.set_result(said["answer"])
        for answer in self._answers.values():
            answer.set_exception(RuntimeError("the client has ended"))

    async def send(self, room: str, event_type: str, content: Mapping[str, Any]) -> str:
        """Send an event as the client does it."""
        return str(await self.act("send", room=room, type=event_type, content=dict(content)))

    async def sync(self, since: str | None = None, **query: Any) -> Json:
        """What the client has heard since, in the form of a sync."""
        begin = int(since or 0)
        heard = await self.act("hear", since=begin, timeout=query.get("timeout", 0))
        rooms: dict[str, Json] = {}
        for event in heard:
            rooms.setdefault(event["room_id"], {"timeline": {"events": []}})["timeline"]["events"].append(event)
        return {"next_batch": str(begin + len(heard)), "rooms": {"join": rooms}}
