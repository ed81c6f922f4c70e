"""The offer to judge those who wait by a new policy: made when it is in force, and gone when it was applied."""

from __future__ import annotations

from typing import Final

from knockbot.domain.model import Reaction
from knockbot.domain.notices import Code, Notice, Number, notice
from knockbot.engine.turn import Turn, Write
from knockbot.flow import offers, rulebook, rules
from knockbot.flow.context import Context
from knockbot.flow.offers import Offer
from knockbot.flow.place import Place
from knockbot.store import requests
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom

YES = "✅"


async def offer(context: Context, turn: Turn, room_id: str) -> None:
    """Another policy is in force: offer to apply it, where requests wait that the one before has judged."""
    if await requests.awaiting(turn.tx, room_id):
        await offers.make(context, turn, APPLY, room_id)
    else:
        await offers.close(turn, APPLY, room_id)


async def close(_: Context, turn: Turn, room_id: str) -> None:
    """The policy is being applied."""
    await offers.close(turn, APPLY, room_id)


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """The room is no longer protected, or from another management room."""
    await offers.close(turn, APPLY, room.room_id)


async def look(context: Context, there: Place) -> None:
    """Look for clicks that came while the bot was away."""
    await offers.look(context, APPLY, there)


async def _words(context: Context, there: Place) -> Notice:
    async with context.db.tx() as tx:
        count = len(await requests.awaiting(tx, there.room_id))
    command = Code(f"!kb policy apply {there.room_id}")
    return notice("policy.may_be_applied", count=Number(count), room=there.called, command=command)


async def _take(context: Context, there: Place, prompt: Prompt, reaction: Reaction) -> Write[Notice]:
    in_force = await rules.look_up(context, there.room_id)
    await rulebook.insist_on_applying(context, there.room, reaction.sender, in_force.policy)
    cause = prompt.event_id or reaction.event_id  # what comes of it is said in reply to this

    async def apply(turn: Turn) -> Notice:
        return await rulebook.apply(context, turn, there.room, reaction.sender, cause)

    return apply


APPLY: Final = Offer("apply_policy", _words, (YES,), _take)
"""The offer to judge those who wait by the policy in force."""
