"""Criteria that count knocks within a time: the applicant's own, those from their server, those with the same reason.

All of them look back from the knock itself, which counts: judged again later, it comes out the same.
"""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the facts or not)

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from knockbot.documents.reading import Path, duration, found, whole_number, written_duration
from knockbot.documents.schema import Key, read_keys, table, word
from knockbot.domain.criteria.base import MAX_TIMES, NOT_KEPT, Condition, finding
from knockbot.domain.model import Counting, Fact, Facts, Finding, Knock, Need, Truth, Where
from knockbot.domain.notices import Number, Span, because
from knockbot.errors import Fault
from knockbot.times import DAY

KNOCKS_KEPT = 30 * DAY
"""Milliseconds for which each single knock is kept, so the longest time within which they can be counted."""

MOST_COUNTINGS = 20
"""Different countings in one policy: what, in which rooms, within what time."""

COUNTED = frozenset({Fact.KNOCKS, Fact.SERVER_KNOCKS, Fact.SAME_REASON})
"""The facts that are numbers of knocks."""


@dataclass(frozen=True, slots=True)
class MoreThan(Condition):
    """More than so many were counted; this knock counts."""

    counting: Counting
    more_than: int

    @property
    def needs(self) -> tuple[Need, ...]:
        where, within = self.counting.where, self.counting.within
        return (Need(self.counting.fact, f"{where} {within} {self.more_than}"),)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        fact, count = self.counting.fact, facts.counts.get(self.counting)
        if count is None:
            return Finding(Truth.UNKNOWN, because(f"finding.{fact}_unknown"))
        if count.number == 0:
            return Finding(Truth.FALSE, because("finding.same_reason_none"))  # every other one counts this knock
        more = count.number > self.more_than
        if not more and count.cut:
            return NOT_KEPT
        place = "" if self.counting.where is Where.HERE else "_managed"
        within = Span(self.counting.within)
        most = Number(self.more_than)
        if more:
            return finding(True, because(f"finding.{fact}_more{place}", count=most, time=within))
        why = because(f"finding.{fact}_not_more{place}", count=Number(count.number), time=within, most=most)
        return finding(False, why)


def asked_for(fact: Fact, needs: Iterable[str]) -> dict[Counting, int]:
    """What is to be counted, and how far: from what conditions need (`Need.of`)."""
    most: dict[Counting, int] = {}
    for where, within, more_than in (need.split() for need in needs):
        counting = Counting(fact, Where(where), int(within))
        most[counting] = max(most.get(counting, 0), int(more_than) + 1)
    return most


def of_all(needs: Iterable[Need]) -> frozenset[Counting]:
    """All that is to be counted for some conditions."""
    counted = [need for need in needs if need.fact in COUNTED]
    return frozenset(counting for need in counted for counting in asked_for(need.fact, [need.of]))


def more_than(fact: Fact) -> Callable[[object, Path], MoreThan]:
    """The reader of a criterion that counts: ``{more_than: 3, within: 1d, where: here}``."""

    def read(value: object, path: Path) -> MoreThan:
        said = read_keys(_COUNT, value, path)
        return MoreThan(Counting(fact, said["where"], said["within"]), said["more_than"])

    return read


def _read_more_than(value: object, path: Path) -> int:
    if value == 0 and not isinstance(value, bool):
        raise Fault("more than 0 is always so, as the knock itself counts", path)
    return whole_number(value, path, MAX_TIMES, least=1)


def _read_within(value: object, path: Path) -> int:
    within = duration(value, path)
    if within > KNOCKS_KEPT:
        raise Fault(
            "expected at most {most}, found {found}", path, most=written_duration(KNOCKS_KEPT), found=found(value)
        )
    return within


_COUNT = table(Key("more_than", _read_more_than), Key("within", _read_within), Key("where", word(Where), Where.HERE))
