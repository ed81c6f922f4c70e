"""Part 4: how fast transactions full of a busy server's chatter are taken in, and how long each 200 takes."""

from __future__ import annotations

import itertools
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.child import database, knockbot, protected, ready
from tests.bench.crowd import SERVER, Crowd, member
from tests.bench.figures import Row, Table, median, quantile
from tests.bench.sizes import Sizes

FULL = 100
"""Events in a transaction: Synapse puts no more into one."""

CHATTER = {
    "m.room.encrypted": 45,
    "m.room.message": 27,
    "m.reaction": 12,
    "join": 6,
    "leave": 6,
    "m.room.redaction": 2,
    "m.room.topic": 1,
    "knock": 1,
}
"""What a transaction holds, and how many of each: the mixed chatter of a busy server."""


def transactions(crowd: Crowd, rooms: list[str], count: int) -> Iterator[bytes]:
    """The bodies of so many transactions."""
    numbers = itertools.count(1)
    chance = random.Random(6)
    kinds = [kind for kind, many in CHATTER.items() for _ in range(many)]
    for _ in range(count):
        chance.shuffle(kinds)
        events = [_event(crowd, kind, chance.choice(rooms), next(numbers)) for kind in kinds]
        yield json.dumps({"events": events}).encode()


def _event(crowd: Crowd, kind: str, room_id: str, number: int) -> Row:
    user_id = f"@user{number}:{SERVER}"
    if kind == "knock":
        return crowd.knock(room_id, user_id)
    if kind in ("join", "leave"):
        return member(room_id, user_id, kind)
    return {
        "type": kind,
        "event_id": f"$chatter-{number}",
        "room_id": room_id,
        "sender": user_id,
        "origin_server_ts": time.time_ns() // 1_000_000,
        "content": {"body": "What I wanted to say is this. " * 8, "algorithm": "m.megolm.v1.aes-sha2"},
        "unsigned": {"age": 5},
    }


async def run(sizes: Sizes) -> list[Table]:
    """A row for each engine, the engines one after the other and all of it several times."""
    directory = Path(tempfile.mkdtemp())
    rows: dict[str, list[Row]] = {}
    for turn in range(sizes.repeats):
        place = directory / str(turn)
        place.mkdir()
        for engine in sizes.engines:
            async with database(engine, place) as url:
                rows.setdefault(engine, []).append(await _taken_in(sizes, place, engine, url))
    middle = [
        {"engine": engine, **{name: median([row[name] for row in found]) for name in found[0]}}
        for engine, found in rows.items()
    ]
    note = (
        f"Transactions of {FULL} events, one after the other, pushed by a fake homeserver that also answers what "
        "knockbot asks meanwhile. Answered: every knock has its invite."
    )
    return [Table("intake", "Taking in", middle, [note])]


async def _taken_in(sizes: Sizes, directory: Path, engine: str, url: str) -> Row:
    rooms = [f"!room{number}:{SERVER}" for number in range(sizes.rooms_of_chatter)]
    await protected(url, rooms, f"@mod:{SERVER}")
    async with Crowd() as crowd:
        bodies = list(transactions(crowd, [*rooms, f"!elsewhere:{SERVER}"], sizes.transactions))
        knocks = [len(found) for room_id, found in crowd.knocking.items() if room_id in rooms]
        standing, crowd.knocking = crowd.knocking, {}
        config = crowd.config(url)
        async with knockbot(config, directory, engine) as bot:
            await bot.answers(ready(config))
            crowd.knocking = standing
            used, began = bot.cpu, time.perf_counter()
            took = [await crowd.push(str(number), body) for number, body in enumerate(bodies)]
            taken_in = time.perf_counter() - began
            await crowd.answered(sum(knocks))
            return {
                "events/s": FULL * len(bodies) / taken_in,
                "p50 of the 200, ms": quantile(took, 0.5) * 1000,
                "p99 of the 200, ms": quantile(took, 0.99) * 1000,
                "s until all is answered": time.perf_counter() - began,
                "CPU ms an event": (bot.cpu - used) * 1000 / (FULL * len(bodies)),
                "peak MB": bot.peak,
            }
