"""What tests of the Matrix edge share: a database, a homeserver that answers by script, and the client to ask it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest

from knockbot.matrix.homeserver import Homeserver
from knockbot.store.db import Database
from tests.lab import opened
from tests.matrix.edge import AS_TOKEN, BOT, Inside, at_work
from tests.matrix.fake_homeserver import FakeHomeserver


@pytest.fixture
async def db(ready_sqlite_url: str) -> AsyncIterator[Database]:
    """An empty database, which would not survive a power cut."""
    db = await opened(ready_sqlite_url)
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
