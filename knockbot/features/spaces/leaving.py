"""A space and its rooms are no longer protected, where whoever wants that may do it in each of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.domain.notices import Notice
from knockbot.engine.turn import Turn
from knockbot.errors import Never, Refused
from knockbot.flow import place, protecting, refusals
from knockbot.flow.context import Context
from knockbot.store import rooms, spaces
from knockbot.store.rooms import ProtectedRoom

AT_ONCE = 8
"""Rooms in which power is looked up at the same time."""


@dataclass(frozen=True, slots=True)
class Leaving:
    """The rooms of a space that somebody may let go, and why the others stay protected."""

    space: str
    rooms: Sequence[ProtectedRoom]
    kept: Sequence[tuple[ProtectedRoom, Notice]]

    async def write(self, context: Context, turn: Turn, by: str) -> None:
        """Let them go, as far as they still are protected; the space itself is let go after that, in the same turn."""
        # Else the space, which is about to be forgotten, would be compared with its rooms once for each of them.
        await spaces.forget_rooms(turn.tx, self.space, [room.room_id for room in self.rooms])
        for room in self.rooms:
            if await rooms.find(turn.tx, room.room_id) is not None:
                await protecting.unprotect(context, turn, room, by)


async def looked_at(context: Context, space: str, management_room: str, actor: str) -> Leaving:
    """The rooms of a space, each with whether this person may let it go; the space itself may be let go already."""
    async with context.db.tx() as tx:
        known = await rooms.find(tx, space)
        if known is not None and known.management_room == management_room:
            found = await spaces.with_it(tx, space)
        else:
            found = await spaces.left_behind(tx, space, management_room)
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(room: ProtectedRoom) -> Notice | None:
        async with turns:
            return await _lacking(context, room, actor)

    lacking = await asyncio.gather(*(look(room) for room in found))
    each = list(zip(found, lacking, strict=True))
    free = [room for room, why in each if why is None]
    return Leaving(space, free, [(room, why) for room, why in each if why is not None])


async def _lacking(context: Context, room: ProtectedRoom, actor: str) -> Notice | None:
    """Why somebody may not let a room go; `None` if they may."""
    async with context.db.tx() as tx:
        there = await place.find(context, tx, room.room_id)
    if there is None:
        return None
    try:
        await protecting.insist_on_unprotecting(context, there, actor)
    except (Refused, Never) as error:
        return refusals.why_not(error)
    return None
