"""The commands by which members vouch for others, and take that back: in a management room, or in a conversation."""

from __future__ import annotations

from dataclasses import replace

from knockbot.chat.arguments import NAMED_ROOM, REASON, ROOM, USER
from knockbot.chat.calls import Answered, Call, Misuse, Reply, manages_rooms, resolved
from knockbot.chat.command import Command
from knockbot.chat.typed import after_name
from knockbot.documents.text import NAME_LIMIT, storable
from knockbot.domain import ids
from knockbot.domain.codes import masked
from knockbot.domain.may import Deed
from knockbot.domain.notices import Code, Letters, Moment, Notice, User, below, notice
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never, Refused
from knockbot.features.vouches import giving
from knockbot.features.vouches.giving import Given, Order
from knockbot.flow import place
from knockbot.flow.rooms import is_joined
from knockbot.store import rooms
from knockbot.store.rooms import ProtectedRoom

MOST_NAMESAKES = 5
"""Rooms of one name in which somebody's membership is looked up."""


def _order(call: Call, whom: str, room: ProtectedRoom, why: str | None = None) -> Order:
    return Order(room, call.actor, whom, masked(" ".join(storable(why or "").split()), {}), call.cause)


async def vouch(call: Call, whom: str, room: ProtectedRoom, why: str | None) -> Answered:
    """Vouch for somebody, in a management room."""
    order = _order(call, whom, room, why)
    await giving.insist(call.context, order, "vouch")
    give, no_rule = await _giving(call, order), await _no_rule(call, order)

    async def write(turn: Turn) -> Reply:
        return below(await give(turn), no_rule)

    return write


async def _no_rule(call: Call, order: Order) -> Notice | None:
    """That no rule asks for it, for those who know the policy."""
    if order.room.management_room != call.room or await giving.is_asked_for(call.context, order.room):
        return None
    return notice("vouches.no_rule", room=order.called, key=Code("vouched"), command=Code("!kb policy set"))


async def unvouch(call: Call, whom: str, room: ProtectedRoom) -> Answered:
    """Take one's word back, in a management room."""
    order = _order(call, whom, room)
    await giving.insist(call.context, order, "unvouch")

    async def write(turn: Turn) -> Reply:
        return await _take_back(call, order, turn)

    return write


async def vouch_here(call: Call, whom: str, room: ProtectedRoom, why: str | None) -> Notice | Write[Notice]:
    """The same in a conversation."""
    order = _order(call, whom, room, why)
    await giving.insist(call.context, order, "vouch")
    return await _giving(call, order)


async def unvouch_here(call: Call, whom: str, room: ProtectedRoom) -> Notice | Write[Notice]:
    """The same in a conversation."""
    order = _order(call, whom, room)
    return lambda turn: _take_back(call, order, turn)


async def _giving(call: Call, order: Order) -> Write[Notice]:
    await giving.insist_on_sense(call.context, order)
    async with call.context.db.tx() as tx:
        there = await place.find(call.context, tx, order.room.room_id)
    zone = there.settings.timezone if there is not None else "UTC"

    async def write(turn: Turn) -> Notice:
        given = await giving.give(call.context, turn, order)
        return _told(order, given, zone)

    return write


def _told(order: Order, given: Given, zone: str) -> Notice:
    user, room, until = User(order.whom), order.called, Moment(given.until, zone)
    if given.again:
        return notice("vouches.again", user=user, room=room, until=until)
    said = notice("vouches.given", user=user, room=room, until=until)
    return below(said, notice("vouches.judged_again") if given.waits else None)


async def _take_back(call: Call, order: Order, turn: Turn) -> Notice:
    await giving.take_back(call.context, turn, order)
    return notice("vouches.taken_back", user=User(order.whom), room=order.called)


# --- the room that is meant -------------------------------------------------------------------


async def _room_here(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    """A room managed from here, which has to be named: a text may follow. From where none is managed, as in a
    conversation."""
    return await NAMED_ROOM.read(call, text) if await manages_rooms(call) else await _own_room(call, text)


async def _own_room(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    """A protected room that they are in. Of any other room they do not learn whether it is protected."""
    first, _, rest = text.partition(" ")
    if not first:
        return None
    if ids.room_reference(first) is not None:
        room_id = await resolved(call, first)
        async with call.context.db.tx() as tx:
            room = await rooms.find(tx, room_id) if room_id is not None else None
        meant = [(room, rest.strip())] if room is not None else []
    else:
        async with call.context.db.tx() as tx:
            known = await rooms.all_rooms(tx)
        named = [(room, after) for room in known if (after := after_name(text, room.name)) is not None]
        shortest = min((len(after) for _, after in named), default=0)
        meant = [one for one in named if len(one[1]) == shortest]
    theirs = [one for one in meant[:MOST_NAMESAKES] if await _is_in(call, one[0])]
    if not theirs:
        raise Refused(notice("own.vouch_no_room", room=Letters(first, NAME_LIMIT)))
    if len(theirs) > 1:
        raise Misuse(notice("own.vouch_several"))
    return theirs[0]


async def _is_in(call: Call, room: ProtectedRoom) -> bool:
    try:
        return await is_joined(call.context, room.room_id, call.actor)
    except Never:
        return False


WHY = replace(REASON, word="why", example="We sing together.")

WHOM = replace(USER, question=notice("own.ask_whom"))
OWN_ROOM = replace(ROOM, question=notice("own.ask_vouch_room"), read=_own_room)

ROOM_HERE = replace(ROOM, read=_room_here)

COMMANDS = (
    Command("vouch", (USER, ROOM_HERE, WHY), vouch, Deed.VOUCH),
    Command("unvouch", (USER, ROOM_HERE), unvouch, Deed.VOUCH),
)
