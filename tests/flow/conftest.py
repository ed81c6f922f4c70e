"""A knockbot in a small world, on either engine."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.flow.house import House, housed
from tests.flow.replayed import not_replayed
from tests.prose import sentences


@pytest.fixture
async def house(ready_url: str) -> AsyncIterator[House]:
    """A knockbot that keeps the door of the garden: each test that asks for one runs on both engines."""
    async with housed(ready_url) as house:
        yield house
        assert await sentences(house.db) == [], "no sentence is stored but what people wrote"
        assert await not_replayed(house.context) == [], "every decision comes out the same by its stored facts alone"
