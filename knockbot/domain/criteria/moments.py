"""Criteria about the moment of the decision: the day of the week and the time of day where the room is at home."""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the facts or not)

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from knockbot.documents.reading import Path, mapping, one_of, one_or_more, time_of_day
from knockbot.documents.schema import Key, read_keys, table
from knockbot.documents.zones import zone
from knockbot.domain.criteria.base import Condition, finding
from knockbot.domain.model import Facts, Finding, Knock, Truth
from knockbot.domain.notices import Choice, Letters, because
from knockbot.errors import Fault


class Day(StrEnum):
    """The days of the week, in their order."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


WEEK = tuple(Day)

LAST = 253370764800000
"""The first moment of the year 9999, in milliseconds: what is later has no date in every zone."""


@dataclass(frozen=True, slots=True)
class TimeIs(Condition):
    """It is one of these days, and between these times of the day, by the clocks of the policy's time zone."""

    days: frozenset[Day] = frozenset(Day)
    begin: int | None = None
    end: int | None = None
    """Minutes after midnight: the first one that counts, and the first one that does not; none for the whole day. Where
    `end` is not later, it is that of the next day."""

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        if facts.at is None:
            return Finding(Truth.UNKNOWN, because("finding.time_unknown"))
        then = datetime.fromtimestamp(min(max(facts.at, 0), LAST) // 1000, zone(facts.zone))
        holds = self._has(then.weekday(), 60 * then.hour + then.minute)
        day = because("day", day=Choice(WEEK[then.weekday()]))
        why = because(
            "finding.time_within" if holds else "finding.time_outside",
            day=day,
            time=Letters(f"{then:%H:%M}"),
            zone=Letters(facts.zone),
        )
        return finding(holds, why)

    def _has(self, today: int, minute: int) -> bool:
        """Whether a minute of a day of the week counts; what is after midnight belongs to the day before."""
        if self.begin is None or self.end is None:
            return WEEK[today] in self.days
        if self.begin < self.end:
            return WEEK[today] in self.days and self.begin <= minute < self.end
        if minute >= self.begin:
            return WEEK[today] in self.days
        return minute < self.end and WEEK[today - 1] in self.days


def read_time(value: object, path: Path) -> TimeIs:
    """The condition that a value of `time` describes: ``{days: [mon, tue], from: "22:00", to: "07:00"}``."""
    said = read_keys(_TIME, mapping(value, path), path)
    begin, end = said["begin"], said["end"]
    if (begin is None) is not (end is None):
        raise Fault("expected from and to together", path)
    if begin is None and said["days"] is None:
        raise Fault("expected days, or from and to, or all three", path)
    if begin is not None and begin == end:
        raise Fault("from and to are the same time; for the whole day, leave both out", path)
    return TimeIs(said["days"] or frozenset(Day), begin, end)


def _read_days(value: object, path: Path) -> frozenset[Day]:
    return frozenset(Day(one_of(one, at, tuple(Day))) for one, at in one_or_more(value, path))


_TIME = table(
    Key("days", _read_days, None),
    Key("from", time_of_day, None, field="begin"),
    Key("to", time_of_day, None, field="end"),
)
