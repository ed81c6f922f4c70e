"""The demo's stage: a throwaway Synapse and Sydent, and a real knockbot beside them, as an admin would set them up."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import aiohttp

from knockbot.demo.certificates import NAME, federation
from knockbot.demo.homeserver import RELAXED, Homeserver, end, free_port, spawn
from knockbot.demo.identity import IdentityServer
from knockbot.demo.people import until
from knockbot.demo.teller import Teller
from knockbot.errors import Unavailable

T = TypeVar("T")

DOMAIN = "village.test"
BOT = f"@knockbot:{DOMAIN}"
READY_WITHIN = 30.0
"""Seconds until knockbot must say that it is ready; it takes one on an idle machine."""

KNOCKBOT = [sys.executable, "-m", "knockbot"]


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers, running."""

    homeserver: Homeserver
    identity_server: IdentityServer | None
    """None on a stage without one: nobody is invited by e-mail there."""
    knockbot: subprocess.Popen[bytes] = field(repr=False)

    async def play(self, act: Coroutine[Any, Any, T]) -> T:
        """Await `act`; `Unavailable` as soon as one of the servers ends meanwhile."""
        acting, watching = asyncio.create_task(act), asyncio.create_task(self._watch())
        try:
            await asyncio.wait({acting, watching}, return_when=asyncio.FIRST_COMPLETED)
            if acting.done() and acting.exception() is None:
                return acting.result()
            await asyncio.wait({watching}, timeout=1)  # what failed may have failed because a server ended
            return await (watching if watching.done() else acting)
        finally:
            for task in (acting, watching):
                task.cancel()
            await asyncio.gather(acting, watching, return_exceptions=True)

    async def _watch(self) -> NoReturn:
        while True:
            if self.knockbot.poll() is not None:
                raise Unavailable(f"knockbot has ended by itself, with exit status {self.knockbot.returncode}")
            if not self.homeserver.running:
                raise Unavailable("Synapse has ended by itself")
            if self.identity_server is not None and not self.identity_server.running:
                raise Unavailable("Sydent has ended by itself")
            await asyncio.sleep(0.2)


def logs(directory: Path) -> list[Path]:
    """Where the servers write what they do; only those that have begun to."""
    logs = (directory / "synapse" / "homeserver.log", directory / "sydent" / "sydent.log", directory / "knockbot.log")
    return [log for log in logs if log.exists()]


@asynccontextmanager
async def set_up(directory: Path, teller: Teller, *, mailed: bool) -> AsyncIterator[Stage]:
    """The servers in `directory`, for as long as the block lasts; `mailed`: an identity server among them.

    Raises `Unavailable` where one does not start, or where knockbot does not end well when it is told to.
    """
    port, config = free_port(), directory / "config.yaml"
    began = time.monotonic()
    homeserver = Homeserver(directory / "synapse", name=DOMAIN, extra=RELAXED)
    homeserver.registrations = [directory / "registration.yaml"]
    identity_server = _identity_server_of(homeserver, directory / "sydent") if mailed else None
    async with _starting(identity_server) if identity_server else nullcontext() as sydent:
        init = ["init", "--homeserver", homeserver.url, "--domain", DOMAIN, "--listen", f"127.0.0.1:{port}"]
        await _knockbot_init(directory, [*init, "--admin", f"@alice:{DOMAIN}"], teller)
        async with homeserver:
            teller.tell(f"Synapse runs on {homeserver.url}, with registration.yaml in its app_service_config_files.")
            if identity_server is not None and sydent is not None:
                await sydent
                with config.open("a") as file:
                    file.write(_trusting(identity_server))
                teller.tell(f"Sydent runs on {identity_server.url}, and is in config.yaml as its identity server.")
            async with _running(directory, config) as knockbot:
                await _until_ready(homeserver, knockbot, port)
                teller.tell("$ knockbot run -c config.yaml")
                teller.checked(f"all are up, on SQLite, after {time.monotonic() - began:.1f} s")
                yield Stage(homeserver, identity_server, knockbot)


def _identity_server_of(homeserver: Homeserver, directory: Path) -> IdentityServer:
    """One that reaches a homeserver, and that the homeserver reaches and trusts."""
    port = free_port()
    identity_server = IdentityServer(directory, delegations={homeserver.name: f"{NAME}:{port}"})
    homeserver.extra |= federation(identity_server.files, client_port=homeserver.port, federation_port=port)
    homeserver.extra["federation_domain_whitelist"] = []  # no other homeserver is asked for anything
    homeserver.environ = identity_server.files.environ
    return identity_server


@asynccontextmanager
async def _starting(identity_server: IdentityServer) -> AsyncIterator[asyncio.Task[None]]:
    """Have it start while the block does something else; the block awaits the task when it needs it."""
    starting = asyncio.create_task(identity_server.start())
    try:
        yield starting
    finally:
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await identity_server.__aexit__()


def _trusting(identity_server: IdentityServer) -> str:
    """What an admin adds to config.yaml for it."""
    return f"""
identity_servers:
  "{identity_server.name}":
    url: {identity_server.url}
    ca_file: {identity_server.files.authority}
"""


@asynccontextmanager
async def _running(directory: Path, config: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A knockbot, which is told to stop at the end of the block; `Unavailable` where it does not do so well."""
    with (directory / "knockbot.log").open("ab") as log:
        knockbot = spawn([*KNOCKBOT, "run", "-c", config], cwd=directory, log=log, env=_environment())
    try:
        yield knockbot
        await end(knockbot)
        if knockbot.returncode != 0:
            raise Unavailable(f"knockbot was told to stop, and ended with exit status {knockbot.returncode}")
    finally:
        await end(knockbot)


def _environment() -> dict[str, str]:
    """The environment without what would be settings of another knockbot."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KNOCKBOT_")}


async def _knockbot_init(directory: Path, arguments: list[str], teller: Teller) -> None:
    """Write config.yaml and registration.yaml by the command that everybody uses for it."""
    teller.tell(f"$ knockbot {shlex.join(arguments)}")
    output = directory / "init.log"
    with output.open("ab") as log:
        init = spawn([*KNOCKBOT, *arguments], cwd=directory, log=log, env=_environment())
    try:
        status = await asyncio.to_thread(init.wait)
    finally:
        init.kill()
        init.wait()
    if status != 0:
        raise Unavailable(f"knockbot init ended with exit status {status}:\n{output.read_text(errors='replace')}")


async def _until_ready(homeserver: Homeserver, knockbot: subprocess.Popen[bytes], port: int) -> None:
    async def look() -> int:
        if knockbot.poll() is not None:
            raise Unavailable(f"knockbot ended while starting, with exit status {knockbot.returncode}")
        try:
            async with homeserver.http.get(f"http://127.0.0.1:{port}/_matrix/mau/ready") as response:
                return response.status
        except aiohttp.ClientError:
            return 0

    await until(look, lambda status: status == 200, lambda _: "knockbot did not become ready", within=READY_WITHIN)


@contextmanager
def ending_well() -> Iterator[None]:
    """Let Ctrl-C, a kill or a closed terminal cancel the running task, once, so that it clears up after itself."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    cancelled = False

    def cancel() -> None:
        nonlocal cancelled
        if not cancelled:
            cancelled = True
            task.cancel()

    signs = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for sign in signs:
        loop.add_signal_handler(sign, cancel)
    try:
        yield
    finally:
        for sign in signs:
            loop.remove_signal_handler(sign)
