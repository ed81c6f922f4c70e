"""Loops that run side by side, each started again if it fails, and steps that are tried until they work."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from knockbot.domain.reasons import clause
from knockbot.engine.backoff import backoff
from knockbot.errors import ActionError
from knockbot.store.db import Unusable

log = logging.getLogger("knockbot")

Loop = Callable[[], Coroutine[Any, Any, None]]

WITHOUT_DATABASE: Final = 5.0
"""Seconds before a loop starts again that stopped because the database was not available."""


@asynccontextmanager
async def working(*loops: Loop) -> AsyncIterator[None]:
    """Run loops beside the block, and end them with it."""
    tasks = [asyncio.create_task(_for_ever(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _for_ever(loop: Loop) -> None:
    """Run a loop; if it fails, log that and start it again. All loops fail while the database is not available."""
    failures = 0
    while True:
        try:
            return await loop()
        except Unusable:
            await asyncio.sleep(WITHOUT_DATABASE)
        except Exception:
            failures += 1
            log.exception("a part of knockbot failed; it starts again")
            await asyncio.sleep(min(backoff(failures), 60.0))


async def after(event: asyncio.Event, loop: Loop) -> None:
    """Run a loop after this event is set."""
    await event.wait()
    await loop()


async def patiently(step: Loop, what: str) -> None:
    """Try until it works, and log each failure: the homeserver may start later than the bot, so waiting is right."""
    attempts = 0
    while True:
        try:
            return await step()
        except ActionError as error:
            attempts += 1
            pause = min(backoff(attempts), 60.0)
            why = f"{clause(error.why)}."
            log.warning("%s failed: %s Trying again in %.0f s; `knockbot check` says more.", what, why, pause)
            await asyncio.sleep(pause)
