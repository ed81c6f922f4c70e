"""The dossier of a card: what the features tell about the applicant, gathered when the card is rendered.

Nothing waits for it: what is not known in time is left out, and comes with the next edit of the card.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

from knockbot.domain.dossier import Line, shortened
from knockbot.domain.model import Request
from knockbot.domain.notices import Notice
from knockbot.errors import ActionError
from knockbot.flow import tables
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import rooms

log = logging.getLogger("knockbot.flow")

PATIENCE = 2.0
"""Seconds that a card waits for its dossier."""


async def gather(context: Context, there: Place, request: Request) -> tuple[Notice, ...]:
    """What helps to decide on a request; nothing if it needs no answer, or is not about a user yet."""
    if not request.awaits_moderators or not request.user_id:
        return ()
    asked = {
        line: asyncio.create_task(_told(line, tell(context, there, request)))
        for line, tell in tables.tells(context).items()
    }
    if not asked:
        return ()
    try:
        await asyncio.wait(asked.values(), timeout=PATIENCE)
    finally:
        late = [task for task in asked.values() if not task.done()]
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    if not await _is_managed_as_before(context, there):
        return ()
    return shortened({line: task.result() for line, task in asked.items() if not task.cancelled()})


async def _is_managed_as_before(context: Context, there: Place) -> bool:
    """Whether the room is managed from the same management room still: what helps there is not told to another."""
    async with context.db.statement() as tx:
        now = await rooms.find(tx, there.room_id)
    return now is not None and now.management_room == there.management_room


async def _told(line: Line, told: Awaitable[Notice | None]) -> Notice | None:
    """One line; nothing where it cannot be found out: the card is posted all the same."""
    try:
        return await told
    except ActionError:
        return None
    except Exception:
        log.exception("a card has no line %s about its applicant", line)
        return None
