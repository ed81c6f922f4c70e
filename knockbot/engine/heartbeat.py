"""The signs of life of this process: others take its work over where it gives none, and it theirs."""

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
                    raise _TakenBack  # nobody reads it, and the disk is not to be written every few seconds
            db.written()
        await asyncio.sleep(processes.HEARTBEAT)


class _TakenBack(Exception):
    """What was written only to see whether it can be."""
