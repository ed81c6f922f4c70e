"""Judging pending requests again when the basis of their judgement has changed, as when a new policy is applied.

The bot first stores what to judge, as one arrival of its own for each request. So it is done in the room's turn, once
for each cause, and goes on after a restart. It judges a few in a second, so that the room's knocks do not wait for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from knockbot.domain.ids import server_of, whole_server
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Because, Decision, Kind, Rejudge, Request, Verdict
from knockbot.domain.notices import Notice, Number, Room, because, below, notice
from knockbot.engine.turn import WAITS, Handled, Turn
from knockbot.errors import Later
from knockbot.flow import cards, overriding, place, rules, saying, settling, tables
from knockbot.flow.context import Context
from knockbot.flow.judging import Case, judge
from knockbot.flow.saying import Audience
from knockbot.store import inbox, jobs, judgements, requests
from knockbot.store.db import Tx

AT_ONCE = 20
"""Requests of a room that are judged again within a second."""

SECOND = 1000


async def plan(context: Context, turn: Turn, room_id: str, why: Because, cause: str) -> int:
    """Have all requests at a room that wait for an answer judged again; returns how many there are."""
    waiting = await requests.awaiting(turn.tx, room_id)
    await plan_each(context, turn, [Rejudge(room_id, why, cause, one) for one in waiting])
    return len(waiting)


async def plan_report(context: Context, turn: Turn, room_id: str, why: Because, cause: str) -> None:
    """Have the result told once all requests that were planned for this cause, in whatever room, are judged again."""
    await plan_each(context, turn, [Rejudge(room_id, why, cause)])


async def plan_each(context: Context, turn: Turn, planned: Sequence[Rejudge]) -> None:
    """Have requests judged again, a few in a second."""
    due = [(one, turn.now + turn_of // AT_ONCE * SECOND) for turn_of, one in enumerate(planned)]
    await inbox.add_own(turn.tx, [(one.event_id, one.room_id, _written(one), at) for one, at in due], turn.now)
    turn.after(context.wakeups.arrivals.set)


async def plan_withdrawals(context: Context, turn: Turn, room_id: str, cause: str) -> None:
    """Powers changed in a room, somebody joined it, or another policy is in force there, or a look at it may find that:
    what nobody had the power to withdraw is tried again."""
    held = await requests.to_withdraw(turn.tx, room_id)
    await plan_each(context, turn, [Rejudge(room_id, Because.POWERS_CHANGED, cause, one) for one in held])


async def plan_for(context: Context, turn: Turn, one: Rejudge) -> None:
    """Have the requests of those in `whom` judged again.

    Which requests these are is looked up in the room's turn: so none is left out whose judging is under way now.
    """
    await inbox.add_own(turn.tx, [(one.event_id, one.room_id, _written(one), turn.now)], turn.now)
    turn.after(context.wakeups.arrivals.set)


async def _plan_whom(context: Context, again: Rejudge) -> Handled:
    async def write(turn: Turn) -> None:
        due = await waiting(turn.tx, again.room_id, again.whom)
        each = [replace(again, request_id=request_id, whom=()) for request_id in due]
        await plan_each(context, turn, each)

    return write


async def waiting(tx: Tx, room_id: str, whom: Collection[str]) -> list[int]:
    """The requests of these at a room that wait for an answer."""
    found, meant = await requests.who_awaits(tx, room_id), frozenset(whom)
    return [request_id for request_id, user in found if not meant.isdisjoint((user, whole_server(server_of(user))))]


async def is_under_way(turn: Turn, room_id: str) -> bool:
    """Whether some requests at a room still have to be judged again."""
    return await inbox.has_own(turn.tx, room_id, f"rejudge {Because.POLICY_APPLIED} ")


def _written(one: Rejudge) -> str:
    return json.dumps(asdict(one), separators=(",", ":"))


def read(stored: Mapping[str, Any]) -> Rejudge:
    """What is to be judged again, as it was stored."""
    return Rejudge(**{**stored, "because": Because(stored["because"]), "whom": tuple(stored.get("whom", ()))})


async def rejudge(context: Context, again: Rejudge) -> Handled:
    """Judge a request again that still waits for an answer, or that a rule has answered where a fact has changed. May
    raise `Busy`."""
    if again.whom:
        return await _plan_whom(context, again)
    return (
        await _told(context, again) if again.request_id is None else await _judge_one(context, again, again.request_id)
    )


async def _judge_one(context: Context, again: Rejudge, request_id: int) -> Handled:
    async with context.db.tx() as tx:
        kept = await place.find(context, tx, again.room_id) is not None
        request = await requests.find(tx, request_id) if kept else None
    if request is None or not _may_change(request, again):
        return None
    if request.answer is not None and await _is_under_way(context, request, again):
        return WAITS
    invite = await overriding.invite_to_withdraw(context, request)
    if invite is None:
        return None
    async with context.db.tx() as tx:
        before = await judgements.newest(tx, request.id)
    judgement = await _judges(context)[request.judged_as](context, request, again.event_id)
    if judgement is None:
        return WAITS
    judged = replace(judgement, because=again.because, cause=again.cause)
    kicks = bool(invite) and await overriding.can_only_kick(context, request, judged)
    if await overriding.may_withdraw(context, request, before, judged):
        return partial(_withdraw, context, request, judged, kicks)
    changes = partial(_change, context, _Case(again, request, before, judged, invite, kicks))
    return changes if again.because is not Because.POWERS_CHANGED else None


@dataclass(frozen=True, slots=True)
class _Case:
    """A request that was judged again."""

    again: Rejudge
    request: Request
    """The request as it was judged."""
    before: Judgement | None
    judged: Judgement
    invite: str
    """The invite that would have to be withdrawn."""
    kicks: bool
    """Whether the bot can withdraw it, though it cannot ban."""


async def _change(context: Context, case: _Case, turn: Turn) -> None:
    """Do what the policy says of a request now, if it is still the one that was judged."""
    again, request, judged = case.again, case.request, case.judged
    now = await requests.get(turn.tx, request.id)
    if not await _is_same(turn, now, request, judged):
        return
    if now.awaits_moderators and now.room_id == again.room_id:
        await _decide_anew(context, turn, now, case.before, judged)
    elif _may_change(now, again) and tables.overridden(context, case.before, judged):
        if now.state is not request.state or await jobs.is_running(turn.tx, now.id):
            raise Later(because("act.under_way"), retry_after=1, unreachable=True)
        await overriding.override(context, turn, now, judged, invite=case.invite, kicks=case.kicks)


async def _is_same(turn: Turn, now: Request, request: Request, judged: Judgement) -> bool:
    """Whether a request is still what was judged, and not judged for this cause yet."""
    same = now.event_id == request.event_id and now.judged_as is request.judged_as
    return same and not await judgements.is_judged(turn.tx, request.id, judged.because, judged.cause)


async def _withdraw(context: Context, request: Request, judged: Judgement, kicks: bool, turn: Turn) -> None:
    """Withdraw an invite that nobody had the power to withdraw before."""
    now = await requests.get(turn.tx, request.id)
    if now.awaits_moderators and now.invited and await _is_same(turn, now, request, judged):
        await overriding.withdraw(context, turn, now, judged, kicks=kicks)


async def _decide_anew(
    context: Context, turn: Turn, request: Request, before: Judgement | None, judged: Judgement
) -> None:
    """Decide about a request that waits. What another policy says than the one that has left it to the moderators
    counts once that policy is applied, unless a feature says that it counts at once."""
    if not _waits_for_its_policy(request, before, judged) or tables.counts_at_once(context, before, judged):
        await settling.apply_decision(context, turn, request, judged)
    elif request.card_id is not None:
        await cards.refresh(turn, request.card_id)  # a list may name them that does not decide


def _waits_for_its_policy(request: Request, before: Judgement | None, judged: Judgement) -> bool:
    """Whether a request waits because an earlier policy has left it to the moderators: then the policy in force counts
    once somebody applies it."""
    if judged.because is Because.POLICY_APPLIED or request.card_id is None:
        return False
    if before is None:
        return True
    return before.decision.verdict is Verdict.FORWARD and before.policies != judged.policies


def _may_change(request: Request, again: Rejudge) -> bool:
    """Whether a request still waits, in the room in which it was to be judged again, or can be judged otherwise."""
    if request.room_id != again.room_id:
        return False
    changed = again.because is Because.FACTS_CHANGED
    return request.awaits_moderators or (changed and overriding.may_override(request))


UNDER_WAY = 1000
"""Milliseconds after which it is looked again whether an act has had its effect."""


async def _is_under_way(context: Context, request: Request, again: Rejudge) -> bool:
    """Whether the act of a rule's answer runs, so that nobody knows its result; then this waits."""
    async with context.db.tx() as tx:
        running = await jobs.is_running(tx, request.id)
        if running:
            await inbox.let_wait(tx, again.event_id, context.now() + UNDER_WAY)
    return running


def _judges(context: Context) -> Mapping[Kind, tables.Judges]:
    """How to judge each kind of request that exists already."""
    return {Kind.KNOCK: _knock} | tables.judges(context)


async def _knock(context: Context, request: Request, _: str) -> Judgement | None:
    return await judge(context, await rules.look_up(context, request.room_id), Case(request.knock))


async def _told(context: Context, again: Rejudge) -> Handled:
    """Report the result of judging again, in reply to the command that asked for it, once all is done."""
    async with context.db.tx() as tx:
        if await inbox.has_own_of(tx, again.prefix, other_than=again.event_id):
            await inbox.let_wait(tx, again.event_id, context.now() + SECOND)
            return WAITS

    async def write(turn: Turn) -> None:
        there = await place.of(context, turn, again.room_id)
        said = await judgements.decisions(turn.tx, again.because, again.cause)
        if there is None or not said:
            return
        done = _result(there.called, await judgements.rooms_of(turn.tx, again.because, again.cause), said)
        audience = Audience(there.management_room, place=there.room_id)
        reply_to = await saying.if_asked_in(turn.tx, there.management_room, again.cause)
        await saying.say(context, turn, audience, again.event_id, done, reply_to=reply_to)

    return write


def _result(room: Room, judged_in: Collection[str], decided: Sequence[Decision]) -> Notice:
    """How many requests were judged again, and what was decided."""
    said = Counter(one.verdict for one in decided)
    count, accept, reject = Number(said.total()), Number(said[Verdict.ACCEPT]), Number(said[Verdict.REJECT])
    ban, forward = Number(said[Verdict.BAN]), Number(said[Verdict.FORWARD])
    ask = notice("policy.applied_asks", count=Number(said[Verdict.ASK])) if said[Verdict.ASK] else None
    held = sum(one.held is Verdict.ACCEPT for one in decided)
    left = notice("policy.applied_held", count=Number(held)) if held else None
    if set(judged_in) == {room.room_id}:
        done = notice("policy.applied", room=room, count=count, accept=accept, reject=reject, ban=ban, forward=forward)
        return below(done, ask, left)
    rooms = Number(len(judged_in))
    done = notice("policy.applied_in", rooms=rooms, count=count, accept=accept, reject=reject, ban=ban, forward=forward)
    return below(done, ask, left)
