"""What journeys may ask for: a running knockbot, one of their own, and rooms whose door it keeps."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from knockbot.domain.waves import USUAL, is_reached
from knockbot.features.waves import course
from knockbot.flow import sharing
from tests.keeper import Garden, InProcess, Keepers, Process
from tests.lab import Lab, LabHomeserver
from tests.sydent import FederatingHomeserver, FederatingLab, LabIdentityServer

OwnKeeper = Callable[..., Awaitable[InProcess]]


REAL_CROWD = sharing.CROWD


@pytest.fixture(autouse=True, scope="session")
def no_crowds() -> Iterator[None]:
    """Many tests share a garden, where more people knock within a minute than at any real door (`sharing.CROWD`).

    Each of them looks at a card of its own, which the eleventh applicant within that minute would not get. A garden for
    each test would cost a room and a `protect` each. `crowds` gives the real value back.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sharing, "CROWD", 10_000)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_waves() -> Iterator[None]:
    """More people knock at a shared garden within ten minutes than at any real door, for the same reason. A policy that
    names fewer than that in `wave` has waves all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(course, "is_reached", lambda rule, applicants: rule != USUAL and is_reached(rule, applicants))
        yield


@pytest.fixture
def crowds(monkeypatch: pytest.MonkeyPatch) -> int:
    """As at a real door: so many applicants within a minute get cards of their own. Take a garden of your own."""
    monkeypatch.setattr(sharing, "CROWD", REAL_CROWD)
    return REAL_CROWD


@pytest.fixture(scope="session")
async def keepers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Keepers]:
    """The session's shared bot, not started before somebody asks for it."""
    keepers = Keepers(tmp_path_factory.mktemp("keepers"))
    yield keepers
    await keepers.stop()


@pytest.fixture
async def keeper(keepers: Keepers, lab: Lab) -> InProcess:
    """The shared bot. Neither stop it nor change its name: take `own_keeper` for that."""
    return await keepers.on(await lab.quiet_homeserver())


@pytest.fixture(scope="session")
async def trusting_keepers(
    sydent: LabIdentityServer, federating_lab: FederatingLab, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Keepers]:
    """The session's shared bot that asks the identity server, not started before somebody asks for it."""
    keepers = Keepers(tmp_path_factory.mktemp("trusting"), identity_servers=sydent.config())
    yield keepers
    await keepers.stop()


@pytest.fixture
async def trusting_keeper(
    trusting_keepers: Keepers, federating_homeserver: FederatingHomeserver, identity_server: LabIdentityServer
) -> InProcess:
    """The shared bot beside a homeserver that federates, which asks the identity server whether keys hold.

    Let it not meet one that is slow: it would not ask again for a while.
    """
    return await trusting_keepers.on(federating_homeserver)


@pytest.fixture(scope="session")
async def federating_keepers(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Keepers]:
    """The session's shared bot that serves whoever comes, from whichever server."""
    keepers = Keepers(tmp_path_factory.mktemp("federating-bots"), permissions={"*": "user"})
    yield keepers
    await keepers.stop()


@pytest.fixture
async def federating_keeper(federating_keepers: Keepers, federating_homeserver: FederatingHomeserver) -> InProcess:
    """The shared bot beside a homeserver that federates. Neither stop it nor change its name."""
    return await federating_keepers.on(federating_homeserver)


@pytest.fixture
async def garden(keeper: InProcess) -> Garden:
    """The shared garden: no rules, everybody is shown to the moderators. Bring your own applicants."""
    return await keeper.garden()


@pytest.fixture
async def own_keeper(homeserver: LabHomeserver, sqlite_url: str) -> AsyncIterator[OwnKeeper]:
    """Starts a bot for this test alone, on a database of its own: `await own_keeper(permissions={…})`."""
    async with AsyncExitStack() as stack:

        async def start(database: str = sqlite_url, **more: Any) -> InProcess:
            keeper = InProcess(homeserver.take_slot(), database, **more)
            await stack.enter_async_context(keeper.running())
            return keeper

        yield start


@pytest.fixture
async def process(homeserver: LabHomeserver, sqlite_url: str, tmp_path: Path) -> AsyncIterator[Process]:
    """A bot as a process of its own, not started yet, on a database of its own."""
    process = Process(homeserver.take_slot(), sqlite_url, tmp_path)
    yield process
    await process.stop()


class _Complaints(logging.Handler):
    """Keeps what the bot logs as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(logging.Formatter().format(record))


@pytest.fixture(autouse=True)
def complaints() -> Iterator[list[str]]:
    """What the bot in this process logged as errors: no journey ends well with any. Clear it where one is meant."""
    handler = _Complaints()
    logger = logging.getLogger("knockbot")
    logger.addHandler(handler)
    yield handler.said
    logger.removeHandler(handler)
    assert not handler.said, "\n".join(handler.said)
