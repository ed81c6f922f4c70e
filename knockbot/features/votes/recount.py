"""Votes are counted anew where another policy takes fewer of them, where they stand on another request, where the
powers in the room have changed, or where a voter has left a room or come back: what has enough votes now is carried
out.

Nothing is done without a look at the powers: whoever of the voters may still answer does, the last one first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from knockbot.domain.model import MemberChange, Membership, Request, RoomChange, Wish
from knockbot.domain.votes import Tally, Vote, is_about, reached
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never, Refused
from knockbot.features.votes import voting
from knockbot.features.votes.voting import rule_at
from knockbot.flow import answering, remarks
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import requests, votes
from knockbot.store.timers import Timer

KIND: Final = "count_votes"
"""Its row in `product.py:TIMERS`."""


async def revised(context: Context, turn: Turn, room_id: str) -> None:
    """Another policy is in force: count what was voted on."""
    for request_id in await votes.with_votes(turn.tx, room_id):
        await plan(context, turn, request_id)
        await remarks.changed(turn, request_id)


async def room_changed(context: Context, change: RoomChange) -> Write[None] | None:
    """Other powers hold in a room: votes count no longer, or again."""
    if change.type != "m.room.power_levels":
        return None
    async with context.db.tx() as tx:
        waiting = await votes.with_votes(tx, change.room_id)
    return partial(_plan_each, context, waiting) if waiting else None


async def moved(context: Context, change: MemberChange) -> Write[None] | None:
    """A voter has left a protected room or a management room, or is back: their votes count no longer, or again."""
    if change.membership not in (Membership.JOIN, Membership.LEAVE, Membership.BAN):
        return None
    async with context.db.statement() as tx:
        waiting = await votes.waiting_by(tx, change.room_id, change.user_id)
    return partial(_plan_each, context, waiting) if waiting else None


async def look(context: Context, there: Place) -> None:
    """Count once more, in case that a voter has left or lost the power while nobody told."""
    async with context.db.statement() as tx:
        waiting = await votes.with_votes(tx, there.room_id)
    if waiting:
        async with context.turn() as turn:
            await _plan_each(context, waiting, turn)


async def _plan_each(context: Context, waiting: Sequence[int], turn: Turn) -> None:
    for request_id in waiting:
        await plan(context, turn, request_id)


async def plan(context: Context, turn: Turn, request_id: int) -> None:
    """Have the votes on a request counted anew."""
    await set_timer(context, turn, Timer(f"{KIND}:{request_id}", KIND, str(request_id), turn.now))


async def _rings(context: Context, timer: Timer) -> Write[None] | None:
    """Answer a request that has enough votes, as its voters are now. May raise `Later`."""
    async with context.db.tx() as tx:
        request = await requests.get(tx, int(timer.about), held=False)
        rule = await rule_at(context, tx, request.room_id)
        given = (await votes.on(tx, [request])).get(request.id, [])
    if not request.awaits_moderators:
        return None
    try:
        await voting.look_at(context, request, [vote.voter for vote in given])
    except Never:
        return None  # the bot was removed from one of the rooms
    seen = voting.seen_of(context, request, [vote for vote in given if is_about(vote, request)])
    now = [replace(vote, lapse=seen.get(vote.voter, vote.lapse)) for vote in given]
    for found in reached(now, request, rule):
        wish = await _wish(context, request, found)
        if wish is not None:
            return partial(_answer, context, wish, request)
    return partial(voting.note, context, request)


async def _wish(context: Context, request: Request, found: Tally) -> Wish | None:
    """The wish of the last voter who may answer now; `None` if nobody may."""
    for vote in reversed(found.counted):
        wish = _of(vote)
        try:
            await answering.insist(context, wish, request)
        except (Refused, Never):
            continue
        return wish
    return None


def _of(vote: Vote) -> Wish:
    return Wish(vote.voter, vote.verdict, vote.cause, vote.reason, by_click=vote.by_click, knock=vote.event_id)


async def _answer(context: Context, wish: Wish, request: Request, turn: Turn) -> None:
    try:
        await answering.take(context, turn, wish, request.id)
    except Refused:
        return  # another answer came first, or they have knocked again


COUNT: Final = TimerKind(_rings)
