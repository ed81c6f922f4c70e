"""Notes: what moderators write about a request for each other; a note never leaves its management room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knockbot.domain.model import Request
from knockbot.store.db import Tx, listed, portions
from knockbot.store.rows import Row


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote about a request, and when."""

    request_id: int
    management_room: str
    user_id: str
    """The user that the request was about; empty where it was about none."""
    author: str
    text: str
    written_at: int
    cause: str
    """The command that has its text."""


_NOTE = Row(Note, "notes")


async def add(tx: Tx, note: Note) -> None:
    """Keep a note."""
    await tx.execute(
        "INSERT INTO notes (request_id, management_room, user_id, author, text, written_at, cause) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (request_id, cause) DO NOTHING",
        note.request_id,
        note.management_room,
        note.user_id,
        note.author,
        note.text,
        note.written_at,
        note.cause,
    )


async def on(tx: Tx, request: Request, limit: int) -> list[Note]:
    """The newest notes on a request that were written in its management room, oldest first."""
    rows = await tx.fetch(
        f"{_NOTE.select} WHERE request_id = $1 AND management_room = $2 ORDER BY id DESC LIMIT $3",
        request.id,
        request.management_room,
        limit,
    )
    return _NOTE.all(reversed(rows))


async def counts(tx: Tx, about: Sequence[Request]) -> dict[int, int]:
    """How many notes were written on each of these requests in its management room; none where there are none."""
    found: dict[int, int] = {}
    rooms = {request.id: request.management_room for request in about}
    for ids in portions([*rooms]):
        rows = await tx.fetch(
            "SELECT request_id, management_room, count(*) AS n FROM notes "
            f"WHERE request_id IN ({listed(ids)}) GROUP BY request_id, management_room",
            *ids,
        )
        found |= {row["request_id"]: row["n"] for row in rows if row["management_room"] == rooms[row["request_id"]]}
    return found


async def newest_about(tx: Tx, management_room: str, user_id: str, unless: int) -> Note | None:
    """The newest note about a user that was written in a management room, on any request but this one."""
    row = await tx.fetchrow(
        f"{_NOTE.select} WHERE management_room = $1 AND user_id = $2 AND request_id <> $3 ORDER BY id DESC LIMIT 1",
        management_room,
        user_id,
        unless,
    )
    return _NOTE.maybe(row)


async def remove_newest(tx: Tx, request: Request, author: str) -> bool:
    """Delete the newest note of somebody on a request; false where they have none there."""
    row = await tx.fetchrow(
        "DELETE FROM notes WHERE id = (SELECT max(id) FROM notes WHERE request_id = $1 AND management_room = $2 "
        "AND author = $3) RETURNING id",
        request.id,
        request.management_room,
        author,
    )
    return row is not None


async def of_command(tx: Tx, management_room: str, cause: str) -> list[int]:
    """The requests on which a command has put a note."""
    rows = await tx.fetch(
        "SELECT request_id FROM notes WHERE cause = $1 AND management_room = $2 ORDER BY request_id",
        cause,
        management_room,
    )
    return [row["request_id"] for row in rows]


async def remove_of_command(tx: Tx, management_room: str, cause: str) -> None:
    """Delete the notes that a command has put on requests."""
    await tx.execute("DELETE FROM notes WHERE cause = $1 AND management_room = $2", cause, management_room)
