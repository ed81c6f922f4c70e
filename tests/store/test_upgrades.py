"""Databases of every version of the schema are brought to the newest, with all that was in them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from yarl import URL

from knockbot.domain.model import Kind, Request, State
from knockbot.store import addressees, audit, cards, effects, inbox, moves, policies, processes, requests, rooms, visits
from knockbot.store.cards import Card
from knockbot.store.db import Database, opened
from knockbot.store.policies import Revision
from knockbot.store.upgrades import STEPS, UPGRADES
from tests.store.fixtures.make import (
    ADDRESSEE,
    ANSWER,
    ASKED,
    DECISION,
    DOUBT,
    EFFECTS,
    ERRAND,
    GARDEN,
    GUEST,
    INVITES,
    KNOCK_STATES,
    KNOCKS,
    LOCKED,
    MOD,
    MODS,
    MOVE,
    NOW,
    POLICY,
    REASON,
    ROOM,
    UNKNOWN,
    path_of,
)

VERSIONS = range(1, len(STEPS) + 1)
LATER = {"moves", "encrypted_rooms", "mail", "bot_device", "restores"}
LATER_TABLES = {1: {"addresses", "issued"} | LATER, 2: LATER, 3: set[str]()}
"""The tables that a version did not have yet."""
ENGINES = ("sqlite", "postgres")


def engine_of(url: str) -> str:
    return url.partition(":")[0]


def read_fixture(version: int, engine: str) -> str:
    return path_of(version, engine).read_bytes().decode()


async def load(url: str, version: int) -> None:
    """Fill an empty database with what a version of the schema left behind."""
    script = read_fixture(version, engine_of(url))
    if engine_of(url) == "sqlite":
        with closing(sqlite3.connect(URL(url).path)) as file:
            file.executescript(script)
        return
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


@asynccontextmanager
async def upgraded(url: str, version: int) -> AsyncIterator[Database]:
    await load(url, version)
    async with opened(url) as db:
        yield db


async def tables(db: Database) -> set[str]:
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        if db.alone
        else "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    async with db.tx() as tx:
        return {row["name"] for row in await tx.fetch(query)}


COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default, is_identity
FROM information_schema.columns WHERE table_schema = 'public'"""

INDEXES = "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"

CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND contype <> 'n'"""


async def schema(db: Database) -> list[tuple[Any, ...]]:
    """All there is to know of the schema, in an order that is always the same."""
    queries = ("SELECT type, name, sql FROM sqlite_master",) if db.alone else (COLUMNS, INDEXES, CONSTRAINTS)
    found: list[tuple[Any, ...]] = []
    async with db.tx() as tx:
        for query in queries:
            found += sorted(tuple(row) for row in await tx.fetch(query))
    return found


# --- the fixtures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_of_the_schema_has_its_fixture(version: int) -> None:
    """When this fails: `python -m tests.store.fixtures.make`, and commit what it wrote."""
    assert all(path_of(version, engine).exists() for engine in ENGINES)


def test_there_is_a_step_for_each_version_and_no_other() -> None:
    assert len(UPGRADES.upgrades) == len(STEPS)
    assert all(step.__doc__ for step in STEPS)


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_fixture_has_rows_in_every_table(database_url: str, version: int) -> None:
    async with upgraded(database_url, version) as db:
        names = await tables(db) - LATER_TABLES[version]
        async with db.tx() as tx:
            counts = {name: await tx.fetchval(f"SELECT count(*) FROM {name}") for name in names}

    assert len(names) > 10
    assert [name for name, count in counts.items() if not count] == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_upgraded_database_has_the_schema_of_a_new_one(database_url: str, version: int) -> None:
    """When this fails for an older version, a step is wrong, or one that was released has been changed."""
    async with upgraded(database_url, version) as db:
        old = await schema(db)
        if db.alone:
            another = database_url.replace("knockbot.db", "new.db")
        else:
            async with db.tx() as tx:
                await tx.execute("DROP SCHEMA public CASCADE")
                await tx.execute("CREATE SCHEMA public")
            another = database_url
    async with opened(another) as db:
        assert await schema(db) == old


# --- what was in them ---------------------------------------------------------------------------------------------


@pytest.fixture(params=VERSIONS)
async def old(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Database]:
    """A database of each version, opened by this one."""
    async with upgraded(database_url, request.param) as db:
        yield db


async def test_rooms_policies_and_errands_survive_an_upgrade(old: Database) -> None:
    async with old.tx() as tx:
        assert await rooms.all_rooms(tx) == [ROOM, LOCKED]
        assert await policies.current(tx, GARDEN) == Revision(GARDEN, 2, MOD, NOW + 1, POLICY)
        assert len(await policies.revisions(tx, GARDEN, 10)) == 2
        assert await policies.pinned(tx, "#garden:tulip.example") == GARDEN
        assert await policies.revise(tx, GARDEN, author=MOD, text="", now=NOW, cause="$second") == 2
        assert await visits.errand(tx, ERRAND.room_id) == ERRAND
        assert await visits.unused(tx, NOW + 1) == ["!idle"]
        assert await visits.visited(tx, GARDEN) == "join"
        assert await visits.attempt(tx, MOD, "$another", NOW + 1, within=1000) == 2


async def test_requests_survive_an_upgrade_with_every_word_said_about_them(old: Database) -> None:
    async with old.tx() as tx:
        for number, (state, knock) in enumerate(zip(KNOCK_STATES, KNOCKS, strict=True), 1):
            waits = state is State.PENDING
            assert await requests.by_number(tx, MODS, number) == Request(
                id=number,
                management_room=MODS,
                number=number,
                room_id=GARDEN,
                kind=Kind.KNOCK,
                user_id=knock.user_id,
                event_id=knock.event_id,
                reason=REASON,
                display_name=knock.display_name,
                has_avatar=knock.has_avatar,
                state=state,
                opened_at=NOW,
                changed_at=NOW if waits else NOW + 9,
                decision=UNKNOWN if waits else DECISION,
                answer=ANSWER,
                by=None if waits else MOD,
                card_id=1 if waits else 2,
                shown_event_id=knock.event_id,
                trouble="they refuse invites" if waits else None,
            )
            assert [line.what for line in await audit.of_request(tx, number)] == [f"is {state}"]
        assert [card.id for card in await cards.awaiting_answers(tx, GARDEN)] == [1]
        assert await cards.by_event(tx, MODS, "$card") == Card(1, MODS, GARDEN, "$card", 1, NOW)


@pytest.mark.parametrize("version", VERSIONS[1:])
async def test_third_party_invites_survive_an_upgrade(database_url: str, version: int) -> None:
    async with upgraded(database_url, version) as db, db.tx() as tx:
        first = len(KNOCKS) + 1
        numbers = range(first, first + len(INVITES))
        found = [await requests.by_token(tx, GARDEN, invite.token) for invite in INVITES]
        pending, standing, revoked, redeemed = [request for request in found if request is not None]
        assert [await requests.by_number(tx, MODS, number) for number in numbers] == found
        assert [request.invite for request in found if request is not None] == [*INVITES]
        states = [State.PENDING, State.STANDING, State.REVOKED, State.REDEEMED]
        assert [request.state for request in (pending, standing, revoked, redeemed)] == states
        assert (pending.decision, pending.user_id, standing.answer) == (DOUBT, "", ANSWER)
        assert (pending.issued_by, standing.issued_by) == (None, MOD)
        assert (redeemed.user_id, redeemed.event_id, redeemed.redeemed) == (GUEST.user_id, GUEST.event_id, True)
        assert await requests.not_yet_fallen(tx, GARDEN, MOD, "$left") == [pending]
        assert await addressees.of_room(tx, GARDEN) == {"token": ADDRESSEE}
        assert await addressees.asked_by(tx, "$issue") == ASKED


async def test_a_move_survives_an_upgrade(database_url: str) -> None:
    async with upgraded(database_url, 3) as db, db.tx() as tx:
        assert await moves.find(tx, MOVE.room_id) == await moves.asked_by(tx, "$offer") == MOVE
        assert await moves.leading_to(tx, GARDEN) == [MOVE]


async def test_an_old_database_takes_third_party_invites(old: Database) -> None:
    async with old.tx() as tx:
        request = await requests.open_invite(tx, MODS, replace(INVITES[0], token="new"), NOW)
        assert await requests.by_token(tx, GARDEN, "new") == request


async def test_what_waited_is_gone_on_with_after_an_upgrade(old: Database) -> None:
    async with old.tx() as tx:
        assert [one.event_id for one in await inbox.waiting(tx, GARDEN)] == ["$waiting"]
        assert await inbox.counts(tx) == (1, 1)
        assert [await inbox.is_known(tx, event_id) for event_id in ("$handled", "$aside", "$new")] == [
            True,
            True,
            False,
        ]
        await processes.beat(tx, old.process, NOW)
        await processes.bury(tx, old.process, NOW + 10**6, alone=old.alone)
        await effects.unblock(tx, GARDEN, NOW + 3)

    claimed = await effects.claim(old, NOW + 3, 10)
    async with old.tx() as tx:
        for one in claimed:
            await effects.finish(tx, one.id, "done", NOW + 4)
    claimed += await effects.claim(old, NOW + 4, 10)  # what needs another server comes last
    assert {one.effect.key: one.effect for one in claimed} == {EFFECTS[n].key: EFFECTS[n] for n in (0, 2, 3)}
    assert {one.effect.key: one.attempts for one in claimed}[EFFECTS[0].key] == 2
    assert await processes.lease(old, "room !garden")


async def test_new_rows_find_their_place_after_an_upgrade(old: Database) -> None:
    async with old.tx() as tx:
        new = await requests.open_knock(tx, MODS, KNOCKS[1], NOW)
        card = await cards.new(tx, MODS, GARDEN, NOW)
        await inbox.store(tx, [inbox.Arrival("$new", GARDEN, "{}")], NOW)

    assert (new.id, card.id) == (new.number, 3)
    assert new.number in {len(KNOCKS) + 1, len(KNOCKS) + len(INVITES) + 1}


async def test_several_processes_may_upgrade_an_old_postgresql_at_once(postgres_url: str) -> None:
    await load(postgres_url, 1)
    opened = await asyncio.gather(*(Database.open(postgres_url) for _ in range(3)))
    async with opened[0].tx() as tx:
        assert await rooms.find(tx, GARDEN) == ROOM
    for db in opened:
        await db.close()
