"""The fake homeserver does as its script says: tests of the Matrix edge lean on that."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.matrix.fake_homeserver import FakeHomeserver, Reply

INVITE = "/_matrix/client/v3/rooms/%21garden%3Alab.test/invite"


@pytest.fixture
async def fake() -> AsyncIterator[FakeHomeserver]:
    async with FakeHomeserver() as fake:
        yield fake


@pytest.fixture
async def http(fake: FakeHomeserver) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(fake.url) as http:
        yield http


async def test_scripted_answers_come_in_order_and_the_last_for_ever(
    fake: FakeHomeserver, http: aiohttp.ClientSession
) -> None:
    fake.on("POST", "rooms/*/invite", Reply(429, headers={"Retry-After": "3"}), Reply(502, raw=b"<html>"), Reply())

    seen = []
    for _ in range(4):
        async with http.post(INVITE) as response:
            seen.append((response.status, response.headers.get("Retry-After"), await response.text()))

    assert seen == [(429, "3", "{}"), (502, None, "<html>"), (200, None, "{}"), (200, None, "{}")]


async def test_a_script_may_look_at_the_request(fake: FakeHomeserver, http: aiohttp.ClientSession) -> None:
    fake.on("POST", "rooms/*/invite", lambda asked: Reply(body=[asked.path[-2], asked.body]))

    async with http.post(INVITE, json={"user_id": "@ana:lab.test"}) as response:
        assert await response.json() == ["!garden:lab.test", {"user_id": "@ana:lab.test"}]


async def test_the_newest_script_that_fits_answers(fake: FakeHomeserver, http: aiohttp.ClientSession) -> None:
    fake.on("POST", "rooms/*/invite", Reply(500))
    fake.on("POST", "rooms/!garden:lab.test/invite", Reply(403))
    fake.on("POST", "rooms/!lake:lab.test/invite", Reply(404))

    async with http.post(INVITE) as response:
        assert response.status == 403


async def test_what_no_script_answers_is_unrecognized(fake: FakeHomeserver, http: aiohttp.ClientSession) -> None:
    fake.on("GET", "rooms/*/invite", Reply())

    async with http.post(INVITE) as response:
        assert (response.status, (await response.json())["errcode"]) == (404, "M_UNRECOGNIZED")


async def test_a_dropped_request_was_received_but_gets_no_answer(
    fake: FakeHomeserver, http: aiohttp.ClientSession
) -> None:
    fake.on("POST", "invite", Reply(drop=True))

    with pytest.raises(aiohttp.ClientConnectionError):
        await http.post(INVITE)

    assert len(fake.asked("POST", "invite")) == 1


async def test_a_hanging_request_hangs_until_the_caller_gives_up(
    fake: FakeHomeserver, http: aiohttp.ClientSession
) -> None:
    fake.on("POST", "invite", Reply(hang=True))
    call = asyncio.create_task(http.post(INVITE))

    await fake.wait_for("POST", "invite")

    assert not call.done()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_transaction_reaches_the_application_service(fake: FakeHomeserver) -> None:
    async with FakeHomeserver() as service:
        service.on("PUT", "transactions/*", Reply(body={"fine": True}))

        pushed = await fake.push(service.url, "secret", [{"event_id": "$1"}], "7")

        [got] = service.asked("PUT", "/_matrix/app/v1/transactions/7")
        assert (pushed.status, json.loads(pushed.text)) == (200, {"fine": True})
        assert (got.body, got.headers["Authorization"]) == ({"events": [{"event_id": "$1"}]}, "Bearer secret")
