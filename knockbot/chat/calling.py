"""The commands by which people say whether they want to be called, and that show who is."""

from __future__ import annotations

from knockbot.chat.arguments import ROOM, SOME_ROOM
from knockbot.chat.calls import TICK, Answered, Call, Reply
from knockbot.chat.command import Command
from knockbot.domain.may import Deed
from knockbot.domain.notices import Code, Letters, Notice, Room, User, below, listed, notice
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.features.calls import callers
from knockbot.flow import authority, calling, place
from knockbot.flow.authority import Wanted
from knockbot.flow.place import Place
from knockbot.store import callers as records
from knockbot.store.rooms import ProtectedRoom


async def call(here: Call, only: ProtectedRoom | None) -> Notice:
    """Who is called about each room, and in which hours nobody is."""
    async with here.context.db.tx() as tx:
        managed = await place.managed_by(here.context, tx, here.room)
        shown = [there for there in managed if only in (None, there.room)]
        lines = [line for there in shown for line in _row(there, await calling.whom(here.context, tx, there))]
    return below(*lines, notice("call.how", me=Code("!kb call me ROOM"), off=Code("!kb call off")))


def _row(there: Place, users: tuple[str, ...]) -> list[Notice]:
    named = listed(User(user) for user in users)
    called = notice("call.row", room=there.called, users=named) if users else notice("call.nobody", room=there.called)
    hours, zone = there.settings.quiet_hours, Letters(there.settings.timezone)
    return [called] if hours is None else [called, notice("call.quiet", hours=Letters(str(hours)), zone=zone)]


async def call_me(here: Call, room: ProtectedRoom) -> Answered:
    """Whoever types this is called about a room."""
    await _insist(here)

    async def write(turn: Turn) -> Reply:
        there = await _still_there(here, turn, room)
        await callers.begin(turn, there, here.actor)
        return TICK

    return write


async def call_off(here: Call, only: ProtectedRoom | None) -> Answered:
    """They are not called about a room any more, or about none."""
    await _insist(here)

    async def write(turn: Turn) -> Reply:
        managed = await place.managed_by(here.context, turn.tx, here.room)
        meant = [there for there in managed if only is None or there.room_id == only.room_id]
        ended = [await records.remove(turn.tx, there.room_id, here.actor) for there in meant]
        named = [there for there in meant if here.actor in there.settings.call]
        if named:
            return notice("call.by_policy", room=named[0].called, key=Code("call"))
        if not any(ended):
            raise Refused(notice("call.was_not"))
        return TICK

    return write


async def _insist(here: Call) -> None:
    await authority.insist(here.context, Wanted(Deed.CALL, here.actor, Room(here.room, here.room)))


async def _still_there(here: Call, turn: Turn, room: ProtectedRoom) -> Place:
    there = await place.of(here.context, turn, room.room_id)
    if there is None or there.management_room != here.room:
        raise Refused(notice("call.was_not"))
    return there


COMMANDS = (
    Command("call", (SOME_ROOM,), call, Deed.LOOK),
    Command("call me", (ROOM,), call_me, Deed.CALL),
    Command("call off", (SOME_ROOM,), call_off, Deed.CALL),
)
