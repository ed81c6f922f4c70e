"""Counting knocks: of the applicant, of their server, with the same reason; durable, and up to the knock itself."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from knockbot.domain.model import MemberChange
from knockbot.domain.reasons import in_words
from knockbot.engine.turn import Handled
from knockbot.flow.context import Context
from knockbot.store import requests
from tests.flow.house import GARDEN, House
from tests.flow.neighbours import MEADOW, ORCHARD, decided, with_neighbours
from tests.flow.world import ALICE, ANA, BEA, BOT, FAR

HOUR, DAY = 3600, 24 * 3600

OFTEN = """
rules:
- {name: often, when: {knocks: {more_than: 2, within: 1d}}, then: forward}
- {name: often nearby, when: {knocks: {more_than: 2, within: 1d, where: managed}}, then: forward}
"""
FLOOD = "rules: [{name: flood, when: {knocks_from_server: {more_than: 2, within: 1h}}, then: forward}]"
SPAM = "rules: [{name: spam, when: {same_reason: {more_than: 2, within: 1d}}, then: forward}]"


async def take_back(house: House, user_id: str = ANA, room_id: str = GARDEN) -> None:
    """Somebody takes their knock back."""
    house.world.change(room_id, user_id, user_id, "leave")
    await house.live()


async def rule_of(house: House, user_id: str) -> str:
    """The rule that decided on the only request of somebody."""
    decision = (await house.request(user_id)).decision
    assert decision is not None
    return decision.rule


async def test_each_knock_counts_whether_it_is_a_new_request_or_another_reason(house: House) -> None:
    await house.set_policy(OFTEN)
    assert (await decided(house)).rule == "otherwise"
    assert (await decided(house, reason="another")).rule == "otherwise"
    await take_back(house)
    third = await decided(house)
    assert third.rule == "often"
    assert [in_words(miss.why) for miss in (await decided(house, BEA)).missed] == [
        "user knocked 1 time within 1 day, not more than 2",
        "user knocked 1 time at the rooms managed from here within 1 day, not more than 2",
    ]


async def test_what_was_longer_ago_does_not_count(house: House) -> None:
    await house.set_policy(OFTEN)
    for _ in range(5):
        assert (await decided(house)).rule == "otherwise"
        await take_back(house)
        house.clock.go_on(DAY / 2 + 1)


async def test_knocks_nearby_count_where_the_rule_says_so_and_those_of_others_never(house: House) -> None:
    await with_neighbours(house)
    await house.set_policy(OFTEN)
    for room_id in (MEADOW, MEADOW, MEADOW, ORCHARD):
        await decided(house, room_id=room_id)
        await take_back(house, room_id=room_id)
    assert (await decided(house)).rule == "otherwise"
    await decided(house, room_id=ORCHARD, reason="hello")
    assert (await decided(house, reason="hello")).rule == "often nearby"


async def test_the_count_is_in_the_records_and_survives_a_restart(house: House) -> None:
    await house.set_policy(OFTEN)
    await decided(house)
    await decided(house, reason="another")
    await house.die()
    await house.start_again()
    await house.live()

    assert (await decided(house, reason="and another")).rule == "often"


async def test_all_knocks_of_a_server_count_whoever_made_them(house: House) -> None:
    await house.set_policy(FLOOD)
    for number in range(2):
        assert (await decided(house, f"@{number}:Flood.example:84{number}")).rule == "otherwise"
    assert (await decided(house, FAR)).rule == "otherwise"
    assert (await decided(house, "@3:flood.example")).rule == "flood"
    house.clock.go_on(HOUR + 1)
    assert (await decided(house, "@4:flood.example")).rule == "otherwise"


@pytest.mark.parametrize(
    "reasons",
    [
        ("Hello, I am new", "Hello, I am new", "Hello, I am new"),
        ("Hello, I am new", "HELLO,   i am\nnew ", "Hel\u200blo, Ｉ am new"),
        ("x" * 1000 + "a", "x" * 1000 + "b", "X" * 2000),
    ],
    ids=["the same", "case, blanks and hidden characters", "long ones"],
)
async def test_different_applicants_with_one_reason_are_counted(house: House, reasons: tuple[str, ...]) -> None:
    await house.set_policy(SPAM)
    rules = [(await decided(house, f"@{n}:a{n}.example", reason=reason)).rule for n, reason in enumerate(reasons)]
    assert rules == ["otherwise", "otherwise", "spam"]
    assert (await decided(house, reason="something else")).rule == "otherwise"


async def test_somebody_who_repeats_themselves_is_one(house: House) -> None:
    await house.set_policy(SPAM)
    for _ in range(4):
        assert (await decided(house, reason="hello")).rule == "otherwise"
        await take_back(house)


@pytest.mark.parametrize("reason", [None, "", "  ", "\u200b\n"])
async def test_no_reason_is_like_no_other(house: House, reason: str | None) -> None:
    await house.set_policy(SPAM)
    for number in range(4):
        decision = await decided(house, f"@{number}:a.example", reason=reason)
        assert [in_words(miss.why) for miss in decision.missed] == ["user gave no reason"]


async def test_the_records_hold_no_reason_and_another_secret_makes_them_new(house: House) -> None:
    await house.set_policy(SPAM)
    for number in range(2):
        await decided(house, f"@{number}:a.example", reason="hello")
    async with house.db.tx() as tx:
        rows = await tx.fetch("SELECT gist FROM reasons")
    assert len({row["gist"] for row in rows}) == 1
    assert all(len(row["gist"]) == 24 and "hello" not in row["gist"] for row in rows)

    appservice = replace(house.settings.appservice, as_token="another")
    house.settings = replace(house.settings, appservice=appservice)
    house._furnish(house.new_context(house.db))
    assert (await decided(house, reason="hello")).rule == "otherwise"


async def test_knocks_that_are_found_at_once_count_each_other_at_their_own_times(house: House) -> None:
    """As when the bot was away: what came within an hour is a flood, and what came over days is none."""
    await house.set_policy(FLOOD)
    house.world.change(GARDEN, ALICE, BOT, "leave")
    await house.live()
    for number in range(4):
        house.world.knock(GARDEN, f"@{number}:slow.example")
        house.clock.go_on(2 * HOUR)
    for number in range(4):
        house.world.knock(GARDEN, f"@{number}:flood.example")
    house.clock.go_on(3 * DAY)
    house.world.outbox.clear()
    house.world.change(GARDEN, ALICE, BOT, "invite")
    house.world.change(GARDEN, BOT, BOT, "join")
    await house.live()

    assert await rule_of(house, "@3:slow.example") == "otherwise"
    assert [await rule_of(house, f"@{number}:flood.example") for number in range(4)][-1] == "flood"


async def test_reasons_that_are_found_at_once_keep_their_times_too_and_long_ones_count(house: House) -> None:
    await house.set_policy(SPAM)
    house.world.change(GARDEN, ALICE, BOT, "leave")
    await house.live()
    for number in range(3):
        house.world.knock(GARDEN, f"@{number}:slow.example", "hello")
        house.clock.go_on(2 * DAY)
    for number in range(3):
        house.world.knock(GARDEN, f"@{number}:long.example", "buy " * 1000)
    house.world.outbox.clear()
    house.world.change(GARDEN, ALICE, BOT, "invite")
    house.world.change(GARDEN, BOT, BOT, "join")
    await house.live()

    assert [await rule_of(house, f"@{number}:slow.example") for number in range(3)] == ["otherwise"] * 3
    assert (await decided(house, BEA, reason="hello")).rule == "otherwise"
    assert (await decided(house, ANA, reason="buy " * 2000)).rule == "spam"


async def test_judged_again_later_it_counts_what_came_before_the_knock(house: House) -> None:
    for number in range(4):
        await decided(house, f"@{number}:flood.example")
        house.clock.go_on(60)
    await house.set_policy(FLOOD)
    house.clock.go_on(DAY)
    house.tell("policy apply Garden")
    await house.later()

    rules = [await rule_of(house, f"@{number}:flood.example") for number in range(4)]
    assert rules == ["otherwise", "otherwise", "flood", "flood"]


async def test_single_knocks_are_forgotten_after_a_month(house: House) -> None:
    await decided(house, reason="hello")
    house.clock.go_on(30 * DAY + 2 * HOUR)
    await house.ring()

    async with house.db.tx() as tx:
        left = [await tx.fetchval(f"SELECT count(*) FROM {table}") for table in ("knocks", "reasons", "requests")]
    assert left == [0, 0, 1]


# --- at the same moment -------------------------------------------------------------------------------------------

MANY = "rules: [{{name: many, when: {{{}: {{more_than: 1, within: 1d, where: managed}}}}, then: forward}}]"


@pytest.mark.parametrize("counts", ["knocks", "knocks_from_server", "same_reason"])
async def test_of_two_knocks_that_are_judged_at_the_same_moment_the_later_one_counts_the_other(
    house: House, counts: str
) -> None:
    """Both have counted before either is written down."""
    await with_neighbours(house)
    as_ever, counted, both = house.arrivals._handlers[MemberChange], list[str](), asyncio.Event()

    async def together(context: Context, change: MemberChange) -> Handled:
        handled = await as_ever(context, change)
        counted.append(change.room_id)
        if len(counted) == 2:
            both.set()
        await both.wait()
        return handled

    for room_id in (GARDEN, ORCHARD):
        await house.set_policy(MANY.format(counts), room_id)
    house.arrivals._handlers = {**house.arrivals._handlers, MemberChange: together}
    for room_id, user_id in ((GARDEN, ANA), (ORCHARD, ANA if counts != "same_reason" else BEA)):
        house.world.knock(room_id, user_id, "apples")
    await house.later()
    await house.later()  # the later one is judged again after a moment

    rules = [await rule_in(house, room_id) for room_id in (GARDEN, ORCHARD)]
    assert sorted(rules) == ["many", "otherwise"]
    assert len(counted) == 3, "the later one was judged twice"


async def rule_in(house: House, room_id: str) -> str:
    """The rule that decided on the only request of a room."""
    async with house.db.tx() as tx:
        [row] = await tx.fetch("SELECT id FROM requests WHERE room_id = $1", room_id)
        decision = (await requests.get(tx, row["id"])).decision
    assert decision is not None
    return str(decision.rule)
