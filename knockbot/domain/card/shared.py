"""A card that several requests share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from knockbot.domain.card.kinds import TOLD, applicant, reason_of, sign_of, signs_of, standing
from knockbot.domain.card.one import Around
from knockbot.domain.card.outcomes import doubt, found
from knockbot.domain.card.words import sentences
from knockbot.domain.model import Request, Verdict
from knockbot.domain.notices import Code, Notice, Number, Numbered, Room, below, notice


def shared_card(
    requests: Sequence[Request], label: str, most: int, possible: Iterable[Verdict], around: Around
) -> Notice:
    """Several requests on one card, the newest `most` of them in full; `possible` is what the bot can do about the
    newest pending one."""
    waiting = [request for request in requests if request.awaits_moderators]
    kind = TOLD[requests[-1].judged_as]
    room, count, waits = Room(requests[-1].room_id, label), Number(len(requests)), Number(len(waiting))
    earlier, is_open = len(requests) - most, any(request.open for request in requests)
    # One number: a command with all of them, copied without a look, would accept a crowd.
    ready = [verdict for verdict in Verdict if verdict in set(possible)] if waiting else []
    return below(
        kind.several(count, room, waits) if is_open else kind.several_settled(signs_of(requests), count, room),
        notice("card.earlier_ones", count=Number(earlier), command=Code("!kb list")) if earlier > 0 else None,
        *(_row(request, around) for request in requests[-most:]),
        around.missing if waiting else None,
        notice("card.answer_each", command=Code(f"!kb {ready[0]} {waiting[-1].number}")) if ready else None,
        kind.hint if ready else None,
    )


def _row(request: Request, around: Around) -> Notice:
    """One request on a shared card."""
    rehearsed = request.decision is not None and request.decision.rehearsed is not None
    why = doubt(request) if rehearsed or request.invited or TOLD[request.judged_as].doubts_in_rows else None
    reached = standing(request)
    said = [reached, found(request)] if reached is not None else [reason_of(request, hidden=around.hidden), why]
    what = sentences([*said, *around.remarks.get(request.id, ())])
    return notice(
        "card.row", sign=sign_of(request), request=Numbered(request.number), who=applicant(request), what=what
    )
