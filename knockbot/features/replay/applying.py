"""The offer to judge those who wait by a new policy: made when it is in force, and gone when it was applied."""

from __future__ import annotations

from typing import Final

from knockbot.domain.model import Reaction
from knockbot.domain.notices import Code, Notice, Number, notice
from knockbot.engine.turn import Turn, Write
from knockbot.flow import inheriting, offers, rulebook
from knockbot.flow.context import Context
from knockbot.flow.offers import Offer
from knockbot.flow.place import Place
from knockbot.store import rooms
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom

YES = "✅"


async def offer(context: Context, turn: Turn, room_id: str) -> None:
    """Another policy is in force: offer to apply it, where requests wait that the one before has judged."""
    room = await rooms.find(turn.tx, room_id)
    if room is not None and await inheriting.waiting(turn.tx, room):
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
        found = await inheriting.waiting(tx, there.room)
    count, command = Number(sum(count for _, count in found)), Code(f"!kb policy apply {there.room_id}")
    if all(room.room_id == there.room_id for room, _ in found):
        return notice("policy.may_be_applied", count=count, room=there.called, command=command)
    number = Number(len(found))
    return notice("policy.may_be_applied_in", count=count, space=there.called, rooms=number, command=command)


async def _take(context: Context, there: Place, prompt: Prompt, reaction: Reaction) -> Write[Notice]:
    found = await rulebook.applicable(context, there.room, reaction.sender)
    cause = prompt.event_id or reaction.event_id  # what comes of it is said in reply to this

    async def apply(turn: Turn) -> Notice:
        return await rulebook.apply(context, turn, found, reaction.sender, cause)

    return apply


APPLY: Final = Offer("apply_policy", _words, (YES,), _take)
"""The offer to judge those who wait by the policy in force."""
