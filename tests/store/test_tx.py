"""A transaction is whole or nothing, whatever ends it; and what comes after it is not lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Generator
from contextlib import closing
from typing import Any

import asyncpg
import pytest
from yarl import URL

from knockbot.store.db import Database, Tx
from tests.store import notes


class Cancelled:
    """Awaits a coroutine, and cancels the task it runs in when it waits for the n-th time, for each n given.

    `reached` counts how often it waited: when that is less than the smallest n, nothing was cancelled.
    """

    def __init__(self, work: Awaitable[Any], *at: int) -> None:
        self._work = work
        self._at = at
        self.reached = 0

    def __await__(self) -> Generator[Any, Any, Any]:
        steps = self._work.__await__()
        while True:
            try:
                waits_for = next(steps)
            except StopIteration as end:
                return end.value
            while True:
                self.reached += 1
                if self.reached in self._at:
                    task = asyncio.current_task()
                    assert task is not None
                    task.cancel()
                try:
                    yield waits_for
                except BaseException as error:  # noqa: BLE001 - whatever comes is handed on
                    try:
                        waits_for = steps.throw(error)
                    except StopIteration as end:
                        return end.value
                else:
                    break


async def pin_two(db: Database, name: str) -> None:
    """Write two rows in one transaction, with a read between them."""
    async with db.tx() as tx:
        await notes.write(tx, f"#{name}:1", "!one")
        await notes.read(tx, f"#{name}:1")
        await notes.write(tx, f"#{name}:2", "!two")


async def stands(db: Database, alias: str) -> bool:
    async with db.tx() as tx:
        return await notes.read(tx, alias) is not None


async def seen_from_outside(url: str) -> set[str]:
    """The notes that another connection sees: what is committed, and nothing else."""
    if url.startswith("sqlite:"):
        with closing(sqlite3.connect(f"file:{URL(url).path}?mode=ro", uri=True)) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM pins")}
    connection = await asyncpg.connect(url)
    try:
        return {row["name"] for row in await connection.fetch("SELECT name FROM pins")}
    finally:
        await connection.close()


# --- ends ---------------------------------------------------------------------------------------------------------


async def test_what_a_block_wrote_is_committed_at_its_end(db: Database, ready_url: str) -> None:
    await pin_two(db, "a")

    assert {"#a:1", "#a:2"} == await seen_from_outside(ready_url)


async def test_nothing_is_seen_from_outside_before_the_end(db: Database, ready_url: str) -> None:
    async with db.tx() as tx:
        await notes.write(tx, "#a", "!one")
        assert set() == await seen_from_outside(ready_url)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError, GeneratorExit])
async def test_a_block_that_raises_leaves_nothing_behind(
    db: Database, ready_url: str, error: type[BaseException]
) -> None:
    async def fail() -> None:
        async with db.tx() as tx:
            await notes.write(tx, "#a", "!one")
            raise error

    with pytest.raises(error):
        await fail()
    await pin_two(db, "b")
    assert {"#b:1", "#b:2"} == await seen_from_outside(ready_url)


async def test_a_statement_that_fails_takes_the_whole_block_with_it(db: Database, ready_url: str) -> None:
    async def fail() -> None:
        async with db.tx() as tx:
            await notes.write(tx, "#a", "!one")
            await tx.execute("INSERT INTO pins (place, name) VALUES ('note', '#b')")  # room_id may not be NULL

    with pytest.raises((sqlite3.Error, asyncpg.PostgresError)):
        await fail()
    assert set() == await seen_from_outside(ready_url)


async def test_a_block_that_goes_on_after_a_failed_statement_is_not_half_committed(
    db: Database, ready_url: str
) -> None:
    """PostgreSQL drops the whole transaction then, and SQLite only the statement: no code may count on either."""
    try:
        async with db.tx() as tx:
            with pytest.raises((sqlite3.Error, asyncpg.PostgresError)):
                await tx.execute("INSERT INTO nowhere VALUES (1)")
            await notes.write(tx, "#a", "!one")
    except asyncpg.PostgresError:
        pass

    await pin_two(db, "b")
    assert await seen_from_outside(ready_url) >= {"#b:1", "#b:2"}


# --- cancellation -------------------------------------------------------------------------------------------------

MOST_WAITS = 60
"""No transaction here waits that often; each loop below ends when the work was not cancelled any more."""


async def cancelled_at(work: Awaitable[Any], *at: int) -> Cancelled:
    """Run something in a task of its own that is cancelled at these waits; its outcome does not matter here."""
    cancelled = Cancelled(work, *at)

    async def run() -> None:
        await cancelled

    await asyncio.gather(asyncio.create_task(run()), return_exceptions=True)
    return cancelled


@pytest.mark.parametrize("times", [1, 2, 3])
async def test_a_transaction_cancelled_at_any_await_is_whole_or_nothing_and_swallows_no_later_write(
    db: Database, ready_url: str, times: int
) -> None:
    """With `times` above 1 the cancelled task is cancelled again while it rolls back."""
    for wait in range(1, MOST_WAITS):
        run = await cancelled_at(pin_two(db, f"cancelled{wait}"), *range(wait, wait + times))
        await pin_two(db, f"after{wait}")

        seen = await seen_from_outside(ready_url)
        assert {f"#after{wait}:1", f"#after{wait}:2"} <= seen
        assert (f"#cancelled{wait}:1" in seen) == (f"#cancelled{wait}:2" in seen)
        if run.reached < wait:
            assert f"#cancelled{wait}:2" in seen
            break
    else:
        pytest.fail("the work never ran to its end")
    assert wait > (1 if db.alone else 2)  # there is a wait at the end, and with PostgreSQL one at the beginning


async def test_what_was_written_after_a_cancelled_transaction_survives_a_clean_stop(ready_url: str) -> None:
    """The trap of the library's own `transaction()`: it stays open, and a clean stop drops all that came after."""
    db = await Database.open(ready_url)
    wait = 0
    try:
        while True:
            wait += 1
            run = await cancelled_at(pin_two(db, f"cancelled{wait}"), wait)
            await pin_two(db, f"after{wait}")
            if run.reached < wait:
                break
    finally:
        await db.close()

    again = await Database.open(ready_url)
    try:
        for number in range(1, wait + 1):
            assert await stands(again, f"#after{number}:2")
    finally:
        await again.close()


async def test_many_cancelled_transactions_leave_every_connection_of_use(db: Database, ready_url: str) -> None:
    """More than the pool has connections, so that a spoilt one would be met again."""

    async def hang(number: int) -> None:
        async with db.tx() as tx:
            await notes.write(tx, f"#cancelled{number}", "!one")
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(hang(number)) for number in range(20)]
    while not all(task.done() for task in tasks):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=0.01)

    await asyncio.gather(*(pin_two(db, f"after{number}") for number in range(20)))
    assert {f"#after{number}:{one}" for number in range(20) for one in (1, 2)} == await seen_from_outside(ready_url)


async def test_whoever_is_cancelled_is_told_so(db: Database) -> None:
    async def work() -> None:
        async with db.tx() as tx:
            await notes.write(tx, "#a", "!one")
            started.set()
            await asyncio.Event().wait()

    started = asyncio.Event()
    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert not await stands(db, "#a")


async def test_a_timeout_inside_a_transaction_rolls_it_back(db: Database) -> None:
    async def wait_too_long() -> None:
        async with asyncio.timeout(0.01), db.tx() as tx:
            await notes.write(tx, "#a", "!one")
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await wait_too_long()
    assert not await stands(db, "#a")


# --- beside each other --------------------------------------------------------------------------------------------


async def test_a_transaction_inside_another_is_refused_at_once(db: Database) -> None:
    """On SQLite it would wait for its own connection for ever; on PostgreSQL it would not see what it stands in."""

    async def nest() -> None:
        async with asyncio.timeout(60), db.tx() as tx:
            await notes.write(tx, "#a", "!one")
            async with db.tx():
                pass

    with pytest.raises(RuntimeError, match="transaction"):
        await nest()
    assert not await stands(db, "#a")


async def test_transactions_of_many_tasks_take_their_turns(db: Database) -> None:
    async def count(_: int) -> None:
        async with db.tx() as tx:
            last = int(await notes.read(tx, "#counter") or 0)
            if not db.alone:
                last = int(await tx.fetchval("SELECT room_id FROM pins WHERE name = '#counter' FOR UPDATE"))
            await notes.write(tx, "#counter", str(last + 1))

    async with db.tx() as tx:
        await notes.write(tx, "#counter", "0")
    await asyncio.gather(*map(count, range(30)))

    async with db.tx() as tx:
        assert await notes.read(tx, "#counter") == "30"


async def test_two_transactions_are_open_at_once_on_postgresql(ready_postgres_url: str) -> None:
    db = await Database.open(ready_postgres_url)
    met = asyncio.Barrier(2)

    async def meet(alias: str) -> set[str]:
        async with db.tx() as tx:
            await notes.write(tx, alias, "!one")
            await met.wait()
            seen = await seen_from_outside(ready_postgres_url)
            await met.wait()
            return seen

    try:
        seen = await asyncio.gather(meet("#a"), meet("#b"))
        assert not any(seen)
        assert {"#a", "#b"} == await seen_from_outside(ready_postgres_url)
    finally:
        await db.close()


@pytest.mark.parametrize("rows", [1, 1000])
async def test_a_transaction_holds_what_it_said_it_will_change(pair: tuple[Database, Database], rows: int) -> None:
    """`FOR UPDATE`: the second waits, and then sees what the first wrote."""
    one, other = pair
    held, order = asyncio.Event(), []

    async def change(db: Database, name: str, begin: Callable[[], Awaitable[Any]]) -> None:
        await begin()
        async with db.tx() as tx:
            await hold(tx)
            held.set()
            order.append(name)
            await tx.execute("UPDATE management_rooms SET next_number = next_number + 1")
            order.append(name)

    async def hold(tx: Tx) -> None:
        await tx.fetch("SELECT * FROM management_rooms FOR UPDATE")

    async def at_once() -> None:
        pass

    async with one.tx() as tx:
        await tx.executemany("INSERT INTO management_rooms (room_id) VALUES ($1)", [(f"!{n}",) for n in range(rows)])
    await asyncio.gather(change(one, "one", at_once), change(other, "other", held.wait))

    assert order == ["one", "one", "other", "other"]
    async with one.tx() as tx:
        assert await tx.fetchval("SELECT min(next_number) FROM management_rooms") == 3


async def test_what_is_asked_for_its_effect_alone_stands_in_the_transaction(ready_postgres_url: str) -> None:
    """A lock until the end of the transaction, as `import` takes one."""
    db = await Database.open(ready_postgres_url)
    locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
    try:
        async with db.tx() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock(1)")
            assert await tx.fetchval(locks) == 1
        async with db.tx() as tx:
            assert await tx.fetchval(locks) == 0
    finally:
        await db.close()


async def test_a_block_that_only_looks_begins_no_transaction(db: Database) -> None:
    async with db.tx() as tx:
        await notes.read(tx, "#a")
        connection: Any = tx.wrapped
        assert tx.changed == set()
        assert not (connection._conn.in_transaction if db.alone else connection.is_in_transaction())
        await notes.write(tx, "#a", "!one")
        assert tx.changed == {"pins"}


# --- a single statement -------------------------------------------------------------------------------------------


async def test_a_single_statement_needs_no_transaction(db: Database) -> None:
    async with db.statement() as tx:
        await tx.execute("INSERT INTO pins (place, name, room_id) VALUES ('note', '#one', '!one')")

    async with db.statement() as tx:
        assert await tx.fetchval("SELECT room_id FROM pins") == "!one"


async def test_a_statement_inside_a_transaction_is_refused_at_once(db: Database) -> None:
    async with db.tx():
        with pytest.raises(RuntimeError):
            async with db.statement():
                pass
