"""Two processes behind a load balancer: everybody is answered once and in order, though one of them is killed."""

from __future__ import annotations

import asyncio
import random

import asyncpg

from knockbot.demo.people import until
from tests.faults.stage import Stage, reasons


async def killed_in_the_middle(stage: Stage, chance: random.Random, *, rooms: int, each: int, patient: bool) -> str:
    """So many rooms with so many knocks each; halfway one process dies. What is missing at the end, if anything.

    Whoever is not `patient` has the dead process known to be dead at once, not after 20 seconds.
    """
    gardens = [await stage.garden() for _ in range(rooms)]
    crowds = await stage.crowds(gardens, reasons(chance, each))
    knocking = asyncio.gather(*(stage.knock(crowd) for crowd in crowds))

    async def taken_in() -> int:
        await asyncio.sleep(0.2)
        return len((await stage.ledger.records())["requests"])

    half = rooms * each // 2
    await until(taken_in, lambda count: count >= half, lambda count: f"only {count} knocks came in", within=300)
    stage.bots[0].kill()
    if not patient:
        connection = await asyncpg.connect(stage.url)
        await connection.execute("UPDATE processes SET seen_at = 0")
        await connection.close()
    await knocking
    return await stage.settled()
