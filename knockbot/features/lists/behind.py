"""Since when something of a policy list is not taken in, so that nobody knows what the list says now."""

from __future__ import annotations

from typing import Final

from knockbot.flow.context import Context
from knockbot.store import inbox, lists
from knockbot.store.db import Tx
from knockbot.store.lists import ListState
from knockbot.times import MINUTE

STALE: Final = 10 * MINUTE
"""Milliseconds after a start for which a list has to be read again before it is trusted; then it counts as it is."""


def since(context: Context, known: ListState | None, arrived: int | None) -> int | None:
    """Since when it is so: because of an entry that `arrived`, or of what was missed before the start; none if it is
    not.

    The first ends when what arrived is handled, and the second with any later reading of the whole list.
    """
    started = context.listed.started
    is_stale = known is not None and known.has_missed_since(started) and context.now() - started < STALE
    return started if is_stale else arrived


async def looked_up(context: Context, tx: Tx, room_id: str) -> int | None:
    """The same of one list."""
    return since(context, await lists.find(tx, room_id), await inbox.entries_since(tx, room_id))
