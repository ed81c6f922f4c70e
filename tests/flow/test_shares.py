"""What one room takes long to decide delays no other room: it is done in a thread, within the room's share of time."""

from __future__ import annotations

import asyncio
import threading

import pytest

from knockbot.domain.model import State
from knockbot.domain.policy import Policy, parse_policy
from knockbot.errors import Busy, Fault
from knockbot.flow import rules
from knockbot.flow.compiled import Compiled
from knockbot.flow.workbench import AT_ONCE, MOST_WAITING, SHARE, Workbench
from knockbot.store.inbox import Queue
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BEA, BOT, Clock, levels_for

POND = "!pond:tulip.example"

COSTLY = "rules: [{when: {reason_matches: '[ab].{700}Z'}, then: ban}]\notherwise: accept"
LONG = "ab" * 700
"""A reason that this pattern takes long for."""


class Stopwatch:
    """CPU time by which each piece of work takes so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.seconds * (self.looks // 2)


def bench(seconds: float, clock: Clock | None = None) -> Workbench:
    return Workbench(clock or Clock(), Stopwatch(seconds))


# --- shares -------------------------------------------------------------------------------------------------------


async def test_a_room_that_has_used_up_its_share_has_to_wait_and_others_have_not() -> None:
    workbench = bench(AT_ONCE)
    assert await workbench.work_out(GARDEN, lambda: 1) == 1

    with pytest.raises(Busy) as busy:
        await workbench.work_out(GARDEN, lambda: 2)
    assert busy.value.retry_after
    assert not busy.value.is_failure
    assert await workbench.work_out(POND, lambda: 3) == 3


async def test_a_share_comes_back_with_time() -> None:
    clock = Clock()
    workbench = bench(AT_ONCE + 60 * SHARE, clock)
    await workbench.work_out(GARDEN, lambda: 1)

    clock.go_on(59)
    with pytest.raises(Busy):
        await workbench.work_out(GARDEN, lambda: 2)
    clock.go_on(2)
    assert await workbench.work_out(GARDEN, lambda: 3) == 3


async def test_what_fails_is_paid_for_as_well() -> None:
    workbench = bench(AT_ONCE)

    def fail() -> None:
        raise Fault("wrong")

    with pytest.raises(Fault):
        await workbench.work_out(GARDEN, fail)
    with pytest.raises(Busy):
        await workbench.work_out(GARDEN, fail)


async def test_few_rooms_wait_for_the_thread_at_a_time() -> None:
    workbench, hold = bench(0), threading.Event()
    waiting = [asyncio.create_task(workbench.work_out(f"!{n}", hold.wait)) for n in range(MOST_WAITING)]
    try:
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await workbench.work_out(GARDEN, lambda: None)
    finally:
        hold.set()
        await asyncio.gather(*waiting)
    await workbench.work_out(GARDEN, lambda: None)


# --- at the door --------------------------------------------------------------------------------------------------


async def with_pond(house: House) -> None:
    """A second room, by whose policy everybody comes in."""
    house.world.room(POND, "Pond", ALICE, BOT, levels=levels_for())
    await house.protect(POND, policy="otherwise: accept")
    await house.set_policy(COSTLY)
    await rules.look_up(house.context, GARDEN)
    await rules.look_up(house.context, POND)


async def test_a_knock_that_takes_long_to_judge_delays_nobody_at_another_door(house: House) -> None:
    await with_pond(house)
    hold = threading.Event()
    holding = asyncio.create_task(house.context.workbench.work_out("!other", hold.wait))
    try:
        house.world.knock(GARDEN, ANA, LONG)
        house.world.knock(POND, BEA, "hello")
        await house.deliver()
        await house.arrivals._start_rooms()
        await house.arrivals._busy[Queue(POND)]

        assert [request.state for request in await house.requests(BEA, POND)] == [State.PENDING]
        assert (await house.request(BEA, POND)).answer is not None
        assert await house.requests(ANA) == []
    finally:
        hold.set()
        await holding
    await house.live()
    assert (await house.request(ANA)).state is State.ACCEPTED


async def test_a_short_reason_is_judged_on_the_spot(house: House) -> None:
    await with_pond(house)
    hold = threading.Event()
    holding = asyncio.create_task(house.context.workbench.work_out("!other", hold.wait))
    try:
        house.world.knock(GARDEN, ANA, "hello")
        await house.live()
        assert (await house.request(ANA)).state is State.ACCEPTED
    finally:
        hold.set()
        await holding


async def test_who_knocks_at_a_room_that_has_used_up_its_share_is_judged_later_and_not_lost(house: House) -> None:
    await with_pond(house)
    house.furnish(workbench=bench(AT_ONCE + 60 * SHARE, house.clock))
    house.world.knock(GARDEN, ANA, LONG)
    house.world.knock(GARDEN, BEA, LONG)
    house.world.knock(POND, BEA, "hello")
    await house.live()
    assert (await house.request(ANA)).state is State.ACCEPTED
    assert await house.requests(BEA) == []
    assert (await house.request(BEA, POND)).state is State.ACCEPTED

    for _ in range(20):  # more often than a failure is forgiven
        await house.later(2)
    assert await house.requests(BEA) == []
    await house.later(60)
    assert (await house.request(BEA)).state is State.ACCEPTED
    assert await house.set_aside() == []


async def test_a_look_at_a_room_goes_on_where_its_share_came_to_an_end(house: House) -> None:
    await with_pond(house)
    house.furnish(workbench=bench(AT_ONCE + 60 * SHARE, house.clock))
    people = [f"@p{number}:tulip.example" for number in range(3)]
    for person in people:
        house.world.knock(GARDEN, person, LONG)
    house.world.outbox.clear()
    await house.look_everywhere()
    for known in (1, 2, 3):
        await house.later(200)
        assert [len(await house.requests(person)) for person in people] == [1] * known + [0] * (3 - known)


async def test_asking_what_a_policy_would_do_is_at_the_expense_of_who_asks(house: House) -> None:
    await with_pond(house)
    house.furnish(workbench=bench(AT_ONCE, house.clock))
    for _ in range(2):
        house.tell(f"test {GARDEN} {ANA} {LONG}")
    house.world.knock(GARDEN, ANA, LONG)
    await house.live()

    assert (await house.request(ANA)).state is State.ACCEPTED
    first, second = [
        text for text in house.spoken() if "nothing is done" in text or text.startswith("I cannot do this now")
    ]
    assert "accept" in first
    assert second.startswith("I cannot do this now: this room has used its share")


# --- compiled policies --------------------------------------------------------------------------------------------


async def test_a_policy_is_compiled_once_per_revision(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def count(text: str) -> Policy:
        read.append(text)
        return parse_policy({"announce": "none", "otherwise": "accept"})

    monkeypatch.setattr(rules, "read_known_policy", count)
    house.tell(f"policy set {GARDEN}\notherwise: accept")
    await house.live()
    house.world.knock(GARDEN, ANA)
    await house.live()
    assert read == []  # it was compiled when it was set

    await house.set_policy("{announce: none, otherwise: accept}")
    house.world.knock(GARDEN, BEA)
    house.world.knock(GARDEN, "@cleo:tulip.example")
    await house.later()
    assert read == ["{announce: none, otherwise: accept}"]
    assert house.context.policies.rooms == [GARDEN]


async def test_what_was_compiled_and_not_put_in_force_is_not_in_force(house: House) -> None:
    house.world.rooms[GARDEN].levels["users"]["@bob:tulip.example"] = 0
    house.world.change(GARDEN, "@bob:tulip.example", "@bob:tulip.example", "join")
    house.world.change(MODS, "@bob:tulip.example", "@bob:tulip.example", "join")
    house.tell(f"policy set {GARDEN}\notherwise: ban", by="@bob:tulip.example")
    await house.live()

    assert (await rules.look_up(house.context, GARDEN)).policy.otherwise == "forward"


def test_only_as_many_policies_are_kept_as_there_is_room_for() -> None:
    policy = parse_policy({"rules": [{"when": {"reason_matches": "a"}, "then": "ban"}]})
    kept = Compiled(policy.memory * 2)
    for number in range(5):
        kept.keep(f"!{number}", 1, policy)
        kept.find("!0", 1)
    assert kept.rooms == ["!4", "!0"]

    kept.keep("!4", 2, policy)
    assert kept.find("!4", 1) is None
    assert kept.find("!4", 2) is policy
    kept.drop("!4")
    assert kept.rooms == ["!0"]
