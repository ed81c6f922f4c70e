"""Until when a request is deferred, as people write it: a length of time, the day on which it comes back, or off."""

from __future__ import annotations

import re
from datetime import date, datetime, tzinfo
from typing import Final

from knockbot.documents.reading import duration
from knockbot.domain.notices import Code, Letters, notice
from knockbot.errors import Fault, Refused
from knockbot.times import DAY, MINUTE

LEAST: Final = MINUTE
MOST: Final = 30 * DAY
"""Milliseconds for which a request can be deferred."""

OFF: Final = frozenset({"off", "0"})
"""What takes it back."""

When = int | date | None
"""Milliseconds from now, the day on which it comes back, or that it is taken back."""


def read_when(word: str) -> When:
    """What a word means. Raises `Refused`."""
    if word.casefold() in OFF:
        return None
    try:
        return date.fromisoformat(word) if re.fullmatch(r"\d{4}-\d\d-\d\d", word, re.ASCII) else duration(word, ())
    except (Fault, ValueError):
        time, day, off = Code("2d"), Code("2026-12-24"), Code("off")
        raise Refused(notice("defer.no_time", text=Letters(word, 60), time=time, date=day, off=off)) from None


def until(when: int | date, now: int, zone: tzinfo) -> int:
    """The moment at which it comes back: for a day, its beginning in a time zone. Raises `Refused` for one that is not
    possible."""
    found = now + when if isinstance(when, int) else _beginning(when, zone)
    if found <= now and not isinstance(when, int):
        raise Refused(notice("defer.over", example=Code("2d")))
    if not LEAST <= found - now <= MOST:
        raise Refused(notice("defer.bounds", least=Code("1m"), most=Code("30d")))
    return found


def _beginning(day: date, zone: tzinfo) -> int:
    return round(datetime.combine(day, datetime.min.time(), zone).timestamp() * 1000)
