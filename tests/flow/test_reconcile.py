"""What was missed while the bot was away, or had yet to come, is found in the room and goes the same way."""

from __future__ import annotations

import pytest

from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from knockbot.flow.sharing import CROWDED
from knockbot.matrix.rooms import LONGEST_LISTED
from tests.flow.house import GARDEN, House
from tests.flow.world import ALICE, ANA, BOT

BOB = "@bob:tulip.example"


async def look(house: House) -> None:
    await house.look_everywhere()
    await house.live()


def unheard(house: House) -> None:
    """What has happened so far is never delivered."""
    house.world.outbox.clear()


def people(count: int) -> list[str]:
    return [f"@user{number}:tulip.example" for number in range(count)]


# --- knocks -------------------------------------------------------------------------------------------------------


async def test_a_knock_that_was_missed_is_answered_like_any_other_once(house: House) -> None:
    await house.set_policy("rules: [{when: {reason_matches: friend}, then: accept}]")
    house.world.knock(GARDEN, ANA, "friend")
    house.world.knock(GARDEN, BOB, "hello")
    unheard(house)
    for _ in range(3):
        await look(house)

    assert (house.membership(ANA), house.membership(BOB)) == ("invite", "knock")
    assert house.card().block["user_id"] == BOB
    assert len(house.world.asked("invite")) == 1


async def test_a_knock_that_was_missed_is_judged_by_all_of_its_reason_however_long(house: House) -> None:
    await house.set_policy("rules: [{when: {reason_matches: friend}, then: accept}]")
    long = "x" * (LONGEST_LISTED + 1)
    house.world.knock(GARDEN, ANA, f"{long} friend")
    house.world.knock(GARDEN, BOB, long)
    unheard(house)
    await look(house)

    assert (house.membership(ANA), house.membership(BOB)) == ("invite", "knock")
    assert (await house.request(BOB)).reason == long


async def test_a_long_reason_that_is_on_record_stays_there_and_its_card_stays_as_it_is(house: House) -> None:
    """A list of knocks leaves long reasons out, which is not to say that they were redacted."""
    long = "x" * (LONGEST_LISTED + 1)
    house.world.knock(GARDEN, ANA, long)
    await house.live()
    await look(house)

    assert (await house.request(ANA)).reason == long
    assert (len(house.cards()), house.card().edits) == (1, 0)


async def test_a_name_that_was_redacted_while_nobody_looked_is_forgotten_without_a_reason_beside_it(
    house: House,
) -> None:
    knock = house.world.knock(GARDEN, ANA, displayname="Ana the First")
    await house.live()
    house.world.redact(GARDEN, ALICE, knock)
    unheard(house)
    await look(house)

    assert (await house.request(ANA)).display_name is None


async def test_a_long_knock_that_was_taken_back_while_it_was_looked_at_is_none(house: House) -> None:
    house.world.knock(GARDEN, ANA, "x" * (LONGEST_LISTED + 1))
    unheard(house)
    house.world.play("tombstone", meanwhile=lambda: house.world.change(GARDEN, ANA, ANA, "leave"))
    await look(house)

    assert house.cards() == []


async def test_those_who_were_missed_are_numbered_in_the_order_they_knocked_in(house: House) -> None:
    for person in people(4):
        house.world.knock(GARDEN, person)
        house.clock.go_on(1)
    members = house.world.rooms[GARDEN].members
    house.world.rooms[GARDEN].members = dict(reversed(members.items()))
    unheard(house)
    await look(house)

    assert [card.block["user_id"] for card in house.cards()] == people(4)


async def test_a_later_knock_that_was_missed_takes_the_place_of_the_first(house: House) -> None:
    house.world.knock(GARDEN, ANA, "first")
    await house.live()
    newest = house.world.knock(GARDEN, ANA, "second")
    unheard(house)
    await look(house)

    request = await house.request(ANA)
    assert (request.event_id, request.reason, request.number) == (newest, "second", 1)
    assert house.card().block["event_id"] == newest


async def test_up_to_five_missed_knocks_get_a_card_each(house: House) -> None:
    for person in people(CROWDED):
        house.world.knock(GARDEN, person)
    unheard(house)
    await look(house)

    assert [card.block["user_id"] for card in house.cards()] == people(CROWDED)


async def test_more_missed_knocks_share_one_card_which_is_posted_once(house: House) -> None:
    for person in people(CROWDED + 3):
        house.world.knock(GARDEN, person)
    unheard(house)
    for _ in range(3):
        await look(house)

    assert {block["user_id"] for block in house.card().blocks} == set(people(CROWDED + 3))
    assert [block["number"] for block in house.card().blocks] == list(range(1, CROWDED + 4))


async def test_a_shared_card_follows_what_becomes_of_each(house: House) -> None:
    for person in people(CROWDED + 1):
        house.world.knock(GARDEN, person)
    unheard(house)
    await look(house)
    house.tell("reject 2")
    house.world.change(GARDEN, people(1)[0], people(1)[0], "leave")
    await house.later()

    states = {block["number"]: block["state"] for block in house.card().blocks}
    assert (states[1], states[2], states[3]) == ("withdrawn", "rejected", "pending")
    assert len(house.cards()) == 1


async def test_only_what_needs_people_is_on_the_shared_card(house: House) -> None:
    await house.set_policy("rules: [{when: {reason_matches: troll}, then: reject}]\nannounce: none")
    for number, person in enumerate(people(10)):
        house.world.knock(GARDEN, person, "troll" if number < 4 else "hello")
    unheard(house)
    await look(house)

    assert {block["user_id"] for block in house.card().blocks} == set(people(10)[4:])
    assert [house.membership(person) for person in people(4)] == ["leave"] * 4


@pytest.mark.parametrize("call", ["knocking", "powers", "room", "member", "reactions"])
async def test_a_look_that_was_cut_short_is_made_again(house: House, call: str) -> None:
    """No card twice, and nobody without one."""
    house.world.knock(GARDEN, BOB)
    await house.live()
    house.world.change(GARDEN, BOB, BOB, "leave")
    for person in people(CROWDED + 1):
        house.world.knock(GARDEN, person)
    unheard(house)
    if call == "member":
        house.world.play(call)  # the first is about the bot itself
    house.world.play(call, Later(foreign("silent")), times=2)
    await look(house)
    for _ in range(3):
        await house.later(60)

    assert len(house.cards()) == 2
    assert {block["user_id"] for block in house.cards()[1].blocks} == set(people(CROWDED + 1))
    assert (await house.request(BOB)).state == State.WITHDRAWN
    assert not house.context.wakeups.unchecked


async def test_a_shared_card_that_was_not_posted_before_a_death_is_posted_after(house: House) -> None:
    for person in people(CROWDED + 1):
        house.world.knock(GARDEN, person)
    unheard(house)
    await house.look_everywhere()
    await house.hear()
    await house.die()
    await house.start_again()
    await house.live()

    assert len(house.card().blocks) == CROWDED + 1


# --- outcomes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("emoji", "by", "words"),
    [("✅", ALICE, f"Accepted by {ALICE}"), ("❌", ANA, "Joined before the answer took effect")],
)
async def test_who_joined_while_nobody_looked_was_let_in_by_whoever_accepted_them(
    house: House, emoji: str, by: str, words: str
) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.click(emoji)
    await house.hear()
    for who, membership in ((BOT, "invite"), (ANA, "join")):
        house.world.change(GARDEN, who, ANA, membership)
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()

    assert (await house.request(ANA)).by == by
    assert words in house.card().text


@pytest.mark.parametrize(
    ("by", "membership", "state"),
    [
        (ALICE, "invite", "accepted"),
        (ALICE, "leave", "rejected"),
        (ALICE, "ban", "banned"),
        (ANA, "leave", "withdrawn"),
        (ANA, "join", "joined"),
    ],
)
async def test_an_outcome_that_was_missed_is_found(house: House, by: str, membership: str, state: str) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.change(GARDEN, by, ANA, membership)
    unheard(house)
    await look(house)

    request = await house.request(ANA)
    assert (request.state, request.by) == (state, by)
    assert house.card().state == state


async def test_that_an_invite_was_taken_or_declined_is_found_too(house: House) -> None:
    await house.set_policy("otherwise: accept")
    for person in (ANA, BOB):
        house.world.knock(GARDEN, person)
    await house.live()
    house.world.change(GARDEN, ANA, ANA, "join")
    house.world.change(GARDEN, BOB, BOB, "leave")
    unheard(house)
    await look(house)

    assert [(await house.request(person)).state for person in (ANA, BOB)] == [State.JOINED, State.DECLINED]


async def test_an_answer_that_was_under_way_is_not_disturbed(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.play("invite", Later(foreign("silent"), retry_after=100))
    house.click("✅")
    await house.live()
    await look(house)
    assert (await house.request(ANA)).answer is not None
    await house.later(100)

    assert house.membership(ANA) == "invite"


# --- reactions ----------------------------------------------------------------------------------------------------


async def test_a_click_that_was_missed_is_found(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.click("❌")
    unheard(house)
    await look(house)
    await house.later()

    request = await house.request(ANA)
    assert (request.state, request.by) == (State.REJECTED, ALICE)


async def test_of_several_missed_clicks_the_first_wins(house: House) -> None:
    house.world.change(GARDEN, ALICE, BOB, "join")
    house.world.rooms[GARDEN].levels["users"][BOB] = 100
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.click("❌")
    house.click("✅", by=BOB)
    unheard(house)
    await look(house)
    await house.later()

    request = await house.request(ANA)
    assert (request.state, request.by) == (State.REJECTED, ALICE)


async def test_the_bots_own_offers_are_no_answers(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    await look(house)

    assert (await house.request(ANA)).awaits_moderators


async def test_reactions_are_read_only_where_somebody_waits(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.click("❌")
    await house.later()
    house.world.calls.clear()
    await look(house)

    assert house.world.asked("reactions") == []


async def test_a_management_room_that_may_not_be_read_does_not_stop_the_rest(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.play("reactions", Never(foreign("not in the room")))
    house.world.knock(GARDEN, BOB)
    unheard(house)
    await look(house)

    assert len(house.cards()) == 2
    assert not house.context.wakeups.unchecked


# --- rooms --------------------------------------------------------------------------------------------------------


async def test_a_room_that_the_bot_was_put_out_of_unheard_is_told_once(house: House) -> None:
    house.world.change(GARDEN, ALICE, BOT, "leave")
    unheard(house)
    for _ in range(3):
        await look(house)

    assert len(house.spoken()) == 1
    assert house.world.asked("knocking") == []


async def test_a_room_that_is_gone_is_told_once_and_asked_nothing(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    del house.world.rooms[GARDEN]
    for _ in range(3):
        await look(house)

    assert len(house.spoken()) == 1
    assert await house.jobs("due", "running") == {}


async def test_an_alarm_is_heard_and_calls_whom_the_policy_names(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]')
    house.world.set_levels(GARDEN, users={ALICE: 100, BOT: 0})
    await house.live()

    [alarm] = house.said()
    assert alarm["msgtype"] == "m.text"
    assert alarm["m.mentions"] == {"user_ids": [ALICE]}


async def test_a_power_that_is_lost_again_is_told_again(house: House) -> None:
    for _ in range(2):
        house.world.set_levels(GARDEN, users={ALICE: 100, BOT: 0})
        await house.later()
        house.world.set_levels(GARDEN, users={ALICE: 100, BOT: 50})
        await house.later()

    assert [text.startswith("⚠️") for text in house.spoken()] == [True, False, True, False]


async def test_a_new_name_is_taken_on(house: House) -> None:
    house.world.rooms[GARDEN].label = "Meadow"
    house.world.state_changed(GARDEN, "m.room.name")
    house.world.knock(GARDEN, ANA)
    await house.live()

    assert "Meadow" in house.card().text


async def test_a_room_nobody_protects_is_not_looked_at(house: House) -> None:
    house.context.look_at("!somewhere:tulip.example")
    await house.live()

    assert house.world.calls == []


async def test_what_the_bot_finds_when_it_comes_in_is_answered(house: House) -> None:
    """State that a room had before the bot came in is not delivered."""
    house.world.room("!lawn:tulip.example", "Lawn", ALICE, levels={"users": {ALICE: 100, BOT: 50}})
    house.world.knock("!lawn:tulip.example", ANA)
    assert house.world.outbox == []
    house.world.change("!lawn:tulip.example", ALICE, BOT, "invite")
    await house.live()
    house.tell("protect !lawn:tulip.example")
    await house.later()

    assert house.card().block["room_id"] == "!lawn:tulip.example"
