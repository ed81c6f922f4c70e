"""The notes on a request, as cards, lists and `show` tell them; and the last one about an applicant who comes again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from knockbot.domain.model import Request
from knockbot.domain.notices import Day, Notice, Number, Stranger, User, notice
from knockbot.domain.remarks import Extent
from knockbot.features.notes.writing import LONGEST, MOST
from knockbot.flow import remarks as shared
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import notes
from knockbot.store.db import Tx
from knockbot.store.notes import Note

ON_CARD = 3
"""Notes that a card shows: the newest."""

ON_CARD_LETTERS = 300
"""Characters of each of them."""


async def remarks(context: Context, tx: Tx, about: Sequence[Request], extent: Extent) -> Mapping[int, Sequence[Notice]]:
    """The notes on these requests; in a row only how many there are."""
    counts = await notes.counts(tx, about)
    noted = [request for request in about if counts.get(request.id)]
    if extent is Extent.ROW:
        return {one.id: [notice("note.count", count=Number(counts[one.id]))] for one in noted}
    return {one.id: await _lines(context, tx, one, extent, counts[one.id]) for one in noted}


async def _lines(context: Context, tx: Tx, request: Request, extent: Extent, count: int) -> list[Notice]:
    most, letters = (MOST, LONGEST) if extent is Extent.WHOLE else (ON_CARD, ON_CARD_LETTERS)
    zones = await shared.zones(context, tx, [request])
    found = await notes.on(tx, request, most)
    more = [notice("note.earlier", count=Number(count - len(found)))] if count > len(found) else []
    return [*more, *(_line(one, zones[request.room_id], letters) for one in found)]


def _line(note: Note, zone: str, letters: int) -> Notice:
    day, text = Day(note.written_at, zone), Stranger(note.text, letters)
    return notice("note.line", by=User(note.author), day=day, text=text)


async def before(context: Context, there: Place, request: Request) -> Notice | None:
    """The newest note that was written in this management room on another request of the applicant."""
    async with context.db.tx() as tx:
        found = await notes.newest_about(tx, there.management_room, request.user_id, unless=request.id)
    if found is None:
        return None
    day, text = Day(found.written_at, there.settings.timezone), Stranger(found.text, ON_CARD_LETTERS)
    return notice("dossier.note", by=User(found.author), day=day, text=text)
