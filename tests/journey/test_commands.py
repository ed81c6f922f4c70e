"""Commands: when a message is one, what the bot replies, and how policies are read and set in chat."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from knockbot.demo.people import Person
from tests.journey.conftest import OwnKeeper
from tests.keeper import Garden, InProcess, block, html, in_reply_to, words
from tests.lab import LabHomeserver

HOUR = 3600 * 1000

# --- when a message is a command ----------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["!kb help", "{bot}: help", "Knockbot help"])
async def test_the_bot_hears_its_prefix_its_id_and_its_name(garden: Garden, said: str) -> None:
    command = await garden.alice.say(garden.mods, said.format(bot=garden.keeper.user_id))

    assert "!kb protect" in await garden.answer_to(command)


async def test_the_bot_hears_its_pill(garden: Garden) -> None:
    pill = f'<a href="https://matrix.to/#/{garden.keeper.user_id}">The Doorkeeper</a>'

    command = await garden.alice.say(garden.mods, "The Doorkeeper: help", formatted=f"{pill}: help")

    assert "!kb protect" in await garden.answer_to(command)


async def test_other_messages_are_not_commands(garden: Garden) -> None:
    stranger = '<a href="https://matrix.to/#/@stranger:lab.test">Knockbot</a>'
    others: list[tuple[str, dict[str, Any]]] = [
        ("!kb help", {"msgtype": "m.notice"}),
        ("!kb help", {"msgtype": "m.emote"}),
        ("!kb help", {"msgtype": "m.image", "url": "mxc://lab.test/x"}),
        ("please help", {"m.mentions": {"user_ids": [garden.keeper.user_id]}}),
        ("please !kb help", {}),
        ("!kbhelp", {}),
        ("!kbs help", {}),
        ("!k help", {}),
        ("Knockbots help", {}),
        ("I like Knockbot: help", {}),
        ("Knockbot help", {"format": "org.matrix.custom.html", "formatted_body": f"{stranger} help"}),
        ("", {}),
        ("> !kb help", {}),
    ]

    said = [await garden.alice.say(garden.mods, body, content=content) for body, content in others]

    await garden.caught_up_here()
    answered = [other for other, one in zip(others, said, strict=True) if await garden.answers_to(one)]
    assert answered == []


async def test_an_edit_is_no_command_and_is_told_so(garden: Garden) -> None:
    mona = await garden.moderator("mona")  # who had no hint yet
    said = await mona.say(garden.mods, "good morning")
    relation = {"rel_type": "m.replace", "event_id": said}
    content = {"m.relates_to": relation, "m.new_content": {"msgtype": "m.text", "body": "!kb help"}}

    edit = await mona.say(garden.mods, "!kb help", content=content)

    assert "edited" in await garden.answer_to(said)
    await mona.say(garden.mods, "!kb help", content=content)
    await garden.caught_up_here()
    assert len(await garden.answers_to(said)) == 1
    assert await garden.answers_to(edit) == []


async def test_odd_messages_do_no_harm(garden: Garden) -> None:
    odd = {"msgtype": "m.text", "format": "org.matrix.custom.html", "formatted_body": {"a": 1}}
    contents: list[dict[str, Any]] = [
        {"msgtype": "", "body": "!kb help"},
        {**odd, "body": "!kb"},
        {"msgtype": "m.text", "body": "!kb \0 help"},
        {"msgtype": "m.text", "body": "!kb " + "x" * 50_000},
    ]

    for content in contents:
        await garden.alice.send(garden.mods, "m.room.message", content)

    await garden.caught_up_here()


async def test_what_is_said_in_a_protected_room_is_not_for_the_bot(garden: Garden) -> None:
    said = await garden.alice.say(garden.room, "!kb help")

    await garden.caught_up()

    assert [event for event in await garden.alice.messages(garden.room) if in_reply_to(event) == said] == []


async def test_a_command_is_replied_to_once_and_without_a_ping(garden: Garden) -> None:
    command = await garden.tell("rooms")
    await garden.answer_to(command)
    await garden.caught_up_here()

    (reply,) = await garden.answers_to(command)

    assert reply["content"]["msgtype"] == "m.notice"
    assert reply["content"]["m.mentions"] == {}


# --- late ---------------------------------------------------------------------------------------------------------


async def with_a_time_machine(homeserver: LabHomeserver) -> Person:
    """An application service's user, who alone may say when a message was sent."""
    slot = homeserver.take_slot()
    user_id = f"@{slot.sender_localpart}:{homeserver.name}"
    person = Person(homeserver.http, homeserver.url, user_id, slot.as_token)
    account = {"type": "m.login.application_service", "username": slot.sender_localpart, "inhibit_login": True}
    await person.call("POST", "register", body=account)
    return person


# --- help ---------------------------------------------------------------------------------------------------------


async def test_help_tells_of_every_command(garden: Garden) -> None:
    screen = await garden.command("help")

    for name in ("protect", "rooms", "list", "show", "accept", "reject", "ban", "policy show", "policy set"):
        assert f"!kb {name}" in screen
        assert f"!kb {name}" in await garden.command(f"help {name}")


@pytest.mark.parametrize("typo", ["acept 3", "polcy show"])
async def test_a_command_that_is_none_is_answered_with_the_nearest(garden: Garden, typo: str) -> None:
    said = await garden.command(typo)

    assert "!kb " in said
    assert any(name in said for name in ("!kb accept", "!kb protect", "!kb policy"))


# --- looking ------------------------------------------------------------------------------------------------------


async def test_rooms_and_list_tell_what_is_looked_after_from_here_and_who_waits_there_now(keeper: InProcess) -> None:
    garden, elsewhere = await keeper.plant(alone=True), await keeper.garden()
    second = await keeper.plant(alice=garden.alice, mods=garden.mods)
    ana, ben, gone = [await garden.knocker(name) for name in ("ana", "ben", "gone")]
    cleo = await second.knocker("cleo", "tulips")
    for person in (ana, ben, gone):
        await garden.card(person)
    await second.card(cleo)
    await gone.retract(garden.room)
    await garden.shown(gone, "withdrawn")

    kept, everybody = await garden.command("rooms"), await garden.command("list")
    only_here = await garden.command(f"list {garden.room}")

    assert garden.room in kept
    assert second.room in kept
    assert "2 waiting" in kept
    assert "1 waiting" in kept
    assert elsewhere.room not in kept
    assert all(person.user_id in everybody for person in (ana, ben, cleo))
    assert all(person.user_id in only_here for person in (ana, ben))
    assert cleo.user_id not in only_here
    assert gone.user_id not in everybody + only_here


async def test_show_tells_all_about_a_request(keeper: InProcess) -> None:
    garden = await keeper.garden("rules: [{name: friends, when: {reason_matches: friend}, then: accept}]")
    ana = await garden.knocker("ana", "roses")
    number = block(await garden.card(ana))["number"]

    said = await garden.command(f"show {number}")

    for part in (ana.user_id, "Garden", "roses", "Waiting", "forward", "friends", "otherwise"):
        assert part in said


async def test_every_member_of_the_management_room_may_look(garden: Garden) -> None:
    mona = await garden.moderator("mona", level=None, joined=False)
    ana = await garden.knocker()
    number = block(await garden.card(ana))["number"]

    assert garden.room in await garden.command("rooms", by=mona)
    assert ana.user_id in await garden.command(f"show {number}", by=mona)
    assert garden.room in await garden.command(f"policy show {garden.room}", by=mona)


async def test_rooms_of_others_are_as_unknown_as_rooms_that_do_not_exist(keeper: InProcess) -> None:
    garden, other = await keeper.garden(), await keeper.garden("otherwise: reject", alone=True)
    nowhere = "!nowhere:lab.test"

    for command in (
        "list {room}",
        "policy show {room}",
        "policy set {room}\notherwise: ban",
        "policy log {room}",
        "check {room}",
        "test {room} @ana:lab.test",
        "unprotect {room}",
    ):
        of_others = await garden.command(command.format(room=other.room))
        of_nobody = await garden.command(command.format(room=nowhere))
        assert of_others.replace(other.room, nowhere) == of_nobody, command

    assert "otherwise: reject" in await other.command("policy show")


@pytest.mark.parametrize("command", ["show 999", "accept 999", "reject 999", "ban 999"])
async def test_requests_of_others_are_as_unknown_as_those_that_do_not_exist(keeper: InProcess, command: str) -> None:
    garden = await keeper.garden()

    said = await garden.command(command)

    assert "#999" in said
    assert "!kb list" in said


async def test_check_tells_what_the_bot_may_do(keeper: InProcess) -> None:
    garden = await keeper.plant(bot_level=None)

    before = await garden.command(f"check {garden.room}")
    await garden.give_power(keeper.user_id, 50)
    after = await garden.command(f"check {garden.room}")

    assert before.count("❌") == 2
    assert "❌" not in after


async def test_test_tells_what_the_policy_would_do_and_does_nothing(keeper: InProcess) -> None:
    garden = await keeper.garden("rules: [{name: pills, when: {reason_matches: pills}, then: ban}]")
    ana = await garden.knocker("ana", "roses")
    await garden.card(ana)

    said = await garden.command(f"test {garden.room} {ana.user_id} cheap pills")

    assert "ban" in said
    assert "pills" in said
    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"


async def test_a_server_admin_sees_all_rooms_and_ends_any_but_has_no_power_over_applicants(
    own_keeper: OwnKeeper, homeserver: LabHomeserver
) -> None:
    root = await homeserver.person("root")
    keeper = await own_keeper(permissions={homeserver.name: "user", root.user_id: "admin"})
    garden = await keeper.plant(alone=True)
    theirs = await keeper.plant(alice=root)
    await garden.bring(root, garden.mods)
    ana = await garden.knocker()
    number = block(await garden.card(ana))["number"]

    assert garden.room in await theirs.command("rooms")
    await garden.command(f"accept {number}", by=root)
    await garden.caught_up()
    assert await garden.alice.membership(garden.room, ana.user_id) == "knock"
    await theirs.command(f"unprotect {garden.room}")
    assert garden.room not in await garden.command("rooms")


# --- policies -----------------------------------------------------------------------------------------------------


async def test_a_policy_is_shown_as_it_was_written(keeper: InProcess) -> None:
    garden = await keeper.ruled()
    text = "# for the summer\nrules:\n- name: friends   # of ours\n  when: {reason_matches: friend}\n  then: accept"

    await garden.set_policy(text)

    said = await garden.command(f"policy show {garden.room}")
    assert text in said
    assert garden.alice.user_id in said


async def test_a_policy_may_stand_in_a_code_fence(keeper: InProcess) -> None:
    garden = await keeper.ruled()
    body = f"!kb policy set {garden.room}\n```yaml\notherwise: reject\n```"
    formatted = (
        f'<p>!kb policy set {garden.room}</p>\n<pre><code class="language-yaml">otherwise: reject\n</code></pre>'
    )

    said = await garden.alice.say(garden.mods, body, formatted=formatted)

    assert "✅" in await garden.answer_to(said)
    ana = await garden.knocker()
    await garden.membership(ana, "leave")


async def test_a_policy_may_be_set_for_the_only_room_without_naming_it(keeper: InProcess) -> None:
    garden = await keeper.plant(alone=True)

    await garden.command("policy set\notherwise: accept", expect="✅")

    await garden.membership(await garden.knocker(), "invite")


MISTAKES = [
    # a policy, and what names its mistake
    ("rules: [", "line"),
    ("otherwise: perhaps", "otherwise"),
    ("rules:\n- name: ours\n  wen: {local: true}\n  then: accept", "wen"),
    ("rules:\n- name: ours\n  when: {locl: true}\n  then: accept", "locl"),
    ("rules:\n- {when: {local: true}, then: accept}\n- {name: ours, when: {local: 5}, then: accept}", "ours"),
    ("rules:\n- when: {reason_matches: '('}\n  then: accept", "reason_matches"),
    ("rules:\n- when: {local: true}\n  then: ask", "questions"),
    ("rules: &x []\notherwise: accept", "anchor"),
    ("rules: !!python/object []\notherwise: accept", "tag"),
    ("just text", "just text"),
    ("otherwise: accept\notherwise: ban", "otherwise"),
    ("call: [mona]", "call"),
    ("- otherwise: accept", "expected"),
    ("otherwise: accept\n---\notherwise: ban", "line"),
]


async def test_a_mistake_in_a_policy_is_named_and_the_one_in_force_stays(keeper: InProcess) -> None:
    garden = await keeper.garden("otherwise: reject  # as it was")

    for text, named in MISTAKES:
        said = await garden.command(f"policy set {garden.room}\n{text}")
        assert named in said
        assert "✅" not in said

    assert "as it was" in await garden.command(f"policy show {garden.room}")


async def test_a_mistake_is_named_with_its_line(keeper: InProcess) -> None:
    garden = await keeper.garden("otherwise: reject  # as it was")

    said = await garden.command(f"policy set {garden.room}\nrules:\n- when: {{local: true}}\n  then: acept")

    assert "line 3" in said


async def test_a_policy_may_name_only_rooms_its_author_is_in(keeper: InProcess) -> None:
    garden = await keeper.ruled("otherwise: reject")
    mona = await keeper.homeserver.person("mona")
    club = await mona.create_room("Club", invite=[keeper.user_id])
    await mona.wait_for_membership(club, keeper.user_id, "join")
    policy = f"policy set {garden.room}\nrules: [{{when: {{member_of: '{club}'}}, then: accept}}]"

    refused = await garden.command(policy)
    nowhere = await garden.command(policy.replace(club, "!nowhere:lab.test"))

    assert club in refused
    assert refused.replace(club, "!nowhere:lab.test") == nowhere
    assert "Club" not in refused
    assert "reject" in await garden.command(f"policy show {garden.room}")
    await garden.bring_into(club, by=mona)
    await garden.command(policy, expect="✅")


async def test_a_policy_takes_the_power_for_all_that_it_may_do(keeper: InProcess) -> None:
    garden = await keeper.garden(levels={"ban": 70}, bot_level=90)
    mona = await garden.moderator("mona", level=None)

    for level, policies in (
        (49, {"otherwise: accept": False}),
        (50, {"otherwise: accept": True, "otherwise: ban": False, "rules: [{when: {local: false}, then: ban}]": False}),
        (70, {"otherwise: ban": True}),
    ):
        await garden.give_power(mona.user_id, level)
        for policy, taken in policies.items():
            text = f"{policy}  # at {level}, by {mona.user_id}"
            said = await garden.command(f"policy set {garden.room}\n{text}", by=mona)
            assert ("✅" in said) is taken, text
            assert (text in await garden.command(f"policy show {garden.room}")) is taken, text


async def test_who_left_the_room_sets_its_policy_no_longer(keeper: InProcess) -> None:
    garden = await keeper.ruled("otherwise: reject")
    mona = await garden.moderator("mona", level=100)
    await mona.leave(garden.room)

    await garden.command(f"policy set {garden.room}\notherwise: accept", by=mona)

    assert "reject" in await garden.command(f"policy show {garden.room}")


async def test_policy_log_tells_who_changed_it(keeper: InProcess) -> None:
    garden = await keeper.ruled("otherwise: reject")
    mona = await garden.moderator("mona", level=100)
    await garden.set_policy("otherwise: accept", by=mona)

    said = await garden.command(f"policy log {garden.room}")

    assert garden.alice.user_id in said
    assert mona.user_id in said


# --- strangers' text in replies -----------------------------------------------------------------------------------


async def test_replies_keep_the_text_of_strangers_harmless(keeper: InProcess) -> None:
    garden = await keeper.garden()
    ana = await garden.person()
    await ana.set_display_name("<h1>Ana</h1>")
    await ana.knock(garden.room, "</code><h1>roses</h1> \u202e")
    number = block(await garden.card(ana))["number"]

    for command in ("list", f"show {number}", f"<h1>{number}", "protect <h1>"):
        said = await garden.tell(command)
        await garden.answer_to(said)
        (reply,) = await garden.answers_to(said)
        assert "<h1>" not in html(reply)
        assert "\u202e" not in words(reply) + html(reply)
        assert reply["content"]["m.mentions"] == {}


async def test_many_commands_at_once_are_all_replied_to_in_order(garden: Garden) -> None:
    commands = [await garden.tell(f"help {name}") for name in ("rooms", "list", "show", "accept", "ban", "protect")]

    await asyncio.gather(*(garden.answer_to(command) for command in commands))

    order = [in_reply_to(event) for event in await garden.said() if in_reply_to(event) in commands]
    assert order == commands
