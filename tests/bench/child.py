"""Contestants as processes of their own, whose CPU and memory the system counts."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from knockbot.demo.homeserver import end, spawn
from knockbot.store.db import Database
from knockbot.store.rooms import ProtectedRoom, protect
from tests.bench import figures
from tests.documentation import ROOT
from tests.lab import Postgres

WITHIN = 120.0
"""Seconds that a contestant may take to get ready."""


@dataclass
class Child:
    """A process that runs as long as it is needed."""

    process: subprocess.Popen[bytes]
    log: Path
    began: float = field(default_factory=time.perf_counter)

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        return figures.cpu(self.process.pid)

    @property
    def peak(self) -> float:
        """MB at most so far."""
        return figures.peak_memory(self.process.pid)

    async def answers(self, url: str) -> float:
        """Wait until a URL is answered with 200; returns the seconds since the start."""
        async with aiohttp.ClientSession() as http:
            while time.perf_counter() - self.began < WITHIN and self.process.poll() is None:
                try:
                    async with http.get(url) as response:
                        if response.status == 200:
                            return time.perf_counter() - self.began
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.01)
        raise RuntimeError(f"it did not get ready:\n{self.log.read_text(errors='replace')}")


@asynccontextmanager
async def child(
    command: Sequence[str | Path], directory: Path, name: str, env: Mapping[str, str] | None = None
) -> AsyncIterator[Child]:
    """A process for as long as the block lasts."""
    log = directory / f"{name}.log"
    with log.open("ab") as file:
        process = spawn(command, cwd=directory, log=file, env={**os.environ, **(env or {})})
    try:
        yield Child(process, log)
    finally:
        await end(process)


@asynccontextmanager
async def knockbot(
    config: Mapping[str, Any], directory: Path, name: str = "knockbot", checkout: str | None = None
) -> AsyncIterator[Child]:
    """A knockbot with this config, of this checkout or another; not ready yet."""
    file = directory / f"{name}.yaml"
    file.write_text(json.dumps(config))
    command: list[str | Path] = [sys.executable, "-m", "knockbot", "run", "-c", file]
    async with child(command, directory, name, {"PYTHONPATH": checkout or str(ROOT)}) as running:
        yield running


def ready(config: Mapping[str, Any]) -> str:
    """Where a knockbot with this config says that it is ready."""
    return f"http://127.0.0.1:{config['appservice']['port']}/_matrix/mau/ready"


# --- databases ------------------------------------------------------------------------------------------------


@asynccontextmanager
async def database(engine: str, directory: Path) -> AsyncIterator[str]:
    """An empty database; PostgreSQL waits for the disk, as it should."""
    if engine == "SQLite":
        yield f"sqlite:{directory / 'knockbot.db'}"
        return
    async with Postgres(durable=True) as postgres:
        yield await postgres.create_database()


async def protected(url: str, room_ids: Sequence[str], protected_by: str) -> None:
    """Have rooms protected in a database, before anybody runs on it."""
    db = await Database.open(url)
    try:
        async with db.tx() as tx:
            for room_id in room_ids:
                await protect(tx, ProtectedRoom(room_id, "!mods:tulip.example", "Garden", protected_by, 0))
    finally:
        await db.close()
