"""Whom invites issued by the bot went to: personal data, apart from all else so that it can be forgotten."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.store.db import Tx


@dataclass(frozen=True, slots=True)
class Addressee:
    """An address an invite was sent to, and on whose word."""

    room_id: str
    token: str
    medium: str
    address: str
    issued_by: str
    issued_at: int


async def remember(tx: Tx, addressee: Addressee) -> None:
    """Keep whom a token was sent to."""
    await tx.execute(
        "INSERT INTO addresses (room_id, token, medium, address, issued_by, issued_at) VALUES ($1, $2, $3, $4, $5, $6) "
        "ON CONFLICT (room_id, token) DO NOTHING",
        addressee.room_id,
        addressee.token,
        addressee.medium,
        addressee.address,
        addressee.issued_by,
        addressee.issued_at,
    )


async def of_room(tx: Tx, room_id: str) -> dict[str, str]:
    """The addresses known for a room, by token."""
    rows = await tx.fetch("SELECT token, address FROM addresses WHERE room_id = $1", room_id)
    return {row["token"]: row["address"] for row in rows}


async def forget_old(tx: Tx, before: int) -> None:
    """Forget the addresses of invites that have not stood since a moment."""
    await tx.execute(
        "DELETE FROM addresses WHERE issued_at < $1 AND NOT EXISTS (SELECT 1 FROM requests "
        "WHERE requests.room_id = addresses.room_id AND requests.token = addresses.token "
        "AND (requests.state IN ('pending', 'standing') OR requests.changed_at >= $1))",
        before,
    )


# --- budgets --------------------------------------------------------------------------------------------------


async def count(tx: Tx, cause: str, room_id: str, moderator: str, now: int) -> None:
    """Count an invite against the budgets of its moderator and its room; the same command counts once."""
    await tx.execute(
        "INSERT INTO issued (cause, room_id, moderator, at) VALUES ($1, $2, $3, $4) ON CONFLICT (cause) DO NOTHING",
        cause,
        room_id,
        moderator,
        now,
    )


async def issued_since(tx: Tx, since: int, *, room_id: str | None = None, moderator: str | None = None) -> int:
    """How many invites went out since a moment, for a room or by a moderator."""
    column, value = ("room_id", room_id) if room_id is not None else ("moderator", moderator)
    return int(await tx.fetchval(f"SELECT count(*) FROM issued WHERE at >= $1 AND {column} = $2", since, value))
