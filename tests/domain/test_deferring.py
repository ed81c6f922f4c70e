"""Until when a request is deferred, by what people write."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from knockbot.domain.deferring import MOST, When, read_when, until
from knockbot.errors import Refused
from knockbot.times import DAY, HOUR, MINUTE, WEEK

BERLIN = ZoneInfo("Europe/Berlin")
NOW = 1_774_690_000_000  # 28 March 2026, 10:26 in Berlin: the clocks go forward in the night that follows


@pytest.mark.parametrize(
    ("word", "when"),
    [
        ("2d", 2 * DAY),
        ("1m", MINUTE),
        ("12h", 12 * HOUR),
        ("1w", WEEK),
        ("2026-03-30", date(2026, 3, 30)),
        ("off", None),
        ("OFF", None),
        ("0", None),
    ],
)
def test_a_time_a_day_or_off_is_read(word: str, when: When) -> None:
    assert read_when(word) == when


@pytest.mark.parametrize("word", ["", "2", "d", "0d", "-1d", "2026-02-30", "30.3.2026", "tomorrow", "2d2h", "1" * 99])
def test_nothing_else_is(word: str) -> None:
    with pytest.raises(Refused):
        read_when(word)


@pytest.mark.parametrize(
    ("when", "after"),
    [(MINUTE, MINUTE), (MOST, MOST), (date(2026, 3, 29), 48_800_000), (date(2026, 3, 30), 48_800_000 + 23 * HOUR)],
)
def test_a_day_begins_by_the_clocks_of_the_room(when: int | date, after: int) -> None:
    assert until(when, NOW, BERLIN) - NOW == after


@pytest.mark.parametrize(
    "when", [1000, MOST + 1, date(2026, 3, 28), date(2026, 3, 1), date(2026, 4, 28), date(9999, 12, 31), date(1, 1, 1)]
)
def test_what_is_past_or_far_away_is_not_possible(when: int | date) -> None:
    with pytest.raises(Refused):
        until(when, NOW, BERLIN)
