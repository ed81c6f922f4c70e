"""The signs of life of this process: if a process gives none, another process takes over its work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from knockbot.store import processes
from knockbot.store.db import Database, Unusable


async def beat(db: Database, now: Callable[[], int]) -> None:
    """Give signs of life, take over what dead processes left, and see whether the database can be written."""
    while True:
        with suppress(Unusable, _TakenBack):
            async with db.tx() as tx:
                await processes.beat(tx, db.process, now())
                await processes.bury(tx, db.process, now(), alone=db.alone)
                if db.alone and db.trouble is None:
                    raise _TakenBack  # nobody reads it, and this avoids a disk write every few seconds
            db.written()
        await asyncio.sleep(processes.HEARTBEAT)


class _TakenBack(Exception):
    """Rolls back what was written only to see whether it is possible to write."""
