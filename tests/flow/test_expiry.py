"""An invite that nobody takes in time is withdrawn, once, and told; who joins in the same moment stays."""

from __future__ import annotations

import asyncio

import pytest

from knockbot.domain.model import Request, State
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.world import ALICE, ANA, levels_for

DAY = 24 * 3600.0
POLICY = """
invite_expires: 14d
letters: {expired: true}
rules: [{name: short, when: {not: {reason_length_at_least: 3}}, then: accept}]
"""
BOB = "@bob:tulip.example"


@pytest.fixture
async def house(house: House) -> House:
    """A garden in which invites expire after two weeks."""
    await house.set_policy(POLICY)
    await house.ring()
    return house


async def after(house: House, days: float) -> None:
    house.clock.go_on(days * DAY)
    await house.ring()
    await house.live()


async def accepted(house: House, user_id: str = ANA, reason: str = "hello") -> None:
    """Somebody knocks, and is accepted by a moderator, or by the rule."""
    house.world.knock(GARDEN, user_id, reason)
    await house.live()
    request = (await house.requests(user_id))[-1]
    if request.open:
        house.tell(f"accept {request.number}")
        await house.live()


async def newest(house: House, user_id: str = ANA) -> Request:
    return (await house.requests(user_id))[-1]


def letters(house: House) -> list[str]:
    [talk] = [room_id for room_id in house.world.rooms if room_id not in (GARDEN, MODS)]
    return [content["body"] for content in house.said(talk)]


async def test_it_is_withdrawn_at_its_time_and_told(house: House) -> None:
    await accepted(house)
    await after(house, 13.9)
    assert house.membership(ANA) == "invite"
    await after(house, 0.2)
    assert house.membership(ANA) == "leave"
    assert (await newest(house)).state is State.EXPIRED
    assert f"Accepted by {ALICE}. Nobody took the invite in time, so I withdrew it." in house.card().text
    assert house.card().text.startswith("⌛ ")
    assert (house.card().state, house.card().block["rule"]) == ("expired", "invite_expires")
    assert letters(house) == ["Your invite to Garden has expired, because you have not joined. You can ask again."]
    assert house.world.rooms[GARDEN].members[ANA]["content"]["reason"] == "Your invite has expired. You can ask again."
    await after(house, 30)
    assert len([call for call in house.world.asked("kick") if GARDEN in call and ANA in call]) == 1


async def test_the_accept_of_a_rule_is_told_in_one_line(house: House) -> None:
    await accepted(house, reason="")
    before = len(house.spoken())
    await after(house, 14)
    [line] = house.spoken()[before:]
    assert line.startswith("⌛ #1 ")
    assert "Nobody took the invite in time" in line


async def test_so_is_an_accept_from_another_client(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.change(GARDEN, ALICE, ANA, "invite")
    await house.live()
    await after(house, 14)
    assert (house.membership(ANA), (await newest(house)).state) == ("leave", State.EXPIRED)


async def test_who_has_joined_stays(house: House) -> None:
    await accepted(house)
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    await after(house, 15)
    assert (house.membership(ANA), (await newest(house)).state) == ("join", State.JOINED)


async def test_who_joins_in_the_same_second_stays_and_nobody_is_alarmed(house: House) -> None:
    await accepted(house)
    house.clock.go_on(14 * DAY)
    await house.ring()
    house.world.change(GARDEN, ANA, ANA, "join")
    before = house.spoken()
    await house.live()
    request = await newest(house)
    assert (house.membership(ANA), request.state, request.by) == ("join", State.JOINED, ALICE)
    assert house.spoken() == before
    assert house.card().state == "joined"


async def test_who_joins_before_the_act_and_is_heard_of_later_stays(house: House) -> None:
    await accepted(house)
    house.clock.go_on(14 * DAY)
    await house.ring()
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.work()
    await house.live()
    assert (house.membership(ANA), (await newest(house)).state) == ("join", State.JOINED)


async def test_who_is_asked_in_anew_has_all_the_time_again(house: House) -> None:
    await accepted(house)
    await after(house, 14)
    house.world.knock(GARDEN, ANA, "once more")
    await house.live()
    assert "Before: accepted, but the invite expired" in house.cards()[-1].text
    house.tell("accept 2")
    await house.live()
    await after(house, 13)
    assert house.membership(ANA) == "invite"
    await after(house, 1.1)
    assert house.membership(ANA) == "leave"


async def test_a_moderator_may_invite_them_by_hand_after_it(house: House) -> None:
    await accepted(house)
    await after(house, 14)
    house.world.change(GARDEN, ALICE, ANA, "invite")
    await house.live()
    request = await newest(house)
    assert (request.state, request.undone, request.by) == (State.ACCEPTED, None, ALICE)
    await after(house, 14.1)
    assert (house.membership(ANA), (await newest(house)).state) == ("leave", State.EXPIRED)


async def test_a_moderator_who_withdraws_it_in_the_same_second_is_named(house: House) -> None:
    await accepted(house)
    house.clock.go_on(14 * DAY)
    await house.ring()
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.live()
    request = await newest(house)
    assert (request.state, request.by) == (State.REJECTED, ALICE)


async def test_it_says_nothing_about_the_applicant(house: House) -> None:
    await accepted(house)
    await after(house, 14)
    rules = "rules: [{name: known, when: {any: [{rejected_before: true}, {accepted_before: true}]}, then: ban}]"
    await house.set_policy(f"cooldown: 30d\n{rules}")
    house.world.knock(GARDEN, ANA, "once more")
    await house.live()
    assert (await newest(house)).state is State.PENDING


async def test_it_cannot_be_undone_and_says_so(house: House) -> None:
    await accepted(house)
    await after(house, 14)
    house.tell("undo 1")
    await house.live()
    assert "did not take the invite in time" in house.spoken()[-1]


async def test_an_accept_that_was_undone_does_not_expire(house: House) -> None:
    await accepted(house)
    house.tell("undo 1")
    await house.live()
    await after(house, 15)
    assert (await newest(house)).state is State.REJECTED


async def test_another_policy_counts_at_once(house: House) -> None:
    await house.set_policy("otherwise: forward")
    await accepted(house)
    house.clock.go_on(20 * DAY)
    house.tell("policy set #garden:tulip.example\ninvite_expires: 14d")
    house.world.aliases["#garden:tulip.example"] = GARDEN
    await house.live()
    await house.ring()
    await house.live()
    assert house.membership(ANA) == "leave"


async def test_without_it_an_invite_stays(house: House) -> None:
    await house.set_policy("invite_expires: off")
    await accepted(house)
    await after(house, 400)
    assert house.membership(ANA) == "invite"


async def test_a_dry_run_withdraws_nothing(house: House) -> None:
    await accepted(house)
    await house.set_policy(f"dry_run: true\n{POLICY}")
    await after(house, 15)
    assert house.membership(ANA) == "invite"


async def test_where_its_author_may_not_withdraw_it_that_is_told_once(house: House) -> None:
    house.world.change(GARDEN, ALICE, BOB, "join")
    house.world.change(MODS, ALICE, BOB, "join")
    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)))
    await house.set_policy(POLICY, author=BOB)
    await accepted(house)
    house.world.set_levels(GARDEN, **levels_for())
    await house.live()
    for _ in range(4):
        await after(house, 14)
    said = [text for text in house.spoken() if "has expired, and I cannot withdraw it" in text]
    assert len(said) == 1
    assert (house.membership(ANA), (await newest(house)).state) == ("invite", State.ACCEPTED)
    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)))
    await house.live()
    await after(house, 1.1)
    assert house.membership(ANA) == "leave"


async def test_many_at_once_are_told_in_one_line(house: House) -> None:
    people = [f"@p{number}:tulip.example" for number in range(8)]
    for one in people:
        await accepted(house, one, reason="")
    before = len(house.spoken())
    await after(house, 14.1)
    await after(house, 0.1)
    assert [house.membership(one) for one in people] == ["leave"] * 8
    [line] = house.spoken()[before:]
    assert line.startswith("⌛ 8 people have not taken their invites to Garden within ")
    assert "#1, #2, #3, #4, #5, #6, #7, #8" in line


async def test_a_restart_withdraws_once(house: House) -> None:
    await accepted(house)
    house.clock.go_on(14 * DAY)
    await house.ring()
    await house.die()
    await house.start_again()
    await house.ring()
    await house.live()
    assert (await newest(house)).state is State.EXPIRED
    assert len([call for call in house.world.asked("kick") if GARDEN in call and ANA in call]) == 1


async def test_three_processes_withdraw_it_once(ready_postgres_url: str) -> None:
    async with housed(ready_postgres_url) as house:
        await house.set_policy(POLICY)
        people = [f"@p{number}:tulip.example" for number in range(3)]
        for one in people:
            await accepted(house, one)
        others = [await House(house.url, house.world).open() for _ in range(2)]
        try:
            house.clock.go_on(14 * DAY + 60)
            await asyncio.gather(*(one.timers.run_due() for one in (house, *others)))
            for process in (house, *others):
                await process.live()
        finally:
            for process in others:
                await process.close()
        assert [(await house.request(one)).state for one in people] == [State.EXPIRED] * 3
        assert sorted(call[2] for call in house.world.asked("kick")) == people


async def test_a_room_that_is_let_go_withdraws_nothing(house: House) -> None:
    await accepted(house)
    house.tell("unprotect Garden")
    await house.live()
    await after(house, 15)
    assert house.membership(ANA) == "invite"


async def test_a_knock_that_nobody_answered_is_told_too(house: House) -> None:
    await house.set_policy(f"stale_after: 3d\n{POLICY}")
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    await after(house, 3.1)
    assert letters(house) == ["Nobody answered your request to join Garden in time. You can ask again."]
