"""Making codes and ending them, in the turn of the command that asks for it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.domain.codes import MOST_CODES, digest, free_name, new_code, normal
from knockbot.domain.may import Deed
from knockbot.domain.model import Fact
from knockbot.domain.notices import Code as Typed
from knockbot.domain.notices import Number, Room, Stranger, notice
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.features.codes import counting
from knockbot.flow import authority, journal, rules
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.flow.records import record_of_room
from knockbot.store import codes
from knockbot.store.codes import Code
from knockbot.store.rooms import ProtectedRoom

LOOKED_AT = 100
"""Requests that wait with a code and are judged again when it is ended: those that came first."""


@dataclass(frozen=True, slots=True)
class Order:
    """A code that somebody wants."""

    room: ProtectedRoom
    actor: str
    cause: str
    name: str
    """Empty where the bot is to give it one."""
    uses: int
    until: int | None


@dataclass(frozen=True, slots=True)
class Made:
    """A code that was made; nobody can read it again."""

    name: str
    code: str


async def insist(context: Context, room: ProtectedRoom, actor: str, called: str) -> None:
    """Check that this person may make codes for a room, or end them. Raises `Refused` if not."""
    with journal.refusing(actor, called, room.room_id):
        await authority.insist(context, Wanted(Deed.CODE, actor, Room(room.room_id, room.label)))


async def is_asked_for(context: Context, room: ProtectedRoom) -> bool:
    """Whether a rule of the policy in force asks who brings a code. May raise `Busy`."""
    in_force = await rules.look_up(context, room.room_id, at_expense_of=room.management_room)
    return Fact.CODE in in_force.policy.needed


async def make(turn: Turn, order: Order) -> Made:
    """Make a code. Raises `Refused` where the room has too many, or one of that name."""
    room = order.room
    there = await codes.in_force(turn.tx, room.room_id, turn.now)
    called = Room(room.room_id, room.label)
    if len(there) >= MOST_CODES:
        raise Refused(notice("codes.too_many", room=called, most=Number(MOST_CODES), command=Typed("!kb code end")))
    taken = {one.name.casefold() for one in there}
    if order.name.casefold() in taken:
        raise Refused(notice("codes.same_name", room=called, name=Stranger(order.name)))
    name = order.name or free_name(lambda one: one in taken)
    code, salt = new_code(secrets.token_bytes(16)), secrets.token_hex(16)
    kept = Code(
        0,
        room.room_id,
        room.management_room,
        name,
        salt,
        digest(normal(code), salt),
        order.uses,
        order.until,
        order.actor,
        turn.now,
        None,
        order.cause,
    )
    await codes.add(turn.tx, kept)
    await record_of_room(turn, room.room_id, order.actor, Recorded.CODE_MADE, code=name)
    return Made(name, code)


async def end(context: Context, turn: Turn, room: ProtectedRoom, actor: str, name: str) -> Code:
    """End a code: nobody else comes in by it. Raises `Refused` where there is none of that name."""
    there = await codes.in_force(turn.tx, room.room_id, turn.now)
    meant = next((one for one in there if one.name.casefold() == name.casefold()), None)
    if meant is None:
        raise Refused(notice("codes.no_such", room=Room(room.room_id, room.label), name=Stranger(name, 60)))
    await codes.end(turn.tx, meant.id, turn.now)
    await counting.judge_again(context, turn, meant.id, LOOKED_AT)  # their cards say that it was ended
    await record_of_room(turn, room.room_id, actor, Recorded.CODE_ENDED, code=meant.name)
    return meant


@dataclass(frozen=True, slots=True)
class Shown:
    """A code of a room that is in force, and how many have used it."""

    code: Code
    used: int


async def of_room(context: Context, room: ProtectedRoom) -> Sequence[Shown]:
    """The codes of a room."""
    async with context.db.tx() as tx:
        there = await codes.in_force(tx, room.room_id, context.now())
        used = await codes.uses_of(tx, [one.id for one in there])
    return [Shown(one, used.get(one.id, 0)) for one in there]


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is not managed from here any more: its codes are over."""
    await codes.end_all(turn.tx, room.room_id, turn.now)


async def took_place(turn: Turn, old: str, new: str) -> None:
    """A room was replaced: its codes are for the new one."""
    await codes.move_over(turn.tx, old, new)
