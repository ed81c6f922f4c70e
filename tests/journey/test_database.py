"""A database that takes no changes for a while, under a bot at work beside a real homeserver."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from knockbot.demo.people import until
from knockbot.domain import plan
from knockbot.matrix import watching
from knockbot.store import processes
from knockbot.store.db import Database, Unusable
from tests.journey.conftest import OwnKeeper
from tests.keeper import WITHIN, InProcess

ATTEMPTS = 20


@asynccontextmanager
async def read_only(keeper: InProcess) -> AsyncIterator[None]:
    """Its database takes no changes for as long as the block lasts."""
    if keeper.context.db.alone:
        await _query_only(keeper.context.db, "TRUE")
        yield
        await _query_only(keeper.context.db, "FALSE")
        return
    await _default_read_only(keeper.database, "on")
    yield
    await _default_read_only(keeper.database, "off")


async def _query_only(db: Database, value: str) -> None:
    async with db.pool.acquire_direct() as conn:
        await conn.execute(f"PRAGMA query_only = {value}")


async def _default_read_only(url: str, value: str) -> None:
    """As for whoever connects from now on; those who are connected have to come again."""
    name = url.rpartition("/")[2]
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("SET default_transaction_read_only = off")
        await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {value}")
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()",
            name,
        )
    finally:
        await connection.close()


async def why_not_ready(keeper: InProcess) -> str | None:
    """What it says of why it is not ready; none where it is."""
    async with keeper.homeserver.http.get(f"http://127.0.0.1:{keeper.port}/_matrix/mau/ready") as answer:
        said = await answer.json()
        assert answer.status == (503 if said else 200)
        return said.get("reason") if said else None


async def test_a_database_that_is_read_only_is_said_once_and_what_waits_is_done_when_it_takes_changes_again(
    database_url: str,
    own_keeper: OwnKeeper,
    complaints: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module, name in ((processes, "HEARTBEAT"), (watching, "WATCH"), (watching, "PINGS")):
        monkeypatch.setattr(module, name, 0.1)
    refused, real = [], Database._unusable

    def count(db: Database, error: Exception) -> Unusable:
        refused.append(error)
        return real(db, error)

    monkeypatch.setattr(Database, "_unusable", count)
    keeper = await own_keeper(database_url)
    garden = await keeper.plant(alone=True)
    await keeper.catch_up(garden)

    async with read_only(keeper):
        why = await until(lambda: why_not_ready(keeper), bool, lambda _: "it was ready all the time", within=WITHIN)
        ana = await garden.knocker()
        await until(lambda: _number(refused), lambda n: n > ATTEMPTS, lambda n: f"{n} attempts", within=WITHIN)

    await until(keeper.is_ready, bool, lambda _: "it did not get ready again", within=WITHIN)
    await garden.shown(ana, "pending")
    assert "the database cannot be used: " in str(why)
    of_database = [
        said for said in complaints if "Nothing arrives" not in said
    ]  # a homeserver may fail at so many pings
    assert len(of_database) == 1, complaints
    assert "Nothing is taken in or done until it can be used again." in of_database[0]
    assert "Traceback" not in of_database[0]
    assert not [record for record in caplog.records if record.exc_info and record.levelno > logging.DEBUG]
    complaints.clear()


async def _number(found: list[Exception]) -> int:
    return len(found)


async def test_what_ended_long_ago_is_forgotten_while_knockbot_runs(keeper: InProcess) -> None:
    context, job = keeper.context, plan.enter("!gone:tulip.example", "$long-ago")
    async with context.turn() as turn:
        await turn.plan(job)
        await turn.tx.execute("UPDATE jobs SET state = 'done', ended_at = 1 WHERE key = $1", job.key)
        await turn.tx.execute("UPDATE timers SET due_at = 0 WHERE kind = 'forget_ended_jobs'")
        turn.after(context.wakeups.timers.set)

    async def left() -> int:
        async with context.db.tx() as tx:
            return int(await tx.fetchval("SELECT count(*) FROM jobs WHERE key = $1", job.key))

    await until(left, lambda number: number == 0, lambda _: "it is still on record")
