"""An applicant appeals against a rejection, once for each: the moderators are told, and nothing is reopened by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from knockbot.domain.card import no_rejection
from knockbot.domain.model import Request, State
from knockbot.domain.notices import Code, Hidden, Notice, Numbered, Stranger, User, notice
from knockbot.domain.policy import Reasons
from knockbot.domain.records import Recorded
from knockbot.domain.remarks import Extent
from knockbot.domain.undoing import LONGEST
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.features.letters.own import Own
from knockbot.flow import place, saying
from knockbot.flow import remarks as shared
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.records import record
from knockbot.flow.saying import Audience, Urgency
from knockbot.store import appeals, prompts, requests
from knockbot.store.appeals import Appeal
from knockbot.store.db import Tx
from knockbot.times import DAY

KEPT: Final = 1000
"""Characters of an appeal that the moderators get."""

ON_CARD: Final = 300
"""Characters that a card shows."""

A_DAY: Final = 3
"""Appeals of one applicant a day: who is rejected again and again must not call the moderators each time."""


def may_be_appealed(one: Own, now: int) -> bool:
    """Whether this is a rejection that the moderators could still undo."""
    request = one.request
    if request.state is not State.REJECTED or request.taken_back or no_rejection(request) is not None:
        return False
    return now - request.changed_at <= LONGEST


async def appeal(context: Context, turn: Turn, one: Own, text: str) -> None:
    """Tell the moderators. Raises `Refused` if that was done, or there is no such rejection any more."""
    request = await requests.get(turn.tx, one.request.id)
    there = await place.of(context, turn, request.room_id)
    now = Own(one.number, request, one.there)
    if there is None or there.management_room != request.management_room or not may_be_appealed(now, turn.now):
        raise Refused(notice("own.no_rejection"))
    if await appeals.is_there(turn.tx, request):
        raise Refused(notice("own.appealed_before", room=there.called))
    if await appeals.made_since(turn.tx, request.user_id, turn.now - DAY) >= A_DAY:
        raise Refused(notice("own.too_many_appeals"))
    kept = Appeal(request.id, request.changed_at, request.management_room, request.user_id, text[:KEPT], turn.now)
    await appeals.add(turn.tx, kept)
    await record(turn, request, request.user_id, Recorded.APPEALED)
    await shared.changed(turn, request.id)
    await _tell(context, turn, there, request, kept)


async def _tell(context: Context, turn: Turn, there: Place, request: Request, kept: Appeal) -> None:
    card = await prompts.get(turn.tx, request.card_id) if request.card_id is not None else None
    said = notice(
        "appeal.line",
        request=Numbered(request.number),
        user=User(request.user_id),
        room=there.called,
        text=_text(kept, there, request, KEPT),
        undo=Code(f"!kb undo {request.number}"),
    )
    to, occasion = Audience(request.management_room, request), f"appeal:{request.id}:{kept.rejected_at}"
    reply_to = card.event_id if card is not None else None
    await saying.say(context, turn, to, occasion, said, urgency=Urgency.ALOUD, reply_to=reply_to)


def _text(kept: Appeal, there: Place, request: Request, most: int) -> Stranger | Hidden:
    """The text; behind a spoiler where the policy hides reasons."""
    if there.settings.reasons is Reasons.HIDDEN:
        return Hidden(kept.text, most, f"!kb show {request.number}")
    return Stranger(kept.text, most)


async def remarks(context: Context, tx: Tx, about: Sequence[Request], extent: Extent) -> Mapping[int, Sequence[Notice]]:
    """That there is an appeal, in a row; and what it says, elsewhere."""
    found = await appeals.on(tx, about)
    appealed = [request for request in about if request.id in found]
    if extent is Extent.ROW:
        return {one.id: [notice("appeal.there")] for one in appealed}
    places = await place.of_rooms(context, tx, {one.room_id for one in appealed})
    return {one.id: [_remark(found[one.id], places.get(one.room_id), one, extent)] for one in appealed}


def _remark(kept: Appeal, there: Place | None, request: Request, extent: Extent) -> Notice:
    if extent is Extent.WHOLE or there is None:
        return notice("appeal.remark", text=Stranger(kept.text, KEPT))
    return notice("appeal.remark", text=_text(kept, there, request, ON_CARD))
