"""Rooms that were fit are looked at again, and where room and records disagree the room counts."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.domain.model import State
from knockbot.store import rooms
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, FAR

BOB = "@bob:tulip.example"
OTHER = "!other:tulip.example"
LAWN = "!lawn:tulip.example"


def with_levels(house: House, **levels: Any) -> None:
    house.world.set_levels(GARDEN, users={ALICE: 100, BOT: 50}, **levels)


def set_rule(house: House, rule: str, room_id: str = GARDEN) -> None:
    house.world.rooms[room_id].join_rule = rule
    house.world.state_changed(room_id, "m.room.join_rules")


# --- protected rooms ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda house: set_rule(house, "public"), "Everyone can join without asking"),
        (lambda house: set_rule(house, "invite"), "Nobody can ask to join"),
        (lambda house: with_levels(house, invite=0), "Every member can invite"),
        (lambda house: with_levels(house, invite=50, users_default=50), "Every member can invite"),
        (lambda house: set_rule(house, "restricted"), "Nobody can ask to join"),
    ],
)
async def test_what_makes_a_protected_room_unfit_is_told_once_and_listed(house: House, change: Any, words: str) -> None:
    await house.look_everywhere()
    change(house)
    await house.live()
    await house.look_everywhere()

    assert [words in text for text in house.spoken()].count(True) == 1
    house.tell("rooms")
    await house.live()
    assert words in house.spoken()[-1]


async def test_a_join_rule_that_its_version_does_not_know_is_told(house: House) -> None:
    house.world.rooms[GARDEN].version = "9"
    set_rule(house, "knock_restricted")
    await house.live()

    assert "does not support the room's join rule" in house.spoken()[-1]


async def test_a_room_that_is_left_in_the_bots_name_is_told_once(house: House) -> None:
    house.world.change(GARDEN, BOT, BOT, "leave")
    await house.live()
    await house.look_everywhere()

    assert ["the homeserver removed me" in text for text in house.spoken()] == [True]


@pytest.mark.parametrize(
    ("by", "said"), [(BOT, "the homeserver removed me"), (ALICE, f"{ALICE} removed me from Garden")]
)
async def test_who_removed_the_bot_is_told_also_where_a_look_comes_before_the_event(
    house: House, by: str, said: str
) -> None:
    house.world.change(GARDEN, by, BOT, "leave")
    late, house.world.outbox = house.world.outbox, []
    await house.look_everywhere()
    await house.live()
    assert "I am not in this room" in house.spoken()[-1]
    house.world.outbox.extend(late)
    await house.live()
    house.world.change(GARDEN, ALICE, BOT, "ban")
    await house.live()
    await house.look_everywhere()

    assert [said in text for text in house.spoken()].count(True) == 1
    assert len(house.spoken()) == 2


async def test_a_room_that_is_fit_again_is_told_once(house: House) -> None:
    set_rule(house, "public")
    await house.live()
    set_rule(house, "knock")
    await house.live()
    await house.look_everywhere()

    assert [text for text in house.spoken() if "are right again" in text] == [house.spoken()[-1]]


# --- management rooms ---------------------------------------------------------------------------------------------


async def test_a_management_room_that_was_made_public_is_told_there_once(house: House) -> None:
    set_rule(house, "public", MODS)
    await house.live()
    await house.look_everywhere()

    assert [text for text in house.spoken() if "Everyone can join this management room" in text] == house.spoken()


async def test_a_management_room_that_members_of_other_rooms_can_join_is_told(house: House) -> None:
    set_rule(house, "restricted", MODS)
    await house.live()

    assert "Members of other rooms can join" in house.spoken()[-1]


async def test_of_a_room_that_is_gone_nothing_else_is_said_and_the_way_out_is_named(house: House) -> None:
    with_levels(house, invite=0)
    await house.live()
    del house.world.rooms[GARDEN].members[BOT]
    await house.look_everywhere()
    await house.live()
    for command in ("rooms", "check", "unprotect"):
        house.tell(f"{command} {GARDEN}" if command != "rooms" else command)
        await house.live()

    listed, checked, refused = house.spoken()[-3:]
    assert "Every member" not in listed
    assert "power level" not in checked
    assert "unprotect" in refused


async def test_a_management_room_that_others_can_read_is_told_there(house: House) -> None:
    house.world.rooms[MODS].world_readable = True
    house.world.state_changed(MODS, "m.room.history_visibility")
    await house.live()

    assert "can read it" in house.spoken()[-1]


async def test_a_management_room_that_was_upgraded_is_told_there_with_the_way_to_move(house: House) -> None:
    house.world.replace(MODS, "!mods2:tulip.example")
    await house.live()

    assert "was upgraded" in house.spoken()[-1]
    assert "!mods2:tulip.example" in house.spoken()[-1]
    assert f"!kb protect {GARDEN}" in house.spoken()[-1]


@pytest.mark.parametrize(
    ("tombstone", "predecessor", "told"), [(True, MODS, True), (False, MODS, False), (True, GARDEN, False)]
)
async def test_the_room_that_replaces_a_management_room_is_told_of_it(
    house: House, tombstone: bool, predecessor: str, told: bool
) -> None:
    """In the room before it, the bot may not be allowed to speak any more; a room can name any as the one before it."""
    new = house.world.room(OTHER, "Mods", ALICE, levels={"users": {ALICE: 100}}, join_rule="invite")
    new.predecessor = predecessor
    if tombstone:
        house.world.replace(MODS, OTHER)
    house.world.change(OTHER, ALICE, BOT, "invite")
    await house.live()

    said = [content for content in house.said(OTHER) if "replaces a management room" in content["body"]]
    assert [content["msgtype"] for content in said] == (["m.text"] if told else [])
    assert all(f"!kb protect {GARDEN}" in content["body"] for content in said)


async def test_a_bot_that_was_put_out_of_its_management_room_says_so_in_the_log(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.world.change(MODS, ALICE, BOT, "leave")
    await house.live()
    await house.look_everywhere()

    assert caplog.text.count("is not fit: ⚠️ I am not in the management room") == 1
    async with house.db.tx() as tx:
        assert await rooms.management_concerns(tx, MODS) == ("absent",)


async def test_a_door_that_moves_is_told_in_the_room_it_leaves(house: House) -> None:
    house.world.room(OTHER, "Other", ALICE, BOT, levels={"users": {ALICE: 100}}, join_rule="invite")
    house.world.say(OTHER, ALICE, f"!kb protect {GARDEN}")
    await house.live()

    assert "to another management room" in house.spoken()[-1]
    assert ALICE in house.spoken()[-1]
    assert OTHER not in house.spoken()[-1]


# --- protect ------------------------------------------------------------------------------------------------------


async def test_a_waiting_protect_belongs_to_who_asked(house: House) -> None:
    house.world.room(LAWN, "Lawn", ALICE, levels={"users": {ALICE: 100}})
    house.world.room(OTHER, "Other", BOB, BOT, levels={"users": {BOB: 100}}, join_rule="invite")
    house.tell(f"protect {LAWN}")
    await house.live()
    house.world.say(OTHER, BOB, f"!kb protect {LAWN}")
    await house.live()

    house.world.change(LAWN, ALICE, BOT, "invite")
    await house.live()

    async with house.db.tx() as tx:
        room = await rooms.find(tx, LAWN)
    assert room is not None
    assert (room.management_room, room.protected_by) == (MODS, ALICE)
    assert "is now" not in house.spoken(OTHER)[-1]


@pytest.mark.parametrize("rule", ["knock", "invite"])
async def test_who_is_not_in_a_room_is_told_the_same_whether_the_bot_is(house: House, rule: str) -> None:
    house.world.room(LAWN, "Lawn", BOT, join_rule=rule)
    house.world.room("!meadow:tulip.example", "Meadow", join_rule=rule)
    for room_id in (LAWN, "!meadow:tulip.example"):
        house.tell(f"protect {room_id}")
        await house.live()

    inside, outside = house.spoken()
    assert inside.replace(LAWN, "") == outside.replace("!meadow:tulip.example", "")


# --- redactions ---------------------------------------------------------------------------------------------------


async def test_a_card_that_was_redacted_is_posted_anew_while_it_is_needed(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    old = house.card()
    house.world.redact(MODS, ALICE, old.event_id)
    await house.live()

    new = house.card()
    assert new.event_id != old.event_id
    house.click("✅", card=new)
    await house.live()
    assert house.membership(ANA) == "invite"


async def test_a_card_that_was_redacted_while_nobody_looked_is_posted_anew(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    old = house.card()
    house.world.redact(MODS, ALICE, old.event_id)
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()

    assert house.card().event_id != old.event_id


async def test_a_card_of_what_is_settled_stays_redacted(house: House) -> None:
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    house.click("❌")
    await house.live()
    house.world.redact(MODS, ALICE, house.card().event_id)
    await house.live()
    await house.look_everywhere()

    assert house.cards() == []


@pytest.mark.parametrize("heard", [True, False])
async def test_a_knock_that_was_redacted_loses_its_words_here_as_well(house: House, heard: bool) -> None:
    house.world.knock(GARDEN, ANA, "another of my secrets, my secret", displayname="Ana B.")
    await house.live()
    event_id = house.world.knock(GARDEN, ANA, "my secret", displayname="Ana B.")
    await house.live()
    house.world.redact(GARDEN, ANA, event_id)
    if not heard:
        house.world.outbox.clear()
        await house.look_everywhere()
    await house.live()

    request = await house.request(ANA)
    assert (request.reason, request.display_name, request.state) == ("", None, State.PENDING)
    assert "my secret" not in str(house.world.rooms[MODS].said)  # nor in what the card said before
    house.click("✅", card=house.card())
    await house.live()
    assert house.membership(ANA) == "invite"


async def test_a_knock_that_is_redacted_again_and_again_loses_its_words_once(house: House) -> None:
    event_id = house.world.knock(GARDEN, ANA, "my secret", displayname="Ana B.")
    await house.live()
    house.world.redact(GARDEN, ANA, event_id)
    await house.live()
    card = house.card()
    for _ in range(3):
        house.world.redact(GARDEN, ANA, event_id)
        await house.live()

    assert house.card().event_id == card.event_id


async def test_a_question_about_an_upgrade_that_was_redacted_is_asked_anew(house: House) -> None:
    new = "!garden2:tulip.example"
    house.world.room(new, "New garden", ALICE, BOT, levels={"users": {ALICE: 100, BOT: 50}}, predecessor=GARDEN)
    house.world.replace(GARDEN, new)
    await house.live()
    asked = house.world.rooms[MODS].said[-2]
    assert asked["type"] == "m.room.message"
    house.world.redact(MODS, ALICE, asked["event_id"])
    await house.live()
    again = next(one for one in reversed(house.world.rooms[MODS].said) if one["type"] == "m.room.message")
    house.world.react(MODS, ALICE, again["event_id"], "✅")
    await house.live()

    async with house.db.tx() as tx:
        assert await rooms.find(tx, new) is not None


# --- the room counts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", ["✅", "❌", "⛔"])
async def test_a_knock_that_stands_again_after_the_homeserver_went_back_is_asked_about_again(
    house: House, verdict: str
) -> None:
    event_id = house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    house.click(verdict)
    await house.live()
    room = house.world.rooms[GARDEN]
    room.members[ANA] = room.past[event_id]  # as it stood before

    await house.look_everywhere()
    await house.live()

    first, second = await house.requests(ANA)
    assert not first.open
    assert second.awaits_moderators
    assert second.number != first.number


async def test_a_knock_of_which_the_room_knows_nothing_any_more_is_closed(house: House) -> None:
    house.world.knock(GARDEN, FAR, "hello")
    await house.live()
    del house.world.rooms[GARDEN].members[FAR]

    await house.look_everywhere()
    await house.live()

    assert (await house.request(FAR)).state is State.WITHDRAWN


async def test_test_tells_nobody_who_is_in_a_room_that_they_are_not_in(house: House) -> None:
    staff = "!staff:tulip.example"
    house.world.room(staff, "Staff", ALICE, ANA, BOT)
    await house.set_policy(f'rules: [{{when: {{member_of: "{staff}"}}, then: accept}}]')
    house.world.change(staff, ALICE, ALICE, "leave")
    for user_id in (ANA, FAR):
        house.tell(f"test {GARDEN} {user_id}")
        await house.live()

    inside, outside = house.spoken()
    assert "you are not in" in inside
    assert inside.replace(ANA, "") == outside.replace(FAR, "")


async def test_an_invite_that_stands_again_after_the_homeserver_went_back_is_judged_again(house: House) -> None:
    house.world.plant(GARDEN, ALICE)
    await house.live()
    before = dict(house.world.rooms[GARDEN].invites["t"])
    house.click("❌")
    await house.live()
    house.world.rooms[GARDEN].invites["t"] = before

    await house.look_everywhere()
    await house.live()

    assert [card.state for card in house.cards()] == ["revoked", "pending"]
