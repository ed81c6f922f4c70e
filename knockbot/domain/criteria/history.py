"""Criteria about earlier requests: how they ended."""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the facts or not)

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from knockbot.documents.reading import (
    Path,
    duration,
    whole_number,
    yes_or_no,
)
from knockbot.documents.schema import Key, read_keys, table, word
from knockbot.domain.criteria.base import MAX_TIMES, NOT_KEPT, Condition, finding
from knockbot.domain.model import Fact, Facts, Finding, Knock, Need, Past, State, Truth, Where
from knockbot.domain.notices import Number, because
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

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        history = facts.history.get(self.where)
        if history is None:
            return Finding(Truth.UNKNOWN, because(f"finding.{self.outcome}_unknown"))
        counted = sum(
            past.state in self.states and (self.within is None or past.age <= self.within) for past in history.past
        )
        if counted < self.times and history.cut and not _covers(history.past, self.within):
            return NOT_KEPT
        why = because(f"finding.{self.outcome}{self._scope}", count=Number(counted))
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
        if not isinstance(value, dict):
            return CameToPass(outcome, frozenset(states), wanted=yes_or_no(value, path))
        if not value:
            raise Fault("expected true, false, or times, within and where", path)
        return CameToPass(outcome, frozenset(states), **read_keys(_COUNTED, value, path))

    return read


def _read_times(value: object, path: Path) -> int:
    times = whole_number(value, path, MAX_TIMES)
    if times == 0:
        raise Fault("0 times is always so; write false for never", path)
    return times


_COUNTED = table(Key("times", _read_times, 1), Key("within", duration, None), Key("where", word(Where), Where.HERE))
