"""The command that shows the reason templates of the rooms managed from here."""

from __future__ import annotations

from knockbot.chat.arguments import SOME_ROOM
from knockbot.chat.calls import Call
from knockbot.chat.command import Command
from knockbot.domain.may import Deed
from knockbot.domain.notices import Code, Notice, Sign, Stranger, below, notice
from knockbot.domain.plan import NUMBERS
from knockbot.domain.templates import LONGEST
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


COMMANDS = (Command("templates", (SOME_ROOM,), templates, Deed.LOOK),)
