"""Opening a database: what stands in the way is said in one line, and nothing is left behind."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
from mautrix.util.async_db import Connection, Scheme, UpgradeTable

from knockbot.backup import dump
from knockbot.demo.homeserver import free_port
from knockbot.errors import Unavailable
from knockbot.store.db import Database, InUse, opened, probe
from knockbot.store.refusals import redacted
from knockbot.store.upgrades import RESTORE, STEPS, UPGRADES
from tests.cases import case
from tests.store import notes

NOBODY = 65534


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


async def why_not(url: str) -> str:
    """The line that says why this database is not opened."""
    with pytest.raises(Unavailable) as refused:
        await Database.open(url)
    return str(refused.value)


async def is_usable(url: str) -> bool:
    async with opened(url) as db, db.tx() as tx:
        await notes.write(tx, "#a", "!one")
        return await notes.read(tx, "#a") == "!one"


@contextmanager
def no_thread_left() -> Iterator[None]:
    """A thread of SQLite that is left behind would keep the process from ever exiting."""
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in before and "asyncio" not in thread.name]
    assert left == []


# --- what a database promises -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pragma", "value"), [("synchronous", 2), ("journal_mode", "wal"), ("foreign_keys", 1), ("busy_timeout", 5000)]
)
async def test_a_commit_on_sqlite_survives_a_power_cut(sqlite_url: str, pragma: str, value: object) -> None:
    """`synchronous` 2 is FULL: with less, WAL may lose the last commits, whose events were acknowledged."""
    async with opened(sqlite_url) as db, db.tx() as tx:
        assert await tx.fetchval(f"PRAGMA {pragma}") == value


async def test_a_commit_on_postgresql_waits_for_the_disk_as_the_server_says(postgres_url: str) -> None:
    async with opened(postgres_url) as db, db.tx() as tx:
        asked = await tx.fetchrow("SELECT source FROM pg_settings WHERE name = 'synchronous_commit'")
        assert asked is not None
        assert asked["source"] != "session"


async def test_what_was_committed_is_there_when_it_is_opened_again(database_url: str) -> None:
    async with opened(database_url) as db, db.tx() as tx:
        await notes.write(tx, "#a", "!one")

    async with opened(database_url) as db, db.tx() as tx:
        assert await notes.read(tx, "#a") == "!one"


async def test_sqlite_is_for_one_process_and_postgresql_for_several(sqlite_url: str, postgres_url: str) -> None:
    async with opened(sqlite_url) as small, opened(postgres_url) as large:
        assert (small.alone, large.alone) == (True, False)


async def test_each_process_has_a_name_of_its_own(pair: tuple[Database, Database]) -> None:
    one, other = pair
    assert one.process != other.process


@pytest.mark.parametrize("name", ["a b.db", "a%20b.db", "a#b?c.db", "ünï.db", "knockbot"])
async def test_a_percent_encoded_path_is_the_file_it_names(tmp_path: Path, name: str) -> None:
    async with opened(f"sqlite:{quote(str(tmp_path / name))}"):
        pass

    assert {name, f"{name}.lock"} == names_in(tmp_path)


# --- one process per SQLite file ----------------------------------------------------------------------------------

HOLDER = """
import asyncio, sys
from knockbot.store.db import Database

async def hold():
    db = await Database.open(sys.argv[1])
    print("held", flush=True)
    await asyncio.Event().wait()
    await db.close()

asyncio.run(hold())
"""


@contextmanager
def held_by_another_process(url: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as holder:
        assert holder.stdout is not None
        try:
            assert holder.stdout.readline() == "held\n"
            yield holder
        finally:
            holder.kill()


async def test_a_second_process_on_the_same_sqlite_file_is_refused_until_the_first_is_gone(sqlite_url: str) -> None:
    """Even a SIGKILL lets go of it: the kernel holds the lock, not a file that has to be removed."""
    with held_by_another_process(sqlite_url) as holder:
        line = await why_not(sqlite_url)
        assert "another knockbot" in line
        assert "knockbot.db" in line
        assert "PostgreSQL" in line

        holder.kill()
        holder.wait()
        assert await is_usable(sqlite_url)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EIO])
async def test_a_file_system_without_locks_is_not_taken_for_another_knockbot(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)

    line = await why_not(sqlite_url)

    assert "another knockbot" not in line
    assert f"cannot lock {sqlite_url.removeprefix('sqlite:')}.lock: {os.strerror(number)}" in line
    assert "put the database on a local disk, or use PostgreSQL" in line


async def test_whoever_is_refused_does_not_disturb_the_one_at_work(sqlite_url: str) -> None:
    async with opened(sqlite_url) as db:
        for _ in range(2):
            with pytest.raises(InUse):
                await Database.open(sqlite_url)
        async with db.tx() as tx:
            await notes.write(tx, "#a", "!one")

    assert await is_usable(sqlite_url)


async def test_the_same_file_by_another_path_is_the_same_file(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    async with opened(sqlite_url):
        with pytest.raises(InUse):
            await Database.open(f"sqlite:{tmp_path / 'link' / 'knockbot.db'}")


async def test_only_the_owner_may_touch_the_lock(sqlite_url: str, tmp_path: Path) -> None:
    async with opened(sqlite_url):
        assert (tmp_path / "knockbot.db.lock").stat().st_mode & 0o777 == 0o600


# --- what stands in the way ---------------------------------------------------------------------------------------


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    line = await why_not(f"sqlite:{tmp_path / 'missing' / 'knockbot.db'}")

    assert str(tmp_path / "missing") in line
    assert "\n" not in line


@contextmanager
def as_nobody(directory: Path) -> Iterator[None]:
    """As somebody who may not write there: root may write everywhere."""
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        directory.chmod(0o500)
        try:
            yield
        finally:
            directory.chmod(0o700)


async def test_a_directory_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    with as_nobody(tmp_path):
        line = await why_not(f"sqlite:{tmp_path / 'knockbot.db'}")

    assert str(tmp_path) in line
    assert "Permission denied" in line


async def open_it(url: str) -> object:
    return await Database.open(url)


@pytest.mark.parametrize("look", [open_it, probe])
@pytest.mark.parametrize("content", [b"no database at all " * 200, None], ids=["garbage", "a directory"])
async def test_what_is_no_database_is_refused_and_leaves_no_thread(
    tmp_path: Path, content: bytes | None, look: Callable[[str], Awaitable[object]]
) -> None:
    path = tmp_path / "knockbot.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)

    with no_thread_left(), pytest.raises(Unavailable, match=r"knockbot\.db"):
        await look(f"sqlite:{path}")
    if content is not None:
        assert path.read_bytes() == content


async def test_a_file_that_another_program_has_locked_is_refused_and_leaves_no_thread(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **options: real(path, **options | {"timeout": 0}))
    with real(tmp_path / "knockbot.db") as other:
        other.execute("PRAGMA user_version = 1")
        other.execute("BEGIN EXCLUSIVE")
        with no_thread_left():
            assert "locked" in await why_not(sqlite_url)
    other.close()

    assert await is_usable(sqlite_url)


async def test_a_postgresql_that_is_not_there_is_named_without_its_password() -> None:
    line = await why_not(f"postgres://knockbot:the-password@127.0.0.1:{free_port()}/knockbot")

    assert "127.0.0.1" in line
    assert "the-password" not in line
    assert "\n" not in line


async def test_a_postgresql_without_that_database_is_named(postgres_url: str) -> None:
    line = await why_not(postgres_url + "_missing")

    assert "does not exist" in line


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("postgres://knockbot:the-password@db:5432/knockbot", "postgres://knockbot:…@db:5432/knockbot"),
        ("postgres://knockbot@db/knockbot?password=the-password", "postgres://knockbot@db/knockbot"),
        ("postgres://knockbot@db/knockbot", "postgres://knockbot@db/knockbot"),
        ("sqlite:/var/lib/knockbot/a%20b.db", "sqlite:/var/lib/knockbot/a b.db"),
    ],
)
def test_an_address_is_told_without_its_password(url: str, line: str) -> None:
    assert redacted(url) == line


# --- schemas ------------------------------------------------------------------------------------------------------


async def set_version(url: str, version: int) -> None:
    async with opened(url) as db, db.tx() as tx:
        await tx.execute(f"UPDATE {UPGRADES.version_table_name} SET version = {version}")


async def version_of(url: str) -> int:
    async with opened(url) as db, db.tx() as tx:
        rows = await tx.fetch(f"SELECT version FROM {UPGRADES.version_table_name}")
        assert len(rows) == 1
        return int(rows[0]["version"])


async def test_a_schema_of_a_newer_knockbot_is_refused_and_left_as_it_is(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(UPGRADES, "upgrades", [*UPGRADES.upgrades, _another_table])
        assert await version_of(database_url) == len(STEPS) + 1

    for _ in range(2):  # the first refusal lets go of the file
        assert "newer knockbot" in await why_not(database_url)
    with pytest.raises(Unavailable, match="newer knockbot"):
        await probe(database_url)

    with monkeypatch.context() as newer:
        newer.setattr(UPGRADES, "upgrades", [*UPGRADES.upgrades, _another_table])
        assert await version_of(database_url) == len(STEPS) + 1


async def _another_table(conn: Connection, _: Scheme) -> None:
    """A step of the future."""
    await conn.execute("CREATE TABLE another (a TEXT)")


async def _half_a_step(conn: Connection, _: Scheme) -> None:
    """A step that fails on its way."""
    await conn.execute("CREATE TABLE another (a TEXT)")
    await conn.execute("CREATE TABLE another (a TEXT)")


async def _cancelled_step(conn: Connection, _: Scheme) -> None:
    """A step during which knockbot is told to stop."""
    await conn.execute("CREATE TABLE another (a TEXT)")
    raise asyncio.CancelledError


async def test_a_step_that_fails_leaves_the_schema_before_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr(UPGRADES, "upgrades", [*UPGRADES.upgrades, _half_a_step])
        assert "another" in await why_not(database_url)
        newer.setattr(UPGRADES, "upgrades", [*UPGRADES.upgrades[:-1], _cancelled_step])
        with pytest.raises(asyncio.CancelledError):
            await Database.open(database_url)

    assert await version_of(database_url) == len(STEPS)
    with monkeypatch.context() as newer:
        newer.setattr(UPGRADES, "upgrades", [*UPGRADES.upgrades, _another_table])
        assert await version_of(database_url) == len(STEPS) + 1


async def test_several_processes_may_bring_one_postgresql_up_to_date_at_once(postgres_url: str) -> None:
    opened_at_once = await asyncio.gather(*(Database.open(postgres_url) for _ in range(4)))
    for db in opened_at_once:
        await db.close()

    assert await version_of(postgres_url) == len(STEPS)


async def test_the_lock_of_an_upgrade_is_given_back(postgres_url: str) -> None:
    """Else a process that is killed in the middle, or one that only forgets, would keep all others from starting."""
    async with opened(postgres_url):
        connection = await asyncpg.connect(postgres_url)
        try:
            assert await connection.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == 0
        finally:
            await connection.close()


# --- what says how old it is ---------------------------------------------------------------------------------------

VERSION = UPGRADES.version_table_name
AS_TEXT = (f"DROP TABLE {VERSION}", f"CREATE TABLE {VERSION} (version TEXT)")
BROKEN: dict[str, tuple[tuple[str, ...], str]] = {
    "empty": ((f"DELETE FROM {VERSION}",), "its table knockbot_version is empty, though the other tables are there"),
    "two rows": ((f"INSERT INTO {VERSION} (version) VALUES (7)",), "has more than one row"),
    "text": ((*AS_TEXT, f"INSERT INTO {VERSION} VALUES ('newest')"), "says 'newest', which is no version"),
    "a number as text": ((*AS_TEXT, f"INSERT INTO {VERSION} VALUES ('1')"), "says '1', which is no version"),
    "nothing": ((*AS_TEXT, f"INSERT INTO {VERSION} VALUES (NULL)"), "says 'None', which is no version"),
    "below nothing": ((f"UPDATE {VERSION} SET version = -1",), "says '-1', which is no version"),
    "zero": ((f"UPDATE {VERSION} SET version = 0",), "says '0', which is no version"),
    "another column": ((f"DROP TABLE {VERSION}", f"CREATE TABLE {VERSION} (number TEXT)"), "version"),
    "no tables": (("DROP TABLE inbox",), "says 1, but the other tables are not there"),
    "the future": ((f"UPDATE {VERSION} SET version = 900",), "was written by a newer knockbot"),
}


async def export_it(url: str) -> object:
    return await dump.export(url, "@knockbot:tulip.example", 0, lambda _: None)


@pytest.mark.parametrize(("statements", "why"), BROKEN.values(), ids=BROKEN)
async def test_a_table_of_versions_that_cannot_be_true_is_told_with_the_mend(
    database_url: str, statements: tuple[str, ...], why: str
) -> None:
    async with opened(database_url) as db, db.tx() as tx:
        for statement in statements:
            await tx.execute(statement)

    looks: list[Callable[[str], Awaitable[object]]] = [open_it, probe, export_it]
    for look in looks:
        with case(look), pytest.raises(Unavailable) as refused:
            await look(database_url)

        assert why in str(refused.value)
        assert "\n" not in str(refused.value)
        assert "newer" in why or RESTORE in str(refused.value)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM notes_version", "its table notes_version is empty"),
        ("INSERT INTO notes_version (version) VALUES (7)", "its table notes_version has more than one row"),
        ("UPDATE notes_version SET version = 9", "was written by a newer mautrix"),
    ],
)
async def test_tables_that_are_not_ours_are_held_to_the_same(database_url: str, statement: str, why: str) -> None:
    theirs = UpgradeTable(version_table_name="notes_version")
    theirs.register(_another_table)
    async with opened(database_url) as db:
        await db.upgrade_also(theirs, "another")
        await db.upgrade_also(theirs, "another")
        async with db.tx() as tx:
            await tx.execute(statement)

        with pytest.raises(Unavailable, match=why):
            await db.upgrade_also(theirs, "another")


# --- looking only -------------------------------------------------------------------------------------------------


async def test_whoever_only_looks_changes_nothing(database_url: str) -> None:
    with pytest.raises(Unavailable, match="not been brought up to date"):
        await Database.open(database_url, upgrade=False)
    assert "will be" in await probe(database_url)

    async with opened(database_url):
        pass
    assert "up to date" in await probe(database_url)
    await (await Database.open(database_url, upgrade=False)).close()


async def test_a_look_beside_a_running_knockbot_is_no_trouble(database_url: str) -> None:
    async with opened(database_url) as db:
        assert "up to date" in await probe(database_url)
        async with db.tx() as tx:
            await notes.write(tx, "#a", "!one")


async def test_probing_a_sqlite_file_that_is_not_there_does_not_make_it(sqlite_url: str, tmp_path: Path) -> None:
    assert "will be created" in await probe(sqlite_url)
    assert names_in(tmp_path) == set()


async def test_probing_where_nothing_may_be_written_says_so(tmp_path: Path) -> None:
    with as_nobody(tmp_path), pytest.raises(Unavailable, match="cannot"):
        await probe(f"sqlite:{tmp_path / 'knockbot.db'}")
