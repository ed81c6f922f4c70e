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
from knockbot.documents.schema import Key, read_keys, table
from knockbot.domain.criteria.base import MAX_TIMES, NOT_KEPT, Condition, finding
from knockbot.domain.model import Fact, Facts, Finding, Knock, Need, Past, State, Truth
from knockbot.domain.notices import Number, because
from knockbot.errors import Fault


@dataclass(frozen=True, slots=True)
class CameToPass(Condition):
    """At least so many of the applicant's earlier requests here, not longer ago than `within`, ended in one way."""

    word: str
    states: frozenset[State]
    times: int = 1
    within: int | None = None
    """Milliseconds; none means any time ago."""
    wanted: bool = True

    @property
    def needs(self) -> tuple[Need, ...]:
        return (Need(Fact.HISTORY),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.history is None:
            return Finding(Truth.UNKNOWN, because(f"finding.{self.word}_unknown"))
        counted = sum(
            past.state in self.states and (self.within is None or past.age <= self.within) for past in facts.history
        )
        if counted < self.times and facts.history_cut and not _covers(facts.history, self.within):
            return NOT_KEPT
        code = f"finding.{self.word}" + ("" if self.within is None else "_within")
        why = because(code, count=Number(counted))
        return finding((counted >= self.times) is self.wanted, why)


def _covers(history: Sequence[Past], within: int | None) -> bool:
    """Whether everything within so many milliseconds is known, in a history whose beginning is not kept."""
    return within is not None and any(past.age > within for past in history)


def came_to_pass(word: str, *states: State) -> Callable[[object, Path], Condition]:
    """The reader of a criterion that counts outcomes: ``true``, ``false``, or ``{times: 2, within: 7d}``."""

    def read(value: object, path: Path) -> CameToPass:
        if not isinstance(value, dict):
            return CameToPass(word, frozenset(states), wanted=yes_or_no(value, path))
        if not value:
            raise Fault("expected true, false, or times and within", path)
        return CameToPass(word, frozenset(states), **read_keys(_COUNTED, value, path))

    return read


def _read_times(value: object, path: Path) -> int:
    times = whole_number(value, path, MAX_TIMES)
    if times == 0:
        raise Fault("0 times is always so; write false for never", path)
    return times


_COUNTED = table(Key("times", _read_times, 1), Key("within", duration, None))
