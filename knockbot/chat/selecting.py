"""A selection of pending requests as it is typed: a room, filters and a page, in any order."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from knockbot.chat.arguments import Argument, is_someone, not_understood
from knockbot.chat.calls import Call, Misuse, named_room, unknown_room
from knockbot.chat.nearly import is_all
from knockbot.domain import filters
from knockbot.domain.filters import Filters, NotFilters
from knockbot.domain.notices import Stranger, notice
from knockbot.errors import Refused
from knockbot.store.rooms import ProtectedRoom


@dataclass(frozen=True, slots=True)
class Selection:
    """The pending requests that somebody means: those of a room or of all, as far as they fit."""

    room: ProtectedRoom | None
    filters: Filters
    page: int = 1

    @property
    def written(self) -> str:
        """It as a command would have it, without the page; empty where all are meant."""
        return " ".join(filter(None, (self.room.room_id if self.room is not None else "", self.filters.written)))


async def read_selection(call: Call, text: str, *, paged: bool) -> Selection:
    """What is selected. Raises `Misuse` for words that select nothing, `Refused` for a room that is unknown here."""
    try:
        found, rest = filters.read(text)
    except NotFilters as error:
        raise Misuse(error.said) from None
    named = await named_room(call, rest) if rest and not is_someone(rest) else None
    room, behind = named or (None, rest)
    if paged and _PAGE.fullmatch(behind):
        return Selection(room, found, int(behind))
    if behind and room is None and is_all(behind):
        raise Misuse(notice("ask.all_again", text=Stranger(behind, filters.SHOWN)))
    if behind:
        is_no_room = room is not None or is_someone(rest) or len(behind.split()) > 1
        raise Misuse(not_understood(behind)) if is_no_room else Refused(unknown_room(behind))
    return Selection(room, found)


_PAGE = re.compile(r"-?[0-9]{1,4}")


def _reader(*, paged: bool) -> Callable[[Call, str], Awaitable[tuple[Selection, str]]]:
    async def read(call: Call, text: str) -> tuple[Selection, str]:
        return await read_selection(call, text, paged=paged), ""

    return read


PAGED = Argument("[ROOM] [FILTER…] [PAGE]", None, "older:1d", _reader(paged=True))
