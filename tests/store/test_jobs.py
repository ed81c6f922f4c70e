"""Intended acts are rows before they are calls: each is planned once, and runs once, one of a lane at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from knockbot.demo.people import until
from knockbot.domain.jobs import Act, Ban, EditPrompt, Invite, Job, Kick, Lane, Payload, Say
from knockbot.domain.model import Knock, Membership
from knockbot.domain.notices import dumps
from knockbot.domain.reasons import foreign
from knockbot.store import jobs, processes, prompts
from knockbot.store.db import Database, Tx
from knockbot.store.jobs import Claimed
from tests.store.samples import GARDEN, MODS, NOW, STORABLE, away, job, opened

BEA = Knock(GARDEN, "@bea:tulip.example", "$bea")
FULL = Invite(
    "@ana:far.example",
    1,
    (Membership.LEAVE, Membership.KNOCK),
    on_behalf_of="@mod:tulip.example",
    reason="Welcome",
    told=foreign("welcome"),
    instead=True,
    knock="$knock",
    server="far.example",
)


async def add(db: Database, *planned: Job[Any], now: int = NOW, due_at: int | None = None) -> None:
    async with db.tx() as tx:
        await jobs.add(tx, planned, now, due_at=due_at)


async def claim(db: Database, now: int = NOW, limit: int = 100) -> list[Claimed[Any]]:
    return await jobs.claim(db, now, limit)


async def keys_claimed(db: Database, now: int = NOW, limit: int = 100) -> list[str]:
    return [claimed.job.key for claimed in await claim(db, now, limit)]


async def finish(db: Database, claimed: Claimed[Any], state: str = "done", **how: Any) -> None:
    async with db.tx() as tx:
        await jobs.finish(tx, claimed.id, state, NOW + 1, **how)


async def postpone(db: Database, claimed: Claimed[Any], due_at: int) -> None:
    async with db.tx() as tx:
        await jobs.postpone(tx, claimed.id, due_at, foreign("busy"))


async def row_of(db: Database, key: str) -> dict[str, Any]:
    async with db.tx() as tx:
        row = await tx.fetchrow("SELECT * FROM jobs WHERE key = $1", key)
        assert row is not None
        return {name: row[name] for name in ("state", "due_at", "attempts", "claimed_by", "result", "why", "ended_at")}


async def states(db: Database) -> dict[str, str]:
    async with db.tx() as tx:
        return {row["key"]: row["state"] for row in await tx.fetch("SELECT key, state FROM jobs ORDER BY id")}


# --- planned ------------------------------------------------------------------------------------------------------


async def test_every_field_of_a_job_is_read_back_when_it_is_claimed(db: Database) -> None:
    request = await opened(db)
    full = Job("invite:1:$knock", GARDEN, replace(FULL, request_id=request.id))
    await add(db, full)

    [claimed] = await claim(db)
    assert claimed.job == full
    assert (claimed.attempts, claimed.created_at, claimed.result) == (1, NOW, None)
    assert not claimed.tried_before


async def test_what_cannot_be_read_is_given_up_and_stops_nothing_else(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await add(db, *(job(key) for key in ("no act", "no json", "no payload", "good")))
    async with db.tx() as tx:
        await tx.execute("UPDATE jobs SET act = 'sing' WHERE key = 'no act'")
        await tx.execute("UPDATE jobs SET payload_json = '[' WHERE key = 'no json'")
        await tx.execute("""UPDATE jobs SET payload_json = '{"line": 5}' WHERE key = 'no payload'""")

    assert await keys_claimed(db) == ["good"]
    assert await states(db) == {
        "no act": "given_up",
        "no json": "given_up",
        "no payload": "given_up",
        "good": "running",
    }
    assert len(caplog.records) == 3


async def test_strangers_text_in_a_job_is_read_back_to_the_letter(db: Database) -> None:
    planned = [
        job(f"{number}{text[:100]}", Invite(text, reason=text, on_behalf_of=text[:1000]), room_id=text[:255] or "!")
        for number, text in enumerate(STORABLE.values())
    ]
    await add(db, *planned)

    assert {claimed.job.key: claimed.job for claimed in await claim(db)} == {one.key: one for one in planned}


async def test_planning_the_same_act_twice_is_planning_it_once(db: Database) -> None:
    await add(db, job("a", Say({"plain": "first"})), job("a", Say({"plain": "second"})))
    await add(db, job("a", Say({"plain": "third"})))

    [claimed] = await claim(db)
    assert claimed.job.payload == Say({"plain": "first"})


@pytest.mark.parametrize("ended", ["done", "overtaken", "given_up"])
async def test_an_act_that_has_come_to_an_end_is_not_planned_again(db: Database, ended: str) -> None:
    await add(db, job("a"))
    [claimed] = await claim(db)
    await finish(db, claimed, ended)
    await add(db, job("a"))

    assert await claim(db) == []
    assert await states(db) == {"a": ended}


# --- claimed ------------------------------------------------------------------------------------------------------


async def test_what_is_not_due_yet_is_left_alone(db: Database) -> None:
    await add(db, job("later"), due_at=NOW + 1)
    await add(db, job("now"))

    assert await keys_claimed(db, NOW) == ["now"]
    assert await keys_claimed(db, NOW + 1) == ["later"]


async def test_what_is_due_longest_comes_first(db: Database) -> None:
    for key, due_at in (("c", 30), ("a", 10), ("d", 30), ("b", 20)):
        await add(db, job(key), due_at=NOW - 100 + due_at)

    assert await keys_claimed(db, limit=3) == ["a", "b", "c"]
    assert await keys_claimed(db) == ["d"]


async def test_a_job_is_claimed_once(db: Database) -> None:
    await add(db, job("a"))

    assert await keys_claimed(db) == ["a"]
    assert await keys_claimed(db) == []
    assert (await row_of(db, "a"))["claimed_by"] == db.process


async def test_a_lane_runs_one_job_at_a_time_in_order(db: Database) -> None:
    await add(db, *(job(key, room_id="!said") for key in "abc"), job("x"))

    [first, beside] = await claim(db)
    assert (first.job.key, beside.job.key) == ("a", "x")
    assert await keys_claimed(db) == []
    await finish(db, first)
    assert await keys_claimed(db) == ["b"]


async def test_a_postponed_job_lets_the_rest_of_its_lane_pass(db: Database) -> None:
    await add(db, *(job(key, room_id="!said") for key in "ab"))
    [first] = await claim(db)
    await postpone(db, first, NOW + 100)

    assert await keys_claimed(db) == ["b"]


async def test_a_limit_is_kept_over_all_lanes(db: Database) -> None:
    await add(db, *(job(str(number)) for number in range(30)))

    assert [len(await claim(db, limit=limit)) for limit in (10, 10, 0, 100)] == [10, 10, 0, 10]


async def test_processes_never_claim_the_same_job_or_run_two_of_a_lane(pair: tuple[Database, Database]) -> None:
    one, _ = pair
    lanes = 6
    await add(one, *(job(f"{lane}.{n}", room_id=f"!{lane}") for n in range(8) for lane in range(lanes)))
    running: Counter[Lane] = Counter()
    seen: list[str] = []

    async def work(db: Database) -> None:
        while len(seen) < 8 * lanes:
            for claimed in await claim(db, limit=4):
                running[claimed.job.lane] += 1
                assert running[claimed.job.lane] == 1
                seen.append(claimed.job.key)
                await asyncio.sleep(0)
                running[claimed.job.lane] -= 1
                await finish(db, claimed)

    async with asyncio.timeout(60):
        await asyncio.gather(*(work(db) for db in pair for _ in range(2)))
    assert sorted(seen) == sorted(f"{lane}.{n}" for n in range(8) for lane in range(lanes))
    for lane in range(lanes):
        assert [key for key in seen if key.startswith(f"{lane}.")] == [f"{lane}.{n}" for n in range(8)]


async def test_a_job_that_another_process_is_just_claiming_is_passed_over(pair: tuple[Database, Database]) -> None:
    """Waiting for it would hold up what else is due."""
    one, other = pair
    await add(one, job("a"), job("b"))
    async with one.tx() as tx:
        await tx.execute("UPDATE jobs SET state = 'running', claimed_by = 'one' WHERE key = 'a'")
        async with asyncio.timeout(60):
            assert await keys_claimed(other) == ["b"]


async def test_the_database_itself_keeps_a_lane_to_one_running_job(pair: tuple[Database, Database]) -> None:
    """When two processes take two jobs of a lane in the same instant, one of them takes nothing this time."""
    one, other = pair
    await add(one, job("a", room_id="!said"), job("b", room_id="!said"))
    async with one.tx() as tx:
        await tx.execute("UPDATE jobs SET state = 'running', claimed_by = 'one' WHERE key = 'b'")
        claiming = asyncio.create_task(claim(other))
        await until(partial(_waiting_for_locks, tx), bool, lambda _: "nobody waits for the lane")

    assert await claiming == []
    assert await states(one) == {"a": "due", "b": "running"}


async def _waiting_for_locks(tx: Tx) -> int:
    return int(await tx.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))


# --- what came of it ----------------------------------------------------------------------------------------------


async def test_what_came_of_a_job_is_kept(db: Database) -> None:
    await add(db, *(job(key) for key in ("done", "overtaken", "given_up")))
    for claimed in await claim(db):
        await finish(db, claimed, claimed.job.key, result=f"${claimed.job.key}", why=foreign("because"))

    for key in ("done", "overtaken", "given_up"):
        assert await row_of(db, key) == {
            "state": key,
            "due_at": NOW,
            "attempts": 1,
            "claimed_by": None,
            "result": f"${key}",
            "why": dumps(foreign("because")),
            "ended_at": NOW + 1,
        }


async def test_a_postponed_job_is_due_again_then_and_is_known_to_have_been_tried(db: Database) -> None:
    await add(db, job("a"))
    [claimed] = await claim(db)
    await postpone(db, claimed, NOW + 50)
    row = await row_of(db, "a")
    assert (row["state"], row["due_at"], row["why"], row["claimed_by"]) == (
        "due",
        NOW + 50,
        dumps(foreign("busy")),
        None,
    )

    assert await claim(db, NOW + 49) == []
    [again] = await claim(db, NOW + 50)
    assert again.attempts == 2
    assert again.tried_before


async def test_the_echo_of_a_message_outlives_an_unsure_answer(db: Database) -> None:
    await add(db, job("a"))
    [claimed] = await claim(db)
    async with db.tx() as tx:
        assert await jobs.echo_of(tx, claimed.id) is None
        await jobs.echoed(tx, "a", "$message")
        await jobs.echoed(tx, "of another knockbot", "$theirs")
    await postpone(db, claimed, NOW)

    [again] = await claim(db)
    assert again.result == "$message"
    async with db.tx() as tx:
        assert await jobs.echo_of(tx, again.id) == "$message"
    await finish(db, again)
    assert (await row_of(db, "a"))["result"] == "$message"


async def test_the_echo_of_what_cannot_be_read_is_nothing_to_go_by(db: Database) -> None:
    await add(db, job("a"))
    async with db.tx() as tx:
        await tx.execute("UPDATE jobs SET payload_json = '[]' WHERE key = 'a'")
        assert await jobs.echoed(tx, "a", "$message") is None


async def test_what_is_blocked_in_a_room_waits_until_it_is_unblocked(db: Database) -> None:
    await add(db, job("here", room_id=GARDEN), job("there", room_id="!other"))
    for claimed in await claim(db):
        async with db.tx() as tx:
            await jobs.block(tx, claimed.id, foreign("my power is too low"))
    assert await claim(db, NOW + 10**9) == []
    row = await row_of(db, "here")
    assert (row["state"], row["why"], row["claimed_by"]) == ("blocked", dumps(foreign("my power is too low")), None)

    async with db.tx() as tx:
        await jobs.unblock(tx, GARDEN, NOW + 5)
    assert await keys_claimed(db, NOW + 5) == ["here"]
    assert (await states(db))["there"] == "blocked"


async def test_a_blocked_job_does_not_hold_its_lane(db: Database) -> None:
    await add(db, job("a", room_id="!said"), job("b", room_id="!said"))
    [first] = await claim(db)
    async with db.tx() as tx:
        await jobs.block(tx, first.id, foreign("my power is too low"))

    assert await keys_claimed(db) == ["b"]


async def test_a_silent_server_is_set_aside_and_no_other(db: Database) -> None:
    await add(
        db,
        away("slow1", "slow.example"),
        away("slow2", "slow.example"),
        away("quick", "quick.example"),
        job("home"),
    )
    await add(db, away("patient", "slow.example"), due_at=NOW + 500)
    async with db.tx() as tx:
        await jobs.postpone_server(tx, "slow.example", NOW + 100)

    assert await keys_claimed(db, NOW) == ["quick", "home"]
    [first] = await claim(db, NOW + 100)
    await finish(db, first)
    [second] = await claim(db, NOW + 100)
    assert [first.job.key, second.job.key] == ["slow1", "slow2"]
    await finish(db, second)
    assert await keys_claimed(db, NOW + 500) == ["patient"]


async def test_one_act_at_a_time_waits_for_a_server_in_however_many_rooms(db: Database) -> None:
    await add(db, *(away(f"slow{room}", "slow.example", f"!{room}") for room in range(12)))
    await add(db, away("behind", "quick.example", "!3"), job("home", Kick("@ana:a")))

    assert await keys_claimed(db, limit=10) == ["slow0", "home"]
    assert await keys_claimed(db, limit=10) == ["behind"]
    assert await keys_claimed(db, limit=10) == []


async def test_what_needs_another_server_comes_after_all_that_needs_none_in_its_room(db: Database) -> None:
    elsewhere = [away(name, f"{name}.example", name) for name in ("!garden", "!pond")]
    home = [job(f"home{number}", Kick("@ana:a"), room_id="!garden") for number in range(2)]
    await add(db, *elsewhere, *home, job("said", room_id="!garden"))

    claimed = {one.job.key: one for one in await claim(db)}
    assert set(claimed) == {"!pond", "home0", "said"}
    assert await keys_claimed(db) == []  # for home0 is still under way
    await finish(db, claimed["home0"])
    [second] = await claim(db)
    assert second.job.key == "home1"
    await postpone(db, second, NOW + 100)
    assert await keys_claimed(db) == ["!garden"]


async def test_a_server_that_was_silent_is_not_asked_for_another_before_it_is_asked_again(db: Database) -> None:
    await add(db, away("first", "slow.example"))
    [first] = await claim(db)
    await postpone(db, first, NOW + 100)

    await add(db, away("second", "slow.example"), away("other", "quick.example"))

    assert await keys_claimed(db, NOW + 99) == ["other"]
    [first] = await claim(db, NOW + 100)
    await finish(db, first)
    assert await keys_claimed(db, NOW + 100) == ["second"]


async def test_what_was_to_be_done_to_an_applicant_is_not_needed_once_the_request_is_settled(db: Database) -> None:
    request, other = await opened(db), await opened(db, BEA)
    them = request.user_id
    acts: list[Payload] = [Invite(them, request.id), Kick(them, request.id), Ban(them, request.id), Say({}, request.id)]
    await add(db, *(job(type(act).__name__.lower(), act) for act in acts))
    await add(db, job("blocked", Kick(them, request.id)), job("other", Kick(BEA.user_id, other.id)))
    await add(db, job("running", Ban(them, request.id)), due_at=NOW - 1)
    [running] = await claim(db, limit=1)
    assert running.job.key == "running"
    async with db.tx() as tx:
        await tx.execute("UPDATE jobs SET state = 'blocked' WHERE key = 'blocked'")
        await jobs.overtake(tx, request.id, foreign("they withdrew"), NOW + 3)

    assert await states(db) == {
        "invite": "overtaken",
        "kick": "overtaken",
        "ban": "overtaken",
        "say": "due",
        "blocked": "overtaken",
        "other": "due",
        "running": "running",
    }
    row = await row_of(db, "invite")
    assert (row["why"], row["ended_at"]) == (dumps(foreign("they withdrew")), NOW + 3)


# --- edits --------------------------------------------------------------------------------------------------------


async def planned_edit(db: Database, due_at: int) -> int:
    async with db.tx() as tx:
        card = await prompts.new(tx, MODS, "card", GARDEN, NOW)
        await jobs.add(tx, [job("edit", EditPrompt(card.id))], NOW, due_at=due_at)
    return card.id


async def hurry(db: Database, prompt_id: int, due_at: int) -> bool:
    async with db.tx() as tx:
        return await jobs.hurry_edit(tx, prompt_id, due_at)


async def test_edits_that_wait_are_one_edit_at_the_earliest_of_their_times(db: Database) -> None:
    card = await planned_edit(db, NOW + 100)

    assert await hurry(db, card, NOW + 50)
    assert await hurry(db, card, NOW + 200)
    assert (await row_of(db, "edit"))["due_at"] == NOW + 50


async def test_an_edit_that_failed_keeps_its_time(db: Database) -> None:
    """Else each new reason to edit would ask a homeserver that wants to be left alone."""
    card = await planned_edit(db, NOW)
    [claimed] = await claim(db)
    await postpone(db, claimed, NOW + 100)

    assert await hurry(db, card, NOW)
    assert (await row_of(db, "edit"))["due_at"] == NOW + 100


async def test_an_edit_under_way_may_have_missed_what_is_new(db: Database) -> None:
    card = await planned_edit(db, NOW)
    [claimed] = await claim(db)
    assert not await hurry(db, card, NOW)
    await finish(db, claimed)
    assert not await hurry(db, card, NOW)


async def test_the_edit_of_one_card_does_not_stand_for_another(db: Database) -> None:
    await planned_edit(db, NOW)
    async with db.tx() as tx:
        other = await prompts.new(tx, MODS, "card", GARDEN, NOW)

    assert not await hurry(db, other.id, NOW)


# --- looking ------------------------------------------------------------------------------------------------------


async def test_what_acts_of_a_kind_were_aimed_at_is_found(db: Database) -> None:
    ana, bea = "@ana:a", "@bea:a"
    await add(
        db,
        job("1", Invite(ana, knock="$1"), room_id=GARDEN),
        job("2", Invite(ana, knock="$2"), room_id=GARDEN),
        job("3", Kick(ana), room_id=GARDEN),
        job("4", Invite(ana, knock="$4"), room_id="!other"),
    )

    async with db.tx() as tx:
        assert await jobs.aims(tx, GARDEN, ana, Act.INVITE) == {"$1", "$2"}
        assert await jobs.aims(tx, GARDEN, ana, Act.KICK) == set()
        assert await jobs.aims(tx, GARDEN, bea, Act.INVITE) == set()


async def test_what_has_a_future_is_counted_and_listed(db: Database) -> None:
    await add(db, job("running", room_id=GARDEN), job("done"), job("there", room_id="!other"))
    running, done, there = await claim(db)
    await finish(db, done)
    async with db.tx() as tx:
        await jobs.block(tx, there.id, foreign("my power is too low"))
    await add(db, job("due", Kick("@ana:a"), room_id=GARDEN), due_at=NOW + 7)

    async with db.tx() as tx:
        assert await jobs.counts(tx) == {"due": 1, "running": 1, "blocked": 1}
        assert await jobs.open_for(tx, [GARDEN, "!other"]) == [
            jobs.Open(Act.SAY, GARDEN, None, "running", NOW, 1, None),
            jobs.Open(Act.SAY, "!other", None, "blocked", NOW, 1, foreign("my power is too low")),
            jobs.Open(Act.KICK, GARDEN, "@ana:a", "due", NOW + 7, 0, None),
        ]
        assert await jobs.open_for(tx, []) == []
    await finish(db, running)


async def test_where_nothing_is_planned_nothing_is_counted(db: Database) -> None:
    async with db.tx() as tx:
        assert await jobs.counts(tx) == {}


# --- processes that die -------------------------------------------------------------------------------------------


async def test_the_claims_of_a_dead_process_are_due_again_and_count_as_tried(db: Database) -> None:
    await add(db, job("a"))
    async with db.tx() as tx:
        await tx.execute("UPDATE jobs SET state = 'running', claimed_by = 'dead', attempts = 1")
        await processes.beat(tx, db.process, NOW)
        await processes.bury(tx, db.process, NOW, alone=db.alone)

    [claimed] = await claim(db)
    assert claimed.tried_before


async def test_what_was_done_long_ago_costs_no_later_act_anything(ready_sqlite_url: str) -> None:
    """Jobs are kept for ever: what each act asks of them is found by an index, on SQLite as well."""
    db = await Database.open(ready_sqlite_url)
    said: list[str] = []
    try:
        async with db.tx() as tx:
            tx.wrapped._conn.set_trace_callback(said.append)
        await add(db, job("invite"))
        (claimed,) = await claim(db)
        await finish(db, claimed)
        async with db.tx() as tx:
            await jobs.overtake(tx, 1, foreign("settled"), NOW)
            await jobs.overtake_all(tx, GARDEN, foreign("unprotected"), NOW)
            await jobs.unblock(tx, GARDEN, NOW)
        async with db.tx() as tx:
            tx.wrapped._conn.set_trace_callback(None)
            asked = [sql for sql in said if sql.split()[0] in ("SELECT", "UPDATE", "INSERT")]
            plans = {sql: [row["detail"] for row in await tx.fetch(f"EXPLAIN QUERY PLAN {sql}")] for sql in asked}
    finally:
        await db.close()

    assert len(plans) > 4
    assert {sql: plan for sql, plan in plans.items() if "SCAN jobs" in plan} == {}
