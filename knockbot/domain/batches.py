"""Batches: one answer to many requests at once; what stands about each, and what comes of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from knockbot.domain.model import Answer, Request, State, Verdict
from knockbot.domain.undoing import carried_out
from knockbot.times import MINUTE

WITHIN: Final = 10 * MINUTE
"""Milliseconds in which a batch can be confirmed."""

MOST: Final = 2000
"""Requests in one batch."""


class Stage(StrEnum):
    """Where a batch stands."""

    ASKED = "asked"
    """Whoever asked for it has yet to confirm it."""
    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    DECLINED = "declined"
    """Whoever asked for it does not want it after all."""
    LAPSED = "lapsed"
    """Nobody confirmed it in time."""


OPEN: Final = frozenset({Stage.ASKED, Stage.RUNNING})


class Left(StrEnum):
    """Why a request of a batch gets no answer by it."""

    POWER = "power"
    """Whoever asked, or the bot, may not give this answer there; or the room takes nobody from that server."""
    LISTED = "listed"
    """A policy list names the applicant, or it is not known."""
    DEFERRED = "deferred"
    """Somebody put it off."""
    INVITE = "invite"
    """It is a third-party invite that nobody used yet: an answer would hit its inviter."""
    ANSWERED = "answered"
    """It has another answer by now."""
    GONE = "gone"
    """The applicant does not wait there any more, or the room is not managed from here."""
    VOTED = "voted"
    """It counts as a vote, and the answer takes more of them."""
    UNVOTED = "unvoted"
    """The vote that it was has been taken back, or another one has taken its place."""
    ANEW = "anew"
    """The applicant has knocked again since it was asked about."""


class Given(StrEnum):
    """What has come of an answer that a batch gave."""

    DONE = "done"
    UNDER_WAY = "under_way"
    HELD = "held"
    """It waits until somebody has fixed something, or for long until a server answers."""
    FAILED = "failed"
    """The act was given up; the request waits for an answer again."""
    HELPED = "helped"
    """It was one of the votes by which others gave this answer."""
    UNDONE = "undone"
    """Somebody has undone it."""
    OPEN = "open"
    """The answer does not bind, and the request still waits for one."""


class Step(StrEnum):
    """Where a request of a batch stands."""

    WAITING = "waiting"
    ANSWERED = "answered"
    SETTLED = "settled"
    """The room shows the outcome."""
    LEFT = "left"


Fate = Left | Given | None
"""What becomes of a request of a batch; `None` while it waits for its turn."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One answer to many requests."""

    id: int
    management_room: str
    number: int
    """Its number in the management room."""
    verdict: Verdict
    reason: str | None
    given_by: str
    """Who asked for it, and with whose power it is carried out."""
    cause: str
    """Their command."""
    selection: str
    """Which requests they meant, as a command has it; empty for all."""
    stage: Stage
    prompt_id: int
    closes_at: int
    """Until when it can be confirmed."""
    ended_by: str | None = None
    """Who stopped it, or did not want it after all."""

    @property
    def answer_cause(self) -> str:
        """The cause of every answer that it gives: so a request gets one answer by it."""
        return f"{PREFIX}{self.id}"


PREFIX: Final = "batch "


def batch_of(cause: str | None) -> int | None:
    """The batch by which an answer with this cause was given, if one did."""
    name = cause.removeprefix(PREFIX) if cause is not None and cause.startswith(PREFIX) else ""
    return int(name) if name.isdecimal() else None


@dataclass(frozen=True, slots=True)
class Item:
    """A request of a batch."""

    request_id: int
    event_id: str
    """The knock that was shown when it was asked about."""
    step: Step
    why: Left | None = None


REACHED: Final[Mapping[Verdict, frozenset[State]]] = {
    Verdict.ACCEPT: frozenset({State.ACCEPTED, State.JOINED, State.DECLINED, State.REDEEMED}),
    Verdict.REJECT: frozenset({State.REJECTED}),
    Verdict.BAN: frozenset({State.BANNED}),
}
"""The states that show that an answer was carried out."""


def fate(batch: Batch, item: Item, request: Request | None, *, voted: bool = False) -> Fate:
    """What becomes of a request of a batch; `request` is `None` where it is not managed from there any more. `voted`:
    whether the vote that the batch gave on it, if it gave one, is still there."""
    if item.step is Step.WAITING:
        return None
    if item.why not in (None, Left.VOTED):
        return item.why
    if request is None or request.management_room != batch.management_room:
        return Left.GONE
    if item.why is Left.VOTED and not _is_ours(batch, request.answer):
        return _by_votes(batch, request, voted=voted)
    return _by_answer(batch, request)


def _is_ours(batch: Batch, answer: Answer | None) -> bool:
    return answer is not None and answer.cause == batch.answer_cause


def _by_votes(batch: Batch, request: Request, *, voted: bool) -> Fate:
    """What becomes of a request on which the batch was a vote."""
    if request.awaits_moderators:
        return Left.VOTED if voted else Left.UNVOTED
    if voted and was_undone(request) and request.undone and request.undone.state in REACHED[batch.verdict]:
        return Given.UNDONE
    given = request.answer.verdict is batch.verdict if request.open and request.answer else None
    if voted and (given or request.state in REACHED[batch.verdict]):
        return Given.HELPED
    return Left.ANSWERED if request.open else settled_otherwise(request)


def _by_answer(batch: Batch, request: Request) -> Fate:
    """What becomes of a request that the batch has answered."""
    ours = _is_ours(batch, request.answer)
    if request.open:
        return _on_its_way(request) if ours else _not_bound(request)
    if request.undone is not None and _is_ours(batch, request.undone.answer):
        if request.being_undone:
            return Given.DONE
        return Given.UNDONE if was_undone(request) else settled_otherwise(request)
    if ours:
        return Given.DONE if request.state in REACHED[batch.verdict] else Left.GONE
    return settled_otherwise(request)


def was_undone(request: Request) -> bool:
    """Whether the present outcome is what undid an earlier one."""
    return carried_out(request) is not None


def _on_its_way(request: Request) -> Given:
    return Given.HELD if request.blocked is not None else Given.UNDER_WAY


def _not_bound(request: Request) -> Fate:
    if request.answer is not None:
        return Left.ANSWERED
    return Given.FAILED if request.trouble is not None else Given.OPEN


def settled_otherwise(request: Request) -> Left:
    """Why a request that is settled gets no answer: by whom that came."""
    theirs = request.state in (State.WITHDRAWN, State.EXPIRED) or request.by == request.user_id
    return Left.GONE if theirs else Left.ANSWERED


def left_out(verdict: Verdict, management_room: str, knock: str, request: Request) -> Left | None:
    """Why a request gets no answer by a batch now, as far as its record shows; `None` if it may get one.

    `knock` is the one that was shown when it was asked about: who knocked again may have written something else.
    """
    if request.management_room != management_room:
        return Left.GONE
    if not request.open:
        return settled_otherwise(request)
    if request.answer is not None:
        return Left.ANSWERED
    if not request.user_id:
        return Left.INVITE
    if verdict is Verdict.ACCEPT and request.event_id != knock:
        return Left.ANEW
    return None


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of the requests of a batch stand where, with the numbers of those that people may want to look at."""

    total: int
    """Those that were to get the answer when it was asked about."""
    waiting: int
    given: Mapping[Given, list[int]] = field(default_factory=dict)
    left: Mapping[Left, list[int]] = field(default_factory=dict)
    """Those that were left out since."""
    undone: Mapping[str, list[int]] = field(default_factory=dict)
    """Those of which somebody has undone the answer, by who did."""

    def count(self, which: Given) -> int:
        """How many answers stand so."""
        return len(self.given.get(which, ()))

    @property
    def under_way(self) -> int:
        """How many acts are under way, which may be done at any moment."""
        return self.count(Given.UNDER_WAY)


def tally(batch: Batch, found: Iterable[tuple[Item, Request | None]], voted: Collection[int] = frozenset()) -> Tally:
    """Count what has become of the requests of a batch. A request that is not managed from there has the number 0.
    `voted` are those on which a vote of the batch is still there, by their ids."""
    given: dict[Given, list[int]] = {}
    left: dict[Left, list[int]] = {}
    undone: dict[str, list[int]] = {}
    count = Counter[str]()
    for item, request in found:
        count["total"] += 1
        number = request.number if request is not None and request.management_room == batch.management_room else 0
        match fate(batch, item, request, voted=item.request_id in voted):
            case None:
                count["waiting"] += 1
            case Left() as why:
                left.setdefault(why, []).append(number)
            case Given.UNDONE:
                undone.setdefault((request.by if request is not None else None) or "", []).append(number)
            case Given() as how:
                given.setdefault(how, []).append(number)
    return Tally(count["total"], count["waiting"], given, left, undone)
