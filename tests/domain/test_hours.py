"""Times of the day in a time zone, also on days on which its clocks are changed."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import pairwise

import pytest

from knockbot.documents.zones import zone
from knockbot.domain.hours import DAY_OF_MINUTES, QuietHours, last_time, moment, next_time, read_quiet_hours
from knockbot.errors import Fault
from knockbot.times import DAY, HOUR, MINUTE

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
KATHMANDU, APIA, NUUK = "Asia/Kathmandu", "Pacific/Apia", "America/Nuuk"


def at(text: str) -> int:
    """The moment of a time in UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def minute(text: str) -> int:
    hours, _, minutes = text.partition(":")
    return 60 * int(hours) + int(minutes)


@pytest.mark.parametrize(
    ("name", "after", "time", "then"),
    [
        ("UTC", "2026-01-10 08:00", "09:00", "2026-01-10 09:00"),
        ("UTC", "2026-01-10 09:00", "09:00", "2026-01-11 09:00"),
        ("UTC", "2026-01-10 09:01", "09:00", "2026-01-11 09:00"),
        # summer and winter
        (BERLIN, "2026-01-10 00:00", "09:00", "2026-01-10 08:00"),
        (BERLIN, "2026-07-10 00:00", "09:00", "2026-07-10 07:00"),
        # an hour that does not exist, 02:00 to 03:00 on 29 March: at the change
        (BERLIN, "2026-03-28 12:00", "02:30", "2026-03-29 01:00"),
        (BERLIN, "2026-03-29 01:00", "02:30", "2026-03-30 00:30"),
        (BERLIN, "2026-03-28 12:00", "03:00", "2026-03-29 01:00"),
        (BERLIN, "2026-03-28 12:00", "03:15", "2026-03-29 01:15"),
        # an hour that comes twice, 02:00 to 03:00 on 25 October: the first time, and not again
        (BERLIN, "2026-10-24 12:00", "02:30", "2026-10-25 00:30"),
        (BERLIN, "2026-10-25 00:30", "02:30", "2026-10-26 01:30"),
        (BERLIN, "2026-10-25 01:00", "02:30", "2026-10-26 01:30"),
        (NEW_YORK, "2026-03-08 00:00", "02:30", "2026-03-08 07:00"),
        (NEW_YORK, "2026-11-01 00:00", "01:30", "2026-11-01 05:30"),
        (NEW_YORK, "2026-11-01 05:30", "01:30", "2026-11-02 06:30"),
        # half an hour: from 02:00 to 02:30 on 4 October, from 02:00 to 01:30 on 5 April
        (LORD_HOWE, "2026-10-03 12:00", "02:15", "2026-10-03 15:30"),
        (LORD_HOWE, "2026-10-03 12:00", "09:00", "2026-10-03 22:00"),
        (LORD_HOWE, "2026-04-04 12:00", "01:45", "2026-04-04 14:45"),
        (LORD_HOWE, "2026-04-04 14:45", "01:45", "2026-04-05 15:15"),
        (KATHMANDU, "2026-05-01 00:00", "09:00", "2026-05-01 03:15"),
        # 30 December 2011 was left out
        (APIA, "2011-12-29 20:00", "09:00", "2011-12-30 19:00"),
        (APIA, "2011-12-28 20:00", "09:00", "2011-12-29 19:00"),
        # clocks that are set forward at midnight leave out the last hour of a day
        (NUUK, "2026-03-28 12:00", "23:30", "2026-03-29 01:00"),
    ],
)
def test_the_next_time_of_day_is_by_the_clocks_of_the_zone(name: str, after: str, time: str, then: str) -> None:
    found = next_time(at(after), minute(time), zone(name))
    assert datetime.fromtimestamp(found / 1000, UTC) == datetime.fromtimestamp(at(then) / 1000, UTC)
    assert last_time(found, minute(time), zone(name)) == found
    assert last_time(found - 1, minute(time), zone(name)) <= at(after)


@pytest.mark.parametrize("name", [BERLIN, NEW_YORK, LORD_HOWE, KATHMANDU, APIA, NUUK])
@pytest.mark.parametrize("time", ["00:00", "01:45", "02:15", "02:30", "09:00", "23:30"])
def test_every_day_has_it_once_whenever_one_looks(name: str, time: str) -> None:
    there, wanted = zone(name), minute(time)
    for begin in ("2026-01-01 00:00", "2011-06-01 00:00"):
        times = [at(begin)]
        while len(times) < 370:
            times.append(next_time(times[-1], wanted, there))
        apart = {(later - earlier) / HOUR for earlier, later in pairwise(times[1:])}
        assert apart <= {22.5, 23, 23.25, 23.5, 23.75, 24, 24.25, 24.5, 25} | {24 - 2 / 3}, apart
        assert next_time(times[5] + MINUTE, wanted, there) == times[6]


def test_a_day_that_a_zone_leaves_out_has_no_times() -> None:
    assert {moment(date(2011, 12, 30), one, zone(APIA)) for one in range(0, DAY_OF_MINUTES, 30)} == {None}


NIGHT = QuietHours(minute("22:00"), minute("07:00"))
NOON = QuietHours(minute("12:00"), minute("14:30"))


@pytest.mark.parametrize(
    ("hours", "name", "now", "ends"),
    [
        (NIGHT, "UTC", "2026-01-10 21:59", None),
        (NIGHT, "UTC", "2026-01-10 22:00", "2026-01-11 07:00"),
        (NIGHT, "UTC", "2026-01-11 00:00", "2026-01-11 07:00"),
        (NIGHT, "UTC", "2026-01-11 06:59", "2026-01-11 07:00"),
        (NIGHT, "UTC", "2026-01-11 07:00", None),
        (NOON, "UTC", "2026-01-11 11:59", None),
        (NOON, "UTC", "2026-01-11 12:00", "2026-01-11 14:30"),
        (NOON, "UTC", "2026-01-11 14:30", None),
        (NIGHT, KATHMANDU, "2026-01-10 16:15", "2026-01-11 01:15"),
        (NIGHT, KATHMANDU, "2026-01-10 16:14", None),
        # a short and a long night
        (NIGHT, BERLIN, "2026-03-28 21:00", "2026-03-29 05:00"),
        (NIGHT, BERLIN, "2026-03-29 05:00", None),
        (NIGHT, BERLIN, "2026-10-24 20:00", "2026-10-25 06:00"),
        (NIGHT, BERLIN, "2026-10-25 05:59", "2026-10-25 06:00"),
        # they end, or begin, in the hour that does not exist
        (QuietHours(minute("22:00"), minute("02:30")), BERLIN, "2026-03-29 00:59", "2026-03-29 01:00"),
        (QuietHours(minute("22:00"), minute("02:30")), BERLIN, "2026-03-29 01:00", None),
        (QuietHours(minute("02:30"), minute("07:00")), BERLIN, "2026-03-29 01:00", "2026-03-29 05:00"),
        (QuietHours(minute("02:30"), minute("07:00")), BERLIN, "2026-03-29 00:59", None),
        # both do: that day has none
        (QuietHours(minute("02:15"), minute("02:45")), BERLIN, "2026-03-29 01:00", None),
        (QuietHours(minute("02:15"), minute("02:45")), BERLIN, "2026-03-29 00:59", None),
        # they end in the hour that comes twice: the first time
        (QuietHours(minute("22:00"), minute("02:30")), BERLIN, "2026-10-25 00:29", "2026-10-25 00:30"),
        (QuietHours(minute("22:00"), minute("02:30")), BERLIN, "2026-10-25 01:15", None),
        (QuietHours(minute("02:30"), minute("07:00")), BERLIN, "2026-10-25 01:15", "2026-10-25 06:00"),
        (NIGHT, NEW_YORK, "2026-03-08 04:00", "2026-03-08 11:00"),
        (NIGHT, LORD_HOWE, "2026-10-03 14:00", "2026-10-03 20:00"),
        # the night over a day that was left out, 29 to 31 December
        (NIGHT, APIA, "2011-12-30 09:00", "2011-12-30 17:00"),
        (NIGHT, APIA, "2011-12-30 10:30", "2011-12-30 17:00"),
    ],
)
def test_quiet_hours_go_on_from_one_time_to_the_other(hours: QuietHours, name: str, now: str, ends: str | None) -> None:
    assert hours.until(at(now), zone(name)) == (at(ends) if ends is not None else None)


@pytest.mark.parametrize("name", [BERLIN, NEW_YORK, LORD_HOWE, KATHMANDU, APIA])
def test_quiet_hours_end_when_they_say(name: str) -> None:
    there = zone(name)
    for begin in ("2026-01-01 00:00", "2011-06-01 00:00"):
        for now in range(at(begin), at(begin) + 366 * DAY, 5 * HOUR + 7 * MINUTE):
            ends = NIGHT.until(now, there)
            if ends is not None:
                assert NIGHT.until(ends - 1, there) == ends
                assert NIGHT.until(ends, there) is None


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("22:00-07:00", NIGHT),
        ("22:00 - 7:00", NIGHT),
        ("22:00\N{EN DASH}07:00", NIGHT),
        ("12:00-14:30", NOON),
        ("00:00-23:59", QuietHours(0, DAY_OF_MINUTES - 1)),
    ],
)
def test_quiet_hours_are_two_times(text: str, read: QuietHours) -> None:
    assert read_quiet_hours(text, ()) == read
    assert read_quiet_hours(str(read), ()) == read


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("22:00", 'expected two times of day such as "22:00-07:00"'),
        ("22:00-07:00-09:00", "expected two times of day"),
        (2200, "expected two times of day"),
        (None, "expected two times of day"),
        (["22:00", "07:00"], "expected two times of day"),
        ("22:00-25:00", 'expected a time of day such as "07:30"'),
        ("night-07:00", "expected a time of day"),
        ("24:00-07:00", "expected a time of day"),
        ("07:00-7:00", "both times are the same"),
    ],
)
def test_everything_else_is_refused(value: object, fault: str) -> None:
    with pytest.raises(Fault, match=fault):
        read_quiet_hours(value, ())
