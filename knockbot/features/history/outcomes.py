"""What rules ask about the outcomes of the applicant's earlier requests, by rules and moderators alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knockbot.domain.model import Facts, History, Knock, Membership, Past, Removal, State, Where
from knockbot.errors import ActionError
from knockbot.flow.asking import Asked
from knockbot.flow.context import Context
from knockbot.store import requests


async def history(asked: Asked, facts: Facts, places: Sequence[str]) -> Facts:
    """The outcomes in this room, or in all rooms managed from the same management room."""
    context, knock = asked.context, asked.knock
    async with context.db.tx() as tx:
        last = await requests.settled_knock(tx, knock.room_id, knock.user_id)
    removal = await _removal(context, knock) if last is State.JOINED else None
    found = {}
    async with context.db.tx() as tx:
        if removal is not None:
            await requests.put_out(tx, knock.room_id, knock.user_id, removal)
        for where in map(Where, sorted(places)):
            earlier = await _EARLIER[where](tx, knock.room_id, knock.user_id)
            found[where] = History(tuple(Past(state, context.now() - since) for state, since in earlier))
    return replace(facts, history=found)


_EARLIER = {Where.HERE: requests.history, Where.MANAGED: requests.history_managed}


async def _removal(context: Context, knock: Knock) -> Removal | None:
    """How the applicant had been removed from the room, which may have happened while the bot was away."""
    try:
        change = await context.outside.past_member(knock.room_id, knock.event_id) if knock.event_id else None
        before = (
            await context.outside.past_member(knock.room_id, change.replaces) if change and change.replaces else None
        )
        if before is None or before.membership is not Membership.LEAVE or before.of_their_own:
            return None
        was = before.replaced_membership or (
            await context.outside.membership_of(knock.room_id, before.replaces) if before.replaces else None
        )
    except ActionError:
        return None
    if was in (Membership.INVITE, Membership.KNOCK):
        return None  # that was no member
    return Removal(State.BANNED if was is Membership.BAN else State.REJECTED, before.sender, context.now())
