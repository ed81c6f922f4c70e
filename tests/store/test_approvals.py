"""Approvals in advance are stored once for each giver, found by their applicant, and go when their time is over."""

from __future__ import annotations

from dataclasses import replace

import pytest

from knockbot.store import approvals
from knockbot.store.approvals import Approval
from knockbot.store.db import Database

GARDEN, PARK = "!garden:a.b", "!park:a.b"
ANA, ALL = "@ana:a.b", "*:a.b"
ALICE, BOB = "@alice:a.b", "@bob:a.b"
ONE = Approval(GARDEN, ANA, ALICE, 100, None, "", "$one")


async def given(db: Database, *many: Approval) -> None:
    async with db.tx() as tx:
        await approvals.give(tx, many)


async def applying(db: Database, now: int = 200, room: str = GARDEN) -> list[str]:
    async with db.tx() as tx:
        found = await approvals.applying_to(tx, [room], (ANA, ALL), now, 10)
    return [f"{one.who} {one.given_by} {one.note}" for one in found]


@pytest.mark.parametrize(
    ("now", "until", "counts"),
    [(200, None, True), (200, 200, True), (200, 201, True), (200, 199, False)],
)
async def test_an_approval_is_in_force_to_its_last_moment(
    db: Database, now: int, until: int | None, counts: bool
) -> None:
    await given(db, replace(ONE, until=until))
    assert bool(await applying(db, now)) is counts
    async with db.tx() as tx:
        assert await approvals.count(tx, GARDEN, now) == len(await approvals.newest(tx, GARDEN, now, 5)) == counts
        assert await approvals.approved_among(tx, GARDEN, [ANA, ALL], now) == ({ANA} if counts else set())
        await approvals.forget_ended(tx, now)
        assert bool(await tx.fetchval("SELECT count(*) FROM approvals")) is counts


async def test_what_one_person_gives_again_replaces_what_they_gave(db: Database) -> None:
    await given(db, ONE, replace(ONE, given_by=BOB, note="bob's"))
    await given(db, replace(ONE, given_at=150, note="new", until=300))
    assert await applying(db) == [f"{ANA} {ALICE} new", f"{ANA} {BOB} bob's"]
    assert await applying(db, 400) == [f"{ANA} {BOB} bob's"]


async def test_the_newest_comes_first_whether_of_the_user_or_of_the_server_and_of_no_other_room(db: Database) -> None:
    await given(db, ONE, replace(ONE, who=ALL, given_at=101), replace(ONE, who="@bea:a.b"))
    await given(db, replace(ONE, room_id=PARK, note="park"), replace(ONE, who="*:b.c", given_at=500))
    assert await applying(db) == [f"{ALL} {ALICE} ", f"{ANA} {ALICE} "]
    assert await applying(db, 200, PARK) == [f"{ANA} {ALICE} park"]


async def test_all_of_a_list_are_taken_back_whoever_gave_them_and_none_of_another_room(db: Database) -> None:
    many = [f"@p{number}:a.b" for number in range(1200)]
    await given(db, *(replace(ONE, who=who) for who in many), replace(ONE, who=many[0], given_by=BOB))
    await given(db, replace(ONE, room_id=PARK, who=many[0]))
    async with db.tx() as tx:
        before = await approvals.given_before(tx, GARDEN, ALICE, [*many, "@other:a.b"])
        assert set(before) == set(many)
        assert await approvals.take_back(tx, GARDEN, [*many, "@other:a.b"]) == set(many)
        assert await approvals.count(tx, GARDEN, 0) == 0
        assert await approvals.count(tx, PARK, 0) == 1


async def test_approvals_move_to_the_room_that_replaces_theirs_and_what_is_there_stays(db: Database) -> None:
    await given(db, replace(ONE, note="old"), replace(ONE, given_by=BOB), replace(ONE, room_id=PARK, note="there"))
    async with db.tx() as tx:
        await approvals.move_over(tx, GARDEN, PARK)
    assert sorted(await applying(db, 200, PARK)) == [f"{ANA} {ALICE} there", f"{ANA} {BOB} "]


async def test_to_find_what_applies_to_somebody_no_list_is_looked_through(db: Database) -> None:
    await given(db, *(replace(ONE, who=f"@p{number}:a.b") for number in range(3000)))
    async with db.tx() as tx:
        explained = "EXPLAIN QUERY PLAN" if db.alone else "EXPLAIN"
        if not db.alone:
            await tx.execute("ANALYZE approvals")
        plan = await tx.fetch(
            f"{explained} SELECT * FROM approvals WHERE room_id = $1 AND who IN ($2, $3)", GARDEN, ANA, ALL
        )
    told = " ".join(str(value) for row in plan for value in tuple(row))
    assert ("USING INDEX" if db.alone else "Index") in told, told
    assert "SCAN approvals" not in told
    assert "Seq Scan" not in told


async def test_those_of_several_rooms_apply_together(db: Database) -> None:
    await given(db, ONE, replace(ONE, room_id=PARK, given_at=101, note="park"))
    async with db.tx() as tx:
        found = await approvals.applying_to(tx, [GARDEN, PARK], [ANA, ALL], 200, 10)
        newest = await approvals.applying_to(tx, [GARDEN, PARK], [ANA, ALL], 200, 1)
    assert [one.note for one in found] == ["park", ""]
    assert [one.note for one in newest] == ["park"]
