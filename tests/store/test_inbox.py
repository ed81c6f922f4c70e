"""What the homeserver hands over is kept once, in order, until it is handled; then only its id is remembered."""

from __future__ import annotations

import asyncio
import json

import pytest

from knockbot.domain.notices import dumps
from knockbot.domain.reasons import foreign
from knockbot.store import inbox
from knockbot.store.db import Database
from knockbot.store.inbox import KEEP, Arrival
from tests.store.samples import GARDEN, HOSTILE, MODS, NOW


async def store(db: Database, *arrivals: Arrival, now: int = NOW) -> None:
    async with db.tx() as tx:
        await inbox.store(tx, arrivals, now)


def arrival(event_id: str, room_id: str = GARDEN, raw: str = "{}") -> Arrival:
    return Arrival(event_id, room_id, raw)


async def waiting_ids(db: Database, room_id: str = GARDEN) -> list[str]:
    async with db.tx() as tx:
        return [one.event_id for one in await inbox.waiting(tx, room_id)]


async def seq_of(db: Database, event_id: str) -> int:
    async with db.tx() as tx:
        return int(await tx.fetchval("SELECT seq FROM inbox WHERE event_id = $1", event_id))


async def test_an_event_that_comes_twice_is_kept_once(db: Database) -> None:
    await store(db, arrival("$a", raw='{"first": 1}'), arrival("$a", raw='{"second": 2}'))
    await store(db, arrival("$a", raw='{"third": 3}'), arrival("$b"))

    async with db.tx() as tx:
        kept = await inbox.waiting(tx, GARDEN)
    assert [(one.event_id, one.raw) for one in kept] == [("$a", '{"first": 1}'), ("$b", "{}")]


async def test_a_repeat_of_a_handled_event_is_not_handled_again(db: Database) -> None:
    await store(db, arrival("$a"))
    async with db.tx() as tx:
        assert await inbox.handled(tx, await tx.fetchval("SELECT seq FROM inbox"), NOW)

    await store(db, arrival("$a"))
    assert await waiting_ids(db) == []


async def test_the_events_of_a_room_wait_in_the_order_they_came_in(db: Database) -> None:
    for number in range(30):
        await store(db, arrival(f"${number:02}"), arrival(f"$other{number}", MODS))

    assert await waiting_ids(db) == [f"${number:02}" for number in range(30)]


async def test_a_batch_has_a_limit_and_begins_with_the_oldest(db: Database) -> None:
    await store(db, *(arrival(f"${number:03}") for number in range(250)))

    async with db.tx() as tx:
        batch = await inbox.waiting(tx, GARDEN)
        assert [one.event_id for one in batch] == [f"${number:03}" for number in range(100)]
        for one in batch:
            await inbox.handled(tx, one.seq, NOW)
        assert (await inbox.waiting(tx, GARDEN, 1))[0].event_id == "$100"


async def test_rooms_with_something_to_do_come_longest_wait_first(db: Database) -> None:
    await store(db, arrival("$1", "!c"), arrival("$2", "!a"), arrival("$3", "!b"), arrival("$4", "!c"))

    async with db.tx() as tx:
        assert [turn.room_id for turn in await inbox.queues_waiting(tx)] == ["!c", "!a", "!b"]
    async with db.tx() as tx:
        await inbox.handled(tx, await tx.fetchval("SELECT min(seq) FROM inbox"), NOW)
    async with db.tx() as tx:
        assert [turn.room_id for turn in await inbox.queues_waiting(tx)] == ["!a", "!b", "!c"]


async def test_the_raw_text_of_a_handled_event_is_gone(db: Database) -> None:
    await store(db, arrival("$a", raw='{"a": "secret"}'))
    seq = await seq_of(db, "$a")
    async with db.tx() as tx:
        await inbox.handled(tx, seq, NOW + 5)

    async with db.tx() as tx:
        row = await tx.fetchrow("SELECT raw, handled_at FROM inbox")
        assert row is not None
        assert (row["raw"], row["handled_at"]) == (None, NOW + 5)


async def test_an_event_is_handled_once(db: Database) -> None:
    await store(db, arrival("$a"))
    seq = await seq_of(db, "$a")
    async with db.tx() as tx:
        assert await inbox.handled(tx, seq, NOW)
        assert not await inbox.handled(tx, seq, NOW)


async def test_what_was_rolled_back_was_not_handled(db: Database) -> None:
    await store(db, arrival("$a"))
    seq = await seq_of(db, "$a")

    async def fail() -> None:
        async with db.tx() as tx:
            assert await inbox.handled(tx, seq, NOW)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await waiting_ids(db) == ["$a"]


async def test_of_several_processes_one_handles_an_event(pair: tuple[Database, Database]) -> None:
    """The others wait for its transaction, and then find the event handled."""
    one, _ = pair
    await store(one, *(arrival(f"${number}") for number in range(20)))
    won: list[int] = []

    async def handle(db: Database, seq: int) -> None:
        async with db.tx() as tx:
            if await inbox.handled(tx, seq, NOW):
                await asyncio.sleep(0)
                won.append(seq)

    await asyncio.gather(*(handle(db, seq) for seq in range(1, 21) for db in pair))
    assert sorted(won) == list(range(1, 21))


async def test_an_event_that_one_process_gave_up_on_half_way_is_free_for_the_next(
    pair: tuple[Database, Database],
) -> None:
    one, other = pair
    await store(one, arrival("$a"))
    begun = asyncio.Event()

    async def handle_and_fail() -> None:
        async with one.tx() as tx:
            assert await inbox.handled(tx, 1, NOW)
            begun.set()
            await asyncio.sleep(0)
            raise LookupError

    async def handle() -> bool:
        await begun.wait()
        async with other.tx() as tx:
            return await inbox.handled(tx, 1, NOW)

    results = await asyncio.gather(handle_and_fail(), handle(), return_exceptions=True)
    assert results[1] is True


async def test_two_processes_may_be_handed_the_same_transaction(pair: tuple[Database, Database]) -> None:
    """After a time-out the homeserver sends it again, perhaps to the other one behind the balancer."""
    events = [arrival(f"${number:02}") for number in range(50)]
    await asyncio.gather(*(store(db, *events) for db in pair for _ in range(3)))

    assert await waiting_ids(pair[0]) == [event.event_id for event in events]


async def test_failures_are_counted_and_do_not_lose_the_event(db: Database) -> None:
    await store(db, arrival("$a"))
    seq = await seq_of(db, "$a")
    async with db.tx() as tx:
        assert [await inbox.failed(tx, seq) for _ in range(3)] == [1, 2, 3]
    async with db.tx() as tx:
        assert [(one.event_id, one.attempts) for one in await inbox.waiting(tx, GARDEN)] == [("$a", 3)]


async def test_an_event_set_aside_lets_the_rest_pass_and_keeps_its_text(db: Database) -> None:
    await store(db, arrival("$bad", raw='{"bad": 1}'), arrival("$good"))
    async with db.tx() as tx:
        await inbox.set_aside(tx, (await inbox.waiting(tx, GARDEN))[0].seq, foreign("no sender"))

    assert await waiting_ids(db) == ["$good"]
    async with db.tx() as tx:
        assert [turn.room_id for turn in await inbox.queues_waiting(tx)] == [GARDEN]
        row = await tx.fetchrow("SELECT raw, fault FROM inbox WHERE event_id = '$bad'")
        assert row is not None
        assert (row["raw"], row["fault"]) == ('{"bad": 1}', dumps(foreign("no sender")))
        assert await inbox.counts(tx) == (1, 1)
    await store(db, arrival("$bad"))
    assert await waiting_ids(db) == ["$good"]


async def test_ids_are_forgotten_after_a_week_and_what_waits_never(db: Database) -> None:
    old, young = NOW - KEEP - 1, NOW - KEEP
    await store(db, arrival("$handled"), arrival("$aside"), arrival("$waiting"), now=old)
    await store(db, arrival("$young"), now=young)
    async with db.tx() as tx:
        for one in await inbox.waiting(tx, GARDEN):
            if one.event_id in ("$handled", "$young"):
                await inbox.handled(tx, one.seq, NOW)
            if one.event_id == "$aside":
                await inbox.set_aside(tx, one.seq, foreign("why"))
        await inbox.forget_old(tx, NOW)

    async with db.tx() as tx:
        known = {
            event_id for event_id in ("$handled", "$aside", "$waiting", "$young") if await inbox.is_known(tx, event_id)
        }
    assert known == {"$waiting", "$young"}


async def test_whatever_an_event_holds_is_read_back_from_its_json(db: Database) -> None:
    """NUL and lone surrogates too, which no database text takes: in JSON they are escapes."""
    raw = json.dumps({name: [text, {text: name}] for name, text in HOSTILE.items()})
    await store(db, arrival("$a", raw=raw))

    async with db.tx() as tx:
        [one] = await inbox.waiting(tx, GARDEN)
    assert json.loads(one.raw) == json.loads(raw)


async def test_an_empty_transaction_is_no_trouble(db: Database) -> None:
    await store(db)
    async with db.tx() as tx:
        assert await inbox.queues_waiting(tx) == []
        assert await inbox.counts(tx) == (0, 0)
        assert not await inbox.is_known(tx, "$a")


# --- what the bot itself has to do ------------------------------------------------------------------------------


async def test_what_the_bot_has_to_do_itself_waits_in_the_order_of_its_room_and_is_kept_once(db: Database) -> None:
    await store(db, arrival("$a"))
    async with db.tx() as tx:
        for _ in range(2):
            await inbox.add_own(tx, [("again 1", GARDEN, "{}", NOW), ("again 2", GARDEN, "{}", NOW + 1000)], NOW)
    await store(db, arrival("$b"))

    async with db.tx() as tx:
        first = await inbox.waiting(tx, GARDEN, now=NOW)
        then = await inbox.waiting(tx, GARDEN, now=NOW + 1000)
    assert [(one.event_id, one.own) for one in first] == [("$a", False), ("again 1", True), ("$b", False)]
    assert [one.event_id for one in then] == ["$a", "again 1", "again 2", "$b"]


async def test_what_the_bot_has_to_do_itself_is_no_sign_of_the_homeserver(db: Database) -> None:
    """It is looked at what came last, to find out whether the homeserver delivers at all."""
    await store(db, arrival("$a"), now=NOW - 5)
    async with db.tx() as tx:
        await inbox.add_own(tx, [("again 1", GARDEN, "{}", NOW)], NOW)
        assert await inbox.latest(tx) == NOW - 5


async def test_a_room_has_something_of_our_own_to_do_until_that_is_handled(db: Database) -> None:
    await store(db, arrival("$a"))
    async with db.tx() as tx:
        assert not await inbox.has_own(tx, GARDEN)
        await inbox.add_own(tx, [("again 1", GARDEN, "{}", NOW)], NOW)
        assert await inbox.has_own(tx, GARDEN)
        assert not await inbox.has_own(tx, MODS)
        [own] = [one for one in await inbox.waiting(tx, GARDEN, now=NOW) if one.own]
        await inbox.handled(tx, own.seq, NOW)
        assert not await inbox.has_own(tx, GARDEN)
