"""Getting in: whose invites are taken, every way of `protect` and every way it is refused, and what is left again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from knockbot.chat.times import moment
from knockbot.domain.languages import Language
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from knockbot.store import pending_protects, rooms
from knockbot.store.rooms import ProtectedRoom
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, World

LAWN = "!lawn:tulip.example"
BOB = "@bob:tulip.example"
STRANGER = "@eve:evil.example"
DAY = 24 * 3600
NOT_INVITED = Never(foreign("the homeserver says: You are not invited to this room."), code="M_FORBIDDEN")


async def room(house: House, room_id: str = LAWN) -> ProtectedRoom | None:
    """The protected room with this id."""
    async with house.db.tx() as tx:
        return await rooms.find(tx, room_id)


def lawn(house: House, *joined: str, **how: Any) -> None:
    """A room that nobody protects yet; alice may do everything there and the bot will have power."""
    levels = {"users": {ALICE: 100, BOT: 50}} | how.pop("levels", {})
    house.world.room(LAWN, "Lawn", ALICE, *joined, levels=levels, **how)


async def protect(house: House, reference: str = LAWN, *, by: str = ALICE) -> str:
    """Somebody says protect; returns the reply."""
    before = len(house.spoken())
    house.tell(f"protect {reference}", by=by)
    await house.live()
    said = house.spoken()[before:]
    assert len(said) == 1, said
    return said[0]


# --- invites ------------------------------------------------------------------------------------------------------


async def test_an_invite_of_somebody_who_is_permitted_is_taken(house: House) -> None:
    lawn(house)
    house.world.change(LAWN, ALICE, BOT, "invite")
    await house.live()

    assert house.membership(BOT, LAWN) == "join"
    assert house.said() == []


async def test_the_bot_greets_once_in_a_room_that_it_is_invited_to(house: House) -> None:
    lawn(house)
    for _ in range(2):
        house.world.change(LAWN, ALICE, BOT, "invite")
        await house.live()
        house.world.change(LAWN, ALICE, BOT, "leave")
        await house.live()

    [greeting] = house.said(LAWN)
    assert "!kb protect" in greeting["body"]
    assert "!kb help" in greeting["body"]
    assert "\n" not in greeting["body"]
    assert greeting["msgtype"] == "m.notice"
    assert greeting["m.mentions"] == {}


async def test_the_bot_does_not_greet_where_it_was_sent_for_or_is_known(house: House) -> None:
    lawn(house, join_rule="knock")
    await protect(house)
    house.world.change(LAWN, ALICE, BOT, "invite")
    await house.live()
    assert await room(house) is not None
    for place in (GARDEN, MODS):
        house.world.change(place, ALICE, BOT, "leave")
        house.world.change(place, ALICE, BOT, "invite")
        await house.live()

    assert [said for place in (LAWN, GARDEN, MODS) for said in house.spoken(place) if "Hello" in said] == []


async def test_an_invite_of_anybody_else_is_declined_without_a_word(house: House) -> None:
    house.world.room(LAWN, "Lawn", STRANGER)
    house.world.change(LAWN, STRANGER, BOT, "invite")
    await house.live()

    assert house.membership(BOT, LAWN) == "leave"
    assert house.said() == house.said(LAWN) == []


async def test_an_invite_back_into_a_protected_room_is_taken_from_whoever_may_send_it(house: House) -> None:
    house.world.change(GARDEN, ALICE, BOT, "leave")
    await house.live()
    house.world.change(GARDEN, STRANGER, BOT, "invite")
    await house.live()

    assert house.membership(BOT) == "join"


async def test_an_invite_that_was_taken_back_is_no_trouble(house: House) -> None:
    lawn(house)
    house.world.change(LAWN, ALICE, BOT, "invite")
    await house.hear()
    house.world.change(LAWN, ALICE, BOT, "leave")
    await house.live()

    assert house.membership(BOT, LAWN) == "leave"
    assert await house.jobs("due", "running", "blocked") == {}

    assert house.world.asked("join") == []


async def test_an_invite_from_another_server_is_taken_once_that_server_knows_of_it(house: House) -> None:
    lawn(house)
    house.world.play("join", NOT_INVITED)
    house.world.change(LAWN, ALICE, BOT, "invite")
    await house.live()
    assert house.membership(BOT, LAWN) == "invite"

    await house.later()
    assert house.membership(BOT, LAWN) == "join"


async def test_an_invite_that_waits_to_be_taken_lets_nobody_else_call_the_bot_in(house: House) -> None:
    lawn(house, STRANGER)
    house.world.play("join", NOT_INVITED)
    house.world.play("leave", Later(foreign("silent")))
    house.world.change(LAWN, ALICE, BOT, "invite")
    await house.live()
    house.world.change(LAWN, ALICE, BOT, "leave")
    house.world.change(LAWN, STRANGER, BOT, "invite")
    await house.live()

    await house.later()
    assert house.membership(BOT, LAWN) == "leave"
    assert house.world.asked("join") == [("join", LAWN)]


# --- ways in ------------------------------------------------------------------------------------------------------


async def test_a_room_the_bot_is_in_is_protected_at_once(house: House) -> None:
    lawn(house, BOT)
    reply = await protect(house)

    assert "Lawn" in reply
    kept = await room(house)
    assert kept is not None
    assert (kept.management_room, kept.protected_by, kept.locked, kept.trouble) == (MODS, ALICE, False, None)


async def test_an_invite_that_the_bot_holds_is_used(house: House) -> None:
    lawn(house)
    house.world.change(LAWN, ALICE, BOT, "invite")
    house.world.outbox.clear()
    await protect(house)

    assert house.membership(BOT, LAWN) == "join"
    assert await room(house) is not None


async def test_an_open_door_is_used(house: House) -> None:
    lawn(house, join_rule="public")
    await protect(house)

    assert house.membership(BOT, LAWN) == "join"
    assert await room(house) is not None


async def test_else_the_bot_knocks_and_goes_on_once_it_is_let_in(house: House) -> None:
    lawn(house)
    reply = await protect(house)
    assert "ask to join" in reply
    assert house.membership(BOT, LAWN) == "knock"
    assert await room(house) is None

    house.world.change(LAWN, ALICE, BOT, "invite")
    await house.live()
    assert house.membership(BOT, LAWN) == "join"
    assert await room(house) is not None
    assert len(house.spoken()) == 2


async def test_a_knock_of_the_bots_that_is_turned_away_is_told(house: House) -> None:
    lawn(house)
    await protect(house)
    house.world.change(LAWN, ALICE, BOT, "leave", "No bots.")
    await house.live()

    assert ALICE in house.spoken()[-1]
    async with house.db.tx() as tx:
        assert await pending_protects.of_room(tx, LAWN) == []


async def test_where_there_is_no_way_in_the_mend_is_said(house: House) -> None:
    lawn(house, join_rule="invite")
    reply = await protect(house)

    assert BOT in reply
    assert house.membership(BOT, LAWN) is None


async def test_an_alias_is_what_it_means_now(house: House) -> None:
    lawn(house, BOT)
    house.world.aliases["#lawn:tulip.example"] = LAWN
    await protect(house, "#lawn:tulip.example")
    assert await room(house) is not None

    house.world.room("!lawn2:tulip.example", "New lawn", ALICE, BOT, levels={"users": {ALICE: 100, BOT: 50}})
    house.world.aliases["#lawn:tulip.example"] = "!lawn2:tulip.example"
    await protect(house, "#lawn:tulip.example")
    assert await room(house, "!lawn2:tulip.example") is not None


async def test_what_is_missing_is_on_the_checklist_and_not_told_a_second_time(house: House) -> None:
    lawn(house, BOT, levels={"users": {ALICE: 100, BOT: 0}}, join_rule="invite")
    reply = await protect(house)
    await house.look_everywhere()
    await house.later()

    assert reply.count("❌") == 4
    assert len(house.spoken()) == 1


async def test_knocks_that_stand_when_a_room_is_protected_are_taken_up(house: House) -> None:
    lawn(house, BOT)
    house.world.knock(LAWN, ANA)
    await house.live()
    assert house.cards() == []
    await protect(house)

    assert house.card().block["room_id"] == LAWN


# --- refusals -----------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[str, Callable[[World], object]]] = {
    "is not in permissions": (STRANGER, lambda _: None),
    "is not in the room": (BOB, lambda world: world.rooms[LAWN].levels["users"].update({BOB: 100})),
    "is only invited there": (BOB, lambda world: world.change(LAWN, ALICE, BOB, "invite")),
    "has too little power there": (BOB, lambda world: world.change(LAWN, BOB, BOB, "join")),
    "has too little power here": (
        BOB,
        lambda world: (
            world.change(LAWN, BOB, BOB, "join"),
            world.rooms[LAWN].levels["users"].update({BOB: 100}),
            world.rooms[MODS].levels["users"].update({BOB: 0}),
        ),
    ),
    "said it in a public room": (ALICE, lambda world: setattr(world.rooms[MODS], "join_rule", "public")),
    "said it in a room anybody can read": (ALICE, lambda world: setattr(world.rooms[MODS], "world_readable", True)),
}


@pytest.mark.parametrize("who", REFUSED)
@pytest.mark.parametrize("entered", [True, False])
async def test_protect_is_refused_to_whoever(house: House, who: str, entered: bool) -> None:
    """It leaves a room that it entered for this, and stays in one that it was in."""
    requester, unfit = REFUSED[who]
    lawn(house, *(() if entered else (BOT,)), join_rule="public")
    house.world.rooms[MODS].levels["users"][BOB] = 100
    unfit(house.world)
    house.world.outbox.clear()
    await protect(house, by=requester)

    assert await room(house) is None
    assert (house.membership(BOT, LAWN) == "join") is not entered


async def test_who_could_not_protect_a_room_from_here_cannot_unprotect_it_either(house: House) -> None:
    house.world.rooms[GARDEN].levels["users"][BOB] = 100
    for room_id in (GARDEN, MODS):
        house.world.change(room_id, BOB, BOB, "join")
    house.world.rooms[MODS].levels["users"][BOB] = 49
    house.tell(f"unprotect {GARDEN}", by=BOB)
    await house.live()

    assert await room(house, GARDEN) is not None
    assert "level 50 in this management room" in house.spoken()[-1]
    house.world.set_levels(MODS, users={BOB: 50, ALICE: 100, BOT: 50})
    house.tell(f"unprotect {GARDEN}", by=BOB)
    await house.live()
    assert await room(house, GARDEN) is None


async def test_a_room_does_not_look_after_its_own_door(house: House) -> None:
    await protect(house, MODS)
    assert await room(house, MODS) is None


@pytest.mark.parametrize("reference", ["#nowhere:tulip.example", "!nowhere:tulip.example", "nonsense", "@alice:a", ""])
async def test_what_names_no_room_is_told(house: House, reference: str) -> None:
    await protect(house, reference)
    async with house.db.tx() as tx:
        assert [kept.room_id for kept in await rooms.all_rooms(tx)] == [GARDEN]


async def test_a_room_without_any_way_in_and_one_that_does_not_exist_look_the_same(house: House) -> None:
    """Nobody finds out by `protect` which rooms there are."""
    lawn(house, join_rule="invite")
    there = await protect(house, LAWN)
    nowhere = await protect(house, "!nowh:tulip.example")

    assert there.replace(LAWN, "") == nowhere.replace("!nowh:tulip.example", "")


async def test_three_failures_within_an_hour_are_enough(house: House) -> None:
    lawn(house, join_rule="public")
    house.world.rooms[MODS].levels["users"][BOB] = 100
    house.world.change(MODS, BOB, BOB, "join")
    house.clock.go_on(60 - house.clock.at / 1000 % 60)  # the next whole minute: that is as exact as it is told
    first = house.clock()
    for _ in range(3):
        await protect(house, by=BOB)
    house.world.calls.clear()
    for _ in range(3):  # which does not put it off any further
        house.clock.go_on(600)
        assert moment(first + 3600_000, Language.EN) in await protect(house, by=BOB)
    assert house.world.asked("join", "room", "powers", "resolve") == []

    house.clock.go_on(1800)
    await protect(house, by=BOB)
    assert house.world.asked("join") != []


async def test_a_misspelt_alias_of_our_own_server_is_no_failure(house: House) -> None:
    lawn(house, BOT)
    for _ in range(5):
        assert "cannot find" in await protect(house, "#lwan:tulip.example")
    assert "Lawn" in await protect(house)

    for number in range(3):
        await protect(house, f"#lawn{number}:rose.example")
    assert "attempts failed" in await protect(house)


async def test_a_management_room_that_is_not_fit_is_no_failure(house: House) -> None:
    """Who moderates the protected room alone is told what is missing, as often as they ask."""
    lawn(house, BOT)
    house.world.change(MODS, BOB, BOB, "join")
    for _ in range(5):
        assert "in this management room too" in await protect(house, by=BOB)

    house.world.rooms[MODS].levels["users"][BOB] = 100
    assert "attempts failed" not in await protect(house, by=BOB)


async def test_a_success_is_no_failure(house: House) -> None:
    lawn(house, BOT)
    for _ in range(5):
        assert "Lawn" in await protect(house)
    assert await room(house) is not None


async def test_an_attempt_that_is_handled_again_counts_once(house: House) -> None:
    """The homeserver was silent in the middle of it."""
    lawn(house, BOT)
    house.world.play("powers", Later(foreign("silent")), times=3)
    house.tell(f"protect {LAWN}")
    for _ in range(4):
        await house.later(60)

    assert await room(house) is not None
    assert len(house.spoken()) == 1


async def test_a_room_that_is_left_while_it_is_needed_elsewhere_is_not_left(house: House) -> None:
    """Somebody without power asks for a room that manages others."""
    house.world.change(MODS, BOB, BOB, "join")
    house.world.room("!own:tulip.example", "Own", BOB, BOT, levels={"users": {BOB: 100}}, join_rule="invite")
    house.world.say("!own:tulip.example", BOB, f"!kb protect {MODS}")
    await house.live()

    assert house.membership(BOT, MODS) == "join"
    assert await room(house, MODS) is None


# --- out ----------------------------------------------------------------------------------------------------------


async def test_that_the_bot_was_put_out_is_told_once_and_aloud(house: House) -> None:
    house.world.change(GARDEN, ALICE, BOT, "leave", "No bots.")
    await house.live()
    await house.look_everywhere()
    await house.later()

    [alarm] = house.said()
    assert alarm["msgtype"] == "m.text"
    assert ALICE in alarm["body"]
    assert "No bots." in alarm["body"]


async def test_rooms_that_nobody_used_within_a_day_are_left(house: House) -> None:
    lawn(house)
    house.world.room("!used:tulip.example", "Used", ALICE)
    for room_id in (LAWN, "!used:tulip.example"):
        house.world.change(room_id, ALICE, BOT, "invite")
    await house.live()
    house.world.say("!used:tulip.example", ALICE, "!kb help")
    await house.live()

    house.clock.go_on(DAY - 60)
    await house.ring()
    await house.live()
    assert house.membership(BOT, LAWN) == "join"
    house.clock.go_on(3600)
    await house.ring()
    await house.live()

    assert house.membership(BOT, LAWN) == "leave"
    assert [house.membership(BOT, room_id) for room_id in (GARDEN, MODS, "!used:tulip.example")] == ["join"] * 3


# --- two rooms of one name ----------------------------------------------------------------------------------------


async def test_cards_lines_and_lists_say_which_of_two_rooms_of_one_name_is_meant(house: House) -> None:
    lawn(house, BOT)
    house.world.rooms[LAWN].label = "GARDEN\u200b"
    await protect(house)
    await house.set_policy("otherwise: reject")
    house.world.knock(LAWN, ANA)
    house.world.knock(GARDEN, BOB)
    await house.live()
    for command in ("list", "log"):
        house.tell(command)
        await house.live()

    line, waiting, record = house.spoken()[1:]
    assert f"Garden ({GARDEN})" in line
    assert f"({LAWN})" in waiting
    assert f"({LAWN})" in record
    assert f"({LAWN})" in house.card().text


async def test_a_room_that_is_renamed_or_gone_gives_the_other_its_plain_name_back(house: House) -> None:
    lawn(house, BOT)
    house.world.rooms[LAWN].label = "Garden"
    await protect(house)
    renamed = await room(house, GARDEN)
    house.world.rooms[LAWN].label = "Lawn"
    house.world.state_changed(LAWN, "m.room.name")
    await house.live()
    plain = await room(house, GARDEN)
    house.world.rooms[LAWN].label = "Garden"
    house.world.state_changed(LAWN, "m.room.name")
    house.tell(f"unprotect {LAWN}")
    await house.live()
    alone = await room(house, GARDEN)

    assert renamed is not None
    assert plain is not None
    assert alone is not None
    assert [renamed.label, plain.label, alone.label] == [f"Garden ({GARDEN})", "Garden", "Garden"]


async def test_a_waiting_protect_is_about_the_room_that_its_alias_meant_when_it_was_asked(house: House) -> None:
    alias = "#lawn:tulip.example"
    lawn(house)
    house.world.aliases[alias] = LAWN
    await protect(house, alias)
    house.world.room("!trap:evil.example", "Lawn", STRANGER, BOT, ALICE, levels={"users": {ALICE: 100, BOT: 50}})
    house.world.aliases[alias] = "!trap:evil.example"
    house.world.change(LAWN, ALICE, BOT, "invite")
    await house.live()

    assert await room(house) is not None
    assert await room(house, "!trap:evil.example") is None


async def test_a_bot_that_was_put_out_before_it_heard_of_its_own_entrance_sets_nothing_aside(house: House) -> None:
    house.world.room("!brief", "Brief", ALICE)
    house.world.change("!brief", ALICE, BOT, "invite")
    house.world.change("!brief", BOT, BOT, "join")
    house.world.change("!brief", ALICE, BOT, "leave")

    await house.live()

    assert await house.set_aside() == []
