"""After a policy names a list for the first time: whom it hits of those who are in the room, or wait at its door.

Who has joined is told, and stays; who waits is told, and judged again (`again.py`). A list that was not read yet is
waited for, and then it is told in reply to the same command.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from knockbot.domain.listed import ListThen, PolicyList, name_of_list, names_them
from knockbot.domain.model import Request
from knockbot.domain.notices import Notice, Number, Room, Stranger, below, notice
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.errors import ActionError
from knockbot.features.lists import matching, telling
from knockbot.features.lists.matching import Unread
from knockbot.flow import place, saying
from knockbot.flow.changes import Sound
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.saying import Audience
from knockbot.store import lists, requests
from knockbot.store.timers import Timer
from knockbot.times import HOUR, SECOND

MOST: Final = 10_000
"""People of a room that are compared with a list."""

NAMED: Final = 10
"""How many are named."""

AGAIN: Final = 5 * SECOND
"""Milliseconds after which it is looked again whether the list was read."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be told, to whom, and since when it waits."""

    room_id: str
    list_room: str
    name: str
    allow_everything: bool
    cause: str
    since: int

    @property
    def key(self) -> str:
        """Its name among the timers: a command asks once about each list."""
        return f"{telling.REPLY}:{self.cause}:{self.list_room}"


async def plan(context: Context, turn: Turn, sound: Sound, one: PolicyList) -> None:
    """Have it told soon whom a list hits."""
    change = sound.change
    list_room = sound.meant.get(one.room, one.room)
    asked = Asked(change.room.room_id, list_room, one.name, one.allow_everything, change.cause, turn.now)
    await _plan(context, turn, asked, turn.now)


async def _plan(context: Context, turn: Turn, asked: Asked, due_at: int) -> None:
    await set_timer(context, turn, Timer(asked.key, telling.REPLY, json.dumps(asdict(asked)), due_at))


async def rings(context: Context, timer: Timer) -> Write[None] | None:
    """Tell whom the list hits, or wait until it was read."""
    asked = Asked(**json.loads(timer.about))
    async with context.db.tx() as tx:
        there = await place.find(context, tx, asked.room_id)
    if there is None:
        return None
    said = await _found(context, there, asked)

    async def write(turn: Turn) -> None:
        if said is None:
            await _plan(context, turn, asked, turn.now + AGAIN)
            return
        to = Audience(there.management_room, place=there.room_id)
        reply_to = await saying.if_asked_in(turn.tx, there.management_room, asked.cause)
        await saying.say(context, turn, to, asked.key, said, reply_to=reply_to)

    return write


async def _found(context: Context, there: Place, asked: Asked) -> Notice | None:
    """What is told; none while the list has yet to be read."""
    name, room = Stranger(asked.name), there.called
    try:
        waiting, told_of, joined = await _people(context, there, asked.name)
        people = [*waiting, *told_of, *joined]
        compared = people[:MOST]
        hit = [user for user in compared if await _is_hit(context, asked, user)]
        everybody = (await telling.writers(context, asked.list_room)).everybody
    except Unread:
        waited = context.now() - asked.since >= HOUR
        return notice("policy_list.hits_unread", name=name, room=room) if waited else None
    except ActionError as error:
        return notice("policy_list.hits_unknown", name=name, room=room, why=error.why)
    told = _told(name, there, asked, [[user for user in hit if user in some] for some in (waiting, told_of, joined)])
    opened = notice("policy_list.open_to_write") if everybody else None
    return below(*told, _left_out(len(compared), len(people)), await _names_everybody(context, asked), opened)


async def _names_everybody(context: Context, asked: Asked) -> Notice | None:
    """The entries that name everybody; those that came a moment ago are told by themselves (`again.py`)."""
    async with context.db.tx() as tx:
        known = await lists.find(tx, asked.list_room)
        found = await lists.everything(tx, asked.list_room, 0, known.told_version) if known is not None else []
    return telling.names_everybody(asked.name, found) if found and not asked.allow_everything else None


def _told(name: Stranger, there: Place, asked: Asked, hit: Sequence[Sequence[str]]) -> list[Notice]:
    """What becomes of those who wait, of those about whom this list has decided, and of those who have joined."""
    room = there.called
    if not any(hit):
        return [notice("policy_list.hits_nobody", name=name, room=room)]
    decides = any(one.name == asked.name and one.then is not ListThen.NONE for one in there.settings.lists)
    saying_of = (_waiting if decides else _waiting_on, _told_of, _joined)
    found = zip(saying_of, hit, strict=True)
    return [says(name, room, Number(len(users)), telling.people(users, NAMED)) for says, users in found if users]


def _waiting(name: Stranger, room: Room, count: Number, users: Notice) -> Notice:
    return notice("policy_list.hits_waiting", name=name, count=count, room=room, users=users)


def _told_of(name: Stranger, room: Room, count: Number, users: Notice) -> Notice:
    return notice("policy_list.hits_told", name=name, count=count, room=room, users=users)


def _waiting_on(name: Stranger, room: Room, count: Number, users: Notice) -> Notice:
    return notice("policy_list.hits_waiting_only", name=name, count=count, room=room, users=users)


def _joined(name: Stranger, room: Room, count: Number, users: Notice) -> Notice:
    return notice("policy_list.hits_joined", name=name, count=count, room=room, users=users)


def _left_out(compared: int, people: int) -> Notice | None:
    if compared == people:
        return None
    return notice("policy_list.hits_of_some", compared=Number(compared), people=Number(people))


async def _is_hit(context: Context, asked: Asked, user_id: str) -> bool:
    hit = await matching.match(
        context, asked.list_room, user_id, allow_everything=asked.allow_everything, at_expense_of=asked.room_id
    )
    return hit is not None


async def _people(context: Context, there: Place, name: str) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """Who waits at the door, of whom it is told already that this list names them, and who is in the room. May raise
    `Later` and `Never`."""
    async with context.db.tx() as tx:
        found = [await requests.find(tx, one) for one in await requests.awaiting(tx, there.room_id)]
    joined = await context.outside.joined(there.room_id)
    waiting = {request.user_id or request.subject: request for request in found if request is not None}
    told_of = [user for user, request in waiting.items() if _is_told(request, name)]
    inside = [user for user in joined if user not in waiting and user != context.bot]
    return [user for user in waiting if user not in told_of], told_of, inside


def _is_told(request: Request, name: str) -> bool:
    """Whether a card says that this list names them: it has decided, and has left them to the moderators."""
    decision = request.decision
    return decision is not None and name_of_list(decision.rule) == name and names_them(decision)


HITS: Final[TimerKind[Context]] = TimerKind(rings)
