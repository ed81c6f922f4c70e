"""Undo in chat: `undo`, of what somebody has answered last, or of requests by their numbers."""

from __future__ import annotations

from dataclasses import replace

from knockbot.chat.arguments import REQUESTS, optional
from knockbot.chat.calls import AWAITED, Answered, Call, Meant, Reply, requests_to_undo
from knockbot.chat.command import Command
from knockbot.domain.may import Deed
from knockbot.domain.model import Request, Step
from knockbot.domain.notices import Notice, Room, below, notice
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.features.undo import asking, looking, taking
from knockbot.features.undo.looking import Found, Wish
from knockbot.flow import authority
from knockbot.flow.authority import Wanted
from knockbot.store import records, requests, rooms


async def undo(call: Call, meant: Meant | None) -> Answered:
    """Undo the answers to these requests, or what its author has answered last."""
    await authority.insist(call.context, Wanted(Deed.TAKE_BACK, call.actor, Room(call.room, call.room)))
    wish = Wish(call.actor, call.cause, own=meant is None)
    found = [await _looked_at(call, wish, one) for one in (meant.found if meant is not None else await _own(call))]

    async def write(turn: Turn) -> Reply:
        await requests.hold(turn.tx, [one.request.id for one in found if isinstance(one, Found)])
        said = [await _undone(call, turn, wish, one) for one in found]
        kept = [one for one in dict.fromkeys(said) if one is not None]
        return below(*kept) if kept else AWAITED

    return write


async def _own(call: Call) -> list[Request]:
    """The requests that the author of a command has answered last, as far as they are managed from here."""
    async with call.context.db.tx() as tx:
        managed = {room.room_id for room in await rooms.managed_by(tx, call.room)}
        numbers = await records.last_answered_by(tx, call.actor, call.room)
        found = [await requests.get(tx, one, held=False) for one in numbers]
    theirs = [request for request in found if request.room_id in managed]
    if not theirs:
        raise Refused(notice("undo.none"))
    return theirs


async def _looked_at(call: Call, wish: Wish, one: Request | Refused) -> Found | Refused:
    if isinstance(one, Refused):
        return one
    try:
        return await looking.look(call.context, wish, one)
    except Refused as refused:
        return refused


async def _undone(call: Call, turn: Turn, wish: Wish, one: Found | Refused) -> Notice | None:
    """What is said of one of them; nothing where a question says it."""
    if isinstance(one, Refused):
        return one.said
    try:
        if one.step is Step.REMOVE:
            await asking.ask(call.context, turn, wish, one)
            return None
        return await taking.take(call.context, turn, wish, one)
    except Refused as refused:
        return refused.said


ANSWERED = optional(replace(REQUESTS, read=requests_to_undo))
"""The requests whose answers are to be undone."""

COMMANDS = (Command("undo", (ANSWERED,), undo, Deed.TAKE_BACK),)
