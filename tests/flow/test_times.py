"""The criterion `time` where the bot decides: by its clock, in the time zone of the policy, and again when asked."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from knockbot.domain.reasons import in_words
from tests.flow.house import House
from tests.flow.neighbours import decided

BERLIN = ZoneInfo("Europe/Berlin")

NIGHT = """
timezone: Europe/Berlin
rules: [{name: night, when: {time: {from: "22:00", to: "07:00"}}, then: forward}]
otherwise: forward
"""


def seconds_until(house: House, hour: int) -> float:
    """From now until the clocks of Berlin show this hour."""
    then = datetime.fromtimestamp(house.clock() / 1000, BERLIN)
    return (hour - then.hour) % 24 * 3600 - 60 * then.minute


async def test_a_knock_is_judged_by_the_time_at_which_it_is_judged(house: House) -> None:
    await house.set_policy(NIGHT)
    house.clock.go_on(seconds_until(house, 12) + 24 * 3600)
    by_day = await decided(house)
    assert by_day.rule == "otherwise"
    assert "12:00 in Europe/Berlin, which is outside the times of the rule" in in_words(by_day.missed[0].why)

    house.clock.go_on(11 * 3600)
    house.tell("policy apply Garden")
    await house.later()
    [request] = await house.requests("@ana:tulip.example")
    assert request.decision is not None
    assert request.decision.rule == "night"


NIGHTS = """
timezone: {zone}
rules: [{{name: gap, when: {{time: {{from: "{start}", to: "{end}"}}}}, then: reject}}]
otherwise: forward
"""

CHANGES: list[tuple[str, ...]] = [
    # In Berlin the clocks go from 02:00 to 03:00 on 29 March, and from 03:00 back to 02:00 on 25 October.
    ("Europe/Berlin", "01:00", "02:30", "2026-03-29T00:59:59Z", "gap"),
    ("Europe/Berlin", "01:00", "02:30", "2026-03-29T01:00:00Z", "otherwise"),  # 03:00: 02:30 never came
    ("Europe/Berlin", "02:00", "03:00", "2026-03-29T00:59:59Z", "otherwise"),
    ("Europe/Berlin", "02:00", "03:00", "2026-03-29T01:00:00Z", "otherwise"),  # an hour that this day does not have
    ("Europe/Berlin", "02:00", "03:00", "2026-03-30T00:00:00Z", "gap"),
    ("Europe/Berlin", "02:00", "03:00", "2026-10-24T23:59:59Z", "otherwise"),
    ("Europe/Berlin", "02:00", "03:00", "2026-10-25T00:00:00Z", "gap"),
    ("Europe/Berlin", "02:00", "03:00", "2026-10-25T01:59:59Z", "gap"),  # an hour that this day has twice
    ("Europe/Berlin", "02:00", "03:00", "2026-10-25T02:00:00Z", "otherwise"),
    ("Europe/Berlin", "22:00", "02:30", "2026-10-25T00:29:59Z", "gap"),
    ("Europe/Berlin", "22:00", "02:30", "2026-10-25T00:30:00Z", "otherwise"),
    ("Europe/Berlin", "22:00", "02:30", "2026-10-25T01:00:00Z", "gap"),  # 02:00 again
    ("UTC", "02:00", "03:00", "2026-03-29T02:00:00Z", "gap"),
    # Half an hour, at 02:00, on the first Sunday of April and of October.
    ("Australia/Lord_Howe", "01:30", "02:00", "2026-04-04T14:30:00Z", "gap"),
    ("Australia/Lord_Howe", "01:30", "02:00", "2026-04-04T15:29:59Z", "gap"),
    ("Australia/Lord_Howe", "01:30", "02:00", "2026-04-04T15:30:00Z", "otherwise"),
    ("Asia/Kathmandu", "00:00", "06:00", "2026-03-28T18:15:00Z", "gap"),
    ("Asia/Kathmandu", "00:00", "06:00", "2026-03-28T18:14:59Z", "otherwise"),
]


def go_to(house: House, at: str) -> None:
    """Have the clock show this moment."""
    house.clock.go_on(datetime.fromisoformat(at).timestamp() - house.clock() / 1000)


@pytest.mark.parametrize("case", CHANGES, ids=" ".join)
async def test_a_knock_is_judged_by_the_clocks_of_its_zone_also_when_they_are_changed(
    house: House, case: tuple[str, ...]
) -> None:
    zone, start, end, at, rule = case
    go_to(house, at)
    await house.set_policy(NIGHTS.format(zone=zone, start=start, end=end))

    assert (await decided(house)).rule == rule


async def test_who_waits_is_judged_by_other_clocks_when_the_zone_of_the_policy_changes(house: House) -> None:
    go_to(house, "2026-10-25T01:30:00Z")
    await house.set_policy(NIGHTS.format(zone="UTC", start="02:00", end="03:00"))
    assert (await decided(house)).rule == "otherwise"

    await house.set_policy(NIGHTS.format(zone="Europe/Berlin", start="02:00", end="03:00"))
    house.tell("policy apply Garden")
    await house.later()
    [request] = await house.requests("@ana:tulip.example")
    assert request.decision is not None
    assert request.decision.rule == "gap"
