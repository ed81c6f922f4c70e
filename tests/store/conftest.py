"""Open databases for the tests of the store: one on either engine, and two processes on one PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from knockbot.store.db import Database
from tests.lab import opened


@pytest.fixture
async def db(ready_url: str) -> AsyncIterator[Database]:
    """A fresh database with the newest schema: each test that asks for one runs on both engines."""
    db = await opened(ready_url)
    yield db
    await db.close()


@pytest.fixture
async def pair(ready_postgres_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """Two processes on one PostgreSQL."""
    one = await Database.open(ready_postgres_url)
    other = await Database.open(ready_postgres_url)
    yield one, other
    await one.close()
    await other.close()
