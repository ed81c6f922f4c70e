"""What moderators say among themselves enters no conversation, and what applicants write there leaves none but by an
appeal; whatever is sent there, only the applicant is heard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from knockbot.domain.conversations import Stage
from knockbot.domain.model import State
from knockbot.engine.inbox import Unread
from knockbot.features.encryption import sealed
from knockbot.flow import keys
from knockbot.flow.ports import EFFECT_KEY
from knockbot.store import conversations
from knockbot.store.inbox import Waiting
from tests.chat.safety import HOSTILE
from tests.flow.house import GARDEN, MODS, House
from tests.flow.test_applicant import in_talk, written
from tests.flow.test_conversations import stage, talks
from tests.flow.test_letters import LAWN, command, knocked, talk
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

OTHER = "@other:elsewhere.example"
CLARA = "@clara:tulip.example"

SECRET = "xyzzy"
"""Stands in everything that moderators write for each other, and in nothing else."""

POLICY = f"""
letters: {{received: true, waiting: 1h, accepted: true, rejected: true, invited: 1h}}
notify_remote: message
templates: {{{SECRET}_short: Please write more.}}
votes: {{reject: 2}}
call: ["@{SECRET}:tulip.example"]
rules:
- {{name: {SECRET} rule, when: {{reason_matches: spam}}, then: reject, reason: No advertising.}}
- {{name: {SECRET} friends, when: {{reason_matches: friend}}, then: accept}}
"""

ACTS = (
    f"note 1 {SECRET} a liar",
    "ask 1 Which plants?",
    "claim 1",
    "release 1",
    "defer 1 2h",
    f"reject 1 {SECRET}_short",
    "votes 1",
    "show 1",
    "list",
    "log 1",
    "undo 1",
    f"ban 1 because {SECRET}",
    "undo 1",
    "accept 1 Welcome.",
    f"allow @{SECRET}:tulip.example Garden {SECRET}",
    "allowed",
    f"disallow @{SECRET}:tulip.example",
    f"code new Garden {SECRET}",
    "codes",
    f"code end {SECRET}",
    f"vouch {ANA} Garden {SECRET}",
    f"unvouch {ANA} Garden",
    "wave on Garden",
    "wave off Garden",
    "reject all because Not today.",
    "call me Garden",
    "call off",
    "queue",
    "policy show Garden",
    "rooms",
    "unprotect Garden",
)
"""What moderators type; the text of a ban goes to the applicant's own member event, and not into the conversation."""


def all_of(house: House, *rooms: str) -> str:
    """Everything that the bot has put into some rooms, as the homeserver has it."""
    return json.dumps([[house.world.rooms[room].label, house.world.rooms[room].said] for room in rooms])


async def test_nothing_that_moderators_say_among_themselves_enters_a_conversation(house: House) -> None:
    house.world.change(GARDEN, CLARA, CLARA, "join")
    house.world.change(MODS, CLARA, CLARA, "join")
    house.world.set_levels(GARDEN, users={CLARA: 100, ALICE: 100, BOT: 100})
    await house.set_policy(POLICY)
    for user_id, reason in ((ANA, "hello"), (BEA, "spam"), ("@cleo:tulip.example", f"friend {SECRET}")):
        await knocked(house, user_id, reason)
    for act in ACTS:
        house.world.say(MODS, ALICE, f"{SECRET} they talk")
        house.tell(act)
        house.tell(act, by=CLARA)
        await house.live()
        await house.later(1800)
        await house.ring()
        await house.live()

    assert len(talks(house)) == 3
    inside = all_of(house, *talks(house))
    assert "was received" in inside
    assert "Which plants?" in inside
    found = [word for word in (SECRET, MODS, "Mods", ALICE, CLARA, "#1", "!kb", "otherwise") if word in inside]
    assert found == []
    for room, own in zip(talks(house), (ANA, BEA, "@cleo:tulip.example"), strict=True):
        assert not [user for user in (ANA, BEA, "@cleo:tulip.example") if user != own and user in all_of(house, room)]


WRITTEN = (
    SECRET,
    f"status {SECRET}",
    f"help {SECRET}",
    f"withdraw {SECRET}",
    f"language {SECRET}",
    f"language de {SECRET}",
    f"!kb accept 1 {SECRET}",
    f"!kb note 1 {SECRET}",
    f"!kb allow @{SECRET}:tulip.example",
    f"Knockbot: accept 1 {SECRET}",
    f"accept 1 {SECRET}",
    f"> <{BOT}> {SECRET}\n\n{SECRET}",
    f"appeal {SECRET}",  # of nothing: nobody has rejected them
    *(f"{SECRET} {text}" for text in HOSTILE),
)


async def test_nothing_that_an_applicant_writes_leaves_the_conversation_but_by_an_appeal(house: House) -> None:
    await in_talk(house)
    for text in WRITTEN:
        await written(house, text, formatted_body=f"<b>{SECRET}</b>", format="org.matrix.custom.html")
    assert SECRET not in all_of(house, MODS)

    knocked_at = await house.requests(ANA)
    if knocked_at[-1].state is not State.PENDING:
        await knocked(house)
    await command(house, f"reject {(await house.requests(ANA))[-1].number}")
    await written(house, f"appeal {SECRET}")
    assert SECRET in all_of(house, MODS)


ASKS = """
letters: {rejected: true}
questions: [{ask: Which plants?}]
rules: [{when: {answered: true}, then: forward}, {then: ask}]
"""


async def test_of_what_they_write_only_answers_leave_and_only_until_it_is_decided(house: House) -> None:
    await house.set_policy(ASKS)
    await knocked(house)
    house.world.change(talk(house), ANA, ANA, "join")
    await house.live()
    await written(house, "Tulips.")
    assert "Tulips." in house.card().text
    for text in WRITTEN:
        await written(house, text)
    assert SECRET not in all_of(house, MODS)

    if house.membership(ANA) != "knock":
        await knocked(house)
    number = (await house.requests(ANA))[-1].number
    await command(house, f"ask {number} And roses?")
    await written(house, "Roses too.")
    await command(house, f"reject {number}")
    await written(house, f"{SECRET} roses")
    assert "Roses too." in all_of(house, MODS)
    assert SECRET not in all_of(house, MODS)


# --- whatever is sent there ---------------------------------------------------------------------------------------

FIRST = "$first"

ODD: tuple[tuple[str, Any], ...] = (
    ("m.room.message", {}),
    ("m.room.message", {"msgtype": "m.text"}),
    ("m.room.message", {"msgtype": "m.text", "body": 7}),
    ("m.room.message", {"msgtype": "m.text", "body": ""}),
    ("m.room.message", {"msgtype": "m.text", "body": "x" * 64_000}),
    ("m.room.message", {"msgtype": "m.text", "body": "<b>withdraw</b>", "formatted_body": "withdraw"}),
    ("m.room.message", {"msgtype": "m.notice", "body": "withdraw"}),
    ("m.room.message", {"msgtype": "m.emote", "body": "withdraw"}),
    ("m.room.message", {"msgtype": "m.image", "body": "withdraw", "url": "mxc://a/b"}),
    ("m.room.message", {"msgtype": "m.location", "body": "withdraw", "geo_uri": "geo:0,0"}),
    ("m.room.message", {"msgtype": "org.example.odd", "body": "withdraw"}),
    ("m.room.message", {"msgtype": ["m.text"], "body": "withdraw"}),
    (
        "m.room.message",
        {
            "msgtype": "m.text",
            "body": "* withdraw",
            "m.new_content": {"msgtype": "m.text", "body": "withdraw"},
            "m.relates_to": {"rel_type": "m.replace", "event_id": FIRST},
        },
    ),
    (
        "m.room.message",
        {
            "msgtype": "m.text",
            "body": "* withdraw",
            "m.new_content": {"m.new_content": {"msgtype": "m.text", "body": "withdraw"}},
            "m.relates_to": {"rel_type": "m.replace", "event_id": "$an edit"},
        },
    ),
    ("m.room.message", {"msgtype": "m.text", "body": "withdraw", "m.relates_to": {"rel_type": "m.replace"}}),
    ("m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "x", "session_id": "s"}),
    ("m.room.encrypted", {}),
    ("m.sticker", {"body": "withdraw", "url": "mxc://a/b"}),
    ("m.poll.start", {"m.text": "withdraw"}),
    ("m.call.invite", {"version": "1"}),
    ("m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": FIRST, "key": "✅"}}),
    ("m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": FIRST, "key": "❌"}}),
    ("m.reaction", {}),
    ("m.room.redaction", {"redacts": FIRST}),
    ("org.example.odd", {"body": "withdraw"}),
)
"""Types and contents of events, none of which is the word `withdraw` of the applicant."""


def answers(house: House, room: str) -> int:
    """How often the bot has said something."""
    return len([event for event in house.world.rooms[room].said if EFFECT_KEY in event["content"]])


@pytest.mark.parametrize("sender", [ANA, OTHER, ALICE, BOT])
async def test_whatever_is_sent_there_moves_nothing_and_is_answered_once_at_most(house: House, sender: str) -> None:
    room = await in_talk(house)
    first = house.world.rooms[room].said[0]["event_id"]
    for event_type, content in ODD:
        before = answers(house, room)
        sent = json.loads(json.dumps(content).replace(FIRST, first))
        house.world._say(room, sender, event_type, sent)
        await house.live()
        assert answers(house, room) - before <= int(sender == ANA), (event_type, content)
        await house.later(600)
    assert ((await house.request(ANA)).state, await stage(house, ANA)) == (State.PENDING, Stage.JOINED)
    assert await house.set_aside() == []


@pytest.mark.parametrize("text", ["withdraw", "status", "!kb accept 1", "appeal x", "language de"])
@pytest.mark.parametrize("sender", [OTHER, ALICE])
async def test_others_are_not_heard_whoever_invited_them(house: House, sender: str, text: str) -> None:
    room = await in_talk(house)
    house.world.change(room, ANA, sender, "invite")
    house.world.change(room, sender, sender, "join")
    assert await written(house, text, sender) == []
    house.world.change(room, sender, sender, "leave")
    await house.live()
    assert ((await house.request(ANA)).state, await stage(house, ANA)) == (State.PENDING, Stage.JOINED)
    async with house.db.tx() as tx:
        assert await conversations.language_of(tx, sender) is None


async def test_a_moderator_who_is_the_applicant_can_do_there_what_applicants_can(house: House) -> None:
    house.world.room(LAWN, "Lawn", CLARA, BOT, levels=levels_for([CLARA]))
    await house.protect(LAWN, policy="letters: {received: true}")
    await knocked(house, BEA)  # which is none of her business there
    await knocked(house, ALICE, room_id=LAWN)
    room = talk(house)
    house.world.change(room, ALICE, ALICE, "join")
    await house.live()

    assert (await written(house, "!kb accept 1", ALICE))[0].startswith("Commands of moderators do nothing here.")
    assert (await house.request(BEA)).state is State.PENDING
    [said] = await written(house, "status", ALICE)
    assert (said.count("\n"), "Lawn" in said) == (0, True)
    await written(house, "withdraw", ALICE)
    assert (await house.request(ALICE, LAWN)).state is State.WITHDRAWN


# --- before and after ---------------------------------------------------------------------------------------------


async def test_who_writes_before_their_join_was_heard_is_answered(house: House) -> None:
    await house.set_policy("letters: {received: true}")
    await knocked(house)
    room = talk(house)
    house.world.change(room, ANA, ANA, "join")
    house.world.outbox.clear()  # it comes later, or never
    [said] = await written(house, "status")
    assert said.startswith("1. Garden")


@pytest.mark.parametrize("by", [ANA, BOT])
async def test_what_comes_after_the_end_is_neither_done_nor_a_fault(house: House, by: str) -> None:
    room = await in_talk(house)
    house.world.change(room, by, by, "leave")
    await house.live()
    house.world.outbox.append(
        house.world._event(room, ANA, "m.room.message", {"msgtype": "m.text", "body": "withdraw"})
    )
    await house.live()
    assert (await house.request(ANA)).state is State.PENDING
    assert await house.set_aside() == []
    assert len(house.said(room)) == 1


@pytest.mark.parametrize("dies", [False, True])
async def test_an_answer_counts_however_late_it_arrives_and_a_command_does_not(house: House, dies: bool) -> None:
    await house.set_policy(ASKS)
    await knocked(house)
    room = talk(house)
    house.world.change(room, ANA, ANA, "join")
    await house.live()
    house.world.say(room, ANA, "language de")
    house.world.say(room, ANA, "Tulips.")
    if dies:
        await house.deliver()
        await house.die()
        house.clock.go_on(5 * 3600)
        await house.start_again()
    else:
        house.clock.go_on(5 * 3600)
    await house.live()
    assert "Tulips." in house.card().text
    assert [said["body"][:39] for said in house.said(room)[1:]] == ["This command arrived more than an hour ", THANKS]


THANKS = "Thank you, these were all questions. Th"


# --- encrypted messages that cannot be read -----------------------------------------------------------------------


class NoKey(keys.NoKeys):
    """Nothing can be read."""

    async def open(self, _: Mapping[str, Any], /) -> keys.Opened:
        """Say so."""
        raise keys.Unreadable(sealed.NO_KEY)


async def unread(house: House, sender: str) -> None:
    room = talk(house)
    event = house.world._event(room, sender, "m.room.encrypted", {})
    waiting = Waiting(0, event["event_id"], room, json.dumps(event), house.clock(), 1, sealed=True, asked=True)
    found = await sealed.read(house.context, NoKey(), waiting, event)
    assert isinstance(found, Unread)
    assert callable(found.handled)
    async with house.context.turn(event["event_id"]) as turn:
        await found.handled(turn)
    await house.live()


async def test_the_applicant_is_told_once_a_day_in_their_language_and_nobody_else(house: House) -> None:
    room = await in_talk(house)
    await written(house, "language de")
    before = len(house.said(room))
    for sender in (OTHER, ANA, ANA, BOT, OTHER):
        await unread(house, sender)
    assert [said["body"][:40] for said in house.said(room)[before:]] == ["🔒 Ich kann diese Nachricht von @ana:tuli"]
    assert house.spoken() == []


async def test_nothing_is_said_of_it_once_the_conversation_is_over(house: House) -> None:
    room = await in_talk(house)
    house.world.change(room, ANA, ANA, "leave")
    await house.live()
    await unread(house, ANA)
    assert len(house.said(room)) == 1
