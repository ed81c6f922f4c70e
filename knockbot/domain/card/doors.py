"""A card that shows one applicant at several rooms of a space: a line for each room, and one click for all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from knockbot.domain.card.kinds import TOLD, applicant, reason_of, sign_of, signs_of, standing, waiting
from knockbot.domain.card.lines import answered_before
from knockbot.domain.card.one import Around, how_to_answer, texts_to_send
from knockbot.domain.card.outcomes import answered_with, doubt, found, trouble_of, withdrawn_perhaps
from knockbot.domain.card.words import sentences
from knockbot.domain.model import Request, Verdict
from knockbot.domain.notices import Code, Notice, Number, Numbered, Room, below, listed, notice

MOST_ROWS = 20
"""Requests that have a line: all that are open, and the newest of the others."""


@dataclass(frozen=True, slots=True)
class Length:
    """How much a card says of each of its requests, and of how many it tells machines."""

    reasons: bool = True
    doubts: bool = True
    blocks: int = MOST_ROWS


LENGTHS = (Length(), Length(reasons=False), Length(reasons=False, doubts=False), Length(False, False, 2))
"""The longest first: the first one that fits is sent."""


def doors_card(
    requests: Sequence[Request], possible: Iterable[Verdict], around: Around, length: Length = LENGTHS[0]
) -> Notice:
    """The requests of one applicant at several rooms.

    Each request that is open has its line, because one click answers all of them.
    """
    shown, newest = rows_of(requests), requests[-1]
    awaiting = [one for one in shown if one.awaits_moderators and one.room_id not in around.closed]
    alike = len({one.reason for one in shown}) == 1
    earlier = len(requests) - len(shown)
    return below(
        _headline(requests, len(awaiting), around),
        reason_of(newest, hidden=around.hidden) if length.reasons and alike else None,
        *around.dossier,
        notice("card.earlier_ones", count=Number(earlier), command=Code("!kb list")) if earlier > 0 else None,
        *(_row(one, around, replace(length, reasons=length.reasons and not alike)) for one in shown),
        *_how_to_answer(awaiting, possible, around),
    )


def _headline(requests: Sequence[Request], count_waiting: int, around: Around) -> Notice:
    who, count = applicant(requests[-1]), Number(len(around.doors))
    here = [one for one in requests if one.room_id not in around.closed]
    if any(one.open for one in here):
        if not count_waiting:
            return notice("card.doors_answered", who=who, count=count)
        return notice("card.doors", who=who, count=count, waiting=Number(count_waiting))
    return notice("card.doors_settled", sign=signs_of(here or requests), who=who, count=count)


def rows_of(requests: Sequence[Request]) -> list[Request]:
    """The requests that have a line."""
    others = [one for one in requests if not one.open]
    left = max(0, MOST_ROWS - (len(requests) - len(others)))
    kept = {one.id for one in others[len(others) - left :]} if left else set()
    return [one for one in requests if one.open or one.id in kept]


def _row(request: Request, around: Around, length: Length) -> Notice:
    room = Room(request.room_id, around.doors[request.room_id])
    what = _closed(request) if request.room_id in around.closed else _state(request, around, length)
    what = sentences([what, *around.remarks.get(request.id, ())])
    return notice("card.door", sign=sign_of(request), request=Numbered(request.number), room=room, what=what)


def _closed(request: Request) -> Notice:
    return notice("card.door_closed", what=answered_before(request) or notice("card.answer_yourself"))


def _state(request: Request, around: Around, length: Length) -> Notice:
    reached = standing(request)
    if reached is not None:
        by_list = found(request) if length.doubts else None
        return sentences([reached, by_list, withdrawn_perhaps(request), answered_with(request)])
    says = length.reasons and not request.invited
    said = reason_of(request, hidden=around.hidden) if says else waiting(request)
    return sentences([said, doubt(request), trouble_of(request)] if length.doubts else [said])


def _how_to_answer(awaiting: Sequence[Request], possible: Iterable[Verdict], around: Around) -> list[Notice | None]:
    """What one click does, and the command for one room."""
    if len(awaiting) <= 1:
        return how_to_answer(awaiting[0], possible, around) if awaiting else []
    newest = awaiting[-1]
    ready = [verdict for verdict in Verdict if verdict in set(possible)]
    if not ready:
        return [around.missing]
    plain = next((one for one in awaiting if not one.invited), newest)
    offers = listed(TOLD[plain.judged_as].offer(plain, verdict) for verdict in ready)
    mixed = notice("card.answer_invited") if any(one.invited for one in awaiting) and not plain.invited else None
    one = Code(f"!kb {ready[0]} {newest.number}")
    answer = notice("card.answer_doors", offers=offers, command=one)
    return [around.missing, answer, mixed, texts_to_send(around)]
