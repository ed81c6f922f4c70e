"""What a batch would do, as its message asks for it: answers or votes, and with which texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from knockbot.domain.batches import Batch
from knockbot.domain.model import Request, Verdict
from knockbot.domain.notices import Choice, Notice, Number, Room, Stranger, listed, notice, numbered
from knockbot.domain.templates import named
from knockbot.domain.votes import tally, with_vote
from knockbot.features.bulk import choosing
from knockbot.flow.place import Place
from knockbot.store import votes as store
from knockbot.store.db import Tx


def question(batch: Batch, count: int, asked: Iterable[Request], places: Mapping[str, Place]) -> Notice:
    """What is asked: whether to answer, or to vote where the answer takes several moderators in each of the rooms."""
    needed = [places[one.room_id].settings.votes.needed(batch.verdict) for one in asked]
    if needed and min(needed) > 1:
        return notice("bulk.asks_votes", verdict=Choice(batch.verdict), count=Number(count))
    return notice("bulk.asks", verdict=Choice(batch.verdict), count=Number(count))


def told(batch: Batch, asked: Iterable[Request], places: Mapping[str, Place]) -> list[Notice]:
    """The text that the applicants get: where it names a template, it is that of each room."""
    if not batch.reason:
        return []
    texts: dict[str, dict[str, Room]] = {}
    for one in asked:
        there = places[one.room_id]
        texts.setdefault(text_at(batch, there), {})[there.room_id] = there.called
    if len(texts) <= 1:
        return [notice("bulk.told", reason=Stranger(next(iter(texts), batch.reason), LONGEST))]
    return [
        notice("bulk.told_at", rooms=listed(rooms.values()), reason=Stranger(text, LONGEST))
        for text, rooms in texts.items()
    ]


LONGEST = 500
"""Characters of a text that are shown."""


def text_at(batch: Batch, there: Place) -> str:
    """The text that a batch sends to the applicants of a room: that of the template which it names there, if any."""
    words = batch.reason or ""
    meant = named(there.settings.templates, words) if batch.verdict is not Verdict.ACCEPT else None
    return meant.text if meant is not None else words


async def votes(tx: Tx, batch: Batch, asked: Sequence[Request], places: Mapping[str, Place]) -> list[Notice]:
    """Where the answer takes several moderators: which requests have enough votes with this one, as far as the records
    show, and which take more."""
    several = [one for one in asked if places[one.room_id].settings.votes.needed(batch.verdict) > 1]
    if not several:
        return []
    given = await store.on(tx, several)
    reached: dict[bool, list[int]] = {True: [], False: []}
    for one in several:
        all_votes = with_vote(given.get(one.id, ()), choosing.vote(batch, one))
        found = tally(all_votes, one, batch.verdict, places[one.room_id].settings.votes)
        reached[found.is_reached].append(one.number)
    rooms = {one.room_id: places[one.room_id].called for one in several}
    lines = [
        notice("bulk.votes_reached", reached=Choice(yes), count=Number(len(numbers)), requests=numbered(numbers))
        for yes, numbers in (("yes", reached[True]), ("no", reached[False]))
        if numbers
    ]
    return [notice("bulk.votes", rooms=listed(rooms.values())), *lines]
