"""What is told at its time is told once: by several processes, by clocks that are apart, and of a room replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from knockbot.domain.model import State
from knockbot.engine.timers import Timers
from knockbot.product import FEATURES, TIMERS
from knockbot.store import rooms, timers
from tests.flow.house import GARDEN, House, housed
from tests.flow.offered import Offered, offers
from tests.flow.test_calls import at, called, come, mornings
from tests.flow.test_reminders import after, knock, reminded, told_daily
from tests.flow.test_upgrading import NEW, click, upgraded
from tests.flow.world import ALICE, ANA

BEN, CARL = "@ben:iris.example", "@carl:tulip.example"
TOLD: Mapping[str, tuple[str, Callable[[House], Sequence[str | Offered]]]] = {
    "reminder": ("remind_after: 12h\n", reminded),
    "daily line": ("remind_after: 1m\n", told_daily),
    "digest": ('digest: "09:00"\n', lambda house: offers(house, "digest")),
    "morning": ('quiet_hours: "22:00-09:00"\n', mornings),
}
EACH = pytest.mark.parametrize("what", [*TOLD])


async def night(house: House, policy: str) -> None:
    """It is shortly before nine o'clock in the morning, and somebody has knocked at nine in the evening or later."""
    await house.set_policy(f'call: ["{ALICE}"]\nwave: off\n{policy}')
    await come(house, "20:58")
    await knock(house)
    await after(house, 0.02)
    await come(house, "22:30")
    await knock(house, BEN)
    await come(house, "08:40")


# --- several processes ----------------------------------------------------------------------------------------


@asynccontextmanager
async def three_of(house: House) -> AsyncIterator[list[House]]:
    others = [await House(house.url, house.world).open() for _ in range(2)]
    try:
        yield [house, *others]
    finally:
        for one in others:
            await one.close()


@EACH
async def test_three_processes_tell_it_once(ready_postgres_url: str, what: str) -> None:
    policy, told = TOLD[what]
    async with housed(ready_postgres_url) as house, three_of(house) as houses:
        await night(house, policy)
        before = len(told(house))
        calls = len(called(house))
        for turn in range(24):
            house.clock.go_on(120)
            for one in houses[turn % 3 :] + houses[: turn % 3]:
                await one.ring()
                await one.look_everywhere()
                await one.live()
        assert len(told(house)) - before == 1
        assert len(called(house)) - calls == (what != "daily line")


# --- clocks that are apart ------------------------------------------------------------------------------------


@EACH
async def test_two_clocks_ten_minutes_apart_have_it_told_once(house: House, what: str) -> None:
    """A moderator sets the same policy again meanwhile, and each process looks at the room by its own clock."""
    policy, told = TOLD[what]
    await night(house, policy)
    before = len(told(house))

    def ahead() -> int:
        return house.clock() + 600_000

    other = replace(house.context, now=ahead, turns=replace(house.context.turns, now=ahead))
    for _ in range(24):
        house.clock.go_on(120)
        for context in (other, house.context):
            await Timers(context, TIMERS).run_due()
            await house.live()
            async with context.turn() as turn:
                for feature in FEATURES:
                    if feature.name in ("reminders", "digests", "calls") and feature.revised is not None:
                        await feature.revised(context, turn, GARDEN)
            await house.look_everywhere()
            await house.live()
    await house.later(700)  # what the first one planned is due by the other clock, too
    assert len(told(house)) - before == 1
    async with house.db.tx() as tx:  # also those that were of no use any more when they were to be posted
        sent = await tx.fetchval("SELECT count(*) FROM prompts WHERE kind = 'digest' AND closes_at IS NOT NULL")
    assert sent == (what == "digest")


# --- a room that is replaced ----------------------------------------------------------------------------------


@pytest.mark.parametrize("looks", [True, False])
@EACH
async def test_a_room_that_replaces_another_has_it_told_of_those_who_came_over(
    house: House, what: str, looks: bool
) -> None:
    policy, told = TOLD[what]
    await night(house, policy)
    before = len(told(house))
    await upgraded(house)
    await click(house)
    await house.later()
    async with house.db.tx() as tx:
        assert [room.room_id for room in await rooms.all_rooms(tx)] == [NEW]
        left = [one for kind in TIMERS for one in await timers.of_kind(tx, kind) if GARDEN in (one.about, one.key)]
        assert left == []
    if looks:
        await house.look_everywhere()
        await house.live()
    await come(house, "09:00")
    [said] = told(house)[before:]
    text = said if isinstance(said, str) else said.text
    assert ("#2" if what == "morning" else "#1") in text
    assert "New garden" in text or what == "reminder"
    await after(house, 1)
    assert len(told(house)) - before == 1


async def test_those_who_came_over_expire_at_their_time(house: House) -> None:
    await house.set_policy("stale_after: 12h\nwave: off")
    await come(house, "21:00")
    await knock(house)
    await upgraded(house)
    await click(house)
    await come(house, "09:01")
    [request] = [one for room_id in (GARDEN, NEW) for one in await house.requests(ANA, room_id)]
    assert request.state is State.EXPIRED


async def test_what_they_were_reminded_of_is_told_daily_where_the_room_is_protected_anew(house: House) -> None:
    await house.set_policy("remind_after: 1h\nwave: off")
    await come(house, "20:00")
    await knock(house)
    await after(house, 1)
    assert len(reminded(house)) == 1
    house.tell(f"unprotect {GARDEN}")
    await house.later()
    house.tell(f"protect {GARDEN}")
    await house.later()
    house.tell(f"policy set {GARDEN}\nremind_after: 1h\nwave: off")
    await house.later()
    at(house, "08:00")
    await house.look_everywhere()
    await house.live()
    await come(house, "09:00")
    assert ["#1" in said for said in told_daily(house)] == [True]
    assert len(reminded(house)) == 1
