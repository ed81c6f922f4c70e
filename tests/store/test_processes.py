"""Who is at work: a process that gives no sign of life loses its leases and claims, one that lives keeps them."""

from __future__ import annotations

import asyncio

from knockbot.store import jobs, processes
from knockbot.store.db import Database
from knockbot.store.processes import HEARTBEAT, SILENCE, lease, release
from tests.store.samples import NOW, job

ROOM = "room !garden:tulip.example"


async def beat(db: Database, now: int = NOW) -> None:
    async with db.tx() as tx:
        await processes.beat(tx, db.process, now)


async def bury(db: Database, now: int = NOW) -> None:
    async with db.tx() as tx:
        await processes.bury(tx, db.process, now, alone=db.alone)


async def leave(db: Database) -> None:
    async with db.tx() as tx:
        await processes.leave(tx, db.process)


async def begun(db: Database, *keys: str) -> None:
    """Jobs that this process has taken on."""
    async with db.tx() as tx:
        await jobs.add(tx, map(job, keys), NOW)
    assert {claimed.job.key for claimed in await jobs.claim(db, NOW, 100)} == set(keys)


async def due(db: Database) -> set[str]:
    async with db.tx() as tx:
        return {row["key"] for row in await tx.fetch("SELECT key FROM jobs WHERE state = 'due'")}


def test_a_sign_of_life_is_given_several_times_before_silence_counts_as_death() -> None:
    assert SILENCE / 1000 >= 3 * HEARTBEAT


# --- leases -------------------------------------------------------------------------------------------------------


async def test_a_process_alone_holds_every_lease(sqlite_url: str) -> None:
    db = await Database.open(sqlite_url)
    try:
        assert [await lease(db, ROOM), await lease(db, ROOM), await lease(db, "another")] == [True, True, True]
        await release(db, ROOM)
    finally:
        await db.close()


async def test_a_lease_is_held_by_one_process_until_it_is_given_back(pair: tuple[Database, Database]) -> None:
    one, other = pair
    assert await lease(one, ROOM)
    assert not await lease(other, ROOM)
    assert await lease(one, ROOM)
    assert await lease(other, "another")

    await release(other, ROOM)  # which it does not hold
    assert not await lease(other, ROOM)
    await release(one, ROOM)
    assert await lease(other, ROOM)


async def test_a_lease_goes_to_one_of_those_who_ask_at_the_same_moment(pair: tuple[Database, Database]) -> None:
    for number in range(10):
        assert sorted(await asyncio.gather(*(lease(db, f"room {number}") for db in pair))) == [False, True]


async def test_the_leases_of_a_dead_process_are_free(pair: tuple[Database, Database]) -> None:
    one, other = pair
    await beat(one)
    await beat(other)
    assert await lease(one, ROOM)

    await beat(other, NOW + SILENCE)
    await bury(other, NOW + SILENCE - 1)
    assert not await lease(other, ROOM)
    await bury(other, NOW + SILENCE)
    assert await lease(other, ROOM)


async def test_a_living_process_keeps_its_leases(pair: tuple[Database, Database]) -> None:
    one, other = pair
    assert await lease(one, ROOM)
    for moment in range(0, 3 * SILENCE, SILENCE // 2):
        await beat(one, NOW + moment)
        await beat(other, NOW + moment)
        await bury(other, NOW + moment)

    assert not await lease(other, ROOM)


# --- claims -------------------------------------------------------------------------------------------------------


async def test_the_claims_of_a_dead_process_are_due_again_and_those_of_the_living_are_not(
    pair: tuple[Database, Database],
) -> None:
    one, other = pair
    await beat(one)
    await begun(one, "a", "b")
    await beat(other, NOW + SILENCE)
    await begun(other, "c")
    await bury(other, NOW + SILENCE)

    assert await due(other) == {"a", "b"}


async def test_a_process_alone_takes_over_at_once_what_the_one_before_it_had_begun(sqlite_url: str) -> None:
    """However lately that one was seen, and even if a clock went backwards meanwhile: the lock on the file says so."""
    before = await Database.open(sqlite_url)
    await beat(before, NOW)
    await begun(before, "a")
    await before.close()

    after = await Database.open(sqlite_url)
    try:
        await beat(after, NOW)
        await bury(after, NOW)
        assert await due(after) == {"a"}
    finally:
        await after.close()


async def test_a_process_alone_takes_over_even_after_its_clock_went_backwards(sqlite_url: str) -> None:
    before = await Database.open(sqlite_url)
    await beat(before, NOW + 60_000)
    await begun(before, "a")
    await before.close()

    after = await Database.open(sqlite_url)
    try:
        await beat(after, NOW)
        await bury(after, NOW)
        assert await due(after) == {"a"}
    finally:
        await after.close()


async def test_burying_leaves_what_the_living_process_itself_does(db: Database) -> None:
    await beat(db)
    await begun(db, "a")
    await bury(db)

    assert await due(db) == set()


async def test_whoever_leaves_frees_all_it_held_and_nothing_else(pair: tuple[Database, Database]) -> None:
    one, other = pair
    for db in pair:
        await beat(db)
    await begun(one, "a")
    await begun(other, "b")
    assert await lease(one, ROOM)
    assert await lease(other, "another")
    await leave(one)

    assert await due(other) == {"a"}
    assert await lease(other, ROOM)
    assert not await lease(one, "another")


async def test_what_came_to_an_end_is_not_freed(db: Database) -> None:
    await beat(db)
    await begun(db, "a")
    async with db.tx() as tx:
        await jobs.finish(tx, 1, "done", NOW)
    await leave(db)

    assert await due(db) == set()
