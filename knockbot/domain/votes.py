"""Votes (`votes:` of a policy): how many moderators an answer takes, whose votes count, and what they reach.

A moderator has one vote on a request. Another one of theirs takes its place, for whatever verdict it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from knockbot.documents.reading import Path, whole_number
from knockbot.documents.schema import form, key
from knockbot.domain.model import Request, State, Verdict

MOST: Final = 20
"""Votes that a verdict takes at most."""


def _votes(value: object, path: Path) -> int:
    return whole_number(value, path, MOST, least=1)


@dataclass(frozen=True, slots=True)
class VoteRule:
    """How many votes each verdict of the moderators takes; each field is a key. One vote is an answer at once."""

    accept: int = key(_votes, written=1)
    reject: int = key(_votes, written=1)
    ban: int = key(_votes, written=1)

    def needed(self, verdict: Verdict) -> int:
        """How many votes this verdict takes."""
        return {Verdict.ACCEPT: self.accept, Verdict.REJECT: self.reject, Verdict.BAN: self.ban}[verdict]

    @property
    def several(self) -> tuple[Verdict, ...]:
        """The verdicts that take more than one vote."""
        return tuple(verdict for verdict in VERDICTS if self.needed(verdict) > 1)

    def __str__(self) -> str:
        """As it is written in a policy."""
        return "{" + ", ".join(f"{verdict}: {self.needed(verdict)}" for verdict in VERDICTS) + "}"


VERDICTS: Final = (Verdict.ACCEPT, Verdict.REJECT, Verdict.BAN)
"""What can be voted for, the least severe first."""

USUAL: Final = VoteRule()
"""What applies where a policy says nothing: each answer counts by itself."""

_READ = form(VoteRule)


def read_votes(value: object, path: Path) -> VoteRule:
    """How many votes each verdict takes; one for a verdict that is not named."""
    return _READ(value, path)


class Lapse(StrEnum):
    """Why a vote does not count now."""

    ANEW = "anew"
    """It is for an accept, and the applicant has knocked again since."""
    POWER = "power"
    """The voter may not give this answer any more."""
    LEFT = "left"
    """The voter is not joined to the protected room."""
    AWAY = "away"
    """The voter is not joined to the management room."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What a moderator wants for a request, where that takes the votes of several."""

    request_id: int
    management_room: str
    voter: str
    verdict: Verdict
    cause: str
    """The command or click that gave it."""
    given_at: int
    event_id: str
    """The knock for which it was given."""
    subject: str
    """Whom the request was about."""
    by_click: bool = False
    reason: str | None = None
    """The text for the applicant."""
    lapse: Lapse | None = None
    """Why it did not count when its voter was last looked at."""
    from_number: int | None = None
    """The number of the earlier request of the same person on which it was given; none if it was on this one."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How the votes for one verdict stand."""

    verdict: Verdict
    needed: int
    counted: tuple[Vote, ...] = ()
    """In the order in which they were given."""
    lapsed: tuple[Vote, ...] = ()
    """Those that do not count, each with the reason."""

    @property
    def is_reached(self) -> bool:
        """Whether there are enough votes."""
        return len(self.counted) >= self.needed

    @property
    def text(self) -> str | None:
        """The text for the applicant: the newest that was given with a vote that counts."""
        return next((vote.reason for vote in reversed(self.counted) if vote.reason), None)


def with_vote(votes: Iterable[Vote], vote: Vote) -> tuple[Vote, ...]:
    """The votes on a request after another one was given."""
    return (*(one for one in votes if one.voter != vote.voter), vote)


ABOUT_THE_PERSON: Final = frozenset({Verdict.REJECT, Verdict.BAN})
"""What is wanted for whoever asks, however often; an accept is for one knock."""

UNANSWERED: Final = frozenset({State.WITHDRAWN, State.EXPIRED})
"""How a request ends that nobody has answered."""


def carried_over(votes: Iterable[Vote], before: Request, request: Request) -> list[Vote]:
    """The votes on an earlier request that stand on the next one of the same person at the same room: those that are
    about the person, unless something was decided in between."""
    answered = before.answer is not None and not before.taken_back
    if answered or before.state not in UNANSWERED:
        return []
    kept = [vote for vote in votes if vote.verdict in ABOUT_THE_PERSON and is_about(vote, before)]
    number = before.number
    moved = [replace(vote, request_id=request.id, from_number=vote.from_number or number) for vote in kept]
    return [vote for vote in moved if is_about(vote, request)]


def is_about(vote: Vote, request: Request) -> bool:
    """Whether a vote is about the request as it is now. One from another management room stays behind there, and one
    about the inviter of an invite is not about who used it."""
    return (vote.management_room, vote.subject) == (request.management_room, request.subject)


def of_verdict(votes: Iterable[Vote], request: Request, verdict: Verdict) -> tuple[Vote, ...]:
    """The votes for one verdict that are about a request as it is now, in the order in which they were given."""
    found = [one for one in votes if one.verdict is verdict and is_about(one, request)]
    return tuple(sorted(found, key=lambda one: (one.given_at, one.voter)))


def tally(
    votes: Iterable[Vote],
    request: Request,
    verdict: Verdict,
    rule: VoteRule,
    seen: Mapping[str, Lapse | None] | None = None,
) -> Tally:
    """How the votes for one verdict stand. `seen` says of each voter why their vote does not count, if it does not; of
    whom it does not say it, it holds what was seen last."""
    counted, lapsed = [], []
    for vote in of_verdict(votes, request, verdict):
        why = lapse(vote, request, seen or {})
        if why is None:
            counted.append(vote)
        else:
            lapsed.append(replace(vote, lapse=why))
    return Tally(verdict, rule.needed(verdict), tuple(counted), tuple(lapsed))


def lapse(vote: Vote, request: Request, seen: Mapping[str, Lapse | None]) -> Lapse | None:
    """Why a vote does not count; `None` if it does. An accept is for the knock that its voter was shown."""
    if vote.verdict is Verdict.ACCEPT and vote.event_id != request.event_id:
        return Lapse.ANEW
    return seen.get(vote.voter, vote.lapse)


def reached(votes: Sequence[Vote], request: Request, rule: VoteRule) -> list[Tally]:
    """The verdicts that have enough votes, as far as was seen last; first the one whose last needed vote came first."""
    found = [tally(votes, request, verdict, rule) for verdict in VERDICTS]
    return sorted((one for one in found if one.is_reached), key=_reached_at)


def _reached_at(one: Tally) -> int:
    return one.counted[one.needed - 1].given_at
