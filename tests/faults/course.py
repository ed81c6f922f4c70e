"""What may have become of somebody who knocked: every course that things may take, by what was done about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

from knockbot.domain.model import State, Verdict
from knockbot.domain.records import Recorded
from knockbot.flow.answering import SEVERITY


@dataclass(frozen=True, slots=True)
class Course:
    """One way in which all may have gone for somebody who knocked once."""

    state: State
    """What the records say of the request."""
    acts: tuple[str, ...] = ()
    """The memberships that the bot gave them in the room, one after the other."""
    told: tuple[str, ...] = ("judged",)
    """The lines on record, in any order."""

    @property
    def waits(self) -> bool:
        """Whether they still wait for an answer."""
        return self.state is State.PENDING

    def fits(self, told: Mapping[str, int]) -> bool:
        """Whether these lines, counted, are those of this course. Who knocks while the policy list cannot be read is
        judged again once it can."""
        told = {kind: count for kind, count in told.items() if kind not in BESIDE}
        wanted = Counter(self.told)
        again = told.get("judged", 0) - wanted["judged"]
        return again in (0, 1) and told == wanted + Counter(judged=again)

    def settled(self, verdict: Verdict, *told: str) -> Course:
        """The same with this outcome, and the lines that led to it."""
        membership, state = OUTCOMES[verdict]
        return replace(self, state=state, acts=(*self.acts, membership), told=(*self.told, *told, str(state)))

    def answered(self, *verdicts: Verdict) -> Course:
        """The same after these answers, each more severe than the one before, and in time to replace it."""
        return self.settled(verdicts[-1], *(str(verdict) for verdict in verdicts))

    def named(self) -> Course:
        """The same after a policy list named them while they waited: they are judged again, and banned."""
        return self.settled(Verdict.BAN, "judged")

    def withdrawn(self) -> Course:
        """The same after they have withdrawn their request: the bot has taken their knock away."""
        state = State.WITHDRAWN
        return replace(self, state=state, acts=(*self.acts, "leave"), told=(*self.told, str(state)))

    def undone(self) -> Course:
        """The same after the outcome was undone, once."""
        membership, state, told = UNDONE[self.state]
        return replace(self, state=state, acts=(*self.acts, membership), told=(*self.told, "undone", str(told)))


OUTCOMES = {
    Verdict.ACCEPT: ("invite", State.ACCEPTED),
    Verdict.REJECT: ("leave", State.REJECTED),
    Verdict.BAN: ("ban", State.BANNED),
}
"""Where an answer puts people, and what the records say then."""

UNDONE = {
    State.ACCEPTED: ("leave", State.REJECTED, Recorded.INVITE_WITHDRAWN),
    State.REJECTED: ("invite", State.ACCEPTED, Recorded.ACCEPTED),
    State.BANNED: ("leave", State.REJECTED, Recorded.BAN_LIFTED),
}
"""The same of an outcome that is undone, and the line that says so."""

BESIDE = frozenset({Recorded.VOTED, Recorded.VOTED_FOR, Recorded.VOTE_TAKEN_BACK, Recorded.WROTE})
"""Lines that say nothing of what becomes of a request: votes and letters themselves are looked at."""

JUDGED = frozenset({Recorded.HELD, Recorded.JUDGED_UNANSWERED, Recorded.JUDGED_UNREACHABLE})
"""Other lines that say what the policy wants."""


def in_short(kinds: Iterable[str]) -> Counter[str]:
    """How often each kind of line is there; every judgement counts as one, whatever it says beside."""
    return Counter("judged" if kind in JUDGED else kind for kind in kinds)


WAITS = Course(State.PENDING)
HELD_BACK = Course(State.PENDING, told=("judged", "judged"))
"""A rule had accepted them when a wave began, and nobody had invited them yet: they were judged again, and wait."""

BY_REASON = {
    "friend": WAITS.settled(Verdict.ACCEPT),
    "stranger": WAITS.settled(Verdict.REJECT),
    "spam": WAITS.settled(Verdict.BAN),
    "visitor": WAITS,
    "listed friend": WAITS.settled(Verdict.BAN),
}
"""What a rule, or the policy list, does by the reason that people give."""


def after(before: Course, certain: Sequence[Verdict], perhaps: Iterable[Verdict] = ()) -> frozenset[Course]:
    """What may have become of somebody once all is quiet, if these answers were given at the same time.

    The first one wins, but a more severe one replaces it until it is carried out. Of those that came `perhaps`, any or
    none did.
    """
    if not before.waits:
        return frozenset({before})
    given = {*certain, *perhaps}
    orders = {order for count in range(1, len(given) + 1) for order in permutations(sorted(given), count)}
    rising = [order for order in orders if list(order) == sorted(order, key=lambda one: SEVERITY[one])]
    found = {before.answered(*order) for order in rising}
    return frozenset(found if certain else {before, *found})
