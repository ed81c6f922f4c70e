"""What rules ask about the outcomes of the applicant's earlier requests, by rules and moderators alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knockbot.domain.model import Facts, History, Knock, Membership, Past, State, Where
from knockbot.errors import ActionError
from knockbot.flow.asking import Asked
from knockbot.flow.context import Context
from knockbot.store import requests


async def history(asked: Asked, facts: Facts, places: Sequence[str]) -> Facts:
    """The outcomes in this room, or in all rooms managed from the same management room."""
    context, knock = asked.context, asked.knock
    async with context.db.tx() as tx:
        last = await requests.settled_knock(tx, knock.room_id, knock.user_id)
    put_out = last is State.JOINED and await _was_put_out(context, knock)
    found = {}
    async with context.db.tx() as tx:
        if put_out:
            await requests.put_out(tx, knock.room_id, knock.user_id, State.REJECTED, context.now())
        for where in map(Where, sorted(places)):
            earlier = await _EARLIER[where](tx, knock.room_id, knock.user_id)
            found[where] = History(tuple(Past(state, context.now() - since) for state, since in earlier))
    return replace(facts, history=found)


_EARLIER = {Where.HERE: requests.history, Where.MANAGED: requests.history_managed}


async def _was_put_out(context: Context, knock: Knock) -> bool:
    """Whether the applicant had been removed from the room, which may have happened while the bot was away."""
    try:
        change = await context.outside.past_member(knock.room_id, knock.event_id) if knock.event_id else None
        before = (
            await context.outside.past_member(knock.room_id, change.replaces) if change and change.replaces else None
        )
    except ActionError:
        return False
    return before is not None and before.membership is Membership.LEAVE and not before.of_their_own
