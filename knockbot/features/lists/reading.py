"""Reads the whole room of a policy list: portion by portion into the records, without holding up anything else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from knockbot.domain.model import ListChange
from knockbot.domain.notices import Duration, Number, because
from knockbot.errors import Never
from knockbot.flow.context import Context, log
from knockbot.store import lists
from knockbot.store.db import Tx
from knockbot.store.lists import Overtaken, Reading

MOST: Final = 300_000
"""Entries of a list that is read: the longest in use have some ten thousand."""

LONGEST: Final = 3600.0
"""Seconds that a reading may take: less than its job may (`domain/jobs.py:LONG`), so that it can say why it ended."""


async def read(context: Context, room_id: str) -> bool:
    """Read a list that is followed, and that the bot has entered; false if another reading took its place.

    Until it has ended, the list is as it was, with what the reading has found so far; one that was never read stays
    unread. A reading that is killed is begun anew. Changes that events tell of meanwhile are kept (`Reading.version`).
    May raise `Later`, and `Never`: also if it takes too long, or it would be tried again and again.
    """
    began = context.now()
    try:
        async with context.db.tx() as tx:
            reading = await lists.begin(tx, room_id)
        async with asyncio.timeout(LONGEST) as limit:
            await _read(context, reading, began)
    except TimeoutError:
        if not limit.expired():
            raise
        raise Never(because("policy_list.too_slow", time=Duration(round(LONGEST * 1000)))) from None
    except Overtaken:
        log.info("another reading of the list %s took the place of this one", room_id)
        return False
    return True


async def _read(context: Context, reading: Reading, began: int) -> None:
    many = 0

    async def take_in(portion: Sequence[ListChange]) -> None:
        nonlocal many
        many += len(portion)
        if many > MOST:
            raise Never(because("entry.too_many", most=Number(MOST)))
        async with context.db.tx() as tx:
            await lists.take_in(tx, reading, portion)

    await context.outside.policy_rules(reading.room_id, take_in)
    await _again_and_again(context, lambda tx: lists.remove_unseen(tx, reading))
    async with context.db.tx() as tx:
        await lists.finish(tx, reading, began)
    await _again_and_again(context, lambda tx: lists.prune(tx, reading))


async def _again_and_again(context: Context, some: Callable[[Tx], Awaitable[bool]]) -> None:
    """Do the next portion of some work, each in a transaction of its own, as long as there may be more."""
    more = True
    while more:
        async with context.db.tx() as tx:
            more = await some(tx)


async def as_it_stands(context: Context, change: ListChange) -> ListChange:
    """What stands under the name of an entry now: an event is a hint. It may be late, or have lost against another one.

    May raise `Later` and `Never`.
    """
    standing = await context.outside.policy_rule(change.room_id, change.key)
    return standing if standing is not None else replace(change, now=None)
