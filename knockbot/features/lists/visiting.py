"""Visits: the bot joins the room of a list to see whether a policy may use it, and leaves it again if none does.

The row is first: whatever happens after it, the bot does not stay in a room that no policy names.
"""

from __future__ import annotations

from typing import Final

from knockbot.domain import plan
from knockbot.engine.timers import TimerKind, replace_timer, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.features.lists import following
from knockbot.flow.context import Context
from knockbot.flow.rooms import is_in
from knockbot.store import lists
from knockbot.store.timers import Timer
from knockbot.times import MINUTE

KIND: Final = "list_visit"

LONGEST: Final = MINUTE
"""Milliseconds after which a visit ends, and a list is left that a new policy names no more: so long for whoever mends
a mistake in their policy and sends it again."""

ANY: Final = ""
"""In place of a room: whichever lists no policy names any more."""


async def begin(context: Context, room_id: str) -> None:
    """The bot is about to join a room to look."""
    async with context.turn() as turn:
        await replace_timer(context, turn, Timer(f"{KIND}:{room_id}", KIND, room_id, turn.now + LONGEST))


async def named_no_more(context: Context, turn: Turn) -> None:
    """A policy that has named lists was replaced: perhaps some are named by none now."""
    await set_timer(context, turn, Timer(f"{KIND}:{ANY}:{turn.cause}", KIND, ANY, turn.now + LONGEST))


async def ends(context: Context, timer: Timer) -> Write[None] | None:
    """Leave a room, unless a policy names it by now, or the bot is there for something else. May raise `Later`."""
    room_id = timer.about
    inside = room_id != ANY and await is_in(context, room_id)

    async def write(turn: Turn) -> None:
        await following.leave_unnamed(context, turn)
        is_used = await lists.find(turn.tx, room_id) is not None or await following.is_needed(turn.tx, room_id)
        if inside and not is_used:
            await turn.plan(plan.leave(room_id, f"list visit {turn.now}"))

    return write


END: Final[TimerKind[Context]] = TimerKind(ends)
