"""Interviews: a private room with the applicant and the moderators who click, made once, and left after its time."""

from __future__ import annotations

import asyncio

import pytest

from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from tests.flow.asked import passed, talk, talks
from tests.flow.house import GARDEN, MODS, House, housed, until_called
from tests.flow.test_questions import tell
from tests.flow.world import ALICE, ANA, BOT, HOME, levels_for

BOB, MONA = f"@bob:{HOME}", f"@mona:{HOME}"


@pytest.fixture
async def house(house: House) -> House:
    """Ana waits; bob may answer her, and mona may not."""
    for room_id in (GARDEN, MODS):
        for user_id in (BOB, MONA):
            house.world.change(room_id, ALICE, user_id, "invite")
            house.world.change(room_id, user_id, user_id, "join")
        house.world.rooms[room_id].levels["users"][BOB] = 100
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    return house


def prompt(house: House) -> str:
    """The newest message about an interview."""
    found = [e for e in house.world.rooms[MODS].said if "org.knockbot.prompt" in e["content"]]
    return str([e for e in found if e["content"]["org.knockbot.prompt"]["kind"] == "interview"][-1]["event_id"])


async def click(house: House, by: str) -> list[str]:
    before = len(house.spoken())
    house.world.react(MODS, by, prompt(house), "✋")
    await house.later(10)
    return house.spoken()[before:]


def invited(house: House) -> dict[str, str | None]:
    room = talk(house)
    return {who: house.membership(who, room) for who in (ALICE, BOB, MONA, ANA)}


async def test_the_applicant_whoever_asks_and_whoever_clicks_are_invited(house: House) -> None:
    assert await tell(house, "interview 1") == (
        f"🎤 #1: interview with {ANA}, who wants to join Garden. I invite them to a private room, and everybody who "
        f"clicks ✋. So far: {ALICE}."
    )
    assert invited(house) == {ALICE: "invite", BOB: None, MONA: None, ANA: "invite"}
    assert house.world.rooms[talk(house)].label == "Interview: Garden"
    assert await click(house, BOB) == []
    assert invited(house)[BOB] == "invite"
    assert house.world.rooms[talk(house)].levels["users"] == {BOT: 100, ALICE: 50, BOB: 50}
    [said] = await click(house, MONA)
    assert "level" in said
    assert invited(house)[MONA] is None
    assert await click(house, MONA) == []


async def test_one_click_twice_invites_once_and_nobody_is_called_back(house: House) -> None:
    await tell(house, "interview 1")
    await click(house, BOB)
    house.world.change(talk(house), BOB, BOB, "leave")
    await click(house, BOB)
    assert invited(house)[BOB] == "leave"


async def test_there_is_one_interview_about_a_request(house: House) -> None:
    await tell(house, "interview 1")
    assert await tell(house, "interview 1") == (
        "There is an interview about #1 already. Click ✋ on its message to take part."
    )
    assert len(talks(house)) == 1


async def test_it_takes_the_level_of_an_answer(house: House) -> None:
    house.tell("interview 1", by=MONA)
    await house.live()
    assert not talks(house)


async def test_once_the_request_is_settled_nobody_comes_in_any_more(house: House) -> None:
    await tell(house, "interview 1")
    await tell(house, "reject 1")
    [said] = await click(house, BOB)
    assert said == "This question is closed, because it needs no answer any more."
    assert invited(house)[BOB] is None
    assert house.membership(BOT, talk(house)) == "join"  # they may still be talking


async def test_the_bot_leaves_after_a_week(house: House) -> None:
    await tell(house, "interview 1")
    room = talk(house)
    await passed(house, 7 * 24 + 1)
    assert house.membership(BOT, room) == "leave"


async def test_nothing_that_is_said_there_is_heard(house: House) -> None:
    await tell(house, "interview 1")
    room = talk(house)
    house.world.change(room, ALICE, ALICE, "join")
    house.world.say(room, ALICE, "!kb accept 1")
    house.world.say(room, ANA, "!kb help")
    await house.live()
    assert house.said(room) == []
    assert house.membership(ANA) == "knock"


@pytest.mark.parametrize("code", ["M_INVITE_BLOCKED", "M_FORBIDDEN"])
async def test_who_refuses_is_told_to_the_moderators_once_and_the_room_is_given_up(house: House, code: str) -> None:
    house.world.play("invite")
    house.world.play("invite", Never(foreign("they refuse"), code=code))
    await tell(house, "interview 1")
    await passed(house, 1)
    said = [line for line in house.spoken() if "could not invite" in line]
    assert said == [f"🎤 #1: I could not invite {ANA} to the interview: they refuse"]
    assert house.membership(BOT, talk(house)) == "leave"
    await tell(house, "interview 1")
    assert len(talks(house)) == 2


async def test_a_silent_server_is_given_up_within_a_day(house: House) -> None:
    house.world.play("invite")
    house.world.play("invite", Later(foreign("silent"), retry_after=3600), times=100)
    await tell(house, "interview 1")
    for _ in range(14):
        await passed(house, 2)
    assert len([line for line in house.spoken() if "could not invite" in line]) == 1


async def test_the_budget_of_the_day_counts(ready_url: str) -> None:
    async with housed(ready_url, notices={"per_day": 1}) as house:
        for user in (ANA, "@bea:tulip.example"):
            house.world.knock(GARDEN, user, "hello")
        await house.live()
        await tell(house, "interview 1")
        assert await tell(house, "interview 2") == (
            "No more private rooms can be made today: 1 are allowed a day. Nobody is invited."
        )
        assert len(talks(house)) == 1


@pytest.mark.parametrize("call", ["create_room", "invite"])
@pytest.mark.parametrize("done", [False, True])
async def test_a_kill_at_any_call_makes_one_room(house: House, call: str, done: bool) -> None:
    house.world.play(call, hang=asyncio.Event(), done=done)
    house.tell("interview 1")
    await house.hear()
    await until_called(house, call)
    await house.die()
    await house.start_again()
    await house.live()
    assert len(talks(house)) == 1
    assert invited(house)[ANA] == "invite"


async def test_a_click_that_came_while_the_bot_was_away_counts(house: House) -> None:
    await tell(house, "interview 1")
    await house.close()
    house.world.react(MODS, BOB, prompt(house), "✋")
    await house.open()
    await house.live()
    await house.look_everywhere()
    await house.live()
    assert invited(house)[BOB] == "invite"


async def test_a_room_that_is_no_longer_protected_takes_no_clicks(house: House) -> None:
    await tell(house, "interview 1")
    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)))
    await tell(house, f"unprotect {GARDEN}")
    await click(house, BOB)
    assert invited(house)[BOB] is None
