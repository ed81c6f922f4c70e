"""What is due at a room that is full of requests is found by an index, and nothing else of the room is read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from knockbot.store import prompts, reminders, requests
from knockbot.store.db import Database
from tests.plans import plan_of
from tests.store.samples import GARDEN, KNOCK, MODS, NOW

OPEN = "requests_waiting"
KNOCKING = "requests_knocking"


async def knocked(db: Database, *at: int) -> list[int]:
    """Somebody knocks at each of these moments, and has a card."""
    found = []
    async with db.tx() as tx:
        for number, then in enumerate(at):
            knock = replace(KNOCK, event_id=f"$k{number}", user_id=f"@k{number}:a")
            request = await requests.open_knock(tx, MODS, knock, then)
            card = await prompts.new(tx, MODS, "card", GARDEN, then)
            await requests.put_on_card(tx, request.id, card.id)
            found.append(request.id)
    return found


@pytest.mark.parametrize(
    ("query", "asked", "index"),
    [
        (reminders.FIRST, (GARDEN, MODS), OPEN),
        (reminders.DUE, (GARDEN, MODS, NOW, NOW), OPEN),
        (reminders.FIRST_STALE, (GARDEN,), KNOCKING),
        (reminders.STALE, (GARDEN, NOW, 50), KNOCKING),
    ],
)
async def test_what_is_due_is_found_by_an_index_in_its_order(
    db: Database, query: str, asked: tuple[object, ...], index: str
) -> None:
    await knocked(db, *range(NOW, NOW + 20))
    async with db.tx() as tx:
        if not db.alone:
            await tx.execute(
                "INSERT INTO requests (management_room, number, room_id, kind, user_id, event_id, reason, has_avatar, "
                "state, opened_at, changed_at, card_id) SELECT management_room, number + 100 * other, room_id, kind, "
                "user_id || other, event_id, '', has_avatar, "
                "CASE other % 20 WHEN 0 THEN 'pending' ELSE 'rejected' END, "
                "opened_at + other, changed_at + other, card_id "
                "FROM requests, generate_series(1, 400) AS other"
            )
            await tx.execute("ANALYZE requests")
        plan = await plan_of(tx, query, *asked, alone=db.alone)
    assert index in plan, plan
    assert "Seq Scan on requests" not in plan
    assert "SCAN requests" not in plan
    if query in (reminders.FIRST, reminders.FIRST_STALE):
        assert "Sort" not in plan, "the first one is read, and no other"
        assert "TEMP B-TREE" not in plan


async def test_each_is_noted_once_and_only_what_is_due(db: Database) -> None:
    first, second, third = await knocked(db, NOW, NOW + 5, NOW + 9)
    async with db.tx() as tx:
        assert await reminders.first(tx, GARDEN, MODS) == NOW
        assert await reminders.note(tx, GARDEN, MODS, NOW + 5, NOW + 20) == [first, second]
        assert await reminders.note(tx, GARDEN, MODS, NOW + 5, NOW + 30) == []
        assert await reminders.first(tx, GARDEN, MODS) == NOW + 9
        assert await reminders.note(tx, GARDEN, "!other:a", NOW + 99, NOW + 99) == []
        assert await reminders.note(tx, GARDEN, MODS, NOW + 99, NOW + 99) == [third]
        assert await reminders.first(tx, GARDEN, MODS) is None


async def test_stale_are_those_that_have_not_changed_the_oldest_first(db: Database) -> None:
    first, second, _ = await knocked(db, NOW, NOW + 5, NOW + 9)
    async with db.tx() as tx:
        assert await reminders.first_stale(tx, GARDEN) == NOW
        assert await reminders.stale(tx, GARDEN, NOW + 5, 50) == [first, second]
        assert await reminders.stale(tx, GARDEN, NOW + 5, 1) == [first]
        assert await reminders.stale(tx, GARDEN, NOW - 1, 50) == []
