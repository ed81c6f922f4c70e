"""The criterion `time` where the bot decides: by its clock, in the time zone of the policy, and again when asked."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

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
