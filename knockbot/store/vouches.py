"""Vouches: who gave their word for whom at which room, why it fell, and who came in by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.domain.vouches import Fell
from knockbot.store.db import Tx, for_update, listed, portions
from knockbot.store.rows import Column, Row, optional


@dataclass(frozen=True, slots=True)
class Vouch:
    """Somebody's word for another one who wants to come into a room."""

    room_id: str
    user_id: str
    """For whom it is."""
    given_by: str
    management_room: str
    """From where the room was managed then; nobody learns of it elsewhere."""
    given_at: int
    until: int
    """The last millisecond at which it counts, if nobody comes in by it."""
    why: str
    fell: Fell | None = None
    request_id: int | None = None
    """The request by which its user came in with it."""

    def stands(self, now: int) -> bool:
        """Whether it still waits for its user to come in."""
        return self.fell is None and self.request_id is None and self.until >= now


_VOUCH = Row(Vouch, "vouches", fell=Column("fell", optional(Fell)))

STANDS = "fell IS NULL AND request_id IS NULL AND until >= {now}"


async def get(tx: Tx, room_id: str, user_id: str, given_by: str, *, held: bool = True) -> Vouch | None:
    """The word of one person for another."""
    row = await tx.fetchrow(
        f"{_VOUCH.select} WHERE room_id = $1 AND user_id = $2 AND given_by = $3{for_update(tx, held)}",
        room_id,
        user_id,
        given_by,
    )
    return _VOUCH.maybe(row)


async def give(tx: Tx, vouch: Vouch, since: int) -> None:
    """Store a word, in place of an earlier one by the same person; how often it was given is counted since a moment."""
    await tx.execute(
        "INSERT INTO vouches (room_id, user_id, given_by, management_room, given_at, until, why, givings) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, 1) ON CONFLICT (room_id, user_id, given_by) DO UPDATE SET "
        "management_room = excluded.management_room, given_at = excluded.given_at, until = excluded.until, "
        "why = excluded.why, fell = NULL, request_id = NULL, "
        "givings = CASE WHEN vouches.given_at > $8 THEN vouches.givings + 1 ELSE 1 END",
        vouch.room_id,
        vouch.user_id,
        vouch.given_by,
        vouch.management_room,
        vouch.given_at,
        vouch.until,
        vouch.why,
        since,
    )


async def given_since(tx: Tx, given_by: str, since: int) -> int:
    """How often somebody has vouched since a moment, in all rooms."""
    found = await tx.fetchval(
        "SELECT coalesce(sum(givings), 0) FROM vouches WHERE given_by = $1 AND given_at > $2", given_by, since
    )
    return int(found)


async def count_standing(tx: Tx, room_id: str, given_by: str, now: int) -> int:
    """For how many who have yet to come in somebody vouches at a room."""
    found = await tx.fetchval(
        f"SELECT count(*) FROM vouches WHERE room_id = $1 AND given_by = $2 AND {STANDS.format(now='$3')}",
        room_id,
        given_by,
        now,
    )
    return int(found)


async def standing_for(tx: Tx, room_id: str, user_id: str, now: int, most: int) -> list[Vouch]:
    """The newest words that stand for somebody at a room."""
    rows = await tx.fetch(
        f"{_VOUCH.select} WHERE room_id = $1 AND user_id = $2 AND {STANDS.format(now='$3')} "
        "ORDER BY given_at DESC, given_by LIMIT $4",
        room_id,
        user_id,
        now,
        most,
    )
    return _VOUCH.all(rows)


async def stands_among(tx: Tx, room_id: str, users: Sequence[str], now: int) -> set[str]:
    """Those of these for whom a word stands at a room."""
    found: set[str] = set()
    for some in portions(users):
        rows = await tx.fetch(
            f"SELECT DISTINCT user_id FROM vouches WHERE room_id = $1 AND {STANDS.format(now='$2')} "
            f"AND user_id IN ({listed(some, 3)})",
            room_id,
            now,
            *some,
        )
        found |= {row["user_id"] for row in rows}
    return found


async def about(tx: Tx, room_ids: Sequence[str], users: Sequence[str], most: int) -> list[Vouch]:
    """The newest words for these users at these rooms, those too that fell."""
    which = f"room_id IN ({listed(room_ids, 2)}) AND user_id IN ({listed(users, 2 + len(room_ids))})"
    rows = await tx.fetch(
        f"{_VOUCH.select} WHERE {which} ORDER BY given_at DESC, given_by LIMIT $1", most, *room_ids, *users
    )
    return _VOUCH.all(rows)


async def names(tx: Tx, room_id: str, user_id: str) -> bool:
    """Whether somebody has vouched for anybody at a room, or somebody for them."""
    row = await tx.fetchrow(
        "SELECT 1 FROM vouches WHERE given_by = $2 AND room_id = $1 UNION ALL "
        "SELECT 1 FROM vouches WHERE room_id = $1 AND user_id = $2 LIMIT 1",
        room_id,
        user_id,
    )
    return row is not None


async def members(tx: Tx, room_id: str) -> set[str]:
    """Those whose words at a room have not fallen, and those who came in by one: as far as is known, they are in it."""
    rows = await tx.fetch(
        "SELECT given_by AS who FROM vouches WHERE room_id = $1 AND fell IS NULL "
        "UNION SELECT user_id FROM vouches WHERE room_id = $1 AND request_id IS NOT NULL",
        room_id,
    )
    return {row["who"] for row in rows}


async def given_for(tx: Tx, room_id: str, given_by: str, now: int) -> list[str]:
    """For whom somebody's word stands at a room."""
    rows = await tx.fetch(
        f"SELECT user_id FROM vouches WHERE room_id = $1 AND given_by = $2 AND {STANDS.format(now='$3')}",
        room_id,
        given_by,
        now,
    )
    return [row["user_id"] for row in rows]


# --- who came in by whose word ----------------------------------------------------------------------------------


async def use(tx: Tx, room_id: str, user_id: str, given_by: Sequence[str], request_id: int) -> None:
    """Somebody came in by these words, and by no earlier ones."""
    of_user = "room_id = $1 AND user_id = $2"
    await tx.execute(f"DELETE FROM vouches WHERE {of_user} AND request_id <> $3", room_id, user_id, request_id)
    await tx.execute(
        f"UPDATE vouches SET request_id = $3 WHERE {of_user} AND fell IS NULL AND given_by IN ({listed(given_by, 4)})",
        room_id,
        user_id,
        request_id,
        *given_by,
    )


async def came_in_by(tx: Tx, room_id: str, users: Sequence[str]) -> list[tuple[str, str]]:
    """By whose words these came into a room: pairs of them and of those."""
    found: list[tuple[str, str]] = []
    for some in portions(users):
        rows = await tx.fetch(
            "SELECT user_id, given_by FROM vouches WHERE room_id = $1 AND request_id IS NOT NULL "
            f"AND user_id IN ({listed(some, 2)})",
            room_id,
            *some,
        )
        found += [(row["user_id"], row["given_by"]) for row in rows]
    return found


async def forget_way_in(tx: Tx, room_id: str, user_id: str) -> None:
    """By whose word somebody came in does not matter any more: they are out, or came in anew."""
    await tx.execute(
        "DELETE FROM vouches WHERE room_id = $1 AND user_id = $2 AND request_id IS NOT NULL", room_id, user_id
    )


# --- their end --------------------------------------------------------------------------------------------------


async def take_back(tx: Tx, room_id: str, user_id: str, given_by: str) -> None:
    """Somebody takes their word back."""
    await tx.execute(
        "UPDATE vouches SET fell = $4 WHERE room_id = $1 AND user_id = $2 AND given_by = $3",
        room_id,
        user_id,
        given_by,
        Fell.TAKEN_BACK,
    )


async def fall(tx: Tx, room_id: str, given_by: str, why: Fell) -> list[tuple[str, int | None]]:
    """The words of somebody at a room fall; returns for whom they were, with the requests of those who came in."""
    rows = await tx.fetch(
        "UPDATE vouches SET fell = $3 WHERE room_id = $1 AND given_by = $2 AND fell IS NULL "
        "RETURNING user_id, request_id",
        room_id,
        given_by,
        why,
    )
    return [(row["user_id"], row["request_id"]) for row in rows]


async def fall_for(tx: Tx, room_id: str, user_id: str, why: Fell) -> None:
    """The words fall that stand for somebody at a room."""
    await tx.execute(
        "UPDATE vouches SET fell = $3 WHERE room_id = $1 AND user_id = $2 AND fell IS NULL AND request_id IS NULL",
        room_id,
        user_id,
        why,
    )


async def let_go(tx: Tx, room_id: str, management_room: str) -> None:
    """A room is not managed from there any more."""
    await tx.execute("DELETE FROM vouches WHERE room_id = $1 AND management_room = $2", room_id, management_room)


async def move_over(tx: Tx, room_id: str, replacement: str) -> None:
    """A room was replaced: its words are for the new one, unless the same person gave theirs there."""
    await tx.execute(
        "UPDATE vouches SET room_id = $2 WHERE room_id = $1 AND NOT EXISTS (SELECT 1 FROM vouches AS there "
        "WHERE there.room_id = $2 AND there.user_id = vouches.user_id AND there.given_by = vouches.given_by)",
        room_id,
        replacement,
    )


async def forget(tx: Tx, now: int) -> None:
    """Delete those whose time is over, and by which nobody came in."""
    await tx.execute("DELETE FROM vouches WHERE until < $1 AND request_id IS NULL", now)
