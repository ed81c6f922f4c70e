"""Since when somebody is known: their first knock or join in the rooms managed from one place."""

from __future__ import annotations

from knockbot.domain.reasons import in_words
from knockbot.features.history import acquaintance
from tests.flow.house import GARDEN, House
from tests.flow.neighbours import FARMERS, MEADOW, ORCHARD, decided, with_neighbours
from tests.flow.world import ALICE, ANA, BEA, BOT

DAY = 24 * 3600
KNOWN = "rules: [{name: known, when: {first_seen_at_least: 7d}, then: forward}]"


async def join(house: House, room_id: str, user_id: str = ANA) -> None:
    """Somebody joins a room that they need not ask for."""
    house.world.change(room_id, user_id, user_id, "join")
    await house.live()


async def test_a_stranger_was_never_seen_and_is_known_later(house: House) -> None:
    await house.set_policy(KNOWN)
    first = await decided(house)
    assert [in_words(miss.why) for miss in first.missed] == ["user was never seen before"]
    house.clock.go_on(6 * DAY)
    second = await decided(house, reason="another")
    assert [in_words(miss.why) for miss in second.missed] == ["user was first seen 6 days ago, less than 7 days"]
    house.clock.go_on(DAY)
    assert (await decided(house, reason="and another")).rule == "known"


async def test_who_joins_a_room_managed_from_here_is_seen_without_any_request(house: House) -> None:
    await with_neighbours(house)
    await house.set_policy(KNOWN)
    await join(house, ORCHARD)
    await join(house, MEADOW, BEA)
    house.clock.go_on(8 * DAY)

    assert (await decided(house)).rule == "known"
    assert (await decided(house, BEA)).rule == "otherwise"


async def test_a_room_that_nobody_protects_notes_nobody(house: House) -> None:
    house.world.room("!cafe:tulip.example", "Café", ALICE, BOT)
    await join(house, "!cafe:tulip.example")
    async with house.db.tx() as tx:
        assert await tx.fetchval("SELECT count(*) FROM seen") == 0


async def test_a_room_that_moves_leaves_what_was_seen_where_it_was(house: House) -> None:
    await with_neighbours(house)
    await join(house, ORCHARD)
    house.clock.go_on(8 * DAY)
    await house.protect(ORCHARD, FARMERS)
    for room_id in (GARDEN, ORCHARD):
        await house.set_policy(KNOWN, room_id)

    assert (await decided(house)).rule == "known"
    house.world.change(ORCHARD, ANA, ANA, "leave")
    assert (await decided(house, room_id=ORCHARD)).rule == "otherwise"


async def test_a_busy_room_writes_once_a_day_for_each_member(house: House) -> None:
    async def moments() -> tuple[int, int]:
        async with house.db.tx() as tx:
            row = await tx.fetchrow("SELECT first_at, last_at FROM seen WHERE user_id = $1", ANA)
        assert row is not None
        return row["first_at"], row["last_at"]

    await join(house, GARDEN)
    first = await moments()
    for _ in range(3):
        house.clock.go_on(3600)
        house.world.change(GARDEN, ANA, ANA, "leave")
        await join(house, GARDEN)
    assert await moments() == first
    house.clock.go_on(DAY)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await join(house, GARDEN)
    assert (await moments())[0] == first[0]
    assert (await moments())[1] > first[1]


async def test_whom_nobody_has_seen_for_a_year_is_a_stranger_again(house: House) -> None:
    await house.set_policy(KNOWN)
    await join(house, GARDEN)
    await join(house, GARDEN, BEA)
    house.clock.go_on(acquaintance.KEPT / 1000 - DAY)
    house.world.change(GARDEN, BEA, BEA, "leave")
    await join(house, GARDEN, BEA)
    house.clock.go_on(2 * DAY)
    await house.ring()
    for user_id in (ANA, BEA):
        house.world.change(GARDEN, user_id, user_id, "leave")
    await house.live()

    assert (await decided(house)).rule == "otherwise"
    assert (await decided(house, BEA)).rule == "known"


async def test_a_knock_that_names_an_old_time_makes_nobody_known(house: House) -> None:
    """The time in an event is written by the applicant's server."""
    await house.set_policy(KNOWN)
    house.world.change(GARDEN, ALICE, BOT, "leave")
    await house.live()
    house.world.knock(GARDEN, ANA)
    house.clock.go_on(30 * DAY)
    house.world.outbox.clear()
    house.world.change(GARDEN, ALICE, BOT, "invite")
    house.world.change(GARDEN, BOT, BOT, "join")
    await house.live()

    decision = (await house.request(ANA)).decision
    assert decision is not None
    assert decision.rule == "otherwise"


async def test_it_survives_a_restart(house: House) -> None:
    await house.set_policy(KNOWN)
    await join(house, GARDEN)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()
    house.clock.go_on(8 * DAY)
    await house.die()
    await house.start_again()
    await house.live()

    assert (await decided(house)).rule == "known"
