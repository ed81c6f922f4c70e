"""The inbox at work: the events of a room in order, rooms side by side, and one bad event stops no other."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import pytest

from knockbot.demo.people import until
from knockbot.domain.model import Message
from knockbot.domain.reasons import foreign
from knockbot.engine.inbox import ATTEMPTS, ROOMS_AT_ONCE, Inbox
from knockbot.engine.turn import Handled, Turn
from knockbot.errors import KnockbotError, Later, Never
from knockbot.features.encryption import sealed
from knockbot.flow.context import Context
from knockbot.flow.keys import Keys
from knockbot.flow.reading import Reader
from knockbot.store import inbox, processes
from knockbot.store.db import Database
from knockbot.store.inbox import Arrival
from tests.flow.house import GARDEN, House, housed

pytestmark = pytest.mark.usefixtures("tidy")

Handle = Callable[[Context, Message], Awaitable[Handled]]
Look = Callable[[Context, str], Awaitable[None]]


class Desk:
    """An inbox at work with a handler of the test's own, and what came over it, in order."""

    def __init__(self, house: House, context: Context | None = None) -> None:
        self.house = house
        self.context = context or house.context
        self.handled: list[str] = []
        self.looked: list[str] = []
        self.trouble: dict[str, list[Exception]] = {}
        self.set_to_work(self.handle)

    def set_to_work(self, handle: Handle, look: Look | None = None, keys: Keys | None = None) -> None:
        """Have it work with other parts than its own."""
        reader = Reader(self.context, parse, sealed.read, keys)
        self.at_work = Inbox(self.context, reader, {Message: handle}, look or self.look)

    async def store(self, *arrivals: Arrival) -> None:
        """These came in."""
        async with self.context.db.tx() as tx:
            await inbox.store(tx, arrivals, self.context.now())

    async def handle(self, _: Context, said: Message) -> Handled:
        """Note what was said."""
        self._may_fail(said.body)

        async def write(_: Turn) -> None:
            self.handled.append(said.body)

        return write

    async def look(self, _: Context, room_id: str) -> None:
        """Note which room was looked at."""
        self._may_fail(room_id)
        self.looked.append(room_id)

    def _may_fail(self, name: str) -> None:
        waiting = self.trouble.get(name)
        if waiting:
            raise waiting.pop(0)

    async def work(self) -> None:
        """Until nothing can be done for now."""
        while True:
            await self.at_work._start_rooms()
            if not self.at_work._busy:
                return
            await asyncio.gather(*self.at_work._busy.values())


def parse(event: Mapping[str, Any], _: str) -> Message | None:
    """Reads what `said` wrote."""
    if event.get("poison"):
        raise KnockbotError("poison")
    if "body" not in event:
        return None
    return Message(event["room"], event["id"], "@a:b", 0, event["body"])


def said(body: str, room_id: str = GARDEN) -> Arrival:
    return Arrival(f"${room_id}{body}", room_id, json.dumps({"room": room_id, "id": f"${room_id}{body}", "body": body}))


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house)


# --- order --------------------------------------------------------------------------------------------------------


async def test_the_events_of_a_room_are_handled_in_the_order_they_came_in(desk: Desk) -> None:
    bodies = [f"{number:03}" for number in range(250)]
    await desk.store(*map(said, bodies))
    await desk.work()

    assert desk.handled == bodies
    assert await desk.house.waiting() == 0


async def test_rooms_go_on_beside_one_that_hangs(desk: Desk) -> None:
    hold = asyncio.Event()

    async def handle(context: Context, message: Message) -> Handled:
        if message.body == "hang":
            await hold.wait()
        return await desk.handle(context, message)

    desk.set_to_work(handle)
    await desk.store(said("hang", "!slow"), said("after", "!slow"), said("one", "!quick"), said("two", "!quick"))
    await desk.at_work._start_rooms()
    await until(lambda: _value(desk.handled), lambda found: found == ["one", "two"], str)
    hold.set()
    await desk.work()

    assert desk.handled == ["one", "two", "hang", "after"]


async def _value(found: list[str]) -> list[str]:
    return list(found)


async def test_a_limited_number_of_rooms_is_dealt_with_at_once(desk: Desk) -> None:
    inside = most = 0

    async def handle(context: Context, message: Message) -> Handled:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        return await desk.handle(context, message)

    desk.set_to_work(handle)
    await desk.store(*(said("x", f"!{number}") for number in range(3 * ROOMS_AT_ONCE)))
    await desk.work()

    assert len(desk.handled) == 3 * ROOMS_AT_ONCE
    assert most <= ROOMS_AT_ONCE


async def test_what_comes_in_while_a_room_is_dealt_with_is_handled_after(desk: Desk) -> None:
    async def handle(context: Context, message: Message) -> Handled:
        if message.body == "one":
            await desk.store(said("two"))
        return await desk.handle(context, message)

    desk.set_to_work(handle)
    await desk.store(said("one"))
    await desk.work()

    assert desk.handled == ["one", "two"]


# --- what cannot be handled ---------------------------------------------------------------------------------------

POISON = (
    Arrival("$poison", GARDEN, json.dumps({"poison": True})),
    Arrival("$list", GARDEN, "[1, 2]"),
    Arrival("$number", GARDEN, "5"),
    Arrival("$no json", GARDEN, "{"),
    Arrival("$deep", GARDEN, "[" * 100_000),
)


async def test_poison_is_set_aside_at_once_and_the_rest_is_handled(desk: Desk) -> None:
    await desk.store(said("before"), *POISON, said("after"))
    await desk.work()

    assert desk.handled == ["before", "after"]
    assert len(await desk.house.set_aside()) == len(POISON)


async def test_what_concerns_nobody_is_done_with(desk: Desk) -> None:
    await desk.store(Arrival("$nothing", GARDEN, "{}"))
    await desk.work()

    assert await desk.house.waiting() == 0
    assert await desk.house.set_aside() == []


@pytest.mark.parametrize("error", [ValueError("what"), ValueError(), RuntimeError("nul \x00 and \ud800")], ids=repr)
async def test_what_fails_again_and_again_is_set_aside_in_the_end_and_the_rest_is_handled(
    desk: Desk, error: Exception
) -> None:
    desk.trouble["bad"] = [type(error)(*error.args) for _ in range(ATTEMPTS)]
    await desk.store(said("bad"), said("good"))
    for _ in range(ATTEMPTS):
        assert desk.handled == []
        await desk.work()
        desk.house.clock.go_on(120)

    assert desk.handled == ["good"]
    assert len(await desk.house.set_aside()) == 1


async def test_what_fails_a_few_times_is_handled_in_its_turn(desk: Desk) -> None:
    desk.trouble["bad"] = [ValueError("what"), Later(foreign("busy")), ValueError("what")]
    await desk.store(said("bad"), said("good"))
    for _ in range(4):
        await desk.work()
        desk.house.clock.go_on(120)

    assert desk.handled == ["bad", "good"]
    assert await desk.house.set_aside() == []


async def test_a_clear_no_sets_the_event_aside(desk: Desk) -> None:
    desk.trouble["bad"] = [Never(foreign("no"))]
    await desk.store(said("bad"), said("good"))
    await desk.work()

    assert desk.handled == ["good"]
    assert await desk.house.set_aside() == ["no"]


async def test_a_room_whose_event_has_to_wait_rests_and_no_other(desk: Desk) -> None:
    desk.trouble["busy"] = [Later(foreign("busy"), retry_after=50)]
    await desk.store(said("busy"), said("after"), said("x", "!other"))
    await desk.work()
    assert desk.handled == ["x"]
    desk.house.clock.go_on(49)
    await desk.work()
    assert desk.handled == ["x"]
    desk.house.clock.go_on(1)
    await desk.work()
    assert desk.handled == ["x", "busy", "after"]


async def test_a_silent_homeserver_is_no_fault_of_the_event(desk: Desk) -> None:
    """However long it is silent: nothing is set aside for that."""
    desk.trouble["x"] = [Later(foreign("silent"), unreachable=True) for _ in range(5 * ATTEMPTS)]
    await desk.store(said("x"))
    for _ in range(5 * ATTEMPTS + 1):
        await desk.work()
        desk.house.clock.go_on(120)

    assert desk.handled == ["x"]


# --- looks --------------------------------------------------------------------------------------------------------


async def test_a_room_is_looked_at_in_its_own_turn_before_its_events(desk: Desk) -> None:
    order: list[str] = []

    async def look(_: Context, room_id: str) -> None:
        order.append(room_id)

    async def handle(context: Context, message: Message) -> Handled:
        order.append(message.body)
        return await desk.handle(context, message)

    desk.set_to_work(handle, look)
    await desk.store(said("one"))
    desk.context.look_at(GARDEN)
    desk.context.look_at("!other")
    await desk.work()

    assert [one for one in order if one != "!other"] == [GARDEN, "one"]
    assert "!other" in order


@pytest.mark.parametrize("kind", [Later, ConnectionError])
async def test_a_look_that_fails_is_made_again(desk: Desk, kind: type[Exception]) -> None:
    desk.trouble[GARDEN] = [kind(foreign("away")) for _ in range(3)]
    desk.context.look_at(GARDEN)
    for _ in range(4):
        await desk.work()
        desk.house.clock.go_on(120)

    assert desk.looked == [GARDEN]


@pytest.mark.parametrize("kind", [Later, ValueError])
async def test_a_look_that_fails_again_and_again_does_not_hold_up_the_rooms_events(
    desk: Desk, kind: type[Exception]
) -> None:
    desk.trouble[GARDEN] = [kind(foreign("what")) for _ in range(100)]
    desk.context.look_at(GARDEN)
    await desk.store(said("one"))
    for _ in range(ATTEMPTS):
        await desk.work()
        desk.house.clock.go_on(120)

    assert desk.handled == ["one"]
    desk.trouble.clear()
    desk.context.look_at(GARDEN)
    await desk.work()
    assert desk.looked == [GARDEN]


async def test_a_room_is_looked_at_however_long_the_homeserver_was_silent(desk: Desk) -> None:
    desk.trouble[GARDEN] = [Later(foreign("silent"), unreachable=True) for _ in range(5 * ATTEMPTS)]
    desk.context.look_at(GARDEN)
    for _ in range(5 * ATTEMPTS + 1):
        await desk.work()
        desk.house.clock.go_on(120)

    assert desk.looked == [GARDEN]


async def test_a_look_that_cannot_be_made_does_not_hold_up_the_rooms_events(desk: Desk) -> None:
    desk.trouble[GARDEN] = [Never(foreign("no"))]
    desk.context.look_at(GARDEN)
    await desk.store(said("one"))
    await desk.work()

    assert desk.handled == ["one"]


async def test_a_room_that_is_to_be_looked_at_twice_at_once_is_looked_at_once(desk: Desk) -> None:
    desk.context.look_at(GARDEN)
    desk.context.look_at(GARDEN)
    await desk.work()

    assert desk.looked == [GARDEN]


# --- the loop -----------------------------------------------------------------------------------------------------


async def test_the_loop_takes_up_what_comes_in_while_it_waits(desk: Desk) -> None:
    loop = asyncio.create_task(desk.at_work.run())
    try:
        await desk.store(said("one"))
        desk.context.wakeups.arrivals.set()
        await until(lambda: _value(desk.handled), lambda found: found == ["one"], str)
        await desk.store(said("two"))  # as another process would, which cannot ring here
        await until(lambda: _value(desk.handled), lambda found: found == ["one", "two"], str)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def test_an_event_that_is_being_handled_at_the_end_is_handled_whole_or_waits(desk: Desk) -> None:
    begun = asyncio.Event()

    async def handle(_: Context, message: Message) -> Handled:
        async def write(turn: Turn) -> None:
            await turn.tx.execute("INSERT INTO pins (place, name, room_id) VALUES ('x', '#a', '!a')")
            begun.set()
            await asyncio.sleep(0)
            desk.handled.append(message.body)

        return write

    desk.set_to_work(handle)
    await desk.store(said("one"))
    await desk.at_work._start_rooms()
    await begun.wait()
    await desk.at_work.drain(10)

    async with desk.context.db.tx() as tx:
        written = await tx.fetchval("SELECT count(*) FROM pins")
    assert (written, await desk.house.waiting()) in ((1, 0), (0, 1))


# --- processes ----------------------------------------------------------------------------------------------------


@pytest.fixture
async def shared(ready_postgres_url: str) -> AsyncIterator[House]:
    """A knockbot that shares its database."""
    async with housed(ready_postgres_url) as house:
        yield house


@pytest.fixture
async def desks(shared: House) -> AsyncIterator[tuple[Desk, Desk]]:
    """Two processes at work on the same inbox."""
    db = await Database.open(shared.url)
    one = Desk(shared)
    other = Desk(shared, shared.new_context(db))
    for desk in (one, other):
        async with desk.context.db.tx() as tx:
            await processes.beat(tx, desk.context.db.process, shared.clock())
    yield one, other
    await db.close()


async def test_processes_handle_each_event_once_and_each_room_in_order(desks: tuple[Desk, Desk]) -> None:
    one, other = desks
    one.handled = other.handled
    await one.store(*(said(f"{room}.{n}", f"!{room}") for n in range(6) for room in range(5)))

    async def work_until_done(desk: Desk) -> None:
        async with asyncio.timeout(60):
            while await _waiting(desk):
                await desk.work()
                desk.house.clock.go_on(1)

    await asyncio.gather(*map(work_until_done, desks))
    assert len(one.handled) == 30
    for room in range(5):
        assert [body for body in one.handled if body.startswith(f"{room}.")] == [f"{room}.{n}" for n in range(6)]


async def _waiting(desk: Desk) -> bool:
    async with desk.context.db.tx() as tx:
        return bool(await inbox.queues_waiting(tx))


async def test_a_room_that_another_process_deals_with_is_left_to_it_and_not_asked_for_all_the_time(
    desks: tuple[Desk, Desk],
) -> None:
    one, other = desks
    await one.store(said("one"))
    assert await processes.lease(one.context.db, f"room {GARDEN}")
    asked = 0

    async def count() -> None:
        nonlocal asked
        asked += 1

    real = other.at_work._start_rooms

    async def counted() -> None:
        await count()
        await real()

    other.at_work._start_rooms = counted  # type: ignore[method-assign]  # a stand-in
    loop = asyncio.create_task(other.at_work.run())
    await until(lambda: _number(asked), bool, str)
    for _ in range(200):
        await processes.lease(one.context.db, f"room {GARDEN}")
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)

    assert other.handled == []
    assert asked < 20
    await processes.release(one.context.db, f"room {GARDEN}")
    other.house.clock.go_on(2)
    await other.work()
    assert other.handled == ["one"]


async def _number(number: int) -> int:
    return number


async def test_what_another_process_was_quicker_with_is_dropped_whole(desks: tuple[Desk, Desk]) -> None:
    """A process that stood still lost its lease; its work must not be done beside the other's."""
    one, other = desks

    async def stand_still(context: Context, message: Message) -> Handled:
        handled = await other.handle(other.context, message)
        async with other.context.db.tx() as tx:
            next_one, *_ = await inbox.waiting(tx, message.room_id)
        await other.context.turns.end(next_one.seq, message.event_id, handled)

        async def write(turn: Turn) -> None:
            await turn.tx.execute("INSERT INTO pins (place, name, room_id) VALUES ('x', '#a', '!a')")

        return write

    one.set_to_work(stand_still)
    await one.store(said("one"), said("two"))
    await one.work()

    assert other.handled == ["one", "two"]
    async with one.context.db.tx() as tx:
        assert await tx.fetchval("SELECT count(*) FROM pins") == 0
    assert await one.house.set_aside() == []
