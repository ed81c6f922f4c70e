"""What is asked about an applicant costs as much in a long history as in a short one, on both engines, also when they
know how much there is (`ANALYZE`): SQLite then chooses other indexes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from knockbot.domain.model import Because, Counting, Fact, Request, Where
from knockbot.store import (
    approvals,
    dossiers,
    inbox,
    judgements,
    knocks,
    lists,
    pins,
    prompts,
    records,
    requests,
    rooms,
    seen,
)
from knockbot.store.db import Database, Tx
from knockbot.store.rooms import ProtectedRoom
from knockbot.times import DAY
from tests.store.samples import GARDEN, KNOCK, MODS, NOW

ORCHARD, MEADOW, BANS = "!orchard:a", "!meadow:a", "!bans:a"
ANA, GIST = KNOCK.user_id, "4711"

FEW, MANY = 2_000, 200_000

Ask = Callable[[Tx, Request], Awaitable[Any]]


def counts(fact: Fact, where: Where) -> Ask:
    """Counting ten knocks."""

    async def ask(tx: Tx, request: Request) -> object:
        return await knocks.others(tx, Counting(fact, where, DAY), request.knock, GIST, until=NOW, most=10)

    return ask


ASKED: dict[str, Ask] = {
    **{f"{fact} {where}": counts(fact, where) for fact, where in product(knocks.COUNTABLE, Where)},
    "knocks.moment": lambda tx, request: knocks.moment(tx, request.knock),
    "requests.history": lambda tx, _: requests.history(tx, GARDEN, ANA),
    "requests.history_managed": lambda tx, _: requests.history_managed(tx, GARDEN, ANA),
    "requests.settled_knock": lambda tx, _: requests.settled_knock(tx, GARDEN, ANA),
    "requests.settled_before": requests.settled_before,
    "requests.knocks_since": lambda tx, _: requests.knocks_since(tx, GARDEN, ANA, NOW - DAY, 10),
    "requests.latest": lambda tx, _: requests.latest(tx, GARDEN, ANA, held=False),
    "requests.names": lambda tx, _: requests.names(tx, GARDEN, ANA),
    "requests.who_awaits": lambda tx, _: requests.who_awaits(tx, GARDEN),
    "requests.unsettled": lambda tx, _: requests.unsettled(tx, GARDEN),
    "requests.at_other_doors": requests.at_other_doors,
    "requests.at_other_rooms": requests.at_other_rooms,
    "requests.invited": lambda tx, _: requests.invited(tx, GARDEN),
    "requests.answered_by_rule": lambda tx, _: requests.answered_by_rule(tx, GARDEN, 100),
    "requests.pending": lambda tx, _: requests.pending(tx, MODS),
    "requests.pending of a room": lambda tx, _: requests.pending(tx, MODS, GARDEN),
    "requests.answered_by": lambda tx, _: requests.answered_by(tx, MODS, "$click"),
    "requests.by_number": lambda tx, _: requests.by_number(tx, MODS, 1500, held=False),
    "prompts.unposted": lambda tx, _: prompts.unposted(tx, GARDEN),
    "judgements.newest": lambda tx, request: judgements.newest(tx, request.id),
    "judgements.decisions": lambda tx, _: judgements.decisions(tx, Because.POLICY_APPLIED, "$cause"),
    "records.of_request": lambda tx, request: records.of_request(tx, request.id),
    "dossiers.decided": lambda tx, request: dossiers.decided(tx, MODS, request, 7),
    "seen.first": lambda tx, _: seen.first(tx, GARDEN, ANA),
    "seen.is_news": lambda tx, _: seen.is_news(tx, GARDEN, ANA, NOW),
    "approvals.applying_to": lambda tx, _: approvals.applying_to(tx, [GARDEN, ORCHARD], [ANA, "*:far.a"], NOW, 10),
    "approvals.approved_among": lambda tx, _: approvals.approved_among(tx, GARDEN, [ANA, "*:far.a"], NOW),
    "approvals.has_given": lambda tx, _: approvals.has_given(tx, "@mod1:a"),
    "approvals.has_given for rooms": lambda tx, _: approvals.has_given(tx, "@mod1:a", [ORCHARD, GARDEN]),
    "inbox.entries_since": lambda tx, _: inbox.entries_since(tx, BANS),
    "lists.as_named": lambda tx, _: lists.as_named(tx, pins.DEFAULT_POLICY, [BANS, "#other:tulip.example"]),
}
"""What judging, a card, or the moment before an act looks up."""

SERIES = "WITH RECURSIVE n(i) AS (SELECT CAST($1 AS INTEGER) UNION ALL SELECT i + 1 FROM n WHERE i < $2) "


async def grow(tx: Tx, first: int, last: int) -> None:
    """So many requests, knocks, reasons and so on of other people, in a room managed from here and in one that is not;
    hers are at the beginning, and stay as many."""
    await tx.execute(
        "INSERT INTO requests (management_room, number, room_id, kind, user_id, event_id, reason, has_avatar, state, "
        f"opened_at, changed_at, counts_as, counts_since) {SERIES}"
        f"SELECT '{MODS}', 1000 + i, CASE WHEN i % 2 = 0 THEN '{GARDEN}' ELSE '{ORCHARD}' END, 'knock', "
        f"CASE WHEN i < 60 THEN '{ANA}' ELSE '@' || i || ':far.a' END, '$r' || i, 'hello', FALSE, 'rejected', "
        f"{NOW} - 1000 * i, {NOW}, 'rejected', {NOW} FROM n",
        first,
        last,
    )
    await tx.execute(
        f"INSERT INTO knocks (room_id, user_id, event_id, server, at) {SERIES}"
        f"SELECT CASE WHEN i % 2 = 0 THEN '{GARDEN}' ELSE '{ORCHARD}' END, "
        f"CASE WHEN i < 60 THEN '{ANA}' ELSE '@' || i || ':far.a' END, '$k' || i, 'far.a', {NOW} - 1000 * i FROM n",
        first,
        last,
    )
    await tx.execute(
        f"INSERT INTO reasons (room_id, gist, user_id, at) {SERIES}"
        f"SELECT CASE WHEN i % 2 = 0 THEN '{GARDEN}' ELSE '{ORCHARD}' END, "
        f"CASE WHEN i % 3 = 0 THEN '{GIST}' ELSE 'other' END, '@' || i || ':far.a', {NOW} - 1000 * i FROM n",
        first,
        last,
    )
    await tx.execute(
        f"INSERT INTO seen (management_room, user_id, first_at, last_at) {SERIES}"
        f"SELECT '{MODS}', '@' || i || ':far.a', {NOW}, {NOW} FROM n",
        first,
        last,
    )
    await tx.execute(
        f"INSERT INTO approvals (room_id, who, given_by, given_at, cause) {SERIES}"
        f"SELECT '{GARDEN}', '@' || i || ':far.a', '@mod' || (i % 50) || ':a', {NOW}, '$c' FROM n",
        first,
        min(last, first + 20_000),
    )
    await tx.execute(
        "INSERT INTO judgements (request_id, number, at, because, cause, kind, room_id, event_id, facts_json, "
        "decision_json) SELECT id, 1, opened_at, 'arrived', '', 'knock', room_id, event_id, $1, $2 FROM requests "
        "WHERE NOT EXISTS (SELECT 1 FROM judgements WHERE request_id = requests.id)",
        '{"home":"a"}',
        '{"verdict":"reject","rule":"otherwise"}',
    )
    await tx.execute(
        "INSERT INTO audit (at, room_id, request_id, actor, kind, detail_json) "
        "SELECT opened_at, room_id, id, '@mod:a', 'rejected', '{}' FROM requests WHERE number BETWEEN $1 AND $2",
        1000 + first,
        1000 + last,
    )


async def cost_on_sqlite(tx: Tx, ask: Ask, request: Request) -> int:
    """Tens of steps of SQLite's machine."""
    raw: Any = tx.wrapped._conn
    steps = [0]

    def step() -> int:
        steps[0] += 1
        return 0

    raw.set_progress_handler(step, 10)
    await ask(tx, request)
    raw.set_progress_handler(None, 0)
    return steps[0]


READ = (
    "SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(oid)), 0) FROM pg_class "
    "WHERE relkind IN ('r', 'i') AND relnamespace = 'public'::regnamespace"
)


async def cost_on_postgres(tx: Tx, ask: Ask, request: Request) -> int:
    """Rows of tables and indexes that were read."""
    before = int(await tx.fetchval(READ))
    await ask(tx, request)
    return int(await tx.fetchval(READ)) - before


@pytest.mark.long
async def test_no_question_about_an_applicant_takes_longer_in_a_long_history(db: Database) -> None:
    measure = cost_on_sqlite if db.alone else cost_on_postgres
    costs: dict[str, list[int]] = {name: [] for name in ASKED}
    async with db.tx() as tx:
        for room_id, management_room in ((GARDEN, MODS), (ORCHARD, MODS), (MEADOW, "!others:a")):
            await rooms.protect(tx, ProtectedRoom(room_id, management_room, room_id, "@mod:a", NOW))
        request = await requests.open_knock(tx, MODS, replace(KNOCK, event_id="$now"), NOW)
    for first, last in ((1, FEW), (FEW + 1, MANY)):
        async with db.tx() as tx:
            await grow(tx, first, last)
        async with db.tx() as tx:
            await tx.execute("ANALYZE")
        async with db.tx() as tx:
            for name, ask in ASKED.items():
                await ask(tx, request)
                costs[name].append(await measure(tx, ask, request))

    if db.alone:
        async with db.tx() as tx:
            await tx.execute("DELETE FROM sqlite_stat1")  # what it knows would be in the file of the next test
    assert {name: cost for name, cost in costs.items() if cost[1] > 1.5 * cost[0] + 30} == {}
