"""A rejection is told to an applicant of another server, as the policy says."""

from __future__ import annotations

import asyncio

import pytest

from knockbot.documents.text import without_marks
from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from tests.flow.house import GARDEN, MODS, House, housed, until_called
from tests.flow.world import BOT, FAR

DAY = 24 * 3600
BY_MESSAGE = "notify_remote: message\nrules: [{when: {reason_matches: no}, then: reject, reason: Not today.}]"


async def knocked(house: House, user_id: str = FAR, reason: str = "no") -> None:
    house.world.knock(GARDEN, user_id, reason)
    await house.live()


def path_of(house: House, user_id: str = FAR) -> list[tuple[str, str, str | None]]:
    """The member events of somebody in the garden: who set which membership, and with which words."""
    events = [event for event in house.world.rooms[GARDEN].past.values() if event["state_key"] == user_id]
    return [(e["sender"], e["content"]["membership"], e["content"].get("reason")) for e in events]


async def rejected(house: House, user_id: str = FAR) -> None:
    """Their request ended rejected."""
    request = await house.request(user_id)
    assert (request.state, house.membership(user_id)) == (State.REJECTED, "leave")


NOT_TOLD = [(FAR, "knock", "no"), (BOT, "leave", "Not today.")]


async def test_by_default_nothing_is_told(house: House) -> None:
    await house.set_policy(BY_MESSAGE.partition("\n")[2])
    await knocked(house)
    assert path_of(house) == NOT_TOLD
    assert house.world.asked("create_room") == []


# --- how often ----------------------------------------------------------------------------------------------------


async def test_an_applicant_is_told_once_a_day_however_often_they_knock(house: House) -> None:
    await house.set_policy(BY_MESSAGE)
    for _ in range(3):
        await knocked(house)
    [room] = letters(house)
    assert len(house.said(room)) == 1
    assert house.membership(FAR) == "leave"

    await house.later(DAY + 1)
    await knocked(house)
    assert letters(house) == [room]
    assert len(house.said(room)) == 2


async def test_beyond_the_cap_of_a_day_nobody_is_told(ready_url: str) -> None:
    async with housed(ready_url, notices={"per_day": 2}) as house:
        await house.set_policy(BY_MESSAGE)
        for number in range(4):
            await knocked(house, f"@far{number}:server{number}.example")
        assert len(house.world.asked("create_room")) == 2
        assert {house.membership(f"@far{number}:server{number}.example") for number in range(4)} == {"leave"}


# --- by message ---------------------------------------------------------------------------------------------------


def letters(house: House) -> list[str]:
    """The rooms made to tell somebody."""
    return [room_id for room_id in house.world.rooms if room_id not in (GARDEN, MODS)]


async def test_a_message_tells_the_reason_in_a_room_of_their_own(house: House) -> None:
    await house.set_policy(BY_MESSAGE)
    await knocked(house)

    [room] = letters(house)
    assert house.membership(FAR, room) == "invite"
    [said] = house.said(room)
    assert "Garden" in said["body"]
    assert "Not today." in said["body"]
    assert path_of(house) == NOT_TOLD
    await rejected(house)


@pytest.mark.parametrize(
    ("language", "name"), [("en", "Your request to join Garden"), ("de", "Deine Anfrage, Garden beizutreten")]
)
async def test_the_room_is_named_in_the_language_of_the_policy(house: House, language: str, name: str) -> None:
    await house.set_policy(f"language: {language}\n{BY_MESSAGE}")
    await knocked(house)

    [room] = letters(house)
    assert without_marks(house.world.rooms[room].label) == name


async def test_the_room_is_left_after_a_week_and_not_before(house: House) -> None:
    await house.set_policy(BY_MESSAGE)
    await knocked(house)
    [room] = letters(house)
    await house.later(6 * DAY)
    await house.ring()
    assert house.membership(BOT, room) == "join"
    await house.later(1.1 * DAY)
    await house.ring()
    await house.live()
    assert house.membership(BOT, room) == "leave"
    assert house.world.asked("forget") == [("forget", room)]


@pytest.mark.parametrize("call", ["create_room", "invite", "send"])
@pytest.mark.parametrize("done", [False, True])
async def test_a_message_is_sent_once_whenever_it_is_killed(house: House, call: str, done: bool) -> None:
    await house.set_policy(BY_MESSAGE)
    house.world.knock(GARDEN, FAR, "no")
    await house.hear()
    house.world.play(call, hang=asyncio.Event(), done=done)
    await until_called(house, call)
    await house.die()
    await house.start_again()
    house.world.behave()
    await house.live()

    [room] = letters(house)
    assert len([event for event in house.world.rooms[room].said if event["sender"] == BOT]) == 1
    assert house.membership(FAR, room) == "invite"


async def test_a_message_to_a_dead_server_waits_and_is_dropped_after_a_day(house: House) -> None:
    await house.set_policy(BY_MESSAGE)
    house.world.play("invite", Later(foreign("their server is silent")), times=1000)
    await knocked(house)
    assert house.membership(FAR) == "leave"
    for _ in range(30):
        await house.later(3600)

    assert len(letters(house)) == 1
    assert house.said(letters(house)[0]) == []
    assert await house.jobs("due", "running") == {}
    assert len(house.spoken()) == 1  # the decision


async def test_who_refuses_invites_is_not_told(house: House) -> None:
    await house.set_policy(BY_MESSAGE)
    house.world.play("invite", Never(foreign("they refuse."), code="M_INVITE_BLOCKED"))
    await knocked(house)
    [room] = letters(house)
    assert (house.membership(BOT, room), house.said(room)) == ("leave", [])
    await rejected(house)
