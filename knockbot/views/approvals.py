"""Who is pre-approved in a room, by whom, and which of that does not count now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from knockbot.domain.may import Deed
from knockbot.domain.notices import Notice, Room
from knockbot.errors import Never
from knockbot.flow import authority
from knockbot.flow.context import Context
from knockbot.store import approvals, layers
from knockbot.store.approvals import Approval
from knockbot.store.rooms import ProtectedRoom

GIVERS = 20
"""People whose power is looked at for one list."""


@dataclass(frozen=True, slots=True)
class Approved:
    """The approvals of one room."""

    room: ProtectedRoom
    count: int
    """How many are in force."""
    newest: Sequence[Approval]
    void: Mapping[str, Notice]
    """Why those of a giver do not count now."""
    spaces: Sequence[Room]
    """The spaces whose policy decides here, too: what is approved for them counts here."""


async def of_room(context: Context, room: ProtectedRoom, limit: int) -> Approved:
    """The newest approvals of a room."""
    async with context.db.tx() as tx:
        newest = await approvals.newest(tx, room.room_id, context.now(), limit)
        count = await approvals.count(tx, room.room_id, context.now())
        above = [layer for layer in await layers.of(tx, room.room_id) if layer.room_id != room.room_id]
        spaces = [
            Room(layer.room_id, layer.label)
            for layer in above
            if await approvals.count(tx, layer.room_id, context.now())
        ]
    givers = [*dict.fromkeys(one.given_by for one in newest)][:GIVERS]
    looked_at = {giver: await _void(context, room, giver) for giver in givers}
    void = {giver: why for giver, why in looked_at.items() if why is not None}
    return Approved(room, count, newest, void, spaces)


async def _void(context: Context, room: ProtectedRoom, giver: str) -> Notice | None:
    try:
        return await authority.lacking(context, giver, Deed.ACCEPT, room_id=room.room_id)
    except Never as error:  # where the bot may not look, nothing counts
        return error.why
