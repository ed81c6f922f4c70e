"""People who want to be called about a room, each for themselves, as long as they are in its management room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from knockbot.domain.model import MemberChange, Membership
from knockbot.domain.notices import Number, notice
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never, Refused
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.rooms import is_joined
from knockbot.store import callers
from knockbot.store.callers import Caller
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom

MOST: Final = 50
"""People who can want to be called about one room."""


async def calls(_: Context, tx: Tx, there: Place) -> Sequence[str]:
    """Who wants to be called about a room."""
    found = await callers.of(tx, there.room_id)
    return [one.user_id for one in found if one.management_room == there.management_room]


async def begin(turn: Turn, there: Place, user_id: str) -> None:
    """Call somebody about a room from now on. Raises `Refused` where too many want that."""
    if not await callers.add(turn.tx, Caller(there.room_id, user_id, there.management_room, turn.now), MOST):
        raise Refused(notice("call.too_many", room=there.called, most=Number(MOST)))


async def left(_: Context, change: MemberChange) -> Write[None] | None:
    """Somebody has left a room, or was removed: if it is a management room, they are not called there any more."""
    if change.membership not in (Membership.LEAVE, Membership.BAN):
        return None

    async def write(turn: Turn) -> None:
        await callers.left(turn.tx, change.room_id, change.user_id)

    return write if await _is_called(_, change) else None


async def _is_called(context: Context, change: MemberChange) -> bool:
    async with context.db.statement() as tx:
        return await callers.is_one_in(tx, change.room_id, change.user_id)


async def look(context: Context, there: Place) -> None:
    """Find those who left the management room while nobody told."""
    async with context.db.statement() as tx:
        found = await callers.of(tx, there.room_id)
    for one in found:
        if not await _is_there(context, one):
            async with context.turn() as turn:
                await callers.left(turn.tx, one.management_room, one.user_id)


async def _is_there(context: Context, one: Caller) -> bool:
    try:
        return await is_joined(context, one.management_room, one.user_id)
    except Never:
        return True  # the bot may not look there now, which is told elsewhere


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is not managed from here any more: nobody is called about it here."""
    await callers.let_go(turn.tx, room.room_id, room.management_room)


async def took_place(turn: Turn, old: str, new: str) -> None:
    """A room was replaced: people are called about the new one."""
    await callers.move_over(turn.tx, old, new)
