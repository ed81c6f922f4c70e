"""The worker: what is due is done once, ten at a time and one of a lane; whatever comes of it is written down."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from knockbot.demo.people import until
from knockbot.domain.jobs import JOBS, Act, Job, Lane, ReadList, Say
from knockbot.domain.model import Membership, State
from knockbot.domain.notices import loads
from knockbot.domain.reasons import foreign, in_words
from knockbot.engine import backoff as pauses
from knockbot.engine import worker as workers
from knockbot.engine.backoff import backoff
from knockbot.engine.worker import AT_ONCE, RECORDINGS, Done, Outcome, Overtaken, Run, Worker
from knockbot.errors import Later, Never
from knockbot.flow.context import Context
from knockbot.flow.working import hooks
from knockbot.store import jobs, processes
from knockbot.store.db import Database
from knockbot.store.jobs import Claimed
from tests.flow.house import GARDEN, MODS, House, housed, new_world, until_called
from tests.flow.world import ALICE, ANA, BOT, FAR

BOB = "@bob:tulip.example"
ACCEPT_ALL = "otherwise: accept"
REJECT_ALL = "otherwise: reject"


def job(key: str, *, room_id: str | None = None) -> Job[Say]:
    """Something to say, in a room of its own and so in a lane of its own, unless said otherwise."""
    return Job(key, room_id or f"!{key}", Say({}))


async def plan(house: House, *planned: Job[Any]) -> None:
    async with house.db.tx() as tx:
        await jobs.add(tx, planned, house.clock())


def worker_with(house: House, action: Run) -> Worker:
    """A worker that does everything by this one action."""
    return worker_of(house.context, action)


def worker_of(context: Context, run: Run) -> Worker:
    """The same for one of several processes."""
    return Worker(context, replace(hooks(context), run=run))


async def work(worker: Worker) -> None:
    """Until nothing is due."""
    while True:
        # What is under way holds others up, and may end while it is looked what is due.
        idle = not worker._running
        await worker._start_due()
        if idle and not worker._running:
            return
        await asyncio.gather(*worker._running)


def answering(*answers: Outcome | Exception) -> Run:
    """An action that answers like this, one after the other, and the last for ever."""
    left = list(answers)

    async def act(_: Claimed[Any]) -> Outcome:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return act


async def row(house: House, key: str) -> dict[str, Any]:
    async with house.db.tx() as tx:
        found = await tx.fetchrow("SELECT state, due_at, attempts, why, result FROM jobs WHERE key = $1", key)
    assert found is not None
    told = {name: found[name] for name in ("state", "due_at", "attempts", "result")}
    return told | {"why": in_words(loads(found["why"])) if found["why"] is not None else None}


async def knocked(house: House, user_id: str = ANA, reason: str = "hello") -> None:
    house.world.knock(GARDEN, user_id, reason)
    await house.live()


# --- what came of it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "state", "why"),
    [
        (Done("$message"), "done", None),
        (Overtaken(foreign("they were quicker")), "overtaken", "they were quicker"),
        (Never(foreign("they refuse.")), "given_up", "they refuse."),
    ],
)
async def test_what_came_of_an_act_is_written_down(
    house: House, answer: Outcome | Exception, state: str, why: str | None
) -> None:
    await plan(house, job("a"))
    await work(worker_with(house, answering(answer)))

    found = await row(house, "a")
    assert (found["state"], found["why"], found["attempts"]) == (state, why, 1)
    assert found["result"] == ("$message" if state == "done" else None)


@pytest.mark.parametrize(
    "error",
    [Later(foreign("busy")), TimeoutError(), KeyError("nobody thought of it"), ValueError("nul \x00 and \ud800")],
    ids=repr,
)
async def test_what_did_not_work_this_time_is_tried_again(house: House, error: Exception) -> None:
    await plan(house, job("a"))
    worker = worker_with(house, answering(error, Done("$message")))
    await work(worker)
    found = await row(house, "a")
    assert (found["state"], found["attempts"]) == ("due", 1)
    assert house.clock() < found["due_at"] <= house.clock() + 3000
    assert found["why"]

    house.clock.go_on(3)
    await work(worker)
    found = await row(house, "a")
    assert (found["state"], found["attempts"], found["result"]) == ("done", 2, "$message")


async def test_a_wish_of_the_homeserver_is_granted(house: House) -> None:
    await plan(house, job("a"))
    worker = worker_with(house, answering(Later(foreign("slow down"), retry_after=77.5), Done()))
    await work(worker)
    assert (await row(house, "a"))["due_at"] == house.clock() + 77_500


def test_pauses_double_up_to_an_hour_and_never_fall_together() -> None:
    for attempts in range(1, 30):
        pauses = {backoff(attempts) for _ in range(50)}
        middle = min(2.0 * 2 ** (attempts - 1), 3600.0)
        assert all(0.8 * middle <= pause <= 1.2 * middle for pause in pauses)
        assert len(pauses) > 1


async def test_an_act_that_hangs_is_unsure_in_the_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JOBS, Act.SAY, replace(JOBS[Act.SAY], patience=0.01))

    async def hang(_: Claimed[Any]) -> Outcome:
        await asyncio.Event().wait()
        return Done()

    await plan(house, job("a"))
    await work(worker_with(house, hang))
    found = await row(house, "a")
    assert found["state"] == "due"
    assert found["due_at"] > house.clock()


async def test_how_long_an_act_may_take_is_said_by_its_kind(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(JOBS, Act.SAY, replace(JOBS[Act.SAY], patience=0.01))
    enough = asyncio.Event()

    async def take_long(claimed: Claimed[Any]) -> Outcome:
        await enough.wait()
        return Done()

    await plan(house, job("quick"), Job("long", "!list", ReadList()))
    worker = worker_with(house, take_long)
    await worker._start_due()
    await asyncio.wait(worker._running, return_when=asyncio.FIRST_COMPLETED)
    assert (await row(house, "long"))["state"] == "running"
    enough.set()
    await asyncio.gather(*worker._running)
    assert ((await row(house, "quick"))["state"], (await row(house, "long"))["state"]) == ("due", "done")


async def test_what_goes_wrong_with_one_act_stops_no_other(house: House) -> None:
    async def act(claimed: Claimed[Any]) -> Outcome:
        if claimed.job.key == "bad":
            raise RuntimeError
        return Done()

    await plan(house, job("bad"), job("good"))
    await work(worker_with(house, act))
    assert await house.jobs() == {"bad": "due", "good": "done"}


# --- slow and silent servers --------------------------------------------------------------------------------------


async def test_a_server_that_is_silent_delays_its_own_applicants_only(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    house.world.play("invite", Later(foreign("their server is silent"), retry_after=100))
    for user_id in (FAR, "@far2:slow.example"):
        house.world.knock(GARDEN, user_id)
    await house.hear()
    await house.worker._start_due()
    for user_id in (ANA, "@quick:quick.example"):
        house.world.knock(GARDEN, user_id)
    await house.live()
    assert [house.membership(u) for u in (FAR, "@far2:slow.example", ANA, "@quick:quick.example")] == [
        "knock",
        "knock",
        "invite",
        "invite",
    ]
    house.world.knock(GARDEN, "@far3:slow.example")
    await house.later(50)
    assert house.membership("@far3:slow.example") == "knock"
    assert len(house.world.asked("invite")) == 3

    for _ in range(3):
        await house.later(101)
    assert {house.membership(u) for u in (FAR, "@far2:slow.example", "@far3:slow.example")} == {"invite"}


async def test_a_server_with_many_applicants_is_not_asked_more_often_than_one_with_one(house: House) -> None:
    """Its back-off is its own: each applicant must not begin it anew."""
    await house.set_policy(ACCEPT_ALL)
    house.world.play("invite", Later(foreign("their server is silent")), times=1000)
    for number in range(12):
        house.world.knock(GARDEN, f"@user{number}:slow.example")
    await house.live()
    for _ in range(120):
        await house.later(5)

    assert len(house.world.asked("invite")) <= 16


async def test_local_applicants_come_first_in_their_room(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    for user_id in (FAR, "@quick:quick.example", ANA, BOB):
        house.world.knock(GARDEN, user_id)
    await house.live()

    assert [call[2] for call in house.world.asked("invite")] == [ANA, BOB, FAR, "@quick:quick.example"]


async def test_a_room_waits_for_one_other_server_at_a_time(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    hold = asyncio.Event()
    house.world.play("invite", hang=hold)
    for user_id in (FAR, "@quick:quick.example"):
        house.world.knock(GARDEN, user_id)
    await house.hear()
    await until_called(house, "invite")

    house.world.knock(GARDEN, ANA)
    await house.hear()
    await house.worker._start_due()
    await until(lambda: state_of(house, ANA), lambda s: s is State.ACCEPTED, lambda s: f"ana is {s}")

    assert [call[2] for call in house.world.asked("invite")] == [FAR, ANA]
    hold.set()
    await house.live()
    assert house.membership("@quick:quick.example") == "invite"


async def test_a_server_that_kept_a_room_waiting_leaves_it_in_peace_for_longer(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    house.world.play("invite", Later(foreign("their server is silent")), meanwhile=lambda: house.clock.go_on(90))
    await knocked(house, FAR)

    await house.later(4 * 90 - 10)
    assert len(house.world.asked("invite")) == 1
    await house.later(11)
    assert house.membership(FAR) == "invite"


async def test_a_dead_server_is_asked_less_and_less_often_down_to_a_few_times_a_day(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    house.world.play("invite", Later(foreign("their server is silent")), times=1000)
    await knocked(house, FAR)
    hour = 3600
    for _ in range(24):
        await house.later(hour)
    first_day = len(house.world.asked("invite"))
    for _ in range(48):
        await house.later(hour)

    assert first_day <= 20
    assert 6 <= len(house.world.asked("invite")) - first_day <= 16


async def test_only_an_invite_waits_for_the_applicants_server(house: House) -> None:
    await house.set_policy("rules: [{when: {reason_matches: hello}, then: accept}]\notherwise: reject")
    house.world.play("invite", Later(foreign("their server is silent"), retry_after=1000))
    await knocked(house, FAR)
    await knocked(house, "@troll:slow.example", "no")
    assert (house.membership(FAR), house.membership("@troll:slow.example")) == ("knock", "leave")


# --- what cannot be done ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "call"), [(ACCEPT_ALL, "invite"), (REJECT_ALL, "kick"), ("otherwise: ban", "ban")])
async def test_an_answer_that_cannot_be_carried_out_is_the_moderators_again_with_the_reason(
    house: House, policy: str, call: str
) -> None:
    await house.set_policy(policy)
    house.world.play(call, Never(foreign("they refuse."), code="M_INVITE_BLOCKED"))
    await knocked(house)

    request = await house.request(ANA)
    assert request.awaits_moderators
    assert "they refuse." in house.card().text
    assert "given_up" in (await house.jobs()).values()


async def test_a_no_that_comes_after_they_withdrew_asks_nobody(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    house.world.play(
        "invite",
        Never(foreign("no."), code="M_FORBIDDEN"),
        meanwhile=lambda: house.world.change(GARDEN, ANA, ANA, "leave"),
    )
    await knocked(house)
    await house.later()

    request = await house.request(ANA)
    assert (request.state, request.trouble) == (State.WITHDRAWN, None)
    assert house.cards() == []


async def test_a_no_to_an_answer_that_was_replaced_leaves_the_new_answer_alone(house: House) -> None:
    """The invite was for the first knock; the second was judged meanwhile, and that word still stands."""
    await house.set_policy("rules: [{when: {reason_matches: friend}, then: accept}]\notherwise: reject")
    hold = asyncio.Event()
    house.world.play("invite", Never(foreign("they refuse."), code="M_INVITE_BLOCKED"), hang=hold)
    house.world.knock(GARDEN, FAR, "friend")
    await house.hear()
    await until_called(house, "invite")
    house.world.knock(GARDEN, FAR, "no")
    await house.hear()
    hold.set()
    await asyncio.gather(*house.worker._running)

    request = await house.request(FAR)
    assert request.answer is not None
    assert request.trouble is None
    await house.live()
    assert house.membership(FAR) == "leave"
    assert (await house.request(FAR)).by == BOT
    assert house.cards() == []


async def state_of(house: House, user_id: str) -> State:
    return (await house.request(user_id)).state


# --- a missing power ----------------------------------------------------------------------------------------------


async def test_what_lacks_power_waits_and_is_told_once_and_goes_on_when_it_is_there(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    house.world.rooms[GARDEN].levels["users"][BOT] = 0
    await knocked(house)
    await knocked(house, BOB)
    assert set((await house.jobs("blocked")).values()) == {"blocked"}
    assert len(house.spoken()) == 1
    await house.look_everywhere()
    await house.later(3600)
    assert len(house.spoken()) == 1
    assert (await house.request(ANA)).answer is not None

    house.world.set_levels(GARDEN, users={ALICE: 100, BOT: 50})
    await house.later()
    assert (house.membership(ANA), house.membership(BOB)) == ("invite", "invite")


async def test_what_there_is_power_for_again_is_done_though_other_power_is_missing(house: House) -> None:
    """To invite takes 25 here; that the bot may not ban must not keep anybody out."""
    house.world.rooms[GARDEN].levels |= {"invite": 25, "users": {ALICE: 100, BOT: 0}}
    await house.set_policy(ACCEPT_ALL)
    await knocked(house)
    assert await house.jobs("blocked") != {}
    house.world.set_levels(GARDEN, users={ALICE: 100, BOT: 25})
    await house.later()

    assert house.membership(ANA) == "invite"


async def test_a_missing_power_does_not_keep_the_worker_busy(house: House) -> None:
    await house.set_policy(REJECT_ALL)
    house.world.rooms[GARDEN].levels["users"][BOT] = 0
    await knocked(house)
    for _ in range(5):
        await house.look_everywhere()
        await house.later(60)

    assert len(house.world.asked("kick")) <= 2


@pytest.mark.parametrize(("policy", "membership"), [(REJECT_ALL, "leave"), ("otherwise: ban", "ban")])
async def test_a_reject_that_lacks_power_while_they_knock_again_is_kept_for_that_knock(
    house: House, policy: str, membership: str
) -> None:
    """Nobody else would ever answer it: the request has its answer."""
    await house.set_policy(policy)
    house.world.rooms[GARDEN].levels["users"][BOT] = 0
    for call in ("kick", "ban"):
        house.world.play(call, meanwhile=lambda: house.world.knock(GARDEN, ANA, "please"))
    await knocked(house)
    house.world.behave()
    house.world.set_levels(GARDEN, users={ALICE: 100, BOT: 50})
    await house.later()

    assert house.membership(ANA) == membership


async def test_a_target_above_the_bot_is_no_missing_power_but_the_moderators_matter(house: House) -> None:
    house.world.rooms[GARDEN].levels["users"][ANA] = 50
    await house.set_policy("otherwise: ban")
    await knocked(house)

    assert (await house.request(ANA)).awaits_moderators
    assert house.card().state == "pending"
    assert await house.jobs("blocked") == {}


async def test_what_was_due_while_the_bot_is_out_is_done_when_it_is_back(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    house.world.change(GARDEN, ALICE, BOT, "leave")
    await house.live()
    assert house.membership(ANA) == "knock"
    assert len(house.spoken()) == 1
    house.world.change(GARDEN, ALICE, BOT, "invite")
    await house.live()
    await house.later()

    assert house.membership(BOT) == "join"
    assert house.membership(ANA) == "invite"


async def test_a_card_that_could_not_be_posted_is_posted_when_the_bot_is_back_in_the_management_room(
    house: House,
) -> None:
    house.world.change(MODS, ALICE, BOT, "leave")
    await house.live()
    await knocked(house)
    assert house.cards() == []
    house.world.change(MODS, ALICE, BOT, "invite")
    await house.live()
    await house.later()

    assert house.card().state == "pending"
    assert house.card().offers != ()


async def test_a_card_that_was_given_up_is_posted_at_the_next_look(house: House) -> None:
    house.world.play("send", Never(foreign("the text is too long for an event."), code="M_TOO_LARGE"))
    await knocked(house)
    assert house.cards() == []
    await house.look_everywhere()
    await house.later()

    assert house.card().state == "pending"


# --- recording ----------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses between two attempts to write something down."""
    for module in (workers, pauses):
        monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)


AWAY = ConnectionError("the database is away")


def failing(real: Callable[..., Awaitable[Any]], times: int, error: Exception = AWAY) -> Callable[..., Awaitable[Any]]:
    """The same, but it fails so many times first."""
    left = [times]

    async def fail(*args: Any, **how: Any) -> Any:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return await real(*args, **how)

    return fail


@pytest.mark.parametrize(
    ("error", "times"), [(AWAY, 3 * RECORDINGS), (ValueError("no such outcome"), RECORDINGS - 1)], ids=["away", "fault"]
)
@pytest.mark.usefixtures("quick")
async def test_an_outcome_is_written_down_once_the_database_is_back(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception, times: int
) -> None:
    monkeypatch.setattr(jobs, "finish", failing(jobs.finish, times, error))
    await house.set_policy(ACCEPT_ALL)
    await knocked(house)

    assert (await house.request(ANA)).state == State.ACCEPTED
    assert len(house.world.asked("invite")) == 1


@pytest.mark.usefixtures("quick")
async def test_an_outcome_that_cannot_be_written_down_is_found_out_afresh(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when it is the outcome itself that the records do not take: to look again is better than to forget."""
    monkeypatch.setattr(jobs, "finish", failing(jobs.finish, RECORDINGS, ValueError("no such outcome")))
    await house.set_policy(ACCEPT_ALL)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    house.world.outbox.clear()
    await house.work()
    house.world.outbox.clear()  # its echo would tell
    assert (await house.request(ANA)).state == State.PENDING
    await house.later(60)

    assert (await house.request(ANA)).state == State.ACCEPTED
    assert len(house.world.asked("invite")) == 1


# --- how many at once ---------------------------------------------------------------------------------------------


class Crowd:
    """An action that counts who is in it, until it is told to let them go."""

    def __init__(self) -> None:
        self.now: Counter[Lane] = Counter()
        self.most = 0
        self.most_of_a_lane = 0
        self.order: list[str] = []
        self.go = asyncio.Event()

    async def __call__(self, claimed: Claimed[Any]) -> Outcome:
        self.now[claimed.job.lane] += 1
        self.most = max(self.most, self.now.total())
        self.most_of_a_lane = max(self.most_of_a_lane, *self.now.values())
        self.order.append(claimed.job.key)
        await self.go.wait()
        self.now[claimed.job.lane] -= 1
        return Done()


async def test_ten_acts_are_in_flight_at_most(house: House) -> None:
    crowd = Crowd()
    worker = worker_with(house, crowd)
    await plan(house, *(job(str(number)) for number in range(3 * AT_ONCE)))
    for _ in range(3):
        await worker._start_due()
        await asyncio.sleep(0)
    assert crowd.now.total() == AT_ONCE
    crowd.go.set()
    await work(worker)

    assert crowd.most == AT_ONCE
    assert set((await house.jobs()).values()) == {"done"}


async def test_of_a_lane_one_act_is_in_flight_and_the_others_follow_in_order(house: House) -> None:
    crowd = Crowd()
    worker = worker_with(house, crowd)
    await plan(house, *(job(f"{lane}{number}", room_id=f"!{lane}") for number in range(5) for lane in "ab"))
    await worker._start_due()
    await asyncio.sleep(0)
    assert sorted(crowd.order) == ["a0", "b0"]
    crowd.go.set()
    await work(worker)

    assert crowd.most_of_a_lane == 1
    assert [key for key in crowd.order if key[0] == "a"] == [f"a{number}" for number in range(5)]


async def test_of_lists_that_take_long_two_are_read_at_once_and_hold_up_nothing_else(house: House) -> None:
    crowd = Crowd()
    worker = worker_with(house, crowd)
    lists = [Job(f"{room_id} {turn}", room_id, ReadList()) for room_id in ("!a", "!b", "!c") for turn in (1, 2)]
    await plan(house, *lists)
    await worker._start_due()
    await plan(house, *(job(str(number)) for number in range(3 * AT_ONCE)))
    await worker._start_due()
    await asyncio.sleep(0)
    assert crowd.order[:2] == ["!a 1", "!b 1"]
    assert crowd.now.total() == AT_ONCE
    assert len([key for key in crowd.order if key.startswith("!")]) == 2
    crowd.go.set()
    await work(worker)
    assert crowd.most_of_a_lane == 1


async def test_in_a_room_one_local_and_one_remote_applicant_at_most_are_dealt_with_at_a_time(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    crowd = Crowd()
    worker = worker_with(house, crowd)
    for number in range(4):
        house.world.knock(GARDEN, f"@user{number}:server{number}.example")
    await house.hear()
    await worker._start_due()
    for number in range(4):
        house.world.knock(GARDEN, f"@user{number}:tulip.example")
    await house.hear()
    await worker._start_due()
    await asyncio.sleep(0)
    assert crowd.now.total() == 2
    assert sorted(lane.name.rpartition(" ")[2] for lane in crowd.now) == ["away", "home"]
    crowd.go.set()
    await work(worker)
    assert crowd.most_of_a_lane == 1


# --- the loop -----------------------------------------------------------------------------------------------------


async def test_the_loop_takes_up_what_is_planned_while_it_waits(house: House) -> None:
    worker = worker_with(house, answering(Done()))
    loop = asyncio.create_task(worker.run())
    try:
        await plan(house, job("a"))
        house.context.wakeups.jobs.set()
        await until(house.jobs, lambda found: found == {"a": "done"}, str)
        await plan(house, job("b"))  # nobody rings
        await until(house.jobs, lambda found: found == {"a": "done", "b": "done"}, str)
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    """The loop, for as long as the block lasts."""
    waits, as_ever = asyncio.Event(), worker._wait

    async def wait() -> None:
        waits.set()
        await as_ever()

    worker._wait = wait  # type: ignore[method-assign]  # to hear when it has begun all that was due
    loop = asyncio.create_task(worker.run())
    try:
        await waits.wait()
        yield
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        await worker.drain(0)


async def test_on_sqlite_what_a_turn_has_planned_is_taken_on_by_the_same_commit(ready_sqlite_url: str) -> None:
    crowd = Crowd()
    async with housed(ready_sqlite_url) as house, running(worker_with(house, crowd)):
        async with house.context.turn() as turn:
            await turn.plan(job("a"), job("b", room_id="!a"), job("c"))
        assert await house.jobs() == {"a": "running", "b": "due", "c": "running"}
        await asyncio.sleep(0)
        assert crowd.order == ["a", "c"]


async def test_what_a_turn_that_came_to_nothing_had_planned_is_not_begun(ready_sqlite_url: str) -> None:
    crowd = Crowd()
    async with housed(ready_sqlite_url) as house, running(worker_with(house, crowd)):
        with suppress(ValueError):
            async with house.context.turn() as turn:
                await turn.plan(job("a"))
                raise ValueError
        await asyncio.sleep(0.01)
        assert (await house.jobs(), crowd.order) == ({}, [])


async def test_turns_take_on_no_more_than_the_worker_has_room_for(ready_sqlite_url: str) -> None:
    crowd = Crowd()
    async with housed(ready_sqlite_url) as house, running(worker_with(house, crowd)):
        for number in range(AT_ONCE + 3):
            async with house.context.turn() as turn:
                await turn.plan(job(str(number)))
        await asyncio.sleep(0.01)
        assert crowd.now.total() == AT_ONCE
        crowd.go.set()
        await until(house.jobs, lambda found: {*found.values()} == {"done"}, str)
        assert crowd.most == AT_ONCE


async def test_what_was_taken_on_by_a_turn_and_died_before_it_began_looks_first(
    ready_sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = Crowd()
    house = await House(ready_sqlite_url, new_world()).open()
    worker = worker_with(house, crowd)
    async with running(worker):
        monkeypatch.setattr(worker, "start", lambda _: None)  # SIGKILL right after the commit
        async with house.context.turn() as turn:
            await turn.plan(job("a"))
    await house.die()
    await house.open()
    [claimed] = await jobs.claim(house.db, house.clock(), 10)
    assert claimed.tried_before
    await house.close()


async def test_what_is_in_flight_at_the_end_comes_to_its_end(house: House) -> None:
    crowd = Crowd()
    worker = worker_with(house, crowd)
    await plan(house, job("a"))
    await worker._start_due()
    await asyncio.sleep(0)
    draining = asyncio.create_task(worker.drain(30))
    crowd.go.set()
    await draining

    assert await house.jobs() == {"a": "done"}


async def test_what_takes_too_long_at_the_end_is_due_again_for_the_next_process(house: House) -> None:
    worker = worker_with(house, Crowd())
    await plan(house, job("a"))
    await worker._start_due()
    await worker.drain(0.01)
    async with house.db.tx() as tx:
        await processes.leave(tx, house.db.process)

    [claimed] = await jobs.claim(house.db, house.clock(), 10)
    assert claimed.tried_before


# --- processes ----------------------------------------------------------------------------------------------------


async def test_a_process_that_dies_between_claim_and_outcome_leaves_the_act_to_the_next(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    hold = asyncio.Event()
    house.world.play("invite", hang=hold)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    await until_called(house, "invite")
    await house.die()
    assert house.membership(ANA) == "knock"
    await house.start_again()
    await house.live()

    assert house.membership(ANA) == "invite"
    assert (await house.request(ANA)).state == State.ACCEPTED


async def test_a_process_that_dies_after_its_act_leaves_nothing_to_be_done_twice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.set_policy(ACCEPT_ALL)
    house.world.play("invite", Later(foreign("lost")), done=True)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    monkeypatch.setattr(house.worker, "_record", _never)
    await until_called(house, "invite")
    await house.die()
    house.world.outbox.clear()
    await house.start_again()
    await house.live()

    assert len(house.world.asked("invite")) == 1
    assert (await house.request(ANA)).state == State.ACCEPTED


async def _never(*_: object) -> None:
    await asyncio.Event().wait()


@pytest.fixture
async def shared(ready_postgres_url: str) -> AsyncIterator[House]:
    """A knockbot that shares its database."""
    async with housed(ready_postgres_url) as house:
        yield house


@pytest.fixture
async def other(shared: House) -> AsyncIterator[Context]:
    """The second process on it."""
    db = await Database.open(shared.url)
    yield shared.new_context(db)
    await db.close()


async def test_processes_share_the_work_and_do_nothing_twice(shared: House, other: Context) -> None:
    crowd = Crowd()
    crowd.go.set()
    workers_at_work = [worker_with(shared, crowd), worker_of(other, crowd)]
    await plan(shared, *(job(f"{lane}.{n}", room_id=f"!{lane}") for n in range(6) for lane in range(8)))

    async def work_until_done(worker: Worker) -> None:
        async with asyncio.timeout(60):
            while await shared.jobs("due", "running"):
                await work(worker)

    await asyncio.gather(*map(work_until_done, workers_at_work))
    assert sorted(crowd.order) == sorted(f"{lane}.{n}" for n in range(6) for lane in range(8))
    assert crowd.most_of_a_lane == 1


async def test_a_process_that_was_taken_for_dead_does_not_undo_what_another_did_for_it(
    shared: House, other: Context
) -> None:
    """It stood still for a while; its unsure outcome must not make due again what has been done."""
    hold = asyncio.Event()

    async def unsure(_: Claimed[Any]) -> Outcome:
        await hold.wait()
        raise Later(foreign("no answer"))

    slow = worker_with(shared, unsure)
    await plan(shared, job("a"))
    await slow._start_due()
    await asyncio.sleep(0)
    shared.clock.go_on(processes.SILENCE / 1000 + 1)
    async with other.db.tx() as tx:
        await processes.beat(tx, other.db.process, shared.clock())
        await processes.bury(tx, other.db.process, shared.clock(), alone=False)
    await work(worker_of(other, answering(Done("$message"))))
    assert await shared.jobs() == {"a": "done"}
    hold.set()
    await asyncio.gather(*slow._running)

    assert await shared.jobs() == {"a": "done"}


# --- following the request ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "membership", "state"),
    [(ACCEPT_ALL, Membership.INVITE, State.ACCEPTED), (REJECT_ALL, Membership.LEAVE, State.REJECTED)],
)
async def test_a_request_follows_its_act_without_waiting_for_the_echo(
    house: House, policy: str, membership: Membership, state: State
) -> None:
    await house.set_policy(policy)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    await house.work()

    assert (house.membership(ANA), (await house.request(ANA)).state) == (membership, state)


async def test_an_act_that_finds_the_wanted_state_takes_it_as_it_is(house: House) -> None:
    await house.set_policy(ACCEPT_ALL)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    house.world.change(GARDEN, ALICE, ANA, "invite")
    house.world.outbox.clear()
    await house.live()

    request = await house.request(ANA)
    assert (request.state, request.by) == (State.ACCEPTED, ALICE)
    assert house.world.asked("invite") == []
    assert "done" in (await house.jobs()).values()
