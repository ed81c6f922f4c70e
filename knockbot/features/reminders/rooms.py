"""What the timers of a room have in common: they are planned anew with its policy, and end with its protection."""

from __future__ import annotations

from knockbot.domain.model import Request
from knockbot.engine.timers import move_timer
from knockbot.engine.turn import Turn
from knockbot.features.reminders import daily, expiring, reminding
from knockbot.flow import inheriting, place
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import reminders, timers
from knockbot.store.rooms import ProtectedRoom

KEYS = (reminding.key, daily.key, expiring.key)


async def left_open(context: Context, turn: Turn, request: Request) -> None:
    """A request waits for an answer."""
    await reminding.left_open(context, turn, request)
    await expiring.left_open(context, turn, request)


async def settled(_: Context, turn: Turn, request: Request) -> None:
    """A request has its outcome. Nobody was reminded of one that never had a card."""
    if request.card_id is not None:
        await reminders.end(turn.tx, request.id)


async def revised(context: Context, turn: Turn, room_id: str) -> None:
    """Another policy is in force: what waits at the room, and where the same policy decides, is planned anew."""
    for one in await inheriting.where_it_decides(turn.tx, room_id):
        there = await place.of(context, turn, one.room_id)
        if there is not None:
            await _plan(context, turn, there)
            await daily.replan(context, turn, there)


async def _plan(context: Context, turn: Turn, there: Place) -> None:
    await reminding.plan(context, turn, there)
    await expiring.plan(context, turn, there)


async def look(context: Context, there: Place) -> None:
    """Make sure that all is planned: the config file may have another default policy now, or the room may be new."""
    async with context.turn() as turn:
        await _plan(context, turn, there)
        await daily.make_sure(context, turn, there)


async def took_place(turn: Turn, old: str, new: str) -> None:
    """A room was replaced: what is planned is about those who came over to the new one."""
    for key in KEYS:
        await move_timer(turn, key(old), key(new), new)


async def let_go(_: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is not managed from here any more."""
    for key in KEYS:
        await timers.end(turn.tx, key(room.room_id))
