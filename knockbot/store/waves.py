"""Waves: of each protected room when one began, until when it lasts at least, and when it ended."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.store.db import Tx, for_update, listed
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave at a protected room; without `ended_at` it goes on."""

    id: int
    room_id: str
    began_at: int
    until: int
    """The moment (milliseconds) at which it ends, unless knocks move that."""
    begun_by: str | None
    """The moderator who began it by hand; none where knocks did."""
    ended_at: int | None = None

    @property
    def goes_on(self) -> bool:
        """Whether it is not over."""
        return self.ended_at is None


_WAVE = Row(Wave, "waves")


async def begin(tx: Tx, room_id: str, now: int, until: int, by: str | None = None) -> Wave | None:
    """A wave begins at a room; none where one goes on there already."""
    row = await tx.fetchrow(
        "INSERT INTO waves (room_id, began_at, until, begun_by) VALUES ($1, $2, $3, $4) "
        f"ON CONFLICT (room_id) WHERE ended_at IS NULL DO NOTHING RETURNING {_WAVE.columns}",
        room_id,
        now,
        until,
        by,
    )
    return _WAVE.maybe(row)


async def newest(tx: Tx, room_id: str) -> Wave | None:
    """The newest wave at a room, whether it goes on or not."""
    return _WAVE.maybe(await tx.fetchrow(f"{_WAVE.select} WHERE room_id = $1 ORDER BY id DESC LIMIT 1", room_id))


async def at(tx: Tx, room_id: str) -> Wave | None:
    """The wave that goes on at a room."""
    wave = await newest(tx, room_id)
    return wave if wave is not None and wave.goes_on else None


async def at_any(tx: Tx, room_ids: list[str]) -> dict[str, Wave]:
    """The waves that go on at these rooms, by room."""
    if not room_ids:
        return {}
    rows = await tx.fetch(f"{_WAVE.select} WHERE room_id IN ({listed(room_ids)}) AND ended_at IS NULL", *room_ids)
    return {wave.room_id: wave for wave in _WAVE.all(rows)}


async def get(tx: Tx, wave_id: int, *, held: bool = False) -> Wave | None:
    """The wave with this id, if it is on record."""
    return _WAVE.maybe(await tx.fetchrow(f"{_WAVE.select} WHERE id = $1{for_update(tx, held)}", wave_id))


async def lasts(tx: Tx, wave_id: int, until: int) -> None:
    """A wave lasts until this moment at least."""
    await tx.execute("UPDATE waves SET until = $2 WHERE id = $1 AND until < $2", wave_id, until)


async def end(tx: Tx, wave_id: int, now: int) -> bool:
    """A wave is over; false where it was over before."""
    row = await tx.fetchrow(
        "UPDATE waves SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL RETURNING id", wave_id, now
    )
    return row is not None


async def move_over(tx: Tx, room_id: str, new: str) -> None:
    """The wave at a room goes on at the room that replaces it, if none goes on there."""
    await tx.execute(
        "UPDATE waves SET room_id = $2 WHERE room_id = $1 AND ended_at IS NULL "
        "AND NOT EXISTS (SELECT 1 FROM waves AS there WHERE there.room_id = $2 AND there.ended_at IS NULL)",
        room_id,
        new,
    )
