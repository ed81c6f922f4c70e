"""Times of the day in a time zone: when the clocks there show one next, and whether quiet hours go on.

Where clocks are set forward, a time of the day that they leave out comes at the moment of the change. Where they are
set back, a time that they show twice comes the first time. A day that a zone leaves out has no times.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Final

from knockbot.documents.reading import Path, found, time_of_day
from knockbot.errors import Fault

DAY_OF_MINUTES = 24 * 60


def moment(day: date, minute: int, zone: tzinfo) -> int | None:
    """The moment (milliseconds since the epoch) at which clocks in a zone show this minute of a day, or at which they
    leave it out; `None` where they leave out the whole day."""
    if not (_is_there(day, 0, zone) or _is_there(day, DAY_OF_MINUTES - 1, zone)):
        return None
    shown = _shown(day, minute, zone)
    then = shown if _is_there(day, minute, zone) else _set_forward(shown)
    return round(then.timestamp() * 1000)


def next_time(after: int, minute: int, zone: tzinfo) -> int:
    """The first moment later than this one at which it is this minute of a day."""
    return next(at for at in _times(after, minute, zone) if at > after)


def last_time(until: int, minute: int, zone: tzinfo) -> int:
    """The last moment, this one at the latest, at which it was this minute of a day."""
    return max(at for at in _times(until, minute, zone) if at <= until)


def is_next(at: int, now: int, minute: int, zone: tzinfo) -> bool:
    """Whether a moment is the next one at which it is this minute of a day, or the one after it: where the clocks of
    two processes are apart, the one whose clock is ahead has been at the next one already."""
    first = next_time(now, minute, zone)
    return at in (first, next_time(first, minute, zone))


def _times(around: int, minute: int, zone: tzinfo) -> list[int]:
    each = (moment(day, minute, zone) for day in _days(around, zone))
    return [at for at in each if at is not None]


def _days(around: int, zone: tzinfo) -> list[date]:
    """The days around a moment, in their order; a zone leaves out one at most."""
    today = datetime.fromtimestamp(around // 1000, zone).date()
    return [today + timedelta(days=days) for days in range(-3, 4)]


def _shown(day: date, minute: int, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone)


def _is_there(day: date, minute: int, zone: tzinfo) -> bool:
    """Whether clocks ever show this minute of a day."""
    shown = _shown(day, minute, zone)
    return shown.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == shown.replace(tzinfo=None)


def _set_forward(missing: datetime) -> datetime:
    """The moment at which clocks leave out this time: the first one by the new offset."""
    early, late = missing.replace(fold=1).astimezone(UTC), missing.astimezone(UTC)
    new = late.astimezone(missing.tzinfo).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = (early + (late - early) / 2).replace(microsecond=0)
        if middle.astimezone(missing.tzinfo).utcoffset() == new:
            late = middle
        else:
            early = middle
    return late


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From a minute of a day to another one, which is of the next day where it is not later."""

    begin: int
    end: int

    def __str__(self) -> str:
        """As it is written in a policy."""
        return f"{written(self.begin)}-{written(self.end)}"

    def until(self, at: int, zone: tzinfo) -> int | None:
        """The end of the quiet hours that go on at a moment; `None` where none do."""
        for day in _days(at, zone):
            begin, end = moment(day, self.begin, zone), self._end(day, zone)
            if begin is not None and end is not None and begin <= at < end:
                return end
        return None

    def _end(self, day: date, zone: tzinfo) -> int | None:
        if self.end > self.begin:
            return moment(day, self.end, zone)
        return moment(day + timedelta(days=1), self.end, zone) or moment(day + timedelta(days=2), self.end, zone)


OFF: Final = "off"


def read_quiet_hours(value: object, path: Path) -> QuietHours | None:
    """Quiet hours as people write them, such as ``"22:00-07:00"``; `None` for ``off``."""
    if value == OFF:
        return None
    parts = re.split(r" *[-\u2013] *", value) if isinstance(value, str) else []
    if len(parts) != 2:
        raise Fault('expected two times of day such as "22:00-07:00", found {found}', path, found=found(value))
    begin, end = (time_of_day(part, path) for part in parts)
    if begin == end:
        raise Fault("both times are the same; for no quiet hours, write off", path)
    return QuietHours(begin, end)


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A minute of the day."""

    minute: int

    def __str__(self) -> str:
        """As it is written in a policy."""
        return written(self.minute)


def read_time_of_day(value: object, path: Path) -> TimeOfDay | None:
    """A time of the day such as ``"09:00"``; `None` for ``off``."""
    return None if value == OFF else TimeOfDay(time_of_day(value, path))


def written(minute: int) -> str:
    """A minute of a day as people write it."""
    return f"{minute // 60:02}:{minute % 60:02}"
