"""One applicant who waits at several rooms of a space has one card, and one click answers all that the clicker may."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from knockbot.chat.looks import MOST_SHOWN
from knockbot.domain.jobs import Act
from knockbot.domain.model import State
from knockbot.engine.worker import Outcome
from knockbot.flow.ports import REQUEST_KEY
from knockbot.flow.sharing import CROWDED, DOORS
from knockbot.flow.working import hooks
from knockbot.store import rooms
from knockbot.store.jobs import Claimed
from tests.flow.house import GARDEN, MODS, Card, House, until_called
from tests.flow.world import ALICE, ANA, BEA, BOT, HOME, levels_for

SPACE, POND, ROSE, SHED = "!space:tulip.example", "!pond:tulip.example", "!rose:tulip.example", "!shed:tulip.example"
OTHERS = "!others:tulip.example"
ESTATE, LAWN = "!manor:tulip.example", "!lawn:tulip.example"
BOB = "@bob:tulip.example"
DOORS_OF_SPACE = (GARDEN, POND, SPACE)


@pytest.fixture
async def house(house: House) -> House:
    """The garden, a pond and a rose bed belong to a space, whose own door is protected, too; a shed does not."""
    for room_id, label in ((SPACE, "Estate"), (POND, "Pond"), (ROSE, "Rose"), (SHED, "Shed")):
        house.world.room(room_id, label, ALICE, BOT, levels=levels_for())
        await house.protect(room_id)
    async with house.db.tx() as tx:
        for room_id in (GARDEN, POND, ROSE):
            await rooms.set_space(tx, room_id, SPACE)
    return house


async def knock(house: House, *room_ids: str, user_id: str = ANA, reason: str = "hello") -> None:
    for room_id in room_ids:
        house.world.knock(room_id, user_id, reason)
        await house.later(3)


async def states(house: House, *room_ids: str, user_id: str = ANA) -> list[State]:
    return [(await house.requests(user_id, room_id))[-1].state for room_id in room_ids or DOORS_OF_SPACE]


def memberships(house: House, *room_ids: str, user_id: str = ANA) -> list[str | None]:
    return [house.membership(user_id, room_id) for room_id in room_ids or DOORS_OF_SPACE]


def lines(card: Card) -> list[str]:
    return card.text.split("\n")


def becomes_moderator(house: House, user_id: str, *room_ids: str, level: int = 100) -> None:
    """Somebody is in the management room and in these rooms, with a level there."""
    for room_id in (MODS, *room_ids):
        house.world.change(room_id, ALICE, user_id, "invite")
        house.world.change(room_id, user_id, user_id, "join")
    for room_id in room_ids:
        house.world.rooms[room_id].levels["users"][user_id] = level


# --- what shares a card ---------------------------------------------------------------------------------------


async def test_requests_of_one_applicant_at_rooms_of_one_space_and_at_the_space_itself_share_a_card(
    house: House,
) -> None:
    await knock(house, *DOORS_OF_SPACE)

    card = house.card()
    assert lines(card) == [
        "🚪 @ana:tulip.example asks to join 3 rooms, 3 waiting",
        "Reason: hello",
        "🚪 #1 Garden · Waiting for an answer.",
        "🚪 #2 Pond · Waiting for an answer.",
        "🚪 #3 Estate · Waiting for an answer.",
        "✅ accept, ❌ reject, ⛔ ban · A click answers for all these rooms. For one room: !kb accept 3",
    ]
    assert {*card.offers} == {"✅", "❌", "⛔"}
    assert (card.block["number"], [block["number"] for block in card.blocks]) == (3, [1, 2, 3])
    assert [block["room_id"] for block in card.blocks] == list(DOORS_OF_SPACE)


async def test_a_card_whose_requests_are_all_answered_does_not_say_that_somebody_waits(house: House) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.click("✅")
    await house.hear()
    for room_id in (POND, SPACE):
        house.world.set_levels(room_id, invite=60)
    await house.later()
    assert await house.jobs("blocked") != {}
    assert lines(house.card())[0] == f"🚪 {ANA} asks to join 3 rooms: all answered, but not all is done yet"
    for room_id in (POND, SPACE):
        house.world.set_levels(room_id, invite=50)
    await house.live()
    assert lines(house.card())[0] == f"✅ {ANA} asked to join 3 rooms"


async def test_each_reason_stands_at_its_room_if_they_differ(house: House) -> None:
    await knock(house, GARDEN, reason="I like flowers")
    await knock(house, POND, reason="I like fish")

    assert "🚪 #1 Garden · Reason: I like flowers" in lines(house.card())
    assert "🚪 #2 Pond · Reason: I like fish" in lines(house.card())


async def test_hidden_reasons_of_one_room_are_hidden_on_the_card(house: House) -> None:
    await house.set_policy("reasons: hidden", POND)
    await knock(house, GARDEN, POND, reason="a secret")

    assert "a secret" not in house.card().text
    assert "(hidden; !kb show 2 shows it)" in house.card().text


async def test_a_room_outside_of_the_space_and_another_applicant_have_cards_of_their_own(house: House) -> None:
    await knock(house, GARDEN, SHED)
    await knock(house, POND, user_id=BEA)

    assert [[block["number"] for block in card.blocks] for card in house.cards()] == [[1], [2], [3]]


async def test_a_room_of_another_management_room_has_its_card_there(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for())
    await house.protect(POND, OTHERS)
    await knock(house, GARDEN, POND)

    assert "Pond" not in house.card().text
    assert "Garden" not in house.card(OTHERS).text


async def test_what_a_rule_decides_is_on_no_card(house: House) -> None:
    await house.set_policy("otherwise: accept", POND)
    await knock(house, GARDEN, POND, ROSE)

    assert [block["room_id"] for block in house.card().blocks] == [GARDEN, ROSE]
    assert memberships(house, POND) == ["invite"]


async def test_after_the_card_is_settled_another_knock_gets_a_new_card(house: House) -> None:
    await knock(house, GARDEN, POND)
    house.click("✅")
    await house.later()
    await knock(house, ROSE)

    assert [[block["number"] for block in card.blocks] for card in house.cards()] == [[1, 2], [3]]


async def test_a_card_has_a_limit_and_the_next_requests_get_another(house: House) -> None:
    more = [f"!bed{number}:tulip.example" for number in range(DOORS + 2)]
    for number, room_id in enumerate(more):
        house.world.room(room_id, f"Bed {number}", ALICE, BOT, levels=levels_for())
        await house.protect(room_id)
        async with house.db.tx() as tx:
            await rooms.set_space(tx, room_id, SPACE)
    await knock(house, *more, reason="x" * 300)

    assert [len(card.blocks) for card in house.cards()] == [DOORS, 2]
    assert all(f"#{number} Bed" in house.cards()[0].text for number in range(1, DOORS + 1))


async def test_who_knocks_too_often_at_one_door_keeps_the_other_on_the_card(house: House) -> None:
    await knock(house, POND)
    for _ in range(CROWDED + 3):
        house.world.knock(GARDEN, ANA, "please")
        await house.later(3)
        house.tell(f"reject {house.cards()[-1].block['number']}")
        await house.later(3)
    house.world.knock(GARDEN, ANA, "please")
    await house.later(3)

    open_ones = [block for card in house.cards() for block in card.blocks if block["state"] == "pending"]
    assert {block["room_id"] for block in open_ones} == {GARDEN, POND}
    for card in house.cards():
        house.click("✅", card=card)
        await house.later()
    assert memberships(house, GARDEN, POND) == ["invite", "invite"]


async def test_what_the_card_shows_itself_is_no_earlier_decision(house: House) -> None:
    await knock(house, SHED)
    house.click("❌")
    await house.later()
    await knock(house, GARDEN, POND)
    house.tell("accept 2")
    await house.later()

    told = house.cards()[-1].text
    assert "✅ #2 Garden" in told
    assert "Earlier decisions: 1 rejected. The last one: rejected at Shed, " in told


# --- one click ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("emoji", "membership", "state"),
    [("✅", "invite", "accepted"), ("❌", "leave", "rejected"), ("⛔", "ban", "banned")],
)
async def test_one_click_answers_at_all_doors(house: House, emoji: str, membership: str, state: str) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.click(emoji)
    await house.later()

    assert memberships(house) == [membership] * 3
    assert await states(house) == [State(state)] * 3
    assert {block["state"] for block in house.card().blocks} == {state}
    assert house.card().offers == ()
    assert (
        lines(house.card())[0]
        == f"{ {'accepted': '✅', 'rejected': '❌'}.get(state, '⛔') } {ANA} asked to join 3 rooms"
    )
    assert house.spoken() == []


async def test_a_reply_to_the_card_without_a_number_does_the_same(house: House) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.tell("reject not now", reply_to=house.card().event_id)
    await house.later()

    assert memberships(house) == ["leave"] * 3
    assert house.card().text.count("Rejected by @alice:tulip.example. They were told: not now") == 3
    assert house.spoken()[-1].split("\n") == [
        "✅ You chose reject for:",
        f"#1 {ANA} at Garden",
        f"#2 {ANA} at Pond",
        f"#3 {ANA} at Estate",
    ]
    assert lines(house.card())[0] == f"❌ {ANA} asked to join 3 rooms"


async def test_whoever_waits_at_several_rooms_is_asked_about_room_by_room(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for())
    house.world.room("!hidden:tulip.example", "Hidden", ALICE, BOT, levels=levels_for())
    await house.protect("!hidden:tulip.example", OTHERS)
    await knock(house, GARDEN, POND, "!hidden:tulip.example")
    house.tell(f"accept {ANA}")
    await house.later()

    assert house.spoken()[-1].split("\n") == [
        "Several requests fit. Please give the number:",
        f"#1 {ANA} at Garden",
        f"#2 {ANA} at Pond",
    ]


@pytest.mark.parametrize("answered", [(), ("reject 1", "accept 2"), ("reject 1", "accept 2", "ban 3")])
async def test_show_in_a_reply_shows_all_that_is_on_the_card(house: House, answered: tuple[str, ...]) -> None:
    await knock(house, *DOORS_OF_SPACE)
    for command in answered:
        house.tell(command)
        await house.later()
    house.tell("show", reply_to=house.card().event_id)
    await house.later()

    heads = [line for line in house.spoken()[-1].split("\n") if f" {ANA} at " in line]
    signs = ["❌", "✅", "⛔"][: len(answered)] + ["🚪"] * (3 - len(answered))
    rooms_ = ("Garden", "Pond", "Estate")
    assert heads == [
        f"{sign} #{n} {ANA} at {room}" for n, (sign, room) in enumerate(zip(signs, rooms_, strict=True), 1)
    ]


async def test_log_names_the_room_in_each_line_and_in_a_reply_is_about_all_that_is_on_the_card(house: House) -> None:
    await knock(house, *DOORS_OF_SPACE)
    await knock(house, SHED, user_id=BEA)
    house.tell("reject 2")
    await house.later()
    house.tell("log", reply_to=house.cards()[0].event_id)
    await house.later()
    of_card = [line.split(" · ")[1] for line in house.spoken()[-1].split("\n")]
    house.tell(f"log {ANA}")
    await house.later()
    of_ana = [line.split(" · ")[1] for line in house.spoken()[-1].split("\n")]

    at = [f"#{number} {ANA} at {room}" for number, room in enumerate(("Garden", "Pond", "Estate"), 1)]
    assert {*of_card} == {*of_ana} == {*at}
    assert of_card[:3] == at
    assert of_card.count(at[1]) > of_card.count(at[0])


async def test_list_names_the_room_in_each_line(house: House) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.tell("list")
    await house.later()

    listed = house.spoken()[-1].split("\n")
    assert [room in line for room, line in zip(("Garden", "Pond", "Estate"), listed, strict=True)] == [True] * 3


async def test_show_in_a_reply_to_a_card_of_very_many_shows_the_newest_and_counts_the_others(house: House) -> None:
    for number in range(MOST_SHOWN + 3):
        house.world.knock(GARDEN, f"@n{number}:tulip.example", '"' * 20_000)
    house.world.outbox.clear()
    await house.look_everywhere()
    await house.live()
    house.tell("show", reply_to=house.card().event_id)
    await house.later()

    said = house.spoken()[-1].split("\n")
    assert len([line for line in said if line.startswith("🚪")]) == MOST_SHOWN
    assert said[-1] == "… and 3 earlier ones. !kb show 12, with a number, shows one."


@pytest.mark.parametrize(
    ("words", "answered"),
    [
        *((words, [POND]) for words in ("ban Pond", 'accept "pond"', f"reject {POND}", f"ban {ANA} Pond")),
        *((words, [POND]) for words in ("ban 2", "accept #2", "reject 2 not now", "reject 2: not now")),
        *((words, [GARDEN, POND]) for words in ("accept 1, 2", "ban 1 2", "reject #1 #2", "reject 1-2 not now")),
        *((words, [GARDEN, POND, SPACE]) for words in ("ban", "reject 1-3", f"reject {ANA} not now")),
    ],
)
async def test_a_reply_to_the_card_with_numbers_answers_just_those(
    house: House, words: str, answered: list[str]
) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.tell(words, reply_to=house.card().event_id)
    await house.later()

    membership = {"accept": "invite", "reject": "leave", "ban": "ban"}[words.split(maxsplit=1)[0]]
    assert memberships(house) == [membership if room in answered else "knock" for room in DOORS_OF_SPACE]
    reasons = [house.world.rooms[room].members[ANA]["content"].get("reason") for room in answered]
    assert {*reasons} == {"not now" if "not" in words else None}
    assert ("You chose" in house.spoken()[-1]) if len(answered) > 1 else house.spoken() == []


@pytest.mark.parametrize("words", ["4", "#4", "1, 4", "1 4", "3-4 not now", "4 days", BEA, "Shed"])
async def test_a_reply_to_the_card_with_a_number_that_is_not_on_it_is_asked_about(house: House, words: str) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.tell(f"ban {words}", reply_to=house.card().event_id)
    await house.later()

    assert memberships(house) == ["knock"] * 3
    [said] = house.spoken()
    assert said.startswith(
        f"The message that you replied to is not about {words if words in (BEA, 'Shed') else '#4'}, so I did"
    )


ALIAS = "#pond:tulip.example"


@pytest.mark.parametrize(
    "words", ["Pond spam", "pond: spam", '"Pond" spam', f"{POND} spam", f"{ALIAS} spam", f"{ANA} Pond spam"]
)
async def test_a_reply_that_begins_with_a_room_of_the_card_is_about_that_room_and_the_rest_is_the_text(
    house: House, words: str
) -> None:
    house.world.aliases[ALIAS] = POND
    await knock(house, *DOORS_OF_SPACE)
    house.tell(f"ban {words}", reply_to=house.card().event_id)
    await house.later()

    assert memberships(house) == ["knock", "ban", "knock"]
    assert house.world.rooms[POND].members[ANA]["content"]["reason"] == "spam"


@pytest.mark.parametrize(
    "words",
    ["Pond, Garden", "Pond and Garden", "pond!", "Pondd", "the Pond", "Esate sorry", "Both!", "everywhere"],
)
async def test_a_reply_that_may_mean_a_room_or_a_text_is_asked_about(house: House, words: str) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.tell(f"ban {words}", reply_to=house.card().event_id)
    await house.later()

    assert memberships(house) == ["knock"] * 3
    [said] = house.spoken()
    assert f"I did nothing, because I do not know whether “{words}” means one room or all." in said
    assert said.split("\n")[1:] == [f"#{n} {ANA} at {at}" for n, at in enumerate(("Garden", "Pond", "Estate"), 1)]


@pytest.mark.parametrize("words", ["all", "All!", "all rooms"])
async def test_a_reply_that_says_only_all_answers_nothing_before_it_is_asked_about(house: House, words: str) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.tell(f"accept {words}", reply_to=house.card().event_id)
    await house.later()

    assert memberships(house) == ["knock"] * 3
    assert len(house.spoken()) == 1


@pytest.mark.parametrize("words", ["!other:tulip.example spam", "#nowhere:tulip.example spam", "#pon spam"])
async def test_a_reply_that_begins_with_a_room_unknown_here_does_nothing(house: House, words: str) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.tell(f"ban {words}", reply_to=house.card().event_id)
    await house.later()

    assert memberships(house) == ["knock"] * 3
    assert words.removesuffix(" spam") in house.spoken()[-1]


@pytest.mark.parametrize("words", ["Pond", "pond: spam", '"Pond" spam', f"{POND} spam", f"{ALIAS} spam"])
@pytest.mark.parametrize("doors", [(GARDEN, POND), DOORS_OF_SPACE])
async def test_a_room_that_was_managed_from_here_is_no_text_for_the_applicants_of_the_others(
    house: House, doors: tuple[str, ...], words: str
) -> None:
    house.world.aliases[ALIAS] = POND
    await knock(house, *doors)
    card = house.card().event_id
    house.tell(f"unprotect {POND}")
    await house.later()
    before = len(house.spoken())
    house.tell(f"ban {words}", reply_to=card)
    await house.later()

    assert memberships(house)[: len(doors)] == ["knock"] * len(doors)
    assert len(house.spoken()) == before + 1


@pytest.mark.parametrize("words", ["!other:tulip.example", f"{POND} spam"])
async def test_nor_is_another_room_on_a_card_of_one_room(house: House, words: str) -> None:
    await knock(house, GARDEN)
    house.tell(f"ban {words}", reply_to=house.card().event_id)
    await house.later()

    assert house.membership(ANA) == "knock"


async def test_once_it_is_protected_from_here_again_its_name_may_be_a_text(house: House) -> None:
    for command in ("unprotect", "protect"):
        house.tell(f"{command} {POND}")
        await house.later()
    await knock(house, GARDEN)
    house.tell("ban Pond spam", reply_to=house.card().event_id)
    await house.later()

    assert house.membership(ANA) == "ban"


@pytest.mark.parametrize("words", ["both are full", "spam in Pond", "we talked about the pond"])
async def test_a_reply_with_a_room_further_on_in_its_text_answers_for_all(house: House, words: str) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.tell(f"reject {words}", reply_to=house.card().event_id)
    await house.later()

    assert memberships(house) == ["leave"] * 3


async def test_a_command_with_a_number_answers_one_and_the_others_wait(house: House) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.tell("accept 2")
    await house.later()

    card = house.card()
    assert memberships(house) == ["knock", "invite", "knock"]
    assert {*card.offers} == {"✅", "❌", "⛔"}
    assert lines(card)[0] == "🚪 @ana:tulip.example asks to join 3 rooms, 2 waiting"
    assert "✅ #2 Pond · Accepted by @alice:tulip.example. Not joined yet." in lines(card)

    house.click("❌")
    await house.later()
    assert memberships(house) == ["leave", "invite", "leave"]
    assert house.spoken() == []


async def test_once_all_but_one_are_settled_the_card_offers_what_a_card_of_one_does(house: House) -> None:
    await knock(house, GARDEN, POND)
    house.tell("accept 1")
    await house.later()

    assert lines(house.card())[-1] == "✅ accept, ❌ reject, ⛔ ban · or !kb accept 2"


async def test_the_clicker_answers_where_they_may_and_is_told_once_where_not(house: House) -> None:
    becomes_moderator(house, BOB, GARDEN, POND, level=100)
    house.world.rooms[POND].levels["users"][BOB] = 10
    await knock(house, *DOORS_OF_SPACE)
    house.world.outbox.clear()
    house.click("✅", by=BOB)
    await house.later()

    assert memberships(house) == ["invite", "knock", "knock"]
    [said] = house.spoken()
    told = said.split("\n")
    assert len(told) == 2
    assert told[0].startswith("#2 Pond: ")
    assert "power level 10 is too low to invite; level 50 is needed" in told[0]
    assert told[1].startswith("#3 Estate: ")
    assert {*house.card().offers} == {"✅", "❌", "⛔"}


async def test_who_may_at_none_of_the_doors_is_told_once(house: House) -> None:
    becomes_moderator(house, BOB)
    await knock(house, GARDEN, POND)
    for _ in range(3):
        house.click("✅", by=BOB)
        await house.later()

    assert memberships(house, GARDEN, POND) == ["knock", "knock"]
    assert len(house.spoken()) == 1


async def test_where_the_bot_lacks_a_power_it_says_so_and_answers_the_others(house: House) -> None:
    house.world.set_levels(POND, invite=70)
    await knock(house, GARDEN, POND)

    assert [line for line in lines(house.card()) if line.startswith("⚠️ I cannot accept this") and "in Pond" in line]
    assert {*house.card().offers} == {"✅", "❌", "⛔"}
    house.click("✅")
    await house.later()
    assert memberships(house, GARDEN, POND) == ["invite", "knock"]
    assert "Pond" in house.spoken()[-1]


async def test_the_first_answer_wins_at_each_door(house: House) -> None:
    becomes_moderator(house, BOB, *DOORS_OF_SPACE)
    await knock(house, GARDEN, POND)
    house.click("✅")
    house.click("✅", by=BOB)
    await house.later()

    assert [request.by for room in (GARDEN, POND) for request in await house.requests(ANA, room)] == [ALICE, ALICE]
    told = house.spoken()[-1].split("\n")
    assert len(house.spoken()) == 1
    assert "already answered" in told[0] or "already closed" in told[0]


async def test_a_click_after_all_doors_are_answered_is_told_of_each_of_them(house: House) -> None:
    becomes_moderator(house, BOB, GARDEN, POND)
    await knock(house, GARDEN, POND)
    house.click("✅")
    await house.later(3)
    before = len(house.spoken())
    house.click("⛔", by=BOB)
    await house.later(3)
    [told] = house.spoken()[before:]
    assert [told.count(f"#{number} is already closed") for number in (1, 2)] == [1, 1], told
    assert memberships(house, GARDEN, POND) == ["invite", "invite"]


async def test_a_more_severe_click_overrides_at_all_doors_what_is_not_carried_out_yet(house: House) -> None:
    await knock(house, GARDEN, POND)
    house.click("✅")
    await house.hear()
    house.click("⛔")
    await house.hear()
    await house.later()

    assert memberships(house, GARDEN, POND) == ["ban", "ban"]


# --- only what was shown --------------------------------------------------------------------------------------


@pytest.mark.parametrize("emoji", ["✅", "⛔"])
async def test_a_click_does_not_count_for_a_door_that_the_card_did_not_show_yet(house: House, emoji: str) -> None:
    await knock(house, GARDEN)
    card = house.card()
    house.world.knock(POND, ANA, "and here")
    await house.hear()  # it is on the card now, and the card is not edited yet
    house.click(emoji, card=card)
    await house.live()
    await house.later()

    assert memberships(house, GARDEN, POND) == ["invite" if emoji == "✅" else "ban", "knock"]
    [said] = house.spoken()
    assert said.startswith("#2 Pond: #2 was not on the card yet when you answered.")
    assert {*house.card().offers} == {"✅", "❌", "⛔"}
    house.click("✅")
    await house.later()
    assert memberships(house, POND) == ["invite"]


@pytest.mark.parametrize("emoji", ["✅", "❌"])
async def test_a_click_counts_for_the_doors_that_were_shown_while_the_card_is_edited_for_another(
    house: House, emoji: str
) -> None:
    await knock(house, GARDEN, POND)
    house.world.knock(ROSE, ANA, "and here")
    await house.hear()
    house.click(emoji)
    await house.work()  # the click is on its way while the card is edited
    await house.live()
    await house.later()

    answered = "invite" if emoji == "✅" else "leave"
    assert memberships(house, GARDEN, POND, ROSE) == [answered, answered, "knock"]
    [said] = house.spoken()
    assert said.startswith("#3 Rose: #3 was not on the card yet when you answered.")


async def test_an_accept_holds_only_for_the_knock_that_was_shown_at_each_door(house: House) -> None:
    await knock(house, GARDEN, POND)
    card = house.card()
    house.clock.go_on(1)
    house.world.knock(POND, ANA, "another reason")
    await house.hear()
    house.click("✅", card=card)
    await house.later()

    assert memberships(house, GARDEN, POND) == ["invite", "knock"]
    assert "knocked again a moment ago" in house.spoken()[-1]


async def test_a_card_that_is_not_posted_yet_shows_all_of_them_when_it_is(house: House) -> None:
    for room_id in (GARDEN, POND):
        house.world.knock(room_id, ANA, "hello")
    await house.live()
    house.click("✅")
    await house.later()

    assert len(house.cards()) == 1
    assert memberships(house, GARDEN, POND) == ["invite", "invite"]


# --- taken back, changed, gone --------------------------------------------------------------------------------


async def test_a_click_that_is_taken_back_takes_back_all_its_answers(house: House) -> None:
    await knock(house, GARDEN, POND)
    click = house.click("✅")
    await house.hear()
    for room_id in (GARDEN, POND):
        house.world.set_levels(room_id, invite=60)
    await house.later()
    assert house.card().text.count("I cannot send the invite yet") == 2
    house.world.redact(MODS, ALICE, click)
    await house.later()

    assert [(await house.request(ANA, room)).awaits_moderators for room in (GARDEN, POND)] == [True, True]
    for room_id in (GARDEN, POND):
        house.world.set_levels(room_id, invite=50)
    await house.later()
    assert memberships(house, GARDEN, POND) == ["knock", "knock"]
    assert {*house.card().offers} == {"✅", "❌", "⛔"}


async def test_whoever_else_takes_a_click_back_is_told_of_once_for_all_doors(house: House) -> None:
    becomes_moderator(house, BOB, GARDEN, POND)
    await knock(house, GARDEN, POND)
    click = house.click("✅", by=BOB)
    await house.hear()
    for room_id in (GARDEN, POND):
        house.world.set_levels(room_id, invite=60, users={ALICE: 100, BOB: 100, BOT: 50})
    await house.later()
    before = len(house.spoken())
    house.world.redact(MODS, ALICE, click)
    await house.later()

    [said] = house.spoken()[before:]
    assert [line.split(" ")[0] for line in said.split("\n")] == ["#1", "#2"]


async def test_whoever_withdraws_at_one_door_still_waits_at_the_other(house: House) -> None:
    await knock(house, GARDEN, POND)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.later()

    assert "↩️ #1 Garden · Withdrawn by the applicant." in lines(house.card())
    house.click("✅")
    await house.later()
    assert memberships(house, GARDEN, POND) == ["leave", "invite"]


async def test_a_room_that_is_protected_no_longer_is_said_to_be_and_the_others_can_be_answered(house: House) -> None:
    await knock(house, GARDEN, POND)
    house.tell("unprotect Garden")
    await house.later()

    assert "This room is no longer protected. Please answer it yourself, in your client." in house.card().text
    assert {*house.card().offers} == {"✅", "❌", "⛔"}
    house.click("✅")
    await house.later()
    assert memberships(house, GARDEN, POND) == ["knock", "invite"]


async def test_a_room_that_moves_to_another_management_room_takes_its_request_along(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for())
    await knock(house, GARDEN, POND)
    house.world.say(OTHERS, ALICE, f"!kb protect {POND}")
    await house.later()

    assert "Pond" not in house.card().text
    assert "Pond" in house.card(OTHERS).text
    house.click("✅")
    await house.later()
    assert memberships(house, GARDEN, POND) == ["invite", "knock"]


async def settled_estate(house: House) -> None:
    """A space that is protected with its rooms from here; its lawn is managed from another room."""
    house.world.room(ESTATE, "Manor", ALICE, BOT, levels=levels_for(), is_space=True)
    house.world.room(LAWN, "Lawn", ALICE, BOT, levels=levels_for())
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.rooms[ESTATE].children = {LAWN: {"via": [HOME]}}
    house.world.say(OTHERS, ALICE, f"!kb protect {LAWN}")
    await house.later()
    house.tell(f"protect {ESTATE} with rooms")
    await house.later()


async def test_a_room_that_comes_to_this_management_room_brings_its_request_to_the_card_of_its_applicant(
    house: House,
) -> None:
    await settled_estate(house)
    await knock(house, ESTATE, LAWN)
    await knock(house, LAWN, user_id=BEA)
    mine, there = house.card(), house.cards(OTHERS)
    assert (len(mine.blocks), len(there)) == (1, 2)
    house.tell(f"protect {LAWN}")
    await house.later()

    assert lines(house.cards()[0])[0] == f"🚪 {ANA} asks to join 2 rooms, 2 waiting"
    assert [[block["room_id"] for block in card.blocks] for card in house.cards()] == [[ESTATE, LAWN], [LAWN]]
    assert not any(card.offers for card in house.cards(OTHERS))
    house.click("✅", card=house.cards()[0])
    await house.later()
    assert memberships(house, ESTATE, LAWN) == ["invite", "invite"]
    assert memberships(house, LAWN, user_id=BEA) == ["knock"]


@pytest.mark.parametrize("killed", [False, True])
async def test_a_room_that_goes_and_comes_back_leaves_the_card_and_joins_it_again(house: House, killed: bool) -> None:
    await settled_estate(house)
    house.tell(f"protect {LAWN}")
    await house.later()
    await knock(house, ESTATE, LAWN)
    assert len(house.card().blocks) == 2
    for room_id in (OTHERS, MODS):
        house.world.say(room_id, ALICE, f"!kb protect {LAWN}")
        await house.hear()
        if killed:
            await house.die()
            await house.start_again()
        await house.later()
        assert ("Lawn" in house.cards()[0].text) == (room_id == MODS)

    assert len(house.cards()) == 1
    house.click("❌")
    await house.later()
    assert memberships(house, ESTATE, LAWN) == ["leave", "leave"]


async def test_a_card_whose_request_moves_away_while_it_is_being_posted_says_so(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    as_ever = hooks(house.context).run

    async def posting(claimed: Claimed[Any]) -> Outcome:
        came = await as_ever(claimed)
        if claimed.job.room_id == MODS:
            house.world.say(OTHERS, ALICE, f"!kb protect {POND}")
            await house.hear()
        return came

    house.actions[Act.POST_PROMPT] = posting
    house.world.knock(POND, ANA)
    await house.later()
    await house.later()

    [posted] = [content for content in house.said() if content.get(REQUEST_KEY)]
    edits = [e["content"] for e in house.world.rooms[MODS].said if "m.new_content" in e["content"]]
    assert "now managed from another room" in edits[-1]["m.new_content"]["body"]
    assert posted[REQUEST_KEY]["room_id"] == house.card(OTHERS).block["room_id"] == POND
    clicks = [e["content"].get("m.relates_to", {}).get("rel_type") for e in house.world.rooms[MODS].said]
    assert "m.annotation" not in clicks, "it offers nothing"


async def test_a_redacted_card_is_posted_again_with_all_that_waits(house: House) -> None:
    await knock(house, GARDEN, POND)
    house.world.redact(MODS, ALICE, house.card().event_id)
    await house.later()

    assert [block["room_id"] for block in house.card().blocks] == [GARDEN, POND]
    house.click("❌")
    await house.later()
    assert memberships(house, GARDEN, POND) == ["leave", "leave"]


# --- killed, and missed ---------------------------------------------------------------------------------------


async def test_killed_between_the_acts_of_one_click_all_are_done_once(house: House) -> None:
    await knock(house, *DOORS_OF_SPACE)
    house.click("✅")
    await house.hear()
    hangs = asyncio.Event()
    house.world.play("invite", hang=hangs)
    await until_called(house, "invite")
    await house.die()
    house.world.behave()
    await house.start_again()
    await house.later()

    assert memberships(house) == ["invite"] * 3
    assert await states(house) == [State.ACCEPTED] * 3
    assert len(house.cards()) == 1


async def test_a_click_that_the_homeserver_hands_over_twice_answers_once(house: House) -> None:
    await knock(house, GARDEN, POND)
    house.click("✅")
    again = list(house.world.outbox)
    await house.later()
    house.world.outbox.extend(again)
    await house.later()

    assert len(house.world.asked("invite")) == 2
    assert house.spoken() == []


async def test_a_click_that_no_event_told_of_is_found_by_a_look_at_any_of_the_rooms(house: House) -> None:
    await knock(house, GARDEN, POND)
    house.click("❌")
    house.world.outbox.clear()
    house.context.look_at(POND)
    await house.later()

    assert memberships(house, GARDEN) == ["leave"]


async def test_a_look_at_one_room_leaves_what_the_card_offers_for_the_others(house: House) -> None:
    await knock(house, GARDEN, POND)
    house.world.set_levels(POND, invite=70, kick=70, ban=70)
    await house.later()

    assert {*house.card().offers} == {"✅", "❌", "⛔"}
    assert house.world.asked("redact") == []
    house.world.set_levels(GARDEN, invite=70, kick=70, ban=70)
    await house.later()
    assert house.card().offers == ()
    house.world.set_levels(POND, invite=50, kick=50, ban=50)
    await house.later()
    assert {*house.card().offers} == {"✅", "❌", "⛔"}


async def test_a_crowd_at_one_room_does_not_come_onto_the_card_of_one_applicant(house: House) -> None:
    await knock(house, GARDEN, POND)
    for number in range(14):
        house.world.knock(GARDEN, f"@user{number}:tulip.example", "hello")
    await house.later()

    own = next(card for card in house.cards() if card.block["user_id"] == ANA)
    assert {block["user_id"] for block in own.blocks} == {ANA}
    assert {*own.offers} == {"✅", "❌", "⛔"}
    assert any(len(card.blocks) > 1 for card in house.cards() if card is not own)


# --- votes --------------------------------------------------------------------------------------------------------


async def test_one_click_votes_at_each_room_where_the_clicker_may(house: House) -> None:
    becomes_moderator(house, BOB, GARDEN, POND)
    for room_id in DOORS_OF_SPACE:
        await house.set_policy("votes: {accept: 2}\n", room_id)
    await knock(house, *DOORS_OF_SPACE)
    house.click("✅", by=BOB)
    await house.later()
    assert memberships(house) == ["knock"] * 3
    assert len([line for line in lines(house.card()) if "Votes: ✅ 1 of 2." in line]) == 2

    house.click("✅")
    await house.later()
    assert memberships(house) == ["invite", "invite", "knock"]
