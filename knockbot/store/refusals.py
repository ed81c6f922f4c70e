"""Which databases are refused, as unfit for knockbot or not its own; what a database says is wrong, and how to fix it.

All that knockbot needs is really tried, and then undone.
"""

from __future__ import annotations

import socket
import sqlite3
import ssl
from collections.abc import Mapping
from contextlib import closing

import asyncpg
from mautrix.util.async_db import Database as Pool
from mautrix.util.async_db import Scheme
from yarl import URL

from knockbot.errors import Unavailable
from knockbot.store.upgrades import RESTORE, UPGRADES

POSTGRES_CONNECTIONS = 8
"""At most, for each process."""

OLDEST_SQLITE = (3, 35)
"""The first version that has RETURNING."""

OLDEST_POSTGRES = 13

TRIAL = "CREATE TABLE knockbot_trial (number INTEGER)"
"""What is done to see whether tables can be made, and is always undone."""


async def refuse_unfit(pool: Pool, url: str) -> None:
    """Refuse a database that knockbot cannot use, or must not use because it belongs to somebody else."""
    if pool.scheme == Scheme.SQLITE:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            wanted = ".".join(map(str, OLDEST_SQLITE))
            raise unfit(url, f"this Python has SQLite {sqlite3.sqlite_version}, and knockbot needs {wanted} or newer")
        return
    async with pool.acquire_direct() as conn:
        server = await conn.fetchrow(
            "SELECT current_setting('server_version_num')::int / 10000 AS version, "
            "current_setting('server_encoding') AS encoding, current_schema() AS schema, "
            "pg_is_in_recovery() AS standby, "
            "current_setting('transaction_read_only') = 'on' AS read_only"
        )
        assert server is not None
        tables = await conn.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace "
            "AND relkind IN ('r', 'p', 'v', 'm', 'f', 'c') "
            "AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')"
        )
        limits = await conn.fetchrow(LIMITS)
    for holds, why in (
        (
            server["version"] < OLDEST_POSTGRES,
            f"it is PostgreSQL {server['version']}, and knockbot needs {OLDEST_POSTGRES} or newer",
        ),
        (
            server["encoding"] != "UTF8",
            f"its encoding is {server['encoding']}; make another: createdb --encoding=UTF8 --template=template0",
        ),
        (server["standby"], "it is a standby, which accepts no changes; name the primary server"),
        (server["read_only"], "it is read-only; see default_transaction_read_only of the user and of the database"),
        (server["schema"] is None, f"the user's search_path names no schema that is there; {GRANT}"),
    ):
        if holds:
            raise unfit(url, why)
    _refuse_foreign({row["relname"] for row in tables}, url)
    _refuse_too_few_connections(dict(limits or {}), url)
    await _refuse_changing_connections(pool, url)


def unfit(url: str, why: str) -> Unavailable:
    return Unavailable(f"cannot use the database {redacted(url)}: {why}")


def _refuse_foreign(tables: set[str], url: str) -> None:
    if not tables or UPGRADES.version_table_name in tables:
        return
    some = ", ".join(sorted(tables)[:3])
    raise unfit(url, f"it is not knockbot's: other tables are there ({some}, …); give knockbot a database of its own")


LIMITS = """
SELECT (SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user AND NOT rolsuper) AS of_user,
       (SELECT datconnlimit FROM pg_database, pg_roles
        WHERE datname = current_database() AND rolname = session_user AND NOT rolsuper) AS of_database,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true), '0')::int AS of_server
"""
"""How many connections at once are allowed, by each of three limits; -1 or nothing where there is no limit."""

RAISE = {
    "of_user": ("its user", "ALTER ROLE … CONNECTION LIMIT -1"),
    "of_database": ("it", "ALTER DATABASE … CONNECTION LIMIT -1"),
    "of_server": ("its server", "raise max_connections in postgresql.conf, and restart it"),
}
"""What sets each of these limits, and how to raise it."""


def _refuse_too_few_connections(limits: Mapping[str, int | None], url: str) -> None:
    """Refuse a database on which knockbot would start, but fail as soon as it has to do much at once."""
    for name, (whose, mend) in RAISE.items():
        most = limits.get(name)
        if most is not None and 0 <= most < POSTGRES_CONNECTIONS:
            needed = f"each knockbot needs up to {POSTGRES_CONNECTIONS}"
            raise unfit(url, f"{whose} allows only {most} connections at once, and {needed}: {mend}")


POOLED = (
    "it is reached through a pool that changes connections between transactions, as pgbouncer does; set "
    "pool_mode = session there, or name the server itself"
)


async def _refuse_changing_connections(pool: Pool, url: str) -> None:
    """Refuse a pooler in front of PostgreSQL that gives the connection of one client to another one.

    Prepared statements and locks would be lost. It is detected when a second client gets the connection of the first.
    """
    try:
        async with pool.acquire_direct() as one, pool.acquire_direct() as other:
            for _ in range(2):
                first = await one.fetchval("SELECT pg_backend_pid()")
                await other.execute("BEGIN")
                second = await other.fetchval("SELECT pg_backend_pid()")
                await other.execute("ROLLBACK")
                if first == second:
                    raise unfit(url, POOLED)
    except LOST_STATEMENTS as error:
        raise unfit(url, POOLED) from error


LOST_STATEMENTS = (
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.ProtocolViolationError,
)
"""The errors of prepared statements whose connection has been replaced by another one."""

GRANT = "GRANT USAGE, CREATE ON SCHEMA public TO the user, or have the user own the database"

ENOUGH = (
    f"each knockbot needs up to {POSTGRES_CONNECTIONS} connections, and `check` 2 more meanwhile: raise "
    "max_connections, or the CONNECTION LIMIT of the user or database"
)

MENDS: tuple[tuple[type[BaseException], str, str], ...] = (
    (asyncpg.InvalidPasswordError, "", "see user and password in `database`"),
    (asyncpg.InvalidAuthorizationSpecificationError, "", "see user and password in `database`, and pg_hba.conf"),
    (asyncpg.InvalidCatalogNameError, "", "make it: createdb --owner=USER NAME"),
    (asyncpg.InsufficientPrivilegeError, "", GRANT),
    (asyncpg.InvalidSchemaNameError, "", GRANT),
    (asyncpg.ReadOnlySQLTransactionError, "", "name a server and a user that may write"),
    (asyncpg.TooManyConnectionsError, "", ENOUGH),
    (asyncpg.DiskFullError, "", "its disk is full"),
    (ConnectionRefusedError, "", "nothing listens there: does PostgreSQL run, and on that port?"),
    (socket.gaierror, "", "no such host is known"),
    (ssl.SSLError, "", "see sslmode in `database`, and the server's certificate"),
    (asyncpg.PostgresConnectionError, "pooling mode", "set pool_mode = session in the pool in front of it"),
    (TimeoutError, "", "nobody answered in time: is there a firewall?"),
    (sqlite3.Error, "readonly", "may this user write to the file, and into its directory?"),
    (sqlite3.Error, "unable to open", "is it a file, and may this user read it and write into its directory?"),
    (sqlite3.Error, "full", "make room on its disk"),
    (sqlite3.Error, "disk I/O", "is its disk in order, and not shared over a network?"),
    (sqlite3.Error, "not a database", "it is another kind of file; give knockbot a file of its own"),
    (sqlite3.Error, "locked", "another program uses it"),
    (sqlite3.Error, "no such column", RESTORE),
    (asyncpg.UndefinedColumnError, "", RESTORE),
    (sqlite3.Error, "malformed", "it is damaged: restore a back-up"),
)
"""How to fix what a database says is wrong: by the kind of its error, and a word in it."""


SQLITE_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)
POSTGRES_AWAY = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.PostgresSystemError,
)


def cannot_be_used_now(error: BaseException) -> bool:
    """Whether an error is about the whole database (it is away, read-only or full), and not about one statement."""
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF in SQLITE_AWAY
    return isinstance(error, POSTGRES_AWAY) and not isinstance(error, ValueError)  # as asyncpg's for wrong parameters


def in_words(error: BaseException) -> str:
    """What a database says is wrong, and what to do about it."""
    said = first_line(error)
    fits = (mend for kind, word, mend in MENDS if isinstance(error, kind) and word in said)
    mend = next(fits, None)
    return f"{said}; {mend}" if mend else said


def try_file(url: str) -> None:
    """Write to an SQLite file as we would, and undo it."""
    with closing(sqlite3.connect(URL(url).path, isolation_level=None)) as connection:
        refuse_foreign_file(connection, url)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(TRIAL)
        connection.execute("ROLLBACK")


def refuse_foreign_file(connection: sqlite3.Connection, url: str) -> None:
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')").fetchall()
    _refuse_foreign({name for (name,) in rows if not name.startswith("sqlite_")}, url)


async def try_rights(pool: Pool, url: str) -> None:
    """Make a table and undo that; check that the tables which are there may be read and written."""
    async with pool.acquire_direct() as conn:
        await conn.execute("BEGIN")
        try:
            await conn.execute(TRIAL)
            await conn.execute("INSERT INTO knockbot_trial VALUES (1)")
        finally:
            await conn.execute("ROLLBACK")
        closed = await conn.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' "
            "AND NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT') "
            "AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE')) ORDER BY relname"
        )
    if closed:
        names = ", ".join(row["relname"] for row in closed[:3])
        raise unfit(url, f"its tables belong to somebody else ({names}, …): ALTER TABLE … OWNER TO the user")


def redacted(url: str) -> str:
    """The database URL without its password, fit for a log; options, among which there may be another, go too."""
    parsed = URL(url).with_query(None)
    return (parsed.with_password("…") if parsed.password else parsed).human_repr()


def first_line(error: BaseException) -> str:
    """What a database says is wrong, without the lines that explain it to its programmers."""
    return str(error).strip().split("\n")[0] or type(error).__name__
