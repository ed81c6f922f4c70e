"""The database itself: opening either engine, one transaction helper for both, and who else uses it.

mautrix's pools serve both engines with one `$1` syntax; its `transaction()` is not used, because a cancelled one
stays open on a pooled SQLite connection and swallows every later write (docs/decisions/0002).
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import re
import secrets
import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import IO, Any, TypeVar

import asyncpg
from mautrix.util.async_db import Connection, Scheme, UnsupportedDatabaseVersion, UpgradeTable
from mautrix.util.async_db import Database as Pool
from mautrix.util.async_db.aiosqlite import POSITIONAL_PARAM_PATTERN
from yarl import URL

from knockbot.domain.notices import because
from knockbot.errors import Later, Unavailable
from knockbot.store.refusals import (
    POSTGRES_CONNECTIONS,
    cannot_be_used_now,
    first_line,
    in_words,
    redacted,
    refuse_foreign_file,
    refuse_unfit,
    try_file,
    try_rights,
)
from knockbot.store.upgrades import FIRST_TABLE, RESTORE, UPGRADES, version_in

log = logging.getLogger("knockbot.store")

Value = TypeVar("Value")

STATEMENTS = 400
"""Statements that stay prepared on one connection to PostgreSQL, for as long as it lives. Asyncpg keeps a hundred; this
program has some three hundred, and each that was forgotten costs a round trip, and PostgreSQL its parsing."""


class Tx(Connection):
    """An open transaction; the files of this package take one as their first argument."""

    changed: set[str]
    """The tables that it has changed so far."""


def for_update(tx: Tx, held: bool = True) -> str:
    """The end of a SELECT whose rows this transaction will change; SQLite locks the whole file anyway.

    Rows that are only shown are not `held`: nobody waits for them, and they wait for nobody. A transaction that writes
    a row which refers to a held row does not wait either, because the key of the held row does not change. Otherwise
    two transactions would wait for each other.
    """
    return " FOR NO KEY UPDATE" if held and tx.scheme is not Scheme.SQLITE else ""


AT_ONCE = 500
"""Values of one list in a query."""


def portions(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """The values in lists that are short enough for a query; the caller limits how many values there are."""
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))


def listed(values: Sequence[object], first: int = 1) -> str:
    """The places of these values in a query, from the place `first` on."""
    return ", ".join(f"${place}" for place in range(first, first + len(values)))


UPGRADE_LOCK = 0x6B6E6F636B  # any number of our own; "knock" in ASCII

REFUSED = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, sqlite3.Error)
"""What either engine raises where it cannot be used, or does not do what it is asked to do."""


class InUse(Unavailable):
    """Another process is at work on this SQLite file."""


class Unusable(Unavailable):
    """The database cannot be used for now: it cannot be reached, is read-only or full. `Database` logs that itself.

    The work was not done, but is not lost: it is to be tried again later.
    """


class Crossed(Later):
    """Two transactions waited for each other, and PostgreSQL has rolled this one back: it is to be done again.

    Nothing is wrong: for example, one holds a timer and needs its request, the other one the reverse.
    """

    def __init__(self) -> None:
        super().__init__(because("act.crossed"), retry_after=1.0)

    @property
    def is_failure(self) -> bool:
        return False


DATABASE_AWAY = (Unusable, *REFUSED)
"""The same, for code that also uses the pool by itself."""


class Database:
    """One interface to both engines: `async with db.tx() as tx`, and nothing is half done.

    No task may be started, and no homeserver called, inside a transaction: SQLite has one connection, and
    PostgreSQL would hold row locks for as long as a stranger's server takes to answer.
    """

    def __init__(self, pool: Pool, lock: IO[bytes] | None) -> None:
        self._pool = pool
        self._lock = lock
        self._inside: set[asyncio.Task[Any] | None] = set()
        self.alone = pool.scheme == Scheme.SQLITE
        """Whether this process is the only one on this database, as it always is on SQLite."""
        self._turns = _Turns(1 if self.alone else POSTGRES_CONNECTIONS)
        self._kept = _Kept(pool, 0 if self.alone else KEPT)
        self._lent = 0
        self._disk = _Disk()
        self.trouble: str | None = None
        """Why the database cannot be used now; none where it can, as far as was seen."""
        self.process = secrets.token_hex(8)
        """This process' name in claims and leases."""

    @property
    def pool(self) -> Pool:
        """The pool itself, for mautrix's own stores; everybody else takes a transaction."""
        if self.alone:
            self._kept.most = 0  # the only connection goes back to it as soon as it was used again
        return self._pool

    async def upgrade_also(self, table: UpgradeTable, first: str) -> None:
        """Bring tables of others up to date, which have their own version numbers; `first` is one of them.

        Raises `Unavailable`.
        """
        try:
            await _upgrade(self._pool, table, first)
        except UnsupportedDatabaseVersion as error:
            raise Unavailable(
                f"the database was written by a newer mautrix ({first_line(error)}): {RESTORE}"
            ) from error

    @classmethod
    async def open(cls, url: str, *, upgrade: bool = True) -> Database:
        """Connect, take the lock of an SQLite file, and bring the schema up to date.

        Without `upgrade` an old or empty database is left as it is, and refused.

        Raises `Unavailable`, with a text that says what to fix.
        """

        async def prepare(pool: Pool) -> None:
            if upgrade:
                await _upgrade(pool)
            elif await _schema(pool) != len(UPGRADES.upgrades):
                raise Unavailable(f"the database {redacted(url)} has not been brought up to date yet")

        return await cls._open(url, prepare)

    @classmethod
    async def open_as_it_is(cls, url: str) -> Database:
        """Connect, and take the lock of an SQLite file; the schema, if there is any, stays as it is."""

        async def prepare(_: Pool) -> None:
            pass

        return await cls._open(url, prepare)

    @classmethod
    async def _open(cls, url: str, prepare: Callable[[Pool], Awaitable[None]]) -> Database:
        lock = _lock_file(url) if url.startswith("sqlite:") else None
        pool = Pool.create(url, db_args=_pool_args(url))
        try:
            if lock is not None:
                await asyncio.to_thread(_prepare_file, url)
            await pool.start()
            await refuse_unfit(pool, url)
            await prepare(pool)
        except BaseException as error:
            await _stop(pool, lock)
            if isinstance(error, UnsupportedDatabaseVersion):
                raise Unavailable(
                    f"the database {redacted(url)} was written by a newer knockbot ({first_line(error)}): "
                    "install that version again, or restore a backup"
                ) from error
            if isinstance(error, REFUSED):
                raise Unavailable(f"cannot use the database {redacted(url)}: {in_words(error)}") from error
            raise
        return cls(pool, lock)

    async def close(self) -> None:
        """Release everything; an unclosed SQLite database keeps the process from exiting."""
        self._disk.close()
        await self._kept.give_back()
        await _stop(self._pool, self._lock)

    def tx(self, *, first: bool = False) -> AbstractAsyncContextManager[Tx]:
        """One transaction: committed at the end of the block, rolled back on any exception, cancellation too.

        It begins with the first statement that changes or holds something. Statements before that only read, and need
        no transaction: each sees what is committed by then, as it does in a transaction.
        With `first` it goes before all others that wait: somebody outside waits for this one.
        Raises `Unusable`, and `Crossed`. A task has one at a time: a second one would wait for ever for SQLite's only
        connection.
        """
        return _Use(self, first=first)

    def statement(self, *, first: bool = False) -> AbstractAsyncContextManager[Tx]:
        """For a single statement, which is a transaction by itself: that spares PostgreSQL two round trips.

        One that changes something takes `change`: on SQLite, everybody would wait for the disk.
        """
        return _Use(self, first=first, single=True)

    def change(self, *, first: bool = False) -> AbstractAsyncContextManager[Tx]:
        """For a single statement that changes something: the cheapest transaction on either engine."""
        return self.tx(first=first) if self.alone else self.statement(first=first)

    def keep_connection(self) -> None:
        """Nobody else uses the pool for now, so SQLite's only connection need not go back there after each use."""
        self._kept.most = max(self._kept.most, 1)

    async def lend(
        self, task: asyncio.Task[Any] | None, *, first: bool, single: bool
    ) -> tuple[_Lent, _OnSQLite | _OnPostgreSQL]:
        """A connection for a task, when it is its turn; for `_Use`, which returns it with `take_back`."""
        if task in self._inside:
            raise RuntimeError("a transaction inside a transaction: hand the open one on instead")
        await self._turns.take(first=first)
        self._lent += 1
        try:
            if self._lent % IN_A_ROW == 0:
                await asyncio.sleep(0)
            lent = await self._kept.take()
        except BaseException as error:
            self._turns.pass_on()
            self._insist_on_use(error)
            raise
        if not single:
            self._inside.add(task)
        if self.alone:
            return lent, _OnSQLite(lent.conn, self._disk, begun=single)
        return lent, _OnPostgreSQL(lent.conn, begun=single)

    async def take_back(self, task: asyncio.Task[Any] | None, lent: _Lent, error: BaseException | None) -> None:
        """A task no longer needs its connection; `error` is what went wrong meanwhile. Raises `Unusable`."""
        self._inside.discard(task)
        try:
            await (lent.give_back() if error is not None else self._kept.keep(lent))
        finally:
            self._turns.pass_on()
        self._insist_on_use(error)

    def _insist_on_use(self, error: BaseException | None) -> None:
        """Raises `Unusable` or `Crossed` where that is what an error means."""
        if isinstance(error, asyncpg.DeadlockDetectedError):
            raise Crossed from error
        if isinstance(error, Exception) and cannot_be_used_now(error):
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> Unusable:
        why = f"the database cannot be used: {in_words(error)}"
        if self.trouble is None:
            log.error("%s. Nothing is taken in or done until it can be used again.", why)
        log.debug("this is what the database says", exc_info=error)
        self.trouble = why
        return Unusable(why)

    def written(self) -> None:
        """Something was written and kept: if the database could not be used before, it can be used again."""
        if self.trouble is not None:
            log.warning("the database can be used again; what waited is done now")
        self.trouble = None


@asynccontextmanager
async def peeking(url: str) -> AsyncIterator[Database | None]:
    """A database for reading single statements, even while another process uses it; `None` where none is ours yet."""
    if url.startswith("sqlite:") and not await asyncio.to_thread(Path(URL(url).path).exists):
        yield None
        return
    pool = Pool.create(url, db_args=_pool_args(url))
    db = Database(pool, None)
    try:
        await pool.start()
        yield db if await _schema(pool) == len(UPGRADES.upgrades) else None
    finally:
        await db.close()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """A database for as long as the block lasts. Raises `Unavailable`."""
    db = await Database.open(url)
    try:
        yield db
    finally:
        await db.close()


class _Use(AbstractAsyncContextManager[Tx]):
    """A transaction, or a single statement, from its beginning to its end; used once."""

    def __init__(self, db: Database, *, first: bool, single: bool = False) -> None:
        self._db = db
        self._first = first
        self._single = single

    async def __aenter__(self) -> Tx:
        self._task = asyncio.current_task()
        self._lent, self._tx = await self._db.lend(self._task, first=self._first, single=self._single)
        return self._tx

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        try:
            await self._end(error)
        except BaseException as failure:
            await self._db.take_back(self._task, self._lent, failure)
            raise
        await self._db.take_back(self._task, self._lent, error)

    async def _end(self, error: BaseException | None) -> None:
        if self._single:
            return
        try:
            if error is None:
                await self._tx.commit()
                return
        except BaseException:
            await self._roll_back()
            raise
        await self._roll_back()

    async def _roll_back(self) -> None:
        # After a COMMIT that was cancelled but took place there is nothing to roll back; either engine says so with an
        # error (SQLite) or a warning (PostgreSQL).
        # Nor is there where the connection itself is lost, which asyncpg may notice in the midst of this.
        with suppress(
            sqlite3.OperationalError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError
        ):
            await self._tx.roll_back()


class _OnSQLite(Tx):
    """SQLite with no thread in between: a statement takes microseconds, the way to a thread and back many times that.

    A thread does only what waits for the disk: the commit of a change. So all else goes on meanwhile
    (docs/performance.md).
    """

    __setattr__ = object.__setattr__

    def __init__(self, conn: Connection, disk: _Disk, *, begun: bool = False) -> None:
        super().__init__(conn.scheme, conn.wrapped, conn.log)
        self._disk = disk
        self._raw: sqlite3.Connection = conn.wrapped._conn  # noqa: SLF001 - aiosqlite shows it to nobody
        self._changes = self._raw.total_changes
        self._begun = begun
        self.changed = set()

    def _begin(self, read: _Read) -> None:
        self.changed.add(read.table)
        if not self._begun:
            self._begun = True
            self._raw.execute("BEGIN IMMEDIATE")

    async def commit(self) -> None:
        """Commit it, if it has begun."""
        if self._raw.total_changes != self._changes:
            await _whole(self._disk.commit(self._raw))
        elif self._begun:
            self._raw.execute("COMMIT")

    async def roll_back(self) -> None:
        """Take it back, if it has begun."""
        if self._begun:
            self._raw.execute("ROLLBACK")

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> Any:  # noqa: ARG002, ASYNC109 - as mautrix has it
        read = _read(query)
        self._begin(read)
        return self._raw.execute(read.numbered, args)

    async def executemany(self, query: str, *args: Any, timeout: float | None = None) -> Any:  # noqa: ARG002, ASYNC109 - as mautrix has it
        read = _read(query)
        self._begin(read)
        return self._raw.executemany(read.numbered, *args)

    async def _asked(self, query: str, args: tuple[Any, ...]) -> sqlite3.Cursor:
        read = _read(query)
        if not read.only_looks:
            self._begin(read)
        return self._raw.execute(read.numbered, args)

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Any]:  # noqa: ARG002, ASYNC109 - as mautrix has it
        return (await self._asked(query, args)).fetchall()

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None) -> Any:  # noqa: ARG002, ASYNC109 - as mautrix has it
        return (await self._asked(query, args)).fetchone()

    async def fetchval(self, query: str, *args: Any, column: int = 0, timeout: float | None = None) -> Any:  # noqa: ARG002, ASYNC109 - as mautrix has it
        row = (await self._asked(query, args)).fetchone()
        return None if row is None else row[column]


class _Disk:
    """The thread that waits for SQLite's disk; it begins with the first commit.

    mautrix's own way, with aiosqlite, needs a task and twice as many calls for each commit.
    """

    def __init__(self) -> None:
        self._waiting: SimpleQueue[tuple[sqlite3.Connection, asyncio.Future[None]] | None] = SimpleQueue()
        self._thread: Thread | None = None

    def commit(self, raw: sqlite3.Connection) -> asyncio.Future[None]:
        """Commit, and say so on the event loop that asks for it."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="knockbot commits", daemon=True)
            self._thread.start()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put((raw, done))
        return done

    def close(self) -> None:
        """Let the thread end."""
        self._waiting.put(None)

    def _run(self) -> None:
        while (one := self._waiting.get()) is not None:
            raw, done = one
            error: BaseException | None = None
            try:
                raw.execute("COMMIT")
            except BaseException as failure:  # noqa: BLE001 - the task that asked for the commit raises it
                error = failure
            with suppress(RuntimeError):  # that loop has ended
                done.get_loop().call_soon_threadsafe(_tell, done, error)


def _tell(done: asyncio.Future[None], error: BaseException | None) -> None:
    if done.cancelled():
        return
    if error is not None:
        done.set_exception(error)
    else:
        done.set_result(None)


class _OnPostgreSQL(Tx):
    """A transaction that begins only when it has to: one that only reads saves two round trips."""

    __setattr__ = object.__setattr__

    def __init__(self, conn: Connection, *, begun: bool = False) -> None:
        super().__init__(conn.scheme, conn.wrapped, conn.log)
        self._begun = begun
        self.changed = set()

    async def _begin_for(self, query: str, *, asked: bool = False) -> None:
        read = _read(query)
        if asked and read.only_looks:
            return
        self.changed.add(read.table)
        if not self._begun:
            self._begun = True
            await self.wrapped.execute("BEGIN")

    async def commit(self) -> None:
        """Commit it, if it has begun."""
        if self._begun:
            await _whole(self.wrapped.execute("COMMIT"))

    async def roll_back(self) -> None:
        """Take it back, if it has begun."""
        if self._begun:
            await _whole(self.wrapped.execute("ROLLBACK"))

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - as mautrix has it
        await self._begin_for(query)
        return await self.wrapped.execute(query, *args, timeout=timeout)

    async def executemany(self, query: str, *args: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - as mautrix has it
        await self._begin_for(query)
        return await self.wrapped.executemany(query, *args, timeout=timeout)

    async def fetch(self, query: str, *args: Any, timeout: float | None = None) -> list[Any]:  # noqa: ASYNC109 - as mautrix has it
        await self._begin_for(query, asked=True)
        return await self.wrapped.fetch(query, *args, timeout=timeout)

    async def fetchrow(self, query: str, *args: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - as mautrix has it
        await self._begin_for(query, asked=True)
        return await self.wrapped.fetchrow(query, *args, timeout=timeout)

    async def fetchval(self, query: str, *args: Any, column: int = 0, timeout: float | None = None) -> Any:  # noqa: ASYNC109 - as mautrix has it
        await self._begin_for(query, asked=True)
        return await self.wrapped.fetchval(query, *args, column=column, timeout=timeout)


@dataclass(frozen=True, slots=True)
class _Read:
    """What is known of a query by its text."""

    numbered: str
    """With SQLite's way of numbering its parameters."""
    only_looks: bool
    """Whether it changes nothing and holds nothing."""
    table: str
    """What it changes, where it does."""


_CHANGES = re.compile(r"(?:INSERT INTO|UPDATE|DELETE FROM) (\w+)")


@lru_cache(maxsize=1024)
def _read(query: str) -> _Read:
    changes = _CHANGES.match(query)
    return _Read(
        POSITIONAL_PARAM_PATTERN.sub(r"?\1", query),
        only_looks=query.startswith("SELECT") and " UPDATE" not in query,
        table=changes[1] if changes is not None else "",
    )


class _Turns:
    """Who may use a connection next: in the order in which they asked, except for those who go first."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._first: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    async def take(self, *, first: bool) -> None:
        """Wait for one's turn; the task that had it before passes it on."""
        if self._free:
            self._free -= 1
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._first if first else self._others).append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():  # the turn and the cancellation came in the same moment
                self.pass_on()
            raise

    def pass_on(self) -> None:
        for queue in (self._first, self._others):
            while queue:
                following = queue.popleft()
                if not following.done():  # the task that waited may have been cancelled
                    following.set_result(None)
                    return
        self._free += 1


IN_A_ROW = 8
"""How often a connection may be lent before all else has its turn: on SQLite, work that goes first need never wait."""

KEPT = 3
"""At most so many connections of PostgreSQL are kept after a use, and not handed back to the pool."""

KEPT_FOR = 60.0
"""Seconds without use after which they are handed back: the pool closes unused ones, and some networks drop them."""


@dataclass(slots=True)
class _Lent:
    """A connection that the pool has lent."""

    conn: Connection
    lent: AbstractAsyncContextManager[Connection]
    used_at: float = 0.0

    async def give_back(self) -> None:
        """Let the pool have it again."""
        await self.lent.__aexit__(None, None, None)


def _is_lost(connection: Any) -> bool:
    """Whether a connection to PostgreSQL is gone. One that was ended from outside answers no question any more."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


class _Kept:
    """The connections to use next: asyncpg needs as long as three statements to hand one back to the pool and take it
    again, and most of the time it is the same one."""

    def __init__(self, pool: Pool, most: int) -> None:
        self._pool = pool
        self.most = most
        self._free: list[_Lent] = []
        """The one that was used last is at the end."""

    async def take(self) -> _Lent:
        """One that is there, else one from the pool."""
        long_ago = time.monotonic() - KEPT_FOR
        while self._free and self._free[0].used_at < long_ago:
            await self._free.pop(0).give_back()
        while self._free:
            lent = self._free.pop()
            if lent.conn.scheme is Scheme.SQLITE or not _is_lost(lent.conn.wrapped):
                return lent
            await lent.give_back()
        lending = self._pool.acquire_direct()
        return _Lent(await lending.__aenter__(), lending)

    async def keep(self, lent: _Lent) -> None:
        """Keep it for the next time, if there are not enough."""
        if len(self._free) >= self.most:
            await lent.give_back()
            return
        lent.used_at = time.monotonic()
        self._free.append(lent)

    async def give_back(self) -> None:
        """Let the pool have them all."""
        while self._free:
            await self._free.pop().give_back()


async def _whole(step: Awaitable[Any]) -> None:
    """Run one statement to its end, even if the caller is cancelled meanwhile; the cancellation follows after it."""
    task = asyncio.ensure_future(step)
    cancelled = None
    while not task.done():
        try:
            await asyncio.wait([task])  # which leaves the task alone when it is cancelled itself
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()  # looked at here, because nobody else will
        raise cancelled
    task.result()


def _pool_args(url: str) -> dict[str, Any]:
    if url.startswith("sqlite:"):
        # FULL: a commit that was answered with 200 must survive a power cut, which WAL with NORMAL does not promise.
        # Two threads use the connection, but never at once: only the task that has acquired it uses it.
        return {"min_size": 1, "init_commands": ["PRAGMA synchronous = FULL"], "check_same_thread": False}
    # mautrix would end the whole process, at once, when a lost connection takes asyncpg by surprise.
    return {
        "min_size": 1,
        "max_size": POSTGRES_CONNECTIONS,
        "meow_exit_on_ice": False,
        "reset": _leave_as_it_is,
        "statement_cache_size": STATEMENTS,
        "max_cached_statement_lifetime": 0,
    }


async def _leave_as_it_is(_: asyncpg.Connection) -> None:
    """Spare each transaction the round trip in which asyncpg resets a connection that goes back to the pool.

    There is nothing to reset. asyncpg has rolled back an open transaction before it asks this. Nothing here sets a
    variable, listens, or keeps a cursor or a lock beyond its transaction, except `_upgrade`, which gives its lock back.
    Where it cannot, `Database.open` closes the pool, and the lock ends with the connection.
    """


def _lock_file(url: str) -> IO[bytes]:
    """Hold `<file>.lock` for as long as this process lives; the kernel lets go of it even after SIGKILL."""
    path = Path(URL(url).path)
    beside = _beside(path)
    lock = _open_lock(path)  # held open for the life of the process
    try:
        _take_lock(lock, beside)
    except BlockingIOError as error:
        lock.close()
        raise InUse(f"another knockbot is using {path}: stop it first, or use PostgreSQL to run several") from error
    except Unavailable:
        lock.close()
        raise
    try:
        beside.chmod(0o600)
        path.touch(mode=0o600)  # nobody else may read a new one; SQLite's files beside it get the same mode
    except OSError as error:
        lock.close()
        raise Unavailable(f"cannot write {error.filename}: {error.strerror}") from error
    return lock


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _open_lock(path: Path) -> IO[bytes]:
    beside = _beside(path)
    try:
        return beside.open("ab")
    except OSError as error:
        raise Unavailable(f"cannot write next to the database {path}: {error.strerror} ({beside})") from error


def _take_lock(file: IO[bytes], where: Path) -> None:
    """Lock a file, unless another process has. Raises `BlockingIOError`, and `Unavailable` where there are no locks."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        raise Unavailable(
            f"cannot lock {where}: {error.strerror}; its file system has no locks, as some that are shared over a "
            "network: put the database on a local disk, or use PostgreSQL"
        ) from error


def _prepare_file(url: str) -> None:
    """Have an SQLite file written as we need it, if it is ours.

    The pool does not do this: where its first statement fails, it leaves a thread that keeps the process from exiting.
    """
    with closing(sqlite3.connect(URL(url).path)) as connection:
        refuse_foreign_file(connection, url)
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise Unavailable(
            f"cannot use the database {redacted(url)}: its file system has no shared memory, as those that are shared "
            "over a network; put it on a local disk, or use PostgreSQL"
        )


def _try_places(path: Path) -> None:
    """Try where the lock of an SQLite file will be, and where the file itself: it may be a link to elsewhere."""
    for directory in dict.fromkeys((path.parent, path.resolve().parent)):
        _try_directory(directory)
    if _beside(path).exists():  # another user may have left it behind
        _open_lock(path).close()


def _try_directory(directory: Path) -> None:
    """Write into the directory of an SQLite file as we would, and take it back."""
    try:
        with tempfile.TemporaryFile(dir=directory) as trial:
            trial.write(b"knockbot")
            trial.flush()
            _take_lock(trial, directory)
    except OSError as error:
        raise Unavailable(f"cannot write into {directory}: {error.strerror}") from error


async def _upgrade(pool: Pool, table: UpgradeTable = UPGRADES, first: str = FIRST_TABLE) -> None:
    """Bring tables up to date, of which `first` was made first; on PostgreSQL an advisory lock lets only one starting
    process do this at a time."""
    if pool.scheme == Scheme.SQLITE:
        await _schema(pool, table, first)
        await table.upgrade(pool)
        return
    async with pool.acquire_direct() as conn:
        await conn.execute("SELECT pg_advisory_lock($1)", UPGRADE_LOCK)
        try:
            await _schema(pool, table, first)
            await table.upgrade(pool)
        finally:
            await conn.execute("SELECT pg_advisory_unlock($1)", UPGRADE_LOCK)


async def _schema(pool: Pool, table: UpgradeTable = UPGRADES, first: str = FIRST_TABLE) -> int:
    """The version of the schema that is there; 0 for none at all. Raises `Unavailable` where nobody can know it."""
    name = table.version_table_name
    made = await pool.table_exists(first)  # looked at before the version, which is written later
    if not await pool.table_exists(name):
        return 0
    return version_in(await pool.fetch(f"SELECT version FROM {name} LIMIT 2"), made=made, table=name)


UP_TO_DATE = "is up to date"


async def probe(url: str) -> str:
    """Look at a database: try what `Database.open` does, and undo it; returns a text about the state it is in.

    Raises `Unavailable` where it cannot be used.
    """
    known = len(UPGRADES.upgrades)
    pool = Pool.create(url, db_args=_pool_args(url))
    try:
        if url.startswith("sqlite:"):
            path = Path(URL(url).path)
            await asyncio.to_thread(_try_places, path)
            if not await asyncio.to_thread(path.exists):
                return "will be created"
            await asyncio.to_thread(try_file, url)
        await pool.start()
        await refuse_unfit(pool, url)
        version = await _schema(pool)
        if pool.scheme != Scheme.SQLITE:
            await try_rights(pool, url)
    except REFUSED as error:
        raise Unavailable(f"cannot use the database {redacted(url)}: {in_words(error)}") from error
    finally:
        await pool.stop()
    if version > known:
        raise Unavailable(f"the database {redacted(url)} was written by a newer knockbot (schema {version})")
    return UP_TO_DATE if version == known else f"will be brought from schema {version} to {known}"


async def _stop(pool: Pool, lock: IO[bytes] | None) -> None:
    try:
        await asyncio.shield(pool.stop())
    finally:
        if lock is not None:
            lock.close()
