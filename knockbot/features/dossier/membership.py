"""The rooms managed from here that an applicant is in."""

from __future__ import annotations

from knockbot.domain import dossier
from knockbot.domain.model import Request
from knockbot.domain.notices import Notice, Room
from knockbot.errors import Never
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.rooms import is_in, is_joined
from knockbot.store import rooms
from knockbot.store.rooms import ProtectedRoom

LOOKED_AT = 10
"""Rooms that are looked at one by one, where the homeserver does not tell which rooms somebody shares with the bot."""


async def member_of(context: Context, there: Place, request: Request) -> Notice | None:
    """The rooms that the applicant is in, other than the one at which they ask. May raise `Later` and `Never`."""
    async with context.db.tx() as tx:
        managed = await rooms.managed_by(tx, there.management_room)
    others = [room for room in managed if room.room_id != request.room_id]
    if not others:
        return None
    shared = await _shared(context, request.user_id, others)
    return dossier.member_of([Room(room.room_id, room.label) for room in others if room.room_id in shared])


async def _shared(context: Context, user_id: str, among: list[ProtectedRoom]) -> set[str]:
    try:
        return set(await context.outside.mutual_rooms(user_id))
    except Never:  # the homeserver has no such call, or not for this user
        return {room.room_id for room in among[:LOOKED_AT] if await _is_in_it(context, room.room_id, user_id)}


async def _is_in_it(context: Context, room_id: str, user_id: str) -> bool:
    return await is_in(context, room_id) and await is_joined(context, room_id, user_id)
