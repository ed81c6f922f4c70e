"""Who may stop a batch that somebody else has begun."""

from __future__ import annotations

from knockbot.domain.batches import Batch
from knockbot.domain.may import ANSWERS
from knockbot.domain.model import Kind
from knockbot.errors import Never, Refused
from knockbot.flow import authority, place
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.store import batches


async def may_stop(context: Context, batch: Batch, who: str) -> bool:
    """Whether somebody may give its answer at one of the rooms where requests still wait for it. May raise `Later`."""
    deed = ANSWERS[Kind.KNOCK][batch.verdict]
    async with context.db.tx() as tx:
        room_ids = await batches.rooms_waiting(tx, batch.id)
        places = await place.of_rooms(context, tx, room_ids)
    for there in places.values():
        if there.management_room == batch.management_room and await _may(context, Wanted(deed, who, there.called)):
            return True
    return False


async def _may(context: Context, wanted: Wanted) -> bool:
    try:
        await authority.insist(context, wanted)
    except (Refused, Never):
        return False
    return True
