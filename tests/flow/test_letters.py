"""Letters: an applicant is told in one conversation what becomes of their requests, as the policy says, and once."""

from __future__ import annotations

import asyncio

import pytest

from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Never
from tests.flow.house import GARDEN, MODS, House, until_called
from tests.flow.world import ALICE, ANA, BOT, FAR, levels_for

LETTERS = "letters: {received: true, waiting: 24h, accepted: true, rejected: true, invited: 24h}\n"
HOUR = 3600
LAWN = "!lawn:tulip.example"


async def knocked(house: House, user_id: str = ANA, reason: str = "hello", room_id: str = GARDEN) -> None:
    house.world.knock(room_id, user_id, reason)
    await house.live()


async def passed(house: House, hours: float) -> None:
    await house.later(hours * HOUR)
    await house.ring()
    await house.live()


def talk(house: House) -> str:
    """The only room that the bot has made."""
    [room] = [room_id for room_id in house.world.rooms if room_id not in (GARDEN, MODS, LAWN)]
    return room


def letters(house: House) -> list[str]:
    """What the applicant can read."""
    return [content["body"] for content in house.said(talk(house))]


def has_talks(house: House) -> bool:
    return bool([room_id for room_id in house.world.rooms if room_id not in (GARDEN, MODS, LAWN)])


async def command(house: House, what: str) -> None:
    house.tell(what)
    await house.live()


HELP = "Write “help” here to see what you can do."
HILFE = "Schreibe hier „hilfe“, um zu sehen, was du tun kannst."
APPEAL = "If you want to object, write “appeal” here, and your reasons after it."
RECEIVED = f"Your request to join Garden was received. The moderators of the room decide about it.\n{HELP}"
REJECTED = f"Your request to join Garden was rejected.\n{APPEAL}"
ACCEPTED = "You are accepted. You have an invite to Garden, and can join it now."


async def test_without_letters_nothing_is_said(house: House) -> None:
    await knocked(house)
    await command(house, "reject 1 Not now.")
    assert not has_talks(house)


async def test_the_whole_story_of_somebody_who_is_accepted(house: House) -> None:
    await house.set_policy(LETTERS)
    await knocked(house)
    assert letters(house) == [RECEIVED]
    await passed(house, 23)
    assert len(letters(house)) == 1
    await passed(house, 2)
    assert letters(house)[1:] == ["Your request to join Garden still waits for an answer."]
    await passed(house, 50)
    await command(house, "accept 1")
    assert letters(house)[2:] == [ACCEPTED]
    await passed(house, 25)
    await passed(house, 25)
    assert letters(house)[3:] == ["You have an invite to Garden, and have not joined yet."]
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    assert len(letters(house)) == 4


@pytest.mark.parametrize("joins", [False, True])
async def test_who_joins_at_once_is_told_once_and_not_reminded(house: House, joins: bool) -> None:
    await house.set_policy(f"{LETTERS}otherwise: accept")
    house.world.knock(GARDEN, ANA, "hello")
    await house.hear()
    await house.work()
    house.world.change(GARDEN, ANA, ANA, "join")  # the invite and the join are delivered together
    await house.live()
    await passed(house, 25)
    assert letters(house) == [ACCEPTED]
    if joins:
        await command(house, "undo 1")
        assert letters(house) == [ACCEPTED]  # it asks first


async def test_a_rejection_says_what_was_written_for_them_and_nothing_else(house: House) -> None:
    await house.set_policy(
        f"{LETTERS}rules: [{{name: secret words, when: {{reason_matches: spam}}, then: reject, reason: Be specific.}}]"
    )
    await knocked(house)
    await command(house, "note 1 a notorious liar")
    await command(house, "reject 1 Not *now*.")
    await knocked(house, FAR, "spam")

    rooms = [room for room in house.world.rooms if room not in (GARDEN, MODS)]
    first, second = [[content["body"] for content in house.said(room)] for room in rooms]
    assert first == [RECEIVED, f"Your request to join Garden was rejected. Reason: “Not *now*.”\n{APPEAL}"]
    assert second == [f"Your request to join Garden was rejected. Reason: “Be specific.”\n{APPEAL}"]
    assert "liar" not in repr([house.said(room) for room in rooms])
    assert "secret words" not in repr([house.said(room) for room in rooms])


async def test_a_rejection_in_another_client_and_one_without_a_reason(house: House) -> None:
    await house.set_policy(LETTERS)
    await knocked(house)
    house.world.change(GARDEN, ALICE, ANA, "leave", "seen elsewhere")
    await house.live()
    assert letters(house)[1:] == [REJECTED]


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("otherwise: ban", None),
        ("otherwise: reject", [REJECTED]),
        ("otherwise: accept", [ACCEPTED]),
        ("dry_run: true\notherwise: ban", [RECEIVED]),
    ],
)
async def test_what_the_policy_decides_at_once_is_told_as_its_outcome(
    house: House, policy: str, said: list[str] | None
) -> None:
    await house.set_policy(LETTERS + policy)
    await knocked(house)
    assert (letters(house) if has_talks(house) else None) == said


@pytest.mark.parametrize(
    ("answer", "said"), [("reject 1", ACCEPTED), ("accept 1", "Your invite to Garden was withdrawn.")]
)
async def test_an_answer_that_is_undone_is_told_as_what_it_is_now(house: House, answer: str, said: str) -> None:
    await house.set_policy(LETTERS)
    await knocked(house)
    await command(house, answer)
    await command(house, "undo 1")
    assert letters(house)[2:] == [said]


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("notify_remote: message\n", 1),
        ("notify_remote: message\nletters: {rejected: true}\n", 1),
        ("notify_remote: message\nletters: {accepted: true}\n", 1),
    ],
)
async def test_a_rejection_is_told_once_whichever_key_asks_for_it(house: House, policy: str, told: int) -> None:
    await house.set_policy(f"{policy}otherwise: reject")
    await knocked(house, FAR)
    assert len(letters(house)) == told


async def test_several_rooms_share_the_conversation_each_in_its_language(house: House) -> None:
    house.world.room(LAWN, "Wiese", ALICE, BOT, levels=levels_for())
    await house.protect(LAWN, policy=f"language: de\n{LETTERS}")
    await house.set_policy(LETTERS)
    await knocked(house)
    await knocked(house, room_id=LAWN)
    assert letters(house) == [
        RECEIVED,
        f"Deine Anfrage, Wiese beizutreten, ist angekommen. Die Moderation des Raums entscheidet darüber.\n{HILFE}",
    ]


async def test_what_the_policy_wants_no_more_is_not_told(house: House) -> None:
    await house.set_policy(LETTERS)
    await knocked(house)
    await house.set_policy("letters: {received: true}")
    await passed(house, 25)
    await command(house, "accept 1")
    await passed(house, 25)
    assert letters(house) == [RECEIVED]


async def test_a_knock_again_is_no_other_request(house: House) -> None:
    await house.set_policy(LETTERS)
    for number in range(5):
        await knocked(house, reason=f"please {number}")
    assert letters(house) == [RECEIVED]


@pytest.mark.parametrize("code", ["M_INVITE_BLOCKED", "M_FORBIDDEN"])
async def test_who_cannot_be_told_is_answered_all_the_same(house: House, code: str) -> None:
    await house.set_policy(LETTERS)
    house.world.play("create_room", Never(foreign("no"), code=code), times=100)
    await knocked(house)
    await command(house, "accept 1")
    assert (await house.request(ANA)).state is State.ACCEPTED
    assert not has_talks(house)


@pytest.mark.parametrize("call", ["create_room", "invite", "send", "kick"])
@pytest.mark.parametrize("done", [False, True])
async def test_each_letter_is_sent_once_whenever_it_is_killed(house: House, call: str, done: bool) -> None:
    await house.set_policy(f"{LETTERS}otherwise: reject")
    house.world.knock(GARDEN, ANA)
    await house.hear()
    house.world.play(call, hang=asyncio.Event(), done=done)
    await until_called(house, call)
    await house.die()
    await house.start_again()
    house.world.behave()
    await house.live()
    assert letters(house) == [REJECTED]
