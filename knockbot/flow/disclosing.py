"""What is shown to whom of a decision: `may_learn_of` says whether somebody may learn who is in a room."""

from __future__ import annotations

from dataclasses import replace

from knockbot.domain import disclosure
from knockbot.domain.disclosure import Named
from knockbot.domain.ids import room_meant
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Request
from knockbot.flow.context import Context
from knockbot.flow.rooms import may_learn_of
from knockbot.store import judgements, pins
from knockbot.store.db import Tx


async def as_shown_to(context: Context, who: str, request: Request) -> Request:
    """A request, with as much of its decision as somebody may see."""
    told = disclosure.rooms_told_of(request.decision) if request.decision is not None else set[Named]()
    if request.decision is None or not told:
        return request
    async with context.db.tx() as tx:
        judged = await judgements.newest(tx, request.id)
        meant = {one: await _room(tx, judged, one) for one in told}
    hidden = {one for one, room_id in meant.items() if room_id is None or not await may_learn_of(context, room_id, who)}
    return replace(request, decision=disclosure.without(request.decision, hidden))


async def _room(tx: Tx, judged: Judgement | None, named: Named) -> str | None:
    """The room that a name meant in the policy that decided; none where that is not known any more."""
    origin, name = named
    if judged is None:
        return None
    revisions = {"": judged.revision, **judged.inherited}
    revision = revisions.get(origin)
    places = [pins.of_revision(origin or judged.room_id, revision)] if revision is not None else []
    if not origin and revision is None:  # the first policy is that of its space, or the default
        places = [pins.of_revision(*one) for one in judged.inherited.items()] + [pins.DEFAULT_POLICY]
    found = {room_meant(name, await pins.meant(tx, place)) for place in places}
    return found.pop() if len(found) == 1 else None
