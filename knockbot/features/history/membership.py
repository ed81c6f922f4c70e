"""Whether an applicant is already in one of the other rooms that are managed from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from knockbot.domain.model import Facts, Known, Truth
from knockbot.errors import ActionError, Never
from knockbot.flow import place
from knockbot.flow.asking import Asked
from knockbot.flow.context import Context
from knockbot.flow.rooms import is_member


async def managed(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """Whether they are joined to any other room with the same management room; one that was replaced does not count."""
    context, room_id = asked.context, asked.knock.room_id
    async with context.db.tx() as tx:
        there = await place.find(context, tx, room_id)
        rooms = await place.managed_by(context, tx, there.management_room) if there is not None else []
    others = {other.room_id: other.label for other in rooms if other.room_id != room_id and not other.is_replaced}
    return replace(facts, in_managed=await _in_any(context, others, asked.knock.user_id) if others else _NO)


_NO = Known(Truth.FALSE)


async def _in_any(context: Context, rooms: Mapping[str, str], user_id: str) -> Known:
    try:
        shared = await context.outside.mutual_rooms(user_id)
        unseen = {*rooms} - {*await context.outside.joined_rooms()} if not {*shared} & {*rooms} else set[str]()
    except Never:  # the homeserver has no such call, or not for this user
        shared, unseen = [], {*rooms}
    except ActionError as error:
        return Known(Truth.UNKNOWN, error.why)
    if {*shared} & {*rooms}:
        return Known(Truth.TRUE)
    found = _NO
    for room_id in sorted(unseen):
        known = await is_member(context, room_id, user_id, called=rooms[room_id])
        if known.truth is Truth.TRUE:
            return known
        found = known if known.truth is Truth.UNKNOWN else found
    return found
