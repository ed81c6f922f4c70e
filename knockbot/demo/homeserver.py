"""A throwaway homeserver: a real Synapse on loopback, with its data in one directory, for the demo and the tests."""

from __future__ import annotations

import asyncio
import base64
import ctypes
import hashlib
import hmac
import json
import os
import platform
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

import aiohttp

from knockbot.errors import Unavailable

START_WITHIN = 60.0
"""Seconds until `/health` must answer; Synapse takes two on an idle machine."""
STOP_WITHIN = 10.0
"""Seconds between SIGTERM and SIGKILL."""

_PLENTY = {"per_second": 10_000, "burst_count": 10_000}

RELAXED: Mapping[str, Any] = {
    "rc_message": _PLENTY,
    "rc_registration": _PLENTY,
    "rc_login": {"address": _PLENTY, "account": _PLENTY, "failed_attempts": _PLENTY},
    "rc_joins": {"local": _PLENTY, "remote": _PLENTY},
    "rc_joins_per_room": _PLENTY,
    "rc_invites": {"per_room": _PLENTY, "per_user": _PLENTY, "per_issuer": _PLENTY},
    "rc_third_party_invite": _PLENTY,
    "rc_room_creation": _PLENTY,
}
"""Extra config that lifts Synapse's rate limits, for many users who do much in a short time."""

Registration = Path | Mapping[str, Any]
"""An application service's registration: a file, or what would stand in one."""


class Homeserver:
    """A Synapse that runs for as long as it is needed.

        async with Homeserver(directory, registrations=[registration]) as homeserver:
            ... homeserver.url ...

    `directory` keeps its data, its port and its log: stopped or killed, it starts again where it was. `database` is
    a ``postgres://`` address (of a database with locale C), or None for SQLite. `extra` goes over the generated
    homeserver.yaml, key by key. Rate limits are Synapse's own unless `extra` says otherwise (`RELAXED`).
    """

    def __init__(
        self,
        directory: Path,
        *,
        name: str = "lab.test",
        registrations: Sequence[Registration] = (),
        database: str | None = None,
        extra: Mapping[str, Any] | None = None,
        port: int | None = None,
    ) -> None:
        self.directory = directory
        self.name = name
        self.registrations = list(registrations)
        self.database = database
        self.extra = dict(extra or {})
        self.environ: dict[str, str] = {}
        """What goes over this process's own environment, for Synapse's."""
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / "homeserver.log"
        self._shared_secret = secrets.token_hex(32)
        self._process: subprocess.Popen[bytes] | None = None
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.stop()
        finally:
            if self._http is not None:
                await self._http.close()
                self._http = None

    @property
    def running(self) -> bool:
        """Whether its process is there, healthy or not."""
        return self._process is not None and self._process.poll() is None

    @property
    def http(self) -> aiohttp.ClientSession:
        """The HTTP session its people share; closed with the homeserver."""
        if self._http is None:
            # No connection is kept: one from before a restart would fail the first request after it.
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0))
        return self._http

    async def start(self) -> None:
        """Start it and wait until it answers; `Unavailable`, with the end of its log, if it does not."""
        self._configure()
        self._process = self._begin(["--config-path", str(self._config)])
        deadline = time.monotonic() + START_WITHIN
        while not await self._healthy():
            if self._process.poll() is not None:
                raise Unavailable(f"Synapse ended while starting; the end of {self.log}:\n{self._end_of_log()}")
            if time.monotonic() > deadline:
                raise Unavailable(f"Synapse did not answer in time; the end of {self.log}:\n{self._end_of_log()}")
            await asyncio.sleep(0.05)

    def _begin(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        """Start the process."""
        command = [sys.executable, "-m", "synapse.app.homeserver", *arguments]
        with self.log.open("ab") as log:
            return spawn(command, cwd=self.directory, log=log, env={**os.environ, **self.environ})

    async def stop(self) -> None:
        """End it in good order (SIGTERM), by force if it does not listen; nothing if it is not running."""
        if self._process is not None:
            await end(self._process)

    def kill(self) -> None:
        """End it as a power cut would (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def restart(self) -> None:
        """Stop it and start it again on the same data and port."""
        await self.stop()
        await self.start()

    async def register(
        self, localpart: str, password: str, *, display_name: str | None = None, admin: bool = False
    ) -> dict[str, Any]:
        """Register a user as the server's admin would; the answer holds `user_id` and `access_token`."""
        url = f"{self.url}/_synapse/admin/v1/register"
        async with self.http.get(url) as response:
            nonce = (await response.json())["nonce"]
        signed = b"\0".join(part.encode() for part in (nonce, localpart, password, "admin" if admin else "notadmin"))
        body = {
            "nonce": nonce,
            "username": localpart,
            "displayname": display_name or localpart,
            "password": password,
            "admin": admin,
            "mac": hmac.new(self._shared_secret.encode(), signed, hashlib.sha1).hexdigest(),
        }
        async with self.http.post(url, json=body) as response:
            answer: dict[str, Any] = await response.json()
            if response.status != 200:
                raise Unavailable(f"the homeserver did not register {localpart}: {answer}")
            return answer

    # --- its files -------------------------------------------------------------------------------------------

    @property
    def _config(self) -> Path:
        return self.directory / "homeserver.yaml"

    def _configure(self) -> None:
        """Write its files. They are JSON, which is YAML too."""
        self.directory.mkdir(parents=True, exist_ok=True)
        key = self.directory / "signing.key"
        if not key.exists():
            key.write_text(f"ed25519 a_lab {base64.b64encode(secrets.token_bytes(32)).decode().rstrip('=')}\n")
        config = {
            "server_name": self.name,
            "report_stats": False,
            "pid_file": str(self.directory / "homeserver.pid"),
            "listeners": [
                {
                    "port": self.port,
                    "type": "http",
                    "bind_addresses": ["127.0.0.1"],
                    "tls": False,
                    "resources": [{"names": ["client"]}],
                }
            ],
            "database": self._database(),
            "signing_key_path": str(key),
            "media_store_path": str(self.directory / "media"),
            "registration_shared_secret": self._shared_secret,
            "app_service_config_files": self._registration_files(),
            # It stands alone: no other server is asked for anything.
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "federation_domain_whitelist": [],
            # By default a repeated initial /sync answers what was true up to two minutes ago.
            "caches": {"sync_response_cache_duration": 0},
            # Passwords that live for a minute need not cost a quarter of a second each.
            "bcrypt_rounds": 4,
            # What nobody here looks at is not worked out for each event.
            "presence": {"enabled": False},
            "stats": {"enabled": False},
            "send_federation": False,
            "log_config": str(self._log_config()),
        }
        self._config.write_text(json.dumps(config | self.extra, indent=2))

    def _log_config(self) -> Path:
        """Have it log what went wrong, to where `spawn` sends it."""
        file = self.directory / "log.yaml"
        handlers = {"console": {"class": "logging.StreamHandler"}}
        file.write_text(
            json.dumps({"version": 1, "handlers": handlers, "root": {"level": "WARNING", "handlers": ["console"]}})
        )
        return file

    def _database(self) -> dict[str, Any]:
        if self.database is None:
            return {"name": "sqlite3", "args": {"database": str(self.directory / "homeserver.db")}}
        return {"name": "psycopg2", "args": {"dsn": self.database, "cp_min": 1, "cp_max": 5}}

    def _registration_files(self) -> list[str]:
        files = []
        for number, registration in enumerate(self.registrations):
            if isinstance(registration, Path):
                file = registration.resolve()
            else:
                file = self.directory / f"registration-{number}.yaml"
                file.write_text(json.dumps(dict(registration), indent=2))
            files.append(str(file))
        return files

    # --- its health ------------------------------------------------------------------------------------------

    async def _healthy(self) -> bool:
        try:
            async with self.http.get(f"{self.url}/health", timeout=aiohttp.ClientTimeout(total=5)) as response:
                return response.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _end_of_log(self, lines: int = 20) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


# --- processes and ports --------------------------------------------------------------------------------------


PORTS = range(12_000, 32_000)
"""They lie below those the system hands out by itself, so that no connection takes one before it is used."""

_given: set[int] = set()
"""A server that is stopped for a while gets its port back: nobody else in this process is given it."""


def free_port() -> int:
    """A port of loopback that nobody holds now, and that was not given out before."""
    for _ in range(1000):
        port = random.choice(PORTS)  # noqa: S311 - no secret
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise Unavailable("no free port on 127.0.0.1")


def spawn(
    command: Sequence[str | Path],
    *,
    cwd: Path,
    log: IO[bytes],
    user: str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process that writes to `log` and ends when this one does, however this one ends.

    `env` is its whole environment, where that is not to be this process's own.
    Call it from a thread that lives on: Linux counts the end of the calling thread as the parent's end. A Ctrl-C
    does not reach the process, so that whoever started it can use it until the end.
    """
    return subprocess.Popen(
        command,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=user,
        env=env,
        preexec_fn=_end_with_parent(),  # noqa: PLW1509 - one system call, which takes no lock
    )


async def end(process: subprocess.Popen[bytes], request: signal.Signals = signal.SIGTERM) -> None:
    """Ask the process to end, wait, and kill it if it does not; nothing if it has ended."""
    if process.poll() is not None:
        return
    process.send_signal(request)
    try:
        await asyncio.to_thread(process.wait, STOP_WITHIN)
    except subprocess.TimeoutExpired:
        pass
    finally:
        process.kill()
        process.wait()


def _end_with_parent() -> Callable[[], None] | None:
    """What makes a child die with its parent, to be run in the child; None where the system cannot."""
    if platform.system() != "Linux":
        return None
    libc = ctypes.CDLL(None)
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
    return lambda: libc.prctl(set_parent_death_signal, signal.SIGKILL)
