"""A room with all who are called about it: both parts of the feature in one row of the product."""

from __future__ import annotations

from knockbot.engine.turn import Turn
from knockbot.features.calls import callers, quiet
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store.rooms import ProtectedRoom


async def look(context: Context, there: Place) -> None:
    """Find what was missed."""
    await callers.look(context, there)
    await quiet.look(context, there)


async def let_go(context: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is not managed from here any more."""
    await callers.let_go(context, turn, room)
    await quiet.let_go(context, turn, room)


async def took_place(turn: Turn, old: str, new: str) -> None:
    """A room was replaced."""
    await callers.took_place(turn, old, new)
    await quiet.took_place(turn, old, new)
