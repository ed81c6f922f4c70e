"""Spaces that are protected with their rooms: what they name, and how far each room is."""

from __future__ import annotations

from collections.abc import Iterable

from knockbot.domain.notices import dumps
from knockbot.domain.spaces import MOST_CHILDREN, SpaceChild, SpaceRoom, Stage
from knockbot.store import prompts, rooms
from knockbot.store.db import Tx, for_update
from knockbot.store.rooms import ProtectedRoom
from knockbot.store.rows import Row

_ROOM = Row(SpaceRoom, "space_rooms")
_CHILD = Row(SpaceChild, "space_children")


_NAMED = "INSERT INTO space_children (space, room_id, ours, event_id) VALUES ($1, $2, $3, $4)"
_COUNT = "SELECT count(*) FROM space_children WHERE space = $1"


# --- what spaces name -----------------------------------------------------------------------------------------


async def children(tx: Tx, space: str) -> list[SpaceChild]:
    """The rooms that one space names."""
    return _CHILD.all(await tx.fetch(f"{_CHILD.select} WHERE space = $1 ORDER BY room_id", space))


async def put_children(tx: Tx, space: str, found: Iterable[SpaceChild]) -> None:
    """The rooms that a space names now."""
    await tx.execute("DELETE FROM space_children WHERE space = $1", space)
    kept = {child.room_id: child for child in found}
    await tx.executemany(_NAMED, [_row(space, child) for child in list(kept.values())[:MOST_CHILDREN]])


async def put_child(tx: Tx, space: str, room_id: str, child: SpaceChild | None) -> None:
    """A space names this room now, or no longer."""
    await tx.execute("DELETE FROM space_children WHERE space = $1 AND room_id = $2", space, room_id)
    if child is not None and await tx.fetchval(_COUNT, space) < MOST_CHILDREN:
        await tx.execute(_NAMED, *_row(space, child))


def _row(space: str, child: SpaceChild) -> tuple[str, str, bool, str | None]:
    return space, child.room_id, child.ours, child.event_id


async def named_by(tx: Tx, space: str, event_id: str) -> str | None:
    """The room that an event of a space names, as last read."""
    room_id = await tx.fetchval(
        "SELECT room_id FROM space_children WHERE space = $1 AND event_id = $2 LIMIT 1", space, event_id
    )
    return str(room_id) if room_id is not None else None


async def named_in(tx: Tx, space: str) -> dict[str, list[str]]:
    """What each followed space among the rooms of a space names, itself included."""
    rows = await tx.fetch(
        "SELECT space, room_id FROM space_children WHERE space IN "
        "(SELECT room_id FROM space_rooms WHERE space = $1 AND is_space AND stage = 'protected') "
        "ORDER BY space, room_id",
        space,
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["space"], []).append(row["room_id"])
    return found


async def is_ours(tx: Tx, room_id: str) -> bool:
    """Whether a space says that this homeserver is in a room."""
    return await tx.fetchrow("SELECT 1 FROM space_children WHERE room_id = $1 AND ours LIMIT 1", room_id) is not None


async def replaced(tx: Tx) -> dict[str, str]:
    """The rooms that were replaced by another, which took their place."""
    rows = await tx.fetch("SELECT room_id, replacement FROM room_upgrades WHERE policy_of = '' AND state = 'moved'")
    return {row["room_id"]: row["replacement"] for row in rows}


# --- the rooms of a space -------------------------------------------------------------------------------------


async def hold(tx: Tx, space: str) -> bool:
    """Hold the rooms of a space until the transaction ends; false if it is not protected with its rooms."""
    row = await tx.fetchrow(f"SELECT 1 FROM space_rooms WHERE space = $1 AND room_id = $1{for_update(tx)}", space)
    return row is not None


async def rooms_of(tx: Tx, space: str) -> list[SpaceRoom]:
    """The rooms of a space, itself included."""
    return _ROOM.all(await tx.fetch(f"{_ROOM.select} WHERE space = $1 ORDER BY room_id", space))


async def belonging(tx: Tx, space: str) -> list[ProtectedRoom]:
    """The protected rooms that belong to a space, or to a space in it, by label; the space itself is not among them."""
    known = [room for room in await rooms_of(tx, space) if room.stage is Stage.PROTECTED]
    within, there = {room.room_id for room in known if room.is_space}, {room.room_id for room in known}
    found = [room for parent in sorted(within) for room in await rooms.of_space(tx, parent)]
    return sorted((room for room in found if room.room_id in there), key=lambda room: (room.label, room.room_id))


async def with_it(tx: Tx, space: str) -> list[ProtectedRoom]:
    """The protected rooms that are let go with a space: those that belong to it, or to a space in it.

    A space in another one has no rooms of its own on record, but rooms that belong to it.
    """
    found = [*await belonging(tx, space), *await rooms.of_space(tx, space)]
    return list({room.room_id: room for room in found}.values())


async def left_behind(tx: Tx, space: str, management_room: str) -> list[ProtectedRoom]:
    """The rooms that were protected with a space which is no longer protected, and that belong to no space now."""
    found = [await rooms.find(tx, room.room_id) for room in await rooms_of(tx, space)]
    there = [room for room in found if room is not None and room.space is None]
    return [room for room in there if room.management_room == management_room]


async def find(tx: Tx, space: str, room_id: str) -> SpaceRoom | None:
    """One room of a space."""
    return _ROOM.maybe(await tx.fetchrow(f"{_ROOM.select} WHERE space = $1 AND room_id = $2", space, room_id))


async def of_room(tx: Tx, room_id: str) -> list[SpaceRoom]:
    """A room in each space that it belongs to, the space that was protected first at the beginning."""
    rows = await tx.fetch(
        f"{_ROOM.select} WHERE room_id = $1 "
        "ORDER BY (SELECT protected_at FROM rooms WHERE rooms.room_id = space_rooms.space), space",
        room_id,
    )
    return _ROOM.all(rows)


async def asked_by(tx: Tx, prompt_id: int) -> list[SpaceRoom]:
    """The rooms that a prompt asks about."""
    return _ROOM.all(await tx.fetch(f"{_ROOM.select} WHERE prompt_id = $1 ORDER BY room_id", prompt_id))


async def put(tx: Tx, room: SpaceRoom) -> None:
    """Store how far a room of a space is."""
    await tx.execute(
        "INSERT INTO space_rooms (space, room_id, stage, asked_by, cause, why, prompt_id, is_space, unread, told) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (space, room_id) DO UPDATE SET "
        "stage = $3, asked_by = $4, cause = $5, why = $6, prompt_id = $7, is_space = $8, unread = $9, told = $10",
        room.space,
        room.room_id,
        room.stage,
        room.asked_by,
        room.cause,
        dumps(room.why) if room.why is not None else None,
        room.prompt_id,
        room.is_space,
        room.unread,
        room.told,
    )


async def is_under_way(tx: Tx, space: str) -> bool:
    """Whether a room of a space has yet to be looked at, or a space in it to be read."""
    row = await tx.fetchrow(
        "SELECT 1 FROM space_rooms WHERE space = $1 AND (stage = $2 OR unread) LIMIT 1", space, Stage.DUE
    )
    return row is not None


async def count_due(tx: Tx, space: str) -> int:
    """How many rooms of a space have yet to be looked at."""
    return int(await tx.fetchval("SELECT count(*) FROM space_rooms WHERE space = $1 AND stage = $2", space, Stage.DUE))


async def told(tx: Tx, space: str) -> None:
    """The moderators know how far each room of a space is."""
    await tx.execute("UPDATE space_rooms SET told = TRUE WHERE space = $1 AND NOT told", space)


async def forget(tx: Tx, space: str, room_id: str) -> None:
    """A room does not belong to a space any more."""
    await tx.execute("DELETE FROM space_rooms WHERE space = $1 AND room_id = $2", space, room_id)


async def forget_rooms(tx: Tx, space: str, room_ids: Iterable[str]) -> None:
    """These rooms do not belong to a space any more; those that are spaces themselves still do."""
    await tx.executemany(
        "DELETE FROM space_rooms WHERE space = $1 AND room_id = $2 AND NOT is_space", [(space, one) for one in room_ids]
    )


async def forget_space(tx: Tx, space: str) -> None:
    """A space is not protected with its rooms any more."""
    await tx.execute("DELETE FROM space_rooms WHERE space = $1", space)


async def is_waited_for(tx: Tx, room_id: str) -> bool:
    """Whether somebody asked for a room of a space that the bot could not protect yet."""
    row = await tx.fetchrow("SELECT 1 FROM space_rooms WHERE room_id = $1 AND stage = $2", room_id, Stage.MISSING)
    return row is not None


async def take_over(tx: Tx, old: str, new: str) -> None:
    """A room took the place of another one: as a room of a space, or as the space with its rooms."""
    followed = await hold(tx, old)
    asked = {room.prompt_id for room in await rooms_of(tx, old) if room.prompt_id is not None}
    for prompt_id in asked:
        await prompts.move_over(tx, prompt_id, new)
    await tx.execute(
        "UPDATE rooms SET space = (SELECT before.space FROM rooms AS before WHERE before.room_id = $1) "
        "WHERE room_id = $2 AND space IS NULL",
        old,
        new,
    )
    await tx.execute("UPDATE rooms SET space = $2 WHERE space = $1 AND room_id <> $2", old, new)
    await tx.execute(
        "DELETE FROM space_rooms WHERE room_id = $2 AND space IN (SELECT space FROM space_rooms WHERE room_id = $1)",
        old,
        new,
    )
    await tx.execute("UPDATE space_rooms SET room_id = $2 WHERE room_id = $1", old, new)
    if followed:
        await forget_space(tx, new)
        await tx.execute("UPDATE space_rooms SET space = $2 WHERE space = $1", old, new)
    if not await children(tx, new):
        await put_children(tx, new, await children(tx, old))
