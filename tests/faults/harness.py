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
from tests.faults.ledger import Knocked
from tests.faults.stage import Stage, answers, reasons
from tests.faults.wire import Way, Wire
from tests.keeper import Garden

ROUNDS_IN_A_GARDEN = 5
KNOCKS = 6
"""In each round."""

NAMED_BY_THE_LIST = 0.4
"""The share of those who wait whom no moderator answers, but an entry of the policy list names."""


@dataclass
class Tally:
    """What was done, and what was found."""

    rounds: int = 0
    sealed: int = 0
    """Rounds with an encrypted management room."""
    knocks: int = 0
    answers: int = 0
    named: int = 0
    """Entries of a policy list for people who waited."""
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.rounds} rounds ({self.sealed} with an encrypted management room), {self.knocks} knocks, "
            f"{self.answers} answers of moderators, {self.named} list entries for people who waited, "
            f"{self.faults.total()} faults, {len(self.violations)} violations"
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
    """Plays rounds on a stage, and keeps the tally."""

    def __init__(self, stage: Stage, chance: random.Random, tally: Tally, say: Callable[[str], None] = print) -> None:
        self.stage = stage
        self.chance = chance
        self.tally = tally
        self.say = say
        self._garden: Garden | None = None
        self._played = 0
        self._gardens = 0
        self._sealed = False

    async def play(self, name: str) -> bool:
        """A round with this fault in the middle; whether all was well afterwards."""
        stage, chance = self.stage, self.chance
        if self._garden is None or self._played % ROUNDS_IN_A_GARDEN == 0:
            self._sealed = can_encrypt() and self._gardens % 2 == 0
            self._garden = await stage.garden(sealed=self._sealed)
            self._gardens += 1
        self._played += 1
        crowd = await stage.crowd(self._garden, reasons(chance, KNOCKS))
        waiting = [one for one in stage.ledger.everybody if one.due == "visitor" and one.card is not None]
        chosen = chance.sample(waiting, min(2, len(waiting)))
        named = [one for one in chosen if chance.random() < NAMED_BY_THE_LIST]
        clicked = [(one, chance.choice(answers())) for one in chosen if one not in named]
        busy = asyncio.gather(
            stage.knock(crowd, chance.uniform(0, 0.1)), self._click(clicked), *map(stage.name_who_waits, named)
        )
        await asyncio.sleep(chance.uniform(0, 0.8))
        await FAULTS[name](stage, chance)
        await busy
        missing = await stage.settled()
        found = [f"not over: {missing}"] if missing else await stage.ledger.violations()
        if not missing:
            await stage.note_cards()
        self._count(name, len(crowd), len(clicked), len(named), found)
        return not found

    async def _click(self, clicked: list[tuple[Knocked, str]]) -> None:
        for one, emoji in clicked:
            await self.stage.click(one, emoji)

    def _count(self, name: str, knocks: int, clicked: int, named: int, found: list[str]) -> None:
        new = [f"after {name}, round {self._played}: {violation}" for violation in found]
        self.tally.rounds += 1
        self.tally.sealed += self._sealed
        self.tally.knocks += knocks
        self.tally.answers += clicked
        self.tally.named += named
        self.tally.faults[name] += 1
        self.tally.violations += new
        for violation in new:
            self.say(f"  ✗ {violation}")
