"""Part 6: how long a start takes with many rooms, and with one that is very large."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from tests.bench.child import knockbot, protected, ready
from tests.bench.crowd import SERVER, Crowd
from tests.bench.figures import Row, Table, median
from tests.bench.sizes import Sizes

GARDEN = f"!garden:{SERVER}"


async def run(sizes: Sizes) -> list[Table]:
    """A row for each size, all of them several times."""
    found: dict[str, list[Row]] = {}
    for _ in range(sizes.repeats):
        for rooms in sizes.rooms_at_start:
            found.setdefault(f"{rooms:,} rooms", []).append(await _many_rooms(rooms))
        large = f"one of {sizes.members:,} members and {sizes.standing:,} standing knocks"
        found.setdefault(large, []).append(await _large_room(sizes))
    rows = [
        {"protected": what, **{name: median([row[name] for row in tries]) for name in tries[0]}}
        for what, tries in found.items()
    ]
    note = (
        "On SQLite, beside a fake homeserver that answers at once. First answer: the invite for somebody who knocks "
        "the moment it is ready, or whose knock stood there. Unfiltered: requests for a whole member list or state."
    )
    return [Table("start", "Starting", rows, [note])]


async def _many_rooms(count: int) -> Row:
    rooms = [f"!room{number}:{SERVER}" for number in range(count)]
    async with Crowd() as crowd:
        return await _started(crowd, rooms, newcomer=True)


async def _large_room(sizes: Sizes) -> Row:
    async with Crowd(members=sizes.members) as crowd:
        for number in range(sizes.standing):
            crowd.knock(GARDEN, f"@user{number}:{SERVER}")
        return await _started(crowd, [GARDEN])


async def _started(crowd: Crowd, rooms: list[str], *, newcomer: bool = False) -> Row:
    directory = Path(tempfile.mkdtemp())
    config = crowd.config(f"sqlite:{directory / 'knockbot.db'}")
    await protected(config["database"], rooms, f"@mod:{SERVER}")
    knocks = sum(map(len, crowd.knocking.values())) or 1
    async with knockbot(config, directory) as bot:
        is_ready = await bot.answers(ready(config))
        if newcomer:
            event = crowd.knock(rooms[-1], f"@new:{SERVER}")
            await crowd.push("1", json.dumps({"events": [event]}).encode())
        await crowd.answered(1)
        first = crowd.acts[0][0] - bot.began
        await crowd.answered(knocks)
        last = crowd.acts[-1][0] - bot.began
        looked = await _settled(crowd, len(rooms), bot.began)
        return {
            "s to ready": is_ready,
            "s to the first answer": first,
            "s to the last answer": last,
            "s until every room was looked at": looked,
            "requests": sum(crowd.asked.values()),
            "unfiltered": crowd.asked["GET members"] + crowd.asked["GET state"],
            "CPU s": bot.cpu,
            "peak MB": bot.peak,
        }


async def _settled(crowd: Crowd, rooms: int, began: float) -> float:
    """Seconds from the start until each room has been asked for the last that a look asks for."""
    await crowd.looked_at(rooms)
    return time.perf_counter() - began
