"""Part 3: many knocks at once, in one room and spread over several, until the last is answered."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from tests.bench.figures import Row, Table, median
from tests.bench.sizes import Sizes
from tests.bench.stage import Contestant, Stage, stage

AT_ONCE = (2, 10)
"""Invites that bare may have under way at once, of which the better is its best."""

LOOKS = 0.1
"""Seconds between two looks of the moderator: one who looks all the time is a load of its own."""

SETTLE = 1.0
"""Seconds between two bursts."""


async def run(sizes: Sizes) -> list[Table]:
    """A table for one room, and one for several."""
    tables = []
    async with stage(
        Path(tempfile.mkdtemp()), sizes.engines[0], rooms=sizes.burst_rooms, before=sizes.before
    ) as played:
        played.pause = LOOKS
        for spread in (False, True):
            best = await _best(played, min(sizes.calibration, sizes.burst), spread=spread)
            rows = await _alternating(played, sizes, spread=spread)
            where = f"{sizes.burst_rooms} rooms" if spread else "one room"
            title = f"{sizes.burst} knocks at once, {where}, on {sizes.engines[0]}"
            tables.append(Table("bursts", title, rows, [f"Bare with {best} invites under way at once, its best."]))
    return tables


async def _best(played: Stage, count: int, *, spread: bool) -> int:
    """With how many invites at once bare is quickest; it stays so."""
    bare = next(contestant for contestant in played.contestants if contestant.name == "bare")
    took = {}
    for number in AT_ONCE:
        await _set_at_once(played, bare, number)
        took[number] = await _burst(played, bare, count, spread=spread)
    best = min(took, key=lambda number: took[number])
    await _set_at_once(played, bare, best)
    return best


async def _set_at_once(played: Stage, bare: Contestant, number: int) -> None:
    async with played.homeserver.http.put(f"{bare.url}/at-once/{number}") as response:
        response.raise_for_status()


async def _burst(played: Stage, contestant: Contestant, count: int, *, spread: bool) -> float:
    guests = await played.guests(count)
    await asyncio.sleep(SETTLE)
    return await played.burst(guests, contestant.rooms if spread else [contestant.room])


async def _alternating(played: Stage, sizes: Sizes, *, spread: bool) -> list[Row]:
    took: dict[str, list[float]] = {contestant.name: [] for contestant in played.contestants}
    used = dict.fromkeys(took, 0.0)
    for turn in range(sizes.repeats):
        start = turn % len(played.contestants)
        for contestant in played.contestants[start:] + played.contestants[:start]:
            before = contestant.process.cpu
            took[contestant.name].append(await _burst(played, contestant, sizes.burst, spread=spread))
            used[contestant.name] += contestant.process.cpu - before
    return [
        {
            "": contestant.name,
            "bursts": sizes.repeats,
            "s to the last answer": median(took[contestant.name]),
            "× bare": median([mine / bare for mine, bare in zip(took[contestant.name], took["bare"], strict=True)]),
            "CPU ms a knock": used[contestant.name] * 1000 / (sizes.burst * sizes.repeats),
            "peak MB": contestant.process.peak,
            "invited twice": _twice(played, contestant),
        }
        for contestant in played.contestants
    ]


def _twice(played: Stage, contestant: Contestant) -> int:
    """None was lost, or the burst would not have come to its end."""
    rooms = {contestant.room, *contestant.rooms}
    return sum(many > 1 for (room, _), many in played.invites.items() if room in rooms)
