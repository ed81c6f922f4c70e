"""The rooms to which somebody is invited as well because another room accepted them: until all are tried, and until
each of the invites that were sent is taken or gone."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.domain.notices import Notice, dumps
from knockbot.store.db import Tx, for_update
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Missed:
    """A room to which somebody could not be invited, and why."""

    room_id: str
    why: Notice


_MISSED = Row(Missed, "also_invites")


async def add(tx: Tx, request_id: int, room_id: str) -> None:
    """An invite is to be tried; each room once for a request."""
    await tx.execute(
        "INSERT INTO also_invites (request_id, room_id) VALUES ($1, $2) ON CONFLICT (request_id, room_id) DO NOTHING",
        request_id,
        room_id,
    )


async def is_open(tx: Tx, request_id: int, room_id: str) -> bool:
    """Whether an invite has yet to be tried."""
    query = "SELECT 1 FROM also_invites WHERE request_id = $1 AND room_id = $2 AND NOT ended"
    return await tx.fetchrow(query, request_id, room_id) is not None


async def end(tx: Tx, request_id: int, room_id: str, why: Notice | None) -> bool:
    """An invite was tried; `why` says why it was not possible. True if it was the last one of this request."""
    rows = await tx.fetch(
        f"SELECT room_id, ended FROM also_invites WHERE request_id = $1 ORDER BY room_id{for_update(tx)}", request_id
    )
    waiting = {row["room_id"] for row in rows if not row["ended"]}
    if room_id not in waiting:
        return False
    await tx.execute(
        "UPDATE also_invites SET ended = TRUE, why = $3 WHERE request_id = $1 AND room_id = $2",
        request_id,
        room_id,
        dumps(why) if why is not None else None,
    )
    return waiting == {room_id}


async def take_missed(tx: Tx, request_id: int) -> list[Missed]:
    """The rooms to which somebody could not be invited; all of that request is forgotten."""
    rows = await tx.fetch(f"{_MISSED.select} WHERE request_id = $1 AND why IS NOT NULL ORDER BY room_id", request_id)
    await tx.execute("DELETE FROM also_invites WHERE request_id = $1", request_id)
    return _MISSED.all(rows)


@dataclass(frozen=True, slots=True)
class Sent:
    """An invite that was sent, and that nobody has taken yet."""

    room_id: str
    user_id: str
    request_id: int
    """The request at the room that accepted them."""
    on_behalf_of: str
    """With whose power they were invited."""


_SENT = Row(Sent, "also_invited")


async def put_sent(tx: Tx, sent: Sent) -> None:
    """Remember an invite that was sent."""
    await tx.execute(
        "INSERT INTO also_invited (room_id, user_id, request_id, on_behalf_of) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (room_id, user_id) DO UPDATE SET request_id = $3, on_behalf_of = $4",
        sent.room_id,
        sent.user_id,
        sent.request_id,
        sent.on_behalf_of,
    )


async def sent_for(tx: Tx, request_id: int) -> list[Sent]:
    """The invites that were sent because of a request, and are not taken yet."""
    return _SENT.all(await tx.fetch(f"{_SENT.select} WHERE request_id = $1 ORDER BY room_id", request_id))


async def find_sent(tx: Tx, room_id: str, user_id: str) -> Sent | None:
    """The invite of this kind that somebody holds, as far as the records say."""
    return _SENT.maybe(await tx.fetchrow(f"{_SENT.select} WHERE room_id = $1 AND user_id = $2", room_id, user_id))


async def forget_sent(tx: Tx, room_id: str, user_id: str) -> None:
    """Their invite was taken, declined or withdrawn."""
    await tx.execute("DELETE FROM also_invited WHERE room_id = $1 AND user_id = $2", room_id, user_id)


async def sent_to(tx: Tx, room_id: str) -> list[Sent]:
    """All such invites to a room."""
    return _SENT.all(await tx.fetch(f"{_SENT.select} WHERE room_id = $1 ORDER BY user_id", room_id))
