"""When power levels change, or somebody who approved people leaves or comes back: who waits is judged again, since an
approval may count again, or no longer."""

from __future__ import annotations

from collections.abc import Sequence

from knockbot.domain.approvals import names_of
from knockbot.domain.model import Because, MemberChange, Membership, Rejudge, RoomChange
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
    return _judging_again(context, change, waiting)


async def moved(context: Context, change: MemberChange) -> Write[None] | None:
    """Have those judged again who wait at this room, if it is one of their approvers who came or went."""
    if change.membership not in (Membership.JOIN, Membership.LEAVE, Membership.BAN):
        return None
    async with context.db.tx() as tx:
        is_giver = await _has_given(tx, change.user_id, change.room_id)
        waiting = await _approved(tx, change.room_id, context.now()) if is_giver else []
    return _judging_again(context, change, waiting)


def _judging_again(context: Context, change: RoomChange | MemberChange, waiting: Sequence[int]) -> Write[None] | None:
    if not waiting:
        return None
    again = [Rejudge(change.room_id, Because.PRE_APPROVAL, change.event_id, one) for one in waiting]

    async def write(turn: Turn) -> None:
        await rejudging.plan_each(context, turn, again)

    return write


async def _has_given(tx: Tx, given_by: str, room_id: str) -> bool:
    """Whether somebody has approved people for a room; most who come and go have approved nobody anywhere."""
    if not await approvals.has_given(tx, given_by):
        return False
    return await approvals.has_given(tx, given_by, await _deciding(tx, room_id))


async def _approved(tx: Tx, room_id: str, now: int) -> list[int]:
    """The requests that wait at a room, of those who are approved there or for a space whose policy decides there."""
    waiting = await requests.who_awaits(tx, room_id)
    if not waiting:
        return []
    names = [*{name for _, user in waiting for name in names_of(user)}]
    approved: set[str] = set()
    for one in await _deciding(tx, room_id):
        approved |= await approvals.approved_among(tx, one, names, now)
    return [request_id for request_id, user in waiting if not approved.isdisjoint(names_of(user))]


async def _deciding(tx: Tx, room_id: str) -> list[str]:
    """The room, and the spaces whose policies decide there."""
    return [*dict.fromkeys([room_id, *(layer.room_id for layer in await layers.of(tx, room_id))])]
