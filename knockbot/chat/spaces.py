"""Spaces with their rooms in chat: `with rooms`, and what `check` and `rooms` show of them."""

from __future__ import annotations

from knockbot.chat.calls import Answered, Call, Reply
from knockbot.domain.notices import Choice, Code, Id, Notice, Number, Room, below, listed, notice
from knockbot.domain.spaces import Stage
from knockbot.engine.turn import Turn
from knockbot.features.spaces import leaving
from knockbot.flow import protecting
from knockbot.store import spaces
from knockbot.store.rooms import ProtectedRoom
from knockbot.views.spaces import Followed, InSpaces, Shown

ROWS = 50
"""Rooms that one reply shows at most."""

NAMED = 10


# --- unprotect ------------------------------------------------------------------------------------------------


async def with_its_rooms(call: Call, room: ProtectedRoom) -> Answered:
    """No longer protect a space and its rooms; whoever wants this may do it to the space, as was looked at."""
    found = await leaving.looked_at(call.context, room.room_id, call.actor)

    async def let_go(turn: Turn) -> Reply:
        await found.write(call.context, turn, call.actor)
        await protecting.unprotect(call.context, turn, room, call.actor)
        called = Room(room.room_id, room.label)
        kept = found.kept
        return below(
            notice("protect.ended", room=called),
            notice("space.ended", space=called, count=Number(len(found.rooms))) if found.rooms else None,
            notice("space.kept", count=Number(len(kept))) if kept else None,
            *kept[:NAMED],
        )

    return let_go


async def without_its_rooms(turn: Turn, room: ProtectedRoom) -> Notice | None:
    """What becomes of the rooms of a space that is no longer protected; before it is let go."""
    count = len(await spaces.belonging(turn.tx, room.room_id))
    command = Code("!kb unprotect ROOM")
    return notice("space.stay", count=Number(count), command=command) if count else None


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
