"""After a list has changed, or what a policy does with it: whom that concerns is judged again, and news are told.

Many changes are looked at together, some seconds later. Judged again are only those of whom a list says something else
than when they were judged last: who waits for an answer, and whom a rule has accepted who has not come yet. Also judged
again is who is listed and was accepted by another policy: that accept may be wrong now.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from knockbot.domain.model import Because, Rejudge, Request, Truth
from knockbot.engine.timers import TimerKind
from knockbot.engine.turn import Turn, Write
from knockbot.features.lists import facts, following, telling, using
from knockbot.features.lists.using import Used
from knockbot.flow import overriding, place, rejudging, tables
from knockbot.flow.context import Context
from knockbot.store import judgements, lists, requests
from knockbot.store.timers import Timer

MOST: Final = 5000
"""The most requests of a room that a rule has answered and that are looked at: the newest."""


async def rings(context: Context, timer: Timer) -> Write[None] | None:
    """A list has changed: have those judged again whom that concerns. May raise `Busy`."""
    room_id = timer.about
    async with context.db.tx() as tx:
        known = await lists.find(tx, room_id)
        counts = await lists.counts(tx, room_id) if known is not None else None
        users = await using.of_list(context, tx, room_id)
    if known is None or counts is None:
        return None
    # What is still being taken in may name somebody or not: nobody is judged again before that is known.
    behind = {used.there.room_id: await facts.behind_since(context, used.there) for used in users}
    settled = [used for used in users if behind[used.there.room_id] is None]
    hits = {used.there.room_id: await _hit(context, used) for used in settled} if known.read_at is not None else {}
    recalls = [await tables.reconsidered(context, one, partial(facts.names, context, one)) for one in hits]

    async def write(turn: Turn) -> None:
        since = [at for at in behind.values() if at is not None]
        if known.read_at is not None and not await lists.still_at(turn.tx, room_id, known.version):
            await following.moved(context, turn, room_id)
        elif known.read_at is not None and since:
            await following.moved_while_behind(context, turn, room_id, min(since))
        for protected, found in hits.items():
            cause = f"list {room_id} {turn.now}"
            again = [Rejudge(protected, Because.FACTS_CHANGED, cause, request_id) for request_id in found]
            await rejudging.plan_each(context, turn, again)
        for recall in recalls:
            if recall is not None:
                await recall(turn)
        await telling.changes(context, turn, telling.Changes(known, counts, users))

    return write


async def _hit(context: Context, used: Used) -> list[int]:
    """The requests at a protected room of whom a list says something else now."""
    async with context.db.tx() as tx:
        waiting = [await requests.find(tx, one) for one in await requests.awaiting(tx, used.there.room_id)]
        answered = await requests.answered_by_rule(tx, used.there.room_id, MOST)
    found = [*(one for one in waiting if one is not None), *filter(overriding.may_override, answered)]
    return [request.id for request in found if await _concerns(context, request)]


async def _concerns(context: Context, request: Request) -> bool:
    news = await facts.news_of(context, request)
    if request.awaits_moderators:
        return any(one.concerns_who_waits for one in news)
    if request.open and any(one.turned for one in news):
        return True
    named = [one for one in news if one.now.truth is Truth.TRUE]
    return any(one.is_news or one.decides for one in named) or (bool(named) and await _was_other(context, request))


async def _was_other(context: Context, request: Request) -> bool:
    """Whether a request was judged by another policy than the one that is in force."""
    async with context.db.tx() as tx:
        before = await judgements.newest(tx, request.id)
        there = await place.find(context, tx, request.room_id)
    return before is not None and there is not None and before.policies != there.policies


CHANGED: Final[TimerKind[Context]] = TimerKind(rings)
