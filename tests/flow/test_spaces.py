"""Spaces with their rooms: which are protected, for whom, what is said, and how a space is followed as it changes."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.domain.reasons import foreign
from knockbot.domain.spaces import DEEPEST, MOST_ROOMS, SpaceRoom, Stage
from knockbot.errors import Later
from knockbot.features.spaces import walking
from knockbot.features.spaces.walking import FIRST, STEP
from knockbot.flow.ports import PROMPT_KEY
from knockbot.store import rooms, spaces
from knockbot.store.db import Tx
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, HOME, levels_for

SPACE, NESTED = f"!space:{HOME}", f"!nested:{HOME}"
LAWN, POND, SHED = f"!lawn:{HOME}", f"!pond:{HOME}", f"!shed:{HOME}"
BOB = f"@bob:{HOME}"
OTHERS = f"!others:{HOME}"
STRANGER = "@eve:evil.example"
HERE: dict[str, Any] = {"via": [HOME]}


def room(house: House, room_id: str, *joined: str, label: str = "", **how: Any) -> None:
    """A room that nobody protects yet, in which alice and the bot may do everything."""
    name = label or room_id[1:].partition(":")[0].capitalize()
    house.world.room(room_id, name, *(joined or (ALICE, BOT)), **{"levels": levels_for(), **how})


def space(house: House, *children: str, room_id: str = SPACE, joined: tuple[str, ...] = (), **how: Any) -> None:
    """A space that names these rooms."""
    room(house, room_id, *joined, is_space=True, **how)
    house.world.rooms[room_id].children = dict.fromkeys(children, HERE)


async def protected_in(house: House, space: str = SPACE) -> set[str]:
    """The rooms that belong to a space, or to a space in it."""
    async with house.db.tx() as tx:
        return {one.room_id for one in await spaces.belonging(tx, space)}


async def space_of(house: House, room_id: str) -> str | None:
    """The space that a room belongs to."""
    async with house.db.tx() as tx:
        known = await rooms.find(tx, room_id)
    assert known is not None
    return known.space


async def stages(house: House, space: str = SPACE) -> dict[str, str]:
    """How far each room of a space is, itself left out."""
    async with house.db.tx() as tx:
        return {one.room_id: one.stage.value for one in await spaces.rooms_of(tx, space) if one.room_id != space}


async def is_protected(house: House, room_id: str) -> bool:
    async with house.db.tx() as tx:
        return await rooms.find(tx, room_id) is not None


async def ask(house: House, command: str = f"protect {SPACE} with rooms", *, by: str = ALICE) -> list[str]:
    """Somebody gives a command; returns what the bot says until all is done."""
    before = len(house.spoken())
    house.tell(command, by=by)
    await house.live()
    return house.spoken()[before:]


def questions(house: House) -> list[str]:
    """The questions about new rooms, as they were asked first."""
    said = [(event["event_id"], event["content"]) for event in house.world.rooms[MODS].said]
    asked = [(event_id, content.get(PROMPT_KEY, {})) for event_id, content in said if "m.new_content" not in content]
    return [event_id for event_id, block in asked if block.get("kind") == "space_rooms"]


def asked_now(house: House) -> str:
    """What the newest question says now."""
    newest = questions(house)[-1]
    said = house.world.rooms[MODS].said
    edits = [e["content"] for e in said if e["content"].get("m.relates_to", {}).get("event_id") == newest]
    texts = [edit["m.new_content"]["body"] for edit in edits if "m.new_content" in edit]
    first = [e["content"]["body"] for e in said if e["event_id"] == newest]
    return str([*first, *texts][-1])


async def click(house: House, emoji: str = "✅", by: str = ALICE) -> None:
    house.world.react(MODS, by, questions(house)[-1], emoji)
    await house.live()


# --- protect … with rooms -----------------------------------------------------------------------------------------


async def test_a_space_is_protected_with_all_rooms_in_it_also_those_of_spaces_in_it(house: House) -> None:
    space(house, LAWN, NESTED)
    space(house, POND, room_id=NESTED)
    room(house, LAWN)
    room(house, POND)
    first, last = await ask(house)

    assert "Space is now protected" in first
    assert "one after the other" in first
    assert last == "🚪 Space is protected with its rooms: 3 rooms are protected now."
    assert await protected_in(house) == {LAWN, NESTED, POND}
    assert set(await stages(house)) == {LAWN, NESTED, POND}
    assert [await space_of(house, one) for one in (LAWN, NESTED, POND)] == [SPACE, SPACE, NESTED]


async def test_a_question_about_many_rooms_names_the_first_and_says_how_many_more_there_are(house: House) -> None:
    space(house, LAWN)
    room(house, LAWN)
    await ask(house)
    for place in range(12):
        room(house, f"!new{place:02}:{HOME}")
        house.world.name_child(SPACE, f"!new{place:02}:{HOME}", **HERE)
    await house.later(120)
    asked = asked_now(house)
    assert f"!new09:{HOME}" in asked
    assert f"!new10:{HOME}" not in asked
    assert "2 more" in asked


async def test_without_the_words_only_the_space_is_protected(house: House) -> None:
    space(house, LAWN)
    room(house, LAWN)
    [said] = await ask(house, f"protect {SPACE}")

    assert "Space is now protected" in said
    assert not await is_protected(house, LAWN)
    assert await stages(house) == {}


async def test_a_room_that_is_no_space_has_no_rooms(house: House) -> None:
    room(house, LAWN)
    [said] = await ask(house, f"protect {LAWN} with rooms")

    assert "not a space" in said
    assert not await is_protected(house, LAWN)


async def test_other_words_behind_the_room_are_not_understood(house: House) -> None:
    space(house)
    [said] = await ask(house, f"protect {SPACE} with everything")

    assert "with everything" in said
    assert not await is_protected(house, SPACE)


async def test_a_space_that_names_nothing_is_protected_all_the_same(house: House) -> None:
    space(house)
    assert (await ask(house))[-1] == "🚪 Space is protected with its rooms: 0 rooms are protected now."


async def test_what_the_bot_waits_to_be_let_into_is_protected_with_its_rooms_then(house: House) -> None:
    space(house, LAWN, joined=(ALICE,))
    room(house, LAWN)
    await ask(house)
    assert house.membership(BOT, SPACE) == "knock"
    house.world.change(SPACE, ALICE, BOT, "invite")
    await house.live()

    assert await protected_in(house) == {LAWN}


LACKS: dict[str, tuple[dict[str, Any], str]] = {
    "who asks is not in it": ({"joined": (BOT,)}, "you and I must both be members"),
    "the bot is not in it": ({"joined": (ALICE,)}, "you and I must both be members"),
    "nobody is in it": ({"joined": (ANA,)}, "you and I must both be members"),
    "who asks lacks the power": ({"levels": {"users": {BOT: 100}}}, "You need power level"),
    "the bot lacks the power": ({"levels": {"users": {ALICE: 100}}}, f"Raise the power level of {BOT}"),
}


@pytest.mark.parametrize("lack", LACKS)
async def test_a_room_that_something_is_missing_for_is_named_with_its_mend(house: House, lack: str) -> None:
    how, mend = LACKS[lack]
    space(house, LAWN, POND)
    room(house, LAWN, *how.get("joined", ()), join_rule="invite", levels=how.get("levels", levels_for()))
    room(house, POND)
    said = (await ask(house))[-1]

    assert "1 room is protected now" in said
    assert mend in said
    assert await stages(house) == {LAWN: "missing", POND: "protected"}
    assert not await is_protected(house, LAWN)
    assert house.world.asked("knock") == [], "it knocks nowhere: anybody can name any room"


async def test_a_room_that_is_open_is_joined_only_where_this_server_is_said_to_be(house: House) -> None:
    space(house, LAWN, POND)
    house.world.rooms[SPACE].children[POND] = {"via": ["far.example"]}
    room(house, LAWN, ALICE, join_rule="public")
    room(house, POND, ALICE, join_rule="public")
    await ask(house)

    assert await stages(house) == {LAWN: "protected", POND: "missing"}
    assert [call for call in house.world.asked("join") if call[1] == POND] == []


async def test_a_room_that_was_joined_in_vain_is_left_again(house: House) -> None:
    space(house, LAWN)
    room(house, LAWN, ANA, join_rule="public")
    await ask(house)

    assert await stages(house) == {LAWN: "missing"}
    assert house.membership(BOT, LAWN) == "leave"


async def test_a_room_of_another_management_room_answers_like_an_unknown_one(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    space(house, LAWN, POND)
    room(house, LAWN, label="Secret lawn")
    await house.protect(LAWN, OTHERS)
    room(house, POND, ANA, join_rule="invite")
    said = (await ask(house))[-1]
    lines = [line.replace(LAWN, "X").replace(POND, "X") for line in said.splitlines() if line.startswith("❌")]

    assert len(lines) == 2
    assert len(set(lines)) == 1
    assert "Secret" not in said + "".join(await ask(house, f"check {SPACE}")) + "".join(await ask(house, "rooms"))
    assert house.spoken(OTHERS) == []
    assert await space_of(house, LAWN) is None


async def test_a_management_room_in_its_space_is_left_out(house: House) -> None:
    space(house, MODS, LAWN)
    room(house, LAWN)
    await ask(house)
    assert await stages(house) == {LAWN: "protected"}


async def test_who_may_not_protect_the_space_protects_none_of_its_rooms(house: House) -> None:
    space(house, LAWN)
    room(house, LAWN, ALICE, BOB, BOT, levels={"users": {BOB: 100, BOT: 50}})
    house.world.change(MODS, ALICE, BOB, "invite")
    house.world.change(MODS, BOB, BOB, "join")
    await ask(house, by=BOB)

    assert not await is_protected(house, SPACE)
    assert not await is_protected(house, LAWN)


async def test_a_room_that_is_protected_already_joins_the_space_only_for_who_may_protect_it(house: House) -> None:
    house.world.rooms[GARDEN].levels = {"users": {BOT: 100}}
    space(house, GARDEN)
    said = (await ask(house))[-1]

    assert "You need power level" in said
    assert "I cannot protect" not in said
    assert "1 room was protected before, and the policy of Space does not count there:" in said
    assert await protected_in(house) == set()
    assert "1 protected, 0 not yet" in "".join(await ask(house, f"check {SPACE}"))


# --- hostile spaces -----------------------------------------------------------------------------------------------

NO_CHILD: dict[str, dict[str, Any]] = {
    "removed": {},
    "no list": {"via": HOME},
    "an empty list": {"via": []},
    "no servers": {"via": [1, None, {}]},
    "only an order": {"order": "a", "suggested": True},
}


@pytest.mark.parametrize("content", NO_CHILD)
async def test_a_child_without_servers_is_none(house: House, content: str) -> None:
    space(house, LAWN, POND)
    house.world.rooms[SPACE].children[POND] = NO_CHILD[content]
    room(house, LAWN)
    room(house, POND)
    await ask(house)
    assert await stages(house) == {LAWN: "protected"}


@pytest.mark.parametrize("key", ["", "!", "lawn", "@ana:tulip.example", "!a:b\x00", "!" + "x" * 300 + ":b"])
async def test_a_child_that_is_no_room_is_ignored(house: House, key: str) -> None:
    space(house, LAWN, key)
    room(house, LAWN)
    await ask(house)
    house.world.name_child(SPACE, key, **HERE)
    await house.live()

    assert key not in await stages(house)
    assert await house.set_aside() == []


async def test_spaces_that_name_each_other_end(house: House) -> None:
    space(house, NESTED, SPACE, LAWN)
    space(house, SPACE, NESTED, LAWN, room_id=NESTED)
    room(house, LAWN)
    await ask(house)
    assert await stages(house) == {NESTED: "protected", LAWN: "protected"}


async def test_spaces_are_followed_only_so_deep(house: House) -> None:
    chain = [SPACE, *(f"!deep{number}:{HOME}" for number in range(DEEPEST + 3))]
    for parent, child in zip(chain, [*chain[1:], LAWN], strict=True):
        space(house, child, room_id=parent)
    room(house, LAWN)
    await ask(house)
    assert set(await stages(house)) == set(chain[1 : DEEPEST + 1])


async def test_more_rooms_than_are_followed_are_left_out(house: House) -> None:
    space(house, *(f"!r{number}:far.example" for number in range(MOST_ROOMS + 50)))
    await ask(house)
    await house.later(STEP / 1000 * MOST_ROOMS)
    said = house.spoken()[-1]

    assert len(await stages(house)) == MOST_ROOMS
    assert said.count("❌") == 10, "no message names them all"
    assert f"{MOST_ROOMS - 10} more" in said


@pytest.fixture
def busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other work waits all the time."""

    async def wait(*_: Any) -> bool:
        return True

    monkeypatch.setattr(walking, "_others_wait", wait)


@pytest.mark.usefixtures("busy")
async def test_rooms_of_spaces_in_a_space_are_not_looked_at_all_at_once(house: House) -> None:
    nested = [f"!nested{number}:{HOME}" for number in range(FIRST)]
    space(house, *nested)
    for number, one in enumerate(nested):
        inner = [f"!in{number}x{other}:{HOME}" for other in range(3)]
        space(house, *inner, room_id=one)
        for each in inner:
            room(house, each)
    await ask(house)
    assert len(await protected_in(house)) <= 2 * FIRST
    await house.later(STEP / 1000 * 4 * FIRST)

    assert len(await protected_in(house)) == 4 * FIRST


async def two_hundred(house: House) -> None:
    """A space with that many rooms is asked for."""
    many = [f"!room{number}:{HOME}" for number in range(200)]
    space(house, *many)
    for one in many:
        room(house, one)
    house.tell(f"protect {SPACE} with rooms")
    await house.hear()


@pytest.mark.usefixtures("busy")
async def test_two_hundred_rooms_do_not_hold_up_a_knock(house: House) -> None:
    await two_hundred(house)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    await house.worker._start_due()
    running = list(await house.jobs("running"))
    assert sum(key.startswith("protect:") for key in running) <= 1, "one room at a time"
    await house.live()
    assert len(await protected_in(house)) == FIRST
    await house.later(STEP / 1000)
    assert len(await protected_in(house)) == FIRST + 1, "and then with a pause between them"
    await house.later(STEP / 1000 * (200 - FIRST))

    assert len(await protected_in(house)) == 200
    assert len(house.cards()) == 1


async def test_where_nothing_else_waits_one_room_follows_the_other(house: House) -> None:
    await two_hundred(house)
    await house.live()

    assert len(await protected_in(house)) == 200
    assert house.spoken()[-1] == "🚪 Space is protected with its rooms: 200 rooms are protected now."
    assert len([said for said in house.spoken() if "with its rooms" in said]) == 1
    said = "".join(await ask(house, f"check {SPACE}"))
    assert said.count("✅ Room") == 50
    assert "150 more" in said


@pytest.mark.parametrize("other", ["a knock that came", "a card to post", "nothing"])
async def test_other_work_goes_before_the_next_room_of_a_space(house: House, other: str) -> None:
    room(house, LAWN)
    if other != "nothing":
        house.world.knock(GARDEN, ANA)
        await house.deliver() if other == "a knock that came" else await house.hear()
    async with house.db.tx() as tx:
        assert await walking._others_wait(house.context, tx, LAWN) == (other != "nothing")


# --- a restart in the middle --------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", range(1, 9))
async def test_it_goes_on_after_a_restart_and_is_told_once(house: House, steps: int) -> None:
    many = [f"!room{number}:{HOME}" for number in range(4)]
    space(house, *many, NESTED)
    space(house, LAWN, room_id=NESTED)
    for one in [*many, LAWN]:
        room(house, one)
    house.tell(f"protect {SPACE} with rooms")
    await house.hear()
    for _ in range(steps):
        await house.worker._start_due()
        await house.hear()
    await house.die()
    await house.start_again()
    await house.later(120)
    await house.later(120)

    assert await protected_in(house) == {*many, NESTED, LAWN}
    done = [said for said in house.spoken() if "with its rooms" in said]
    assert len(done) == 1
    assert "6 rooms" in done[0]


async def test_a_homeserver_that_is_slow_is_waited_for(house: House) -> None:
    space(house, LAWN)
    room(house, LAWN)
    house.tell(f"protect {SPACE} with rooms")
    await house.hear()
    house.world.play("powers", Later(foreign("slow")), times=3)
    for _ in range(5):
        await house.later(300)
    assert await stages(house) == {LAWN: "protected"}


# --- followed -----------------------------------------------------------------------------------------------------


async def followed(house: House, *more: str) -> None:
    """A space that is protected with one room."""
    space(house, LAWN, *more)
    for one in (LAWN, POND, SHED):
        room(house, one)
    await ask(house)


async def test_rooms_that_are_added_share_one_question_and_a_click_protects_them(house: House) -> None:
    await followed(house)
    house.world.name_child(SPACE, POND, **HERE)
    await house.live()
    house.world.name_child(SPACE, SHED, **HERE)
    await house.live()

    assert len(questions(house)) == 1
    assert POND in asked_now(house)
    assert SHED in asked_now(house)
    assert not await is_protected(house, POND)
    await click(house)

    assert await protected_in(house) == {LAWN, POND, SHED}
    assert house.spoken()[-1] == "🚪 Space is protected with its rooms: 2 rooms are protected now."
    assert asked_now(house) == f"This question is closed. {ALICE} chose ✅."


async def test_a_room_that_was_added_while_the_bot_was_away_is_asked_about(house: House) -> None:
    await followed(house)
    house.world.name_child(SPACE, POND, **HERE)
    house.world.outbox.clear()
    await house.die()
    await house.start_again()
    await house.live()
    assert len(questions(house)) == 1

    house.world.react(MODS, ALICE, questions(house)[0], "✅")
    house.world.outbox.clear()
    await house.die()
    await house.start_again()
    await house.live()
    assert await protected_in(house) == {LAWN, POND}


async def test_what_is_left_alone_is_not_asked_about_again(house: House) -> None:
    await followed(house)
    house.world.name_child(SPACE, POND, **HERE)
    await house.live()
    await click(house, "❌")
    for _ in range(2):
        await house.look_everywhere()
        await house.live()

    assert len(questions(house)) == 1
    assert await stages(house) == {LAWN: "protected", POND: "left"}
    await click(house)
    assert not await is_protected(house, POND)

    await ask(house)
    assert await protected_in(house) == {LAWN, POND}, "asked for by hand, it is looked at again"


async def test_who_clicks_needs_the_power_in_each_room(house: House) -> None:
    await followed(house)
    for place in (MODS, SPACE, POND, SHED):
        house.world.change(place, BOB, BOB, "join")
    house.world.rooms[MODS].levels["users"][BOB] = 100
    house.world.rooms[POND].levels["users"][BOB] = 100
    house.world.name_child(SPACE, POND, **HERE)
    house.world.name_child(SPACE, SHED, **HERE)
    await house.live()
    await click(house, by=BOB)

    assert await stages(house) == {LAWN: "protected", POND: "protected", SHED: "missing"}
    assert "You need power level" in house.spoken()[-1]
    assert f"I cannot protect 1 room for {BOB}. The question stays open for it" in house.spoken()[-1]
    assert "1 new room: " in asked_now(house)
    assert SHED in asked_now(house), "for somebody who may"
    assert POND not in asked_now(house)
    await click(house)
    assert await protected_in(house) == {LAWN, POND, SHED}
    assert asked_now(house) == f"This question is closed. {ALICE} chose ✅."


async def test_a_question_that_stays_open_hears_clicks_of_the_time_when_the_bot_was_away(house: House) -> None:
    await followed(house)
    for place in (MODS, SPACE, POND):
        house.world.change(place, BOB, BOB, "join")
    house.world.rooms[MODS].levels["users"][BOB] = 100
    house.world.name_child(SPACE, POND, **HERE)
    await house.live()
    await click(house, by=BOB)
    assert await stages(house) == {LAWN: "protected", POND: "missing"}
    house.world.react(MODS, ALICE, questions(house)[-1], "✅")
    house.world.outbox.clear()
    await house.die()
    await house.start_again()
    await house.live()
    assert await protected_in(house) == {LAWN, POND}


async def test_who_has_no_power_in_the_space_does_not_answer_no_for_those_who_have(house: House) -> None:
    await followed(house)
    for place in (MODS, SPACE):
        house.world.change(place, BOB, BOB, "join")
    house.world.rooms[MODS].levels["users"][BOB] = 100
    house.world.name_child(SPACE, POND, **HERE)
    await house.live()
    await click(house, "❌", by=BOB)

    assert "You need power level" in house.spoken()[-1]
    assert (await stages(house))[POND] == "offered"
    await click(house, "✅", by=BOB)
    assert f"I cannot protect 1 room for {BOB}" in house.spoken()[-1]


async def test_who_clicks_while_the_rooms_are_looked_at_is_told_so(house: House) -> None:
    await followed(house)
    house.world.name_child(SPACE, POND, **HERE)
    await house.live()
    house.world.react(MODS, ALICE, questions(house)[-1], "✅")
    await house.hear()
    assert (await stages(house))[POND] == "due"
    await click(house, "❌")

    assert f"This question is closed. {ALICE} chose ✅." in house.spoken()
    assert await protected_in(house) == {LAWN, POND}


async def test_who_may_protect_nothing_from_here_is_told_once(house: House) -> None:
    await followed(house)
    house.world.change(MODS, BOB, BOB, "join")
    house.world.name_child(SPACE, POND, **HERE)
    await house.live()
    before = len(house.spoken())
    for _ in range(2):
        await click(house, by=BOB)
        await click(house, "🎉")

    assert len(house.spoken()) == before + 1
    assert await stages(house) == {LAWN: "protected", POND: "offered"}


async def test_a_question_that_was_removed_is_asked_again(house: House) -> None:
    await followed(house)
    house.world.name_child(SPACE, POND, **HERE)
    await house.live()
    house.world.redact(MODS, ALICE, questions(house)[0])
    await house.live()
    assert len(questions(house)) == 1
    await click(house)
    assert await protected_in(house) == {LAWN, POND}


async def test_a_space_that_is_added_brings_its_rooms(house: House) -> None:
    await followed(house)
    space(house, POND, room_id=NESTED)
    house.world.name_child(SPACE, NESTED, **HERE)
    await house.live()
    await click(house)

    assert await protected_in(house) == {LAWN, NESTED, POND}
    house.world.name_child(NESTED, SHED, **HERE)
    await house.live()
    assert (await stages(house))[SHED] == "offered"


async def test_a_room_that_is_removed_stays_protected_and_is_told_once(house: House) -> None:
    await followed(house, POND)
    before = len(house.spoken())
    house.world.name_child(SPACE, POND)
    await house.live()
    for _ in range(2):
        await house.look_everywhere()
        await house.live()

    assert house.spoken()[before:] == [
        "1 room is no longer in the space Space. It stays protected.\nIn force now in Pond: the default policy."
    ]
    assert await protected_in(house) == {LAWN}
    assert await is_protected(house, POND)


@pytest.mark.parametrize("read_by", ["event", "look"])
async def test_a_room_whose_naming_is_redacted_is_removed_at_once(house: House, read_by: str) -> None:
    await followed(house)
    house.world.name_child(SPACE, POND, **HERE)
    if read_by == "look":
        house.world.outbox.clear()
        await house.look_everywhere()
    await house.live()
    await click(house)
    before = len(house.spoken())
    house.world.redact_child(SPACE, POND)
    await house.live()

    assert house.spoken()[before:] == [
        "1 room is no longer in the space Space. It stays protected.\nIn force now in Pond: the default policy."
    ]
    assert await protected_in(house) == {LAWN}


async def test_a_redaction_that_has_no_effect_removes_no_room_from_its_space(house: House) -> None:
    await followed(house)
    house.world.name_child(SPACE, POND, **HERE)
    await house.live()
    house.world.redact(SPACE, ANA, house.world.rooms[SPACE].naming[POND])
    house.world.redact(SPACE, ANA, "$unknown")
    await house.live()

    assert (await stages(house))[POND] == "offered"


@pytest.mark.parametrize("way", ["removed before", "protected by hand", "of another space"])
async def test_a_new_room_that_is_protected_already_is_not_asked_about_and_keeps_its_policy(
    house: House, way: str
) -> None:
    await followed(house, *([POND] if way == "removed before" else []))
    await ask(house, f"policy set {SPACE}\notherwise: ban")
    if way == "removed before":
        house.world.name_child(SPACE, POND)
        await house.live()
    if way == "protected by hand":
        await ask(house, f"protect {POND}")
    if way == "of another space":
        space(house, POND, room_id=NESTED)
        await ask(house, f"protect {NESTED} with rooms")
        await ask(house, f"policy set {NESTED}\notherwise: reject")
    before, first = len(house.spoken()), await space_of(house, POND)
    house.world.name_child(SPACE, POND, **HERE)
    for _ in range(2):
        await house.live()
        await house.look_everywhere()
    policy = "the policy of Nested" if way == "of another space" else "the default policy"

    assert house.spoken()[before:] == [
        (
            "🧩 Space has 1 new room. It was protected before, so nothing changes there. If the policy of Space is to "
            f"count there too, type !kb protect {POND}.\nIn force now in Pond: {policy}."
        )
    ]
    assert questions(house) == []
    assert await space_of(house, POND) == first
    checked = "".join(await ask(house, f"check {SPACE}"))
    assert "2 protected, 0 not yet, 0 still to be looked at" in checked
    assert "✅ Pond: protected, but the policy of the space does not count there" in checked


async def test_a_room_that_came_back_goes_by_the_policy_of_the_space_once_somebody_who_may_wants_that(
    house: House,
) -> None:
    await followed(house, POND)
    await ask(house, f"policy set {SPACE}\notherwise: reject")
    for how in ({}, HERE):
        house.world.name_child(SPACE, POND, **how)
        await house.live()
    [said] = await ask(house, f"protect {POND}")

    assert "In force: the policy of Space" in said
    assert await protected_in(house) == {LAWN, POND}
    await ask(house, f"unprotect {POND}")
    assert f"➖ {POND}: not protected" in "".join(await ask(house, f"check {SPACE}"))


async def test_several_rooms_that_were_protected_already_are_told_together_and_others_are_asked_about(
    house: House,
) -> None:
    await followed(house)
    for one in (POND, SHED):
        await ask(house, f"protect {one}")
    room(house, NESTED)
    house.world.outbox.clear()
    before = len(house.spoken())
    house.world.rooms[SPACE].children |= dict.fromkeys((POND, SHED, NESTED), HERE)
    await house.look_everywhere()
    await house.live()

    [told] = [said for said in house.spoken()[before:] if "protected before" in said]
    assert "2 new rooms. They were protected before" in told
    assert f"!kb protect {SPACE} with rooms" in told
    assert "In force now in Pond, Shed: the default policy." in told
    assert "1 new room: " in asked_now(house)
    assert "The policy of Space decides there then" in asked_now(house)


async def test_a_room_that_leaves_its_space_says_what_follows_its_own_policy(house: House) -> None:
    await followed(house, POND)
    await ask(house, f"policy set {SPACE}\notherwise: reject")
    await ask(house, f"policy set {POND}\ninherit: true")
    await ask(house, f"policy set {LAWN}\nreasons: hidden")
    for one in (POND, LAWN):
        house.world.name_child(SPACE, one)
        await house.live()

    pond, lawn = house.spoken()[-2:]
    assert pond.endswith("In force now in Pond: the room's own policy, then the default policy.")
    assert lawn.endswith("In force now in Lawn: the room's own policy.")


async def test_a_room_that_was_removed_while_it_was_asked_about_is_asked_about_no_more(house: House) -> None:
    await followed(house)
    house.world.name_child(SPACE, POND, **HERE)
    await house.live()
    house.world.name_child(SPACE, POND)
    await house.live()
    await click(house)

    assert not await is_protected(house, POND)
    assert asked_now(house) == "This question is closed, because it needs no answer any more."


async def test_a_nested_space_that_is_removed_takes_its_rooms_along(house: House) -> None:
    space(house, LAWN, NESTED)
    space(house, POND, LAWN, room_id=NESTED)
    room(house, LAWN)
    room(house, POND)
    await ask(house)
    house.world.name_child(SPACE, NESTED)
    await house.live()

    assert await protected_in(house) == {LAWN}, "it is in the space itself too"
    assert await is_protected(house, POND)
    assert [await space_of(house, one) for one in (LAWN, NESTED, POND)] == [SPACE, None, None]


@pytest.mark.parametrize("mend", ["invited", "power"])
async def test_what_was_missing_is_protected_once_it_is_there(house: House, mend: str) -> None:
    space(house, LAWN)
    if mend == "invited":
        room(house, LAWN, ALICE, join_rule="invite")
    else:
        room(house, LAWN, levels={"users": {ALICE: 100}})
    await ask(house)
    assert await stages(house) == {LAWN: "missing"}
    before = len(house.spoken())
    if mend == "invited":
        house.world.change(LAWN, ALICE, BOT, "invite")
    else:
        house.world.set_levels(LAWN, users={ALICE: 100, BOT: 100})
    await house.live()
    await house.later()

    assert await protected_in(house) == {LAWN}
    assert house.spoken()[before:] == ["🚪 Space is protected with its rooms: 1 room is protected now."]
    assert house.spoken(LAWN) == []


async def test_whoever_invites_the_bot_to_a_room_that_it_waits_for_lets_it_in(house: House) -> None:
    space(house, LAWN)
    room(house, LAWN, ALICE, STRANGER, join_rule="invite")
    room(house, POND, STRANGER, join_rule="invite")
    await ask(house)
    house.world.change(LAWN, STRANGER, BOT, "invite")
    house.world.change(POND, STRANGER, BOT, "invite")
    await house.live()
    await house.later()

    assert await protected_in(house) == {LAWN}
    assert (house.membership(BOT, LAWN), house.membership(BOT, POND)) == ("join", "leave")
    assert house.spoken(LAWN) == []


async def test_what_is_still_missing_is_not_told_again(house: House) -> None:
    space(house, LAWN)
    room(house, LAWN, levels={"users": {ALICE: 100}})
    await ask(house)
    before = len(house.spoken())
    house.world.set_levels(LAWN, users={ALICE: 100, BOB: 1})
    await house.live()
    await house.later()

    assert await stages(house) == {LAWN: "missing"}
    assert len(house.spoken()) == before


async def test_who_lost_their_power_since_they_asked_takes_no_room_in(house: House) -> None:
    space(house, LAWN)
    room(house, LAWN, ALICE, join_rule="invite")
    await ask(house)
    house.world.rooms[LAWN].levels = {"users": {ANA: 100}}
    house.world.change(LAWN, ANA, BOT, "invite")
    await house.live()
    await house.later()

    assert house.membership(BOT, LAWN) == "join"
    assert not await is_protected(house, LAWN)


async def test_a_room_of_the_space_that_is_protected_by_hand_belongs_to_it(house: House) -> None:
    space(house, LAWN)
    room(house, LAWN, ALICE, join_rule="invite")
    await ask(house)
    house.world.change(LAWN, ALICE, BOT, "invite")
    await house.hear()
    await house.work()
    await ask(house, f"protect {LAWN}")
    await house.later()

    assert await protected_in(house) == {LAWN}
    assert len([said for said in house.spoken() if "Lawn is now protected" in said]) == 1


# --- two spaces ---------------------------------------------------------------------------------------------------


async def test_a_room_in_two_spaces_belongs_to_the_first_and_then_to_the_other(house: House) -> None:
    space(house, LAWN, room_id=NESTED, label="First")
    space(house, LAWN, label="Second")
    room(house, LAWN)
    await ask(house, f"protect {NESTED} with rooms")
    house.clock.go_on(1)
    await ask(house)
    assert await protected_in(house, NESTED) == {LAWN}
    assert await protected_in(house) == set()
    assert "belongs to the space First" in "".join(await ask(house, f"check {LAWN}"))
    assert "as a room of First" in "".join(await ask(house, f"check {SPACE}"))

    house.world.name_child(NESTED, LAWN)
    await house.live()
    assert await protected_in(house) == {LAWN}


async def test_a_room_belongs_to_the_nearest_space_that_names_it(house: House) -> None:
    space(house, NESTED)
    space(house, LAWN, room_id=NESTED)
    room(house, LAWN)
    await ask(house)
    assert await space_of(house, LAWN) == NESTED
    assert "in the space Nested" in "".join(await ask(house, f"check {LAWN}"))
    house.world.name_child(SPACE, LAWN, **HERE)
    await house.live()
    assert await space_of(house, LAWN) == SPACE
    house.world.name_child(SPACE, LAWN)
    await house.live()
    assert await space_of(house, LAWN) == NESTED
    assert [said for said in house.spoken() if "no longer in" in said] == []
    await ask(house, f"unprotect {SPACE} with rooms")
    assert [await is_protected(house, one) for one in (SPACE, NESTED, LAWN)] == [False, False, False]


async def test_check_and_rooms_show_how_far_each_room_is(house: House) -> None:
    await followed(house, POND)
    house.world.rooms[SPACE].children |= {SHED: HERE}
    room(house, SHED, levels={"users": {ALICE: 100}})
    await ask(house)
    house.world.name_child(SPACE, NESTED, **HERE)
    await house.live()
    said = "".join(await ask(house, f"check {SPACE}"))

    assert "2 protected, 2 not yet, 0 still to be looked at" in said
    assert f"Raise the power level of {BOT}" in said
    assert f"❓ {NESTED}" in said
    assert "✅ Lawn" in said
    assert "🧩 in the space Space" in "".join(await ask(house, "rooms"))


# --- upgraded, and let go -----------------------------------------------------------------------------------------


async def upgraded(house: House, old: str, new: str, **how: Any) -> None:
    """A room is replaced, and a moderator has the new one protected."""
    room(house, new, predecessor=old, **how)
    house.world.replace(old, new)
    await house.live()
    said = house.world.rooms[MODS].said
    [question] = [
        e["event_id"] for e in said if e["content"].get("org.knockbot.prompt", {}).get("kind") == "room_upgrade"
    ]
    house.world.react(MODS, ALICE, question, "✅")
    await house.live()


async def test_a_space_that_is_upgraded_keeps_its_rooms(house: House) -> None:
    await followed(house, POND)
    new = f"!newspace:{HOME}"
    before = len(house.spoken())
    room(house, new, is_space=True)
    await upgraded(house, SPACE, new, is_space=True, children={LAWN: HERE, POND: HERE})
    await house.look_everywhere()
    await house.live()

    assert await protected_in(house, new) == {LAWN, POND}
    assert await stages(house) == {}
    assert [said for said in house.spoken()[before:] if "no longer in" in said] == []
    house.world.name_child(new, SHED, **HERE)
    await house.live()
    assert (await stages(house, new))[SHED] == "offered"


async def test_a_question_about_rooms_goes_over_to_the_upgraded_space(house: House) -> None:
    await followed(house)
    house.world.name_child(SPACE, POND, **HERE)
    await house.live()
    new = f"!newspace:{HOME}"
    await upgraded(house, SPACE, new, is_space=True, children={LAWN: HERE, POND: HERE})
    await click(house)

    assert await protected_in(house, new) == {LAWN, POND}
    assert len(questions(house)) == 1


async def test_a_room_that_is_upgraded_stays_in_its_space(house: House) -> None:
    await followed(house)
    new = f"!newlawn:{HOME}"
    await upgraded(house, LAWN, new)
    await house.look_everywhere()
    await house.live()

    assert await protected_in(house) == {new}
    assert questions(house) == []
    house.world.name_child(SPACE, new, **HERE)
    house.world.name_child(SPACE, LAWN)
    await house.live()
    assert await stages(house) == {new: "protected"}


async def test_rooms_stay_protected_when_their_space_is_let_go(house: House) -> None:
    await followed(house, POND)
    await ask(house, f"policy set {SPACE}\notherwise: reject")
    await ask(house, f"policy set {POND}\notherwise: forward")
    [said] = await ask(house, f"unprotect {SPACE}")

    assert "Its 2 rooms stay protected." in said
    assert f"!kb unprotect {SPACE} with rooms" in said
    assert "In force now in Lawn: the default policy." in said
    assert "In force now in Pond: the room's own policy." in said
    assert await is_protected(house, LAWN)
    assert await protected_in(house) == set()
    assert set((await stages(house)).values()) == {"left"}
    house.world.name_child(SPACE, SHED, **HERE)
    await house.live()
    assert questions(house) == []


async def test_the_rooms_of_a_space_can_be_let_go_together_after_it(house: House) -> None:
    await followed(house, POND)
    await ask(house, f"unprotect {SPACE}")
    house.world.rooms[POND].levels = {"users": {BOT: 100}}
    [said] = await ask(house, f"unprotect {SPACE} with rooms")

    assert "1 room is no longer protected." in said
    assert "1 room stays protected" in said
    assert "In force now in Pond: the default policy." in said
    assert "Space is no longer" not in said
    house.world.rooms[POND].levels = levels_for()
    assert "1 room is no longer protected." in "".join(await ask(house, f"unprotect {SPACE} with rooms"))
    assert [await is_protected(house, one) for one in (LAWN, POND)] == [False, False]


@pytest.mark.parametrize("command", ["unprotect {} with rooms", "unprotect {}"])
async def test_a_space_that_is_not_protected_and_left_nothing_behind_is_unknown(house: House, command: str) -> None:
    await followed(house)
    await ask(house, f"unprotect {SPACE} with rooms")
    space(house, POND, room_id=NESTED)
    [gone], [unknown] = await ask(house, command.format(SPACE)), await ask(house, command.format(NESTED))
    assert gone.replace(SPACE, "X") == unknown.replace(NESTED, "X")


async def test_rooms_that_a_space_left_behind_are_not_let_go_from_another_management_room(house: House) -> None:
    await followed(house, POND)
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    await ask(house, f"unprotect {SPACE}")
    house.world.say(OTHERS, ALICE, f"!kb unprotect {SPACE} with rooms")
    house.world.say(OTHERS, ALICE, f"!kb unprotect {NESTED} with rooms")
    await house.live()

    assert await is_protected(house, LAWN)
    assert house.spoken(OTHERS)[0].replace(SPACE, "X") == house.spoken(OTHERS)[1].replace(NESTED, "X")


async def test_a_space_that_is_protected_again_does_not_remember_what_it_left_behind(house: House) -> None:
    await followed(house, POND)
    await ask(house, f"unprotect {SPACE}")
    house.world.name_child(SPACE, POND)
    await ask(house, f"protect {SPACE}")
    assert await stages(house) == {}
    assert "🧩" not in "".join(await ask(house, f"check {SPACE}"))
    await ask(house, f"unprotect {SPACE}")
    await ask(house, f"protect {SPACE} with rooms")
    assert await stages(house) == {LAWN: "protected"}


async def test_a_space_in_a_space_that_is_let_go_says_it_in_one_reply(house: House) -> None:
    space(house, LAWN, NESTED)
    space(house, POND, room_id=NESTED)
    for one in (LAWN, POND):
        room(house, one)
    await ask(house)
    await ask(house, f"policy set {SPACE}\notherwise: reject")
    [said] = await ask(house, f"unprotect {NESTED}")

    assert "Its 1 room stays protected." in said
    assert "In force now in Pond: the default policy." in said
    await ask(house, f"unprotect {NESTED} with rooms")
    assert not await is_protected(house, POND)


async def test_a_space_in_a_space_is_let_go_with_its_rooms(house: House) -> None:
    space(house, LAWN, NESTED)
    space(house, POND, room_id=NESTED)
    for one in (LAWN, POND):
        room(house, one)
    await ask(house)
    await ask(house, f"unprotect {NESTED} with rooms")

    assert [await is_protected(house, one) for one in (SPACE, LAWN, NESTED, POND)] == [True, True, False, False]


async def test_a_space_is_let_go_with_the_rooms_that_the_actor_may_let_go(house: House) -> None:
    await followed(house, POND)
    house.world.rooms[POND].levels = {"users": {BOT: 100}}
    [said] = await ask(house, f"unprotect {SPACE} with rooms")

    assert "1 room of Space is no longer protected" in said
    assert "1 room stays protected" in said
    assert "In force now in Pond: the default policy." in said
    assert (await is_protected(house, LAWN), await is_protected(house, POND)) == (False, True)


async def test_letting_many_rooms_go_reads_each_of_them_a_few_times_and_not_once_for_each_other(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [f"!room{number}:{HOME}" for number in range(40)]
    space(house, *many, NESTED)
    space(house, LAWN, room_id=NESTED)
    for one in [*many, LAWN]:
        room(house, one)
    await ask(house)
    await house.later(STEP / 1000 * 42)
    assert len(await protected_in(house)) == 42
    rooms_of, read = spaces.rooms_of, list[str]()

    async def counted(tx: Tx, of: str) -> list[SpaceRoom]:
        found = await rooms_of(tx, of)
        read.extend(one.room_id for one in found)
        return found

    monkeypatch.setattr(spaces, "rooms_of", counted)
    said = (await ask(house, f"unprotect {SPACE} with rooms"))[-1]

    assert "42 rooms of Space" in said
    assert not any([await is_protected(house, one) for one in [*many, LAWN, NESTED, SPACE]])
    assert len(read) <= 10 * 43, "43 for each of 42 rooms would be four times as much at least"


async def test_rooms_that_are_let_go_with_one_space_are_left_alone_by_the_other(house: House) -> None:
    space(house, LAWN, POND)
    space(house, POND, room_id=NESTED)
    for one in (LAWN, POND):
        room(house, one)
    await ask(house)
    await ask(house, f"protect {NESTED} with rooms")
    await ask(house, f"unprotect {SPACE} with rooms")

    assert await stages(house, NESTED) == {POND: "left"}
    assert not await is_protected(house, POND)
    assert await is_protected(house, NESTED)


async def test_a_room_that_is_let_go_is_not_asked_about_as_long_as_nobody_wants_it_back(house: House) -> None:
    await followed(house)
    await ask(house, f"unprotect {LAWN}")
    await house.look_everywhere()
    await house.live()
    assert await stages(house) == {LAWN: Stage.LEFT}
    assert questions(house) == []

    await ask(house, f"protect {LAWN}")
    assert await protected_in(house) == {LAWN}


async def test_what_others_do_with_their_room_shows_nowhere_else(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    space(house, LAWN)
    room(house, LAWN)
    await house.protect(LAWN, OTHERS)
    await ask(house)
    before = await ask(house, f"check {SPACE}")
    house.world.say(OTHERS, ALICE, f"!kb unprotect {LAWN}")
    await house.live()
    assert await ask(house, f"check {SPACE}") == before
    house.world.say(OTHERS, ALICE, f"!kb protect {LAWN}")
    await house.live()
    assert await ask(house, f"check {SPACE}") == before


async def test_a_space_that_moves_to_another_management_room_is_not_followed_there(house: House) -> None:
    await followed(house)
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.say(OTHERS, ALICE, f"!kb protect {SPACE}")
    await house.live()

    assert await protected_in(house) == set()
    assert await is_protected(house, LAWN)
    assert await stages(house) == {}


# --- spaces that name each other ------------------------------------------------------------------------------


async def in_a_circle(house: House, first: str, second: str, *, alone: bool = False) -> None:
    """Two spaces that name each other and a room are protected with their rooms, one after the other.

    `alone`: the second one was protected before that, without its rooms.
    """
    room(house, POND)
    space(house, second, POND, room_id=first)
    space(house, first, POND, room_id=second)
    for command in ([f"protect {second}"] if alone else []) + [f"protect {one} with rooms" for one in (first, second)]:
        house.tell(command)
        await house.later()


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(("first", "second"), [(SPACE, NESTED), (NESTED, SPACE)])
async def test_of_spaces_in_a_circle_the_first_one_that_was_protected_with_its_rooms_keeps_them(
    house: House, first: str, second: str, *, alone: bool
) -> None:
    await in_a_circle(house, first, second, alone=alone)
    for _ in range(2):
        await house.look_everywhere()
        await house.later()

    assert [await space_of(house, one) for one in (POND, second, first)] == [first, first, None]


@pytest.mark.parametrize(("first", "second"), [(SPACE, NESTED), (NESTED, SPACE)])
async def test_check_says_which_space_of_a_circle_has_a_room(house: House, first: str, second: str) -> None:
    await in_a_circle(house, first, second)
    names = {SPACE: "Space", NESTED: "Nested"}
    checked = "".join(await ask(house, f"check {POND}"))
    assert f"belongs to the space {names[first]}" in checked
    assert names[second] in checked
    assert f"as a room of {names[first]}" in "".join(await ask(house, f"check {second}"))
    assert "as a room of" not in "".join(await ask(house, f"check {first}"))


async def test_the_other_space_of_a_circle_has_them_once_the_first_one_lets_go(house: House) -> None:
    await in_a_circle(house, NESTED, SPACE)
    house.tell(f"unprotect {NESTED}")
    await house.later()

    assert [await space_of(house, one) for one in (POND, SPACE)] == [SPACE, None]
