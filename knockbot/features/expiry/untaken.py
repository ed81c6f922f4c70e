"""An accept that was not taken in time: its invite is withdrawn, by one timer for each room.

It is withdrawn as an undo withdraws it, with the power of the author of the policy: who joins in the same moment stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from knockbot.domain.expiry import INVITE_EXPIRES, SEPARATELY
from knockbot.domain.model import Answer, Request, State, Step, Verdict
from knockbot.domain.notices import Duration, Number, because, notice, numbered
from knockbot.domain.policy import Announce
from knockbot.engine.timers import TimerKind, replace_timer
from knockbot.engine.turn import Turn, Write
from knockbot.flow import inheriting, place, rules, saying, undoing
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.saying import Audience
from knockbot.store import requests, timers
from knockbot.store.rooms import ProtectedRoom
from knockbot.store.timers import Timer
from knockbot.times import DAY, MINUTE

KIND: Final = "expire_invites"

AT_ONCE: Final = 50
"""Invites that are withdrawn in one turn."""


def key(room_id: str) -> str:
    """The key of a room's timer."""
    return f"{KIND}:{room_id}"


async def settled(context: Context, turn: Turn, request: Request) -> None:
    """Somebody is accepted: their invite expires after some time."""
    there = await place.of(context, turn, request.room_id) if request.state is State.ACCEPTED else None
    span = there.settings.invite_expires if there is not None else None
    if span is not None:
        await timers.at_latest(turn.tx, Timer(key(request.room_id), KIND, request.room_id, turn.now + span))
        turn.after(context.wakeups.timers.set)


async def revised(context: Context, turn: Turn, room_id: str) -> None:
    """Another policy is in force: when invites expire is planned anew, wherever it decides."""
    for one in await inheriting.where_it_decides(turn.tx, room_id):
        there = await place.of(context, turn, one.room_id)
        if there is not None:
            await _plan(context, turn, there)


async def look(context: Context, there: Place) -> None:
    """Make sure that all is planned: the config file may have another default policy now, or the room may be new."""
    async with context.turn() as turn:
        await _plan(context, turn, there)


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is not managed from here any more."""
    await timers.end(turn.tx, key(room.room_id))


async def _plan(context: Context, turn: Turn, there: Place, *, pause: int = 0) -> None:
    """Plan anew when the next invite expires. What could not be withdrawn is tried again after a day."""
    due = await _next(turn, there, there.settings.invite_expires, pause)
    if due is None:
        await timers.end(turn.tx, key(there.room_id))
    else:
        await replace_timer(context, turn, Timer(key(there.room_id), KIND, there.room_id, due))


async def _next(turn: Turn, there: Place, span: int | None, pause: int) -> int | None:
    if span is None:
        return None
    overdue = await requests.first_accepted(turn.tx, there.room_id, 0)
    first = await requests.first_accepted(turn.tx, there.room_id, turn.now - span + 1)
    due = [turn.now + pause] if overdue is not None and overdue + span <= turn.now else []
    return min([*due, first + span] if first is not None else due, default=None)


# --- at a time --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Expires:
    there: Place
    author: str | None
    """With whose power the invites are withdrawn."""
    cause: str


async def rings(context: Context, timer: Timer) -> Write[None] | None:
    """Invites may have been open for too long. May raise `Busy`."""
    async with context.db.tx() as tx:
        there = await place.find(context, tx, timer.about)
    if there is None or there.settings.invite_expires is None:
        return _planned_anew(context, timer)
    in_force = await rules.look_up(context, timer.about)
    author = in_force.author_of(in_force.policy.origin(in_force.policy.set_in.get(INVITE_EXPIRES)))

    async def write(turn: Turn) -> None:
        now = await place.of(context, turn, timer.about)
        if now is None or now.settings.invite_expires is None:
            return
        await _expire(context, turn, _Expires(now, author, f"{INVITE_EXPIRES} {timer.due_at}"), turn.now)

    return write


def _planned_anew(context: Context, timer: Timer) -> Write[None]:
    async def write(turn: Turn) -> None:
        there = await place.of(context, turn, timer.about)
        if there is not None:
            await _plan(context, turn, there)

    return write


async def _expire(context: Context, turn: Turn, what: _Expires, now: int) -> None:
    there, span = what.there, what.there.settings.invite_expires or 0
    if there.settings.dry_run:
        await _plan(context, turn, there, pause=DAY)
        return
    late = await requests.accepted_before(turn.tx, there.room_id, now - span, AT_ONCE + 1)
    several = len(late) > SEPARATELY
    for request in late[:AT_ONCE]:
        await _withdraw(context, turn, request, what, quiet=several)
    if several and there.settings.announce is not Announce.NONE:
        await _tell(context, turn, there, late[:AT_ONCE], what.cause)
    await _plan(context, turn, there, pause=MINUTE if len(late) > AT_ONCE else DAY)


async def _withdraw(context: Context, turn: Turn, request: Request, what: _Expires, *, quiet: bool) -> None:
    answer = Answer(
        Verdict.REJECT,
        context.bot,
        turn.now,
        request.event_id,
        rule=INVITE_EXPIRES,
        cause=what.cause,
        told=because("told.invite_expired"),
        author=what.author,
        quiet=quiet,
    )
    await undoing.start(context, turn, request, answer, Step.EXPIRE)


async def _tell(context: Context, turn: Turn, there: Place, late: Sequence[Request], cause: str) -> None:
    """Say of many at once that their invites expire."""
    said = notice(
        "invites.expire",
        room=there.called,
        count=Number(len(late)),
        requests=numbered([request.number for request in late]),
        time=Duration(there.settings.invite_expires or 0),
    )
    audience = Audience(there.management_room, place=there.room_id)
    await saying.say(context, turn, audience, f"{there.room_id} {cause} {late[0].id}", said)


EXPIRE: Final = TimerKind(rings)
