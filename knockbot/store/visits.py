"""Where the bot goes: rooms it is invited to or in, and errands that wait until it is let in."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.store.db import Tx


@dataclass(frozen=True, slots=True)
class Errand:
    """Somebody asked for `room_id` to be protected, and the bot waits to be let in."""

    room_id: str
    management_room: str
    requester: str
    cause: str
    created_at: int


async def visit(tx: Tx, room_id: str, membership: str, now: int, *, inviter: str | None = None) -> None:
    """Note where the bot stands in a room; each change starts the day after which an unused room is left."""
    await tx.execute(
        "INSERT INTO visits (room_id, membership, since, inviter) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (room_id) DO UPDATE SET membership = $2, inviter = coalesce($4, visits.inviter), "
        "since = CASE WHEN visits.membership = $2 THEN visits.since ELSE $3 END",
        room_id,
        membership,
        now,
        inviter,
    )


async def inviter(tx: Tx, room_id: str) -> str | None:
    """Who invited the bot to a room last."""
    user_id = await tx.fetchval("SELECT inviter FROM visits WHERE room_id = $1", room_id)
    return str(user_id) if user_id is not None else None


async def use(tx: Tx, room_id: str, now: int) -> None:
    """A room is something to the bot once somebody commands in it."""
    await tx.execute(
        "INSERT INTO visits (room_id, membership, since, used) VALUES ($1, 'join', $2, TRUE) "
        "ON CONFLICT (room_id) DO UPDATE SET used = TRUE",
        room_id,
        now,
    )


async def unused(tx: Tx, before: int) -> list[str]:
    """Rooms entered before a moment that nobody has used since, protected or waited for."""
    rows = await tx.fetch(
        "SELECT room_id FROM visits WHERE membership = 'join' AND NOT used AND since < $1 "
        "AND room_id NOT IN (SELECT room_id FROM rooms) AND room_id NOT IN (SELECT management_room FROM rooms) "
        "AND room_id NOT IN (SELECT room_id FROM errands)",
        before,
    )
    return [row["room_id"] for row in rows]


async def wait_for(tx: Tx, errand: Errand) -> None:
    """Remember what to go on with once the bot is let in: one errand for each who asked, their newest."""
    await tx.execute(
        "INSERT INTO errands (room_id, management_room, requester, cause, created_at) VALUES ($1, $2, $3, $4, $5) "
        "ON CONFLICT (room_id, requester) DO UPDATE SET management_room = $2, cause = $4, created_at = $5",
        errand.room_id,
        errand.management_room,
        errand.requester,
        errand.cause,
        errand.created_at,
    )


async def errands(tx: Tx, room_id: str) -> list[Errand]:
    """What waits for the bot to be let into this room, oldest first."""
    rows = await tx.fetch("SELECT * FROM errands WHERE room_id = $1 ORDER BY created_at, requester", room_id)
    return [
        Errand(row["room_id"], row["management_room"], row["requester"], row["cause"], row["created_at"])
        for row in rows
    ]


async def errands_done(tx: Tx, room_id: str) -> None:
    """Nothing waits for this room any more."""
    await tx.execute("DELETE FROM errands WHERE room_id = $1", room_id)


async def attempt(tx: Tx, requester: str, cause: str, now: int, *, most: int, within: int) -> int | None:
    """Count an attempt at `protect`, or, where this requester made `most` of them `within` the last milliseconds, say
    when the next one is possible. One that is not possible does not count."""
    await tx.execute("DELETE FROM attempts WHERE at <= $1", now - within)
    rows = await tx.fetch(
        "SELECT at FROM attempts WHERE requester = $1 AND cause <> $2 ORDER BY at DESC LIMIT $3", requester, cause, most
    )
    if len(rows) == most:
        return int(rows[-1]["at"]) + within
    await tx.execute(
        "INSERT INTO attempts (cause, requester, at) VALUES ($1, $2, $3) ON CONFLICT (cause) DO NOTHING",
        cause,
        requester,
        now,
    )
    return None


async def forgive(tx: Tx, cause: str) -> None:
    """An attempt that succeeded, or asked nobody else for anything, does not count against the requester."""
    await tx.execute("DELETE FROM attempts WHERE cause = $1", cause)
