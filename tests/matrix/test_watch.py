"""A homeserver that was away and is back is asked for what it kept, and every room is looked at for what it forgot."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import cast

import aiohttp
import pytest
from aiohttp import web

from knockbot.chat import messages
from knockbot.demo.people import until
from knockbot.domain.model import RoomView
from knockbot.domain.reasons import foreign
from knockbot.errors import ActionError, Never
from knockbot.flow.context import Context
from knockbot.flow.ports import Acts, Outside
from knockbot.matrix import watching
from knockbot.matrix.gateway import Gateway
from knockbot.matrix.homeserver import Homeserver
from knockbot.store.db import Database
from tests.matrix.edge import AS_TOKEN, BOT, GARDEN, Clock, keep_door, settings
from tests.matrix.fake_homeserver import Asked, FakeHomeserver, Reply

AWAY = Reply(502, raw=b"<html>bad gateway</html>")


class NoRoom:
    """Of no room is anything known."""

    async def room(self, _: str) -> RoomView:
        raise Never(foreign("the homeserver did not find this."))


@pytest.fixture
def context(db: Database) -> Context:
    return Context.made(db, cast("Outside", NoRoom()), settings(), Clock(), acts=cast("Acts", None), wording=messages)


@pytest.fixture
def gateway(context: Context) -> Gateway:
    gateway = Gateway("hs", context.db, context.wakeups, context.now)
    gateway.ready = True
    return gateway


@pytest.fixture(autouse=True)
async def watched(
    context: Context, gateway: Gateway, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Context]:
    """The homeserver is watched all the time."""
    monkeypatch.setattr(watching, "WATCH", 0.001)
    await keep_door(context.db)
    task = asyncio.create_task(watching.watch(context, homeserver, gateway))
    yield context
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def called_back(gateway: Gateway) -> Callable[[Asked], Reply]:
    """The homeserver's ping reaches us."""

    def answer(asked: Asked) -> Reply:
        gateway._pings.append(asked.body["transaction_id"])
        return Reply()

    return answer


async def looked(context: Context) -> bool:
    return GARDEN in context.wakeups.unchecked


async def test_one_that_is_there_all_the_time_is_left_alone(context: Context, fake: FakeHomeserver) -> None:
    fake.on("GET", "versions", Reply())
    await fake.wait_for("GET", "versions", times=5)

    assert not await looked(context)
    assert fake.asked("POST", "ping") == []


@pytest.mark.parametrize("back", [None, Reply(500, {"errcode": "M_UNKNOWN"}), Reply()])
async def test_one_that_is_back_is_pinged_and_its_rooms_are_looked_at_once(
    context: Context, gateway: Gateway, fake: FakeHomeserver, back: Reply | None
) -> None:
    """Where the ping fails, as while it has yet to find its feet, or goes to somebody else, it is pinged again."""
    fake.on("GET", "versions", AWAY, AWAY, Reply())
    fake.on("POST", "ping", back or called_back(gateway), called_back(gateway))
    await until(lambda: looked(context), bool, lambda _: "nobody looked")
    pinged = len(fake.asked("POST", "ping"))
    context.wakeups.unchecked.clear()
    await fake.wait_for("GET", "versions", times=len(fake.asked("GET", "versions")) + 3)

    assert pinged == (1 if back is None else 2)
    assert len(fake.asked("POST", "ping")) == pinged
    assert not await looked(context)


async def test_one_that_others_found_away_between_two_looks_counts_too(
    context: Context, gateway: Gateway, homeserver: Homeserver, fake: FakeHomeserver
) -> None:
    fake.on("GET", "versions", Reply())
    fake.on("POST", "ping", called_back(gateway))
    await fake.wait_for("GET", "versions")
    homeserver.absences += 1

    await until(lambda: looked(context), bool, lambda _: "nobody looked")
    assert len(fake.asked("POST", "ping")) == 1


async def says_ready(gateway: Gateway) -> bool:
    return (await gateway._ready(cast("web.Request", None))).status == 200


@pytest.mark.parametrize(
    "lost",
    [
        Reply(502, {"errcode": "M_CONNECTION_FAILED", "error": "ConnectionRefusedError"}),
        Reply(504, {"errcode": "M_CONNECTION_TIMEOUT"}),
        Reply(502, {"errcode": "M_BAD_STATUS", "status": 403}),
        Reply(),  # somebody else has answered it
    ],
)
async def test_a_homeserver_that_does_not_reach_us_is_noticed_and_nobody_is_told_that_we_are_ready(
    context: Context, gateway: Gateway, fake: FakeHomeserver, lost: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """We reach it all the while: nothing but a ping can tell."""
    monkeypatch.setattr(watching, "PINGS", 0.0)
    reaches = [lost]
    fake.on("GET", "versions", Reply())
    fake.on("POST", "ping", lambda asked: reaches[0] if reaches else called_back(gateway)(asked))
    await until(lambda: says_ready(gateway), lambda ready: not ready, lambda _: "it still says that it is ready")
    assert not await looked(context)

    reaches.clear()
    await until(lambda: says_ready(gateway), bool, lambda _: "it never says again that it is ready")
    await until(lambda: looked(context), bool, lambda _: "nobody looked")


async def test_rooms_are_looked_at_until_something_arrives(
    context: Context, gateway: Gateway, homeserver: Homeserver, fake: FakeHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a worker of Synapse delivers, a ping does not end its back-off: events stay away for minutes."""
    monkeypatch.setattr(watching, "LOOKS_IN_SILENCE", [0.0] * 1_000_000)
    fake.on("GET", "versions", Reply())
    fake.on("POST", "ping", called_back(gateway))
    homeserver.absences += 1
    for _ in range(3):
        await until(lambda: looked(context), bool, lambda _: "nobody looked")
        context.wakeups.unchecked.clear()

    gateway.last_transaction = context.now() + 1
    await fake.wait_for("GET", "versions", times=len(fake.asked("GET", "versions")) + 3)
    context.wakeups.unchecked.clear()
    await fake.wait_for("GET", "versions", times=len(fake.asked("GET", "versions")) + 3)

    assert not await looked(context)


async def test_rooms_are_not_looked_at_for_ever_where_nothing_happens(
    context: Context, gateway: Gateway, homeserver: Homeserver, fake: FakeHomeserver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "LOOKS_IN_SILENCE", [0.0, 0.0])
    fake.on("GET", "versions", Reply())
    fake.on("POST", "ping", called_back(gateway))
    homeserver.absences += 1
    await until(lambda: looked(context), bool, lambda _: "nobody looked")
    await fake.wait_for("GET", "versions", times=len(fake.asked("GET", "versions")) + 5)
    context.wakeups.unchecked.clear()
    await fake.wait_for("GET", "versions", times=len(fake.asked("GET", "versions")) + 3)

    assert not await looked(context)


async def test_who_is_busy_or_breaks_a_connection_was_not_away(homeserver: Homeserver, fake: FakeHomeserver) -> None:
    busy, broken = Reply(429, {"errcode": "M_LIMIT_EXCEEDED"}), Reply(500, {"errcode": "M_UNKNOWN"})
    fake.on("GET", "whoami", busy, broken, Reply(drop=True))
    for _ in range(3):
        with pytest.raises(ActionError):
            await homeserver.whoami()

    assert homeserver.absences == 0


async def test_who_refuses_a_connection_was_away() -> None:
    async with aiohttp.ClientSession() as session:
        homeserver = Homeserver(session, "http://127.0.0.1:1", AS_TOKEN, BOT)
        with pytest.raises(ActionError):
            await homeserver.whoami()

    assert homeserver.absences == 1
