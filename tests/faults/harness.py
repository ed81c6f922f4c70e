"""The harness: a fault in the middle of each round of knocks and answers, and afterwards nothing may be amiss."""

from __future__ import annotations

import asyncio
import random
import resource
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import asyncpg

from knockbot.config.settings import can_encrypt
from knockbot.demo.people import MatrixRefused
from tests.faults import plays
from tests.faults.ledger import Door, Knocked
from tests.faults.plays import Scene
from tests.faults.stage import Stage, reasons
from tests.faults.wire import Way, Wire

ROUNDS_AT_A_DOOR = 5
FIRST, THEN = 5, 3
"""Who knocks in each round: at its beginning, and later."""

LOOKS = 3
"""How often it is looked at what came of a round, if something begins while that is done."""

SMALL_ONES = 4
"""Small plays in each round, at most."""


@dataclass
class Tally:
    """What was done, and what was found."""

    rounds: int = 0
    sealed: int = 0
    """Rounds with an encrypted management room."""
    knocks: int = 0
    played: Counter[str] = field(default_factory=Counter)
    """What moderators did, by its name in the tables of `plays`."""
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds ({self.sealed} with an encrypted management room), {self.knocks} knocks, "
            f"{self.played.total()} plays of moderators, {self.faults.total()} faults, "
            f"{len(self.violations)} violations"
        )


Fault = Callable[[Stage, random.Random], Awaitable[None]]
"""Does harm, waits for a while, and mends it."""


# --- the faults ---------------------------------------------------------------------------------------------------


async def knockbot_killed(stage: Stage, chance: random.Random) -> None:
    """SIGKILL, at whatever it was doing, and started again."""
    bot = chance.choice(stage.bots)
    bot.kill()
    if stage.postgres is not None and len(stage.bots) == 1:
        await _bury(stage)
    await bot.start()


async def _bury(stage: Stage) -> None:
    """Have the dead known to be dead now: else every round would take 20 seconds."""
    connection = await asyncpg.connect(stage.url)
    await connection.execute("UPDATE processes SET seen_at = 0")
    await connection.close()


async def knockbot_frozen(stage: Stage, chance: random.Random) -> None:
    """SIGSTOP, as when a machine is suspended, and SIGCONT."""
    process = chance.choice(stage.bots)._running
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(chance.uniform(0.5, 3))
    process.send_signal(signal.SIGCONT)


async def homeserver_restarted(stage: Stage, _: random.Random) -> None:
    """Stopped in good order and started: it forgets transaction ids, and what it was about to deliver."""
    await stage.homeserver.restart()


async def homeserver_killed(stage: Stage, chance: random.Random) -> None:
    """SIGKILL, perhaps in the middle of a delivery."""
    stage.homeserver.kill()
    await asyncio.sleep(chance.uniform(0, 1))
    await stage.homeserver.start()


async def connections_terminated(stage: Stage, chance: random.Random) -> None:
    """PostgreSQL ends every connection, several times."""
    for _ in range(3):
        connection = await asyncpg.connect(stage.url)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await connection.close()
        await asyncio.sleep(chance.uniform(0, 0.3))


async def database_restarted(stage: Stage, chance: random.Random) -> None:
    """PostgreSQL stops at once, without a word to those it serves, and starts again."""
    assert stage.postgres is not None
    await stage.postgres.stop()
    await asyncio.sleep(chance.uniform(0, 1))
    await stage.postgres.start()


FULL = """
CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE ON {table} EXECUTE FUNCTION full_disk();
"""
TABLES_THAT_GROW = ("inbox", "requests", "jobs", "audit")


async def disk_full(stage: Stage, chance: random.Random) -> None:
    """No write succeeds for a while: PostgreSQL says so, and for SQLite no file may grow."""
    pause = chance.uniform(0.5, 2.5)
    if stage.postgres is None:
        pid = stage.bots[0]._running.pid
        soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (chance.choice([1, 8192, 65536]), hard))
        await asyncio.sleep(pause)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))
        return
    connection = await asyncpg.connect(stage.url)
    tables = chance.sample(TABLES_THAT_GROW, 2)
    for table in tables:
        await connection.execute(FULL.format(table=table))
    await asyncio.sleep(pause)
    for table in tables:
        await connection.execute(f"DROP TRIGGER full_disk ON {table}")
    await connection.close()


async def _cut(wire: Callable[[Stage], Wire], way: Way | None, stage: Stage, chance: random.Random) -> None:
    cut = wire(stage)
    pause = LATER_THAN_ANYBODY_WAITS if way is Way.LATE else chance.uniform(0.5, 3)
    if way is None:
        await cut.deaf()
        await asyncio.sleep(pause)
        await cut.listen()
        return
    cut.go(way)
    await asyncio.sleep(pause)
    cut.go(Way.OPEN)


LATER_THAN_ANYBODY_WAITS = 22.0
"""Seconds: knockbot waits 20 for an answer (`READ` in matrix/homeserver.py)."""


def _wires() -> dict[str, Fault]:
    found: dict[str, Fault] = {}
    for name, wire in (("to the homeserver", _to_homeserver), ("to knockbot", _to_bots)):
        found[f"refused on the way {name}"] = partial(_cut, wire, None)
        for way in Way:
            if way is not Way.OPEN and not (way is Way.LATE and wire is _to_bots):
                found[f"{way} on the way {name}"] = partial(_cut, wire, way)
    return found


def _to_homeserver(stage: Stage) -> Wire:
    return stage.to_homeserver


def _to_bots(stage: Stage) -> Wire:
    return stage.to_bots


FAULTS: Mapping[str, Fault] = {
    "knockbot killed": knockbot_killed,
    "knockbot frozen": knockbot_frozen,
    "homeserver restarted": homeserver_restarted,
    "homeserver killed": homeserver_killed,
    "connections terminated": connections_terminated,
    "database restarted": database_restarted,
    "disk full": disk_full,
    **_wires(),
}

ON_POSTGRES = frozenset({"connections terminated", "database restarted"})


# --- rounds -------------------------------------------------------------------------------------------------------


class Harness:
    """Plays rounds on a stage, and keeps the tally; those with `few_plays` are short."""

    def __init__(
        self,
        stage: Stage,
        chance: random.Random,
        tally: Tally,
        say: Callable[[str], None] = print,
        *,
        few_plays: bool = False,
    ) -> None:
        self.few_plays = few_plays
        self.stage = stage
        self.chance = chance
        self.tally = tally
        self.say = say
        self._door: Door | None = None
        self._played = 0

    async def play(self, name: str) -> bool:
        """A round with this fault in the middle; whether all was well afterwards."""
        stage, chance = self.stage, self.chance
        door = await self._its_door()
        large = "nothing large" if self.few_plays else chance.choice(plays.fitting(door))
        small = list(plays.FEW) if self.few_plays else plays.chosen(door, large, chance, SMALL_ONES)
        scene = await self._scene(door)
        busy = asyncio.gather(
            plays.LARGE[large](scene),
            *(plays.ALL[one](scene) for one in small),
            stage.knock(door, scene.first, chance.uniform(0, 0.1)),
        )
        await asyncio.sleep(chance.uniform(0, 2 if large.startswith("batch") else 0.8))
        await FAULTS[name](stage, chance)
        found = await self._amiss(busy)
        if not found:
            await stage.ledger.settle()
        self._count(name, [large, *small], scene, found)
        return not found

    async def _amiss(self, busy: Awaitable[object]) -> list[str]:
        """What must not be so once people have done what they do, and all is quiet."""
        try:
            await busy
        except (AssertionError, MatrixRefused) as error:
            return [f"somebody could not do their part: {error}"]
        found: list[str] = []
        for _ in range(LOOKS):
            missing = await self.stage.settled()
            found = [f"not over: {missing}"] if missing else await self.stage.ledger.violations()
            if not found or missing or not await self.stage.ledger.what_is_missing():
                break  # else something began while it was looked at
        return found

    async def _its_door(self) -> Door:
        """Each fifth round is at a new door; of the doors some have encrypted management rooms, some waves, and some
        votes, letters, reminders and quiet hours."""
        if self._door is None or self._played % ROUNDS_AT_A_DOOR == 0:
            place = self._played // ROUNDS_AT_A_DOOR
            sealed, timed = can_encrypt() and place % 2 == 0, place % 3 == 1
            self._door = await self.stage.door(sealed=sealed, busy=place % 3 == 0, timed=timed)
            self._door_is_sealed = can_encrypt() and place % 2 == 0
        self._played += 1
        return self._door

    async def _scene(self, door: Door) -> Scene:
        stage, chance = self.stage, self.chance
        here = stage.ledger.at(door)
        waiting = [one for one in here if one.waits]
        settled = [one for one in here if not one.waits and can_be_undone(one)]
        chance.shuffle(waiting)
        chance.shuffle(settled)
        rows = await stage.ledger.records()
        first, then = [await stage.crowd(door, reasons(chance, count)) for count in (FIRST, THEN)]
        return Scene(stage, door, chance, rows, waiting, settled, first, then)

    def _count(self, name: str, played: list[str], scene: Scene, found: list[str]) -> None:
        new = [f"after {name}, round {self._played} ({', '.join(played)}): {violation}" for violation in found]
        tally = self.tally
        tally.rounds += 1
        tally.sealed += self._door_is_sealed
        tally.knocks += len(scene.first) + len(scene.then)
        tally.played.update(played)
        tally.faults[name] += 1
        tally.violations += new
        for violation in new:
            self.say(f"  ✗ {violation}")


def can_be_undone(one: Knocked) -> bool:
    """Whether an outcome can be undone, and nobody has yet; who is on the policy list is banned for good."""
    return one.reason != "listed friend" and one.course is not None and not {"undone"} & {*one.course.told}
