"""Part 1: from a knock to the moment a moderator sees the answer, knock by knock."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.bench.figures import Row, Table, median, quantile
from tests.bench.sizes import Sizes
from tests.bench.stage import Stage, stage

SETTLE = 0.05
"""Seconds between two knocks, so that what one contestant still does is not in the next one's way."""


async def run(sizes: Sizes) -> list[Table]:
    """A table for each engine, of Synapse and knockbot alike."""
    tables = []
    for engine in sizes.engines:
        async with stage(Path(tempfile.mkdtemp()), engine, before=sizes.before) as played:
            rows = await _alternating(played, sizes.knocks)
        tables.append(Table("knocks", f"Knock to answer, Synapse and knockbot on {engine}", rows))
    return tables


async def _alternating(played: Stage, count: int) -> list[Row]:
    """All take turns, and each comes after each of the others as often."""
    took: dict[str, list[float]] = {contestant.name: [] for contestant in played.contestants}
    used = dict.fromkeys(took, 0.0)
    for turn in range(count):
        guests = await played.guests(len(played.contestants))
        start = turn % len(guests)
        order = played.contestants[start:] + played.contestants[:start]
        for contestant, guest in zip(order if turn % 2 else order[::-1], guests, strict=True):
            before = contestant.process.cpu  # not that of its idle hours, while others have their turn
            took[contestant.name].append(await played.knock(guest, contestant.room))
            await asyncio.sleep(SETTLE)
            used[contestant.name] += contestant.process.cpu - before
    bare = took["bare"]
    return [
        {
            "": contestant.name,
            "knocks": count,
            "median ms": median(took[contestant.name]) * 1000,
            "p95 ms": quantile(took[contestant.name], 0.95) * 1000,
            "median × bare": median(took[contestant.name]) / median(bare),
            "p95 × bare": quantile(took[contestant.name], 0.95) / quantile(bare, 0.95),
            "CPU ms a knock": used[contestant.name] * 1000 / count,
            "peak MB": contestant.process.peak,
        }
        for contestant in played.contestants
    ]
