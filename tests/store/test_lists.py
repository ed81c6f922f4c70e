"""Policy lists on record: entries come and go by events and by readings, and any process can follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from knockbot.domain.lists import EntityKind, Entry, Recommendation, Unusable, entry_key, read_entry
from knockbot.domain.model import ListChange, Redaction
from knockbot.store import inbox, lists, pins
from knockbot.store.db import Database, Tx
from knockbot.store.inbox import Arrival
from knockbot.store.lists import Counts, ListNow, ListRoom, ListState, Overtaken, Reading
from tests.plans import plan_of
from tests.store.samples import HOSTILE, NOW

BANS = "!bans:tulip.example"
MOD = "@mod:tulip.example"


def change(name: str = "eve", event_id: str | None = None, kind: str = "user", **content: Any) -> ListChange:
    """An entry about somebody of this name."""
    key = entry_key(f"m.policy.rule.{kind}", name)
    said = {"entity": f"@{name}:evil.example", "recommendation": "m.ban", **content}
    event_id = event_id or f"${name}"
    return ListChange(BANS, event_id, MOD, key, read_entry(key, said, event_id, MOD), NOW)


def removal(name: str = "eve", event_id: str = "$gone") -> ListChange:
    """The removal of that entry."""
    return ListChange(BANS, event_id, MOD, change(name).key, None, NOW)


async def put(db: Database, *changes: ListChange) -> list[bool]:
    async with db.tx() as tx:
        return [await lists.put(tx, one) for one in changes]


async def read(db: Database, *portions: Sequence[ListChange], begun: Reading | None = None) -> Reading:
    """Read a list that shows this."""
    reading = begun or await begin(db)
    for portion in portions:
        async with db.tx() as tx:
            await lists.take_in(tx, reading, portion)
    more = True
    while more:
        async with db.tx() as tx:
            more = await lists.remove_unseen(tx, reading)
    async with db.tx() as tx:
        await lists.finish(tx, reading, NOW + 1)
    more = True
    while more:
        async with db.tx() as tx:
            more = await lists.prune(tx, reading)
    return reading


async def begin(db: Database) -> Reading:
    async with db.tx() as tx:
        return await lists.begin(tx, BANS)


async def names(db: Database) -> list[str]:
    """The entities that stand."""
    async with db.tx() as tx:
        room = await lists.find(tx, BANS)
        assert room is not None
        found = await lists.came(tx, BANS, 0, room.version)
    return [one.text.partition(":")[0][1:] for one in found]


PLACE = pins.of_revision("!garden:tulip.example", 3)
ALIAS = "#bans:tulip.example"


async def named(tx: Tx) -> ListNow:
    """The list, as a policy names it by its ID."""
    return (await lists.as_named(tx, PLACE, [BANS]))[BANS]


@pytest.fixture
async def bans(db: Database) -> Database:
    async with db.tx() as tx:
        assert await lists.follow(tx, BANS, NOW)
    return db


# --- rooms ------------------------------------------------------------------------------------------------------


async def test_a_list_is_followed_once_and_unread_until_it_was_read(bans: Database) -> None:
    async with bans.tx() as tx:
        assert not await lists.follow(tx, BANS, NOW + 5)
        assert await lists.find(tx, BANS) == ListRoom(BANS, NOW, None, 0, 0)
        assert await named(tx) == ListNow(None, ListState(BANS, NOW, None, 0, 0), None)

    await read(bans, [change()])

    async with bans.tx() as tx:
        assert await lists.all_lists(tx) == [ListRoom(BANS, NOW, NOW + 1, 1, 0)]
        assert await named(tx) == ListNow(None, ListState(BANS, NOW, NOW + 1, 1, 0), None)
        assert await lists.followed(tx) == {BANS}


async def test_lists_are_looked_up_by_the_names_that_a_policy_has_for_them(bans: Database) -> None:
    await read(bans, [change()])
    async with bans.tx() as tx:
        await pins.take(tx, PLACE, {ALIAS: BANS, "!moved:tulip.example": "!unread:tulip.example"})
        await pins.take(tx, pins.DEFAULT_POLICY, {BANS: "!of another policy:tulip.example"})
        await lists.follow(tx, "!left:tulip.example", NOW)
        await lists.unfollow(tx, "!left:tulip.example")
        await lists.follow(tx, "!unread:tulip.example", NOW)
        names = [BANS, ALIAS, "#unknown:tulip.example", "!moved:tulip.example", "!left:tulip.example"]
        found = await lists.as_named(tx, PLACE, names)
        assert await lists.as_named(tx, PLACE, []) == {}

    read_once, unread = ListState(BANS, NOW, NOW + 1, 1, 0), ListState("!unread:tulip.example", NOW, None, 0, 0)
    assert found == {
        BANS: ListNow(None, read_once, None),
        ALIAS: ListNow(BANS, read_once, None),
        "#unknown:tulip.example": ListNow(None, None, None),
        "!moved:tulip.example": ListNow("!unread:tulip.example", unread, None),
        "!left:tulip.example": ListNow(None, None, None),
    }


async def test_what_a_policy_names_tells_since_when_entries_wait_to_be_taken_in(bans: Database) -> None:
    async with bans.tx() as tx:
        raw = '{"type": "m.policy.rule.user"}'
        arrived = [Arrival("$first", BANS, raw), Arrival("$other", "!other:tulip.example", raw)]
        await inbox.store(tx, [*arrived, Arrival("$member", BANS, '{"type": "m.room.member"}')], NOW + 5)
        await inbox.store(tx, [Arrival("$second", BANS, raw)], NOW + 7)
        assert (await named(tx)).arrived == NOW + 5 == await inbox.entries_since(tx, BANS)

        for waiting in await inbox.waiting(tx, BANS):
            await inbox.handled(tx, waiting.seq, NOW + 8)
        assert (await named(tx)).arrived is None


async def test_a_list_that_is_followed_again_is_unread(bans: Database) -> None:
    await read(bans, [change()])
    async with bans.tx() as tx:
        await lists.unfollow(tx, BANS)
        assert await lists.find(tx, BANS) is None
        assert await lists.follow(tx, BANS, NOW + 9)
        found = await lists.find(tx, BANS)

    assert found is not None
    assert (found.since, found.read_at) == (NOW + 9, None)


async def test_nothing_is_kept_of_a_room_that_is_not_followed(db: Database) -> None:
    assert await put(db, change(), removal()) == [False, False]
    with pytest.raises(Overtaken):
        await begin(db)


# --- changes ----------------------------------------------------------------------------------------------------


async def test_an_entry_is_set_replaced_and_removed(bans: Database) -> None:
    ours = change(reason="ads")

    assert await put(bans, ours, ours) == [True, False]
    async with bans.tx() as tx:
        assert await lists.by_event(tx, BANS, "$eve") == ours.key
        assert await lists.about(tx, BANS, [(EntityKind.USER, "@eve:evil.example")]) == [ours.now]

    assert await put(bans, change(event_id="$newer", entity="@eva:evil.example")) == [True]
    assert await names(bans) == ["eva"]
    async with bans.tx() as tx:
        assert await lists.by_event(tx, BANS, "$eve") is None

    assert await put(bans, removal(), removal()) == [True, False]
    assert await names(bans) == []


async def test_a_redacted_entry_goes(bans: Database) -> None:
    """Its event stays the same, but has no content any more."""
    await put(bans, change())

    assert await put(bans, removal(event_id="$eve")) == [True]
    assert await names(bans) == []


async def test_the_redaction_of_an_event_removes_what_it_has_set(bans: Database) -> None:
    await put(bans, change("a"), change("b", "$b1"), change("b", "$b2"))

    assert await redact(bans, "$a", "$b1", "$message") == [True, False, False]
    assert await names(bans) == ["b"]


async def redact(db: Database, *event_ids: str) -> list[bool]:
    async with db.tx() as tx:
        return [await lists.redact(tx, Redaction(BANS, f"{one}-gone", MOD, one)) for one in event_ids]


async def test_of_two_entries_about_the_same_the_ban_counts(bans: Database) -> None:
    await put(bans, change("eve", recommendation="m.takedown"))
    await put(bans, change("eve2", entity="@eve:evil.example"))

    async with bans.tx() as tx:
        [found] = await lists.about(tx, BANS, [(EntityKind.USER, "@eve:evil.example")])

    assert found.recommendation is Recommendation.BAN


async def test_entries_are_counted_by_kind_and_the_unusable_say_why(bans: Database) -> None:
    await put(
        bans,
        change(),
        change("all", entity="@*:*"),
        change("s", kind="server", entity="evil.example"),
        change("bad", recommendation="m.mute"),
        change("gone"),
        removal("gone"),
    )

    async with bans.tx() as tx:
        counts = await lists.counts(tx, BANS)
        unusable = await lists.unusable(tx, BANS, 10)
        [everything] = await lists.everything(tx, BANS, 0, 1000)

    assert counts == Counts({EntityKind.USER: 2, EntityKind.SERVER: 1}, 1, 1)
    bad = change("bad", recommendation="m.mute").now
    assert isinstance(bad, Unusable)
    assert unusable == [(bad.why, 1)]
    assert everything.entity == "@*:*"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
async def test_whatever_strangers_write_into_an_entry_can_be_kept(bans: Database, text: str) -> None:
    key = entry_key("m.policy.rule.user", text[:255])
    for number, content in enumerate(
        ({"entity": "@eve:a", "recommendation": "m.ban", "reason": text}, {"entity": text, "recommendation": text})
    ):
        now = read_entry(key, content, f"${number}", MOD)
        assert await put(bans, ListChange(BANS, f"${number}", MOD, key, now)) == [True]
        async with bans.tx() as tx:
            assert await lists.by_event(tx, BANS, f"${number}") == key


# --- a reading --------------------------------------------------------------------------------------------------


async def test_a_reading_keeps_what_is_there_and_removes_what_is_not(bans: Database) -> None:
    await put(bans, change("a"), change("b"), change("c"))

    await read(bans, [change("a"), change("c", "$c2", entity="@c2:evil.example")], [change("d")])

    assert sorted(await names(bans)) == ["a", "c2", "d"]


async def test_a_key_that_is_told_twice_does_not_stop_a_reading(bans: Database) -> None:
    twice = [change("a"), change("a", "$a2", entity="@a2:evil.example")]

    await read(bans, twice, [change("b"), *twice])

    assert sorted(await names(bans)) == ["a", "b"]


async def test_what_is_unchanged_is_not_written_again(bans: Database) -> None:
    await read(bans, [change("a"), change("b")])
    async with bans.tx() as tx:
        before = await lists.find(tx, BANS)

    await read(bans, [change("a")], [change("b")])

    async with bans.tx() as tx:
        after = await lists.find(tx, BANS)
    assert before is not None
    assert after is not None
    assert after.version == before.version


async def test_what_events_changed_during_a_reading_wins(bans: Database) -> None:
    await read(bans, [change("a"), change("b"), change("c")])
    reading = await begin(bans)
    await put(bans, removal("a"), change("b", "$b2", entity="@b2:evil.example"), change("new"), removal("unknown"))
    await redact(bans, "$d")

    await read(bans, [change("a"), change("b")], [change("c"), change("d"), change("unknown")], begun=reading)

    assert sorted(await names(bans)) == ["b2", "c", "new"]


async def test_an_older_reading_writes_nothing_more(bans: Database) -> None:
    old = await begin(bans)
    new = await begin(bans)

    with pytest.raises(Overtaken):
        await read(bans, [change("a")], begun=old)
    await read(bans, [change("b")], begun=new)

    assert await names(bans) == ["b"]


async def test_a_reading_ends_where_the_list_is_followed_no_more(bans: Database) -> None:
    reading = await begin(bans)
    async with bans.tx() as tx:
        await lists.unfollow(tx, BANS)

    with pytest.raises(Overtaken):
        await read(bans, [change("a")], begun=reading)


async def test_a_long_list_is_looked_through_portion_by_portion(
    bans: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "PORTION", 3)
    everybody = [change(f"n{number}") for number in range(10)]
    await read(bans, *(everybody[start : start + 3] for start in range(0, 10, 3)))

    await read(bans, everybody[2:5], everybody[7:8])

    async with bans.tx() as tx:
        room = await lists.find(tx, BANS)
        assert room is not None
        found = await lists.came(tx, BANS, 0, room.version)
        found += await lists.came(tx, BANS, 0, room.version, found[-1].place)
    assert [one.text for one in found] == [f"@n{number}:evil.example" for number in (2, 3, 4, 7)]


# --- for the memory of a process --------------------------------------------------------------------------------


async def test_the_changes_between_two_versions_lead_from_one_to_the_other(bans: Database) -> None:
    await put(bans, change("a"), change("b"))
    was = set(await names(bans))
    async with bans.tx() as tx:
        before = await lists.find(tx, BANS)
    await put(bans, removal("a"), change("c"), change("d"), removal("d"), change("b", "$b2"))

    async with bans.tx() as tx:
        after = await lists.find(tx, BANS)
        assert before is not None
        assert after is not None
        went = await lists.went(tx, BANS, before.version, after.version)
        came = await lists.came(tx, BANS, before.version, after.version)
        still = await lists.came(tx, BANS, 0, before.version)

    assert {one.text.partition(":")[0][1:] for one in still} == was
    assert sorted(one.text for one in went) == ["@a:evil.example", "@b:evil.example"]
    assert sorted(one.text for one in came) == ["@b:evil.example", "@c:evil.example"]
    assert sorted(await names(bans)) == ["b", "c"]


async def test_rows_of_what_went_are_deleted_by_the_reading_after(bans: Database) -> None:
    await put(bans, change("a"), removal("a"), change("b"))

    reading = await read(bans, [change("b")])

    async with bans.tx() as tx:
        assert await tx.fetchval("SELECT count(*) FROM list_entries") == 1
        found = await lists.find(tx, BANS)
    assert found is not None
    assert found.pruned == reading.version == 3


async def test_no_query_of_a_decision_or_a_change_looks_through_the_list(bans: Database) -> None:
    await read(bans, [change(f"n{number}") for number in range(500)])
    if not bans.alone:
        async with bans.tx() as tx:
            await tx.execute("ANALYZE list_entries")
    asked: dict[str, tuple[object, ...]] = {
        lists.BY_EVENT: (BANS, "$n1"),
        lists.ABOUT: (BANS, "user", "@n1:evil.example"),
        lists.CAME: (BANS, 1, 0, 0, 500),
        lists.WENT: (BANS, 0, 1, 0, 0, 500),
        lists.TO_BE_SEEN: (BANS, 1, 0, 0, 500),
    }
    async with bans.tx() as tx:
        plans = [await plan_of(tx, query, *args, alone=bans.alone) for query, args in asked.items()]

    assert all("list_entries_" in one for one in plans), plans
    assert not any("TEMP B-TREE" in one or "Sort" in one for one in plans[2:]), plans


def test_the_sample_is_an_entry() -> None:
    assert isinstance(change().now, Entry)
