"""The lab's identity server, which can be made to fail, and homeservers that work with it."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from aiohttp import web

from knockbot.demo.certificates import NAME, CertificateFiles, federation
from knockbot.demo.homeserver import free_port
from knockbot.demo.identity import IdentityServer
from knockbot.demo.people import Json, Person, until
from tests.lab import Lab, LabHomeserver

FEW = 6
"""Most tests that work with the identity server share one bot."""


class Mood(Enum):
    """How the identity server takes what it is asked."""

    WELL = "well"
    SLOW = "slow"
    NONSENSE = "nonsense"


class LabIdentityServer(IdentityServer):
    """A Sydent behind a front that can be down, slow, or out of its mind; `asked` holds the paths that were asked."""

    def __init__(self, directory: Path, **how: Any) -> None:
        super().__init__(directory, **how)
        self.asked: list[str] = []
        self._mood = Mood.WELL
        self._slow_path = ""
        self._change = asyncio.Event()

    async def down(self) -> None:
        """No connection from now on."""
        await self.close_front()

    def slow(self, path: str = "") -> None:
        """From now on it takes every request, and answers none (with this in its path) until it is well or down."""
        self._slow_path = path
        self._turn(Mood.SLOW)

    def nonsense(self) -> None:
        """From now on it answers everything with a page that has nothing to do with it."""
        self._turn(Mood.NONSENSE)

    async def up(self) -> None:
        """All is well from now on."""
        self._turn(Mood.WELL)
        if not self.is_open:
            await self.open_front()

    def _turn(self, mood: Mood) -> None:
        self._mood = mood
        self._change.set()
        self._change = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Have Sydent answer, unless the mood is otherwise."""
        self.asked.append(request.path)
        while self._mood is Mood.SLOW and self._slow_path in request.path:
            await self._change.wait()
        if self._mood is Mood.NONSENSE:
            return web.Response(text="<!doctype html><h1>It works!</h1>", content_type="text/html")
        return await super().answer(request)

    async def store(self, person: Person, room: str, address: str) -> tuple[str, Json]:
        """Have an invite stored and mailed as somebody's homeserver would; the token and the content for the room."""
        body = {"medium": "email", "address": address, "room_id": room, "sender": person.user_id}
        stored = await self.call("POST", "store-invite", body, await self.account(person))
        key = stored["public_keys"][0]
        content = {"display_name": stored["display_name"], "public_keys": stored["public_keys"], **key}
        return stored["token"], content

    async def has_told(self, who: Person) -> bool:
        """Whether somebody's homeserver took what they have bound, once it was told.

        Where it did not, it is told again after 1, 2, 4 … seconds, for ever.
        """
        line = re.compile(f"(Error|Successfully) notif(?:ying|ied) on bind for {re.escape(who.user_id)}")

        async def look() -> str:
            return self.log.read_text(errors="replace")

        log = await until(look, lambda log: line.search(log) is not None, lambda log: f"{who} is not told of:\n{log}")
        found = line.search(log)
        return found is not None and found[1] == "Successfully"

    def config(self, **more: Any) -> dict[str, Any]:
        """What stands under `identity_servers` in the config of a knockbot that trusts it."""
        return {self.name: {"url": self.url, "ca_file": str(self.files.authority), **more}}


class FederatingHomeserver(LabHomeserver):
    """A throwaway Synapse that speaks to others, and to identity servers, whose certificates are of one authority."""

    def __init__(
        self,
        directory: Path,
        files: CertificateFiles,
        *,
        slots: int = FEW,
        extra: Mapping[str, Any] | None = None,
        lines: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(directory, slots=slots)
        port = free_port()
        self.name = f"{NAME}:{port}"
        self.registrations = [{**slot.registration, **(lines or {})} for slot in self.free_slots]  # they hold its name
        self.extra |= federation(files, client_port=self.port, federation_port=port) | dict(extra or {})
        self.environ = files.environ

    def freeze(self) -> None:
        """From now on it takes what comes, and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


class FederatingLab(Lab):
    """What the whole session shares of such homeservers; nothing starts before somebody asks for it."""

    def __init__(self, directory: Path, files: CertificateFiles) -> None:
        super().__init__(directory)
        self._files = files

    async def homeserver(self) -> FederatingHomeserver:
        """The shared homeserver, with at least two doors to take: a new one replaces it when they run out."""
        homeserver = await super().homeserver()
        assert isinstance(homeserver, FederatingHomeserver)
        return homeserver

    def _another(self, **how: Any) -> FederatingHomeserver:
        return FederatingHomeserver(self._directory / f"federating-{next(self._numbers)}", self._files, **how)
