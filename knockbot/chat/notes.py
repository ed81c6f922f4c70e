"""The command by which moderators write notes on requests."""

from __future__ import annotations

from knockbot.chat.arguments import REQUESTS, Argument
from knockbot.chat.calls import Answered, Call, Meant, Misuse
from knockbot.chat.command import Command
from knockbot.chat.several import to_each
from knockbot.chat.typed import are_numbers, not_numbers
from knockbot.documents.text import storable
from knockbot.domain.may import Deed
from knockbot.domain.model import Request
from knockbot.domain.notices import Notice, Number, Room, notice
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.features.notes import writing
from knockbot.flow import authority
from knockbot.flow.authority import Wanted

NO_MORE = frozenset("-\u2013\u2014")
"""In place of a text: the newest note of whoever says it is removed. Phones make a longer dash of a hyphen."""


async def note(call: Call, meant: Meant, text: str) -> Answered:
    """Put a note on each of these requests, or remove the newest of one's own."""
    said = storable(text.strip())
    if are_numbers(said):
        raise Misuse(not_numbers(call.rest, said))
    if len(said) > writing.LONGEST:
        raise Refused(notice("note.too_long", most=Number(writing.LONGEST), length=Number(len(said))))

    await authority.insist(call.context, Wanted(Deed.NOTE, call.actor, Room(call.room, call.room)))

    async def do(turn: Turn, request: Request) -> Notice | None:
        if said in NO_MORE:
            await writing.remove(turn, request, call.actor)
        else:
            await writing.write(turn, request, call.actor, said, call.cause)
        return None

    return await to_each(meant, do)


async def _text(call: Call, text: str) -> tuple[str, str] | None:
    """All that follows, on the lines below as well."""
    said = "\n".join(part for part in (text, call.below.strip()) if part)
    return (said, "") if said else None


TEXT = Argument("text", notice("ask.note"), "She sent us a letter.", _text, takes_lines=True)

COMMANDS = (Command("note", (REQUESTS, TEXT), note, Deed.NOTE),)
