"""What an applicant writes in their conversation is done once, and answered; nothing else is heard there."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from knockbot.chat import applicant
from knockbot.demo.people import until
from knockbot.domain.conversations import BURST
from knockbot.domain.model import Message, State
from knockbot.domain.reasons import foreign
from knockbot.engine.turn import Write
from knockbot.errors import Later, Never
from knockbot.flow import settling
from knockbot.flow.context import Context
from knockbot.store import conversations, requests
from knockbot.store.db import Database
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.test_letters import HELP, LAWN, command, knocked, talk
from tests.flow.world import ALICE, ANA, BOT, levels_for

COMMAND_FAILED = (
    "⚠️ I could not do this, because of a fault of my own. Nothing was changed. "
    "My server's admin finds the details in my log."
)
OTHER = "@other:elsewhere.example"
LETTERS = "letters: {received: true, accepted: true, rejected: true}\n"
WEEK = 7 * 24 * 3600


async def in_talk(house: House, user_id: str = ANA) -> str:
    """They have knocked, and have joined the conversation."""
    await house.set_policy(LETTERS)
    await knocked(house, user_id)
    room = talk(house)
    house.world.change(room, user_id, user_id, "join")
    await house.live()
    return room


async def written(house: House, text: str, by: str = ANA, **content: Any) -> list[str]:
    """What the bot says to that."""
    room = talk(house)
    before = len(house.said(room))
    house.world.say(room, by, text, **content)
    await house.live()
    return [content["body"] for content in house.said(room)[before:]]


async def second_room(house: House) -> None:
    house.world.room(LAWN, "Lawn", ALICE, BOT, levels=levels_for())
    await house.protect(LAWN, policy=LETTERS)
    await knocked(house, room_id=LAWN)


# --- status -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["status", "Status!", "stand", " STATUS ", "Knockbot: status"])
async def test_they_see_what_became_of_each_request(house: House, said: str) -> None:
    await in_talk(house)
    await second_room(house)
    await command(house, "reject 1 Not now.")
    await house.later(120)
    [answer] = await written(house, said)
    assert answer == "1. Garden, asked 2 minutes ago: rejected\n2. Lawn, asked 2 minutes ago: waits for an answer"


async def test_nothing_of_others_is_shown(house: House) -> None:
    await in_talk(house)
    house.world.play("create_room", Never(foreign("no more rooms")))
    await knocked(house, "@bea:tulip.example", "let me in")
    assert len((await written(house, "status"))[0].splitlines()) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("accept 1", "accepted. You have an invite"),
        ("ban 1", "you are banned"),
        ("reject 1", "rejected"),
    ],
)
async def test_each_outcome_in_plain_words(house: House, answer: str, said: str) -> None:
    await in_talk(house)
    await command(house, answer)
    assert await written(house, "status") == [f"1. Garden, asked just now: {said}"]


async def test_what_is_over_for_long_and_rooms_that_are_protected_no_more_are_left_out(house: House) -> None:
    await in_talk(house)
    await command(house, "reject 1")
    await house.later(5 * WEEK)
    assert await written(house, "status") == ["You have no requests."]


# --- withdraw -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["withdraw", "zurückziehen", "withdraw 1", "withdraw #1"])
async def test_a_request_is_withdrawn_and_nobody_has_rejected_it(house: House, said: str) -> None:
    await in_talk(house)
    assert await written(house, said) == ["I withdraw your request to join Garden. You can ask again at any time."]

    request = await house.request(ANA)
    assert (request.state, request.by, house.membership(ANA)) == (State.WITHDRAWN, ANA, "leave")
    assert (ANA, "withdrawn") in await house.history(request)
    assert not [kind for _, kind in await house.history(request) if kind in ("reject", "rejected")]
    assert "reject" not in house.card().text.lower()
    assert house.card().state == "withdrawn"
    assert len(house.said(talk(house))) == 2  # no letter says it again
    async with house.db.tx() as tx:
        assert await tx.fetchval("SELECT counts_as FROM requests") == "withdrawn"


async def test_they_can_ask_again(house: House) -> None:
    await in_talk(house)
    await written(house, "withdraw")
    await knocked(house)
    assert [one.state for one in await house.requests(ANA)] == [State.WITHDRAWN, State.PENDING]


async def test_who_asks_again_at_once_asks_after_all(house: House) -> None:
    await in_talk(house)
    house.world.play("kick", Later(foreign("no answer")))
    await written(house, "withdraw")
    await knocked(house, reason="I do want to")
    await house.later(120)
    assert ((await house.request(ANA)).state, house.membership(ANA)) == (State.PENDING, "knock")


async def test_where_several_wait_they_are_asked_which(house: House) -> None:
    await in_talk(house)
    await second_room(house)
    [said] = await written(house, "withdraw")
    assert said.startswith("Which one? Add its number to withdraw.\n1. Garden")
    await written(house, "withdraw 2")
    assert ((await house.request(ANA)).state, (await house.request(ANA, LAWN)).state) == (
        State.PENDING,
        State.WITHDRAWN,
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("accept 1", "You have an invite to Garden. If you do not want to join, decline the invite in your client."),
        ("reject 1", "Your request to join Garden is over already."),
    ],
)
async def test_what_is_answered_cannot_be_withdrawn(house: House, answer: str, said: str) -> None:
    await in_talk(house)
    await command(house, answer)
    assert await written(house, "withdraw 1") == [said]
    assert await written(house, "withdraw") == ["None of your requests waits for an answer."]
    assert await written(house, "withdraw 7") == ["You have no request 7."]


async def test_an_answer_in_the_same_moment_wins_once(house: House) -> None:
    await in_talk(house)
    house.world.say(talk(house), ANA, "withdraw")
    house.tell("accept 1")
    await house.live()
    assert (await house.request(ANA)).state in (State.WITHDRAWN, State.ACCEPTED)
    assert len([kind for _, kind in await house.history(await house.request(ANA)) if kind == "withdrawn"]) <= 1


async def test_without_the_power_the_knock_stays_until_it_is_back(house: House) -> None:
    await in_talk(house)
    house.world.set_levels(GARDEN, kick=100)
    await house.live()
    await written(house, "withdraw")
    assert (await house.request(ANA)).state is State.PENDING
    assert "The applicant withdraws the request. I cannot do that yet" in house.card().text
    house.world.set_levels(GARDEN, kick=50)
    await house.live()
    assert ((await house.request(ANA)).state, house.membership(ANA)) == (State.WITHDRAWN, "leave")


# --- appeal -------------------------------------------------------------------------------------------------------


async def test_an_appeal_reaches_the_moderators_once_and_reopens_nothing(house: House) -> None:
    await in_talk(house)
    await command(house, "reject 1 Not now.")
    assert await written(house, "appeal I am *Ana* from the club,\nask Bea.") == [
        "The moderators of Garden have your text now."
    ]
    [line] = [said for said in house.spoken() if "objects" in said]
    assert "#1" in line
    assert "I am *Ana* from the club, ask Bea." in " ".join(line.split())
    assert "!kb undo 1" in line
    assert "Appeal: “I am *Ana* from the club" in house.card().text
    assert (await house.request(ANA)).state is State.REJECTED
    assert (ANA, "appealed") in await house.history(await house.request(ANA))

    assert await written(house, "appeal please") == ["You have objected to this rejection of Garden before."]
    await command(house, "undo 1")
    assert (await house.request(ANA)).state is State.ACCEPTED
    assert await written(house, "appeal please") == ["None of your requests was rejected within the last seven days."]


@pytest.mark.parametrize("after", ["accept", "withdraw", "late"])
async def test_nothing_else_can_be_appealed(house: House, after: str) -> None:
    await in_talk(house)
    if after == "withdraw":
        await written(house, "withdraw")
    else:
        await command(house, "accept 1" if after == "accept" else "reject 1")
    if after == "late":
        await house.later(WEEK + 60)
    assert await written(house, "appeal please") == ["None of your requests was rejected within the last seven days."]


async def test_an_appeal_needs_a_text(house: House) -> None:
    await in_talk(house)
    await command(house, "reject 1")
    assert await written(house, "einspruch") == ["What do you want to tell the moderators? For example: appeal …"]


async def test_who_is_rejected_again_and_again_calls_the_moderators_a_few_times_a_day(house: House) -> None:
    await in_talk(house)
    for number in range(1, 6):
        await command(house, f"reject {number}")
        await written(house, "appeal please")
        await knocked(house)
    assert len([said for said in house.spoken() if "objects" in said]) == 3


async def test_hidden_reasons_hide_appeals_too(house: House) -> None:
    await house.set_policy(LETTERS)
    await in_talk(house)
    await house.set_policy(f"{LETTERS}reasons: hidden")
    await command(house, "reject 1")
    await written(house, "appeal my secret")
    assert "my secret" not in "\n".join([*house.spoken(), house.card().text])
    await command(house, "show 1")
    assert "my secret" in house.spoken()[-1]


# --- language, help -----------------------------------------------------------------------------------------------


async def test_their_language_wins_there_and_in_all_letters(house: House) -> None:
    await in_talk(house)
    assert await written(house, "language de") == ["Ab jetzt schreibe ich auf Deutsch."]
    assert await written(house, "status") == ["1. Garden, angefragt gerade eben: wartet auf eine Antwort"]
    await command(house, "reject 1 Nicht jetzt.")
    assert house.said(talk(house))[-1]["body"].startswith(
        "Deine Anfrage, Garden beizutreten, wurde abgelehnt. Die Begründung: „Nicht jetzt.“"
    )
    assert await written(house, "sprache english") == ["I write in English from now on."]


@pytest.mark.parametrize("said", ["language", "language fr", "sprache ?"])
async def test_languages_that_it_does_not_know_are_asked_for(house: House, said: str) -> None:
    await in_talk(house)
    [answer] = await written(house, said)
    assert answer.startswith("Which language? I know de (German) and en (English). For example: language de")


@pytest.mark.parametrize("said", ["help", "hilfe", "hello, why was I rejected?"])
async def test_help_names_every_command(house: House, said: str) -> None:
    await in_talk(house)
    [answer] = await written(house, said)
    assert [word for word in ("status", "withdraw", "appeal", "language", "help") if word in answer] != []
    assert "The moderators do not read this conversation." in answer


# --- what is not heard --------------------------------------------------------------------------------------------


async def test_commands_of_moderators_do_nothing_there_and_that_is_said_once(house: House) -> None:
    await in_talk(house, ALICE.replace("alice", "dora"))
    said = [
        await written(house, text, ALICE.replace("alice", "dora")) for text in ("!kb accept 1", "!KB list", "!knockbot")
    ]
    assert said == [["Commands of moderators do nothing here. Please use your management room."], [], []]
    assert (await house.request(ALICE.replace("alice", "dora"))).state is State.PENDING


async def test_others_edits_and_the_bot_itself_are_not_heard(house: House) -> None:
    room = await in_talk(house)
    house.world.change(room, ANA, OTHER, "invite")
    house.world.change(room, OTHER, OTHER, "join")
    first = house.world.say(room, ANA, "nothing to do here")
    await house.live()
    assert await written(house, "withdraw", OTHER) == []
    assert await written(house, "!kb accept 1", ALICE) == []
    edit: dict[str, Any] = {
        "m.relates_to": {"rel_type": "m.replace", "event_id": first},
        "m.new_content": {"body": "withdraw"},
    }
    assert await written(house, "* withdraw", **edit) == []
    assert await written(house, "withdraw", BOT) == ["withdraw"]
    house.world.react(room, OTHER, first, "✅")
    await house.live()
    assert (await house.request(ANA)).state is State.PENDING


@pytest.mark.parametrize(
    "said",
    [
        "x" * 60_000,
        "<b>status</b>" * 3000,
        "\u202e status",
        "appeal " + "y" * 60_000,
        "!" * 5000,
        "\n\n\n",
        "```\nstatus\n```",
    ],
)
async def test_whatever_they_write_is_answered_within_bounds(house: House, said: str) -> None:
    await in_talk(house)
    await command(house, "reject 1")
    answers = await written(house, said, format="org.matrix.custom.html", formatted_body="<i>" * 500)
    assert len(answers) <= 1
    assert all(len(answer) < 3000 for answer in answers)
    assert await house.set_aside() == []
    assert all(len(spoken) < 3000 for spoken in house.spoken())


async def test_a_flood_is_answered_so_often_and_nothing_that_counts_is_lost(house: House) -> None:
    room = await in_talk(house)
    for _ in range(40):
        house.world.say(room, ANA, "status")
    house.world.say(room, ANA, "withdraw")
    await house.live()
    assert 1 + BURST <= len(house.said(room)) <= 2 + BURST  # the clock of the house goes on
    assert (await house.request(ANA)).state is State.WITHDRAWN


async def test_a_command_that_comes_twice_or_after_a_death_is_done_once(house: House) -> None:
    room = await in_talk(house)
    await command(house, "reject 1")
    house.world.say(room, ANA, "appeal please")
    await house.hear()
    await house.die()
    await house.start_again()
    await house.live()
    assert len([said for said in house.spoken() if "objects" in said]) == 1
    assert house.said(room)[0]["body"].endswith(HELP)


async def test_what_comes_late_is_not_done(house: House) -> None:
    room = await in_talk(house)
    house.world.say(room, ANA, "withdraw")
    house.clock.go_on(2 * 3600)
    await house.live()
    assert (await house.request(ANA)).state is State.PENDING
    assert house.said(MODS)


async def test_what_cannot_be_handled_however_often_is_told(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    room = await in_talk(house)

    async def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("knockbot.features.letters.withdrawing.withdraw", broken)
    house.world.say(room, ANA, "withdraw")
    for _ in range(12):
        await house.live()
        await house.later(60)
    assert [said["body"] for said in house.said(room)[1:]] == [COMMAND_FAILED]
    assert (await house.request(ANA)).state is State.PENDING


async def test_answers_of_both_sides_at_the_same_moment_wait_in_one_order(ready_postgres_url: str) -> None:
    """Whoever holds a request and a conversation holds the conversation last, so that nobody waits in a circle."""
    async with housed(ready_postgres_url) as house:
        db = await Database.open(house.url)
        try:
            room = await in_talk(house)
            async with house.db.tx() as tx:
                talk = await conversations.in_room(tx, room)
            assert talk is not None
            house.clock.go_on(5)
            message = Message(room, "$withdraw", ANA, house.clock(), "withdraw")
            heard = await applicant.hear(house.context, talk, message)
            assert callable(heard)
            await _while_a_moderator_answers(house, house.new_context(db), heard)
        finally:
            await db.close()
        await house.live()
        assert (await house.request(ANA)).state is State.REJECTED


async def _while_a_moderator_answers(house: House, other: Context, heard: Write[None]) -> None:
    """The applicant is heard in one process, once the outcome of their request is about to be written by another."""

    async def hear() -> None:
        async with house.context.turn("$withdraw") as turn:
            await heard(turn)

    async with other.turn("$kick") as turn:
        [request] = await requests.about(turn.tx, GARDEN, ANA)  # which holds it
        hearing = asyncio.create_task(hear())
        await until(lambda: _waiting(house), bool, lambda _: "nobody waits for the request")
        await settling.record_outcome(other, turn, request, State.REJECTED, ALICE)
    await hearing


async def _waiting(house: House) -> int:
    """How many wait for what somebody else holds."""
    async with house.db.statement() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))
