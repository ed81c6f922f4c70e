"""A homeserver that was away and is back is asked for what it kept, and every room is looked at for what it forgot."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import pytest

from knockbot import app
from knockbot.demo.people import until
from knockbot.errors import ActionError
from knockbot.flow.door import Door, Outside
from knockbot.matrix.homeserver import Homeserver
from knockbot.store.db import Database
from tests.matrix.edge import AS_TOKEN, BOT, GARDEN, Clock, keep_door, settings
from tests.matrix.fake_homeserver import FakeHomeserver, Reply

AWAY = Reply(502, raw=b"<html>bad gateway</html>")


@pytest.fixture
async def door(db: Database, homeserver: Homeserver, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Door]:
    """A door whose homeserver is watched all the time."""
    monkeypatch.setattr(app, "WATCH", 0.001)
    await keep_door(db)
    door = Door(db, cast("Outside", None), settings(), Clock())
    watching = asyncio.create_task(app.watch(door, homeserver))
    yield door
    watching.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await watching


async def looked(door: Door) -> bool:
    return GARDEN in door.bells.unchecked


async def test_one_that_is_there_all_the_time_is_left_alone(door: Door, fake: FakeHomeserver) -> None:
    fake.on("GET", "versions", Reply())
    await fake.wait_for("GET", "versions", times=5)

    assert not await looked(door)
    assert fake.asked("POST", "ping") == []


@pytest.mark.parametrize("back", [Reply(), Reply(500, {"errcode": "M_UNKNOWN"})])
async def test_one_that_is_back_is_pinged_and_its_rooms_are_looked_at_once(
    door: Door, fake: FakeHomeserver, back: Reply
) -> None:
    """Where the ping fails, as while it has yet to find its feet, it is pinged again."""
    fake.on("GET", "versions", AWAY, AWAY, Reply())
    fake.on("POST", "ping", back, Reply())
    await until(lambda: looked(door), bool, lambda _: "nobody looked")
    pinged = len(fake.asked("POST", "ping"))
    door.bells.unchecked.clear()
    await fake.wait_for("GET", "versions", times=len(fake.asked("GET", "versions")) + 3)

    assert pinged == (1 if back.status == 200 else 2)
    assert len(fake.asked("POST", "ping")) == pinged
    assert not await looked(door)


async def test_one_that_others_found_away_between_two_looks_counts_too(
    door: Door, homeserver: Homeserver, fake: FakeHomeserver
) -> None:
    fake.on("GET", "versions", Reply())
    fake.on("POST", "ping", Reply())
    await fake.wait_for("GET", "versions")
    homeserver.absences += 1

    await until(lambda: looked(door), bool, lambda _: "nobody looked")
    assert len(fake.asked("POST", "ping")) == 1


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
