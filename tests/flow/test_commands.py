"""What moderators type: whom a command means, and what is told where it means nobody or does not command at all."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from knockbot.chat import commands
from knockbot.chat.calls import Answered, Call, Reply
from knockbot.chat.commands import COMMANDS
from knockbot.documents.text import without_marks
from knockbot.engine.turn import Turn
from knockbot.store import rooms
from tests.flow.house import GARDEN, MODS, Card, House, housed
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

DAY = 24 * 3600
BEN, CEM = "@ben:tulip.example", "@cem:tulip.example"
ORCHARD = "!orchard:tulip.example"


async def knocks(house: House, *people: str, name: str | None = None) -> list[Card]:
    """People knock, one after the other, so that they get the numbers 1, 2, 3 …; returns their cards."""
    for user_id in people:
        content = {"displayname": name} if name is not None else {}
        house.world.knock(GARDEN, user_id, "hello", **content)
        await house.live()
    return house.cards()


async def told(house: House, command: str, **how: Any) -> list[str]:
    """What the bot says to a command."""
    before = len(house.spoken())
    house.tell(command, **how)
    await house.live()
    return house.spoken()[before:]


def states(house: House, *people: str) -> list[str | None]:
    return [house.membership(user_id) for user_id in people]


def in_thread(root: str, last: str | None = None, **more: Any) -> dict[str, Any]:
    """The relation of a message in a thread, as clients write it."""
    reply = {"event_id": last or root}
    return {
        "m.relates_to": {"rel_type": "m.thread", "event_id": root, "is_falling_back": True, "m.in_reply_to": reply}
        | more
    }


def reason_for(house: House, user_id: str) -> str | None:
    reason: str | None = house.world.rooms[GARDEN].members[user_id]["content"].get("reason")
    return reason


# --- numbers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", ["no 2", "no, not #2", "2.5 stars", "18+ only", "two, three", "Bea said no"])
async def test_in_a_reply_to_a_card_words_that_begin_with_no_number_are_text(house: House, words: str) -> None:
    [first, *_] = await knocks(house, ANA, BEA, BEN)
    await told(house, f"reject {words}", reply_to=first.event_id)

    assert states(house, ANA, BEA, BEN) == ["leave", "knock", "knock"]
    assert reason_for(house, ANA) == words


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("words", "named"),
    [
        *((words, "#2") for words in ("2", "#2", "2 characters at least, please", "1 2", "1, 2 no", "1-2", "#1 #2")),
        *((words, "#2, #3") for words in ("2, 3", "2-3", "#2 #3", "2 3", "1-3 of you")),
        ("7", "#7"),
        ("@bea:tulip.example please", BEA),
        ("https://matrix.to/#/@bea:tulip.example", BEA),
    ],
)
async def test_in_a_reply_to_a_card_whoever_is_not_on_it_is_asked_about(house: House, words: str, named: str) -> None:
    [first, *_] = await knocks(house, ANA, BEA, BEN)
    for command in ("accept", "reject", "ban", "show", "revoke"):
        [said] = await told(house, f"{command} {words}", reply_to=first.event_id)
        assert said.startswith(f"The message that you replied to is not about {named}, so I did nothing.")

    assert states(house, ANA, BEA, BEN) == ["knock", "knock", "knock"]


@pytest.mark.parametrize("who", ["1", "#1", "1:", ANA, f"https://matrix.to/#/{ANA}"])
async def test_in_a_reply_to_a_card_its_own_number_and_applicant_are_no_text(house: House, who: str) -> None:
    [first, *_] = await knocks(house, ANA, BEA)
    [shown] = await told(house, f"show {who}", reply_to=first.event_id)
    await told(house, f"reject {who} not now", reply_to=first.event_id)

    assert shown.startswith("🚪 #1 ")
    assert states(house, ANA, BEA) == ["leave", "knock"]
    assert reason_for(house, ANA) == "not now"


def newest_edit(house: House, card: Card) -> str:
    edits = [event for event in house.world.rooms[MODS].said if "m.new_content" in event["content"]]
    return str([edit for edit in edits if edit["content"]["m.relates_to"]["event_id"] == card.event_id][-1]["event_id"])


@pytest.mark.parametrize("how", ["reply", "thread", "click", "reply of an emoji"])
async def test_an_edit_of_a_card_stands_for_the_card(house: House, how: str) -> None:
    """There are clients that reply and react to the newest edit."""
    [first, *_] = await knocks(house, ANA, BEA)
    house.world.knock(GARDEN, ANA, "hello again")
    await house.live()
    edit = newest_edit(house, first)
    match how:
        case "reply":
            house.tell("reject two characters at least, please", reply_to=edit)
        case "thread":
            house.world.say(MODS, ALICE, "!kb reject two characters at least, please", **in_thread(edit))
        case "click":
            house.world.react(MODS, ALICE, edit, "❌")
        case _:
            reply(house, "❌", edit)
    await house.live()

    assert states(house, ANA, BEA) == ["leave", "knock"]


async def test_in_a_reply_to_the_line_of_a_rule_its_request_is_meant_and_no_other(house: House) -> None:
    await house.set_policy(f"rules: [{{when: {{user: '{ANA}'}}, then: accept}}]")
    await knocks(house, ANA, BEA)
    [line] = [event for event in house.world.rooms[MODS].said if event["content"].get("msgtype") == "m.notice"]
    [asked] = await told(house, "ban 2 days of spam", reply_to=line["event_id"])
    [said] = await told(house, "ban spam", reply_to=line["event_id"])

    assert "not about #2" in asked
    assert "#1" in said
    assert states(house, ANA, BEA) == ["invite", "knock"]


async def test_a_reply_to_what_is_no_card_needs_a_number(house: House) -> None:
    await knocks(house, ANA, BEA)
    talk = house.world.say(MODS, ALICE, "who is that?")
    [asked] = await told(house, "reject not now", reply_to=talk)
    await told(house, "reject 2 not now", reply_to=talk)

    assert "not now" in asked
    assert states(house, ANA, BEA) == ["knock", "leave"]


@pytest.mark.parametrize(
    ("command", "left", "reason"),
    [
        ("reject 1 2 letters would be enough", [ANA], "2 letters would be enough"),
        ("reject 1 2-3 of you", [ANA], "2-3 of you"),
        ("reject 1, 2 sorry", [ANA, BEA], "sorry"),
        ("reject #1 #2 sorry", [ANA, BEA], "sorry"),
        ("reject 1-3", [ANA, BEA, BEN], None),
    ],
)
async def test_several_are_a_list_by_commas_signs_or_a_range_only(
    house: House, command: str, left: list[str], reason: str | None
) -> None:
    await knocks(house, ANA, BEA, BEN)
    await told(house, command)

    assert [user_id for user_id in (ANA, BEA, BEN) if house.membership(user_id) == "leave"] == left
    assert reason_for(house, ANA) == reason


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("command", "left", "reason"),
    [
        *((f"reject 1{mark} spam", [ANA], "spam") for mark in (":", ".", ",", ";", "...")),
        ("reject #1: spam", [ANA], "spam"),
        ("reject 1:spam", [ANA], "spam"),
        ("reject 1: 2 letters would be enough", [ANA], "2 letters would be enough"),
        ("reject 1, 2: spam", [ANA, BEA], "spam"),
        ("reject 1-2. spam", [ANA, BEA], "spam"),
        ("reject 1.", [ANA], None),
    ],
)
async def test_a_mark_behind_a_number_belongs_to_no_words(
    house: House, command: str, left: list[str], reason: str | None
) -> None:
    await knocks(house, ANA, BEA, BEN)
    await told(house, command)

    assert [user_id for user_id in (ANA, BEA, BEN) if house.membership(user_id) == "leave"] == left
    assert reason_for(house, ANA) == reason


@pytest.mark.parametrize(
    ("words", "numbers"),
    [("1 2", "1, 2"), ("1: 2", "5, 6"), ("1, 2 3", "1, 2, 3"), (f"{ANA} 2", "5, 6"), ("Ana 2", "5, 6")],
)
@pytest.mark.parametrize("command", ["accept", "ban"])
async def test_nobody_is_told_a_number_that_may_mean_one_more_request(
    house: House, command: str, words: str, numbers: str
) -> None:
    await knocks(house, ANA, name="Ana")
    await knocks(house, BEA, BEN)
    [said] = await told(house, f"{command} {words}")

    assert states(house, ANA, BEA, BEN) == ["knock", "knock", "knock"]
    assert f"Several numbers need commas: {numbers}." in said


async def test_a_list_that_hits_several_names_them_all(house: House) -> None:
    await knocks(house, ANA, BEA, name="<b>Ana</b>")
    [said] = await told(house, "reject 1-2, 9")

    assert states(house, ANA, BEA) == ["leave", "leave"]
    for part in (ANA, BEA, "#1", "#2", "reject", "<b>Ana</b>", "no request #9"):
        assert part in said
    html = house.said()[-1]["formatted_body"]
    assert "<b>Ana</b>" not in html
    assert "&lt;b&gt;Ana" in html


async def test_who_is_alone_gets_a_tick_and_no_words(house: House) -> None:
    await knocks(house, ANA)

    assert await told(house, "accept 1") == []
    assert house.membership(ANA) == "invite"


async def test_numbers_that_cannot_be_meant_do_nothing_and_are_told_why(house: House) -> None:
    await knocks(house, ANA)
    for numbers in (
        "9-7",
        "1-51",
        "1-999999999",
        "-1",
        "1.5",
        "1:30 is late",
        "1;2",
        "1.5: no",
        "1st",
        "\u0661",
        "soon",
    ):
        [said] = await told(house, f"reject {numbers}")
        assert "7-9" in said or "At most 50" in said or "!kb list" in said

    assert house.membership(ANA) == "knock"


async def test_who_names_nobody_is_asked_with_an_example(house: House) -> None:
    for command in ("accept", "reject", "ban", "revoke", "show"):
        [said] = await told(house, command)
        assert "Which request?" in said
        assert f"!kb {command} 12" in said


# --- people ---------------------------------------------------------------------------------------------------


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "who",
    [
        ANA,
        f"{ANA}:",
        f"{ANA}.",
        f"https://matrix.to/#/{ANA}",
        "Ana Lee",
        "ana lee,",
        "Ana Lee:",
        "ana lee;",
        '"Ana Lee"',
        '"Ana Lee".',
    ],
)
async def test_an_applicant_may_go_by_id_link_or_name(house: House, who: str) -> None:
    await knocks(house, ANA, name="Ana Lee")
    await knocks(house, BEA, name="Bea")
    [said] = await told(house, f"reject {who} not now")

    assert states(house, ANA, BEA) == ["leave", "knock"]
    assert reason_for(house, ANA) == "not now"
    assert ANA in said


async def test_a_pill_is_whom_its_link_names(house: House) -> None:
    await knocks(house, ANA, BEA)
    pill = f'!kb accept <a href="https://matrix.to/#/{BEA}">Ana</a> welcome'
    html = {"format": "org.matrix.custom.html", "formatted_body": pill}
    house.world.say(MODS, ALICE, "!kb accept Ana welcome", **html)
    await house.live()

    assert states(house, ANA, BEA) == ["knock", "invite"]


@pytest.mark.parametrize("other", ["Ana", "ANA", "Ana welcome", "ana welcome to"])
async def test_a_name_that_several_could_mean_is_asked_about(house: House, other: str) -> None:
    """Whoever knocks chooses a name: it must not take the answer that was for somebody else."""
    await knocks(house, ANA, name="Ana")
    await knocks(house, BEA, name=other)
    [said] = await told(house, "accept Ana welcome to the garden")

    assert states(house, ANA, BEA) == ["knock", "knock"]
    for part in ("#1", "#2", ANA, BEA):
        assert part in said


async def test_one_who_waits_at_two_rooms_is_asked_about(house: House) -> None:
    house.world.room(ORCHARD, "Orchard", ALICE, BOT, levels=levels_for())
    await house.protect(ORCHARD)
    await knocks(house, ANA)
    house.world.knock(ORCHARD, ANA)
    await house.live()
    [said] = await told(house, f"accept {ANA}")

    assert house.membership(ANA) == house.membership(ANA, ORCHARD) == "knock"
    assert "#1" in said
    assert "#2" in said


@pytest.mark.parametrize("who", ["Nobody", BEA, "@nobody:x.example"])
async def test_who_does_not_wait_here_is_unknown(house: House, who: str) -> None:
    house.world.room(ORCHARD, "Orchard", ALICE, BOT, levels=levels_for())
    house.world.room("!other:tulip.example", "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    await house.protect(ORCHARD, "!other:tulip.example")
    house.world.knock(ORCHARD, BEA, displayname="Nobody")
    await house.live()
    [said] = await told(house, f"accept {who}")

    assert house.membership(BEA, ORCHARD) == "knock"
    assert "!kb list" in said


async def test_a_name_like_a_number_or_an_id_takes_no_answer_of_theirs(house: House) -> None:
    await knocks(house, ANA, name="Ana")
    await knocks(house, BEA, name="1")
    await knocks(house, BEN, name=ANA)
    await told(house, "accept 1")
    await told(house, f"show {ANA}")

    assert states(house, ANA, BEA, BEN) == ["invite", "knock", "knock"]


@pytest.mark.parametrize("command", ["accept all", "accept ALL, please", "accept all of them"])
async def test_whoever_is_called_all_gets_no_answer_for_everybody(house: House, command: str) -> None:
    await knocks(house, ANA, name="Ana")
    await knocks(house, BEA, name="all")
    await told(house, command)
    assert states(house, ANA, BEA) == ["knock", "knock"]

    await told(house, 'reject "all"')
    assert states(house, ANA, BEA) == ["knock", "leave"]


# --- rooms ----------------------------------------------------------------------------------------------------


async def two_gardens(house: House, name: str = "Rose Garden") -> None:
    house.world.room(ORCHARD, name, ALICE, BOT, levels=levels_for())
    await house.protect(ORCHARD)
    await house.set_policy("otherwise: ban", ORCHARD)


@pytest.mark.parametrize("name", ["Rose Garden", "rose  garden", '"Rose Garden"', "\u201crose garden\u201d", ORCHARD])
async def test_a_room_managed_here_goes_by_its_name(house: House, name: str) -> None:
    await two_gardens(house)

    [shown] = await told(house, f"policy show {name}")
    [tried] = await told(house, f"test {name} {ANA} let me in")
    [taken] = await told(house, f"policy set {name}\notherwise: accept")

    assert "otherwise: ban" in shown
    assert "ban" in tried
    assert "Rose Garden" in taken


async def test_the_longer_name_is_meant_where_one_begins_with_the_other(house: House) -> None:
    await two_gardens(house, "Garden Club")

    [club] = await told(house, "policy show Garden Club")
    [garden] = await told(house, "policy show Garden")

    assert "Garden Club" in club
    assert "Garden Club" not in garden


async def test_a_name_that_two_rooms_have_is_answered_with_their_ids(house: House) -> None:
    await two_gardens(house, "garden")
    [said] = await told(house, "unprotect Garden")

    assert GARDEN in said
    assert ORCHARD in said
    assert GARDEN in (await told(house, "rooms"))[0]


async def test_a_room_of_another_management_room_is_as_unknown_as_none(house: House) -> None:
    await two_gardens(house)
    house.world.room("!other:tulip.example", "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.room("!theirs:tulip.example", "Secret Place", ALICE, BOT, levels=levels_for())
    await house.protect("!theirs:tulip.example", "!other:tulip.example")

    for name in ("Secret Place", "!theirs:tulip.example"):
        for command in (
            "policy show {}",
            "unprotect {}",
            "list {}",
            "check {}",
            "invite {} a@b.example",
            "test {} @a:b",
        ):
            [theirs] = await told(house, command.format(name))
            [nobodys] = await told(house, command.format("!none:tulip.example" if name[0] == "!" else "Empty Place"))
            assert theirs.replace(name, "X") == nobodys.replace("!none:tulip.example", "X").replace("Empty Place", "X")


# --- words that no argument takes -----------------------------------------------------------------------------


UNREAD = {
    "rooms foo": "foo",
    "queue please": "please",
    f"unprotect {GARDEN} #b:tulip.example": "#b:tulip.example",
    f"protect {GARDEN} and more": "and more",
    f"check {GARDEN} now": "now",
    f"policy show {GARDEN} 1 2": "2",
    f"policy log {GARDEN} 30d": "30d",
    f"list {GARDEN} please": "please",
    "log 1 30d": "30d",
    "show 1 2": "2",
    "show 1 please": "please",
    "rooms\nqueue": "queue",
    "queue\n!kb rooms": "!kb rooms",
}


async def test_words_that_no_argument_takes_are_a_fault_and_nothing_is_done(house: House) -> None:
    await knocks(house, ANA, BEA)
    for command, unread in UNREAD.items():
        [said] = await told(house, command)
        assert f"“{unread}”" in said
        assert "Usage: !kb" in said

    assert "Garden" in (await told(house, "rooms"))[0]


MISSING = {
    "protect": "!kb protect #garden:example.org",
    "test": "!kb test #garden:example.org @ana:example.org",
    f"test {GARDEN}": "!kb test #garden:example.org @ana:example.org",
    f"invite {GARDEN}": "!kb invite #garden:example.org carla@example.net",
    "invite carla@example.net": "!kb invite #garden:example.org carla@example.net",
    "check": "!kb check #garden:example.org",
    f"policy revert {GARDEN}": "!kb policy revert #garden:example.org 3",
    f"policy set {GARDEN}": "!kb policy set #garden:example.org",
}


async def test_a_missing_argument_is_asked_for_with_an_example(house: House) -> None:
    await two_gardens(house)
    for command, example in MISSING.items():
        [said] = await told(house, command)
        assert example in said


# --- threads --------------------------------------------------------------------------------------------------


async def test_a_command_in_the_thread_of_a_card_means_that_card_and_is_answered_there(house: House) -> None:
    [first, second] = await knocks(house, ANA, BEA)
    talk = house.world.say(MODS, ALICE, "who is that?", **in_thread(second.event_id))
    house.world.say(MODS, ALICE, "!kb reject one reason at least", **in_thread(second.event_id, talk))
    shown = house.world.say(MODS, ALICE, "!kb show", **in_thread(second.event_id, talk))
    await house.live()

    assert states(house, ANA, BEA) == ["knock", "leave"]
    assert reason_for(house, BEA) == "one reason at least"
    reply = house.said()[-1]
    assert BEA in reply["body"]
    assert reply["m.relates_to"] == in_thread(second.event_id, shown)["m.relates_to"]
    assert first.event_id != second.event_id


async def test_a_command_in_another_thread_needs_a_number_and_is_answered_there(house: House) -> None:
    [card] = await knocks(house, ANA)
    root = house.world.say(MODS, ALICE, "about today")
    house.world.say(
        MODS, ALICE, "!kb reject", **in_thread(root, card.event_id)
    )  # falls back on a card, and is no reply
    await house.live()

    assert house.membership(ANA) == "knock"
    assert house.said()[-1]["m.relates_to"]["event_id"] == root


async def test_a_reply_within_a_thread_is_one(house: House) -> None:
    [card] = await knocks(house, ANA)
    root = house.world.say(MODS, ALICE, "about today")
    house.world.say(MODS, ALICE, "!kb reject", **in_thread(root, card.event_id, is_falling_back=False))
    await house.live()

    assert house.membership(ANA) == "leave"


# --- replies that are clicks ----------------------------------------------------------------------------------


def reply(house: House, body: str, to: str, *, by: str = ALICE) -> str:
    return house.world.say(MODS, by, body, **{"m.relates_to": {"m.in_reply_to": {"event_id": to}}})


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("body", "becomes"),
    [
        ("✅", "invite"),
        ("✅\ufe0f", "invite"),
        (" ✅\n", "invite"),
        ("> <@knockbot:tulip.example> 🚪 #1\n\n✅", "invite"),
        ("❌", "leave"),
        ("❌\ufe0f", "leave"),
        ("⛔", "ban"),
        ("⛔\ufe0f", "ban"),
        ("✅ fine", "knock"),
        ("✅✅", "knock"),
        ("✅❌", "knock"),
        ("🚪", "knock"),
        ("", "knock"),
    ],
)
async def test_a_reply_of_nothing_but_an_answer_is_the_click(house: House, body: str, becomes: str) -> None:
    [card] = await knocks(house, ANA)
    reply(house, body, card.event_id)
    await house.live()

    assert house.membership(ANA) == becomes


async def test_a_click_by_reply_takes_power_as_any_does(house: House) -> None:
    house.world.change(GARDEN, BEN, BEN, "join")
    [card] = await knocks(house, ANA)
    reply(house, "❌", card.event_id, by=BEN)
    await house.live()

    assert house.membership(ANA) == "knock"
    assert BEN in house.spoken()[-1]


@pytest.mark.parametrize("how", ["notice", "edit", "thread", "late", "elsewhere", "to a message"])
async def test_what_is_no_reply_to_a_card_is_no_click(house: House, how: str) -> None:
    [card] = await knocks(house, ANA)
    relation: dict[str, Any] = {"m.relates_to": {"m.in_reply_to": {"event_id": card.event_id}}}
    match how:
        case "notice":
            relation["msgtype"] = "m.notice"
        case "edit":
            relation = {"m.relates_to": {"rel_type": "m.replace", "event_id": card.event_id}}
            relation["m.new_content"] = {"msgtype": "m.text", "body": "✅"}
        case "thread":
            relation = in_thread(card.event_id)
        case "to a message":
            relation["m.relates_to"]["m.in_reply_to"]["event_id"] = house.world.say(MODS, ALICE, "hello")
    if how == "elsewhere":
        house.world.room("!else:tulip.example", "Else", ALICE, BOT, levels=levels_for(), join_rule="invite")
        house.world.say("!else:tulip.example", ALICE, "✅", **relation)
    else:
        house.world.say(MODS, ALICE, "✅", **relation)
    if how == "late":
        house.clock.go_on(3601)
    await house.live()

    assert house.membership(ANA) == "knock"


# --- hints ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["👍", "👍🏽", "👎", "+1", "ok", "✔\ufe0f"])
async def test_a_reaction_that_is_nearly_an_answer_is_told_how_to_answer(house: House, key: str) -> None:
    [card] = await knocks(house, ANA)
    house.click(key)
    await house.live()

    [said] = house.spoken()
    assert "!kb accept 1" in said
    assert house.membership(ANA) == "knock"
    assert house.said()[-1]["m.relates_to"]["m.in_reply_to"]["event_id"] == card.event_id
    assert house.said()[-1]["msgtype"] == "m.notice"


@pytest.mark.parametrize("body", ["ok", "OK.", "Yes!", "👍", "👍🏿", "accept", "deny", "nope"])
async def test_a_reply_that_is_nearly_an_answer_is_told_how_to_answer(house: House, body: str) -> None:
    [card] = await knocks(house, ANA)
    reply(house, body, card.event_id)
    await house.live()

    assert "!kb accept 1" in house.spoken()[-1]
    assert house.membership(ANA) == "knock"


@pytest.mark.parametrize("body", ["ok, but who is that?", "yes we know them", "❤️", "hello"])
async def test_talk_about_a_card_is_left_alone(house: House, body: str) -> None:
    [card] = await knocks(house, ANA)
    reply(house, body, card.event_id)
    house.click("❤️")
    house.click("🎉")
    await house.live()

    assert house.spoken() == []


async def test_nobody_is_told_about_a_card_that_is_settled_or_a_message_that_is_none(house: House) -> None:
    await knocks(house, ANA)
    await told(house, "accept 1")
    house.click("👍")
    talk = house.world.say(MODS, ALICE, "shall we?")
    reply(house, "ok", talk)
    house.world.react(MODS, ALICE, talk, "👍")
    await house.live()

    assert house.spoken() == []


async def test_a_click_on_a_card_of_several_is_told_what_to_type(house: House) -> None:
    for number in range(7):
        house.world.knock(GARDEN, f"@n{number}:tulip.example")
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()
    house.click("✅")
    replies = await told(house, "accept", reply_to=house.card().event_id)

    assert len(replies) == 2
    assert all("several requests" in said and "!kb accept" in said for said in replies)
    assert {house.membership(f"@n{number}:tulip.example") for number in range(7)} == {"knock"}

    await told(house, "accept 3 welcome", reply_to=house.card().event_id)
    await told(house, "reject @n5:tulip.example", reply_to=house.card().event_id)
    left = [house.membership(f"@n{number}:tulip.example") for number in range(7)]
    assert left == ["knock", "knock", "invite", "knock", "knock", "leave", "knock"]


@pytest.mark.parametrize("before", ["!kb acept 1", "good morning"])
async def test_an_edit_never_commands_and_is_told_so(house: House, before: str) -> None:
    await knocks(house, ANA)
    said = house.world.say(MODS, ALICE, before)
    await house.live()
    new = {"m.relates_to": {"rel_type": "m.replace", "event_id": said}}
    house.world.say(
        MODS, ALICE, "* !kb accept 1", **new, **{"m.new_content": {"msgtype": "m.text", "body": "!kb accept 1"}}
    )
    await house.live()

    assert house.membership(ANA) == "knock"
    assert "edited" in house.spoken()[-1]
    assert house.said()[-1]["m.relates_to"] == {"m.in_reply_to": {"event_id": said}}


async def test_an_edit_of_talk_is_left_alone(house: House) -> None:
    said = house.world.say(MODS, ALICE, "!kb rooms")
    new = {"m.relates_to": {"rel_type": "m.replace", "event_id": said}}
    house.world.say(
        MODS, ALICE, "* never mind", **new, **{"m.new_content": {"msgtype": "m.text", "body": "never mind"}}
    )
    await house.live()

    assert len(house.spoken()) == 1  # the reply to the command


async def test_a_hint_is_given_to_each_person_once_a_day_whatever_happens(house: House) -> None:
    house.clock.go_on(DAY - house.clock.at / 1000 % DAY)  # a day begins
    [card] = await knocks(house, ANA)
    house.click("👍")
    reply(house, "ok", card.event_id)
    house.world.outbox *= 2
    await house.live()
    await house.die()
    await house.start_again()
    house.click("👎")
    await house.live()
    assert len(house.spoken()) == 1

    house.click("👍", by=BEN)
    await house.live()
    assert len(house.spoken()) == 2

    await house.later(DAY)
    house.click("👌")
    await house.live()
    assert len(house.spoken()) == 3


async def test_each_kind_of_hint_is_given_once_a_day_in_each_room(house: House) -> None:
    house.clock.go_on(DAY - house.clock.at / 1000 % DAY)  # a day begins
    house.world.room("!else:tulip.example", "Else", ALICE, BOT, levels=levels_for(), join_rule="invite")
    await knocks(house, ANA)
    new = {"m.new_content": {"msgtype": "m.text", "body": "!kb accept 1"}}
    for _ in range(2):
        house.click("👍")
        for room_id in (MODS, "!else:tulip.example"):
            said = house.world.say(room_id, ALICE, "good morning")
            relation = {"m.relates_to": {"rel_type": "m.replace", "event_id": said}}
            house.world.say(room_id, ALICE, "* !kb accept 1", **relation, **new)
        await house.live()

    clicks, edits = house.spoken()
    assert "✅ to accept" in clicks
    assert "edited" in edits
    assert house.spoken("!else:tulip.example") == [edits]


# --- devices --------------------------------------------------------------------------------------------------


async def test_a_click_by_reply_counts_only_where_a_command_does(ready_url: str) -> None:
    """An emoji typed in clear into an encrypted room is as doubtful as a command would be."""
    key = "k" * 32
    async with housed(ready_url, encryption={"allow": True, "trust": "verified", "pickle_key": key}) as house:
        [card] = await knocks(house, ANA)
        house.world.rooms[MODS].encrypted = True
        reply(house, "✅", card.event_id)
        reply(house, "✅", house.world.say(MODS, ALICE, "fine?"))
        await house.live()

        assert house.membership(ANA) == "knock"


# --- what is wrong with a command -----------------------------------------------------------------------------


@pytest.mark.one_engine
@pytest.mark.parametrize(
    "command",
    [
        "check Gardn",
        "invites Gardn",
        "unprotect Gardn",
        "policy log Gardn",
        "policy show Gardn",
        "policy revert Gardn 1",
        "policy set Gardn\notherwise: reject",
        "test Gardn @ana:tulip.example",
        "invite Gardn ana@mail.example",
    ],
)
async def test_a_word_that_stands_where_a_room_could_and_is_none_is_told(house: House, command: str) -> None:
    [reply] = await told(house, command)

    assert reply == "Gardn is not managed from this room. !kb rooms shows which rooms are."


@pytest.mark.one_engine
@pytest.mark.parametrize("room", ["#lawn", "!lawn"])
@pytest.mark.parametrize(
    "command",
    [
        "check {}",
        "policy set {}\notherwise: reject",
        "policy try {} 30d\notherwise: reject",
        "policy use careful {}",
        "policy apply {}",
        "test {} @ana:tulip.example",
        "allow @ana:tulip.example {}",
        "disallow @ana:tulip.example {}",
        "allowed {}",
        "lists {}",
    ],
)
async def test_what_begins_like_an_alias_or_an_id_is_no_note_and_no_policy(
    house: House, command: str, room: str
) -> None:
    [reply] = await told(house, command.format(room))

    assert reply == f"{room} is not managed from this room. !kb rooms shows which rooms are."


async def test_a_comment_may_stand_where_the_only_room_is_left_out(house: House) -> None:
    reply, *_ = await told(house, "policy set # ours\notherwise: reject")

    assert "is in force" in reply


@pytest.mark.parametrize("command", ["reject spam 1", "note hello #1", "defer 2d 1"])
async def test_a_number_behind_the_words_is_said_to_belong_before_them(house: House, command: str) -> None:
    await knocks(house, ANA)
    [said] = await told(house, command)
    assert said.endswith(". If you mean #1, write its number first, right behind the command.")
    assert house.membership(ANA) == "knock"


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("check Garden please", "I do not understand “please” here."),
        ("check Garden 2", "I do not understand “2” here."),
        ("policy set Garden please\notherwise: reject", "I do not understand “please” here."),
        ("policy try 30d !garden:tulip.example\nrules: []", "Write the room before “30d”."),
        ("policy try 30d Garden", "Write the room before “30d”."),
        ("policy try Garden 30d", "Which policy?"),
        ("policy revert 1 Garden", "Write the room before “1”."),
        ("allowed @ana:tulip.example", "I do not understand “@ana:tulip.example” here."),
        ("protect with rooms", "Which room?"),
        ("unprotect with rooms", "Which room?"),
        ("test ana", "Which user?"),
        ("policy revert one", "Which revision?"),
        ("show 1 2", "I do not understand “2” here. Several numbers need commas: 1, 2."),
        ("invite ana@mail.example, ben@mail.example", "One address at a time, please."),
    ],
)
async def test_what_is_wrong_with_a_command_is_told_with_its_usage_and_an_example(
    house: House, command: str, complaint: str
) -> None:
    await knocks(house, ANA)
    [reply] = await told(house, command)

    assert without_marks(reply).startswith(complaint)
    assert "commas" in complaint or "commas" not in reply
    assert "Usage: !kb " in reply
    assert "For example: !kb " in reply


@pytest.mark.parametrize("command", ["policy revert 3", "policy show #3", "policy try 30d\notherwise: reject"])
async def test_what_is_for_another_argument_is_no_room_where_several_are_managed(house: House, command: str) -> None:
    house.world.room("!shed:tulip.example", "Shed", ALICE, BOT, levels=levels_for())
    await told(house, "protect !shed:tulip.example")
    *_, reply = await told(house, command)

    assert reply.startswith("Which room? Usage: !kb policy ")


async def test_a_room_that_is_no_space_has_no_rooms_to_let_go(house: House) -> None:
    [reply] = await told(house, f"unprotect {GARDEN} with rooms")

    assert reply == "Garden is no longer protected. Please answer its pending join requests yourself, in your client."


async def test_where_no_room_is_protected_a_command_for_a_room_says_so(house: House) -> None:
    await told(house, f"unprotect {GARDEN}")
    [reply] = await told(house, "check")

    assert "No room is protected from here yet" in reply


async def test_the_first_of_two_words_is_told_the_second_ones(house: House) -> None:
    [reply] = await told(house, "policy")

    assert reply == (
        "The command !kb policy is not complete. Use one of these: "
        "!kb policy show, !kb policy set, !kb policy revert, !kb policy apply, "
        "!kb policy try, !kb policy presets, !kb policy use, !kb policy log."
    )


async def test_help_for_one_command_shows_an_example(house: House) -> None:
    [reply] = await told(house, "help accept")

    assert reply.endswith("Usage: !kb accept N… [message]. For example: !kb accept 12")


@pytest.mark.parametrize(("age", "late"), [(3601, True), (1800, False)])
async def test_a_command_that_is_more_than_an_hour_old_on_arrival_is_not_run(
    house: House, age: int, late: bool
) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.tell("accept 1")
    [command] = house.world.outbox
    command |= {"origin_server_ts": 5, "unsigned": {"age": age * 1000}}  # its server's clock is of no account
    await house.live()

    assert any("late" in text for text in house.spoken()) is late
    assert house.membership(ANA) == ("knock" if late else "invite")


# --- who may look -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["list", "show 1", "log", "queue", "policy show"])
async def test_who_is_not_in_the_management_room_sees_nothing_from_there(house: House, command: str) -> None:
    """The homeserver hands over messages as well that it has not let into the room, as of somebody banned elsewhere."""
    await knocks(house, ANA)
    house.world.change(MODS, ALICE, BEN, "ban")
    house.world.outbox.clear()

    assert await told(house, command, by=BEN) == ["Only members of this room can use this command."]


async def test_unprotect_asks_for_its_room_even_where_there_is_only_one(house: House) -> None:
    [reply] = await told(house, "unprotect")
    assert reply.startswith("Which room?")
    async with house.db.tx() as tx:
        assert await rooms.find(tx, GARDEN) is not None


async def test_an_unknown_second_word_is_told_with_the_nearest_command(house: House) -> None:
    [reply] = await told(house, f"policy shw {GARDEN}")
    assert reply.startswith("There is no command policy shw. Did you mean !kb policy show?")
    [reply] = await told(house, "policy foo")
    assert reply.startswith("There is no command policy foo. Did you mean !kb policy show, !kb policy set, ")
    [reply] = await told(house, "policy")
    assert reply.startswith("The command !kb policy is not complete.")


@pytest.mark.parametrize(
    "command", [f"policy revert {GARDEN} 9", f"protect {GARDEN}", f"policy set {GARDEN}\notherwise: ban"]
)
async def test_what_a_reply_offers_to_be_copied_names_the_room(house: House, command: str) -> None:
    await told(house, f"policy set {GARDEN}\notherwise: ban")
    [reply] = await told(house, command)
    offered = re.findall(r"!kb (?:policy )?[a-z]+ \S+", reply)
    assert offered
    assert all(GARDEN in one for one in offered)


# --- a fault of our own ---------------------------------------------------------------------------------------


def break_the_command(monkeypatch: pytest.MonkeyPatch, name: str, *, writing: bool) -> None:
    """Have this command raise what nobody foresaw: while it looks, or while it writes."""

    async def fail(call: Call, *_: Any) -> Answered:
        if not writing:
            raise ValueError("year 10000 is out of range")

        async def write(turn: Turn) -> Reply:
            await rooms.set_space(turn.tx, GARDEN, ORCHARD)
            raise ValueError("year 10000 is out of range")

        return write

    monkeypatch.setitem(COMMANDS, name, replace(COMMANDS[name], run=fail))


@pytest.mark.parametrize("writing", [False, True])
async def test_a_command_that_always_fails_gets_a_reply_and_holds_up_the_next_for_seconds(
    house: House, monkeypatch: pytest.MonkeyPatch, writing: bool
) -> None:
    break_the_command(monkeypatch, "rooms", writing=writing)
    house.tell("rooms")
    house.tell("list")
    for _ in range(4):
        assert house.spoken() == []
        await house.later(10)

    assert house.spoken() == [
        (
            "⚠️ I could not do this, because of a fault of my own. Nothing was changed. "
            "My server's admin finds the details in my log."
        ),
        "Nobody is waiting.",
    ]
    assert len(await house.set_aside()) == 1
    async with house.db.tx() as tx:
        garden = await rooms.find(tx, GARDEN)
    assert garden is not None
    assert garden.space is None


async def test_what_is_no_command_is_set_aside_without_a_word(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise ValueError("what")

    monkeypatch.setattr("knockbot.chat.commands._overhear", fail)
    house.world.say(MODS, ALICE, "hello")
    house.tell("list")
    for _ in range(4):
        await house.later(10)

    assert house.spoken() == ["Nobody is waiting."]
    assert len(await house.set_aside()) == 1


async def test_where_not_even_the_reply_can_be_written_the_rest_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_the_command(monkeypatch, "rooms", writing=False)

    async def fail(*_: Any) -> None:
        raise ValueError("no reply")

    as_ever = commands._reply
    monkeypatch.setattr(commands, "_reply", fail)
    house.tell("rooms")
    for _ in range(4):
        await house.later(10)
    monkeypatch.setattr(commands, "_reply", as_ever)
    house.tell("list")
    await house.later(10)

    assert house.spoken() == ["Nobody is waiting."]
    assert len(await house.set_aside()) == 1


@pytest.mark.parametrize(
    "command",
    [
        "accept 999999999999999",
        "show 3000000000",
        "reject 2147483647-2147483650 no",
        "revoke 999999999999999",
        "log 999999999999999",
        f"policy show {GARDEN} 999999999",
        f"policy revert {GARDEN} 999999999",
        f"policy try {GARDEN} 999999w\notherwise: accept",
        f"policy set {GARDEN}\nrules: [{{when: {{reason_length_at_least: 999999999999}}, then: reject}}]",
        f"policy set {GARDEN}\nrules: [{{when: {{rejected_before: {{times: 1000, within: 999999w}}}}, then: reject}}]",
        f"policy set {GARDEN}\nrules: [{{when: {{first_seen_at_least: 999999w}}, then: reject}}]",
        f"policy set {GARDEN}\nrules: [{{when: {{knocks: {{more_than: 999999999, within: 999999w}}}}, then: reject}}]",
        "allow @x:y.example until 0001-01-01",
        "allow @x:y.example until 9999-12-31",
        "allow @x:y.example until 2999-12-31",
    ],
)
async def test_no_number_is_too_large_for_a_reply(house: House, command: str) -> None:
    """A number of a request has up to 15 digits, which is more than PostgreSQL's INTEGER holds."""
    await knocks(house, BEN)
    assert await told(house, command)
    assert len(await told(house, "allowed")) == 1
    await knocks(house, CEM)
    assert await house.waiting() == 0


async def test_help_of_the_first_word_of_several_commands_lists_them_with_what_they_do(house: House) -> None:
    house.tell("help policy")
    await house.live()
    rows = house.spoken()[-1].splitlines()
    assert [row.split(" – ")[0] for row in rows] == [
        command.full_usage for name, command in COMMANDS.items() if name.startswith("policy ")
    ]
    assert all(row.partition(" – ")[2] for row in rows)


async def test_text_below_the_closing_fence_of_a_policy_is_named_as_the_mistake(house: House) -> None:
    house.tell(f"policy set {GARDEN}\n```yaml\notherwise: ban\n```\nthanks!")
    await house.live()
    assert house.spoken()[-1].startswith("Write nothing below the closing ```.")


async def test_who_joined_did_so_by_themselves_whoever_accepted_them(house: House) -> None:
    await knocks(house, ANA)
    await told(house, "accept 1")
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.live()
    for command in ("show 1", "log 1", f"log {ANA}", "log"):
        *_, reply = await told(house, command)
        assert f"accepted · by {ALICE}" in reply
        assert re.search(r"· joined$", reply, re.MULTILINE)
