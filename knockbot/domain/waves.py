"""Waves (`wave:` of a policy): how many knocks in which time make one, and when it ends by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from knockbot.documents.reading import Path, duration, found, whole_number, written_duration
from knockbot.documents.schema import form, key
from knockbot.errors import Fault
from knockbot.times import DAY

MOST_KNOCKS: Final = 1000
"""Applicants that are counted at most: each knock of a wave counts them anew."""

FEWEST_KNOCKS: Final = 2

LONGEST: Final = DAY
"""Milliseconds that `within` and `ends_after` may be at most."""


def _knocks(value: object, path: Path) -> int:
    return whole_number(value, path, MOST_KNOCKS, least=FEWEST_KNOCKS)


def _span(value: object, path: Path) -> int:
    span = duration(value, path)
    if span > LONGEST:
        raise Fault("expected a time of {most} at most", path, most=written_duration(LONGEST))
    return span


@dataclass(frozen=True, slots=True)
class WaveRule:
    """What makes a wave at a room; each field is a key."""

    knocks: int = key(_knocks, written=50)
    """How many applicants. Each counts once, however often they knock."""
    within: int = key(_span, written="10m")
    """Milliseconds in which they knock."""
    ends_after: int = key(_span, written="30m")
    """Milliseconds without a knock that makes so many of them, after which a wave is over."""

    @property
    def is_off(self) -> bool:
        """Whether no number of knocks makes a wave."""
        return self.knocks == 0

    def __str__(self) -> str:
        """As it is written in a policy."""
        if self.is_off:
            return WORD_OFF
        within, ends_after = written_duration(self.within), written_duration(self.ends_after)
        return f"{{knocks: {self.knocks}, within: {within}, ends_after: {ends_after}}}"


WORD_OFF: Final = "off"

USUAL: Final = WaveRule()
"""What applies where a policy says nothing."""

OFF: Final = WaveRule(knocks=0)
"""`wave: off`."""

_READ = form(WaveRule)


def read_wave(value: object, path: Path) -> WaveRule:
    """`off`, or what makes a wave."""
    if value == WORD_OFF:
        return OFF
    if not isinstance(value, dict):
        raise Fault("expected off, or knocks, within and ends_after, found {found}", path, found=found(value))
    return _READ(value, path)


def counted_from(at: int, rule: WaveRule, last_ended: int | None) -> int:
    """The moment from which knocks count for one that is made at `at`: those before the end of the last wave do not, so
    that a wave which somebody ended does not begin again by itself at the next knock."""
    return max(at - rule.within, last_ended if last_ended is not None else 0)


def is_reached(rule: WaveRule, applicants: int) -> bool:
    """Whether so many applicants within the time make a wave."""
    return not rule.is_off and applicants >= rule.knocks
