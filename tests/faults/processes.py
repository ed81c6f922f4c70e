"""Several processes behind a load balancer: everybody is answered once and in order, though they come to harm."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

import asyncpg

from knockbot.demo.people import until
from knockbot.store.processes import SILENCE
from tests.faults import plays
from tests.faults.ledger import Door
from tests.faults.plays import Scene
from tests.faults.stage import Stage, reasons

Harm = Callable[[Stage], Awaitable[None]]


async def harmed_in_the_middle(stage: Stage, chance: random.Random, harm: Harm, *, rooms: int, each: int) -> str:
    """So many rooms with so many knocks each; halfway one process comes to harm. What is missing at the end, if any."""
    doors = [await stage.door() for _ in range(rooms)]
    crowds = await stage.crowds(doors, reasons(chance, each))
    knocking = asyncio.gather(*(stage.knock(door, crowd) for door, crowd in zip(doors, crowds, strict=True)))
    await _came_in(stage, rooms * each // 2)
    await harm(stage)
    await knocking
    return await stage.settled()


async def _came_in(stage: Stage, wanted: int) -> None:
    async def taken_in() -> int:
        await asyncio.sleep(0.2)
        return len((await stage.ledger.records())["requests"])

    await until(taken_in, lambda count: count >= wanted, lambda count: f"only {count} knocks came in", within=300)


async def killed_one_after_another(
    stage: Stage, chance: random.Random, *, rooms: int, each: int, buried: bool = False
) -> str:
    """At each room people knock, a batch runs and a wave begins or ends, while each process is killed in its turn and
    started again; `buried`: they are taken for dead at once. What is missing at the end, if any."""
    doors = [await stage.door(busy=place % 2 == 0) for place in range(rooms)]
    for door, crowd in zip(doors, await stage.crowds(doors, reasons(chance, each)), strict=True):
        await stage.knock(door, crowd)
    missing = await stage.settled()
    if missing:
        return missing
    await stage.ledger.settle()
    busy = asyncio.gather(*[_all_at_once(stage, door, chance, each) for door in doors])
    for bot in stage.bots:
        await asyncio.sleep(chance.uniform(1, 4))
        bot.kill()
        if buried:
            await bury(stage)
        await asyncio.sleep(chance.uniform(0, 2))
        await bot.start()
    await busy
    return await stage.settled()


async def _all_at_once(stage: Stage, door: Door, chance: random.Random, each: int) -> None:
    """Somebody has a batch run, or a wave begin, while others answer and knock."""
    waiting = [one for one in stage.ledger.at(door) if one.waits]
    first, then = [await stage.crowd(door, reasons(chance, count)) for count in (each // 2, each // 2)]
    scene = Scene(stage, door, chance, await stage.ledger.records(), waiting, [], first, then)
    knocking = stage.knock(door, first)
    if door.busy:
        await asyncio.gather(plays.wave_begun(scene), plays.answers(scene), plays.notes(scene), knocking)
    else:
        await asyncio.gather(plays.batch_confirmed(scene), plays.clicks(scene), plays.notes(scene), knocking)


async def killed(stage: Stage) -> None:
    """One dies; its leases and claims are free after 20 seconds."""
    stage.bots[0].kill()


async def known_to_be_dead(stage: Stage) -> None:
    """One dies, and is taken for dead at once: for those who cannot wait."""
    await killed(stage)
    await bury(stage)


async def bury(stage: Stage) -> None:
    """Have the dead known to be dead now; who lives says so again at once."""
    connection = await asyncpg.connect(stage.url)
    await connection.execute("UPDATE processes SET seen_at = 0")
    await connection.close()


async def back_from_the_dead(stage: Stage) -> None:
    """One stands still until its work was taken over, and then goes on where it was."""
    process = stage.bots[0]._running
    process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(SILENCE / 1000 + 7)
    process.send_signal(signal.SIGCONT)


HARMS: dict[str, Harm] = {"one of two processes killed": killed, "one of two frozen and back": back_from_the_dead}
