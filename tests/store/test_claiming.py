"""A claim costs the same however much is due: it looks at a few of each kind, and sets aside what has to wait."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from knockbot.demo.people import until
from knockbot.domain.jobs import Job, Join, Kick, Lane
from knockbot.domain.reasons import foreign
from knockbot.store import jobs, messages
from knockbot.store.db import Database, Tx
from knockbot.store.jobs import Claimed
from tests.store.samples import GARDEN, NOW, away, job

FEW, MANY = 100, 10_000

CROWDS: Mapping[str, Job[Any]] = {
    "one lane": job("#", room_id="!said"),
    "a lane each": job("#", Kick("@ana:a"), room_id="#"),
    "one server, a room each": away("#", "slow.example", "#"),
    "a server each": away("#", "#.example", "#"),
    "one server, one room": away("#", "slow.example", GARDEN),
    "invites to take": job("#", Join(), room_id="#"),
}
"""What can be due in crowds; the number of each stands for `#`."""


async def crowd(db: Database, kind: str, number: int) -> None:
    async with db.tx() as tx:
        await jobs.add(tx, [CROWDS[kind]], NOW)
        await tx.execute(
            "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < $1) "
            "INSERT INTO jobs (key, act, room_id, lane, server, payload_json, state, created_at, due_at, place, "
            "yields_to) SELECT replace(key, '#', CAST(n AS TEXT)), act, replace(room_id, '#', CAST(n AS TEXT)), "
            "replace(lane, '#', CAST(n AS TEXT)), "
            "replace(server, '#', CAST(n AS TEXT)), payload_json, state, created_at, due_at, place, "
            "replace(yields_to, '#', CAST(n AS TEXT)) FROM jobs, n",
            number,
        )
        await tx.execute("DELETE FROM jobs WHERE key = '#'")
        await tx.execute("ANALYZE")


async def steps_of_a_claim(url: str, kind: str, number: int, *, before: int = 0) -> int:
    """How many steps SQLite takes for a claim, in tens, after so many others of which nothing has come yet."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    db = await Database.open(url)
    try:
        await crowd(db, kind, number)
        async with db.tx() as tx:
            raw = tx.wrapped._conn
        for _ in range(before):
            await jobs.claim(db, NOW, 3)
        raw.set_progress_handler(step, 10)
        assert len(await jobs.claim(db, NOW, 3)) in ((0, 3) if before else (1, 3))
        raw.set_progress_handler(None, 0)
    finally:
        async with db.tx() as tx:
            await tx.execute("DELETE FROM jobs")
        await db.close()
    return steps


@pytest.mark.parametrize("kind", CROWDS)
async def test_the_first_claim_takes_as_many_steps_with_thousands_due(ready_sqlite_url: str, kind: str) -> None:
    few = await steps_of_a_claim(ready_sqlite_url, kind, FEW)
    many = await steps_of_a_claim(ready_sqlite_url, kind, MANY)

    assert few > 10
    assert many < 1.5 * few


@pytest.mark.parametrize("kind", CROWDS)
async def test_what_has_to_wait_is_set_aside_in_as_many_steps_each_with_thousands_due(
    ready_sqlite_url: str, kind: str
) -> None:
    some = await steps_of_a_claim(ready_sqlite_url, kind, MANY // 10, before=1)
    many = await steps_of_a_claim(ready_sqlite_url, kind, MANY, before=1)

    assert many < 1.5 * 10 * some


@pytest.mark.parametrize("kind", CROWDS)
async def test_a_claim_reads_as_many_rows_with_thousands_due(ready_postgres_url: str, kind: str) -> None:
    db = await Database.open(ready_postgres_url)
    try:
        read = []
        for number in (FEW, MANY):
            await crowd(db, kind, number)
            async with db.tx() as tx:
                query = jobs._claimable(keys=True, alone=False)
                plan = await tx.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query.replace('$1', str(NOW))}")
                read.append(rows_read(json.loads(plan)[0]["Plan"]))
                await tx.execute("DELETE FROM jobs")
    finally:
        await db.close()

    assert read[0] >= 40
    assert read[1] < 1.5 * read[0]


def rows_read(node: Mapping[str, Any]) -> float:
    """How many rows were read for a plan, those that were left out included."""
    own = node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    return float(own) + sum(rows_read(part) for part in node.get("Plans", ()))


@pytest.mark.parametrize("kind", CROWDS)
async def test_whatever_was_set_aside_is_done_in_order(db: Database, kind: str) -> None:
    await crowd(db, kind, FEW)
    done: list[int] = []
    lanes: dict[Lane, list[int]] = {}
    while claimed := await jobs.claim(db, NOW, 12):
        assert len({one.job.lane for one in claimed}) == len(claimed)
        for one in claimed:
            async with db.tx() as tx:
                await jobs.finish(tx, one.id, "done", NOW)
            done.append(int(one.job.key))
            lanes.setdefault(one.job.lane, []).append(int(one.job.key))

    assert sorted(done) == list(range(1, FEW + 1))
    assert all(numbers == sorted(numbers) for numbers in lanes.values())


async def test_what_goes_first_lets_the_next_pass_however_it_moves_on(db: Database) -> None:
    await crowd(db, "one lane", FEW)
    passed: list[str] = []
    for move_on in ("postpone", "block", "given_up", "done"):
        [one] = await jobs.claim(db, NOW, 12)
        assert await jobs.claim(db, NOW, 12) == []
        passed.append(one.job.key)
        async with db.tx() as tx:
            if move_on == "postpone":
                await jobs.postpone(tx, one.id, NOW + 1000, foreign("busy"))
            elif move_on == "block":
                await jobs.block(tx, one.id, foreign("my power is too low"))
            else:
                await jobs.finish(tx, one.id, move_on, NOW)

    assert passed == ["1", "2", "3", "4"]
    async with db.tx() as tx:
        await jobs.forget_unsaid(tx, NOW + 1, NOW)
        await jobs.add(tx, [job("after", room_id="!said")], NOW)
    [after] = await jobs.claim(db, NOW, 12)
    assert after.job.key == "after"


# --- several processes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", CROWDS)
async def test_whatever_processes_set_aside_for_each_other_is_done(pair: tuple[Database, Database], kind: str) -> None:
    await crowd(pair[0], kind, FEW)
    done: list[str] = []
    chance = random.Random(kind)

    async def move_on(db: Database, one: Claimed[Any]) -> None:
        await asyncio.sleep(chance.random() / 200)
        async with db.tx() as tx:
            how = chance.choice(("done", "done", "given_up", "postpone", "block"))
            if how == "postpone":
                await jobs.postpone(tx, one.id, NOW + 1, foreign("busy"))
            elif how == "block":
                await jobs.block(tx, one.id, foreign("no power"))
            else:
                await jobs.finish(tx, one.id, how, NOW)
                done.append(one.job.key)

    async def work(db: Database) -> None:
        idle = 0
        while idle < 3:
            claimed = await jobs.claim(db, NOW, 4)
            idle = 0 if claimed else idle + 1
            await asyncio.gather(*(move_on(db, one) for one in claimed))
            if idle:
                await asyncio.sleep(0.01)  # another may hold all rows in this moment

    async with asyncio.timeout(60):
        while len(done) < FEW:
            await asyncio.gather(*(work(db) for db in pair for _ in range(2)))
            async with pair[0].tx() as tx:
                left = await tx.fetch("SELECT key FROM jobs WHERE state = 'due' AND due_at <= $1", NOW)
            # Nobody forgets what is due: where a worker stopped too soon, one that is alone now finds it.
            claimed = await jobs.claim(pair[0], NOW, 4)
            assert bool(claimed) == bool(left)
            await asyncio.gather(*(move_on(pair[0], one) for one in claimed))
            if not left:
                async with pair[0].tx() as tx:
                    await tx.execute("UPDATE jobs SET state = 'due', due_at = $1 WHERE ended_at IS NULL", NOW)
    assert len(done) == len(set(done)) == FEW


async def test_nothing_is_set_aside_for_what_another_process_is_about_to_end(pair: tuple[Database, Database]) -> None:
    """It would wait for something that has ended by then, and nobody would look at it again."""
    one, other = pair
    first = await one_under_way(one)
    async with one.tx() as tx:
        await jobs.finish(tx, first.id, "done", NOW)
        async with asyncio.timeout(60):
            assert await jobs.claim(other, NOW, 4) == []
            assert await behind(other, first.id) == 0

    [second] = await jobs.claim(other, NOW, 4)
    assert (first.job.key, second.job.key) == ("1", "2")


async def test_what_ends_while_another_process_sets_aside_for_it_lets_that_pass(
    pair: tuple[Database, Database],
) -> None:
    one, other = pair
    first = await one_under_way(one)

    async def end() -> None:
        async with one.tx() as tx:
            await jobs.finish(tx, first.id, "done", NOW)

    async with other.tx() as tx:
        assert await jobs.claim_in(tx, other, NOW, 4) == ([], True)
        assert await tx.fetchval("SELECT count(*) FROM jobs WHERE behind = $1", first.id) == 1
        ending = asyncio.create_task(end())
        await until(partial(waiting_for_locks, tx), bool, lambda _: "it does not wait for the other process")
    await ending

    assert await behind(other, first.id) == 0
    [second] = await jobs.claim(one, NOW, 4)
    assert second.job.key == "2"


async def one_under_way(db: Database) -> Claimed[Any]:
    """The first of a crowd in one lane, under way; nothing is set aside for it yet."""
    await crowd(db, "one lane", FEW)
    [first] = await jobs.claim(db, NOW, 4)
    async with db.tx() as tx:
        await tx.execute("UPDATE jobs SET behind = NULL, followed = FALSE")
    return first


async def waiting_for_locks(tx: Tx) -> int:
    return int(await tx.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


async def behind(db: Database, job_id: int) -> int:
    """How many wait behind a job."""
    async with db.tx() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM jobs WHERE behind = $1", job_id))


# --- what nobody would look at ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        "UPDATE jobs SET state = 'done', ended_at = 1 WHERE id = $1",
        "UPDATE jobs SET state = 'blocked' WHERE id = $1",
        "UPDATE jobs SET state = 'due', due_at = due_at + 1 WHERE id = $1",
        "UPDATE jobs SET followed = FALSE WHERE id = $1",
        "DELETE FROM jobs WHERE id = $1",
    ],
)
async def test_what_waits_for_something_that_goes_first_no_more_is_looked_at_again(db: Database, fault: str) -> None:
    await crowd(db, "one lane", FEW)
    [first] = await jobs.claim(db, NOW, 12)
    assert await jobs.claim(db, NOW, 12) == []
    assert await behind(db, first.id) > 0
    async with db.tx() as tx:
        await tx.execute(fault, first.id)
        await jobs.look_again(tx, NOW)

    assert await behind(db, first.id) == 0
    next_one = await jobs.claim(db, NOW, 12)
    assert [one.job.key for one in next_one] == ([] if "followed" in fault else ["2"])


async def test_what_waits_as_it_should_is_left_alone(db: Database) -> None:
    await crowd(db, "one lane", FEW)
    [first] = await jobs.claim(db, NOW, 12)
    await jobs.claim(db, NOW, 12)
    waiting = await behind(db, first.id)
    async with db.tx() as tx:
        await jobs.look_again(tx, NOW)

    assert await behind(db, first.id) == waiting > 0


async def test_what_has_ended_goes_after_some_days_and_what_has_not_stays(db: Database) -> None:
    async with db.tx() as tx:
        await jobs.add(tx, [job(key) for key in ("old", "new", "waits")], NOW)
    old, new, waits = await jobs.claim(db, NOW, 12)
    async with db.tx() as tx:
        await jobs.finish(tx, old.id, "done", NOW)
        await jobs.finish(tx, new.id, "given_up", NOW + 1)
        await jobs.postpone(tx, waits.id, NOW, foreign("busy"))
        await jobs.forget_ended(tx, NOW + 1)
        assert [row["key"] for row in await tx.fetch("SELECT key FROM jobs ORDER BY id")] == ["new", "waits"]


async def test_what_is_said_once_is_not_planned_again_when_its_act_is_forgotten(db: Database) -> None:
    async with db.tx() as tx:
        await jobs.add(tx, [job("hint")], NOW)
        await messages.once(tx, "hint", NOW)
    [hint] = await jobs.claim(db, NOW, 12)
    async with db.tx() as tx:
        await jobs.finish(tx, hint.id, "done", NOW)
        await jobs.forget_ended(tx, NOW + 1)
        await jobs.add(tx, [job("hint")], NOW)
        await messages.forget_old(tx, NOW)
        assert await tx.fetch("SELECT key FROM jobs") == []
