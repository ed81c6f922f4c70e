"""The rooms that the bot was invited to or has entered, by whom, and whether anybody uses it there."""

from __future__ import annotations

from knockbot.store.db import Tx


async def note(tx: Tx, room_id: str, membership: str, now: int, *, inviter: str | None = None) -> None:
    """Store the bot's membership of a room; each change starts the day after which an unused room is left."""
    await tx.execute(
        "INSERT INTO bot_memberships (room_id, membership, since, inviter) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (room_id) DO UPDATE SET membership = $2, inviter = coalesce($4, bot_memberships.inviter), "
        "since = CASE WHEN bot_memberships.membership = $2 THEN bot_memberships.since ELSE $3 END",
        room_id,
        membership,
        now,
        inviter,
    )


async def inviter(tx: Tx, room_id: str) -> str | None:
    """Who invited the bot to a room last."""
    user_id = await tx.fetchval("SELECT inviter FROM bot_memberships WHERE room_id = $1", room_id)
    return str(user_id) if user_id is not None else None


async def is_out(tx: Tx, room_id: str) -> bool:
    """Whether an event has told that the bot is not in a room any more."""
    membership = await tx.fetchval("SELECT membership FROM bot_memberships WHERE room_id = $1", room_id)
    return membership in ("leave", "ban")


async def use(tx: Tx, room_id: str, now: int) -> None:
    """Somebody uses the bot in this room, so it stays there."""
    await tx.execute(
        "INSERT INTO bot_memberships (room_id, membership, since, used) VALUES ($1, 'join', $2, TRUE) "
        "ON CONFLICT (room_id) DO UPDATE SET used = TRUE",
        room_id,
        now,
    )


async def is_needed(tx: Tx, room_id: str) -> bool:
    """Whether the bot has a reason to be in a room: somebody invited it there, uses it there, or a list is followed."""
    reasons = (
        "SELECT 1 FROM bot_memberships WHERE room_id = $1 AND (used OR inviter IS NOT NULL)",
        "SELECT 1 FROM rooms WHERE room_id = $1 OR management_room = $1",
        "SELECT 1 FROM pending_protects WHERE room_id = $1",
        "SELECT 1 FROM list_rooms WHERE room_id = $1 AND followed",
    )
    return any([await tx.fetchval(reason, room_id) is not None for reason in reasons])


async def unused(tx: Tx, before: int) -> list[str]:
    """The rooms that the bot entered before a moment and that nobody uses: not protected, not managed, not pending."""
    rows = await tx.fetch(
        "SELECT room_id FROM bot_memberships WHERE membership = 'join' AND NOT used AND since < $1 "
        "AND room_id NOT IN (SELECT room_id FROM rooms) AND room_id NOT IN (SELECT management_room FROM rooms) "
        "AND room_id NOT IN (SELECT room_id FROM pending_protects)",
        before,
    )
    return [row["room_id"] for row in rows]
