"""What these journeys share: a bot that reads what is encrypted, and a garden with an encrypted management room."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.keeper import Garden, InProcess
from tests.lab import LabHomeserver


@pytest.fixture
async def keeper(homeserver: LabHomeserver, sqlite_url: str) -> AsyncIterator[InProcess]:
    """A bot that reads what is encrypted, on a database of its own."""
    from tests.sealed import encryption  # noqa: PLC0415 - there only with the extra

    keeper = InProcess(homeserver.take_slot(), sqlite_url, encryption=encryption())
    async with keeper.running():
        yield keeper


@pytest.fixture
async def garden(keeper: InProcess) -> Garden:
    """A garden with an encrypted management room."""
    from tests.sealed import plant  # noqa: PLC0415 - as above

    return await plant(keeper)
