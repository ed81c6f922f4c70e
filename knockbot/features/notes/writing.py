"""A note is written on a request, and removed: by its author, or with the message that has its text."""

from __future__ import annotations

from knockbot.domain.model import Redaction, Request
from knockbot.domain.notices import Number, Numbered, notice
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.flow import remarks, withdrawing
from knockbot.flow.context import Context
from knockbot.store import notes, requests
from knockbot.store.notes import Note

LONGEST = 500
"""Characters of a note."""

MOST = 20
"""Notes on one request."""


async def write(turn: Turn, request: Request, by: str, text: str, cause: str) -> None:
    """Put a note on a request. Raises `Refused` where it has too many, or has left the room."""
    now = await remarks.still_there(turn, request)
    if len(await notes.on(turn.tx, now, MOST)) >= MOST:
        raise Refused(notice("note.too_many", request=Numbered(now.number), most=Number(MOST)))
    await notes.add(turn.tx, Note(now.id, now.management_room, now.user_id, by, text, turn.now, cause))
    await remarks.changed(turn, now.id)


async def remove(turn: Turn, request: Request, by: str) -> None:
    """Remove somebody's newest note on a request. Raises `Refused` where they have none."""
    now = await remarks.still_there(turn, request)
    if not await notes.remove_newest(turn.tx, now, by):
        raise Refused(notice("note.none_of_yours", request=Numbered(now.number)))
    await remarks.changed(turn, now.id)


async def redacted(context: Context, redaction: Redaction) -> Write[None] | None:
    """A message was removed: the notes that it gave are removed with it."""
    async with context.db.tx() as tx:
        found = await notes.of_command(tx, redaction.room_id, redaction.redacts)
    if not found or await withdrawing.in_the_room(context, redaction) is None:
        return None

    async def forget(turn: Turn) -> None:
        await requests.hold(turn.tx, found)
        await notes.remove_of_command(turn.tx, redaction.room_id, redaction.redacts)
        for request_id in found:
            await remarks.changed(turn, request_id)

    return forget
