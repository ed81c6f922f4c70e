"""Numbers, moments and lengths of time, as they are written in a language (Unicode CLDR, by Babel)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from babel import Locale
from babel.dates import format_date, format_time, format_timedelta
from babel.numbers import format_decimal
from babel.units import format_unit

from knockbot.documents.zones import UTC, names, zone
from knockbot.domain.languages import Language
from knockbot.times import DAY, HOUR, MINUTE, SECOND

LOCALES: dict[Language, Locale] = {Language.EN: Locale("en", "GB"), Language.DE: Locale("de")}
"""English is that of many countries: the day before the month, and 24 hours."""

FIRST, LAST = 0, 253402300799000
"""The moments that have a date: 1970 to 9999, in milliseconds."""

Unit: TypeAlias = Literal["day", "hour", "minute", "second"]

UNITS: tuple[tuple[Unit, int], ...] = (("day", DAY), ("hour", HOUR), ("minute", MINUTE), ("second", SECOND))


def number(value: int, language: Language) -> str:
    """A number, with the separators of its thousands."""
    return format_decimal(value, locale=LOCALES[language])


def moment(at: int, language: Language, in_zone: str = UTC) -> str:
    """A moment, to the minute, by the clocks of a time zone."""
    then, locale = _there(at, in_zone), LOCALES[language]
    time = format_time(then.time(), "short", locale=locale)
    return f"{format_date(then, 'medium', locale)}, {time} {_known(in_zone)}"


def day(at: int, language: Language, in_zone: str = UTC) -> str:
    """The day of a moment in a time zone."""
    return format_date(_there(at, in_zone), "medium", LOCALES[language])


def _there(at: int, in_zone: str) -> datetime:
    last = LAST if in_zone == UTC else LAST - DAY  # where the sun rises earlier, the last day has ended before
    return datetime.fromtimestamp(min(max(at, FIRST), last) // 1000, zone(_known(in_zone)))


def _known(in_zone: str) -> str:
    """The zone, unless another version of the program knew it."""
    return in_zone if in_zone in names() else UTC


def duration(milliseconds: int, language: Language) -> str:
    """A length of time in the largest unit that it fills: "2 hours"."""
    count, unit = in_units(milliseconds)
    return format_unit(count, f"duration-{unit}", locale=LOCALES[language])


def span(milliseconds: int, language: Language) -> str:
    """A length of time in the largest unit of which it is a whole number: "90 minutes"."""
    unit, length = next((one for one in UNITS if milliseconds >= one[1] and milliseconds % one[1] == 0), UNITS[-1])
    return format_unit(min(milliseconds, LAST) // length, f"duration-{unit}", locale=LOCALES[language])


DATIVE = re.compile(r"(?:von|vor|in|seit|nach) $")
"""What stands before a length of time in German where it is in the dative case."""


def in_its_case(told: str, before: str, language: Language) -> str:
    """A length of time as it is written behind these words."""
    is_dative = language is Language.DE and DATIVE.search(before) is not None
    return f"{told}n" if is_dative and told.endswith(" Tage") else told


def ago(milliseconds: int, language: Language) -> str:
    """How long ago something was: "2 hours ago"."""
    count, unit = in_units(milliseconds)
    length = timedelta(milliseconds=-count * dict(UNITS)[unit])
    return format_timedelta(length, unit, threshold=float("inf"), add_direction=True, locale=LOCALES[language])


def in_units(milliseconds: int) -> tuple[int, Unit]:
    """A length of time in the largest unit that it fills."""
    for unit, length in UNITS:
        if milliseconds >= length:
            return min(milliseconds, LAST) // length, unit
    return 0, "second"
