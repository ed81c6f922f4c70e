"""What cards, lists and `show` say of questions and answers; what applicants wrote is told in no other room."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from knockbot.domain.model import Request, Verdict
from knockbot.domain.notices import Code, Hidden, Notice, Number, Stranger, User, notice
from knockbot.domain.policy import Reasons
from knockbot.domain.questions import LONGEST, LONGEST_ANSWER
from knockbot.domain.remarks import Extent
from knockbot.flow import place
from knockbot.flow.context import Context
from knockbot.store import questions
from knockbot.store.db import Tx
from knockbot.store.questions import Put, Stage

ON_CARD: Final = 6
"""Answers that a card shows."""

BY_HAND: Final = 2
"""So many of them are at least kept for questions of moderators."""

ON_CARD_LETTERS: Final = 200
"""Characters of each of them, and of its question."""

MOST: Final = 20
"""Answers that are shown anywhere."""


async def remarks(context: Context, tx: Tx, about: Sequence[Request], extent: Extent) -> Mapping[int, Sequence[Notice]]:
    """The questions and answers about these requests; in a row only how many there are."""
    rounds = await questions.rounds_of(tx, about)
    found = await questions.of_requests(tx, about)
    asked = [request for request in about if found.get(request.id)]
    if extent is Extent.ROW:
        said = {one.id: _in_a_row(one, found[one.id], rounds.get(one.id)) for one in asked}
        return {request_id: [line] for request_id, line in said.items() if line is not None}
    places = await place.of_rooms(context, tx, {one.room_id for one in asked})
    return {
        one.id: _lines(one, found[one.id], extent, hidden=one.room_id in places and _hides(places[one.room_id]))
        for one in asked
    }


def _hides(there: place.Place) -> bool:
    return there.settings.reasons is Reasons.HIDDEN


def _in_a_row(request: Request, asked: Sequence[Put], begun: questions.Round | None) -> Notice | None:
    answered, count = Number(sum(one.answer is not None for one in asked)), Number(len(asked))
    if not request.awaits_moderators:
        return None
    waits = begun is not None and begun.stage is Stage.OPEN and _is_asked(request)
    if waits:
        return notice("question.is_asked", answered=answered, count=count)
    return notice("question.answered", answered=answered, count=count)


def _is_asked(request: Request) -> bool:
    return request.decision is not None and request.decision.verdict is Verdict.ASK


def _lines(request: Request, asked: Sequence[Put], extent: Extent, *, hidden: bool) -> list[Notice]:
    if extent is Extent.WHOLE:
        return [_line(request, one, LONGEST_ANSWER, hides=False) for one in asked[:MOST]]
    shown = _on_card(asked)
    lines = [_line(request, one, ON_CARD_LETTERS, hides=hidden) for one in shown]
    more = Number(len(asked) - len(shown))
    return [*lines, *([_more(request, more)] if more.value else [])]


def _on_card(asked: Sequence[Put]) -> list[Put]:
    """The first questions of the policy, and the newest ones of moderators."""
    of_policy = [one for one in asked if one.asked_by is None]
    by_hand = [one for one in asked if one.asked_by is not None]
    first = of_policy[: max(ON_CARD - len(by_hand), ON_CARD - BY_HAND)]
    newest = by_hand[-(ON_CARD - len(first)) :] if len(first) < ON_CARD else []
    return [*first, *newest]


def _more(request: Request, count: Number) -> Notice:
    return notice("question.more", count=count, command=Code(f"!kb show {request.number}"))


def _without_answer(request: Request, one: Put) -> Notice:
    if one.is_taken_away:
        return _TAKEN_AWAY
    return _NOT_YET if request.awaits_moderators else _NONE


_TAKEN_AWAY: Final = notice("question.taken_away")
_NOT_YET: Final = notice("question.no_answer_yet")
_NONE: Final = notice("question.no_answer")


def _line(request: Request, one: Put, letters: int, *, hides: bool) -> Notice:
    ask = Stranger(one.ask, min(letters, LONGEST))
    if one.answer is None:
        answer: Notice | Stranger | Hidden = _without_answer(request, one)
    else:
        said = next((choice.label for choice in one.choices if choice.name == one.answer), one.answer)
        answer = Hidden(said, letters, f"!kb show {request.number}") if hides else Stranger(said, letters)
    if one.asked_by is not None:
        return notice("question.line_by_hand", by=User(one.asked_by), ask=ask, answer=answer)
    return notice("question.line_of_policy", ask=ask, answer=answer)
