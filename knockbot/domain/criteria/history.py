"""Criteria about earlier requests: how they ended."""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the facts or not)

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from knockbot.documents.reading import (
    Path,
    duration,
    found,
    whole_number,
    yes_or_no,
)
from knockbot.documents.schema import Key, read_keys, table, word
from knockbot.domain.criteria.base import MAX_TIMES, NOT_KEPT, Condition, finding
from knockbot.domain.model import Fact, Facts, Finding, Knock, Need, Past, State, Truth, Where
from knockbot.domain.notices import Duration, Number, Span, because
from knockbot.errors import Fault


@dataclass(frozen=True, slots=True)
class CameToPass(Condition):
    """At least so many of the applicant's earlier requests, not longer ago than `within`, ended in one way."""

    outcome: str
    states: frozenset[State]
    times: int = 1
    within: int | None = None
    """Milliseconds; none means any time ago."""
    where: Where = Where.HERE
    wanted: bool = True

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.HISTORY, self.where),)

    def vouches(self, *, negated: bool = False) -> bool:
        return State.ACCEPTED in self.states and self.wanted is not negated

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        history = facts.history.get(self.where)
        if history is None:
            return Finding(Truth.UNKNOWN, because(f"finding.{self.outcome}_unknown"))
        counted = sum(
            past.state in self.states and (self.within is None or past.age <= self.within) for past in history.past
        )
        if counted < self.times and history.cut and not _covers(history.past, self.within):
            return NOT_KEPT
        code = f"finding.{self.outcome}{self._scope}"
        why = because(code, count=Number(counted)) if counted else because(f"{code}_never")
        return finding((counted >= self.times) is self.wanted, why)

    @property
    def _scope(self) -> str:
        """The end of the code of the finding: in which rooms, and whether within a time."""
        return ("" if self.where is Where.HERE else "_managed") + ("" if self.within is None else "_within")


def _covers(history: Sequence[Past], within: int | None) -> bool:
    """Whether everything within so many milliseconds is known, in a history whose beginning is not kept."""
    return within is not None and any(past.age > within for past in history)


def came_to_pass(outcome: str, *states: State) -> Callable[[object, Path], Condition]:
    """The reader of a criterion that counts outcomes: ``true``, ``false``, or ``{times: 2, within: 7d}``.

    The mapping may name `where` as well.
    """

    def read(value: object, path: Path) -> CameToPass:
        if isinstance(value, int) and not isinstance(value, bool):
            said = "expected true or false, found {found}; for a number write {example}"
            raise Fault(
                said, path, found=found(value), example=f"{{ times: {value} }}" if value > 0 else "{ times: 2 }"
            )
        if not isinstance(value, dict):
            return CameToPass(outcome, frozenset(states), wanted=yes_or_no(value, path))
        if not value:
            raise Fault("expected true, false, or times, within and where", path)
        return CameToPass(outcome, frozenset(states), **read_keys(_COUNTED, value, path))

    return read


def _read_times(value: object, path: Path) -> int:
    if value == 0 and not isinstance(value, bool):
        raise Fault("0 times is always so; write false for never", path)
    return whole_number(value, path, MAX_TIMES, least=1)


_COUNTED = table(Key("times", _read_times, 1), Key("within", duration, None), Key("where", word(Where), Where.HERE))


@dataclass(frozen=True, slots=True)
class FirstSeenAtLeast(Condition):
    """The applicant was first seen at least so long ago (milliseconds), in the rooms managed from here."""

    least: int

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.FIRST_SEEN),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.first_seen is None:
            return Finding(Truth.UNKNOWN, because("finding.first_seen_unknown"))
        if facts.first_seen == 0:
            return Finding(Truth.FALSE, because("finding.first_seen_never"))
        enough = facts.first_seen >= self.least
        code = "finding.first_seen_enough" if enough else "finding.first_seen_too_late"
        why = because(code, time=Duration(facts.first_seen), least=Span(self.least))
        return finding(enough, why)


def read_first_seen(value: object, path: Path) -> FirstSeenAtLeast:
    """The condition that a value of `first_seen_at_least` describes."""
    return FirstSeenAtLeast(duration(value, path))
