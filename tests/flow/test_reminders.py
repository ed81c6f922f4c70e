"""What happens to a request that waits: moderators are reminded of it once, told daily, and in the end it expires."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.engine.timers import Timers
from knockbot.errors import Later
from knockbot.product import TIMERS
from knockbot.store import timers
from tests.flow.house import GARDEN, MODS, House
from tests.flow.test_calls import at, called, come
from tests.flow.world import ALICE, ANA, BOT, levels_for

BEN, CARL = "@ben:iris.example", "@carl:tulip.example"
OTHERS = "!others:tulip.example"
HOUR = 3600.0
REMIND = f'remind_after: 12h\ncall: ["{ALICE}"]\n'


@pytest.fixture
async def house(house: House) -> House:
    """It is ten in the morning, and moderators want to be reminded after twelve hours."""
    await house.set_policy(REMIND)
    at(house, "10:00")
    await house.ring()
    await house.later()
    return house


async def knock(house: House, who: str = ANA, reason: str = "hello") -> None:
    house.world.knock(GARDEN, who, reason)
    await house.later()


async def tell(house: House, command: str, room_id: str = MODS) -> str:
    before = len(house.spoken(room_id))
    house.world.say(room_id, ALICE, f"!kb {command}")
    await house.later()
    return "\n".join(house.spoken(room_id)[before:])


async def after(house: House, hours: float) -> None:
    house.clock.go_on(hours * HOUR)
    await house.ring()
    await house.later()


def reminded(house: House, room_id: str = MODS) -> list[str]:
    return [said for said in house.spoken(room_id) if "🔔" in said]


def told_daily(house: House) -> list[str]:
    return [said for said in house.spoken() if "📋" in said]


# --- reminders ----------------------------------------------------------------------------------------------------


async def test_moderators_are_reminded_once_in_reply_to_the_card_and_called(house: House) -> None:
    await knock(house)
    card = house.card().event_id
    await after(house, 11.9)
    assert reminded(house) == []
    await after(house, 0.1)
    [said] = [content for content in house.said() if "🔔" in content["body"]]
    assert f"#1 of {ANA} still waits for an answer" in said["body"]
    assert said["m.relates_to"]["m.in_reply_to"]["event_id"] == card
    assert said["m.mentions"] == {"user_ids": [ALICE]}
    for _ in range(3):
        await after(house, 12)
    assert len(reminded(house)) == 1


async def test_a_restart_repeats_nothing(house: House) -> None:
    await knock(house)
    await after(house, 12)
    await house.die()
    await house.start_again()
    await after(house, 1)
    assert len(reminded(house)) == 1


async def test_a_bot_that_was_down_at_the_time_reminds_when_it_is_back(house: House) -> None:
    await knock(house)
    await house.die()
    house.clock.go_on(30 * HOUR)
    await house.start_again()
    await house.ring()
    await house.later()
    await after(house, 1)
    assert len(reminded(house)) == 1


async def test_several_that_are_due_in_the_same_minute_are_one_line(house: House) -> None:
    await knock(house)
    await knock(house, BEN)
    await knock(house, CARL)
    await after(house, 12)
    [said] = reminded(house)
    assert "Garden: 3 requests still wait for an answer" in said
    assert "#1, #2, #3" in said


async def test_each_of_them_is_due_at_its_own_time(house: House) -> None:
    await knock(house)
    await after(house, 1)
    await knock(house, BEN)
    await after(house, 11)
    assert len(reminded(house)) == 1
    await after(house, 1)
    assert len(reminded(house)) == 2
    assert "#2 of" in reminded(house)[1]


async def test_nobody_is_reminded_of_what_was_answered(house: House) -> None:
    await knock(house)
    house.click("❌")
    await house.later()
    await after(house, 13)
    assert reminded(house) == []


async def test_nor_of_what_was_withdrawn(house: House) -> None:
    await knock(house)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.later()
    await after(house, 13)
    assert reminded(house) == []


async def test_nor_of_what_is_deferred_and_not_when_it_is_back(house: House) -> None:
    await knock(house)
    await tell(house, "defer 1 2d")
    for _ in range(6):
        await after(house, 12)
    assert reminded(house) == []
    assert sum("#1 is back on the list." in said for said in house.spoken()) == 1


async def test_an_answer_that_is_taken_back_leaves_a_request_of_which_they_are_reminded(house: House) -> None:
    house.world.play("invite", Later(foreign("busy"), retry_after=60), times=50)
    await knock(house)
    click = house.click("✅")
    await house.live()
    house.world.redact(MODS, ALICE, click)
    await house.later()
    assert (await house.request(ANA)).awaits_moderators
    await after(house, 12)
    assert len(reminded(house)) == 1


async def test_in_quiet_hours_a_reminder_calls_nobody(house: House) -> None:
    await house.set_policy(f'{REMIND}quiet_hours: "20:00-07:00"\n')
    await knock(house)
    calls = called(house)
    await after(house, 12)
    assert (len(reminded(house)), called(house)) == (1, calls)
    await come(house, "07:00")
    assert "Garden: 1 message called nobody." in house.spoken()[-1]


@pytest.mark.parametrize(("policy", "at_once"), [("remind_after: 1m", True), ("remind_after: 2h", False)])
async def test_another_time_counts_for_what_waits_at_once(house: House, policy: str, at_once: bool) -> None:
    await knock(house)
    await after(house, 1)
    await tell(house, f"policy set {GARDEN}\n{policy}")
    await after(house, 0.01)
    assert len(reminded(house)) == int(at_once)
    await after(house, 1)
    assert len(reminded(house)) == 1


async def test_without_a_word_in_the_policy_nobody_is_reminded(house: House) -> None:
    await knock(house)
    await tell(house, f"policy set {GARDEN}\notherwise: forward")
    for _ in range(5):
        await after(house, 12)
    assert (reminded(house), told_daily(house)) == ([], [])


async def test_in_dry_run_they_are_reminded_too(house: House) -> None:
    await house.set_policy(f"{REMIND}dry_run: true\notherwise: accept\n")
    await knock(house)
    await after(house, 12)
    assert len(reminded(house)) == 1


async def test_of_a_wave_they_are_reminded_in_one_line(house: House) -> None:
    await house.set_policy(f"{REMIND}wave: {{knocks: 3, within: 10m, ends_after: 30m}}\n")
    for number in range(8):
        house.world.knock(GARDEN, f"@p{number}:s.example", "hello")
    await house.later()
    await after(house, 1)
    await after(house, 11)
    assert len(reminded(house)) == 1
    assert "8 requests" in reminded(house)[0]


async def test_a_room_that_moves_to_another_management_room_is_not_told_of_here(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for())
    await knock(house)
    await tell(house, f"unprotect {GARDEN}")
    await tell(house, f"protect {GARDEN}", OTHERS)
    await after(house, 13)
    assert reminded(house) == []


async def test_of_three_loops_at_once_one_reminds(house: House) -> None:
    await knock(house)
    house.clock.go_on(12 * HOUR)
    contexts = [house.context, house.new_context(house.db), house.new_context(house.db)]
    await asyncio.gather(*(Timers(one, TIMERS).run_due() for one in contexts))
    await house.later()
    assert len(reminded(house)) == 1


@pytest.mark.parametrize("written", ["1s", "31d", "soon", "12", "-1h"])
async def test_what_is_no_time_is_refused(house: House, written: str) -> None:
    assert "remind_after" in await tell(house, f"policy set {GARDEN}\nremind_after: {written}")


# --- daily --------------------------------------------------------------------------------------------------------


async def test_what_they_were_reminded_of_is_told_daily_until_it_is_answered(house: House) -> None:
    await knock(house)
    await after(house, 12)
    for days in (1, 2, 3):
        await come(house, "08:59")
        calls = called(house)
        await come(house, "09:00")
        # the first morning is less than twelve hours after the reminder
        assert (len(told_daily(house)), called(house)) == (days - 1, calls)
    assert "📋 Garden: 1 request has waited for long: #1" in told_daily(house)[-1]
    await tell(house, "accept 1")
    await come(house, "08:59")
    await come(house, "09:00")
    assert len(told_daily(house)) == 2


async def test_the_hour_is_that_of_the_rooms_zone(house: House) -> None:
    await house.set_policy(f"{REMIND}timezone: Asia/Kathmandu\n")
    await knock(house)
    await after(house, 12)
    await come(house, "10:00")
    await come(house, "03:14")
    assert told_daily(house) == []
    await come(house, "03:15")
    assert len(told_daily(house)) == 1


async def test_it_is_told_once_though_the_bot_dies(house: House) -> None:
    await knock(house)
    await after(house, 12)
    await come(house, "10:00")
    await house.die()
    await house.start_again()
    await come(house, "09:30")
    await house.die()
    await house.start_again()
    await after(house, 1)
    assert len(told_daily(house)) == 1


# --- the end ------------------------------------------------------------------------------------------------------


async def test_a_knock_expires_at_its_time_without_a_look(house: House) -> None:
    await house.set_policy("stale_after: 2h")
    await knock(house)
    await after(house, 1.9)
    assert (await house.request(ANA)).state is State.PENDING
    await after(house, 0.2)
    request = await house.request(ANA)
    assert (request.state, request.by) == (State.EXPIRED, BOT)
    assert house.card().state == "expired"
    assert house.membership(ANA) == "knock"
    assert house.world.asked("invite", "kick", "ban") == []


async def test_each_expires_at_its_own_time_and_another_knock_begins_it_anew(house: House) -> None:
    await house.set_policy("stale_after: 4h")
    await knock(house)
    await after(house, 1)
    await knock(house, BEN)
    await after(house, 1)
    await knock(house, ANA, "please")
    await after(house, 3.1)
    assert [(await house.request(one)).state for one in (ANA, BEN)] == [State.PENDING, State.EXPIRED]
    await after(house, 1)
    assert (await house.request(ANA)).state is State.EXPIRED


async def test_another_policy_counts_for_what_waits(house: House) -> None:
    await knock(house)
    await after(house, 3)
    await tell(house, f"policy set {GARDEN}\nstale_after: 1h")
    await after(house, 0)
    assert (await house.request(ANA)).state is State.EXPIRED


async def test_what_expired_while_the_bot_was_down_expires_once(house: House) -> None:
    await house.set_policy("stale_after: 2h")
    await knock(house)
    await house.die()
    house.clock.go_on(10 * HOUR)
    await house.start_again()
    await house.ring()
    await house.later()
    request = await house.request(ANA)
    assert [kind for _, kind in await house.history(request)].count("expired") == 1


async def test_a_room_that_is_let_go_has_no_timers(house: House) -> None:
    await knock(house)
    await after(house, 12)
    await tell(house, f"unprotect {GARDEN}")
    async with house.db.tx() as tx:
        assert [await timers.of_kind(tx, kind) for kind in ("remind", "daily", "expire")] == [[], [], []]


async def test_a_day_of_a_changed_clock_has_one_daily_line(house: House) -> None:
    """Berlin leaves out an hour on 28 March 2027; nine o'clock comes once, by its new clocks."""
    await house.set_policy(f"{REMIND}timezone: Europe/Berlin\n")
    start = round(datetime(2027, 3, 26, 10, tzinfo=UTC).timestamp() * 1000)
    house.clock.go_on((start - house.clock()) / 1000)
    await knock(house)
    moments = []
    for _ in range(4 * 24 * 4):
        before = len(told_daily(house))
        await after(house, 0.25)
        if len(told_daily(house)) > before:
            moments.append(datetime.fromtimestamp(house.clock() / 1000, UTC).strftime("%d %H"))
    assert moments == ["28 07", "29 07", "30 07"]
