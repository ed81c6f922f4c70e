"""Part 7: what a policy list of 100,000 entries takes: a look, its memory, and its first reading beside knocks."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import figures
from tests.bench.child import database, protected
from tests.bench.crowd import SERVER, Crowd
from tests.bench.entries import BANS, KINDS, event
from tests.bench.figures import Row, Table, median, quantile
from tests.bench.sizes import Sizes
from tests.documentation import ROOT

GARDEN = f"!garden:{SERVER}"

ANSWER = 2**20
"""Bytes of the longest line that a child answers with."""


async def run(sizes: Sizes) -> list[Table]:
    """A table for looks, one for whole decisions, and one for readings; each on every engine."""
    looks = [row for engine in sizes.engines for row in await _looks(sizes, engine)]
    decisions = [row for engine in sizes.engines for row in await _decisions(sizes, engine)]
    readings = [await _reading(sizes, engine) for engine in sizes.engines]
    return [
        Table("lists", "Asking a policy list (somebody whom it does not name)", looks, [LOOKS]),
        Table("lists", "A whole decision by a policy with rules (somebody whom no list names)", decisions, [DECISIONS]),
        Table("lists", "Reading a policy list beside knocks of another room", readings, [READINGS]),
    ]


LOOKS = (
    "A look asks the database for the version of the list, and memory for the rest. MB: what the process has grown by "
    "when the list was taken into memory."
)
DECISIONS = (
    "From the look for the policy in force until the decision: facts gathered, the list asked, three rules walked. "
    "Some by a policy without a list, some by the same policy with one, in turn; the best of five medians of each. "
    "The policy leaves them to the moderators, so that nobody is asked what its author may do, which would take longer "
    "than all else. MB more: the list in memory, and the policy."
)
TURNS = 5
"""How often the two policies take turns."""

READINGS = (
    "A fake homeserver sends the state of the list's room in one answer, and beside it one knock after the other at "
    "another room, whose policy accepts everybody: from the transaction until the invite. MB: the most before, and by "
    "how much more it was at the end. CPU is that of all that the process did meanwhile, the knocks included."
)


# --- asking -----------------------------------------------------------------------------------------------------


async def _looks(sizes: Sizes, engine: str) -> list[Row]:
    lists = [
        ("none", 0),
        *((kind, sizes.entries if place == 0 else sizes.entries // 2) for place, kind in enumerate(KINDS)),
    ]
    return [await _look(sizes, engine, kind, count) for kind, count in lists]


async def _look(sizes: Sizes, engine: str, kind: str, count: int) -> Row:
    async with _beside(engine) as (_, bot):
        await bot.does("fill", kind if count else next(iter(KINDS)), count)
        said = await bot.does("look", sizes.looks)
    took = said["took"]
    return {
        "engine": engine,
        "entries": count,
        "which": kind,
        "median µs a look": median(took) * 1e6,
        "p95 µs": quantile(took, 0.95) * 1e6,
        "CPU µs": said["cpu"] * 1e6,
        "s to take into memory": said["loading"],
        "MB": said["held"],
    }


# --- deciding ---------------------------------------------------------------------------------------------------


async def _decisions(sizes: Sizes, engine: str) -> list[Row]:
    """By a policy that names a list, and by the same without it: a few by the one, a few by the other, in turn."""
    kind = next(iter(KINDS))
    return [await _decision(sizes, engine, kind, count) for count in (0, sizes.entries)]


async def _decision(sizes: Sizes, engine: str, kind: str, count: int) -> Row:
    said: dict[str, list[Any]] = {"none": [], "list": []}
    async with _beside(engine) as (_, bot):
        await bot.does("fill", kind, count)
        for _ in range(TURNS):
            for named, answers in said.items():
                answers.append(await bot.does("judge", sizes.looks, named))
    took = {named: min(median(one["took"]) for one in answers) * 1e6 for named, answers in said.items()}
    used = {named: min(one["cpu"] for one in answers) * 1e6 for named, answers in said.items()}
    return {
        "engine": engine,
        "entries": count,
        "median µs without a list": took["none"],
        "with one": took["list"],
        "×": took["list"] / took["none"],
        "CPU µs without a list": used["none"],
        "CPU µs with one": used["list"],
        "CPU ×": used["list"] / used["none"],
        "MB more": said["list"][0]["held"],
    }


# --- reading ----------------------------------------------------------------------------------------------------


async def _reading(sizes: Sizes, engine: str) -> Row:
    async with _beside(engine) as (crowd, bot):
        entries = [event(number, *entry) for number, entry in enumerate(KINDS["half of them globs"](sizes.entries))]
        crowd.states[BANS] = body = json.dumps([*crowd.state_of(BANS), *entries]).encode()
        knocks = _knocks(crowd)
        before = [await anext(knocks) for _ in range(sizes.knocks)]
        used = bot.peak
        reading = asyncio.create_task(bot.does("read"))
        meanwhile = []
        while not reading.done():
            meanwhile.append(await anext(knocks))
        said = await reading
        assert said["entries"] == sizes.entries
        return {
            "engine": engine,
            "entries": sizes.entries,
            "MB sent": len(body) / 2**20,
            "s to read": said["took"],
            "CPU s": said["cpu"],
            "knocks meanwhile": len(meanwhile),
            "knock p50 ms before": quantile(before, 0.5) * 1000,
            "p50 ms meanwhile": quantile(meanwhile, 0.5) * 1000,
            "p95 ms before": quantile(before, 0.95) * 1000,
            "p95 ms meanwhile": quantile(meanwhile, 0.95) * 1000,
            "MB before": used,
            "MB more": bot.peak - used,
        }


async def _knocks(crowd: Crowd) -> AsyncIterator[float]:
    """One knock after the other; seconds from handing it over until the invite."""
    for number in itertools.count(1):
        knock = crowd.knock(GARDEN, f"@new{number}:{SERVER}")
        acts, began = len(crowd.acts), time.perf_counter()
        await crowd.push(f"knock-{number}", json.dumps({"events": [knock]}).encode())
        await crowd.answered(acts + 1)
        yield crowd.acts[-1][0] - began


# --- the process ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """A knockbot that does what it is told (`tests/bench/listed.py`)."""

    process: asyncio.subprocess.Process

    @property
    def peak(self) -> float:
        """MB at most so far."""
        return figures.peak_memory(self.process.pid)

    async def does(self, *words: object) -> dict[str, Any]:
        """Have it do something; returns its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write("\t".join(map(str, words)).encode() + b"\n")
        return await self.answer()

    async def answer(self) -> dict[str, Any]:
        """What it says next."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            raise RuntimeError("it has ended")
        found: dict[str, Any] = json.loads(line)
        return found


@asynccontextmanager
async def _beside(engine: str) -> AsyncIterator[tuple[Crowd, Told]]:
    """A fake homeserver, and a knockbot beside it that protects the garden."""
    directory = Path(tempfile.mkdtemp())
    async with database(engine, directory) as url, Crowd() as crowd:
        await protected(url, [GARDEN], f"@mod:{SERVER}")
        config = directory / "knockbot.yaml"
        config.write_text(json.dumps(crowd.config(url)))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.bench.listed", str(config)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=directory,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            limit=ANSWER,
        )
        bot = Told(process)
        try:
            await bot.answer()
            await crowd.looked_at(1)
            yield crowd, bot
        finally:
            assert process.stdin is not None
            process.stdin.close()
            await process.wait()
