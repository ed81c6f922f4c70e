"""Judging pending requests again when the basis of their judgement has changed, as when a new policy is applied.

The bot first stores what to judge, as one arrival of its own for each request. So it is done in the room's turn, once
for each cause, and goes on after a restart. It judges a few in a second, so that the room's knocks do not wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from typing import Any

from knockbot.domain.ids import server_of, whole_server
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Because, Kind, Rejudge, Request, Verdict
from knockbot.domain.notices import Number, Room, notice
from knockbot.engine.turn import WAITS, Handled, Turn
from knockbot.flow import place, rules, saying, settling, tables
from knockbot.flow.context import Context
from knockbot.flow.judging import Case, judge
from knockbot.flow.saying import Audience
from knockbot.store import inbox, judgements, requests
from knockbot.store.db import Tx

AT_ONCE = 20
"""Requests of a room that are judged again within a second."""

SECOND = 1000


async def plan(context: Context, turn: Turn, room_id: str, because: Because, cause: str) -> int:
    """Have all requests at a room that wait for an answer judged again; returns how many there are."""
    waiting = await requests.awaiting(turn.tx, room_id)
    if not waiting:
        return 0
    planned = [Rejudge(room_id, because, cause, request_id) for request_id in waiting]
    last = Rejudge(room_id, because, cause)
    due = [(one, turn.now + turn_of // AT_ONCE * SECOND) for turn_of, one in enumerate([*planned, last])]
    await inbox.add_own(turn.tx, [(one.event_id, room_id, _written(one), at) for one, at in due], turn.now)
    turn.after(context.wakeups.arrivals.set)
    return len(waiting)


async def plan_for(context: Context, turn: Turn, one: Rejudge) -> None:
    """Have the requests of those in `whom` judged again.

    Which requests these are is looked up in the room's turn: so none is left out whose judging is under way now.
    """
    await inbox.add_own(turn.tx, [(one.event_id, one.room_id, _written(one), turn.now)], turn.now)
    turn.after(context.wakeups.arrivals.set)


async def _plan_each(context: Context, again: Rejudge) -> Handled:
    async def write(turn: Turn) -> None:
        due = await waiting(turn.tx, again.room_id, again.whom)
        each = [replace(again, request_id=request_id, whom=()) for request_id in due]
        at = [(one, turn.now + turn_of // AT_ONCE * SECOND) for turn_of, one in enumerate(each)]
        await inbox.add_own(turn.tx, [(one.event_id, one.room_id, _written(one), due) for one, due in at], turn.now)
        turn.after(context.wakeups.arrivals.set)

    return write


async def waiting(tx: Tx, room_id: str, whom: Collection[str]) -> list[int]:
    """The requests of these at a room that wait for an answer."""
    found, meant = await requests.who_awaits(tx, room_id), frozenset(whom)
    return [request_id for request_id, user in found if not meant.isdisjoint((user, whole_server(server_of(user))))]


async def is_under_way(turn: Turn, room_id: str) -> bool:
    """Whether some requests at a room still have to be judged again."""
    return await inbox.has_own(turn.tx, room_id)


def _written(one: Rejudge) -> str:
    return json.dumps(asdict(one), separators=(",", ":"))


def read(stored: Mapping[str, Any]) -> Rejudge:
    """What is to be judged again, as it was stored."""
    return Rejudge(**{**stored, "because": Because(stored["because"]), "whom": tuple(stored.get("whom", ()))})


async def rejudge(context: Context, again: Rejudge) -> Handled:
    """Judge a request again that still waits for an answer. May raise `Busy`."""
    if again.whom:
        return await _plan_each(context, again)
    if again.request_id is None:
        return await _told(context, again)
    async with context.db.tx() as tx:
        kept = await place.find(context, tx, again.room_id) is not None
        request = await requests.find(tx, again.request_id) if kept else None
    if request is None or not _waits(request, again):
        return None
    judgement = await _judges(context)[request.judged_as](context, request, again.event_id)
    if judgement is None:
        return WAITS
    judged = replace(judgement, because=again.because, cause=again.cause)

    async def write(turn: Turn) -> None:
        now = await requests.get(turn.tx, request.id)
        same = now.event_id == request.event_id and now.judged_as is request.judged_as
        known = await judgements.is_judged(turn.tx, request.id, again.because, again.cause)
        if same and not known and _waits(now, again):
            await settling.apply_decision(context, turn, now, judged)

    return write


def _waits(request: Request, again: Rejudge) -> bool:
    """Whether a request still waits, in the room in which it was to be judged again."""
    return request.awaits_moderators and request.room_id == again.room_id


def _judges(context: Context) -> Mapping[Kind, tables.Judges]:
    """How to judge each kind of request that exists already."""
    return {Kind.KNOCK: _knock} | tables.judges(context)


async def _knock(context: Context, request: Request, _: str) -> Judgement | None:
    return await judge(context, await rules.look_up(context, request.room_id), Case(request.knock))


async def _told(context: Context, again: Rejudge) -> Handled:
    """Report the result of judging again, in reply to the command that asked for it."""

    async def write(turn: Turn) -> None:
        there = await place.of(context, turn, again.room_id)
        said = await judgements.verdicts(turn.tx, again.because, again.cause, again.room_id)
        if there is None or not said:
            return
        done = notice(
            "policy.applied",
            room=Room(there.room_id, there.label),
            count=Number(said.total()),
            accept=Number(said[Verdict.ACCEPT]),
            reject=Number(said[Verdict.REJECT]),
            ban=Number(said[Verdict.BAN]),
            forward=Number(said[Verdict.FORWARD]),
        )
        audience = Audience(there.management_room, place=there.room_id)
        await saying.say(context, turn, audience, again.event_id, done, reply_to=again.cause)

    return write
