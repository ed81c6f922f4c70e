"""What tests may ask for: databases of both kinds, a real homeserver, a door on it, and people."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from knockbot.demo import homeserver as servers
from knockbot.demo.certificates import Authority, CertificateFiles
from knockbot.demo.people import Person
from knockbot.store.db import Database
from tests.lab import DoorSlot, Lab, LabHomeserver, Postgres, clear_sqlite, kept
from tests.sydent import FederatingHomeserver, FederatingLab, LabIdentityServer

# Generated examples are the same on every run, and never timed: a busy machine is no fault of the code.
hypothesis.settings.register_profile("knockbot", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("knockbot")

GIB = 1 << 30
IN_MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > 4 * GIB:
    # Databases that live for a second need not wait for a disk at each commit.
    os.environ["TMPDIR"] = tempfile.tempdir = str(IN_MEMORY)

# A server that is stopped for a while gets its port back: each worker has ports of its own.
SLICES = 8
WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % SLICES
servers.PORTS = servers.PORTS[WORKER::SLICES]

ENGINES = ("sqlite", "postgres")

SERVERS_OF_FEW = frozenset({"federating_lab", "sydent"})
"""Fixtures of servers that few tests need, and that every worker would start for itself."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Who needs an identity server or another homeserver is `long`; what differs in words is played on one engine."""
    for item in items:
        if SERVERS_OF_FEW & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.long)
    again = [item for item in items if item.get_closest_marker("one_engine") and ENGINES[1] in _parameters(item)]
    config.hook.pytest_deselected(items=again)
    items[:] = [item for item in items if item not in {*again}]


def _parameters(item: pytest.Item) -> list[object]:
    return [*item.callspec.params.values()] if isinstance(item, pytest.Function) and hasattr(item, "callspec") else []


def pytest_configure() -> None:
    """Look for no garbage while thousands of tests are collected: there is none, and to look took a quarter of it."""
    gc.disable()


def pytest_collection_finish() -> None:
    """From here on look for it, but not among what was imported and collected, which stays."""
    gc.freeze()
    gc.enable()


@pytest.fixture
def tidy() -> None:
    """Garbage is collected before a test that nests something too deeply: in that depth there is no room for what its
    end has to say, and Python calls that an error."""
    gc.collect()


MakePerson = Callable[[str], Awaitable[Person]]


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Each test finds the loggers on and at their levels, whatever was run in this process before."""
    ours = logging.getLogger("knockbot")
    level = ours.level
    for logger in logging.Logger.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = False
    yield
    ours.setLevel(level)


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[Postgres]:
    """The session's PostgreSQL."""
    async with Postgres() as postgres:
        yield postgres


@pytest.fixture
async def postgres_url(postgres: Postgres) -> AsyncIterator[str]:
    """A fresh, empty PostgreSQL database."""
    url = await postgres.create_database()
    yield url
    await postgres.drop_database(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database that is not there yet."""
    return f"sqlite:{tmp_path / 'knockbot.db'}"


@pytest.fixture(params=ENGINES)
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, empty database: each test that asks for one runs on both engines."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(scope="session")
async def empty_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the newest schema and nothing in it, to be copied: one test may need many."""
    path = tmp_path_factory.mktemp("copied") / "knockbot.db"
    await (await Database.open(f"sqlite:{path}")).close()
    return path


@pytest.fixture(scope="session")
async def empty_sqlite_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A SQLite database with the newest schema, for one test after the other."""
    url = f"sqlite:{tmp_path_factory.mktemp('empty') / 'knockbot.db'}"
    async with kept(url):
        yield url


@pytest.fixture(scope="session")
async def empty_postgres_url(postgres: Postgres) -> AsyncIterator[str]:
    """A PostgreSQL database with the newest schema, for one test after the other."""
    url = await postgres.create_database()
    async with kept(url):
        yield url


@pytest.fixture
async def ready_sqlite_url(empty_sqlite_url: str) -> AsyncIterator[str]:
    """A SQLite database with the newest schema and nothing in it, which this test has for itself."""
    yield empty_sqlite_url
    await clear_sqlite(empty_sqlite_url)


@pytest.fixture
async def ready_postgres_url(postgres: Postgres, empty_postgres_url: str) -> AsyncIterator[str]:
    """A PostgreSQL database with the newest schema and nothing in it, which this test has for itself."""
    yield empty_postgres_url
    await postgres.clear(empty_postgres_url)


@pytest.fixture(params=ENGINES)
def ready_url(request: pytest.FixtureRequest) -> str:
    """A fresh database with the newest schema: each test that asks for one runs on both engines."""
    url: str = request.getfixturevalue(f"ready_{request.param}_url")
    return url


@pytest.fixture(scope="session")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    """The session's homeservers; none runs until it is asked for."""
    async with Lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture
async def homeserver(lab: Lab) -> LabHomeserver:
    """The shared Synapse. Never restart it: take `own_homeserver` for that."""
    return await lab.homeserver()


@pytest.fixture
async def own_homeserver(lab: Lab) -> AsyncIterator[LabHomeserver]:
    """A Synapse for this test alone, which may stop, kill and restart it."""
    async with lab.own_homeserver() as homeserver:
        yield homeserver


@pytest.fixture
def door_slot(homeserver: LabHomeserver) -> DoorSlot:
    """A place for one knockbot beside the shared Synapse."""
    return homeserver.take_slot()


@pytest.fixture
def person(homeserver: LabHomeserver) -> MakePerson:
    """Makes fresh users of the shared Synapse: `await person("ana")`."""
    return homeserver.person


@pytest.fixture(scope="session")
def authority() -> Authority:
    """Who vouches for the session's servers when they speak TLS to each other."""
    return Authority()


@pytest.fixture(scope="session")
def certificates(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> CertificateFiles:
    """What those servers need to do so."""
    return authority.write(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
async def sydent(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LabIdentityServer]:
    """The session's identity server; take `identity_server`, which is well again for the next test."""
    async with LabIdentityServer(tmp_path_factory.mktemp("sydent"), authority=authority) as sydent:
        yield sydent


@pytest.fixture
async def identity_server(sydent: LabIdentityServer) -> AsyncIterator[LabIdentityServer]:
    """The shared Sydent, reached by HTTPS. It may be made to fail."""
    yield sydent
    await sydent.up()


@pytest.fixture(scope="session")
async def federating_lab(
    certificates: CertificateFiles, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FederatingLab]:
    """The session's homeservers that speak to other servers; none runs until it is asked for."""
    async with FederatingLab(tmp_path_factory.mktemp("federating"), certificates) as lab:
        yield lab


@pytest.fixture
async def federating_homeserver(federating_lab: FederatingLab) -> FederatingHomeserver:
    """A Synapse that speaks to other servers; shared like `homeserver`, and not to be restarted either."""
    return await federating_lab.homeserver()


@pytest.fixture(scope="session")
async def other_homeserver(
    certificates: CertificateFiles, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[FederatingHomeserver]:
    """Another one, for those who come from elsewhere."""
    async with FederatingHomeserver(tmp_path_factory.mktemp("other"), certificates, slots=0) as homeserver:
        yield homeserver


@pytest.fixture
async def mortal_homeserver(certificates: CertificateFiles, tmp_path: Path) -> AsyncIterator[FederatingHomeserver]:
    """One more from elsewhere, for this test alone, which may stop, kill and restart it."""
    async with FederatingHomeserver(tmp_path / "mortal", certificates, slots=0) as homeserver:
        yield homeserver


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Let a worker report a test that logged what no UTF-8 can hold: strangers write such things, so tests do."""
    return _speakable((yield))


def _speakable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_speakable(key): _speakable(held) for key, held in value.items()}
    return type(value)(map(_speakable, value)) if isinstance(value, list | tuple) else value
