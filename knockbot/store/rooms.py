"""Protected rooms: which rooms are protected, from which management room, and what prevents the bot from acting."""

from __future__ import annotations

from dataclasses import dataclass, field

from knockbot.domain.fitness import Concern
from knockbot.domain.labels import labels
from knockbot.domain.notices import Notice, dumps
from knockbot.store.db import Tx
from knockbot.store.rows import Column, Row


@dataclass(frozen=True, slots=True)
class ProtectedRoom:
    """A room that knockbot protects; `locked` means that only the config file can change this.

    `label` is what people call it: its name, and its ID as well where another room of the same management room has that
    name (`domain/labels.py`). To protect a room, its name is enough.
    """

    room_id: str
    management_room: str
    label: str
    protected_by: str
    protected_at: int
    locked: bool = False
    trouble: Notice | None = None
    """What the moderators were last told is missing."""
    name: str = field(default="", compare=False)
    """Its own name."""
    concerns: tuple[Concern, ...] = field(default=(), compare=False)
    """What makes it unfit to be protected, when this was last noted."""
    space: str | None = None
    """The protected space that names this room, where it is followed with its rooms. Where a room is in several, it is
    the one that had it first. Both are managed from the same room."""


def _concerns(codes: str | None) -> tuple[Concern, ...]:
    return tuple(map(Concern, (codes or "").split()))


ROOM = Row(ProtectedRoom, "rooms", room_id="rooms.room_id", concerns=Column("concerns", _concerns))


async def find(tx: Tx, room_id: str) -> ProtectedRoom | None:
    """The protected room with this id, if it is one."""
    return ROOM.maybe(await tx.fetchrow(f"{ROOM.select} WHERE room_id = $1", room_id))


async def all_rooms(tx: Tx) -> list[ProtectedRoom]:
    """Every protected room."""
    return ROOM.all(await tx.fetch(f"{ROOM.select} ORDER BY room_id"))


async def managed_by(tx: Tx, management_room: str) -> list[ProtectedRoom]:
    """The protected rooms of one management room."""
    return ROOM.all(await tx.fetch(f"{ROOM.select} WHERE management_room = $1 ORDER BY label", management_room))


async def protect(tx: Tx, room: ProtectedRoom) -> None:
    """Protect a room, or move it to another management room; since when it is protected stays as it was.

    A room that moves leaves its space, and a space that moves leaves its rooms.
    """
    before = await find(tx, room.room_id)
    await tx.execute(
        "INSERT INTO rooms (room_id, management_room, label, name, protected_by, protected_at, locked) "
        "VALUES ($1, $2, $3, $3, $4, $5, $6) ON CONFLICT (room_id) DO UPDATE SET "
        "management_room = $2, label = $3, name = $3, protected_by = $4, locked = $6, trouble = NULL",
        room.room_id,
        room.management_room,
        room.label,
        room.protected_by,
        room.protected_at,
        room.locked,
    )
    await tx.execute(
        "INSERT INTO management_rooms (room_id) VALUES ($1) ON CONFLICT (room_id) DO NOTHING", room.management_room
    )
    if before is not None and before.management_room != room.management_room:
        await _leave_space(tx, room.room_id)
        await _left(tx, before)
    await tx.execute(
        "DELETE FROM left_rooms WHERE management_room = $1 AND room_id = $2", room.management_room, room.room_id
    )
    for place in {room.management_room, before.management_room if before else room.management_room}:
        await _tell_apart(tx, place)


async def unprotect(tx: Tx, room_id: str) -> None:
    """Stop protecting a room; its requests and policies stay on record. The rooms of a space stay protected."""
    room = await find(tx, room_id)
    await _leave_space(tx, room_id)
    await tx.execute("DELETE FROM rooms WHERE room_id = $1", room_id)
    if room is not None:
        await _left(tx, room)
        await _tell_apart(tx, room.management_room)


async def _left(tx: Tx, room: ProtectedRoom) -> None:
    """A room is not managed from its management room any more."""
    await tx.execute(
        "INSERT INTO left_rooms (management_room, room_id, name) VALUES ($1, $2, $3) "
        "ON CONFLICT (management_room, room_id) DO UPDATE SET name = $3",
        room.management_room,
        room.room_id,
        room.name,
    )


async def managed_before(tx: Tx, management_room: str) -> list[str]:
    """What the rooms were called that a management room manages no more: cards there may still say so."""
    found = await tx.fetch("SELECT DISTINCT name FROM left_rooms WHERE management_room = $1", management_room)
    return [str(row["name"]) for row in found]


async def _leave_space(tx: Tx, room_id: str) -> None:
    """This room belongs to no space any more, and no room belongs to it."""
    await tx.execute("UPDATE rooms SET space = NULL WHERE room_id = $1 OR space = $1", room_id)


async def set_space(tx: Tx, room_id: str, space: str | None) -> None:
    """Say to which protected space a protected room belongs. A space of another management room is not taken."""
    await tx.execute(
        "UPDATE rooms SET space = (SELECT above.room_id FROM rooms AS above "
        "WHERE above.room_id = $2 AND above.management_room = rooms.management_room) WHERE room_id = $1",
        room_id,
        space,
    )


async def of_space(tx: Tx, space: str) -> list[ProtectedRoom]:
    """The protected rooms that belong to a protected space, by label; the space itself is not among them."""
    return ROOM.all(await tx.fetch(f"{ROOM.select} WHERE space = $1 ORDER BY label, room_id", space))


async def rename(tx: Tx, room_id: str, name: str) -> None:
    """Call a protected room by its new name."""
    row = await tx.fetchrow(
        "UPDATE rooms SET label = $2, name = $2 WHERE room_id = $1 RETURNING management_room", room_id, name
    )
    if row is not None:
        await _tell_apart(tx, row["management_room"])


async def _tell_apart(tx: Tx, management_room: str) -> None:
    """Make sure that no two rooms of a management room have the same label."""
    managed = {room.room_id: room for room in await managed_by(tx, management_room)}
    for room_id, label in labels({room_id: room.name for room_id, room in managed.items()}).items():
        if label != managed[room_id].label:
            await tx.execute("UPDATE rooms SET label = $2 WHERE room_id = $1", room_id, label)


async def unlock_others(tx: Tx, locked: set[str]) -> list[ProtectedRoom]:
    """Unlock every room that is not in the config file any more, and return them; they stay protected."""
    others = [room for room in await all_rooms(tx) if room.locked and room.room_id not in locked]
    await tx.executemany("UPDATE rooms SET locked = FALSE WHERE room_id = $1", [(room.room_id,) for room in others])
    return others


async def configured_trouble(tx: Tx, entry: str, trouble: Notice | None) -> bool:
    """Note why an entry of the config file is not protected yet, or that it is; true if that is news."""
    known = await tx.fetchval("SELECT trouble FROM config_troubles WHERE entry = $1", entry)
    told = dumps(trouble) if trouble is not None else None
    if known == told:
        return False
    if told is None:
        await tx.execute("DELETE FROM config_troubles WHERE entry = $1", entry)
    else:
        await tx.execute(
            "INSERT INTO config_troubles (entry, trouble) VALUES ($1, $2) "
            "ON CONFLICT (entry) DO UPDATE SET trouble = $2",
            entry,
            told,
        )
    return True


async def forget_troubles(tx: Tx, entries: set[str]) -> None:
    """Forget what was missing for entries that the config file does not have any more."""
    known = [row["entry"] for row in await tx.fetch("SELECT entry FROM config_troubles")]
    gone = [(entry,) for entry in known if entry not in entries]
    await tx.executemany("DELETE FROM config_troubles WHERE entry = $1", gone)


async def set_trouble(tx: Tx, room_id: str, trouble: Notice | None) -> bool:
    """Note what the moderators are told is missing; true if they have not been told this yet."""
    row = await tx.fetchrow(
        "UPDATE rooms SET trouble = $2 WHERE room_id = $1 AND coalesce(trouble, '') <> coalesce($2, '') "
        "RETURNING room_id",
        room_id,
        dumps(trouble) if trouble is not None else None,
    )
    return row is not None


async def note_concerns(tx: Tx, room_id: str, concerns: tuple[Concern, ...]) -> tuple[Concern, ...] | None:
    """Note what makes a protected room unfit; returns what was noted before, none where that is the same."""
    return await _note(tx, "rooms", room_id, concerns)


async def note_management_concerns(tx: Tx, room_id: str, concerns: tuple[Concern, ...]) -> tuple[Concern, ...] | None:
    """The same for a management room."""
    return await _note(tx, "management_rooms", room_id, concerns)


async def concerns(tx: Tx, room_id: str) -> tuple[Concern, ...]:
    """What makes a protected room unfit, as was last noted."""
    return _concerns(await tx.fetchval("SELECT concerns FROM rooms WHERE room_id = $1", room_id))


async def management_concerns(tx: Tx, room_id: str) -> tuple[Concern, ...]:
    """What makes a management room unfit, as was last noted."""
    return _concerns(await tx.fetchval("SELECT concerns FROM management_rooms WHERE room_id = $1", room_id))


async def _note(tx: Tx, table: str, room_id: str, concerns: tuple[Concern, ...]) -> tuple[Concern, ...] | None:
    before = _concerns(await tx.fetchval(f"SELECT concerns FROM {table} WHERE room_id = $1", room_id))
    if before == concerns:
        return None
    await tx.execute(f"UPDATE {table} SET concerns = $2 WHERE room_id = $1", room_id, " ".join(concerns))
    return before


async def management_rooms(tx: Tx) -> list[str]:
    """Every room from which others are managed."""
    return [row["management_room"] for row in await tx.fetch("SELECT DISTINCT management_room FROM rooms ORDER BY 1")]


async def told_apart(tx: Tx, management_room: str) -> dict[str, str]:
    """What the rooms managed from there are called, where there are several; a single one need not be named."""
    managed = await managed_by(tx, management_room)
    return {room.room_id: room.label for room in managed} if len(managed) > 1 else {}


async def is_management_room(tx: Tx, room_id: str) -> bool:
    """Whether any protected room is managed from here."""
    return await tx.fetchrow("SELECT 1 FROM rooms WHERE management_room = $1 LIMIT 1", room_id) is not None


async def closed_to_chat(tx: Tx) -> frozenset[str]:
    """Protected rooms that are not management rooms: the bot does not read messages in them."""
    rows = await tx.fetch("SELECT room_id FROM rooms WHERE room_id NOT IN (SELECT management_room FROM rooms)")
    return frozenset(row["room_id"] for row in rows)
