"""A protected room is replaced: nobody is let into it any more; door, policy and open requests go over when asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from knockbot.domain.model import State
from knockbot.domain.upgrades import Stage
from knockbot.store import policies, room_upgrades, rooms
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BEA, BOT, HOME, Room, levels_for

NEW = "!new:tulip.example"
BOB = f"@bob:{HOME}"
POLICY = "rules: [{when: {reason_matches: friend}, then: accept}]"


def new_room(house: House, *joined: str, **how: Any) -> Room:
    """The room that replaces the garden, which takes knocks."""
    how = {"predecessor": GARDEN, **how}
    return house.world.room(NEW, "New garden", ALICE, *joined, levels=levels_for(), **how)


async def upgraded(house: House, *, bot_is_in: bool = True, **how: Any) -> Room:
    """The garden is replaced, and the bot has asked the moderators what to do, if it can."""
    room = new_room(house, *([BOT] if bot_is_in else []), **how)
    house.world.replace(GARDEN, NEW)
    await house.live()
    return room


def question(house: House) -> str:
    """The message that asks the moderators."""
    [asked] = [event for event in house.world.rooms[MODS].said if "Click ✅" in event["content"].get("body", "")]
    return str(asked["event_id"])


async def click(house: House, by: str = ALICE, emoji: str = "✅") -> None:
    house.world.react(MODS, by, question(house), emoji)
    await house.live()


async def kept(house: House) -> set[str]:
    async with house.db.tx() as tx:
        return {room.room_id for room in await rooms.all_rooms(tx)}


async def stage(house: House) -> Stage | None:
    async with house.db.tx() as tx:
        upgrade = await room_upgrades.find(tx, GARDEN)
    return upgrade.stage if upgrade else None


async def knocked(house: House, user_id: str = ANA, reason: str = "hello", room: str = GARDEN) -> None:
    house.world.knock(room, user_id, reason)
    await house.live()


async def test_of_two_rooms_with_one_name_the_question_says_which_is_which(house: House) -> None:
    house.world.room(NEW, "Garden", ALICE, BOT, levels=levels_for(), predecessor=GARDEN)
    house.world.replace(GARDEN, NEW)
    await house.live()

    asked = house.spoken()[-1]
    assert asked.startswith(f"🚚 Garden was replaced by another room with the same name, {NEW}, so I no longer accept")
    await click(house)
    assert f"Garden ({NEW}) is now protected" in house.spoken()[-1]


# --- the old room -------------------------------------------------------------------------------------------------


async def test_nobody_is_let_into_a_room_that_was_replaced(house: House) -> None:
    await house.set_policy(POLICY)
    await upgraded(house)
    await knocked(house, ANA, "friend")
    assert (await house.request(ANA)).awaits_moderators
    assert "replaced" in house.card().text
    house.tell("accept 1")
    await house.live()

    assert "was replaced by another room" in house.spoken()[-1]
    assert house.world.asked("invite") == []
    house.tell("reject 1")
    await house.live()
    assert house.membership(ANA) == "leave"


async def test_an_accept_under_way_when_the_room_is_replaced_waits_for_the_moderators(house: House) -> None:
    house.world.set_levels(GARDEN, invite=100)
    await house.set_policy(POLICY)
    await knocked(house, ANA, "friend")
    await upgraded(house)
    house.world.set_levels(GARDEN, invite=50)
    await house.later()

    assert (await house.request(ANA)).awaits_moderators
    assert house.membership(ANA) == "knock"
    assert house.card().state == "pending"


async def test_a_tombstone_that_is_gone_again_changes_nothing_for_good(house: House) -> None:
    await upgraded(house)
    house.world.rooms[GARDEN].tombstone = None
    house.world.state_changed(GARDEN, "m.room.tombstone")
    await knocked(house)
    house.tell("accept 1")
    await house.live()
    assert house.membership(ANA) == "invite"


# --- the question -------------------------------------------------------------------------------------------------


async def test_the_moderators_are_asked_once_and_offered_one_click(house: House) -> None:
    await upgraded(house)
    for _ in range(3):
        await house.look_everywhere()
        await house.live()
    offers = [e for e in house.world.rooms[MODS].said if e["type"] == "m.reaction" and e["sender"] == BOT]
    assert [e["content"]["m.relates_to"]["event_id"] for e in offers] == [question(house)]
    [asked] = [e for e in house.world.rooms[MODS].said if e["event_id"] == question(house)]
    block = {"kind": "room_upgrade", "room_id": GARDEN, "replacement": NEW}
    assert (asked["content"]["msgtype"], asked["content"]["org.knockbot.prompt"]) == ("m.text", block)
    assert await kept(house) == {GARDEN}


async def test_one_click_moves_door_policy_and_open_requests(house: House) -> None:
    await house.set_policy(POLICY)
    await knocked(house)
    await upgraded(house)
    await click(house)

    assert await kept(house) == {NEW}
    assert await stage(house) is Stage.MOVED
    async with house.db.tx() as tx:
        policy = await policies.current(tx, NEW)
    assert policy is not None
    assert (policy.text, policy.author) == (POLICY, ALICE)
    request = await house.request(ANA, NEW)
    assert (request.number, request.state, request.moved_from) == (1, State.PENDING, GARDEN)
    assert "New garden" in house.card().text


async def test_a_policy_that_moves_over_keeps_what_its_names_meant(house: House) -> None:
    alias = f"#club:{HOME}"
    house.world.room("!club", "Club", ALICE, ANA, BOT)
    house.world.aliases[alias] = "!club"
    await house.set_policy(f"rules: [{{when: {{member_of: '{alias}'}}, then: accept}}]")
    await upgraded(house)
    house.world.aliases[alias] = NEW
    await click(house)
    await knocked(house, ANA, room=NEW)

    assert house.membership(ANA, NEW) == "invite"


@pytest.mark.parametrize("by", ["alias", "ID"])
async def test_who_is_not_in_a_room_that_the_policy_names_does_not_become_its_author(house: House, by: str) -> None:
    """Else the answers of the policy would tell them who is in that room."""
    alias = f"#club:{HOME}"
    house.world.room("!club:tulip.example", "Club", ALICE, ANA, BOT)
    house.world.aliases[alias] = "!club:tulip.example"
    name = alias if by == "alias" else "!club:tulip.example"
    await house.set_policy(f"rules: [{{when: {{member_of: '{name}'}}, then: accept}}]")
    await upgraded(house)
    for place in (GARDEN, NEW, MODS):
        house.world.change(place, BOB, BOB, "join")
        house.world.rooms[place].levels["users"][BOB] = 100
    await click(house, by=BOB)

    assert await kept(house) == {GARDEN}
    assert name in house.spoken()[-1]
    house.world.change("!club:tulip.example", BOB, BOB, "join")
    house.world.react(MODS, BOB, question(house), "✅️")
    await house.live()
    assert await kept(house) == {NEW}


async def test_where_the_policy_does_not_go_over_its_rooms_do_not_matter(house: House) -> None:
    house.world.room("!club:tulip.example", "Club", ALICE, BOT)
    await house.set_policy("rules: [{when: {member_of: '!club:tulip.example'}, then: accept}]")
    await upgraded(house)
    await house.set_policy(POLICY, NEW)
    for place in (GARDEN, NEW, MODS):
        house.world.change(place, BOB, BOB, "join")
        house.world.rooms[place].levels["users"][BOB] = 100
    await click(house, by=BOB)

    assert await kept(house) == {NEW}


class Safe:
    """Locks away what is yet to be said, as where encryption is allowed."""

    def lock(self, content: Mapping[str, Any], /) -> Mapping[str, Any]:
        """Nothing shows."""
        return {"locked": json.dumps(content)}

    def unlock(self, locked: Mapping[str, Any], /) -> Mapping[str, Any]:
        """As it was."""
        return dict(json.loads(locked["locked"]))


async def test_one_click_is_enough_where_what_is_yet_to_be_said_is_locked(house: House) -> None:
    house.furnish(cipher=Safe())
    await upgraded(house)
    await click(house)

    assert await kept(house) == {NEW}


async def test_check_says_that_a_room_was_replaced_whatever_else_is_well_with_it(house: House) -> None:
    await upgraded(house)
    house.tell("check")
    await house.live()

    assert f"replaced by {NEW}" in house.spoken()[-1]


async def test_a_second_click_does_nothing(house: House) -> None:
    await upgraded(house)
    await click(house)
    await click(house, emoji="✅")
    assert len([text for text in house.spoken() if "is now protected, with the policy" in text]) == 1


@pytest.mark.parametrize("how", ["command", "click"])
async def test_an_accept_of_one_who_came_over_invites_them_to_the_new_room(house: House, how: str) -> None:
    await knocked(house)
    await upgraded(house)
    await click(house)
    house.click("✅") if how == "click" else house.tell("accept 1")
    await house.live()

    assert house.membership(ANA, NEW) == "invite"
    assert house.membership(ANA) == "knock"
    assert (await house.request(ANA, NEW)).state is State.ACCEPTED
    house.world.change(NEW, ANA, ANA, "join")
    await house.live()
    assert (await house.request(ANA, NEW)).state is State.JOINED


async def test_a_reject_of_one_who_came_over_ends_their_knock_at_the_old_room(house: House) -> None:
    await knocked(house)
    await upgraded(house)
    await click(house)
    house.tell("reject 1 No.")
    await house.live()

    assert (await house.request(ANA, NEW)).state is State.REJECTED
    assert (house.membership(ANA), house.membership(ANA, NEW)) == ("leave", None)


async def test_a_ban_of_one_who_came_over_keeps_them_out_of_the_new_room(house: House) -> None:
    await knocked(house)
    await upgraded(house)
    await click(house)
    house.tell("ban 1")
    await house.live()

    assert house.membership(ANA, NEW) == "ban"
    assert (await house.request(ANA, NEW)).state is State.BANNED


async def test_who_knocks_at_the_new_room_as_well_is_the_same_request(house: House) -> None:
    await knocked(house)
    await upgraded(house)
    await click(house)
    await knocked(house, ANA, "here too", NEW)

    request = await house.request(ANA, NEW)
    assert (request.number, request.reason, request.moved_from) == (1, "here too", None)
    house.tell("reject 1")
    await house.live()
    assert house.membership(ANA, NEW) == "leave"


async def test_who_knocked_at_the_new_room_before_the_click_is_the_same_request(house: House) -> None:
    await knocked(house)
    await upgraded(house)
    house.world.knock(NEW, ANA, "here too")
    await house.live()
    await click(house)
    assert [(r.number, r.reason) for r in await house.requests(ANA, NEW)] == [(1, "here too")]


@pytest.mark.parametrize("lack", ["old", "new", "managing", "not joined"])
async def test_only_who_may_do_so_in_both_rooms_moves_anything(house: House, lack: str) -> None:
    await upgraded(house)
    for place in (GARDEN, NEW, MODS):
        house.world.change(place, BOB, BOB, "join")
        house.world.rooms[place].levels["users"][BOB] = 100
    if lack == "not joined":
        house.world.change(NEW, BOB, BOB, "leave")
    else:
        house.world.rooms[{"old": GARDEN, "new": NEW, "managing": MODS}[lack]].levels["users"][BOB] = 0
    await click(house, by=BOB)
    assert await kept(house) == {GARDEN}
    await click(house, by=ALICE)
    assert await kept(house) == {NEW}


async def test_a_click_that_came_while_the_bot_was_away_counts(house: House) -> None:
    await upgraded(house)
    house.world.react(MODS, ALICE, question(house), "✅")
    house.world.outbox.clear()
    await house.die()
    await house.start_again()
    await house.live()
    assert await kept(house) == {NEW}


@pytest.mark.parametrize("emoji", ["❌", "👍", "⛔"])
async def test_another_reaction_moves_nothing(house: House, emoji: str) -> None:
    await upgraded(house)
    await click(house, emoji=emoji)
    assert await kept(house) == {GARDEN}


async def test_in_another_room_the_question_takes_no_click(house: House) -> None:
    await upgraded(house)
    house.world.room("!else:tulip.example", "Else", ALICE, BOT)
    house.world.react("!else:tulip.example", ALICE, question(house), "✅")
    await house.live()
    assert await kept(house) == {GARDEN}


# --- getting in ---------------------------------------------------------------------------------------------------


async def test_the_bot_knocks_where_it_cannot_get_in_and_goes_on_when_it_is_let_in(house: House) -> None:
    await upgraded(house, bot_is_in=False)
    assert house.membership(BOT, NEW) == "knock"
    assert await stage(house) is Stage.WAITING
    assert len([text for text in house.spoken() if "accept my join request" in text]) == 1

    house.world.change(NEW, ALICE, BOT, "invite")
    await house.live()
    assert await stage(house) is Stage.OFFERED
    await click(house)
    assert await kept(house) == {NEW}


async def test_where_the_new_room_takes_no_knocks_an_invite_is_asked_for_once(house: House) -> None:
    await upgraded(house, bot_is_in=False, join_rule="invite")
    for _ in range(3):
        await house.look_everywhere()
        await house.live()
    assert len([text for text in house.spoken() if "invite" in text]) == 1
    house.world.change(NEW, "@stranger:rose.example", BOT, "invite")
    await house.live()
    assert await stage(house) is Stage.OFFERED


# --- hostile or broken --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("replacement", "says"),
    [
        ("", "names no room"),
        ("garbage", "names no room"),
        ("<script>", "names no room"),
        ("#alias:tulip.example", "names no room"),
        (GARDEN, "names the same room"),
        (MODS, "names the management room"),
    ],
)
async def test_a_tombstone_that_makes_no_sense_gets_a_clear_line_once(
    house: House, replacement: str, says: str
) -> None:
    house.world.replace(GARDEN, replacement)
    await house.live()
    await house.look_everywhere()
    await house.live()
    assert len([text for text in house.spoken() if says in text]) == 1
    assert house.world.asked("join", "knock") == []
    assert await stage(house) is Stage.REFUSED


@pytest.mark.parametrize("predecessor", [None, "!other:tulip.example", NEW])
async def test_a_room_that_does_not_name_the_one_it_replaces_is_not_followed(
    house: House, predecessor: str | None
) -> None:
    await upgraded(house, predecessor=predecessor)
    assert len([text for text in house.spoken() if "does not say that it replaces the old one" in text]) == 1
    assert await kept(house) == {GARDEN}


async def test_rooms_that_replace_each_other_in_a_circle_are_not_followed_round(house: House) -> None:
    await upgraded(house)
    await click(house)
    house.world.rooms[GARDEN].predecessor = NEW
    house.world.replace(NEW, GARDEN)
    await house.live()
    assert "leads back to the old one" in house.spoken()[-1]
    assert await kept(house) == {NEW}


async def test_a_room_that_others_look_after_is_not_taken_from_them(house: House) -> None:
    house.world.room("!theirs:tulip.example", "Theirs", BEA, BOT, levels=levels_for())
    new_room(house, BOT)
    await house.protect(NEW, "!theirs:tulip.example")
    house.world.replace(GARDEN, NEW)
    await house.live()
    assert any("managed from another room" in text for text in house.spoken())
    assert await stage(house) is Stage.REFUSED


async def test_after_a_wrong_tombstone_the_right_one_is_followed(house: House) -> None:
    house.world.replace(GARDEN, "garbage")
    await house.live()
    await upgraded(house)
    await click(house)
    assert await kept(house) == {NEW}
