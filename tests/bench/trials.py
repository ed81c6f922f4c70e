"""Part 8: what `policy try` takes with 10,000 recorded decisions, and how long it holds up anything else."""

from __future__ import annotations

import asyncio
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from knockbot.config.policies import read_policy
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Facts, History, Kind, Knock, Known, Past, State, Truth, Where
from knockbot.domain.policy import decide
from knockbot.features.replay import trying
from knockbot.flow.changes import Change
from knockbot.store import judgements, requests, rooms
from tests.bench.child import database
from tests.bench.figures import Row, Table
from tests.bench.sizes import Sizes
from tests.flow.house import GARDEN, MODS, House, new_world
from tests.flow.world import ALICE, BOT

CLUB = "!club:tulip.example"
THEN = f"""
rules:
  - {{when: {{rejected_before: {{times: 2}}}}, then: reject}}
  - {{when: {{member_of: "{CLUB}"}}, then: accept}}
"""
NOW = f"""
rules:
  - {{when: {{server: ["*.spam.example", "far.example"]}}, then: ban}}
  - {{when: {{member_of: "{CLUB}"}}, then: accept}}
  - {{when: {{reason_matches: "(?i)\\\\b(student|staff|friend of \\\\w+)\\\\b"}}, then: accept}}
  - {{when: {{not: {{reason_length_at_least: 10}}}}, then: reject}}
"""
REASONS = ("", "hello", "I am a student of botany, and would like to see the roses", "a friend of Bob", "x" * 400)


async def run(sizes: Sizes) -> list[Table]:
    """A row for each engine."""
    rows = [await _row(sizes, engine) for engine in sizes.engines]
    return [Table("trials", f"A policy is tried on {sizes.decisions:,} decisions", rows, [NOTE])]


NOTE = (
    "From the command until its result, in one process with nothing else to do. Longest turn: how much CPU the event "
    "loop used at most before another task, which wants to run every millisecond, came to its turn: nothing is held up "
    "for longer. CPU is that of the whole process."
)


async def _row(sizes: Sizes, engine: str) -> Row:
    with tempfile.TemporaryDirectory() as directory:
        async with database(engine, Path(directory)) as url:
            return await _beside(url, sizes, engine)


async def _beside(url: str, sizes: Sizes, engine: str) -> Row:
    world = new_world()
    world.room(CLUB, "Club", ALICE, BOT, join_rule="invite")
    house = await House(url, world).open()
    try:
        await house.protect()
        await _fill(house, sizes.decisions)
        return await _tried(house, engine)
    finally:
        await house.close()


async def _fill(house: House, count: int) -> None:
    policy = read_policy(THEN)
    await house.set_policy(THEN)
    async with house.db.tx() as tx:
        for number in range(count):
            server = ("tulip.example", "far.example", "a.spam.example", "rose.example")[number % 4]
            knock = Knock(GARDEN, f"@user{number}:{server}", f"$knock{number}", REASONS[number % len(REASONS)], "Ana")
            past = tuple(Past(State.REJECTED, 1000 * day) for day in range(number % 5))
            facts = Facts(
                "tulip.example",
                member_of={CLUB: Known(Truth.TRUE if number % 3 == 0 else Truth.FALSE)},
                history={Where.HERE: History(past)},
                measure=knock.measure,
            )
            request = await requests.open_knock(tx, MODS, knock, house.clock())
            decided = decide(knock, facts, policy)
            judgement = Judgement(Kind.KNOCK, GARDEN, knock.event_id, 1, facts, replace(decided, author=ALICE))
            await judgements.add(tx, request.id, judgement, house.clock() - number)


async def _tried(house: House, engine: str) -> Row:
    async with house.db.tx() as tx:
        room = await rooms.find(tx, GARDEN)
    assert room is not None
    beat = asyncio.create_task(_longest_turn())
    await asyncio.sleep(0)
    began, cpu = time.perf_counter(), time.process_time()
    trial = await trying.tried(house.context, Change(room, ALICE, NOW, "$try"), 10**10)
    took, used = time.perf_counter() - began, time.process_time() - cpu
    assert trial is not None
    beat.cancel()
    (turn,) = await asyncio.gather(beat)
    return {
        "engine": engine,
        "decisions": trial.judged,
        "differ": trial.differ,
        "unknown": trial.unknown,
        "seconds": took,
        "CPU s": used,
        "longest turn ms": turn * 1000,
    }


async def _longest_turn() -> float:
    """The most CPU seconds of the event loop between two turns of this task, which wants one every millisecond."""
    longest, last = 0.0, time.thread_time()
    try:
        while True:
            await asyncio.sleep(0.001)
            longest, last = max(longest, time.thread_time() - last), time.thread_time()
    except asyncio.CancelledError:
        return longest
