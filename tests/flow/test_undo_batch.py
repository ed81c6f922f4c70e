"""A batch is undone: each of its answers once, with the rights of that moment, whoever has moved on since."""

from __future__ import annotations

import pytest

from tests.flow.house import GARDEN, MODS, House
from tests.flow.offered import offers
from tests.flow.test_bulk import BOB, house, people, spoken
from tests.flow.world import ALICE, BOT, FAR, levels_for

__all__ = ["house"]

SIX = people(6)


async def done(house: House, verdict: str, *who: str) -> None:
    """These people have knocked, and Alice has given all of them one answer."""
    for user_id in who:
        house.world.knock(GARDEN, user_id, "hello")
        await house.live()
    house.tell(f"{verdict} all")
    await house.live()
    house.world.react(MODS, ALICE, offers(house, "batch")[-1].event_id, "✅")
    await house.live()
    await steps(house)


async def steps(house: House) -> None:
    """What comes step by step has come."""
    for _ in range(10):
        house.clock.go_on(1)
        await house.ring()
        await house.live()


async def undo(house: House, *, by: str = ALICE) -> str:
    """Undo the last answer; returns what is said last."""
    house.tell("undo", by=by)
    await house.live()
    await steps(house)
    return spoken(house)[-1]


@pytest.mark.parametrize(
    ("verdict", "first", "then"),
    [("accept", "invite", "leave"), ("reject", "leave", "invite"), ("ban", "ban", "leave")],
)
async def test_all_its_answers_are_undone(house: House, verdict: str, first: str, then: str) -> None:
    await done(house, verdict, *SIX)
    assert {house.membership(who) for who in SIX} == {first}

    assert await undo(house) == "Undo of batch 1: 6 answers were undone."
    assert {house.membership(who) for who in SIX} == {then}
    assert "I undo the 6 answers that batch 1 gave" in spoken(house)[-2]


async def test_who_has_moved_on_is_left_alone_and_named(house: House) -> None:
    await done(house, "accept", *SIX)
    joined, left, banned, *others = SIX
    house.world.change(GARDEN, joined, joined, "join")
    house.world.change(GARDEN, left, left, "leave")
    house.world.change(GARDEN, BOB, banned, "ban")
    await house.live()
    said = await undo(house)

    assert said.startswith("Undo of batch 1: 3 answers were undone.")
    assert f"#1: {joined} has joined. To remove them: !kb undo 1" in said
    assert f"#2: nothing to undo. {left} declined the invite." in said
    assert "#3" in said
    assert [house.membership(who) for who in SIX] == ["join", "leave", "ban", *["leave"] * len(others)]


async def test_it_goes_on_after_a_death_and_each_answer_is_undone_once(house: House) -> None:
    await done(house, "ban", *SIX)
    house.tell("undo")
    await house.live()
    await house.ring()
    await house.die()
    await house.start_again()
    await steps(house)

    assert {house.membership(who) for who in SIX} == {"leave"}
    assert [said for said in spoken(house) if "6 answers were undone" in said] == [spoken(house)[-1]]
    for who in SIX:
        lines = [kind for _, kind in await house.history(await house.request(who))]
        assert lines.count("undone") == 1


async def test_queue_shows_how_far_it_is_in_this_management_room_only(house: House) -> None:
    others = "!others:tulip.example"
    house.world.room(others, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    await done(house, "ban", *SIX)
    house.tell("undo")
    await house.live()
    shown = []
    for _ in range(6):
        house.tell("queue")
        await house.live()
        shown += [line for line in spoken(house)[-1].split("\n") if line.startswith("Undo of batch")]
        house.clock.go_on(1)
        await house.ring()
        await house.live()
    house.world.say(others, ALICE, "!kb queue")
    await house.live()

    assert shown == [f"Undo of batch 1, for {ALICE}: {count} of 6" for count in (0, 4)]
    assert "batch" not in house.spoken(others)[-1]


async def test_the_rights_are_looked_at_for_each_answer_at_its_moment(house: House) -> None:
    await done(house, "ban", *SIX)
    house.tell("undo")
    await house.live()
    await house.ring()
    await house.live()
    house.world.set_levels(GARDEN, users={BOT: 50, ALICE: 0, BOB: 100})
    await steps(house)

    stay = [who for who in SIX if house.membership(who) == "ban"]
    assert 0 < len(stay) < len(SIX)
    assert spoken(house)[-1].startswith(f"Undo of batch 1: {len(SIX) - len(stay)} answers were undone.")


async def test_it_is_undone_once_and_by_whoever_began_it(house: House) -> None:
    await done(house, "ban", *SIX, FAR)
    assert "answered nothing here" in await undo(house, by=BOB)
    assert "7 answers were undone" in await undo(house)

    assert "undone" in await undo(house)
    assert {house.membership(who) for who in SIX} == {"leave"}


@pytest.mark.parametrize(
    ("verdict", "first", "then"),
    [("accept", "invite", "leave"), ("reject", "leave", "invite"), ("ban", "ban", "leave")],
)
async def test_while_it_runs_it_has_to_be_stopped_first_and_then_its_half_is_undone(
    house: House, verdict: str, first: str, then: str
) -> None:
    for who in people(20):
        house.world.knock(GARDEN, who, "hello")
        await house.live()
    house.tell(f"{verdict} all")
    await house.live()
    house.world.react(MODS, ALICE, offers(house, "batch")[-1].event_id, "✅")
    await house.live()
    house.clock.go_on(1)
    await house.ring()
    await house.live()
    house.tell("undo")
    await house.live()
    assert "is still running" in spoken(house)[-1]
    house.world.react(MODS, ALICE, offers(house, "batch")[-1].event_id, "❌")
    await house.live()
    done = [who for who in people(20) if house.membership(who) == first]
    assert 0 < len(done) < 20

    assert f"{len(done)} answers were undone" in await undo(house)
    assert {house.membership(who) for who in done} == {then}
    assert {house.membership(who) for who in people(20) if who not in done} == {"knock"}


async def test_what_is_left_can_be_tried_again_and_equal_reasons_stand_in_one_line(house: House) -> None:
    await done(house, "ban", *SIX)
    house.tell("undo")
    await house.live()
    assert "is being undone" in await told(house, "undo")
    house.world.set_levels(GARDEN, users={BOT: 50, ALICE: 0, BOB: 100})
    await steps(house)
    said = spoken(house)[-1].split("\n")
    assert said[0] == "Undo of batch 1: 0 answers were undone."
    assert said[1].startswith(f"#1, #2, #3, #4, #5, #6: {ALICE} does not have permission for this in Garden:")
    assert said[2:] == ["To try again with what is left: !kb undo"]

    house.world.set_levels(GARDEN, users={BOT: 50, ALICE: 50, BOB: 100})
    assert await undo(house) == "Undo of batch 1: 6 answers were undone."
    assert "I try again to undo the 6 answers of batch 1 that are left" in spoken(house)[-2]
    assert {house.membership(who) for who in SIX} == {"leave"}
    assert "Batch 1 was already undone" in await told(house, "undo")


async def told(house: House, command: str) -> str:
    """What is said to a command at once."""
    house.tell(command)
    await house.live()
    return spoken(house)[-1]


async def test_what_holds_for_several_is_said_once(house: House) -> None:
    await done(house, "accept", *SIX)
    for who in SIX[:3]:
        house.world.change(GARDEN, who, who, "leave")
    await house.live()

    assert (await undo(house)).split("\n")[:3] == [
        "Undo of batch 1: 3 answers were undone.",
        f"#1: nothing to undo. {SIX[0]} declined the invite.",
        "The same holds for #2, #3.",
    ]
