"""What tests of the Matrix edge share: a database, a homeserver that answers by script, and the client to ask it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest

from knockbot.matrix.homeserver import Homeserver
from knockbot.store.db import Database
from tests.matrix.edge import AS_TOKEN, BOT, Inside, at_work
from tests.matrix.fake_homeserver import FakeHomeserver


@pytest.fixture(scope="session")
async def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an empty database, to be copied: to write a schema takes longer than most tests here."""
    path = tmp_path_factory.mktemp("empty") / "knockbot.db"
    await (await Database.open(f"sqlite:{path}")).close()
    return path


@pytest.fixture
async def db(empty: Path, sqlite_url: str) -> AsyncIterator[Database]:
    """An empty database, which would not survive a power cut."""
    shutil.copy(empty, sqlite_url.removeprefix("sqlite:"))
    db = await Database.open(sqlite_url)
    async with db._pool.acquire_direct() as conn:
        await conn.execute("PRAGMA synchronous = OFF")
    yield db
    await db.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakeHomeserver]:
    """A homeserver that answers by script."""
    async with FakeHomeserver() as fake:
        yield fake


@pytest.fixture
async def homeserver(fake: FakeHomeserver) -> AsyncIterator[Homeserver]:
    """The client, as the bot, on that homeserver."""
    async with aiohttp.ClientSession() as session:
        yield Homeserver(session, fake.url, AS_TOKEN, BOT)


@pytest.fixture
async def inside(db: Database) -> AsyncIterator[Inside]:
    """A gateway with the inbox at work behind it."""
    async with at_work(db) as inside:
        yield inside


@pytest.fixture
async def unused_listener() -> AsyncIterator[Callable[[bytes], Awaitable[str]]]:
    """Opens a port of loopback that answers any request with these bytes and hangs up; gives its address."""
    async with contextlib.AsyncExitStack() as open_ports:

        async def listen(answer: bytes) -> str:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0)
            await open_ports.enter_async_context(server)
            return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

        yield listen
