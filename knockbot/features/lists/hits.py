"""After a policy names a list for the first time: whom it hits of those who are in the room, or wait at its door.

Who has joined is told, and stays; who waits is told, and judged again (`again.py`). A list that was not read yet is
waited for, and then it is told in reply to the same command. The policy of a space is told of in all rooms in which it
decides. What is told is about one revision: a later one that comes before takes its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from knockbot.domain.listed import ListThen, PolicyList
from knockbot.domain.notices import Choice, Notice, Number, Room, Stranger, below, notice
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.errors import ActionError
from knockbot.features.lists import around, behind, matching, telling, using
from knockbot.features.lists.around import Around
from knockbot.features.lists.matching import Unread
from knockbot.flow import inheriting, overriding, place, saying
from knockbot.flow.changes import Sound
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.saying import Audience
from knockbot.store import lists, policies, timers
from knockbot.store.db import Tx
from knockbot.store.timers import Timer
from knockbot.times import HOUR, SECOND

MOST: Final = 10_000
"""People of a room that are compared with a list."""

NAMED: Final = 10
"""How many are named, and in how many rooms."""

NAMED_OF_EACH: Final = 3
"""How many are named of each room, if it is told of several."""

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
    revision: int
    """The revision of the policy that names the list."""

    @property
    def key(self) -> str:
        """Its name among the timers: a command asks once about each list."""
        return f"{telling.REPLY}:{self.cause}:{self.list_room}"


async def plan(context: Context, turn: Turn, sound: Sound, one: PolicyList) -> None:
    """Have it told soon whom a list hits."""
    change = sound.change
    list_room = sound.meant.get(one.room, one.room)
    revision = await policies.latest(turn.tx, change.room.room_id) or 0
    room_id = change.room.room_id
    asked = Asked(room_id, list_room, one.name, one.allow_everything, change.cause, turn.now, revision)
    await _plan(context, turn, asked, turn.now)


async def drop(turn: Turn, room_id: str) -> set[str]:
    """Another policy of a room is in force: what was to be told of the one before is not; returns of which lists."""
    planned = {timer.key: Asked(**json.loads(timer.about)) for timer in await timers.of_kind(turn.tx, telling.REPLY)}
    dropped = {key: asked for key, asked in planned.items() if asked.room_id == room_id}
    for key in dropped:
        await timers.end(turn.tx, key)
    return {asked.list_room for asked in dropped.values()}


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
        if await policies.latest(turn.tx, asked.room_id) != asked.revision:
            return  # it would not be true any more
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
        await _insist_on_news(context, asked.list_room)
        found = await _compared(context, asked, await _using_it(context, there, asked))
        everybody = (await telling.writers(context, asked.list_room)).everybody
    except Unread:
        waited = context.now() - asked.since >= HOUR
        return notice("policy_list.hits_unread", name=name, room=room) if waited else None
    except ActionError as error:
        return notice("policy_list.hits_unknown", name=name, room=room, why=error.why)
    opened = notice("policy_list.open_to_write") if everybody else None
    return below(*_told(name, found), _left_out(found), await _names_everybody(context, asked), opened)


async def _insist_on_news(context: Context, list_room: str) -> None:
    """Raises `Unread` while something of a list is not taken in, as after a start, or while the bot is out of it."""
    async with context.db.tx() as tx:
        known = await lists.find(tx, list_room)
        is_behind = await behind.looked_up(context, tx, list_room) is not None
    if known is None or known.trouble is not None or is_behind:
        raise Unread


async def _using_it(context: Context, there: Place, asked: Asked) -> list[Place]:
    """The room whose policy names the list, and those in which that policy decides too."""
    async with context.db.tx() as tx:
        takers = [await place.find(context, tx, one.room_id) for one in await inheriting.takers(tx, there.room)]
        using_it = [one for one in takers if one is not None and await _uses(context, tx, one, asked)]
    return [there, *using_it]


async def _uses(context: Context, tx: Tx, there: Place, asked: Asked) -> bool:
    named = (await using.of_place(context, tx, there)).items()
    first = there.layers[0].room_id if there.layers else ""
    return any(
        room_id == asked.list_room and (origin or first) == asked.room_id for origin, of in named for _, room_id in of
    )


@dataclass(slots=True)
class _Compared:
    """What the list says of the people at several rooms."""

    room: Place
    """The one whose policy names the list."""
    rooms: int
    people: dict[str, bool] = field(default_factory=dict)
    """Who was compared, and whether the list names them."""
    left_out: set[str] = field(default_factory=set)
    hit: list[_Hit] = field(default_factory=list)
    """The rooms where it names somebody."""


@dataclass(frozen=True, slots=True)
class _Hit:
    there: Place
    groups: Mapping[str, Sequence[str]]
    """Whom the list names, by what becomes of them."""


async def _compared(context: Context, asked: Asked, places: Sequence[Place]) -> _Compared:
    """Compare the people at these rooms with the list. Raises `Unread`; may raise `Later` and `Never`."""
    found = _Compared(places[0], len(places))
    for there in places:
        people = await around.of_room(context, there, asked.name, asked.since)
        for user in people.everybody:
            if user not in found.people and len(found.people) < MOST:
                found.people[user] = await _is_hit(context, asked, user)
        found.left_out |= {*people.everybody} - found.people.keys()
        groups = await _groups(context, there, asked, people, found.people)
        if groups:
            found.hit.append(_Hit(there, groups))
    return found


async def _groups(
    context: Context, there: Place, asked: Asked, people: Around, named: Mapping[str, bool]
) -> dict[str, list[str]]:
    waiting = [user for user in people.waiting if named.get(user)]
    told = [user for user in waiting if around.has_decided(people.waiting[user], asked.name)]
    earlier = [user for user in waiting if user not in told and await _earlier_decides(context, there, asked, user)]
    decides = any(one.name == asked.name and one.then is not ListThen.NONE for one in there.settings.lists)
    invited = "invited_dry" if there.settings.dry_run else "invited" if decides else "invited_only"
    to_withdraw = [user for user in people.invited if named.get(user)]
    out_of_reach = await overriding.out_of_reach(context, there.room_id, to_withdraw) if invited == "invited" else []
    groups = {
        "decided": [user for user in people.decided if named.get(user)],
        "waiting" if decides else "waiting_only": [user for user in waiting if user not in {*told, *earlier}],
        "after": earlier,
        "told": told,
        invited: [user for user in to_withdraw if user not in out_of_reach],
        "invited_powerless": out_of_reach,
        "joined": [user for user in people.joined if named.get(user)],
    }
    return {group: users for group, users in groups.items() if users}


async def _earlier_decides(context: Context, there: Place, asked: Asked, user_id: str) -> bool:
    """Whether a list that comes before this one names somebody, and decides."""
    async with context.db.tx() as tx:
        used = await using.in_room(context, tx, there)
    for one in used:
        if one.room_id == asked.list_room:
            return False
        if one.one.then is not ListThen.NONE and await _names(context, asked, one, user_id):
            return True
    return False


async def _names(context: Context, asked: Asked, used: using.Used, user_id: str) -> bool:
    everything, payer = used.one.allow_everything, asked.room_id
    try:
        hit = await matching.match(context, used.room_id, user_id, allow_everything=everything, at_expense_of=payer)
    except Unread:
        return False
    return hit is not None


async def _names_everybody(context: Context, asked: Asked) -> Notice | None:
    """The entries that name everybody; those that came a moment ago are told by themselves (`again.py`)."""
    async with context.db.tx() as tx:
        known = await lists.find(tx, asked.list_room)
        found = await lists.everything(tx, asked.list_room, 0, known.told_version) if known is not None else []
    return telling.names_everybody(asked.name, found) if found and not asked.allow_everything else None


def _told(name: Stranger, found: _Compared) -> list[Notice]:
    """What becomes of whom, a line for each room and group."""
    if not found.hit:
        return [_nobody(name, found)]
    most = NAMED if len(found.hit) == 1 else NAMED_OF_EACH
    lines = [
        _line(name, hit.there.called, group, users, most)
        for hit in found.hit[:NAMED]
        for group, users in hit.groups.items()
    ]
    more = len(found.hit) - NAMED
    return [*lines, *([notice("policy_list.hits_more", name=name, count=Number(more))] if more > 0 else [])]


def _line(name: Stranger, room: Room, group: str, users: Sequence[str], most: int) -> Notice:
    count, named = Number(len(users)), telling.people(users, most)
    return notice("policy_list.hits", who=Choice(group), name=name, count=count, room=room, users=named)


def _nobody(name: Stranger, found: _Compared) -> Notice:
    room, others = found.room.called, found.rooms - 1
    if others:
        return notice("policy_list.hits_nobody_there", name=name, room=room, count=Number(others))
    return notice("policy_list.hits_nobody", name=name, room=room)


def _left_out(found: _Compared) -> Notice | None:
    if not found.left_out:
        return None
    compared = len(found.people)
    return notice("policy_list.hits_of_some", compared=Number(compared), people=Number(compared + len(found.left_out)))


async def _is_hit(context: Context, asked: Asked, user_id: str) -> bool:
    hit = await matching.match(
        context, asked.list_room, user_id, allow_everything=asked.allow_everything, at_expense_of=asked.room_id
    )
    return hit is not None


HITS: Final[TimerKind[Context]] = TimerKind(rings)
