"""Back-ups: all that was written comes back, on either engine, or nothing does, and then the line to blame is told."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knockbot.backup.dump import Damaged, export, restore, snapshot
from knockbot.documents.text import storable
from knockbot.domain.jobs import Say
from knockbot.domain.model import Answer, Decision, Verdict
from knockbot.domain.records import Recorded
from knockbot.errors import Unavailable
from knockbot.store import inbox, jobs, judgements, processes, prompts, records, requests
from knockbot.store.db import Database, opened
from knockbot.store.tables import BACKED_UP, TABLES
from knockbot.store.upgrades import STEPS, UPGRADES
from tests.lab import Postgres
from tests.store.filled import BOT, NOW, PROCESS, fill, filled
from tests.store.samples import GARDEN, HOSTILE, KNOCK, MODS, job, judgement

pytestmark = pytest.mark.usefixtures("tidy")

LATER = NOW + 10**9
"""When a back-up is read in."""

Rows = dict[str, list[tuple[Any, ...]]]
Place = Callable[[str], Awaitable[str]]


@pytest.fixture
async def place(postgres: Postgres, tmp_path: Path) -> AsyncIterator[Place]:
    """Makes places for a database, where there is nothing yet: `await place("sqlite")`."""
    made: list[str] = []
    numbers = itertools.count()

    async def make(engine: str) -> str:
        if engine == "sqlite":
            return f"sqlite:{tmp_path / f'{next(numbers)}.db'}"
        made.append(await postgres.create_database())
        return made[-1]

    yield make
    for url in made:
        await postgres.drop_database(url)


async def exported(url: str) -> list[bytes]:
    lines: list[bytes] = []
    await export(url, BOT, NOW, lines.append)
    return lines


async def imported(url: str, lines: list[bytes], now: int = LATER) -> None:
    await restore(url, lines, "backup", BOT, now)


async def rows_of(url: str) -> Rows:
    """Every row of every table, in an order of its own."""
    found: Rows = {}
    async with snapshot(url) as source:
        for table in BACKED_UP:
            columns = sorted(await source.columns(table))
            found[table] = sorted([row async for row in source.rows(table, columns)], key=repr)
    return found


def told(lines: list[bytes]) -> list[Any]:
    return [json.loads(line) for line in lines]


def sealed(lines: list[Any]) -> list[bytes]:
    """Lines as a back-up that is whole, whatever they say."""
    written = [f"{json.dumps(line)}\n".encode() for line in lines]
    end = {"end": {"lines": len(lines), "sha256": hashlib.sha256(b"".join(written)).hexdigest()}}
    return [*written, f"{json.dumps(end)}\n".encode()]


WAYS = [(here, there) for here in ("sqlite", "postgres") for there in ("sqlite", "postgres")]
ways = pytest.mark.parametrize(("here", "there"), WAYS, ids=lambda engine: engine)

UNDER_WAY = ("processes", "leases", "jobs", "restores", "issued", "encrypted_rooms")
"""Tables in which an import says that nobody is at work on these records any more."""


# --- there and back -----------------------------------------------------------------------------------------------


@ways
async def test_everything_comes_back_on_either_engine(place: Place, here: str, there: str) -> None:
    first, second = await place(here), await place(there)
    await filled(first)

    await imported(second, await exported(first))

    before, after = await rows_of(first), await rows_of(second)
    assert all(before.values())
    for table in BACKED_UP:
        if table not in UNDER_WAY:
            assert [(*map(int_of, row),) for row in after[table]] == [(*map(int_of, row),) for row in before[table]]
    assert len(after["jobs"]) == len(before["jobs"])
    async with opened(first) as old, opened(second) as new:
        for number in range(1, 20):
            async with old.tx() as old_tx, new.tx() as new_tx:
                assert await requests.by_number(new_tx, MODS, number) == await requests.by_number(old_tx, MODS, number)


def int_of(value: Any) -> Any:
    """SQLite says 1 for true."""
    return int(value) if isinstance(value, bool) else value


hostile = st.text(st.characters(), max_size=30) | st.sampled_from([*HOSTILE.values()])


@settings(max_examples=8, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reason=hostile, name=st.none() | hostile, raw=st.dictionaries(hostile, hostile, max_size=3))
async def test_no_text_of_strangers_is_lost_on_its_way(
    postgres: Postgres, tmp_path_factory: pytest.TempPathFactory, reason: str, name: str | None, raw: dict[str, str]
) -> None:
    directory = tmp_path_factory.mktemp("there")
    urls = [f"sqlite:{directory / 'first.db'}", await postgres.create_database(), f"sqlite:{directory / 'last.db'}"]
    knock = replace(KNOCK, reason=storable(reason), display_name=None if name is None else storable(name))
    async with opened(urls[0]) as db, db.tx() as tx:
        request = await requests.open_knock(tx, MODS, knock, NOW)
        decision = Decision(Verdict.FORWARD, storable(reason), storable(reason))
        await judgements.add(tx, request.id, judgement(decision), NOW)
        await requests.answered(tx, request.id, Answer(Verdict.REJECT, BOT, NOW, "$knock", reason=storable(reason)))
        await inbox.store(tx, [inbox.Arrival("$raw", GARDEN, json.dumps(raw))], NOW)
        await jobs.add(tx, [job(payload=Say({"plain": storable(reason)}))], NOW)
        await records.add(
            tx, records.Entry(NOW, GARDEN, request.id, BOT, Recorded.REJECT, {"reason": storable(reason)})
        )
        request = await requests.get(tx, request.id)

    try:
        for here, there in itertools.pairwise(urls):
            await imported(there, await exported(here))

        for url in urls[1:]:
            async with opened(url) as db, db.tx() as tx:
                assert await requests.get(tx, request.id) == request
                assert (await inbox.waiting(tx, GARDEN))[0].raw == json.dumps(raw)
                assert (await records.of_request(tx, request.id))[0].detail == {"reason": storable(reason)}
    finally:
        await postgres.drop_database(urls[1])


async def test_what_only_one_engine_can_hold_is_blamed_on_its_line(place: Place) -> None:
    first = await place("sqlite")
    async with opened(first) as db, db.tx() as tx:
        await tx.execute(
            "INSERT INTO pins (place, name, room_id) VALUES ('x', $1, '!a'), ('x', $2, '!b')", "#fine:x", "#nul\0:x"
        )
    lines = await exported(first)
    line = next(number for number, one in enumerate(told(lines), 1) if isinstance(one, list) and "#nul\0:x" in one)

    await imported(await place("sqlite"), lines)
    with pytest.raises(Damaged, match=rf"^backup:{line}: the database does not accept this row: "):
        await imported(await place("postgres"), lines)


# --- going on -----------------------------------------------------------------------------------------------------


@ways
async def test_numbers_go_on_where_nobody_has_been(place: Place, here: str, there: str) -> None:
    """Whatever was done since the back-up went by the next numbers: the keys of what was said are made of them."""
    first, second = await place(here), await place(there)
    async with opened(first) as db, db.tx() as tx:
        await fill(tx)
        await tx.execute("DELETE FROM inbox")  # as after seven days
    await imported(second, await exported(first))

    async with opened(second) as db, db.tx() as tx:
        request = await requests.open_knock(tx, MODS, replace(KNOCK, user_id="@new:x"), LATER)
        card = await prompts.new(tx, MODS, "card", GARDEN, LATER)
        await inbox.store(tx, [inbox.Arrival("$new", GARDEN, "{}")], LATER)
        seqs = [one.seq for one in await inbox.waiting(tx, GARDEN)]
        await jobs.add(tx, [job()], LATER)
        ids = [row["id"] for row in await tx.fetch("SELECT max(id) AS id FROM jobs")]
        await records.add(tx, records.Entry(LATER, GARDEN, None, BOT, Recorded.REJECT, {}))
        ids += [row["id"] for row in await tx.fetch("SELECT max(id) AS id FROM audit")]
    assert [request.id, card.id, *seqs, *ids] == [LATER + 1] * 5
    async with opened(first) as db, db.tx() as tx:
        assert (await requests.open_knock(tx, MODS, replace(KNOCK, user_id="@new:x"), NOW)).number == request.number


async def test_a_database_that_counts_from_a_restore_is_never_counted_back(place: Place) -> None:
    first, second, third = [await place(engine) for engine in ("sqlite", "postgres", "sqlite")]
    await filled(first)
    await imported(second, await exported(first), now=LATER)
    async with opened(second) as db, db.tx() as tx:
        await prompts.new(tx, MODS, "card", GARDEN, NOW)
    await imported(third, await exported(second), now=LATER - 5)  # by a clock that is late

    async with opened(third) as db, db.tx() as tx:
        assert (await prompts.new(tx, MODS, "card", GARDEN, NOW)).id == LATER + 2


@ways
async def test_nobody_is_at_work_on_records_that_were_read_in(place: Place, here: str, there: str) -> None:
    """What the process that wrote the back-up had begun, it may have ended: it is due again, and looks first."""
    first, second = await place(here), await place(there)
    await filled(first)
    await imported(second, await exported(first))

    rows = await rows_of(second)
    assert rows["processes"] == rows["leases"] == []
    async with opened(second) as db:
        async with db.tx() as tx:
            await processes.beat(tx, db.process, LATER)
            states = [tuple(row) for row in await tx.fetch("SELECT state, claimed_by FROM jobs ORDER BY id")]
            assert states == [("due", None), ("done", None), ("due", None), ("blocked", None)]
            assert [row["sending"] for row in await tx.fetch("SELECT sending FROM issued")] == [True]
            await jobs.unblock(tx, GARDEN, LATER)
        assert await processes.lease(db, f"room {GARDEN}")
        claimed = await jobs.claim(db, LATER, 10)
        async with db.tx() as tx:
            for one in claimed:
                await jobs.finish(tx, one.id, "done", LATER)
        claimed += await jobs.claim(db, LATER, 10)  # what needs another server comes last
    assert len(claimed) == 3
    assert all(one.tried_before for one in claimed)
    assert PROCESS not in str(rows["jobs"])


async def test_a_back_up_is_of_one_moment(database_url: str) -> None:
    await filled(database_url)
    lines: list[bytes] = []
    async with opened(database_url) as db:

        async def write_meanwhile() -> None:
            async with db.tx() as tx:
                await records.add(tx, records.Entry(NOW, GARDEN, None, BOT, Recorded.JUDGED, {"reason": "meanwhile"}))
                await prompts.new(tx, MODS, "card", GARDEN, NOW)

        before = await rows_of(database_url)
        async with snapshot(database_url) as source:
            assert await source.schema() == len(STEPS)
            await write_meanwhile()
            columns = sorted(await source.columns("audit"))
            seen = sorted([row async for row in source.rows("audit", columns)], key=repr)
        await export(database_url, BOT, NOW, lines.append)

    assert seen == before["audit"]
    assert sum("meanwhile" in str(line) for line in told(lines)) == 1


# --- damage -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def whole(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """A back-up that is as it should be."""
    url = f"sqlite:{tmp_path_factory.mktemp('whole') / 'knockbot.db'}"
    await filled(url)
    return await exported(url)


async def is_empty(url: str) -> None:
    if url.startswith("sqlite:") and not await asyncio.to_thread(Path(url.removeprefix("sqlite:")).exists):
        return
    async with snapshot(url) as source:
        assert await source.schema() == 0
        assert not any([await source.columns(table) for table in BACKED_UP])


async def refusal(url: str, lines: list[bytes]) -> str:
    """How a back-up is refused; then there is nothing in the database."""
    with pytest.raises(Damaged) as refused:
        await imported(url, lines)
    await is_empty(url)
    return str(refused.value)


def line_of(lines: list[bytes], table: str) -> int:
    """The number of the line that a table begins with."""
    return next(n for n, line in enumerate(told(lines), 1) if isinstance(line, dict) and line.get("table") == table)


def changed(lines: list[bytes], number: int, change: Callable[[Any], Any]) -> list[bytes]:
    """Another line under this number, and an end that fits."""
    all_told = told(lines[:-1])
    all_told[number - 1] = change(all_told[number - 1])
    return sealed(all_told)


DAMAGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "nothing in it": (lambda _: [], r"backup:0: the file ends here, and the back-up does not"),
    "no back-up": (lambda _: [b"[1, 2]\n"], r"backup:1: this is no back-up of knockbot"),
    "no text at all": (lambda _: [b"\xff\xfe\n"], r"backup:1: this is not JSON"),
    "still packed": (lambda lines: [gzip.compress(b"".join(lines))], r"backup:1: this is packed"),
    "too deep": (lambda _: [b"[" * 200_000 + b"\n"], r"backup:1: this is not JSON"),
    "the end is missing": (lambda lines: lines[:-1], r"backup:\d+: the file ends here"),
    "half of it": (lambda lines: lines[: len(lines) // 2], r"backup:\d+: the file ends here"),
    "cut within a line": (lambda lines: [*lines[:9], lines[9][:-3]], r"backup:10: the file ends within this line"),
    "a line is missing": (
        lambda lines: [*lines[:5], *lines[6:]],
        r"backup:\d+: (lines are missing|expected|no table|a t)",
    ),
    "a line is there twice": (
        lambda lines: [*lines[:4], lines[3], *lines[4:]],
        r"backup:5: the database does not accept this row: ",
    ),
    "a letter is another": (
        lambda lines: [line.replace(b"Locked", b"locked") for line in lines],
        r"backup:\d+: the digest differs",
    ),
    "more behind the end": (lambda lines: [*lines, b"{}\n"], r"backup:\d+: nothing may come after the end"),
    "a newer schema": (
        lambda lines: changed(lines, 1, lambda head: head | {"schema": 99, "knockbot": "9.0"}),
        r"backup:1: knockbot 9\.0 wrote this, which is newer \(schema 99, and this one knows \d+\)",
    ),
    "a version whose back-ups are not read": (
        lambda lines: changed(lines, 1, lambda head: head | {"schema": 3, "knockbot": "0.1.0"}),
        r"backup:1: knockbot 0\.1\.0 wrote this: back-ups of that version cannot be imported",
    ),
    "no schema": (lambda lines: changed(lines, 1, lambda head: head | {"schema": 0}), r"backup:1: there never was"),
    "a schema of letters": (
        lambda lines: changed(lines, 1, lambda head: head | {"schema": "3"}),
        r"backup:1: this is no back-up of knockbot",
    ),
    "of another bot": (
        lambda lines: changed(lines, 1, lambda head: head | {"bot": "@else:x"}),
        r"backup:1: this is the back-up of @else:x, and the config is for @knockbot:tulip\.example",
    ),
    "a table nobody knows": (
        lambda lines: changed(lines, line_of(lines, "rooms"), lambda line: line | {"table": "pg_class; --"}),
        r"backup:\d+: no table 'pg_class; --' should come here",
    ),
    "a table twice": (
        lambda lines: changed(lines, line_of(lines, "rooms"), lambda line: line | {"table": "inbox"}),
        r"backup:\d+: no table 'inbox' should come here",
    ),
    "a column nobody knows": (
        lambda lines: changed(lines, line_of(lines, "rooms"), lambda line: line | {"columns": ["a"]}),
        r"backup:\d+: these are not the columns of rooms",
    ),
    "columns that are none": (
        lambda lines: changed(lines, line_of(lines, "rooms"), lambda line: line | {"columns": [{}]}),
        r"backup:\d+: a table should begin here",
    ),
    "a table is missing": (
        lambda lines: sealed(told(lines[: line_of(lines, "restores") - 1])),
        r"backup:\d+: the table 'restores' is missing",
    ),
    "a value too many": (
        lambda lines: changed(lines, line_of(lines, "rooms") + 1, lambda row: [*row, 1]),
        r"backup:\d+: expected 10 values, found 11",
    ),
    "text for a number": (
        lambda lines: changed(lines, line_of(lines, "prompts") + 1, lambda row: ["x", *row[1:]]),
        r"backup:\d+: id: expected a number",
    ),
    "a number that is none": (
        lambda lines: changed(lines, line_of(lines, "prompts") + 1, lambda row: [float("nan"), *row[1:]]),
        r"backup:\d+: id: expected a number",
    ),
    "a number beyond all": (
        lambda lines: changed(lines, line_of(lines, "prompts") + 1, lambda row: [2**70, *row[1:]]),
        r"backup:\d+: the database does not accept this row",
    ),
    "nothing where something must be": (
        lambda lines: changed(lines, line_of(lines, "prompts") + 1, lambda row: [row[0], None, *row[2:]]),
        r"backup:\d+: the database does not accept this row",
    ),
    "the same row twice": (
        lambda lines: sealed(
            [*told(lines[:-1])[: line_of(lines, "prompts")], *[told(lines)[line_of(lines, "prompts")]] * 2]
        ),
        r"backup:\d+: the database does not accept this row",
    ),
    "a card that is not there": (
        lambda lines: sealed([line for line in told(lines[:-1]) if not (isinstance(line, list) and "$card" in line)]),
        r"backup:\d+: the database does not accept this row",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_back_up_is_refused_whole_and_its_line_is_named(
    place: Place, whole: list[bytes], damage: str
) -> None:
    spoil, expected = DAMAGES[damage]

    said = await refusal(await place("sqlite"), spoil(whole))

    assert re.match(expected, said), said
    assert said.endswith("; nothing was imported") or "newer" in said


@pytest.mark.parametrize(
    "damage", ["half of it", "a number beyond all", "a card that is not there", "a letter is another"]
)
async def test_postgresql_takes_nothing_of_a_damaged_back_up_either(
    place: Place, whole: list[bytes], damage: str
) -> None:
    spoil, expected = DAMAGES[damage]
    url = await place("postgres")

    assert re.match(expected, await refusal(url, spoil(whole)))
    await imported(url, whole)


@settings(max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_whatever_byte_of_a_back_up_is_wrong_it_is_refused(
    tmp_path_factory: pytest.TempPathFactory, whole: list[bytes], data: st.DataObject
) -> None:
    text = bytearray(b"".join(whole))
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != text[place]))

    with pytest.raises(Damaged):
        await imported(
            f"sqlite:{tmp_path_factory.mktemp('byte') / 'knockbot.db'}", bytes(text).splitlines(keepends=True)
        )


# --- into where ---------------------------------------------------------------------------------------------------


async def test_nothing_is_read_into_a_database_that_is_in_use(database_url: str, whole: list[bytes]) -> None:
    async with opened(database_url):
        pass
    before = await rows_of(database_url)

    with pytest.raises(Unavailable, match="is not empty, and a back-up is read into an empty one only"):
        await imported(database_url, whole)

    assert await rows_of(database_url) == before


async def test_a_knockbot_that_starts_while_a_back_up_is_read_in_waits_for_it(
    postgres_url: str, whole: list[bytes]
) -> None:
    started = asyncio.Event()

    class Slowly(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            for number, line in enumerate(whole):
                if number == 20 and not starting.done():
                    started.set()
                yield line

    async def start() -> Database:
        await started.wait()
        return await Database.open(postgres_url)

    starting = asyncio.create_task(start())
    await imported(postgres_url, Slowly())

    db = await starting
    async with db.tx() as tx:
        assert await requests.by_number(tx, MODS, 1) is not None
    await db.close()


async def test_a_database_that_holds_nothing_is_not_exported(place: Place) -> None:
    with pytest.raises(Unavailable, match="is empty"):
        await exported(await place("postgres"))
    with pytest.raises(Unavailable, match="unable to open"):
        await exported(await place("sqlite"))


async def test_a_database_of_a_newer_knockbot_is_not_exported(database_url: str) -> None:
    async with opened(database_url) as db, db.tx() as tx:
        await tx.execute(f"UPDATE {UPGRADES.version_table_name} SET version = 99")

    with pytest.raises(Unavailable, match=r"newer knockbot \(schema 99\)"):
        await exported(database_url)


# --- the table of tables ------------------------------------------------------------------------------------------


async def test_every_table_is_in_a_back_up_and_those_that_count_by_themselves_are_known(database_url: str) -> None:
    tables = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        if database_url.startswith("sqlite:")
        else "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    counting = (
        "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'"
        if database_url.startswith("sqlite:")
        else "SELECT table_name AS name FROM information_schema.columns WHERE is_identity = 'YES'"
    )
    async with opened(database_url) as db, db.tx() as tx:
        assert {row["name"] for row in await tx.fetch(tables)} == {*TABLES, UPGRADES.version_table_name}
        assert {row["name"] for row in await tx.fetch(counting)} == {
            table for table, described in TABLES.items() if described.counts
        }
