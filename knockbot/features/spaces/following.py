"""A space and its rooms, followed as it changes: what it names is read, by events and in looks, and compared.

Only spaces that are protected themselves are read: of others, nobody here needs to know what they name.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from knockbot.domain.model import MemberChange, Membership, Redaction, RoomChange
from knockbot.domain.notices import Notice, Room, notice
from knockbot.domain.spaces import SpaceChild, SpaceRoom, Stage, reached
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never
from knockbot.features.spaces import question, telling, walking
from knockbot.flow import cards
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.rooms import is_in
from knockbot.flow.tables import Granted
from knockbot.store import rooms, spaces
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom

# --- protected, and no longer ---------------------------------------------------------------------------------


async def granted(context: Context, turn: Turn, what: Granted) -> Notice | None:
    """A room was protected for somebody: note that in the spaces that it belongs to, and follow it if it is a space."""
    room_id = what.view.room_id
    if not await spaces.hold(turn.tx, room_id):
        await spaces.forget_space(turn.tx, room_id)  # what was left behind when it was let go
    for room in await spaces.of_room(turn.tx, room_id):
        above = await rooms.find(turn.tx, room.space)
        if room_id != room.space and above is not None and above.management_room == what.management_room:
            await _is_protected(context, turn, room, what)
    if not what.with_rooms:
        return None
    await _follow(turn, what)
    return notice("space.begun", space=Room(room_id, what.view.label))


async def _is_protected(context: Context, turn: Turn, room: SpaceRoom, what: Granted) -> None:
    """A room of a space is protected; if that was not asked for as one of its rooms, the reply says it."""
    due, is_space = room.stage is Stage.DUE, what.view.is_space
    now = replace(room, stage=Stage.PROTECTED, why=None, is_space=is_space, unread=is_space and due, told=not due)
    await spaces.put(turn.tx, now)
    await _belong(context, turn, room.space, {room.room_id})
    if room.prompt_id is not None and not due:  # else the question changes once all of its rooms are looked at
        await question.changed(turn, room.prompt_id)


async def _belong(context: Context, turn: Turn, space: str, only: Collection[str] | None = None) -> None:
    """Each protected room of a space, or these, belong to the space that names them, unless another had them first."""
    above = await rooms.find(turn.tx, space)
    known = [room for room in await spaces.rooms_of(turn.tx, space) if room.stage is Stage.PROTECTED]
    within, named = {room.room_id for room in known if room.is_space}, await _named(turn.tx, space)
    wanted = {room.room_id for room in known if only is None or room.room_id in only} & named.keys()
    if above is None or not wanted:
        return
    managed = await rooms.managed_by(turn.tx, above.management_room)
    spaces_of = {room.room_id: room.space for room in managed}
    for there in managed:
        parent = named.get(there.room_id) if there.room_id in wanted else None
        if parent is not None and parent != there.space and _may_take(space, parent, there, within, spaces_of):
            spaces_of[there.room_id] = parent
            await rooms.set_space(turn.tx, there.room_id, parent)
            await cards.join_others(context, turn, there.room_id)
            turn.after(partial(context.look_at, there.room_id))  # other policies decide there now


def _may_take(
    space: str, parent: str, room: ProtectedRoom, within: Collection[str], spaces_of: Mapping[str, str | None]
) -> bool:
    """Whether a room of a space may belong to the one that names it: no other had it first.

    Where spaces name each other in a circle, the one that was protected first with its rooms is above the others, and
    keeps what it has.
    """
    if room.room_id in _upwards(parent, spaces_of):
        return False
    return room.space is None or (room.space in within and room.space not in _upwards(space, spaces_of))


def _upwards(space: str, spaces_of: Mapping[str, str | None]) -> set[str]:
    """The spaces above a space, by what they belong to, itself left out."""
    found, above = set[str](), spaces_of.get(space)
    while above is not None and above not in found:
        found.add(above)
        above = spaces_of.get(above)
    return found


async def _named(tx: Tx, space: str) -> dict[str, str]:
    """The rooms that a space has, as last read, each with the space that names it."""
    return reached(space, await spaces.named_in(tx, space), await spaces.replaced(tx))


async def will_belong(tx: Tx, room_id: str, management_room: str) -> str | None:
    """The space that names a room, where it is followed from the same management room."""
    for room in await spaces.of_room(tx, room_id):
        above = await rooms.find(tx, room.space)
        if above is not None and above.management_room == management_room and room.space != room_id:
            return (await _named(tx, room.space)).get(room_id, room.space)
    return None


async def _follow(turn: Turn, what: Granted) -> None:
    """Have the rooms of a space read, and all of them looked at that are not protected with it yet."""
    space = what.view.room_id
    known = [room for room in await spaces.rooms_of(turn.tx, space) if room.room_id != space]
    top = SpaceRoom(space, space, Stage.PROTECTED, what.by, what.cause, is_space=True, unread=True)
    await spaces.put(turn.tx, top)
    again = [room for room in known if room.stage is not Stage.PROTECTED]
    await walking.have_protected(turn, again, what.cause, by=what.by, cause=what.cause)
    for prompt_id in {room.prompt_id for room in again if room.prompt_id is not None}:
        await question.changed(turn, prompt_id)


async def let_go(context: Context, turn: Turn, room: ProtectedRoom) -> None:
    """A room is not protected from there any more: its rooms are followed no longer, and no space asks about it."""
    left, mine = await spaces.rooms_of(turn.tx, room.room_id), await spaces.with_it(turn.tx, room.room_id)
    await spaces.forget_space(turn.tx, room.room_id)
    for child in mine:  # `unprotect … with rooms` can still mean them
        await spaces.put(turn.tx, SpaceRoom(room.room_id, child.room_id, Stage.LEFT, told=True))
    await spaces.put_children(turn.tx, room.room_id, [])
    for child in mine:
        await _to_another(context, turn, child.room_id)
    for prompt_id in {one.prompt_id for one in left if one.prompt_id is not None}:
        await question.changed(turn, prompt_id)
    for one in await spaces.of_room(turn.tx, room.room_id):
        if one.stage is not Stage.PROTECTED:
            continue  # it was not protected with that space: perhaps it is managed from elsewhere
        await spaces.put(turn.tx, replace(one, stage=Stage.LEFT, why=None, is_space=False, unread=False, told=True))
        await _settle(context, turn, one, quiet=True)


async def _to_another(context: Context, turn: Turn, room_id: str) -> None:
    """A room that belonged to a space belongs to the next one that has it, or to none."""
    await rooms.set_space(turn.tx, room_id, None)
    for other in await spaces.of_room(turn.tx, room_id):
        if other.stage is Stage.PROTECTED and other.space != room_id:
            await _belong(context, turn, other.space, {room_id})


async def took_place(turn: Turn, old: str, new: str) -> None:
    """A room was upgraded: the new one has its place, and its rooms if it is a space."""
    await spaces.take_over(turn.tx, old, new)


async def expects(tx: Tx, room_id: str) -> bool:
    """Whether the bot waits to be let into a room of a space."""
    return await spaces.is_waited_for(tx, room_id)


# --- what a space names ---------------------------------------------------------------------------------------


async def look(context: Context, there: Place) -> None:
    """Read again what a space names, and hear what was answered meanwhile. May raise `Later`."""
    await walking.go_on(context, there.room_id)
    async with context.db.tx() as tx:
        found = await spaces.of_room(tx, there.room_id)
    if not any(room.is_followed for room in found):
        return
    children = await _children(context, there.room_id)
    async with context.turn() as turn:
        await spaces.put_children(turn.tx, there.room_id, children)
        await _read(context, turn, there.room_id)
    await question.look(context, there.room_id)


async def _children(context: Context, space: str) -> Sequence[SpaceChild]:
    """What a space names now. A quick look may miss some of those that were known, so each of these is looked at."""
    listed = {child.room_id: child for child in await context.outside.space_children(space)}
    async with context.db.tx() as tx:
        known = await spaces.children(tx, space)
    for child in known:
        if child.room_id not in listed:
            still = await context.outside.space_child(space, child.room_id)
            listed |= {still.room_id: still} if still is not None else {}
    return list(listed.values())


async def room_changed(context: Context, change: RoomChange) -> Write[None] | None:
    """A space names a room, or no longer; or the power in a room changed that could not be protected."""
    if change.type == "m.room.power_levels":
        return await _perhaps_mended(context, change.room_id, change.event_id)
    if change.type != "m.space.child" or not change.key:
        return None
    async with context.db.tx() as tx:
        followed = any(room.is_followed for room in await spaces.of_room(tx, change.room_id))
    return await _look_at_one(context, change.room_id, change.key) if followed else None


async def redacted(context: Context, redaction: Redaction) -> Write[None] | None:
    """If the event that names a room was redacted, the space names it no longer. Anybody can send a redaction that has
    no effect."""
    async with context.db.tx() as tx:
        room_id = await spaces.named_by(tx, redaction.room_id, redaction.redacts)
    return await _look_at_one(context, redaction.room_id, room_id) if room_id is not None else None


async def _look_at_one(context: Context, parent: str, room_id: str) -> Write[None] | None:
    """Read whether a space names a room now."""
    try:
        child = await context.outside.space_child(parent, room_id)
    except Never:
        return None  # the bot is out of the space again

    async def write(turn: Turn) -> None:
        await spaces.put_child(turn.tx, parent, room_id, child)
        await _read(context, turn, parent)

    return write


async def _read(context: Context, turn: Turn, parent: str) -> None:
    """Compare what is known of the rooms of each space that this one is a part of."""
    for room in await spaces.of_room(turn.tx, parent):
        if room.is_followed:
            await _settle(context, turn, room)


async def _settle(context: Context, turn: Turn, parent: SpaceRoom, *, quiet: bool = False) -> None:
    """Take in the rooms that a space has now, and let go those that it has no more; `parent` was read.

    `quiet`: whoever let go a space in it is told of its rooms by the reply.
    """
    space = parent.space
    above = await rooms.find(turn.tx, space) if await spaces.hold(turn.tx, space) else None
    if above is None:
        return
    known = {room.room_id: room for room in await spaces.rooms_of(turn.tx, space)}
    there = [room_id for room_id in await _named(turn.tx, space) if room_id != above.management_room]
    gone = [known[one] for one in known if one not in {*there, space}]
    await _taken_out(context, turn, space, gone)
    if not quiet:
        protected = [room.room_id for room in gone if room.stage is Stage.PROTECTED]
        await telling.tell_removed(context, turn, space, protected)
    await _put_in(context, turn, parent, above, [room_id for room_id in there if room_id not in known])
    await _belong(context, turn, space)
    if parent.unread:
        now = await spaces.find(turn.tx, space, parent.room_id)
        assert now is not None  # it is held
        await spaces.put(turn.tx, replace(now, unread=False))
    await telling.tell_if_done(context, turn, space)


async def _put_in(context: Context, turn: Turn, parent: SpaceRoom, above: ProtectedRoom, new: Sequence[str]) -> None:
    """Rooms are new in a space: those of the first reading were asked for, all others are asked about, unless they are
    protected from there already."""
    found = [SpaceRoom(parent.space, room_id, Stage.OFFERED) for room_id in new]
    if parent.unread and parent.asked_by is not None:
        occasion = f"{parent.room_id}:{parent.cause}"
        await walking.have_protected(turn, found, occasion, by=parent.asked_by, cause=parent.cause or "")
        return
    ours = {room.room_id: room for room in await rooms.managed_by(turn.tx, above.management_room)} if found else {}
    for room in found:
        if room.room_id in ours:  # whoever put it there need not be one who may have other rules act at its door
            await spaces.put(turn.tx, replace(room, stage=Stage.LEFT, told=True))
    await telling.tell_there_already(context, turn, above, [ours[one] for one in new if one in ours])
    unprotected = [room for room in found if room.room_id not in ours]
    if unprotected:
        await question.ask(turn, above, unprotected)


async def _taken_out(context: Context, turn: Turn, space: str, gone: Sequence[SpaceRoom]) -> None:
    """Rooms are not in a space any more. They stay protected."""
    mine = {room.room_id for room in await spaces.belonging(turn.tx, space)}
    for room in gone:
        await spaces.forget(turn.tx, space, room.room_id)
    for room in gone:
        if room.room_id in mine:
            await _to_another(context, turn, room.room_id)
        if room.prompt_id is not None:
            await question.changed(turn, room.prompt_id)


# --- what was missing -----------------------------------------------------------------------------------------


async def member_changed(context: Context, change: MemberChange) -> Write[None] | None:
    """The bot was let into a room: it may be one that could not be protected."""
    if change.user_id != context.bot or change.membership is not Membership.JOIN:
        return None
    if not await is_in(context, change.room_id):
        return None  # it has left again: where it had joined in vain
    return await _perhaps_mended(context, change.room_id, change.event_id)


async def _perhaps_mended(context: Context, room_id: str, occasion: str) -> Write[None] | None:
    """Look again at a room for which something was missing."""
    async with context.db.tx() as tx:
        if not await spaces.is_waited_for(tx, room_id):
            return None

    async def write(turn: Turn) -> None:
        for room in await spaces.of_room(turn.tx, room_id):
            if room.stage is Stage.MISSING and room.asked_by is not None:
                await walking.try_again(turn, room, occasion)

    return write
