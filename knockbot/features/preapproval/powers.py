"""When the power levels of a room change: an approval may count again, or no longer, and who waits is judged again."""

from __future__ import annotations

from knockbot.domain.approvals import names_of
from knockbot.domain.model import Because, Rejudge, RoomChange
from knockbot.engine.turn import Turn, Write
from knockbot.flow import rejudging
from knockbot.flow.context import Context
from knockbot.store import approvals, layers, requests
from knockbot.store.db import Tx


async def changed(context: Context, change: RoomChange) -> Write[None] | None:
    """Have those judged again who wait at this room and whom somebody has approved for it."""
    if change.type != "m.room.power_levels":
        return None
    async with context.db.tx() as tx:
        waiting = await _approved(tx, change.room_id, context.now())
    if not waiting:
        return None
    again = [Rejudge(change.room_id, Because.PRE_APPROVAL, change.event_id, one) for one in waiting]

    async def write(turn: Turn) -> None:
        await rejudging.plan_each(context, turn, again)

    return write


async def _approved(tx: Tx, room_id: str, now: int) -> list[int]:
    """The requests that wait at a room, of those who are approved there or for a space whose policy decides there."""
    waiting = await requests.who_awaits(tx, room_id)
    if not waiting:
        return []
    names = [*{name for _, user in waiting for name in names_of(user)}]
    rooms = dict.fromkeys([room_id, *(layer.room_id for layer in await layers.of(tx, room_id))])
    approved = {who for one in rooms for who in await approvals.approved_among(tx, one, names, now)}
    return [request_id for request_id, user in waiting if not approved.isdisjoint(names_of(user))]
