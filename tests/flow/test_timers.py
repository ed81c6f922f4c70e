"""What is to happen at a time happens once, whichever process does it; and by that, things are forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from knockbot.demo.people import until
from knockbot.domain import plan
from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.engine.timers import AGAIN, TimerKind, Timers
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Later
from knockbot.flow.context import Context
from knockbot.product import TIMERS
from knockbot.store import inbox, jobs, messages, requests, timers
from knockbot.store.db import Tx
from knockbot.store.timers import Timer
from knockbot.times import HOUR
from tests.flow.house import GARDEN, House, housed
from tests.flow.world import ANA
from tests.lab import opened


class Bell:
    """A kind of timer that counts, and may fail."""

    def __init__(self, *failures: Exception) -> None:
        self.rung: list[str] = []
        self.failures = list(failures)
        self.rang = asyncio.Event()

    async def rings(self, _: Context, timer: Timer) -> Write[None]:
        if self.failures:
            raise self.failures.pop(0)

        async def write(turn: Turn) -> None:
            assert turn.cause == timer.key
            self.rung.append(timer.about)
            self.rang.set()

        return write


async def planned(house: House, key: str, after: int, about: str = "", kind: str = "bell") -> None:
    async with house.context.turn() as turn:
        await timers.add(turn.tx, Timer(key, kind, about, turn.now + after))
        turn.after(house.context.wakeups.timers.set)


async def due(house: House) -> dict[str, int]:
    async with house.db.tx() as tx:
        rows = await tx.fetch("SELECT key, due_at FROM timers ORDER BY key")
    return {row["key"]: row["due_at"] - house.clock() for row in rows}


# --- once, at its time --------------------------------------------------------------------------------------------


async def test_what_is_due_happens_once_and_the_rest_waits(house: House) -> None:
    bell = Bell()
    at_work = Timers(house.context, {"bell": TimerKind(bell.rings)})
    await planned(house, "late", 5000, "late")
    await planned(house, "soon", 1000, "soon")
    await planned(house, "soon", 0, "planned twice")

    assert (await at_work.run_due(), bell.rung) == (1.0, [])
    house.clock.go_on(1)
    assert (await at_work.run_due(), bell.rung) == (4.0, ["soon"])
    house.clock.go_on(60)
    await at_work.run_due()
    await at_work.run_due()
    assert (bell.rung, await due(house)) == (["soon", "late"], {})


async def test_what_comes_again_and_again_is_planned_by_itself_and_moved(house: House) -> None:
    bell = Bell()
    house.timers = Timers(house.context, {"bell": TimerKind(bell.rings, every=HOUR)})
    for _ in range(3):
        await house.ring()
        await house.ring()
        house.clock.go_on(HOUR / 1000)
    assert bell.rung == [""] * 3
    assert await due(house) == {"bell": 0}


@pytest.mark.parametrize("failure", [Later(foreign("x")), Later(foreign("x"), retry_after=2.0), ValueError("oops")])
async def test_what_fails_is_tried_again_and_stands_in_nobodys_way(house: House, failure: Exception) -> None:
    bell, other = Bell(failure), Bell()
    at_work = Timers(house.context, {"bell": TimerKind(bell.rings), "other": TimerKind(other.rings)})
    await planned(house, "a", 0, "first")
    await planned(house, "b", 0, "second", "other")

    await at_work.run_due()
    assert (bell.rung, other.rung, await due(house)) == ([], ["second"], {"a": AGAIN})
    house.clock.go_on(AGAIN / 1000)
    await at_work.run_due()
    assert (bell.rung, await due(house)) == (["first"], {})


async def test_a_long_wait_that_is_asked_for_is_kept(house: House) -> None:
    bell = Bell(Later(foreign("busy"), retry_after=900.0))
    await planned(house, "a", 0)
    await Timers(house.context, {"bell": TimerKind(bell.rings)}).run_due()

    assert await due(house) == {"a": 900_000}


async def test_what_fails_while_it_is_written_has_written_nothing(house: House) -> None:
    async def rings(_: Context, __: Timer) -> Write[None]:
        async def write(turn: Turn) -> None:
            await timers.add(turn.tx, Timer("half", "bell", "", turn.now))
            raise ValueError("half of it is written")

        return write

    await planned(house, "a", 0)
    await Timers(house.context, {"bell": TimerKind(rings)}).run_due()

    assert await due(house) == {"a": AGAIN}


async def test_what_a_timer_plans_may_be_itself_again(house: House) -> None:
    async def rings(_: Context, timer: Timer) -> Write[None]:
        async def write(turn: Turn) -> None:
            await timers.add(turn.tx, Timer(timer.key, timer.kind, "again", turn.now + 7000))

        return write

    await planned(house, "a", 0)
    await Timers(house.context, {"bell": TimerKind(rings)}).run_due()

    assert await due(house) == {"a": 7000}


@pytest.mark.parametrize("back", [0, 5000])
async def test_one_that_leaves_something_to_do_for_the_same_moment_rings_again_a_minute_later(
    house: House, back: int
) -> None:
    """Else one that is planned by another condition than it acts by would ring without end."""
    rung: list[int] = []

    async def rings(_: Context, timer: Timer) -> Write[None]:
        async def write(turn: Turn) -> None:
            rung.append(turn.now)
            assert len(rung) < 9, "it rings without end"
            await timers.add(turn.tx, Timer(timer.key, timer.kind, timer.about, turn.now - back))

        return write

    await planned(house, "a", 0)
    at_work = Timers(house.context, {"bell": TimerKind(rings)})
    await at_work.run_due()
    assert (len(rung), await due(house)) == (1, {"a": AGAIN})
    house.clock.go_on(AGAIN / 1000)
    await at_work.run_due()
    assert len(rung) == 2


async def test_a_kind_that_only_another_version_knows_is_left_to_it(house: House) -> None:
    await planned(house, "a", 0, kind="tomorrows")
    await house.ring()

    assert "a" in await due(house)


# --- several processes --------------------------------------------------------------------------------------------


async def test_of_two_processes_one_does_it(house: House) -> None:
    """Both look, and the second finds that it is done."""
    bell = Bell()
    kinds = {"bell": TimerKind(bell.rings)}
    await planned(house, "a", 0, "once")
    first, second = Timers(house.context, kinds), Timers(house.context, kinds)
    there = await first._first()
    assert there is not None
    writing = await bell.rings(house.context, there)

    await second.run_due()

    assert await first._end(there, writing) is False
    assert bell.rung == ["once"]


@pytest.fixture
async def shared(ready_postgres_url: str) -> AsyncIterator[House]:
    """A knockbot whose database others can use, too."""
    async with housed(ready_postgres_url) as house:
        yield house


async def test_what_another_process_is_at_is_not_waited_for(shared: House) -> None:
    house, bell = shared, Bell()
    await planned(house, "a", 0, "once")
    other = await opened(house.url)
    try:
        async with other.tx() as tx:
            [row] = await tx.fetch("SELECT due_at FROM timers WHERE key = 'a'")
            assert await timers.hold(tx, Timer("a", "bell", "once", row["due_at"]))
            async with asyncio.timeout(60):
                pause = await Timers(house.context, {"bell": TimerKind(bell.rings)}).run_due()
    finally:
        await other.close()

    assert (pause, bell.rung) == (1.0, [])


async def test_two_that_wait_for_each_other_are_no_mistake_and_it_rings_later(
    shared: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody knocks again just as the request is to expire: one holds the request, and the other one the timer."""
    house = shared
    await house.set_policy("stale_after: 2h")
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    request = await house.request(ANA)
    house.clock.go_on(2 * HOUR / 1000)
    caplog.clear()
    other = await opened(house.url)
    try:
        async with other.tx() as tx:
            await requests.get(tx, request.id)
            ringing = asyncio.create_task(Timers(house.context, TIMERS).run_due())
            await until_it_waits(tx)
            await timers.at_latest(tx, Timer(f"expire:{GARDEN}", "expire", GARDEN, 0))
        await ringing
    finally:
        await other.close()

    assert [record for record in caplog.records if record.exc_info] == []
    assert "another change came at the same moment" in caplog.text
    house.clock.go_on(AGAIN / 1000)
    await house.ring()
    assert (await house.request(ANA)).state is State.EXPIRED


async def until_it_waits(tx: Tx) -> None:
    """Until another transaction waits for this one."""

    async def blocked() -> int:
        return int(await tx.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    await until(blocked, bool, lambda _: "nobody waits for it")


async def test_it_sleeps_until_something_is_due_or_planned(house: House) -> None:
    """And looks no oftener: the clock of this test stands still but for what it is told."""

    class Counting(Timers[Context]):
        looks = 0
        looked = asyncio.Event()

        async def _first(self) -> Timer | None:
            self.looks += 1
            self.looked.set()
            return await super()._first()

    bell = Bell()
    at_work = Counting(house.context, {"bell": TimerKind(bell.rings)})
    await planned(house, "late", 3_600_000)
    working = asyncio.create_task(at_work.run())
    await at_work.looked.wait()
    for _ in range(20):
        await count(house, "timers")  # time enough to look again
    assert at_work.looks == 1
    await planned(house, "now", 0, "now")
    async with asyncio.timeout(60):
        await bell.rang.wait()
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)

    assert (bell.rung, at_work.looks <= 4) == (["now"], True)


# --- what they are for --------------------------------------------------------------------------------------------


async def count(house: House, table: str) -> int:
    async with house.db.tx() as tx:
        return int(await tx.fetchval(f"SELECT count(*) FROM {table}"))


async def test_what_is_kept_for_a_time_is_forgotten_when_that_is_over(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    house.tell("rooms")
    await house.live()
    async with house.db.tx() as tx:
        await jobs.add(tx, [plan.meet(GARDEN, ANA)], house.clock(), due_at=house.clock() + messages.KEPT)
        await tx.execute("UPDATE jobs SET ended_at = $1", house.clock())
        await messages.once(tx, "said", house.clock())
    await house.ring()
    kept = {table: await count(house, table) for table in ("inbox", "jobs", "messages", "occasions")}
    assert min(kept.values()) > 0

    house.clock.go_on((jobs.KEPT - HOUR) / 1000)
    await house.ring()
    assert await count(house, "inbox") == kept["inbox"]
    house.clock.go_on((HOUR + HOUR) / 1000)
    await house.ring()
    assert inbox.KEEP == jobs.KEPT
    assert (await count(house, "inbox"), await count(house, "jobs")) == (0, 0)
    assert await count(house, "occasions") == kept["occasions"]
    house.clock.go_on(messages.KEPT / 1000)
    await house.ring()
    assert await count(house, "occasions") == 0
    async with house.db.tx() as tx:  # the card and what it is about stay
        assert await tx.fetchval("SELECT count(*) FROM messages WHERE prompt_id IS NULL AND request_id IS NULL") == 0
        assert await tx.fetchval("SELECT count(*) FROM messages WHERE prompt_id IS NOT NULL") == 1


def test_every_kind_of_the_product_comes_by_itself_each_hour_but_what_is_planned() -> None:
    assert {name: kind.every for name, kind in TIMERS.items()} == dict.fromkeys(
        (
            "forget_arrivals",
            "forget_ended_jobs",
            "forget_messages",
            "forget_knocks",
            "forget_strangers",
            "forget_approvals",
            "forget_addresses",
            "look_again_at_jobs",
            "leave_unused_rooms",
            "leave_unused_lists",
            "leave_idle_conversations",
            "forget_conversations",
            "forget_wrong_codes",
            "forget_vouches",
        ),
        HOUR,
    ) | dict.fromkeys(
        (
            "asked",
            "batch_lapses",
            "daily",
            "count_votes",
            "end_claim",
            "end_deferral",
            "expire",
            "expire_invites",
            "interview_ends",
            "letter_invited",
            "letter_waiting",
            "list_hits",
            "list_moved",
            "list_visit",
            "run_batch",
            "send_digest",
            "undo_batch",
            "undo_unconfirmed",
            "unreached",
            "quiet_hours_end",
            "remind",
            "wave_ends",
        )
    )
