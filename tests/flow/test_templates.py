"""Reason templates: a rejection with a text that is ready, by one tap on a card or by its name."""

from __future__ import annotations

import pytest

from knockbot.domain.model import State
from knockbot.features.templates import offering
from knockbot.store import rooms
from tests.flow.house import GARDEN, MODS, House
from tests.flow.planted import DAVE, planted, redeemed
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

RULES, LATER = "Please read our rules first.", "We are full. Knock again in June."
POLICY = f"templates:\n  rules: {RULES}\n  later: {LATER}\n"
OTHER = "templates:\n  rules: Please read the rules. They have changed.\n"
SPACE, POND = "!space:tulip.example", "!pond:tulip.example"
MOVED = "This emoji stands for another text now, or for none. I did nothing. Please look at the card again."
BOB = "@bob:tulip.example"


@pytest.fixture
async def house(house: House) -> House:
    await house.protect(policy=POLICY)
    return house


async def knocked(house: House, user_id: str = ANA, room_id: str = GARDEN) -> None:
    house.world.knock(room_id, user_id, "hello")
    await house.live()


async def revise(house: House, policy: str) -> None:
    house.tell(f"policy set {GARDEN}\n{policy}")
    await house.live()


def joins(house: House, user_id: str, *room_ids: str) -> None:
    for room_id in room_ids:
        house.world.change(room_id, ALICE, user_id, "invite")
        house.world.change(room_id, user_id, user_id, "join")


def reply(house: House, words: str) -> None:
    house.world.say(MODS, ALICE, words, **{"m.relates_to": {"m.in_reply_to": {"event_id": house.card().event_id}}})


def told(house: House, user_id: str = ANA, room_id: str = GARDEN) -> str | None:
    """The text in the membership event of somebody."""
    reason: str | None = house.world.rooms[room_id].members[user_id]["content"].get("reason")
    return reason


async def test_a_card_lists_the_templates_and_offers_their_numbers(house: House) -> None:
    await knocked(house)
    card = house.card()
    assert "❌ reject with a text: 1️⃣ rules, 2️⃣ later" in card.text.split("\n")
    assert card.offers == ("✅", "❌", "⛔", "1️⃣", "2️⃣")


async def test_a_card_shows_the_text_that_comes_with_the_votes_for_an_answer(house: House) -> None:
    joins(house, BOB, GARDEN, MODS)
    house.world.rooms[GARDEN].levels["users"][BOB] = 50
    await revise(house, POLICY + "votes: {reject: 2}\n")
    await knocked(house)
    house.click("1️⃣")
    await house.live()
    shown = f"Text for the applicant (❌): {RULES}"
    assert shown in house.card().text.split("\n")

    await revise(house, OTHER + "votes: {reject: 2}\n")
    assert shown in house.card().text.split("\n"), "the text of the vote, not the one of the template now"
    house.click("❌", by=BOB)
    await house.live()
    assert told(house) == RULES


async def test_a_card_of_votes_without_a_text_shows_none(house: House) -> None:
    await revise(house, POLICY + "votes: {reject: 2}\n")
    await knocked(house)
    house.click("❌")
    await house.live()
    assert f"❌ 1 of 2: {ALICE}" in house.card().text.split("\n")
    assert "Text for the applicant" not in house.card().text


@pytest.mark.parametrize(("emoji", "text"), [("1️⃣", RULES), ("2️⃣", LATER)])
async def test_one_tap_rejects_with_the_text(house: House, emoji: str, text: str) -> None:
    await knocked(house)
    house.click(emoji)
    await house.later()
    assert (house.membership(ANA), told(house)) == ("leave", text)
    assert (await house.request(ANA)).state is State.REJECTED
    assert (house.card().offers, f"They were told: {text}" in house.card().text) == ((), True)


NO_ANSWER = "That does not answer this card. React with ✅ to accept, ❌ to reject"


@pytest.mark.parametrize("by_click", [True, False])
async def test_a_number_without_a_template_is_no_answer_and_the_numbers_that_are_one_are_told(
    house: House, by_click: bool
) -> None:
    await knocked(house)
    house.click("3️⃣") if by_click else reply(house, "3️⃣")
    await house.later()
    said = [f"{NO_ANSWER}, ⛔ to ban or a number (1️⃣, 2️⃣) to reject with its text, or type !kb accept 1."]
    assert (house.membership(ANA), house.spoken()) == ("knock", said)


async def test_a_number_on_a_card_without_templates_is_no_answer(house: House) -> None:
    await revise(house, "otherwise: forward")
    await knocked(house)
    house.click("3️⃣")
    await house.later()
    assert house.spoken()[-1] == f"{NO_ANSWER} or ⛔ to ban, or type !kb accept 1."


@pytest.mark.parametrize(
    ("words", "verdict"), [("2️⃣ please", "reject"), ("✅ welcome", "accept"), ("⛔, a spammer", "ban")]
)
async def test_a_reply_of_an_emoji_and_words_is_no_click_and_told_so(house: House, words: str, verdict: str) -> None:
    await knocked(house)
    reply(house, words)
    await house.later()
    [said] = house.spoken()
    assert said.startswith("I did nothing: one emoji is a click only if nothing stands beside it. React with ")
    assert said.endswith(f", or type !kb {verdict} 1 and your text.")
    assert house.membership(ANA) == "knock"


async def test_a_tap_that_is_taken_back_takes_its_answer_back(house: House) -> None:
    house.world.set_levels(GARDEN, kick=60)
    await knocked(house)
    house.world.set_levels(GARDEN, kick=50)
    await house.live()
    click = house.click("1️⃣")
    await house.hear()
    house.world.set_levels(GARDEN, kick=60)
    await house.later()
    assert not (await house.request(ANA)).awaits_moderators
    house.world.redact(MODS, ALICE, click)
    house.world.set_levels(GARDEN, kick=50)
    await house.later()

    assert (await house.request(ANA)).awaits_moderators
    assert house.membership(ANA) == "knock"


async def test_a_tap_of_somebody_without_the_power_is_refused(house: House) -> None:
    joins(house, BOB, MODS, GARDEN)
    await knocked(house)
    house.click("1️⃣", by=BOB)
    await house.later()
    assert house.membership(ANA) == "knock"
    assert "power level 0 is too low" in house.spoken()[-1]


async def test_a_tap_that_comes_too_late_is_told(house: House) -> None:
    await knocked(house)
    house.click("✅")
    await house.live()
    house.click("1️⃣")
    await house.later()
    assert house.membership(ANA) == "invite"
    assert "already" in house.spoken()[-1]


async def test_a_bot_that_may_not_kick_offers_no_texts(house: House) -> None:
    house.world.set_levels(GARDEN, kick=60)
    await knocked(house)
    assert "with a text" not in house.card().text
    assert house.card().offers == ("✅", "⛔")


async def test_a_third_party_invite_offers_none_because_nobody_would_read_it(house: House) -> None:
    house.world.plant(GARDEN, ALICE)
    await house.live()
    assert "with a text" not in house.card().text


# --- the policy changes ---------------------------------------------------------------------------------------


async def test_cards_show_the_templates_of_the_policy_in_force(house: House) -> None:
    await knocked(house)
    await revise(house, OTHER)
    assert "❌ reject with a text: 1️⃣ rules" in house.card().text.split("\n")
    assert house.card().offers == ("✅", "❌", "⛔", "1️⃣")

    house.click("1️⃣")
    await house.later()
    assert told(house) == "Please read the rules. They have changed."


@pytest.mark.parametrize(("emoji", "policy"), [("1️⃣", OTHER), ("2️⃣", OTHER), ("1️⃣", "otherwise: forward")])
async def test_a_tap_for_a_text_that_changed_meanwhile_does_nothing_and_is_told(
    house: House, emoji: str, policy: str
) -> None:
    """The click comes before the edit of the card, and is heard after the change of the policy."""
    await knocked(house)
    house.tell(f"policy set {GARDEN}\n{policy}")
    await house.hear()
    house.click(emoji)
    await house.later()
    assert (house.membership(ANA), house.spoken()[-1]) == ("knock", MOVED)


async def test_a_tap_from_before_the_edit_that_is_heard_after_it_does_nothing(house: House) -> None:
    """The policy of the config file was changed while the bot was down, and the click waited all the time."""
    await knocked(house)
    house.click("1️⃣")
    house.clock.go_on(60)
    await house.set_policy(OTHER)
    async with house.context.turn() as turn:
        await offering.revised(house.context, turn, GARDEN)
    await house.work()
    assert "1️⃣ rules" in house.card().text
    await house.later()
    assert (house.membership(ANA), house.spoken()[-1]) == ("knock", MOVED)

    house.click("1️⃣", by=ALICE)
    await house.later()
    assert told(house) == "Please read the rules. They have changed."


async def test_a_card_of_several_rooms_offers_texts_only_where_they_are_the_same(house: House) -> None:
    house.world.room(POND, "Pond", ALICE, BOT, levels=levels_for())
    house.world.room(SPACE, "Estate", ALICE, BOT, levels=levels_for())
    await house.protect(SPACE)
    await house.protect(POND, policy=OTHER)
    async with house.db.tx() as tx:
        for room_id in (GARDEN, POND):
            await rooms.set_space(tx, room_id, SPACE)
    await knocked(house)
    await knocked(house, room_id=POND)
    assert "with a text" not in house.card().text

    house.tell(f"policy set {POND}\n{POLICY}")
    await house.live()
    assert "1️⃣ rules, 2️⃣ later" in house.card().text
    house.click("2️⃣")
    await house.later()
    assert [told(house, ANA, room_id) for room_id in (GARDEN, POND)] == [LATER, LATER]


# --- by name --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "membership"), [("reject", "leave"), ("ban", "ban")])
async def test_a_command_names_a_template(house: House, command: str, membership: str) -> None:
    await knocked(house)
    house.tell(f"{command} 1 Rules")
    await house.later()
    assert (house.membership(ANA), told(house)) == (membership, RULES)


async def test_other_words_are_the_text_themselves(house: House) -> None:
    await knocked(house)
    house.tell("reject 1 rules are rules")
    await house.later()
    assert told(house) == "rules are rules"


async def test_an_accept_takes_no_template(house: House) -> None:
    await knocked(house)
    house.tell("accept 1 rules")
    await house.later()
    assert told(house) == "rules"


async def test_each_room_has_its_own(house: House) -> None:
    house.world.room(POND, "Pond", ALICE, BOT, levels=levels_for())
    await house.protect(POND, policy="templates: {rules: Fish first.}")
    await knocked(house)
    await knocked(house, BEA, POND)
    house.tell("reject 1, 2 rules")
    await house.later()
    assert (told(house), told(house, BEA, POND)) == (RULES, "Fish first.")


@pytest.mark.parametrize("words", ["rule", "“ruels”", "7️⃣"])
async def test_a_word_that_is_nearly_a_template_is_asked_about_and_nobody_is_told_it(house: House, words: str) -> None:
    await knocked(house)
    house.tell(f"reject 1 {words}")
    await house.later()
    assert house.membership(ANA) == "knock"
    assert "I did nothing" in house.spoken()[-1]


async def test_the_name_of_a_template_of_another_room_is_told_to_nobody(house: House) -> None:
    house.world.room(POND, "Pond", ALICE, BOT, levels=levels_for())
    await house.protect(POND)
    await knocked(house)
    await knocked(house, BEA, POND)
    house.tell("reject 1, 2 rules")
    await house.later()
    assert (told(house), house.membership(BEA, POND)) == (RULES, "knock")
    assert "#2 at Pond: I did nothing, because this room has no template “rules”." in house.spoken()[-1]


async def test_templates_shows_them(house: House) -> None:
    house.tell("templates")
    await house.live()
    assert house.spoken()[-1].split("\n") == [
        "Templates of Garden:",
        f"1️⃣ rules: {RULES}",
        f"2️⃣ later: {LATER}",
        "To reject with one of these texts, click its number on a card, or type !kb reject N NAME.",
    ]
    await revise(house, "otherwise: forward")
    house.tell("templates")
    await house.live()
    assert house.spoken()[-1] == "No policy here has templates (templates)."


GUESTS = "rules: [{for: redeemed_invite, when: {user: '@*'}, then: forward}]\n"


@pytest.mark.parametrize("before", ["accepted", "waits"])
@pytest.mark.parametrize("join", [True, False])
@pytest.mark.parametrize("how", ["2️⃣", "reject 1 later"])
async def test_a_guest_of_a_third_party_invite_is_told_the_text(
    house: House, before: str, join: bool, how: str
) -> None:
    otherwise = {"accepted": "accept", "waits": "forward"}[before]
    await house.set_policy(f"{POLICY}{GUESTS}otherwise_third_party: {otherwise}\n")
    await planted(house)
    await redeemed(house, join=join)
    await house.later()
    card = house.card()
    assert card.offers == ("✅", "❌", "⛔", "1️⃣", "2️⃣")
    assert "❌ reject with a text: 1️⃣ rules, 2️⃣ later" in card.text.split("\n")
    if how == "2️⃣":
        house.click(how)
    else:
        house.tell(how)
    await house.later()

    assert (house.membership(DAVE), told(house, DAVE)) == ("leave", LATER)
    assert f"They were told: {LATER}" in house.card().text
