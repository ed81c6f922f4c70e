"""What rules ask about who invited somebody: their power and membership, and their other invites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knockbot.domain.model import Facts
from knockbot.errors import Never
from knockbot.flow.asking import Asked
from knockbot.flow.context import Context
from knockbot.flow.rooms import is_member
from knockbot.store import requests


async def inviter(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """The level of the inviter, and whether they are in the room."""
    if facts.invite is None:
        return facts
    context, room_id, who = asked.context, asked.knock.room_id, facts.invite.inviter
    power = await _power(context, room_id, who)
    return replace(facts, invite=replace(facts.invite, power=power, member=await is_member(context, room_id, who)))


async def _power(context: Context, room_id: str, user_id: str) -> float | None:
    try:
        return (await context.outside.powers(room_id)).level(user_id)
    except Never:
        return None


async def invites(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """When the inviter made their other invites."""
    if facts.invite is None:
        return facts
    async with asked.context.db.tx() as tx:
        made = await requests.invites_made(tx, asked.knock.room_id, facts.invite.inviter)
    its_own = asked.on_record.id if asked.on_record is not None and asked.on_record.open else None
    now = asked.context.now()
    earlier = tuple(now - at for request_id, at in made if request_id != its_own)
    return replace(facts, invite=replace(facts.invite, earlier=earlier))
