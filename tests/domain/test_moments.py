"""The criterion `time`: days and times of the day, by the clocks of the policy's time zone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.documents.schema import each
from knockbot.documents.zones import names, zone
from knockbot.domain.criteria.moments import WEEK, Day
from knockbot.domain.model import Finding, Kind, Truth
from knockbot.domain.policy import decide, parse_policy
from knockbot.domain.reasons import foreign
from knockbot.errors import Fault
from tests.domain.doors import FACTS, KNOCK, told, when

BERLIN = "Europe/Berlin"


def moment(text: str, name: str = "UTC") -> int:
    """A moment by the clocks of a zone, as milliseconds; 1 June 2026 is a Monday."""
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(name)).timestamp() * 1000)


def found(data: object, at: int | None, name: str = "UTC") -> Finding:
    """What the criterion finds at a moment."""
    return told(when({"time": data}).judge(KNOCK, replace(FACTS, at=at, zone=name)))


SUCH_AS = 'timezone: expected the name of a time zone such as "Europe/Berlin", found '
NIGHT = {"from": "22:00", "to": "07:00"}
OFFICE = {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "9:00", "to": "17:00"}
FRIDAY_NIGHT = {"days": "fri", **NIGHT}


@pytest.mark.parametrize(
    ("data", "at", "truth"),
    [
        (NIGHT, "2026-06-01 21:59:59", Truth.FALSE),
        (NIGHT, "2026-06-01 22:00", Truth.TRUE),
        (NIGHT, "2026-06-02 00:00", Truth.TRUE),
        (NIGHT, "2026-06-02 06:59:59", Truth.TRUE),
        (NIGHT, "2026-06-02 07:00", Truth.FALSE),
        (OFFICE, "2026-06-01 08:59", Truth.FALSE),
        (OFFICE, "2026-06-01 09:00", Truth.TRUE),
        (OFFICE, "2026-06-05 16:59", Truth.TRUE),
        (OFFICE, "2026-06-05 17:00", Truth.FALSE),
        (OFFICE, "2026-06-06 12:00", Truth.FALSE),
        (FRIDAY_NIGHT, "2026-06-05 03:00", Truth.FALSE),
        (FRIDAY_NIGHT, "2026-06-05 22:00", Truth.TRUE),
        (FRIDAY_NIGHT, "2026-06-06 06:59", Truth.TRUE),
        (FRIDAY_NIGHT, "2026-06-06 22:00", Truth.FALSE),
        ({"days": "sun", **NIGHT}, "2026-06-08 03:00", Truth.TRUE),
        ({"days": "mon", **NIGHT}, "2026-06-08 03:00", Truth.FALSE),
        ({"days": ["sat", "sun"]}, "2026-06-06 00:00", Truth.TRUE),
        ({"days": ["sat", "sun"]}, "2026-06-07 23:59:59", Truth.TRUE),
        ({"days": ["sat", "sun"]}, "2026-06-08 00:00", Truth.FALSE),
        ({"from": "00:00", "to": "12:00"}, "2026-06-08 00:00", Truth.TRUE),
        ({"from": "12:00", "to": "00:00"}, "2026-06-08 23:59", Truth.TRUE),
        ({"from": "12:00", "to": "00:00"}, "2026-06-08 00:00", Truth.FALSE),
    ],
)
def test_what_is_after_midnight_belongs_to_the_day_before(data: object, at: str, truth: Truth) -> None:
    assert found(data, moment(at)).truth is truth
    assert found(data, moment(at, BERLIN), BERLIN).truth is truth


@pytest.mark.parametrize(
    ("data", "at", "truth"),
    [
        # On 29 March 2026 the clocks of Berlin went from 02:00 to 03:00, and on 25 October from 03:00 back to 02:00.
        ({"from": "02:00", "to": "03:00"}, "2026-03-29 00:59", Truth.FALSE),
        ({"from": "02:00", "to": "03:00"}, "2026-03-29 01:00", Truth.FALSE),
        ({"from": "02:30", "to": "03:30"}, "2026-03-29 01:29", Truth.TRUE),
        ({"from": "02:00", "to": "03:00"}, "2026-10-25 00:00", Truth.TRUE),
        ({"from": "02:00", "to": "03:00"}, "2026-10-25 01:59", Truth.TRUE),
        ({"from": "02:00", "to": "03:00"}, "2026-10-25 02:00", Truth.FALSE),
    ],
)
def test_an_hour_that_the_clocks_skip_or_repeat_counts_as_they_show_it(data: object, at: str, truth: Truth) -> None:
    assert found(data, moment(at), BERLIN).truth is truth


def test_the_finding_names_the_local_time_and_is_true_for_a_not_too() -> None:
    at = moment("2026-06-05 21:10")
    within = "it was Friday, 23:10 in Europe/Berlin, which is within the times of the rule"
    outside = "it was Friday, 21:10 in UTC, which is outside the times of the rule"
    assert found(NIGHT, at, BERLIN) == Finding(Truth.TRUE, foreign(within))
    assert found(NIGHT, at) == Finding(Truth.FALSE, foreign(outside))
    negated = told(when({"not": {"time": NIGHT}}).judge(KNOCK, replace(FACTS, at=at)))
    assert negated == Finding(Truth.TRUE, foreign(outside))


def test_of_a_decision_without_its_moment_nothing_is_known() -> None:
    assert found(NIGHT, None) == Finding(Truth.UNKNOWN, foreign("at what time this was (not stored)"))


def test_the_time_zone_is_that_of_the_policy() -> None:
    rules = [{"name": "night", "when": {"time": NIGHT}, "then": "reject"}]
    at = replace(FACTS, at=moment("2026-06-05 21:10"))
    assert decide(KNOCK, at, parse_policy({"rules": rules})).rule == "otherwise"
    assert decide(KNOCK, at, parse_policy({"rules": rules, "timezone": BERLIN})).rule == "night"


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_request_has_a_time(kind: Kind) -> None:
    finding = when({"time": NIGHT}, frozenset({kind})).judge(KNOCK, replace(FACTS, at=0))
    assert finding.truth is Truth.TRUE


@given(st.integers(), st.sampled_from(sorted(names())), st.sampled_from([NIGHT, OFFICE, FRIDAY_NIGHT]))
def test_any_moment_has_a_time_in_any_zone(at: int, name: str, data: object) -> None:
    assert found(data, at, name).truth is not Truth.UNKNOWN


MINUTES = st.integers(0, 24 * 60 - 1)


@given(
    st.integers(moment("2000-01-01"), moment("2030-01-01")),
    st.sets(st.sampled_from(Day), min_size=1),
    MINUTES,
    MINUTES,
)
def test_the_same_comes_out_as_by_walking_from_the_beginning_of_each_day(
    at: int, days: set[Day], begin: int, end: int
) -> None:
    then = datetime.fromtimestamp(at / 1000, UTC)
    if begin == end:
        return
    spans = [
        (start + timedelta(minutes=begin), start + timedelta(minutes=end + (0 if end > begin else 24 * 60)))
        for back in range(3)
        if WEEK[(start := (then - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)).weekday()]
        in days
    ]
    clock = [f"{minute // 60:02}:{minute % 60:02}" for minute in (begin, end)]
    data = {"days": sorted(days), "from": clock[0], "to": clock[1]}
    expected = any(first <= then < last for first, last in spans)
    assert found(data, at).truth is Truth(str(expected).lower())


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        ("night", (), 'expected keys and values, found "night"'),
        ({}, (), "expected days, or from and to, or all three"),
        ({"from": "22:00"}, (), "expected from and to together"),
        ({"to": "07:00", "days": "mon"}, (), "expected from and to together"),
        ({"from": "07:00", "to": "7:00"}, (), "from and to are the same time; for the whole day, leave both out"),
        ({"from": "24:00", "to": "07:00"}, ("from",), 'expected a time of day such as "07:30", found "24:00"'),
        ({"from": "22:60", "to": "07:00"}, ("from",), 'expected a time of day such as "07:30", found "22:60"'),
        ({"from": "10pm", "to": "07:00"}, ("from",), 'expected a time of day such as "07:30", found "10pm"'),
        ({"from": 1320, "to": "07:00"}, ("from",), 'expected a time of day such as "07:30", found 1320'),
        ({"from": "22:00", "to": None}, ("to",), 'expected a time of day such as "07:30", found nothing'),
        ({"days": []}, ("days",), "the list is empty"),
        ({"days": "monday"}, ("days",), 'unknown word "monday"; did you mean "mon"?'),
        ({"days": ["mon", "xyz"]}, ("days", 1), 'unknown word "xyz"; known: mon, tue, wed, thu, fri, sat, sun'),
        ({"days": 1}, ("days",), "expected one of mon, tue, wed, thu, fri, sat, sun, found 1"),
        ({"day": "mon"}, ("day",), 'unknown key "day"; did you mean "days"?'),
    ],
)
def test_a_mistake_in_a_time_is_named(data: object, path: tuple[str | int, ...], message: str) -> None:
    with pytest.raises(Fault) as caught:
        when({"time": data})
    first, *_ = each(caught.value)
    assert (first.message, first.path) == (message, ("when", "time", *path))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "Europe/Berlin ",
            'timezone: unknown time zone "Europe/Berlin": a space or another character that cannot be seen is in it',
        ),
        ("Europe/Berlinn", 'timezone: unknown time zone "Europe/Berlinn"; did you mean "Europe/Berlin"?'),
        ("Mars/Base", SUCH_AS + '"Mars/Base"'),
        (
            "../../etc/passwd",
            SUCH_AS + '"../../etc/passwd"',
        ),
        (
            "/etc/localtime",
            SUCH_AS + '"/etc/localtime"',
        ),
        ("Europe", SUCH_AS + '"Europe"'),
        ("+02:00", SUCH_AS + '"+02:00"'),
        (2, "timezone: expected text, found 2: put it in quotes"),
        (None, 'timezone: expected text, found nothing (in YAML, text that begins with "#" needs quotes)'),
        ("", "timezone: expected text, found none"),
    ],
)
def test_a_zone_that_does_not_exist_is_a_mistake(value: object, message: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_policy({"timezone": value})
    assert caught.value.message == message


def test_every_zone_can_be_read() -> None:
    assert {zone(name).key for name in names()} == names()
