"""Two processes behind a load balancer: everybody is answered once and in order, though one of them comes to harm."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable

import asyncpg

from knockbot.demo.people import until
from knockbot.store.processes import SILENCE
from tests.faults.stage import Stage, reasons

Harm = Callable[[Stage], Awaitable[None]]


async def harmed_in_the_middle(stage: Stage, chance: random.Random, harm: Harm, *, rooms: int, each: int) -> str:
    """So many rooms with so many knocks each; halfway one process comes to harm. What is missing at the end, if any."""
    gardens = [await stage.garden() for _ in range(rooms)]
    crowds = await stage.crowds(gardens, reasons(chance, each))
    knocking = asyncio.gather(*(stage.knock(crowd) for crowd in crowds))

    async def taken_in() -> int:
        await asyncio.sleep(0.2)
        return len((await stage.ledger.records())["requests"])

    half = rooms * each // 2
    await until(taken_in, lambda count: count >= half, lambda count: f"only {count} knocks came in", within=300)
    await harm(stage)
    await knocking
    return await stage.settled()


async def killed(stage: Stage) -> None:
    """One dies; its leases and claims are free after 20 seconds."""
    stage.bots[0].kill()


async def known_to_be_dead(stage: Stage) -> None:
    """One dies, and is taken for dead at once: for those who cannot wait."""
    await killed(stage)
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
