"""One message a day in place of a card for each knock, at a time of the day where the room is at home."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from knockbot.engine.timers import Timers
from knockbot.product import TIMERS
from knockbot.store import timers
from tests.flow.house import GARDEN, MODS, House
from tests.flow.offered import Offered, offers
from tests.flow.test_calls import at, called, come
from tests.flow.test_reminders import knock, tell
from tests.flow.world import ALICE, ANA, BOT, levels_for

BEN, CARL = "@ben:iris.example", "@carl:tulip.example"
OTHERS = "!others:tulip.example"
HOUR = 3600.0
DIGEST = f'digest: "09:00"\ncall: ["{ALICE}"]\n'


@pytest.fixture
async def house(house: House) -> House:
    """It is ten in the morning, and the moderators want one digest a day."""
    await house.set_policy(DIGEST)
    await come(house, "10:00")
    return house


async def after(house: House, hours: float) -> None:
    house.clock.go_on(hours * HOUR)
    await house.ring()
    await house.later(11)


def sent(house: House, room_id: str = MODS) -> list[Offered]:
    return offers(house, "digest", room_id)


async def test_knocks_get_no_cards_and_one_message_a_day_tells_of_them(house: House) -> None:
    await knock(house)
    await knock(house, BEN)
    assert (house.cards(), house.spoken(), called(house)) == ([], [], [])
    await come(house, "08:59")
    assert sent(house) == []
    await come(house, "09:00")
    [digest] = sent(house)
    assert "Requests for Garden that wait for an answer." in digest.text
    assert "2 knocks wait for an answer." in digest.text
    assert "Their numbers: #1, #2" in digest.text
    assert (called(house), house.cards()) == ([[ALICE]], [])


async def test_it_is_sent_once_though_the_bot_dies(house: House) -> None:
    await knock(house)
    await come(house, "09:00")
    await house.die()
    await house.start_again()
    await after(house, 1)
    assert len(sent(house)) == 1


@pytest.mark.parametrize(("back", "count"), [("12:00", 1), ("20:55", 1), ("21:05", 0), ("08:00", 0)])
async def test_a_bot_that_was_down_sends_it_when_it_is_back_less_than_twelve_hours_late(
    house: House, back: str, count: int
) -> None:
    await knock(house)
    await house.die()
    at(house, "09:00")
    at(house, back)
    await house.start_again()
    await house.live()
    await house.ring()
    await house.later()
    await after(house, 0.1)
    assert len(sent(house)) == count
    await come(house, "09:00")
    assert len(sent(house)) == count + 1


async def test_where_nothing_waits_nothing_is_sent(house: House) -> None:
    await come(house, "09:00")
    await knock(house)
    await tell(house, "accept 1")
    for _ in range(3):
        await come(house, "08:00")
        await come(house, "09:00")
    assert sent(house) == []
    assert called(house) == []


async def test_a_request_can_be_answered_before_and_after_it_is_told(house: House) -> None:
    await knock(house)
    await knock(house, BEN)
    assert f"{ANA}" in await tell(house, "show 1")
    await tell(house, "accept 1")
    assert house.membership(ANA) == "invite"
    await come(house, "09:00")
    assert "1 knock waits for an answer." in sent(house)[0].text
    await tell(house, "reject 2")
    await house.later(11)
    assert house.membership(BEN) == "leave"
    assert "No knock in this message waits for an answer." in sent(house)[0].text


async def test_what_still_waits_is_in_that_of_the_next_day(house: House) -> None:
    await knock(house)
    await come(house, "09:00")
    await come(house, "10:00")
    await knock(house, BEN)
    await come(house, "09:00")
    await house.later(11)
    first, second = sent(house)
    assert "No knock in this message waits" in first.text
    assert "Their numbers: #1, #2" in second.text
    await come(house, "08:00")
    await come(house, "09:00")
    assert len(sent(house)) == 3, "as long as something waits"


async def test_what_is_deferred_is_not_told(house: House) -> None:
    await knock(house)
    await tell(house, "defer 1 3d")
    await come(house, "09:00")
    assert sent(house) == []
    await after(house, 72)
    await come(house, "08:00")
    await come(house, "09:00")
    assert "#1" in sent(house)[-1].text


async def test_a_click_on_it_answers_nobody_and_is_told_how_to_answer(house: House) -> None:
    await knock(house)
    await come(house, "09:00")
    house.world.react(MODS, ALICE, sent(house)[0].event_id, "✅")
    await house.later()
    assert "You cannot answer with a click here" in house.spoken()[-1]
    assert house.membership(ANA) == "knock"


async def test_a_wave_folds_first(house: House) -> None:
    await house.set_policy(f"{DIGEST}wave: {{knocks: 3, within: 10m, ends_after: 30m}}\n")
    for number in range(8):
        await knock(house, f"@p{number}:s.example")
    assert len(offers(house, "wave")) == 1
    await come(house, "09:00")
    assert "2 knocks wait" in sent(house)[0].text


@pytest.mark.parametrize(
    ("policy", "then"), [('digest: "12:00"', "12:00"), ('digest: "09:00"\ntimezone: Asia/Kathmandu', "03:15")]
)
async def test_another_time_or_zone_counts_for_what_waits(house: House, policy: str, then: str) -> None:
    await knock(house)
    await tell(house, f"policy set {GARDEN}\n{policy}")
    minute = int(then[3:])
    await come(house, f"{int(then[:2]) - (not minute):02}:{(minute or 60) - 1}")
    assert sent(house) == []
    await come(house, then)
    assert len(sent(house)) == 1


async def test_without_a_time_there_are_cards_again_also_for_what_was_not_told(house: House) -> None:
    await knock(house)
    await come(house, "09:00")
    await knock(house, BEN)
    await tell(house, f"policy set {GARDEN}\notherwise: forward")
    assert [card.block["user_id"] for card in house.cards()] == [BEN]
    await knock(house, CARL)
    assert len(house.cards()) == 2
    await come(house, "09:00")
    assert len(sent(house)) == 1


async def test_in_dry_run_it_is_the_same(house: House) -> None:
    await house.set_policy(f"{DIGEST}dry_run: true\notherwise: accept\n")
    await knock(house)
    assert house.cards() == []
    await come(house, "09:00")
    assert len(sent(house)) == 1


async def test_in_quiet_hours_it_calls_nobody_until_they_are_over(house: House) -> None:
    await house.set_policy(f'{DIGEST}quiet_hours: "22:00-10:00"\n')
    await knock(house)
    await come(house, "09:00")
    assert (len(sent(house)), called(house)) == (1, [])


async def test_nobody_is_reminded_of_what_is_told_daily_anyway(house: House) -> None:
    await house.set_policy(f"{DIGEST}remind_after: 1h\n")
    await knock(house)
    for _ in range(4):
        await after(house, 12)
    assert [said for said in house.spoken() if "🔔" in said or "📋" in said] == []
    assert len(sent(house)) == 2


async def test_a_knock_that_is_accepted_by_a_rule_is_told_in_a_line_as_ever(house: House) -> None:
    await house.set_policy(f"{DIGEST}otherwise: accept\n")
    await knock(house)
    assert house.membership(ANA) == "invite"
    assert len(house.spoken()) == 1


async def test_a_room_that_moves_to_another_management_room_has_its_digest_there(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for())
    await knock(house)
    await tell(house, f"unprotect {GARDEN}")
    async with house.db.tx() as tx:
        assert await timers.of_kind(tx, "send_digest") == []
    await tell(house, f"protect {GARDEN}", OTHERS)
    await tell(house, f"policy set {GARDEN}\n{DIGEST}", OTHERS)
    await knock(house, BEN)
    await come(house, "09:00")
    assert (len(sent(house)), len(sent(house, OTHERS))) == (0, 1)


async def test_of_three_loops_at_once_one_sends_it(house: House) -> None:
    await knock(house)
    at(house, "09:00")
    contexts = [house.context, house.new_context(house.db), house.new_context(house.db)]
    await asyncio.gather(*(Timers(one, TIMERS).run_due() for one in contexts))
    await house.later()
    assert len(sent(house)) == 1


@pytest.mark.parametrize(
    ("zone", "day", "moments"),
    [
        ("Europe/Berlin", datetime(2027, 3, 26, 12, tzinfo=UTC), ["27 01", "28 01", "29 00"]),
        ("Europe/Berlin", datetime(2027, 10, 29, 12, tzinfo=UTC), ["30 00", "31 00", "01 01"]),
    ],
)
async def test_on_a_day_of_a_changed_clock_it_is_sent_once(
    house: House, zone: str, day: datetime, moments: list[str]
) -> None:
    """At half past two, which one of these days does not have, and the other one has twice."""
    await house.set_policy(f'digest: "02:30"\ntimezone: {zone}\n')
    house.clock.go_on(day.timestamp() - house.clock() / 1000)
    await knock(house)
    told = []
    for _ in range(3 * 24 * 2):
        before = len(sent(house))
        await after(house, 0.5)
        if len(sent(house)) > before:
            told.append(datetime.fromtimestamp(house.clock() / 1000, UTC).strftime("%d %H"))
    assert told == moments


@pytest.mark.parametrize("written", ["9", "25:00", "noon", "9:5", "[]"])
async def test_what_is_no_time_of_day_is_refused(house: House, written: str) -> None:
    assert "digest" in await tell(house, f"policy set {GARDEN}\ndigest: {written}")
