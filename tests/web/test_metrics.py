"""Metrics: served as Prometheus reads them, true at each look, and silent about who and where."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from knockbot.domain.jobs import Job, Say
from knockbot.domain.model import Knock, State
from knockbot.domain.reasons import foreign
from knockbot.matrix.gateway import PingOnly
from knockbot.store import encryption, inbox, jobs, requests, rooms
from knockbot.store.db import Database
from knockbot.store.inbox import Arrival
from knockbot.store.rooms import ProtectedRoom
from knockbot.web.metrics import EFFECT_STATES, Endpoint, Metrics
from tests.matrix.edge import ANA, GARDEN, HOME, MODS, START, serving

Figures = dict[tuple[str, str], float]


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """An empty database of either kind."""
    db = await Database.open(database_url)
    yield db
    await db.close()


@pytest.fixture
async def http(db: Database) -> AsyncIterator[aiohttp.ClientSession]:
    """Speaks to the metrics of `db`."""
    async with serving(Metrics(db).app) as url, aiohttp.ClientSession(url) as http:
        yield http


async def figures(http: aiohttp.ClientSession) -> Figures:
    async with http.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        families = text_string_to_metric_families(await answer.text())
        return {
            (sample.name, sample.labels.get("state", "")): sample.value
            for family in families
            for sample in family.samples
        }


async def busy(db: Database) -> None:
    """Something of everything."""
    async with db.tx() as tx:
        await inbox.store(tx, [Arrival(f"${n}", GARDEN, "{}") for n in range(5)], START)
        await inbox.set_aside(tx, 2, foreign("no event"))
        await inbox.handled(tx, 3, START)
        for number, state in enumerate([*State, State.PENDING]):
            user = f"@u{number}:{HOME}"
            request = await requests.open_knock(tx, MODS, Knock(GARDEN, user, f"$k{number}"), START)
            await requests.settled(tx, request.id, state, ANA, START)
        acts = [Job(f"say:{n}", f"!room{n}", Say({})) for n in range(4)]
        await jobs.add(tx, acts, START)
        await jobs.block(tx, 1, foreign("no power"))
        await jobs.finish(tx, 2, "done", START)
    [running] = await jobs.claim(db, START, 1)
    assert running.job.key == "say:2"


async def test_nothing_is_counted_as_nothing(http: aiohttp.ClientSession) -> None:
    found = await figures(http)

    assert set(found.values()) == {0.0}
    assert {("knockbot_requests", state.value) for state in State} < set(found)


async def test_what_waits_and_what_was_done_is_counted(http: aiohttp.ClientSession, db: Database) -> None:
    await busy(db)

    found = await figures(http)

    assert found == {
        ("knockbot_arrivals", "waiting"): 3,
        ("knockbot_arrivals", "set_aside"): 1,
        ("knockbot_silent_rooms", ""): 0,
        **{("knockbot_effects", state): 1.0 for state in EFFECT_STATES},
        **{("knockbot_requests", state.value): 2.0 if state is State.PENDING else 1.0 for state in State},
    }


async def test_each_look_counts_afresh(http: aiohttp.ClientSession, db: Database) -> None:
    await busy(db)
    await figures(http)
    async with db.tx() as tx:
        for seq in (1, 4, 5):
            await inbox.handled(tx, seq, START)
        await tx.execute("UPDATE jobs SET state = 'done'")

    found = await figures(http)

    assert found["knockbot_arrivals", "waiting"] == 0
    assert [found["knockbot_effects", state] for state in EFFECT_STATES] == [0, 0, 0]


async def test_no_figure_names_a_room_or_a_user(http: aiohttp.ClientSession, db: Database) -> None:
    await busy(db)

    async with http.get("/metrics") as answer:
        text = await answer.text()

    for name in (GARDEN, MODS, ANA, HOME, "@u", "$k", "!"):
        assert name not in text
    for family in text_string_to_metric_families(text):
        assert {label for sample in family.samples for label in sample.labels} <= {"state"}


async def test_two_metrics_in_one_process_do_not_mix(
    http: aiohttp.ClientSession, db: Database, tmp_path: object
) -> None:
    await busy(db)
    other = await Database.open(f"sqlite:{tmp_path}/other.db")
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(other.close)
        url = await stack.enter_async_context(serving(Metrics(other).app))
        elsewhere = await stack.enter_async_context(aiohttp.ClientSession(url))
        assert set((await figures(elsewhere)).values()) == {0.0}

    assert (await figures(http))["knockbot_arrivals", "waiting"] == 3


@pytest.mark.parametrize("path", ["/", "/metric", "/metrics/x"])
async def test_there_is_nothing_else_to_see(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as answer:
        assert answer.status == 404


async def test_management_rooms_are_counted_in_which_nothing_may_be_said(
    http: aiohttp.ClientSession, db: Database
) -> None:
    async with db.tx() as tx:
        await rooms.protect(tx, ProtectedRoom("!garden:b", "!mods:b", "Garden", "@alice:b", 1))
        await encryption.note(tx, ["!mods:b", "!elsewhere:b"])
        await encryption.tell(tx, "!mods:b", 1)
        await encryption.tell(tx, "!elsewhere:b", 1)

    assert (await figures(http))["knockbot_silent_rooms", ""] == 1


async def test_whether_the_homeserver_reaches_this_process_is_a_figure(db: Database) -> None:
    endpoint = PingOnly("hs")
    endpoint.ready, endpoint.last_transaction = True, START  # type: ignore[attr-defined]  # as a Gateway has it
    async with serving(Metrics(db, cast("Endpoint", endpoint)).app) as url, aiohttp.ClientSession(url) as http:

        async def figure(name: str) -> float:
            async with http.get("/metrics") as answer:
                families = text_string_to_metric_families(await answer.text())
                return next(sample.value for family in families for sample in family.samples if sample.name == name)

        assert await figure("knockbot_ready") == 1
        assert await figure("knockbot_last_transaction_timestamp_seconds") == START / 1000
        endpoint.reached = False
        assert await figure("knockbot_ready") == 0
