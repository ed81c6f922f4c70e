"""Conversations after a restore: an applicant still has one, whatever the records have forgotten of it, and is told
nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from knockbot.domain.conversations import Stage
from knockbot.domain.model import State
from knockbot.flow.ports import CONVERSATION_KEY, EFFECT_KEY
from tests.flow.asked import POLICY
from tests.flow.house import GARDEN, MODS, House
from tests.flow.test_conversations import stage, talks, told
from tests.flow.test_letters import LETTERS, RECEIVED, REJECTED, command, knocked, letters, talk
from tests.flow.test_recall import Attic, attic
from tests.flow.world import ANA, BOT, FAR, Room

__all__ = ["attic"]

A_WEEK = 7 * 24 * 3600


def joins(house: House, room: str, user_id: str) -> None:
    house.world.change(room, user_id, user_id, "join")


@pytest.mark.parametrize("comes", [False, True])
async def test_one_that_was_begun_since_goes_on(house: House, attic: Attic, comes: bool) -> None:
    await house.set_policy(LETTERS)
    await attic.put()
    await knocked(house)
    if comes:
        joins(house, talk(house), ANA)
        await house.live()

    restored = await attic.bring_back()

    assert await stage(restored, ANA) is (Stage.JOINED if comes else Stage.INVITED)
    await command(restored, "reject 1")
    assert letters(restored) == [RECEIVED, REJECTED]


async def test_what_is_written_there_is_heard_and_the_room_is_left_in_its_time(house: House, attic: Attic) -> None:
    await house.set_policy(LETTERS)
    await attic.put()
    await knocked(house)
    joins(house, talk(house), ANA)
    await house.live()

    restored = await attic.bring_back()
    restored.world.say(talk(restored), ANA, "status")
    await restored.live()
    assert letters(restored)[-1].startswith("1. Garden")
    await restored.later(A_WEEK + 60)
    await restored.ring()
    await restored.live()
    assert (restored.membership(BOT, talk(restored)), await stage(restored, ANA)) == ("leave", Stage.LEFT)


async def test_an_outcome_that_was_told_since_is_not_told_again(house: House, attic: Attic) -> None:
    await house.set_policy(LETTERS)
    await knocked(house)
    await attic.put()
    await command(house, "reject 1")
    assert letters(await attic.bring_back()) == [RECEIVED, REJECTED]


async def test_one_that_was_being_made_is_made_once(house: House, attic: Attic) -> None:
    await house.set_policy(LETTERS)
    house.world.knock(GARDEN, ANA, "hello")
    await house.hear()
    await attic.put()
    await house.live()
    assert letters(await attic.bring_back()) == [RECEIVED]


async def test_who_has_left_it_since_is_left_in_peace(house: House, attic: Attic) -> None:
    await told(house, "one")
    await attic.put()
    [room] = talks(house)
    house.world.change(room, FAR, FAR, "leave")
    house.world.outbox.clear()  # nobody tells of it

    restored = await attic.bring_back()
    assert (await stage(restored), restored.membership(BOT, room)) == (Stage.UNREACHABLE, "leave")
    await told(restored, "two")
    assert talks(restored) == [room]


async def test_one_that_was_left_since_is_over_and_the_one_after_it_goes_on(house: House, attic: Attic) -> None:
    await told(house, "one")
    await attic.put()
    await house.later(A_WEEK + 60)
    await house.ring()
    await told(house, "two")
    [first, second] = talks(house)

    restored = await attic.bring_back()
    await told(restored, "three")
    assert talks(restored) == [first, second]
    assert [len(restored.said(room)) for room in (first, second)] == [1, 2]


async def test_who_has_declined_one_that_is_not_on_record_is_left_in_peace(house: House, attic: Attic) -> None:
    await attic.put()
    await told(house, "one")
    [room] = talks(house)
    house.world.change(room, FAR, FAR, "leave")

    restored = await attic.bring_back()
    assert restored.membership(BOT, room) == "leave"
    await told(restored, "two")
    assert talks(restored) == [room]


MINE: Mapping[str, Any] = {EFFECT_KEY: "converse:7", CONVERSATION_KEY: {"user_id": FAR, "about": GARDEN}}


@pytest.mark.parametrize(
    ("sender", "content", "left"),
    [
        (BOT, MINE, True),  # made, and nobody was invited: it was killed in between
        (FAR, MINE, False),
        (BOT, {EFFECT_KEY: "converse:7"}, False),
        (BOT, {**MINE, CONVERSATION_KEY: {"user_id": 7, "about": GARDEN}}, False),
        (BOT, {**MINE, CONVERSATION_KEY: "x"}, False),
        (BOT, {**MINE, EFFECT_KEY: "meet:7"}, False),
        (BOT, {**MINE, EFFECT_KEY: 7}, False),
    ],
)
async def test_only_rooms_of_its_own_that_it_made_for_this_are_touched(
    house: House, attic: Attic, sender: str, content: Mapping[str, Any], left: bool
) -> None:
    await attic.put()
    house.world.rooms["!other"] = Room("!other", "Other", join_rule="invite")
    house.world.rooms["!other"].create = {"sender": sender, "content": content}
    house.world.change("!other", BOT, BOT, "join")

    restored = await attic.bring_back()
    assert restored.membership(BOT, "!other") == ("leave" if left else "join")
    assert await stage(restored) is None
    assert restored.membership(BOT, MODS) == "join"


async def test_a_restore_that_is_begun_twice_ends_the_same(house: House, attic: Attic) -> None:
    await house.set_policy(LETTERS)
    await attic.put()
    await knocked(house)
    await attic.bring_back()
    restored = await attic.bring_back()
    await command(restored, "reject 1")
    assert letters(restored) == [RECEIVED, REJECTED]


# --- questions ----------------------------------------------------------------------------------------------------


def asks(house: House) -> list[str]:
    """Of each question that was asked, how it begins."""
    return [body.split("\n")[0][-16:] for body in letters(house) if body.startswith("About your request")]


@pytest.mark.parametrize("known", [False, True])
async def test_who_was_asked_since_is_asked_again_and_their_answers_decide(
    house: House, attic: Attic, known: bool
) -> None:
    await house.set_policy(POLICY)
    if not known:
        await attic.put()
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    if known:
        await attic.put()
    joins(house, talk(house), ANA)
    house.world.say(talk(house), ANA, "friends")
    await house.live()
    assert asks(house) == ["question 1 of 2:", "question 2 of 2:"]

    restored = await attic.bring_back()
    assert asks(restored)[2:] == ["question 1 of 2:"]
    await restored.later(23 * 3600)
    await restored.ring()
    await restored.live()
    for said in ("by alice", "yes"):
        restored.world.say(talk(restored), ANA, said)
        await restored.live()
    assert asks(restored)[3:] == ["question 2 of 2:"]
    assert (await restored.request(ANA)).state is State.ACCEPTED


async def test_who_does_not_answer_after_a_restore_falls_to_unanswered_in_its_time(house: House, attic: Attic) -> None:
    await house.set_policy(POLICY)
    await attic.put()
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    restored = await attic.bring_back()
    for _ in range(25):
        await restored.later(3600)
        await restored.ring()
        await restored.live()
    assert (await restored.request(ANA)).state is State.REJECTED
