"""What a knock costs the homeserver: the requests of a real run, counted on their way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from knockbot.flow import standings
from knockbot.matrix import watching
from knockbot.times import HOUR
from tests.counting import CountingProxy
from tests.journey.conftest import OwnKeeper
from tests.keeper import Garden, InProcess
from tests.lab import LabHomeserver

AT_ONCE = 40

POLICY = """
rules:
- when: {user: "@rosa*"}
  then: reject
- when: {user: "@bert*"}
  then: ban
otherwise: accept
"""

OUTCOMES = {"ana": "invite", "rosa": "leave", "bert": "ban"}
"""Who knocks, and how they stand in the end."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A garden whose bot reaches the homeserver through a proxy that counts."""

    proxy: CountingProxy
    keeper: InProcess
    garden: Garden

    async def answered(self, names: list[str]) -> list[str]:
        """Some people knock at once, and are answered; returns their user ids, once nothing is left to do."""
        people = [await self.garden.person(name) for name in names]
        await asyncio.gather(*(person.knock(self.garden.room) for person in people))
        for person, name in zip(people, names, strict=True):
            await self.garden.membership(person, OUTCOMES[name])
        await self.keeper.catch_up(self.garden)
        return [person.user_id for person in people]


@pytest.fixture
async def counted(
    homeserver: LabHomeserver, own_keeper: OwnKeeper, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Counted]:
    """A garden that answers by rule, whose bot has come to rest.

    However slow this machine is, each act counts as immediate, which else takes one more look, and no ping is due.
    """
    monkeypatch.setattr(standings, "IMMEDIATE", HOUR)
    monkeypatch.setattr(watching, "PINGS", HOUR)
    async with CountingProxy(homeserver.url) as proxy:
        keeper = await own_keeper(homeserver={"address": proxy.url, "domain": homeserver.name})
        garden = await keeper.plant(POLICY, alone=True)
        await keeper.catch_up(garden)
        proxy.requests.clear()
        yield Counted(proxy, keeper, garden)
        await keeper.stop()  # while there is a proxy to speak through


async def test_knocks_take_one_act_and_at_most_one_read_each_one_by_one_and_many_at_once(counted: Counted) -> None:
    for name in OUTCOMES:
        hold(counted, await counted.answered([name]))
    hold(counted, await counted.answered(["ana"] * AT_ONCE))


def hold(counted: Counted, user_ids: list[str]) -> None:
    """What was asked for these knocks is what has to be, and nothing else."""
    requests, by_user = counted.proxy.requests, counted.proxy.about(user_ids)
    for theirs in by_user.values():
        assert [request.is_act for request in theirs].count(True) == 1
        assert [request.is_read for request in theirs].count(True) <= 1
    assert sum(request.is_read for request in requests) <= len(user_ids)
    assert sum(request.is_act for request in requests) == len(user_ids)
    assert not [request for request in requests if request.is_of_all]
    assert not [request for request in requests if not (request.is_act or request.is_read or request.is_saying)]
    requests.clear()
