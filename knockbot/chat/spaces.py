"""Spaces with their rooms in chat: `with rooms`, and what `check` and `rooms` show of them."""

from __future__ import annotations

from knockbot.chat.calls import Answered, Call, Reply, resolved
from knockbot.domain.notices import Choice, Code, Id, Notice, Number, Room, below, listed, notice
from knockbot.domain.spaces import Stage
from knockbot.engine.turn import Turn
from knockbot.features.spaces import leaving
from knockbot.flow import inheriting, protecting
from knockbot.store import rooms, spaces
from knockbot.store.rooms import ProtectedRoom
from knockbot.views.spaces import Followed, InSpaces, Shown

ROWS = 50
"""Rooms that one reply shows at most."""

NAMED = 10


# --- unprotect ------------------------------------------------------------------------------------------------


async def with_its_rooms(call: Call, room: ProtectedRoom) -> Answered:
    """No longer protect a space and its rooms; whoever wants this may do it to the space, as was looked at. It may be
    no longer protected already; then its rooms follow."""
    found = await leaving.looked_at(call.context, room.room_id, room.management_room, call.actor)

    async def let_go(turn: Turn) -> Reply:
        known = await rooms.find(turn.tx, room.room_id)
        is_protected = known is not None and known.management_room == room.management_room
        await found.write(call.context, turn, call.actor)
        if is_protected:
            await protecting.unprotect(call.context, turn, room, call.actor)
        called, count, kept = Room(room.room_id, room.label), Number(len(found.rooms)), found.kept
        also = notice("space.ended", space=called, count=count) if is_protected else _later(count)
        return below(
            notice("protect.ended", room=called) if is_protected else None,
            also if found.rooms else None,
            notice("space.kept", count=Number(len(kept))) if kept else None,
            *[why for _, why in kept[:NAMED]],
            *await inheriting.decide_now(turn.tx, [one for one, _ in kept]),
        )

    return let_go


def _later(count: Number) -> Notice:
    return notice("space.ended_later", count=count)


async def without_its_rooms(call: Call, turn: Turn, room: ProtectedRoom) -> list[Notice]:
    """Let a room go alone; returns what becomes of its rooms, if it is a space."""
    before = await inheriting.deciding(turn.tx, room.management_room)
    mine = {one.room_id for one in await spaces.with_it(turn.tx, room.room_id)}
    await protecting.unprotect(call.context, turn, room, call.actor)
    mine |= {one.room_id for one in await inheriting.otherwise_now(turn.tx, room.management_room, before)}
    stay = [one for one in await rooms.managed_by(turn.tx, room.management_room) if one.room_id in mine]
    if not stay:
        return []
    command = Code(f"!kb unprotect {room.room_id} with rooms")
    said = notice("space.stay", count=Number(len(stay)), command=command)
    return [said, *await inheriting.decide_now(turn.tx, stay)]


async def let_go_before(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    """A space that was let go without its rooms, which are meant now."""
    first, _, rest = text.partition(" ")
    room_id = await resolved(call, first) if rest.lower().split() == ["with", "rooms"] else None
    if room_id is None:
        return None
    async with call.context.db.tx() as tx:
        is_protected = await rooms.find(tx, room_id) is not None
        found = await spaces.left_behind(tx, room_id, call.room) if not is_protected else []
    return (ProtectedRoom(room_id, call.room, room_id, call.actor, call.context.now()), rest) if found else None


# --- check, rooms ---------------------------------------------------------------------------------------------


def counts(found: Followed) -> Notice:
    """How far the rooms of a space are, in one line."""
    due = [room for room in found.rooms if room.stage is Stage.DUE]
    protected = [room for room in found.rooms if room.is_protected and room.stage is not Stage.DUE]
    missing = len(found.rooms) - len(due) - len(protected)
    return notice("space.counts", count=Number(len(protected)), missing=Number(missing), due=Number(len(due)))


def tree(found: Followed | None) -> list[Notice]:
    """The rooms of a space, one a line, those first that something is missing for."""
    if found is None:
        return []
    shown = sorted(found.rooms, key=lambda room: (ORDER.index(room.stage), room.called.label))
    more = len(shown) - ROWS
    return [
        counts(found),
        *(_row(room) for room in shown[:ROWS]),
        *([notice("list.more", count=Number(more))] if more > 0 else []),
    ]


ORDER = (Stage.MISSING, Stage.OFFERED, Stage.DUE, Stage.LEFT, Stage.PROTECTED)


def _row(room: Shown) -> Notice:
    if room.is_protected and room.stage in (Stage.LEFT, Stage.MISSING):
        return notice("space.row_apart", room=room.called)
    if room.stage is Stage.MISSING and room.why is not None:
        return notice("space.missing", why=room.why)
    if room.stage is Stage.PROTECTED and room.elsewhere is not None:
        return notice("space.row_elsewhere", room=room.called, space=room.elsewhere)
    called = room.called if room.called.label != room.called.room_id else Id(room.called.room_id)
    return notice("space.row", stage=Choice(room.stage), room=called)


def belongs(found: InSpaces) -> list[Notice]:
    """The space that a room belongs to, and the others that it is in as well."""
    if found.first is None:
        return []
    if found.others:
        return [notice("space.also_in", space=found.first, others=listed(found.others[:NAMED]))]
    return [notice("space.of", space=found.first)]
