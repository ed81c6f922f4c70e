"""Knocks are counted as far as is asked, from an index, and forgotten when no rule can count them any more."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from knockbot.domain.model import Counting, Fact, Knock, Where
from knockbot.store import knocks, rooms
from knockbot.store.db import Database, Tx
from knockbot.store.rooms import ProtectedRoom
from tests.store.samples import GARDEN, MODS, NOW

ORCHARD, MEADOW = "!orchard:a", "!meadow:a"
HOUR, DAY = 3_600_000, 86_400_000
ANA = Knock(GARDEN, "@ana:Far.example:8448", "$now", "hello")
GIST = "4711"


async def protected(tx: Tx) -> None:
    """Three rooms: two are managed from the same place."""
    for room_id, management_room in ((GARDEN, MODS), (ORCHARD, MODS), (MEADOW, "!others:a")):
        await rooms.protect(tx, ProtectedRoom(room_id, management_room, room_id, "@mod:a", NOW))


async def counted(tx: Tx, fact: Fact, where: Where = Where.HERE, within: int = DAY, most: int = 100) -> int:
    """How many others there are beside the knock."""
    return await knocks.others(tx, Counting(fact, where, within), ANA, GIST, until=NOW, most=most)


def knock(number: int, user_id: str = ANA.user_id, room_id: str = GARDEN) -> Knock:
    """One of many knocks."""
    return Knock(room_id, user_id, f"${number} of {user_id}")


async def test_a_knock_counts_by_its_applicant_its_server_and_its_reason(db: Database) -> None:
    async with db.tx() as tx:
        await protected(tx)
        await knocks.add(tx, ANA, GIST, NOW)
        await knocks.add(tx, knock(1), GIST, NOW - 1)
        await knocks.add(tx, knock(2, "@bea:far.EXAMPLE"), GIST, NOW - 2)
        await knocks.add(tx, knock(3, "@cem:far.example:9000"), "4712", NOW - 3)
        await knocks.add(tx, knock(4, "@dan:near.example"), GIST, NOW - 4)
        await knocks.add(tx, knock(5, "@eva:near.example"), None, NOW - 5)

        assert await counted(tx, Fact.KNOCKS) == 1
        assert await counted(tx, Fact.SERVER_KNOCKS) == 3
        assert await counted(tx, Fact.SAME_REASON) == 2


async def test_only_the_rooms_that_are_meant_count(db: Database) -> None:
    async with db.tx() as tx:
        await protected(tx)
        for number, room_id in enumerate((GARDEN, ORCHARD, ORCHARD, MEADOW)):
            await knocks.add(tx, knock(number, room_id=room_id), None, NOW)
            await knocks.add(tx, knock(number, "@bea:far.example", room_id), GIST, NOW)

        assert [await counted(tx, Fact.KNOCKS, where) for where in Where] == [1, 3]
        assert [await counted(tx, Fact.SERVER_KNOCKS, where) for where in Where] == [2, 6]
        assert [await counted(tx, Fact.SAME_REASON, where) for where in Where] == [1, 1]


async def test_only_what_was_within_the_time_before_it_counts(db: Database) -> None:
    async with db.tx() as tx:
        for number, at in enumerate((NOW - DAY - 1, NOW - DAY, NOW, NOW + 1)):
            await knocks.add(tx, knock(number), None, at)
            await knocks.add(tx, knock(number, f"@{number}:near.example"), GIST, at)

        assert await counted(tx, Fact.KNOCKS) == 2
        assert await counted(tx, Fact.SAME_REASON) == 2
        assert await counted(tx, Fact.KNOCKS, within=DAY + 1) == 3


async def test_a_knock_that_comes_twice_is_one_and_keeps_its_moment(db: Database) -> None:
    async with db.tx() as tx:
        await knocks.add(tx, replace(ANA, event_id="$1"), None, NOW - 5)
        await knocks.add(tx, replace(ANA, event_id="$1"), GIST, NOW)

        assert await counted(tx, Fact.KNOCKS) == 1
        assert await knocks.moment(tx, replace(ANA, event_id="$1")) == NOW - 5
        assert await knocks.moment(tx, ANA) is None


async def test_it_counts_no_further_than_asked(db: Database) -> None:
    async with db.tx() as tx:
        for number in range(20):
            await knocks.add(tx, knock(number, f"@{number}:far.example"), GIST, NOW)

        assert await counted(tx, Fact.SERVER_KNOCKS, most=7) == 7
        assert await counted(tx, Fact.SAME_REASON, most=7) == 7
        assert await counted(tx, Fact.SAME_REASON, most=0) == 0


async def test_what_no_rule_can_count_is_forgotten(db: Database) -> None:
    async with db.tx() as tx:
        for number, at in enumerate((NOW - 2 * HOUR, NOW - HOUR, NOW)):
            await knocks.add(tx, knock(number, f"@{number}:far.example"), GIST, at)
        await knocks.forget_old(tx, NOW - HOUR)

        left = [await tx.fetchval(f"SELECT count(*) FROM {table}") for table in ("knocks", "reasons")]
    assert left == [2, 2]


# --- the cost -------------------------------------------------------------------------------------------------

FEW, MANY = 1_000, 8_000

ALL = list(product((Fact.KNOCKS, Fact.SERVER_KNOCKS, Fact.SAME_REASON), Where))


async def crowd(tx: Tx, first: int, last: int) -> None:
    """So many knocks of each kind: hers, of her server, with her reason, and others; most are older than a day."""
    rows = []
    for number in range(first, last):
        rows += [
            (GARDEN, ANA.user_id, f"$a{number}", "far.example", NOW - 20_000 * number),
            (ORCHARD, f"@{number}:far.example", f"$b{number}", "far.example", NOW - 20_000 * number),
            (GARDEN, f"@{number}:near.example", f"$c{number}", "near.example", NOW - 20_000 * number),
            (MEADOW, f"@{number}:far.example", f"$d{number}", "far.example", NOW - 20_000 * number),
        ]
    into = "INSERT INTO {} VALUES ($1, $2, $3, $4{})"
    await tx.executemany(into.format("knocks (room_id, user_id, event_id, server, at)", ", $5"), rows)
    reasons = [(room_id, gist, user_id, at) for room_id, user_id, _, _, at in rows for gist in (GIST, "4712")]
    await tx.executemany(into.format("reasons (room_id, gist, user_id, at)", "") + " ON CONFLICT DO NOTHING", reasons)


@pytest.mark.parametrize(("fact", "where"), ALL)
async def test_to_count_takes_as_many_steps_in_a_long_history(ready_sqlite_url: str, fact: Fact, where: Where) -> None:
    db = await Database.open(ready_sqlite_url)
    steps: list[int] = []

    def step() -> int:
        steps[-1] += 10
        return 0

    try:
        async with db.tx() as tx:
            await protected(tx)
            raw: Any = tx.wrapped._conn
            for first, last in ((0, FEW), (FEW, MANY)):
                await crowd(tx, first, last)
                steps.append(0)
                raw.set_progress_handler(step, 10)
                assert await counted(tx, fact, where, most=10) == 10
                raw.set_progress_handler(None, 0)
            await tx.execute("DELETE FROM knocks")
            await tx.execute("DELETE FROM reasons")
    finally:
        await db.close()

    assert steps[0] > 10
    assert steps[1] < 1.5 * steps[0]


@pytest.mark.parametrize(("fact", "where"), ALL)
async def test_to_count_reads_as_many_rows_in_a_long_history(ready_postgres_url: str, fact: Fact, where: Where) -> None:
    db = await Database.open(ready_postgres_url)
    read = []
    try:
        async with db.tx() as tx:
            await protected(tx)
            for first, last in ((0, FEW), (FEW, MANY)):
                await crowd(tx, first, last)
                await tx.execute("ANALYZE knocks")
                await tx.execute("ANALYZE reasons")
                read.append(sum([rows_read(plan) for plan in await planned(tx, fact, where)]))
            await tx.execute("DELETE FROM knocks")
            await tx.execute("DELETE FROM reasons")
            await tx.execute("DELETE FROM rooms")
    finally:
        await db.close()

    assert read[0] >= 10
    assert read[1] < 1.5 * read[0]
    assert read[1] < 200


async def planned(tx: Tx, fact: Fact, where: Where) -> list[Mapping[str, Any]]:
    """The plans that were followed to count ten."""
    whose = {Fact.KNOCKS: ANA.user_id, Fact.SERVER_KNOCKS: "far.example", Fact.SAME_REASON: GIST}[fact]
    this = ANA.user_id if fact is Fact.SAME_REASON else ANA.event_id
    counted = knocks.COUNTABLE[fact]
    rooms = (GARDEN, ORCHARD) if where is Where.MANAGED else (GARDEN,)
    asked: list[tuple[str, tuple[object, ...]]]
    asked = [(counted.in_room, (room, whose, NOW - DAY, NOW, this, 10)) for room in rooms]
    asked += [(counted.rooms, (GARDEN, whose, NOW - DAY))] if where is Where.MANAGED else []
    return [await plan_followed(tx, query, values) for query, values in asked]


async def plan_followed(tx: Tx, query: str, values: tuple[object, ...]) -> Mapping[str, Any]:
    """How PostgreSQL has answered a query."""
    for place, value in enumerate(values, 1):
        query = query.replace(f"${place}", str(value) if isinstance(value, int) else f"'{value}'")
    plan: Mapping[str, Any] = json.loads(await tx.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}"))[0]["Plan"]
    return plan


def rows_read(node: Mapping[str, Any]) -> float:
    """How many rows were read for a plan, those that were left out included."""
    own = node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0))
    return float(own) + sum(rows_read(part) for part in node.get("Plans", ()))
