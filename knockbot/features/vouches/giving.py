"""Giving one's word for somebody, and taking it back, in the turn of the command that asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.domain.may import Deed
from knockbot.domain.model import Because, Fact, Membership, Rejudge, Request, State
from knockbot.domain.notices import Number, Room, User, notice
from knockbot.domain.records import Recorded
from knockbot.domain.vouches import KEPT, LONGEST, MOST_A_DAY, MOST_STANDING
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.flow import authority, journal, rejudging, remarks, rules
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.flow.records import record, record_of_room
from knockbot.store import requests, rooms, vouches
from knockbot.store.rooms import ProtectedRoom
from knockbot.store.vouches import Vouch
from knockbot.times import DAY


@dataclass(frozen=True, slots=True)
class Order:
    """Whom somebody vouches for, or no longer, and by which message."""

    room: ProtectedRoom
    actor: str
    whom: str
    why: str
    cause: str

    @property
    def called(self) -> Room:
        """The room, as notices name it."""
        return Room(self.room.room_id, self.room.label)


@dataclass(frozen=True, slots=True)
class Given:
    """What came of it."""

    until: int
    again: bool
    """Whether they had vouched before."""
    waits: bool
    """Whether a request of theirs waits, and is judged again."""


async def insist(context: Context, order: Order, called: str) -> None:
    """Check that this person may vouch at this room. Raises `Refused` if not."""
    with journal.refusing(order.actor, called, order.room.room_id):
        await authority.insist(context, Wanted(Deed.VOUCH, order.actor, order.called))


async def insist_on_sense(context: Context, order: Order) -> None:
    """Raises `Refused` where a word makes no sense: for oneself, for the bot, for a member."""
    user = User(order.whom)
    if order.whom == order.actor:
        raise Refused(notice("vouches.oneself"))
    if order.whom == context.bot:
        raise Refused(notice("vouches.bot", bot=user))
    if len(order.why) > LONGEST:
        raise Refused(notice("vouches.too_long", most=Number(LONGEST), length=Number(len(order.why))))
    member = await context.outside.member(order.room.room_id, order.whom)
    if member is not None and member.membership is Membership.JOIN:
        raise Refused(notice("vouches.joined", user=user, room=order.called))


async def is_asked_for(context: Context, room: ProtectedRoom) -> bool:
    """Whether a rule of the policy in force asks who vouches. May raise `Busy`."""
    in_force = await rules.look_up(context, room.room_id, at_expense_of=room.management_room)
    return Fact.VOUCHED in in_force.policy.needed


async def give(context: Context, turn: Turn, order: Order) -> Given:
    """Vouch for somebody. Raises `Refused` where that is too often, or for too many."""
    room_id, now = order.room.room_id, turn.now
    await _insist_on_the_room(turn, order)
    before = await vouches.get(turn.tx, room_id, order.whom, order.actor)
    again = before is not None and before.stands(now)
    if await vouches.given_since(turn.tx, order.actor, now - DAY) >= MOST_A_DAY:
        raise Refused(notice("vouches.too_many_today", most=Number(MOST_A_DAY)))
    if not again and await vouches.count_standing(turn.tx, room_id, order.actor, now) >= MOST_STANDING:
        raise Refused(notice("vouches.too_many", most=Number(MOST_STANDING), room=order.called))
    until = now + KEPT
    kept = Vouch(room_id, order.whom, order.actor, order.room.management_room, now, until, order.why)
    await vouches.give(turn.tx, kept, now - DAY)
    request = await _concerned(turn, order, Recorded.VOUCHED)
    waits = request is not None and request.awaits_moderators
    if request is not None and waits and not again:
        again_judged = Rejudge(room_id, Because.VOUCHED, order.cause, request.id)
        await rejudging.plan_each(context, turn, [again_judged])
    return Given(until, again, waits)


async def take_back(context: Context, turn: Turn, order: Order) -> None:
    """Take one's word back. Raises `Refused` where none stands."""
    before = await vouches.get(turn.tx, order.room.room_id, order.whom, order.actor)
    if before is None or not before.stands(turn.now):
        raise Refused(notice("vouches.none", user=User(order.whom), room=order.called))
    await vouches.take_back(turn.tx, order.room.room_id, order.whom, order.actor)
    request = await _concerned(turn, order, Recorded.UNVOUCHED)
    if request is not None:
        again = Rejudge(order.room.room_id, Because.FACTS_CHANGED, order.cause, request.id)
        await rejudging.plan_each(context, turn, [again])


async def _insist_on_the_room(turn: Turn, order: Order) -> None:
    """Raises `Refused` where the room is not managed from there any more: what was said goes to nobody else."""
    now = await rooms.find(turn.tx, order.room.room_id)
    if now is None or now.management_room != order.room.management_room:
        raise Refused(notice("vouches.room_gone"))


async def _concerned(turn: Turn, order: Order, kind: Recorded) -> Request | None:
    """The request that this is about, with this on record, and its card to be shown anew."""
    newest = await requests.latest(turn.tx, order.room.room_id, order.whom)
    if newest is None or newest.state not in (State.PENDING, State.ACCEPTED):
        await record_of_room(turn, order.room.room_id, order.actor, kind, whom=[order.whom], people=1)
        return None
    await record(turn, newest, order.actor, kind, whom=[order.whom], people=1)
    await remarks.changed(turn, newest.id)
    return newest
