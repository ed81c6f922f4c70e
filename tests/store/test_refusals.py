"""A database that is not fit for knockbot, or not its own, is refused by `run` and `check` alike, with the mend."""

# ruff: noqa: ASYNC240 - these files are a few bytes long, and nobody else waits

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from mautrix.util.async_db import Database as Pool
from yarl import URL

from knockbot.errors import Unavailable
from knockbot.store import refusals as unfit
from knockbot.store.db import UP_TO_DATE, Database, Unusable, opened, peeking, probe
from knockbot.store.refusals import POSTGRES_CONNECTIONS, in_words
from tests.lab import Postgres

STATE_GROUPS = "CREATE TABLE state_groups_state (room_id TEXT); CREATE TABLE rooms (room_id TEXT)"
BRIDGE = (
    "CREATE TABLE version (version INTEGER PRIMARY KEY); INSERT INTO version VALUES (40); CREATE TABLE portal (a TEXT)"
)


async def refusals(url: str) -> list[str]:
    """What `run` and `check` say of a database, neither of which takes it."""
    said = []
    for look in (Database.open, probe):
        with pytest.raises(Unavailable) as caught:
            await look(url)
        said.append(str(caught.value))
    return said


OTHERS_GONE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def fill(db: Database) -> None:
    """Write more than fits into what is there."""
    async with db.tx() as tx:
        await tx.execute(
            "INSERT INTO audit (at, room_id, actor, kind, detail_json) VALUES (1, 'r', 'a', $1, '')", "x" * 10**6
        )


async def run(db: Database, statement: str) -> None:
    async with db.tx() as tx:
        await tx.execute(statement)


async def until_raised(act: Callable[[], Awaitable[None]], why: str) -> None:
    """Do it until it is refused for this reason: what was connected before is refused for another one."""
    for _ in range(20):
        with pytest.raises(Unusable) as caught:
            await act()
        if why in str(caught.value):
            return
    pytest.fail(str(caught.value))


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def fresh(postgres: Postgres) -> AsyncIterator[str]:
    """An empty PostgreSQL database, and away with it afterwards."""
    url = await postgres.create_database()
    yield url
    await postgres.drop_database(url)


@asynccontextmanager
async def user(url: str, *grants: str) -> AsyncIterator[str]:
    """The address of a database as a user who may do no more than this."""
    name = f"user_of_{url.rpartition('/')[2]}"
    await execute(url, f"CREATE ROLE {name} LOGIN", *(grant.format(name) for grant in grants))
    try:
        yield str(URL(url).with_user(name))
    finally:
        await execute(url, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


# --- fit ------------------------------------------------------------------------------------------------------


async def test_one_that_is_fit_is_tried_in_earnest_and_left_as_it_was(fresh: str) -> None:
    assert "will be brought" in await probe(fresh)
    async with opened(fresh):
        assert await probe(fresh) == UP_TO_DATE
    connection = await asyncpg.connect(fresh)
    try:
        assert await connection.fetchval("SELECT to_regclass('knockbot_trial')") is None
    finally:
        await connection.close()


async def test_an_extension_makes_no_database_somebody_elses(fresh: str) -> None:
    await execute(fresh, "CREATE VIEW stand_in AS SELECT 1", "ALTER EXTENSION plpgsql ADD VIEW stand_in")

    assert "will be brought" in await probe(fresh)


async def test_what_a_killed_start_left_is_taken_up(fresh: str, sqlite_url: str) -> None:
    """mautrix makes its table of versions first."""
    await execute(fresh, "CREATE TABLE knockbot_version (version INTEGER PRIMARY KEY)")
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:"))) as connection:
        connection.execute("CREATE TABLE knockbot_version (version INTEGER PRIMARY KEY)")
    for url in (fresh, sqlite_url):
        await probe(url)
        async with opened(url):
            assert await probe(url) == UP_TO_DATE


# --- somebody else's ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tables", [STATE_GROUPS, BRIDGE, "CREATE TABLE notes (text TEXT)"])
async def test_a_database_of_something_else_is_left_alone(fresh: str, sqlite_url: str, tables: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:"))
    await execute(fresh, *tables.split("; "))
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(tables)
    before = path.read_bytes()

    for url in (fresh, sqlite_url):
        for said in await refusals(url):
            assert "it is not knockbot's: other tables are there (" in said
            assert "a database of its own" in said
    assert path.read_bytes() == before


async def test_a_type_of_something_else_is_in_the_way_as_well(fresh: str) -> None:
    await execute(fresh, "CREATE TYPE inbox AS (number INTEGER)")

    for said in await refusals(fresh):
        assert "it is not knockbot's: other tables are there (inbox" in said


# --- not fit --------------------------------------------------------------------------------------------------


async def test_one_that_is_not_utf8_is_refused(postgres: Postgres) -> None:
    await postgres._execute("CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    url = postgres._url("latin")
    try:
        for said in await refusals(url):
            assert "its encoding is LATIN1; make another: createdb --encoding=UTF8" in said
    finally:
        await postgres.drop_database(url)


async def test_one_that_takes_no_changes_is_refused(fresh: str) -> None:
    name = fresh.rpartition("/")[2]
    await execute(fresh, f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    for said in await refusals(fresh):
        assert "it is read-only; see default_transaction_read_only" in said


async def test_old_engines_are_refused(fresh: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unfit, "OLDEST_POSTGRES", 99)
    monkeypatch.setattr(unfit, "OLDEST_SQLITE", (99, 1))
    Path(sqlite_url.removeprefix("sqlite:")).touch()

    assert all("and knockbot needs 99 or newer" in said for said in await refusals(fresh))
    assert all("and knockbot needs 99.1 or newer" in said for said in await refusals(sqlite_url))


async def test_a_user_without_rights_in_the_schema_is_told_which(fresh: str) -> None:
    """From PostgreSQL 15 on nobody but the owner of a database may make tables there."""
    async with user(fresh) as url:
        for said in await refusals(url):
            assert "permission denied for schema public" in said
            assert "GRANT USAGE, CREATE ON SCHEMA public" in said
    async with user(fresh, "GRANT CREATE ON SCHEMA public TO {}") as url, opened(url):
        assert await probe(url) == UP_TO_DATE


OWN_SCHEMA = "GRANT CREATE ON SCHEMA public TO {}"


@pytest.mark.parametrize("most", [1, 5, POSTGRES_CONNECTIONS - 1])
async def test_a_user_who_is_allowed_too_few_connections_is_refused(fresh: str, most: int) -> None:
    async with user(fresh, OWN_SCHEMA, f"ALTER ROLE {{}} CONNECTION LIMIT {most}") as url:
        for said in await refusals(url):
            assert f"its user allows only {most} connections at once, and each knockbot needs up to 8" in said
            assert "ALTER ROLE … CONNECTION LIMIT" in said


@pytest.mark.parametrize("most", [-1, POSTGRES_CONNECTIONS])
async def test_a_user_who_is_allowed_enough_connections_can_use_them_all_at_once(fresh: str, most: int) -> None:
    async with user(fresh, OWN_SCHEMA, f"ALTER ROLE {{}} CONNECTION LIMIT {most}") as url:
        assert "will be brought" in await probe(url)
        async with opened(url) as db, AsyncExitStack() as stack:
            for _ in range(POSTGRES_CONNECTIONS):
                await stack.enter_async_context(db.pool.acquire_direct())


async def test_a_database_that_allows_too_few_connections_is_refused(fresh: str) -> None:
    name = fresh.rpartition("/")[2]
    async with user(fresh, OWN_SCHEMA) as url:
        await execute(fresh, f"ALTER DATABASE {name} CONNECTION LIMIT 3")
        for said in await refusals(url):
            assert "it allows only 3 connections at once" in said
            assert "ALTER DATABASE … CONNECTION LIMIT" in said


async def test_limits_do_not_hold_for_a_superuser(fresh: str) -> None:
    await execute(fresh, f"ALTER DATABASE {fresh.rpartition('/')[2]} CONNECTION LIMIT 3")

    assert "will be brought" in await probe(fresh)


def test_a_server_that_allows_too_few_connections_is_refused() -> None:
    with pytest.raises(Unavailable, match=r"its server allows only 7 connections at once, and each .*max_connections"):
        unfit._refuse_too_few_connections({"of_user": -1, "of_database": None, "of_server": 7}, "postgres:///k")


async def test_tables_that_belong_to_somebody_else_are_told(fresh: str) -> None:
    async with opened(fresh):
        pass
    async with user(
        fresh, "GRANT CREATE ON SCHEMA public TO {}", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}"
    ) as url:
        with pytest.raises(Unavailable) as caught:
            await probe(url)

    assert "its tables belong to somebody else (addresses, " in str(caught.value)
    assert "ALTER TABLE … OWNER TO the user" in str(caught.value)


async def test_a_search_path_that_leads_nowhere_is_told(fresh: str) -> None:
    async with user(fresh, "ALTER ROLE {} SET search_path = nowhere") as url:
        for said in await refusals(url):
            assert "search_path names no schema that is there" in said


async def test_a_file_that_is_none_or_cannot_be_written_is_told(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:"))
    path.write_text("Dear diary, " * 100)
    for said in await refusals(sqlite_url):
        assert "file is not a database; it is another kind of file" in said
    path.unlink()
    path.mkdir()
    for said in await refusals(sqlite_url):
        assert "is it a file, and may this user read it" in said or "Is a directory" in said


async def test_a_lock_of_somebody_else_beside_the_file_is_told(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:"))
    lock = path.with_name(f"{path.name}.lock")
    lock.mkdir()  # as little to be opened as one that another user left, which root could open

    for said in await refusals(sqlite_url):
        assert f"cannot write next to the database {path}" in said
        assert str(lock) in said


async def test_a_link_that_leads_nowhere_is_told(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:"))
    path.symlink_to(path.parent / "unmounted" / "knockbot.db")

    for said in await refusals(sqlite_url):
        assert "No such file or directory" in said


async def test_an_sqlite_file_without_shared_memory_is_told(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network's file system: there SQLite does not go over to WAL, and says so in its answer alone."""

    class Stubborn(sqlite3.Connection):
        def execute(self, statement: str, *args: Any) -> sqlite3.Cursor:
            return super().execute("SELECT 'delete'" if "journal_mode" in statement else statement, *args)

    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **how: connect(*args, **how, factory=Stubborn))

    with pytest.raises(Unavailable, match="its file system has no shared memory"):
        await Database.open(sqlite_url)


# --- pools that stand before it -------------------------------------------------------------------------------


class OneForAll:
    """What a pool of transactions looks like: whoever comes next gets the connection that is free."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._shared: Any = None

    @asynccontextmanager
    async def acquire_direct(self) -> AsyncIterator[Any]:
        if self._shared is not None:
            yield self._shared
            return
        async with self._pool.acquire_direct() as self._shared:
            yield self._shared


async def test_a_pool_that_hands_one_clients_connection_to_another_is_refused(fresh: str) -> None:
    pool = Pool.create(fresh)
    await pool.start()
    try:
        await unfit._refuse_changing_connections(pool, fresh)
        with pytest.raises(Unavailable, match="pool_mode = session"):
            await unfit._refuse_changing_connections(OneForAll(pool), fresh)  # type: ignore[arg-type]  # all it asks
    finally:
        await pool.stop()


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InvalidSQLStatementNameError('prepared statement "__asyncpg_stmt_1__" does not exist'),
        asyncpg.DuplicatePreparedStatementError('prepared statement "__asyncpg_stmt_1__" already exists'),
    ],
)
async def test_statements_that_a_pool_lost_say_the_same(fresh: str, error: Exception) -> None:
    class Lossy:
        def acquire_direct(self) -> Any:
            raise error

    with pytest.raises(Unavailable, match="pool_mode = session"):
        await unfit._refuse_changing_connections(Lossy(), fresh)  # type: ignore[arg-type]  # all it asks


# --- while it is at work --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("PRAGMA query_only = TRUE", "attempt to write a readonly database; may this user write"),
        ("PRAGMA max_page_count = 1", "database or disk is full; make room on its disk"),
    ],
)
async def test_a_file_that_takes_no_changes_any_more_is_said_once(
    sqlite_url: str, caplog: pytest.LogCaptureFixture, statement: str, why: str
) -> None:
    async with opened(sqlite_url) as db:
        async with db.pool.acquire_direct() as conn:
            await conn.execute(statement)
        for _ in range(3):
            with pytest.raises(Unusable, match=why):
                await fill(db)
        assert why in str(db.trouble)
        async with db.pool.acquire_direct() as conn:
            await conn.execute("PRAGMA query_only = FALSE")
            await conn.execute("PRAGMA max_page_count = 1000000")
        await fill(db)
        db.written()
        assert db.trouble is None
    assert [record.levelname for record in caplog.records if record.levelno > logging.INFO] == ["ERROR", "WARNING"]


async def test_a_server_that_takes_no_changes_any_more_is_said_once(
    fresh: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened(fresh) as db:
        name = fresh.rpartition("/")[2]
        await execute(fresh, f"ALTER DATABASE {name} SET default_transaction_read_only = on", OTHERS_GONE)
        await until_raised(lambda: fill(db), "read-only transaction; name a server")
        await until_raised(lambda: fill(db), "read-only transaction; name a server")
        await execute(
            fresh,
            "SET default_transaction_read_only = off",
            f"ALTER DATABASE {name} RESET default_transaction_read_only",
            OTHERS_GONE,
        )
        with suppress(Unusable):
            await fill(db)  # by a connection that is gone
        await fill(db)
    assert [record.levelname for record in caplog.records if record.levelno > logging.INFO] == ["ERROR"]


async def test_a_fault_of_one_statement_is_none_of_the_database(database_url: str) -> None:
    async with opened(database_url) as db:
        for statement in ("SELECT nothing FROM nowhere", "INSERT INTO processes (id) VALUES (NULL)", "SELECT ("):
            with pytest.raises((sqlite3.Error, asyncpg.PostgresError)):
                await run(db, statement)
        assert db.trouble is None


# --- words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (asyncpg.InvalidPasswordError('password authentication failed for user "k"'), "see user and password"),
        (asyncpg.InvalidCatalogNameError('database "knockbot" does not exist'), "createdb"),
        (asyncpg.InsufficientPrivilegeError("permission denied for schema public"), "GRANT"),
        (asyncpg.TooManyConnectionsError("sorry, too many clients already"), "max_connections"),
        (asyncpg.DiskFullError("could not extend file"), "its disk is full"),
        (ConnectionRefusedError(111, "Connect call failed"), "does PostgreSQL run"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "may this user write"),
        (sqlite3.OperationalError("database or disk is full"), "make room"),
        (sqlite3.OperationalError("disk I/O error"), "is its disk in order"),
        (sqlite3.OperationalError("database is locked"), "another program uses it"),
        (sqlite3.DatabaseError("database disk image is malformed"), "restore a back-up"),
    ],
)
def test_what_a_database_says_comes_with_its_mend(error: Exception, mend: str) -> None:
    said = in_words(error)

    assert said.startswith(str(error).strip())
    assert mend in said


async def test_somebody_who_only_looks_needs_no_lock_and_makes_no_file(sqlite_url: str) -> None:
    async with peeking(sqlite_url) as nothing:
        assert nothing is None
    assert not Path(sqlite_url.removeprefix("sqlite:")).exists()
    async with opened(sqlite_url), peeking(sqlite_url) as db:
        assert db is not None
        async with db.statement() as tx:
            assert await tx.fetchval("SELECT count(*) FROM inbox") == 0
