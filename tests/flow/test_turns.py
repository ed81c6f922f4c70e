"""A turn: what a handler returns is written with the mark that its arrival is handled, once, or not at all."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from knockbot.domain import plan
from knockbot.domain.model import Message
from knockbot.engine.turn import WAITS, AlreadyHandled, Handled, Turn
from knockbot.flow.context import Context
from knockbot.store import inbox
from tests.flow.house import GARDEN, House
from tests.flow.test_arrivals import Desk, said


@pytest.fixture
def desk(house: House) -> Desk:
    return Desk(house)


async def written(house: House) -> int:
    """How often the tests' handler has written."""
    async with house.db.tx() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM pins"))


async def write_once_more(turn: Turn) -> None:
    """What cannot be written twice without being seen."""
    count = await turn.tx.fetchval("SELECT count(*) FROM pins")
    await turn.tx.execute("INSERT INTO pins (place, name, room_id) VALUES ('x', $1, '!a')", f"#{count}")


# --- handlers -----------------------------------------------------------------------------------------------------


async def test_what_fails_while_it_is_written_is_neither_written_nor_handled(desk: Desk, house: House) -> None:
    failures = [ZeroDivisionError("once")]

    async def handle(_: Context, __: Message) -> Handled:
        async def write(turn: Turn) -> None:
            await write_once_more(turn)
            if failures:
                raise failures.pop()

        return write

    desk.set_to_work(handle)
    await desk.store(said("one"))
    await desk.work()
    assert (await written(house), await house.waiting()) == (0, 1)

    house.clock.go_on(60)
    await desk.work()
    assert (await written(house), await house.waiting()) == (1, 0)


async def test_a_death_between_the_look_and_what_is_written_loses_nothing(desk: Desk, house: House) -> None:
    looked, hold = asyncio.Event(), asyncio.Event()

    async def die(_: Context, __: Message) -> Handled:
        looked.set()
        await hold.wait()
        return write_once_more

    async def handle(_: Context, __: Message) -> Handled:
        return write_once_more

    desk.set_to_work(die)
    await desk.store(said("one"))
    await desk.at_work._start_rooms()
    await looked.wait()
    await desk.at_work.drain(10)
    assert (await written(house), await house.waiting()) == (0, 1)

    desk.set_to_work(handle)
    await desk.work()
    assert (await written(house), await house.waiting()) == (1, 0)


async def test_what_is_nothing_to_write_is_handled(desk: Desk, house: House) -> None:
    async def handle(_: Context, __: Message) -> Handled:
        return None

    desk.set_to_work(handle)
    await desk.store(said("one"))
    await desk.work()
    assert await house.waiting() == 0


async def test_what_waits_stays_and_holds_nothing_up(desk: Desk, house: House) -> None:
    until = house.clock() + 60_000

    async def handle(context: Context, message: Message) -> Handled:
        if message.body == "early" and context.now() < until:
            async with context.db.tx() as tx:
                assert await inbox.let_wait(tx, message.event_id, until)
            return WAITS
        return await desk.handle(context, message)

    desk.set_to_work(handle)
    await desk.store(said("early"), said("after"))
    await desk.work()
    assert desk.handled == ["after"]

    house.clock.go_on(61)
    await desk.work()
    assert desk.handled == ["after", "early"]


async def test_a_turn_knows_which_event_it_is_about(desk: Desk) -> None:
    causes = []

    async def handle(_: Context, __: Message) -> Handled:
        async def write(turn: Turn) -> None:
            causes.append((turn.cause, turn.now))

        return write

    desk.set_to_work(handle)
    one = said("one")
    await desk.store(one)
    await desk.work()
    assert causes == [(one.event_id, desk.house.clock())]


async def test_what_somebody_else_has_handled_is_not_written(desk: Desk, house: House) -> None:
    await desk.store(said("one"))
    async with house.db.tx() as tx:
        [waiting] = await inbox.waiting(tx, GARDEN)
    await house.context.turns.end(waiting.seq, waiting.event_id, write_once_more)
    for again in (write_once_more, None):
        with pytest.raises(AlreadyHandled):
            await house.context.turns.end(waiting.seq, waiting.event_id, again)
    assert await written(house) == 1


# --- what a look finds --------------------------------------------------------------------------------------------


async def test_what_a_look_finds_is_handled_once_whoever_is_first(desk: Desk, house: House) -> None:
    turns = house.context.turns
    await turns.found("$seen", write_once_more, taken_in=GARDEN)
    await turns.found("$seen", write_once_more, taken_in=GARDEN)
    assert await written(house) == 1

    await desk.store(said("one"))
    async with house.db.tx() as tx:
        [waiting] = await inbox.waiting(tx, GARDEN)
    await turns.found(waiting.event_id, write_once_more, taken_in=GARDEN)
    assert (await written(house), await house.waiting()) == (1, 1)  # it is handled where it came in


async def test_what_may_be_found_again_is_not_marked(house: House) -> None:
    await house.context.turns.found("$seen", write_once_more)
    async with house.db.tx() as tx:
        assert not await inbox.is_known(tx, "$seen")
    assert await written(house) == 1


@pytest.mark.parametrize("handled", [None, WAITS])
async def test_a_look_that_finds_nothing_to_write_marks_nothing(house: House, handled: Handled) -> None:
    await house.context.turns.found("$seen", handled, taken_in=GARDEN)
    async with house.db.tx() as tx:
        assert not await inbox.is_known(tx, "$seen")


# --- what follows -------------------------------------------------------------------------------------------------


async def test_who_has_work_is_woken_once_it_is_committed(house: House) -> None:
    house.context.wakeups.jobs.clear()
    async with house.context.turn() as turn:
        await turn.plan(plan.tick(GARDEN, "$one"), plan.tick(GARDEN, "$one"))
        assert not house.context.wakeups.jobs.is_set()
    assert house.context.wakeups.jobs.is_set()
    assert await house.jobs() == {"tick:$one": "due"}


async def test_a_look_that_follows_of_a_change_begins_when_that_is_committed(house: House) -> None:
    async with house.context.turn() as turn:
        turn.after(partial(house.context.look_at, "!new:b"))
        assert "!new:b" not in house.context.wakeups.unchecked
    assert "!new:b" in house.context.wakeups.unchecked


async def test_a_change_that_fails_is_not_looked_at(house: House) -> None:
    async def failing() -> None:
        async with house.context.turn() as turn:
            turn.after(partial(house.context.look_at, "!new:b"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await failing()
    assert "!new:b" not in house.context.wakeups.unchecked
