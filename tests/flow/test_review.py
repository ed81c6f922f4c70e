"""Moderators answer: power in the protected room decides who may, and the first answer wins."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from knockbot.domain.model import State, Verdict
from knockbot.domain.reasons import foreign
from knockbot.errors import Later, Never
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT, World, levels_for

BOB = "@bob:tulip.example"
CAT = "@cat:tulip.example"


async def waiting(house: House, user_id: str = ANA) -> None:
    """Somebody knocks, and the moderators have a card."""
    house.world.knock(GARDEN, user_id, "hello")
    await house.live()


def becomes_moderator(world: World, user_id: str, level: int = 100) -> None:
    """Somebody is in both rooms and has a level in the garden."""
    for room_id in (GARDEN, MODS):
        world.change(room_id, ALICE, user_id, "invite")
        world.change(room_id, user_id, user_id, "join")
    world.rooms[GARDEN].levels["users"][user_id] = level


# --- answers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("emoji", "membership", "state"),
    [
        ("✅", "invite", "accepted"),
        ("✅\ufe0f", "invite", "accepted"),
        ("❌", "leave", "rejected"),
        ("❌\ufe0f", "leave", "rejected"),
        ("⛔", "ban", "banned"),
    ],
)
async def test_one_click_answers(house: House, emoji: str, membership: str, state: str) -> None:
    await waiting(house)
    house.click(emoji)
    await house.later()

    request = await house.request(ANA)
    assert (house.membership(ANA), request.state, request.by) == (membership, state, ALICE)
    assert house.card().state == state
    assert house.spoken() == []


@pytest.mark.parametrize(
    ("command", "membership"),
    [("accept 1 Welcome!", "invite"), ("reject 1 Welcome!", "leave"), ("ban 1 Welcome!", "ban")],
)
async def test_one_command_answers_with_words_for_the_applicant(house: House, command: str, membership: str) -> None:
    await waiting(house)
    house.tell(command)
    await house.later()

    event = house.world.rooms[GARDEN].members[ANA]["content"]
    assert (event["membership"], event["reason"]) == (membership, "Welcome!")


async def test_one_command_answers_several(house: House) -> None:
    for user_id in (ANA, BOB, CAT):
        await waiting(house, user_id)
    house.tell("accept 1, #3")
    await house.later()

    assert [house.membership(user_id) for user_id in (ANA, BOB, CAT)] == ["invite", "knock", "invite"]


async def test_in_a_reply_to_a_card_the_number_may_be_left_out(house: House) -> None:
    await waiting(house)
    house.tell("reject not now", reply_to=house.card().event_id)
    await house.later()

    assert house.membership(ANA) == "leave"


# --- who may ------------------------------------------------------------------------------------------------------

MAY_NOT: dict[str, tuple[str, Callable[[World], object]]] = {
    "they are not in the garden": ("✅", lambda world: world.change(GARDEN, BOB, BOB, "leave")),
    "they are only invited": ("✅", lambda world: world.change(GARDEN, ALICE, BOB, "invite")),
    "they were banned": ("✅", lambda world: world.change(GARDEN, ALICE, BOB, "ban")),
    "their invite power is too low": ("✅", lambda world: world.rooms[GARDEN].levels["users"].update({BOB: 49})),
    "their kick power is too low": ("❌", lambda world: world.set_levels(GARDEN, kick=60)),
    "their ban power is too low": ("⛔", lambda world: world.set_levels(GARDEN, ban=60)),
    "the applicant stands as high": ("❌", lambda world: world.rooms[GARDEN].levels["users"].update({ANA: 50})),
    "the bot's power is too low": ("✅", lambda world: world.rooms[GARDEN].levels["users"].update({BOT: 49})),
    "the applicant stands above the bot": (
        "⛔",
        lambda world: world.rooms[GARDEN].levels["users"].update({ANA: 50, BOB: 100}),
    ),
}


@pytest.mark.parametrize("name", MAY_NOT)
async def test_who_may_not_is_told_once_and_nothing_is_done(house: House, name: str) -> None:
    emoji, unfit = MAY_NOT[name]
    becomes_moderator(house.world, BOB, 50)
    await waiting(house)
    unfit(house.world)
    house.world.outbox.clear()
    for _ in range(3):
        house.click(emoji, by=BOB)
    await house.later()

    assert (await house.request(ANA)).awaits_moderators
    assert house.membership(ANA) == "knock"
    assert len(house.spoken()) == 1
    assert house.world.asked("invite", "kick", "ban") == []


async def test_each_who_may_not_is_told_for_themselves(house: House) -> None:
    for user_id in (BOB, CAT):
        becomes_moderator(house.world, user_id, 0)
    await waiting(house)
    for user_id in (BOB, CAT, BOB):
        house.click("✅", by=user_id)
    await house.live()

    assert len(house.spoken()) == 2


async def test_power_decides_and_not_where_it_is_said(house: House) -> None:
    """A moderator of the garden who is a guest in the management room may answer; its admin without power may not."""
    becomes_moderator(house.world, BOB, 50)
    house.world.change(GARDEN, ALICE, ALICE, "leave")
    await waiting(house)
    house.click("✅", by=ALICE)
    await house.live()
    assert house.membership(ANA) == "knock"
    house.click("✅", by=BOB)
    await house.live()

    assert house.membership(ANA) == "invite"


async def test_an_answer_given_while_the_bot_is_out_is_refused_with_its_mend(house: House) -> None:
    """Silence would leave the moderator to think that it was taken."""
    await waiting(house)
    house.world.change(GARDEN, ALICE, BOT, "leave")
    await house.live()
    before = len(house.spoken())
    house.click("✅")
    await house.live()

    assert len(house.spoken()) == before + 1
    assert await house.set_aside() == []
    assert (await house.request(ANA)).awaits_moderators


async def test_a_homeserver_that_is_silent_is_asked_again_before_an_answer_is_taken(house: House) -> None:
    await waiting(house)
    house.world.play("powers", Later(foreign("no answer within 20 seconds.")))
    house.click("✅")
    await house.live()
    assert house.membership(ANA) == "knock"
    await house.later(60)

    assert house.membership(ANA) == "invite"


# --- the first answer wins ----------------------------------------------------------------------------------------


async def test_the_first_answer_wins_and_the_second_is_told_so(house: House) -> None:
    becomes_moderator(house.world, BOB)
    await waiting(house)
    house.click("❌")
    house.click("✅", by=BOB)
    await house.later()

    request = await house.request(ANA)
    assert (request.state, request.by) == (State.REJECTED, ALICE)
    [told] = house.spoken()
    assert "already" in told
    assert ALICE in told


async def test_an_answer_to_what_is_settled_is_told_so(house: House) -> None:
    await waiting(house)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()
    house.click("✅")
    house.tell("ban 1")
    await house.later()

    assert house.membership(ANA) == "leave"
    assert (await house.request(ANA)).answer is None
    assert len(house.spoken()) == 2


async def test_an_answer_that_is_handled_twice_is_one_answer(house: House) -> None:
    await waiting(house)
    house.click("✅")
    held_back = house.world.delivered()
    await house.look_everywhere()
    await house.live()
    house.world.outbox += held_back
    await house.later()

    request = await house.request(ANA)
    assert request.state == State.ACCEPTED
    assert house.spoken() == []
    assert [what for _, what in await house.history(request)].count("accept") == 1


async def test_an_answer_that_was_taken_back_is_not_given_again_when_its_event_comes_late(house: House) -> None:
    """The click was found when the room was looked at; the homeserver hands it over after the next knock."""
    await waiting(house)
    house.click("✅")
    held_back = house.world.delivered()
    await house.look_everywhere()
    house.world.play("invite", Later(foreign("the server is silent")))
    await house.live()
    house.world.knock(GARDEN, ANA, "something else")
    await house.later()
    assert (await house.request(ANA)).awaits_moderators
    house.world.outbox += held_back
    await house.later()

    assert (await house.request(ANA)).awaits_moderators
    assert house.membership(ANA) == "knock"


async def test_moderators_may_answer_again_once_their_answer_could_not_be_carried_out(house: House) -> None:
    await waiting(house)
    house.world.play("invite", Never(foreign("they refuse invites."), code="M_INVITE_BLOCKED"))
    house.click("✅")
    await house.later()
    assert "they refuse invites" in house.card().text
    house.click("❌")
    await house.later()

    assert (await house.request(ANA)).state == State.REJECTED


# --- which knock was meant ----------------------------------------------------------------------------------------


async def test_an_accept_of_a_knock_that_was_replaced_since_is_not_taken(house: House) -> None:
    await waiting(house)
    house.click("✅")
    clicked = house.world.delivered()
    house.clock.go_on(1)
    house.world.knock(GARDEN, ANA, "I am a troll")
    await house.hear()
    house.world.outbox += clicked
    await house.later()

    assert house.membership(ANA) == "knock"
    assert (await house.request(ANA)).awaits_moderators
    assert len(house.spoken()) == 1


async def test_an_accept_is_taken_once_the_card_shows_the_knock_that_stands(house: House) -> None:
    await waiting(house)
    house.clock.go_on(5)
    house.world.knock(GARDEN, ANA, "another reason")
    await house.later(5)
    house.clock.go_on(1)
    house.click("✅")
    await house.later()

    assert house.membership(ANA) == "invite"


async def test_an_accept_by_command_needs_to_have_seen_the_knock_too(house: House) -> None:
    await waiting(house)
    house.tell("accept 1")
    typed = house.world.delivered()
    house.clock.go_on(1)
    house.world.knock(GARDEN, ANA, "I am a troll")
    await house.hear()
    house.world.outbox += typed
    await house.later()

    assert house.membership(ANA) == "knock"


@pytest.mark.parametrize(("emoji", "membership"), [("❌", "leave"), ("⛔", "ban")])
async def test_a_reject_or_a_ban_is_for_the_applicant_whatever_they_knock_next(
    house: House, emoji: str, membership: str
) -> None:
    await waiting(house)
    house.click(emoji)
    clicked = house.world.delivered()
    house.world.knock(GARDEN, ANA, "another reason")
    await house.hear()
    house.world.outbox += clicked
    await house.later()

    assert house.membership(ANA) == membership


# --- what is no answer --------------------------------------------------------------------------------------------


async def test_other_reactions_are_left_alone(house: House) -> None:
    await waiting(house)
    house.click("🎉")
    house.world.react(MODS, BOT, house.card().event_id, "✅")
    other = house.world.say(MODS, ALICE, "look at this")
    house.world.react(MODS, ALICE, other, "✅")
    house.world.react(MODS, ALICE, "$nothing", "✅")
    await house.later()

    assert (await house.request(ANA)).awaits_moderators
    assert house.spoken() == []


async def test_two_emoji_are_no_click_and_whoever_sends_them_is_told(house: House) -> None:
    await waiting(house)
    house.click("✅✅")
    await house.later()

    assert (await house.request(ANA)).awaits_moderators
    (said,) = house.spoken()
    assert said.startswith("I did nothing: one emoji is a click only if nothing stands beside it. React with ✅")


async def test_a_click_counts_in_the_management_room_only(house: House) -> None:
    """Whoever learns a card's event id must not answer from a room of their own."""
    house.world.room("!own:tulip.example", "Own", ALICE, BOT)
    await waiting(house)
    house.world.react("!own:tulip.example", ALICE, house.card().event_id, "✅")
    await house.later()

    assert (await house.request(ANA)).awaits_moderators


async def test_numbers_of_other_management_rooms_are_unknown(house: House) -> None:
    house.world.room("!own:tulip.example", "Own", ALICE, BOT, levels=levels_for())
    await waiting(house)
    house.world.say("!own:tulip.example", ALICE, "!kb accept 1")
    await house.later()

    assert house.membership(ANA) == "knock"
    assert len(house.spoken("!own:tulip.example")) == 1


async def test_a_card_that_several_applicants_share_takes_no_clicks(house: House) -> None:
    people = [f"@user{number}:tulip.example" for number in range(6)]
    for person in people:
        house.world.knock(GARDEN, person)
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()
    house.click("✅")
    house.click("⛔")
    await house.later()

    assert {house.membership(person) for person in people} == {"knock"}
    assert house.card().offers == ()
    house.tell("accept 2")
    await house.later()
    assert [house.membership(person) for person in people].count("invite") == 1


async def test_a_click_on_a_card_of_one_applicants_many_requests_is_for_the_newest(house: House) -> None:
    for _ in range(7):
        await waiting(house)
        house.world.change(GARDEN, ANA, ANA, "leave")
        await house.live()
    await waiting(house)
    await house.later()
    house.clock.go_on(1)
    shared = house.cards()[-1]
    assert len(shared.blocks) > 1
    house.click("✅", card=shared)
    await house.later()

    found = await house.requests(ANA)
    assert found[-1].state == State.ACCEPTED
    assert {request.state for request in found[:-1]} == {State.WITHDRAWN}


async def test_the_bot_offers_what_it_can_do(house: House) -> None:
    house.world.rooms[GARDEN].levels |= {"ban": 60}
    await waiting(house)
    assert set(house.card().offers) == {"✅", "❌"}
    request = await house.request(ANA)
    assert request.decision is not None
    assert request.decision.verdict is Verdict.FORWARD
