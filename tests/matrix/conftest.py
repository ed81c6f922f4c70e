"""What tests of the Matrix edge share: a database, a homeserver that answers by script, and the client to ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from knockbot.matrix.homeserver import Homeserver
from knockbot.store.db import Database
from tests.matrix.edge import AS_TOKEN, BOT, Inside, at_work
from tests.matrix.fake_homeserver import FakeHomeserver


@pytest.fixture
async def db(sqlite_url: str) -> AsyncIterator[Database]:
    """An empty database."""
    db = await Database.open(sqlite_url)
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
