"""Back-up and restore: all the records as lines of JSON, from either engine to either.

The first line says who wrote it and by which schema, the last how many lines there are and their digest. Between them
each table has a line with its columns, and one line for each of its rows (docs/backup.md).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import sqlite3
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from mautrix.util.async_db import Scheme
from yarl import URL

from knockbot import __version__
from knockbot.errors import Unavailable
from knockbot.store import addressees, encryption, jobs, processes, restores
from knockbot.store.db import REFUSED, UPGRADE_LOCK, Database, Tx
from knockbot.store.refusals import first_line, in_words, redacted
from knockbot.store.tables import BACKED_UP
from knockbot.store.upgrades import FIRST_TABLE, STEPS, UPGRADES, version_in

VERSION_TABLE = UPGRADES.version_table_name

UNREADABLE = frozenset({"0.1.0"})
"""Versions that numbered their schemas differently; nobody was supposed to keep their records."""

AT_ONCE = 500
"""Rows that are written together."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the first line says: which knockbot wrote this, of which bot, when, and by which schema."""

    knockbot: str
    schema: int
    bot: str
    exported_at: int


class Damaged(Unavailable):
    """A back-up that cannot be restored; the text says which line is wrong, and why."""


# --- reading a database -------------------------------------------------------------------------------------------


class Snapshot(ABC):
    """One database at one moment, even if it is written to meanwhile; nothing is changed, nothing locked."""

    @abstractmethod
    async def schema(self) -> int:
        """The version of its schema; 0 for none at all."""

    @abstractmethod
    async def columns(self, table: str) -> dict[str, str]:
        """The columns of a table and the declared type of each; none where there is no such table."""

    @abstractmethod
    async def last(self, table: str, column: str, /) -> int:
        """The last number that a column has counted to, even if the row with that number was deleted."""

    @abstractmethod
    def rows(self, table: str, columns: Iterable[str]) -> AsyncIterator[tuple[Any, ...]]:
        """The rows of a table, one after the other."""


class _SqliteSnapshot(Snapshot):
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def schema(self) -> int:
        found = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master")}
        if VERSION_TABLE not in found:
            return 0
        rows = self._connection.execute(f"SELECT version FROM {VERSION_TABLE} LIMIT 2").fetchall()
        return version_in(rows, made=FIRST_TABLE in found)

    async def columns(self, table: str) -> dict[str, str]:
        return {row[1]: row[2] for row in self._connection.execute(f"PRAGMA table_info({table})")}

    async def last(self, table: str, _: str) -> int:
        row = self._connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return int(row[0]) if row else 0

    async def rows(self, table: str, columns: Iterable[str]) -> AsyncIterator[tuple[Any, ...]]:
        for row in self._connection.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1"):
            yield row


class _PostgresSnapshot(Snapshot):
    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    async def schema(self) -> int:
        if await self._connection.fetchval("SELECT to_regclass($1)", VERSION_TABLE) is None:
            return 0
        made = await self._connection.fetchval("SELECT to_regclass($1)", FIRST_TABLE) is not None
        return version_in(await self._connection.fetch(f"SELECT version FROM {VERSION_TABLE} LIMIT 2"), made=made)

    async def columns(self, table: str) -> dict[str, str]:
        rows = await self._connection.fetch(POSTGRES_COLUMNS, table)
        return {row["column_name"]: row["data_type"] for row in rows}

    async def last(self, table: str, column: str) -> int:
        sequence = "pg_sequence_last_value(pg_get_serial_sequence($1, $2)::regclass)"
        return int(await self._connection.fetchval(f"SELECT {sequence}", table, column) or 0)

    async def rows(self, table: str, columns: Iterable[str]) -> AsyncIterator[tuple[Any, ...]]:
        async for row in self._connection.cursor(f"SELECT {', '.join(columns)} FROM {table} ORDER BY 1"):
            yield tuple(row)


POSTGRES_COLUMNS = (
    "SELECT column_name, data_type FROM information_schema.columns "
    "WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
)


def _read_only(url: str) -> str:
    return f"{Path(URL(url).path).absolute().as_uri()}?mode=ro"


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Snapshot]:
    """A database as it is now; other processes may use it meanwhile. Raises `Unavailable`."""
    try:
        if url.startswith("sqlite:"):
            with closing(sqlite3.connect(_read_only(url), uri=True)) as connection:
                connection.execute("BEGIN")
                yield _SqliteSnapshot(connection)
            return
        postgres = await asyncpg.connect(url)
        try:
            async with postgres.transaction(isolation="repeatable_read", readonly=True):
                yield _PostgresSnapshot(postgres)
        finally:
            await postgres.close()
    except REFUSED as error:
        raise Unavailable(f"cannot use the database {redacted(url)}: {in_words(error)}") from error


# --- export -------------------------------------------------------------------------------------------------------


async def export(url: str, bot: str, now: int, write: Callable[[bytes], object]) -> Counter[str]:
    """Write a database out, line by line; returns how many rows each table has. Raises `Unavailable`."""
    async with snapshot(url) as source:
        schema = await source.schema()
        if not schema:
            raise Unavailable(f"the database {redacted(url)} is empty")
        if schema > len(STEPS):
            raise Unavailable(f"the database {redacted(url)} was written by a newer knockbot (schema {schema})")
        out = _Writer(write)
        out.line({"knockbot": __version__, "schema": schema, "bot": bot, "exported_at": now})
        counts: Counter[str] = Counter()
        for table, described in BACKED_UP.items():
            columns = await source.columns(table)
            if not columns:
                continue  # of a later version
            last = {"last": await source.last(table, described.counts)} if described.counts is not None else {}
            out.line({"table": table, "columns": [*columns], **last})
            out_of = [KINDS[declared.lower()].write for declared in columns.values()]
            async for row in source.rows(table, columns):
                out.line([None if value is None else put(value) for put, value in zip(out_of, row, strict=True)])
                counts[table] += 1
        out.end()
    return counts


class _Writer:
    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._digest = hashlib.sha256()
        self._lines = 0

    def line(self, what: Any) -> None:
        # Only ASCII, so that it has no lone surrogates and no characters that some programs treat as the end of a line.
        text = f"{json.dumps(what)}\n".encode("ascii")
        self._digest.update(text)
        self._lines += 1
        self._write(text)

    def end(self) -> None:
        self.line({"end": {"lines": self._lines, "sha256": self._digest.hexdigest()}})


# --- import -------------------------------------------------------------------------------------------------------


async def restore(url: str, lines: Iterable[bytes], source: str, bot: str, now: int) -> tuple[Header, Counter[str]]:
    """Read a back-up called `source` into an empty database, all of it or nothing.

    Raises `Damaged`, and `Unavailable` where the database cannot be used or is in use.
    """
    reader = _Reader(lines, source)
    header = reader.header(bot)
    db = await Database.open_as_it_is(url)
    try:
        async with db.tx() as tx:
            await _insist_on_empty(tx, url)
            for step in STEPS[: header.schema]:
                await step(tx, tx.scheme)
            counts = await _load(tx, reader, now)
            for step in STEPS[header.schema :]:
                await step(tx, tx.scheme)
            await _come_back(tx, header, now)
            await tx.execute(f"CREATE TABLE {VERSION_TABLE} (version INTEGER PRIMARY KEY)")
            await tx.execute(f"INSERT INTO {VERSION_TABLE} (version) VALUES ($1)", len(STEPS))
    except REFUSED as error:
        raise Unavailable(f"cannot use the database {redacted(url)}: {in_words(error)}") from error
    finally:
        await db.close()
    return header, counts


async def _insist_on_empty(tx: Tx, url: str) -> None:
    if tx.scheme != Scheme.SQLITE:
        await tx.execute("SELECT pg_advisory_xact_lock($1)", UPGRADE_LOCK)  # against a process that starts meanwhile
    if any([await tx.table_exists(table) for table in (VERSION_TABLE, *BACKED_UP)]):
        raise Unavailable(
            f"the database {redacted(url)} is not empty, and a back-up is read into an empty one only: move it away, "
            "or make a new one"
        )


async def _load(tx: Tx, reader: _Reader, now: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    missing = [table for table in BACKED_UP if await tx.table_exists(table)]
    while (start := reader.table()) is not None:
        table, columns, last = start
        if table not in missing:
            raise reader.damaged(f"no table {table!r} should come here")
        missing.remove(table)
        declared = await _declared(tx, table)
        if sorted(columns) != sorted(declared):
            raise reader.damaged(f"these are not the columns of {table}")
        counts[table] = await _load_rows(tx, reader, table, {column: declared[column] for column in columns})
        counting = BACKED_UP[table].counts
        if counting is not None:
            await _count_from(tx, table, counting, max(last, now))
    if missing:
        raise reader.damaged(f"the table {missing[0]!r} is missing")
    await tx.execute("UPDATE prompts SET digest = NULL")  # they may have been edited since
    return counts


async def _declared(tx: Tx, table: str) -> dict[str, str]:
    if tx.scheme == Scheme.SQLITE:
        return {row["name"]: row["type"] for row in await tx.fetch(f"PRAGMA table_info({table})")}
    return {row["column_name"]: row["data_type"] for row in await tx.fetch(POSTGRES_COLUMNS, table)}


async def _load_rows(tx: Tx, reader: _Reader, table: str, columns: Mapping[str, str]) -> int:
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"
    kinds = [(column, KINDS[declared.lower()]) for column, declared in columns.items()]
    count = 0
    for batch in reader.batches(kinds):
        count += len(batch)
        await tx.execute("SAVEPOINT batch")
        try:
            await tx.executemany(insert, [row for _, row in batch])
        except (*REFUSED, ValueError, OverflowError):
            await tx.execute("ROLLBACK TO SAVEPOINT batch")
            await _blame(tx, insert, batch, reader)
        await tx.execute("RELEASE SAVEPOINT batch")
    return count


async def _blame(tx: Tx, insert: str, batch: list[tuple[int, list[Any]]], reader: _Reader) -> None:
    """Write rows one by one, to say which of them the database does not take."""
    for number, row in batch:
        try:
            await tx.execute(insert, *row)
        except (*REFUSED, ValueError, OverflowError) as error:
            raise reader.damaged(f"the database does not accept this row: {first_line(error)}", number) from error


async def _count_from(tx: Tx, table: str, column: str, last: int) -> None:
    """Let a column go on counting from a number that was not used after the back-up was made.

    Since the back-up, the bot has used the next numbers in the keys of its messages, by which the homeserver recognises
    a repeated message. So the column goes on from the time in milliseconds: no count of rows has reached that number.
    """
    highest = max(last, int(await tx.fetchval(f"SELECT max({column}) FROM {table}") or 0))
    if tx.scheme == Scheme.SQLITE:
        await tx.execute("DELETE FROM sqlite_sequence WHERE name = $1", table)
        await tx.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ($1, $2)", table, highest)
    else:
        await tx.execute("SELECT setval(pg_get_serial_sequence($1, $2), $3)", table, column, highest)


async def _come_back(tx: Tx, header: Header, now: int) -> None:
    """No process works on these records now; a process that did may already have done what they list as still to do."""
    await processes.bury(tx, "", now, alone=True)
    await jobs.doubt(tx)
    await addressees.doubt(tx)
    await encryption.share_anew(tx)
    await restores.restored(tx, header.exported_at, now)


GZIP = b"\x1f\x8b"
"""What every file that gzip made begins with (RFC 1952)."""


class _Reader:
    """Reads a back-up line by line, and trusts none of them."""

    def __init__(self, lines: Iterable[bytes], source: str) -> None:
        self._source = source
        self._lines = self._read(lines)
        self._digest = hashlib.sha256()
        self._number = 0
        self._next: Any = None
        self._ended = False

    def damaged(self, why: str, number: int | None = None) -> Damaged:
        """The error for a line that cannot be accepted, by default the last one that was read."""
        return Damaged(f"{self._source}:{number or self._number}: {why}; nothing was imported")

    def header(self, bot: str) -> Header:
        """The first line, if it is one that this knockbot can go on from."""
        first = next(self._lines, None)
        try:
            header = Header(**first) if isinstance(first, dict) else None
        except TypeError:
            header = None
        if header is None or [type(value) for value in (header.schema, header.exported_at)] != [int, int]:
            raise self.damaged("this is no back-up of knockbot")
        if header.knockbot in UNREADABLE:
            raise self.damaged(f"knockbot {header.knockbot} wrote this: back-ups of that version cannot be imported")
        if header.schema > len(STEPS):
            raise self.damaged(
                f"knockbot {header.knockbot} wrote this, which is newer (schema {header.schema}, and this one knows "
                f"{len(STEPS)}): install that version"
            )
        if header.schema < 1:
            raise self.damaged(f"there never was a schema {header.schema}")
        if header.bot != bot:
            raise self.damaged(f"this is the back-up of {header.bot}, and the config is for {bot}")
        self._next = next(self._lines, None)
        return header

    def table(self) -> tuple[str, list[str], int] | None:
        """The line that a table begins with: its name, its columns, and what it has counted to; none at the end."""
        line = self._next
        if line is None:
            return None
        fields = line if isinstance(line, dict) else {}
        table, columns, last = fields.get("table"), fields.get("columns"), fields.get("last", 0)
        names: list[Any] = columns if isinstance(columns, list) else [None]
        if not isinstance(table, str) or not isinstance(last, int) or not all(isinstance(n, str) for n in names):
            raise self.damaged("a table should begin here")
        return table, names, last

    def batches(self, kinds: list[tuple[str, Kind]]) -> Iterator[list[tuple[int, list[Any]]]]:
        """The rows of the table that has begun, with their line numbers, some hundreds at a time."""
        batch: list[tuple[int, list[Any]]] = []
        for line in self._lines:
            if not isinstance(line, list):
                self._next = line
                break
            batch.append((self._number, self._row(line, kinds)))
            if len(batch) == AT_ONCE:
                yield batch
                batch = []
        else:
            self._next = None
        if batch:
            yield batch

    def _row(self, line: list[Any], kinds: list[tuple[str, Kind]]) -> list[Any]:
        if len(line) != len(kinds):
            raise self.damaged(f"expected {len(kinds)} values, found {len(line)}")
        row = []
        for value, (column, kind) in zip(line, kinds, strict=True):
            try:
                row.append(None if value is None else kind.read(value))
            except ValueError:
                raise self.damaged(f"{column}: expected {kind.name}") from None
        return row

    def _read(self, lines: Iterable[bytes]) -> Iterator[Any]:
        """Every line but the last, which is checked."""
        for text in lines:
            self._number += 1
            if self._ended:
                raise self.damaged("nothing may come after the end")
            line = self._parsed(text)
            if isinstance(line, dict) and "end" in line:
                self._check_end(line["end"])
                continue
            self._digest.update(text)
            yield line
        if not self._ended:
            raise self.damaged("the file ends here, and the back-up does not")

    def _parsed(self, text: bytes) -> Any:
        if text.startswith(GZIP):
            raise self.damaged("this is packed: unpack it first, as gunzip does")
        if not text.endswith(b"\n"):
            raise self.damaged("the file ends within this line")
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            raise self.damaged("this is not JSON") from None

    def _check_end(self, end: Any) -> None:
        before = self._number - 1
        if not isinstance(end, dict) or end.get("lines") != before:
            told = end.get("lines") if isinstance(end, dict) else "none"
            raise self.damaged(f"lines are missing, or too many: there are {before}, and it says {told!r}")
        if end.get("sha256") != self._digest.hexdigest():
            raise self.damaged("the digest differs: something in the lines above was changed")
        self._ended = True


# --- values -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kind:
    """What the values of a column are, and how each is written and read; `read` raises `ValueError`."""

    name: str
    write: Callable[[Any], Any]
    read: Callable[[Any], Any]


def _exactly(*types: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) not in types:
            raise ValueError(value)
        return value

    return read


def _from_base64(value: Any) -> bytes:
    try:
        return base64.b64decode(_exactly(str)(value), validate=True)
    except binascii.Error as error:
        raise ValueError(value) from error


NUMBER = Kind("a number", int, _exactly(int))
TRUTH = Kind("true or false", bool, _exactly(bool))
TEXT = Kind("text", str, _exactly(str))
BYTES = Kind("base64", lambda value: base64.b64encode(value).decode(), _from_base64)

KINDS: Mapping[str, Kind] = {
    "integer": NUMBER,
    "bigint": NUMBER,
    "boolean": TRUTH,
    "text": TEXT,
    "blob": BYTES,
    "bytea": BYTES,
}
"""What a column holds, by the type it was declared with, on either engine."""
