"""Who is called about a room, by the policy and by their own wish, and the hours in which nobody is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from knockbot.domain.jobs import Act
from knockbot.domain.notices import because
from knockbot.engine.timers import Timers
from knockbot.engine.worker import Outcome
from knockbot.errors import Later
from knockbot.features.calls import callers
from knockbot.flow.place import find
from knockbot.product import TIMERS
from knockbot.store import timers
from knockbot.store.jobs import Claimed
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, levels_for

BOB, CARL = "@bob:tulip.example", "@carl:tulip.example"
BEN = "@ben:iris.example"
POND, OTHERS = "!pond:tulip.example", "!others:tulip.example"
NIGHT = 'quiet_hours: "22:00-07:00"\n'
HOUR = 3600.0


def at(house: House, time: str) -> None:
    """The clock of the bot goes on until this time of the day (UTC)."""
    now = datetime.fromtimestamp(house.clock() / 1000, UTC)
    hour, minute = map(int, time.split(":"))
    then = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    house.clock.go_on((then - now).total_seconds() % (24 * HOUR))


async def come(house: House, time: str) -> None:
    """It is this time, and what is due is done."""
    at(house, time)
    await house.ring()
    await house.later()


def called(house: House, room_id: str = MODS) -> list[list[str]]:
    """Whom each message of the bot called that calls anybody, edits left out."""
    found = [content["m.mentions"].get("user_ids", []) for content in house.said(room_id)]
    return [sorted(users) for users in found if users]


def mornings(house: House, room_id: str = MODS) -> list[str]:
    return [said for said in house.spoken(room_id) if "The quiet hours are over." in said]


async def knock(house: House, who: str = ANA, reason: str = "hello", room_id: str = GARDEN) -> None:
    house.world.knock(room_id, who, reason)
    await house.later()


async def tell(house: House, command: str, *, by: str = ALICE) -> str:
    before = len(house.spoken())
    house.tell(command, by=by)
    await house.later()
    return "\n".join(house.spoken()[before:])


def joined(house: House, *users: str) -> None:
    for user in users:
        house.world.change(MODS, ALICE, user, "join")


async def whom(house: House, room_id: str = GARDEN) -> list[str]:
    async with house.db.tx() as tx:
        there = await find(house.context, tx, room_id)
        assert there is not None
        return [*await callers.calls(house.context, tx, there)]


# --- by their own wish --------------------------------------------------------------------------------------------


async def test_who_wants_it_is_called_beside_those_of_the_policy(house: House) -> None:
    await house.set_policy(f'call: ["{CARL}"]')
    joined(house, BOB)
    assert await tell(house, "call me", by=BOB) == ""
    assert await tell(house, "call me Garden", by=BOB) == ""
    await knock(house)
    assert called(house) == [[BOB, CARL]]

    assert await tell(house, "call off", by=BOB) == ""
    assert "You are not called here." in await tell(house, "call off", by=BOB)
    house.clock.go_on(2 * 60)
    await knock(house, BEN)
    assert called(house)[1:] == [[CARL]]


async def test_call_lists_who_is_called_and_in_which_hours_nobody_is(house: House) -> None:
    assert "Garden: nobody" in await tell(house, "call")
    await house.set_policy(f'call: ["{CARL}"]\ntimezone: Europe/Berlin\n{NIGHT}')
    await tell(house, "call me")
    said = await tell(house, "call Garden")
    assert f"Garden: {CARL}, {ALICE}" in said
    assert "Quiet hours: 22:00-07:00 (Europe/Berlin)" in said


async def test_whom_the_policy_calls_is_told_how_to_change_that(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]')
    assert "The policy of Garden calls you." in await tell(house, "call off")


async def test_who_leaves_the_management_room_is_not_called_any_more(house: House) -> None:
    joined(house, BOB, CARL)
    await tell(house, "call me", by=BOB)
    await tell(house, "call me", by=CARL)
    house.world.change(MODS, BOB, BOB, "leave")
    await house.later()
    assert await whom(house) == [CARL]
    joined(house, BOB)
    await house.later()
    assert await whom(house) == [CARL], "they left, so they have to say it again"


async def test_who_left_while_nobody_told_is_found_by_a_look(house: House) -> None:
    joined(house, BOB)
    await tell(house, "call me", by=BOB)
    house.world.change(MODS, BOB, BOB, "leave")
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()
    assert await whom(house) == []


async def test_fifty_can_want_it_about_one_room(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(callers, "MOST", 2)
    joined(house, BOB, CARL)
    for one in (ALICE, BOB):
        assert await tell(house, "call me", by=one) == ""
    assert "No more than 2 people can be called about Garden." in await tell(house, "call me", by=CARL)
    assert await tell(house, "call me", by=BOB) == "", "who is called already may say so again"
    assert await whom(house) == [ALICE, BOB]


async def test_a_stranger_to_the_management_room_cannot_be_called(house: House) -> None:
    before = await whom(house)
    await tell(house, "call me", by=BOB)
    assert await whom(house) == before == []


async def test_a_room_of_another_management_room_is_unknown(house: House) -> None:
    house.world.room(POND, "Pond", ALICE, BOT, levels=levels_for())
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    await house.protect(POND, OTHERS)
    unknown = await tell(house, "call me !nowhere:tulip.example")
    assert await tell(house, f"call me {POND}") == unknown.replace("!nowhere", "!pond")
    assert await whom(house, POND) == []
    assert "Pond" not in await tell(house, "call")


async def test_a_room_that_moves_to_another_management_room_takes_nobody_along(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for())
    await tell(house, "call me")
    house.tell(f"unprotect {GARDEN}")
    await house.later()
    house.world.say(OTHERS, ALICE, f"!kb protect {GARDEN}")
    await house.later()
    assert await whom(house) == []


# --- quiet hours --------------------------------------------------------------------------------------------------


async def test_in_quiet_hours_nobody_is_called_and_one_line_tells_in_the_morning(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]\n{NIGHT}')
    await come(house, "23:00")
    await knock(house)
    house.clock.go_on(HOUR)
    await knock(house, BEN)
    assert (called(house), len(house.cards())) == ([], 2)

    await come(house, "06:59")
    assert mornings(house) == []
    await come(house, "07:00")
    [said] = mornings(house)
    assert "Garden: 2 new requests wait for an answer: #1, #2" in said
    assert called(house) == [[ALICE]]
    await come(house, "09:00")
    await come(house, "07:00")
    assert len(mornings(house)) == 1
    await knock(house, CARL)
    assert len(called(house)) == 2, "by day as ever"


async def test_what_was_answered_in_the_night_is_not_told(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]\n{NIGHT}')
    await come(house, "23:00")
    await knock(house)
    house.click("✅")
    await house.later()
    await come(house, "07:00")
    assert (mornings(house), called(house)) == ([], [])


async def test_before_and_after_them_people_are_called(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]\n{NIGHT}')
    await come(house, "21:00")
    await knock(house)
    await come(house, "08:00")
    await knock(house, BEN)
    assert (called(house), mornings(house)) == ([[ALICE], [ALICE]], [])


async def test_it_is_told_once_though_the_bot_dies_and_starts_late(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]\n{NIGHT}')
    await come(house, "23:00")
    await knock(house)
    await house.die()
    at(house, "10:00")
    await house.start_again()
    for _ in range(3):
        await house.ring()
        await house.later()
    assert (len(mornings(house)), called(house)) == (1, [[ALICE]])


async def test_an_alarm_calls_nobody_either_and_is_told(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]\n{NIGHT}')
    await come(house, "23:00")
    house.world.rooms[GARDEN].levels["users"][BOT] = 0
    await knock(house)
    await house.look_everywhere()
    await house.live()
    assert called(house) == []
    await come(house, "07:00")
    assert "Garden: 1 message called nobody." in mornings(house)[-1]


async def hangs(_: Claimed[object]) -> Outcome:
    raise Later(because("act.no_answer"))


async def alarm(house: House) -> None:
    house.world.rooms[GARDEN].levels["users"][BOT] = 0
    await knock(house)
    await house.look_everywhere()
    await house.live()


async def reminder(house: House) -> None:
    await knock(house)
    await come(house, "21:40")


async def back(house: House) -> None:
    await knock(house)
    await tell(house, "defer 1 30m")
    await come(house, "21:40")


@pytest.mark.parametrize("told", [alarm, reminder, back])
@pytest.mark.parametrize(("sent", "calls"), [("21:50", True), ("22:10", False)])
async def test_what_is_sent_only_after_they_have_begun_calls_nobody(
    house: House, told: Callable[[House], Awaitable[None]], sent: str, calls: bool
) -> None:
    """The homeserver was away when it was to be sent."""
    await house.set_policy(f'call: ["{ALICE}"]\n{NIGHT}remind_after: 30m\nwave: off\n')
    await come(house, "21:00")
    house.actions[Act.SAY] = hangs
    await told(house)
    before = len(called(house))
    del house.actions[Act.SAY]
    await come(house, sent)
    await house.later(60)
    assert (len(called(house)) > before) is calls
    await come(house, "07:00")
    assert ("called nobody" in "".join(mornings(house))) is not calls


async def test_a_deferred_request_that_is_back_calls_nobody(house: House) -> None:
    await house.set_policy(NIGHT)
    await come(house, "21:00")
    await knock(house)
    await tell(house, "defer 1 3h")
    await come(house, "00:30")
    assert any("#1 is back on the list." in said for said in house.spoken())
    assert called(house) == []


async def test_rooms_of_one_management_room_are_told_in_one_line(house: House) -> None:
    house.world.room(POND, "Pond", ALICE, BOT, levels=levels_for())
    await house.protect(POND)
    for room_id in (GARDEN, POND):
        await house.set_policy(f'call: ["{ALICE}"]\n{NIGHT}', room_id)
    await come(house, "23:00")
    await knock(house)
    await knock(house, BEN, room_id=POND)
    await come(house, "07:00")
    [said] = mornings(house)
    assert "Garden: 1 new request" in said
    assert "Pond: 1 new request" in said
    assert called(house) == [[ALICE]]


@pytest.mark.parametrize(
    ("policy", "first", "then"),
    [
        (f"timezone: Asia/Kathmandu\n{NIGHT}", "01:14", "01:16"),
        ('quiet_hours: "22:00-05:00"\n', "04:59", "05:00"),
        ('quiet_hours: "22:00-09:00"\n', "08:59", "09:00"),
        ("quiet_hours: off\n", None, "23:30"),
    ],
)
async def test_where_hours_or_zone_are_changed_the_end_is_planned_anew(
    house: House, policy: str, first: str | None, then: str
) -> None:
    await house.set_policy(f'call: ["{ALICE}"]\n{NIGHT}')
    await come(house, "22:30")
    await knock(house)
    await tell(house, f"policy set {GARDEN}\ncall: ['{ALICE}']\n{policy}")
    if first is not None:
        await come(house, first)
        assert mornings(house) == []
    await come(house, then)
    assert len(mornings(house)) == 1


async def test_a_room_that_is_let_go_is_not_told_of(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]\n{NIGHT}')
    await come(house, "23:00")
    await knock(house)
    await tell(house, f"unprotect {GARDEN}")
    await come(house, "07:00")
    assert mornings(house) == []
    async with house.db.tx() as tx:
        assert await timers.of_kind(tx, "quiet_hours_end") == []


async def test_of_three_loops_at_once_one_tells_it_once(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]\n{NIGHT}')
    await come(house, "23:00")
    await knock(house)
    at(house, "07:00")
    contexts = [house.context, house.new_context(house.db), house.new_context(house.db)]
    await asyncio.gather(*(Timers(one, TIMERS).run_due() for one in contexts))
    await house.later()
    assert len(mornings(house)) == 1
