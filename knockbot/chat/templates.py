"""Reason templates in chat: the command that shows them, and words that name one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knockbot.chat.arguments import SOME_ROOM
from knockbot.chat.calls import Call
from knockbot.chat.command import Command
from knockbot.domain.may import Deed
from knockbot.domain.model import Request, Verdict, Wish
from knockbot.domain.notices import Code, Notice, Numbered, Sign, Stranger, below, notice
from knockbot.domain.plan import NUMBERS
from knockbot.domain.templates import LONGEST, named, nearly_named
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.flow import place
from knockbot.flow.place import Place
from knockbot.store.rooms import ProtectedRoom


async def templates(call: Call, only: ProtectedRoom | None) -> Notice:
    """The templates with their texts, of all rooms or of one."""
    async with call.context.db.tx() as tx:
        managed = await place.managed_by(call.context, tx, call.room)
    found = [there for there in managed if there.settings.templates and only in (None, there.room)]
    if not found:
        return notice("templates.none", key=Code("templates"))
    return below(*(line for there in found for line in _of(there)), notice("templates.use", command=Code(USE)))


USE = "!kb reject N NAME"


def _of(there: Place) -> list[Notice]:
    numbered = zip(NUMBERS, there.settings.templates, strict=False)
    rows = [
        notice("templates.row", sign=Sign(emoji), name=Stranger(one.name), text=Stranger(one.text, LONGEST))
        for emoji, one in numbered
    ]
    return [notice("templates.of", room=there.called), *rows]


async def worded(call: Call, turn: Turn, wish: Wish, request: Request) -> Wish:
    """A wish with the text of the template that its words name at the room of the request, if they name one.

    Raises `Refused` for a word that is, or nearly is, the name of a template which that room does not have: nobody is
    told a name instead of a text.
    """
    there = await place.of(call.context, turn, request.room_id)
    if there is None or not wish.reason or wish.verdict is Verdict.ACCEPT:
        return wish
    meant = named(there.settings.templates, wish.reason)
    if meant is not None:
        return replace(wish, reason=meant.text)
    slip = _slip(there, await place.managed_by(call.context, turn.tx, call.room), wish.reason, request)
    if slip is not None:
        raise Refused(slip)
    return wish


def _slip(there: Place, managed: Sequence[Place], words: str, request: Request) -> Notice | None:
    """What is asked where words are, or nearly are, the name of a template, and are not that at the request's room."""
    names = (one.name for other in (there, *managed) for one in other.settings.templates)
    near = nearly_named(dict.fromkeys(names), words)
    if near is None:
        return None
    number, name, command = Numbered(request.number), Stranger(near), Code("!kb templates")
    if any(one.name == near for one in there.settings.templates):
        return notice("templates.nearly", request=number, room=there.called, name=name, command=command)
    return notice("templates.not_here", request=number, room=there.called, name=name, command=command)


async def insist_on_words(call: Call, verdict: Verdict, words: str | None, found: Sequence[Request]) -> None:
    """The same for one answer to many requests, before it is asked for. Raises `Refused`, with a line for each room."""
    if verdict is Verdict.ACCEPT or not words:
        return
    async with call.context.db.tx() as tx:
        managed = await place.managed_by(call.context, tx, call.room)
    by_room = {there.room_id: there for there in managed if named(there.settings.templates, words) is None}
    first = {one.room_id: one for one in reversed(found) if one.room_id in by_room}
    slips = [_slip(by_room[room_id], managed, words, one) for room_id, one in first.items()]
    if any(slips):
        raise Refused(below(*slips))


COMMANDS = (Command("templates", (SOME_ROOM,), templates, Deed.LOOK),)
