"""What is said about a request beside its card: the line of a decision, and replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from knockbot.domain.card.kinds import TOLD, everybody, head, numbered, sign_of, standing
from knockbot.domain.card.outcomes import found
from knockbot.domain.card.who import answered_by
from knockbot.domain.card.words import sentences
from knockbot.domain.model import Request, Verdict
from knockbot.domain.naming import verdict_named
from knockbot.domain.notices import Ago, Choice, Code, Notice, Number, Numbered, Stranger, User, notice, rows


def decision_line(request: Request, label: str, remarks: Sequence[Notice] = ()) -> Notice:
    """What a rule did, in one line, with remarks on that."""
    said, more = standing(request, for_ever=True), [one for one in (found(request), *remarks) if one is not None]
    if said is None:
        return head(request, label)
    what = sentences([said, *more]) if more else said
    return notice("card.line", head=head(request, label), what=what)


def moved_away() -> Notice:
    """A card whose requests have moved to another management room."""
    return notice("card.moved_away")


def kept_no_longer(requests: Sequence[Request]) -> Notice:
    """A card whose room is no longer protected: it accepts no answers."""
    newest, sign = requests[-1], sign_of(requests[-1])
    alone = len(requests) == 1
    who = numbered(newest) if alone else notice("card.several", count=Number(len(requests)))
    said = (answered_before(newest) if alone else None) or notice("card.answer_yourself")
    return notice("card.unprotected", sign=sign, who=who, what=said)


def answered_before(request: Request) -> Notice | None:
    """What happened to a request while its room was protected; an act in progress may still succeed or fail."""
    if request.open and request.answer is not None:
        return notice("card.chose", by=answered_by(request), verdict=Choice(request.answer.verdict))
    return standing(request, for_ever=True)


def already_answered(request: Request, now: int) -> Notice:
    """The first answer wins, and the second is told so."""
    number = Numbered(request.number)
    if request.open and request.answer is not None:
        chosen, when = Choice(request.answer.verdict), Ago(now - request.answer.at)
        if request.taken_back:
            return notice("answer.withdrawn", request=number, user=User(request.user_id), when=when)
        return notice("answer.already", request=number, by=answered_by(request), verdict=chosen, when=when)
    what = standing(request) or notice("show.waiting")
    return notice("answer.closed", request=number, when=Ago(now - request.changed_at), what=what)


def changed_anew(request: Request) -> Notice:
    """The answer was given to something that has been replaced since."""
    return TOLD[request.judged_as].replaced(request)


def not_shown_yet(request: Request, verdict: Verdict) -> Notice:
    """The request joined the card only when the answer was given already."""
    command = Code(f"!kb {verdict} {request.number}")
    return notice("answer.not_shown_yet", request=Numbered(request.number), command=command)


def which_applicant(requests: Sequence[Request], labels: Mapping[str, str]) -> Notice:
    """The command could mean several requests that are waiting; `labels` says which rooms are named, and how."""
    return rows([notice("meant.several"), *everybody(requests, labels)])


def room_or_text(requests: Sequence[Request], text: str, labels: Mapping[str, str]) -> Notice:
    """What a reply to these requests says may name one of their rooms, or be a text for all of them."""
    return rows([notice("meant.room_or_text", text=Stranger(text, 60)), *everybody(requests, labels)])


def hit_by_answer(requests: Sequence[Request], answer: str, labels: Mapping[str, str]) -> Notice:
    """Whom a command was about, and where, if it could have been another request."""
    return rows([notice("answer.hits", answer=verdict_named(answer)), *everybody(requests, labels)])


def may_have_withdrawn(request: Request) -> Notice:
    """The problem that an accept of an old knock from another server may have."""
    accepted = notice("answer.accepted", request=Numbered(request.number), user=User(request.user_id))
    return sentences([accepted, notice("card.may_have_withdrawn")])
