"""What the moderators see: one card for one request, edited as seldom as can be, and one line for what a rule did."""

from __future__ import annotations

import asyncio

import pytest

from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.flow.sharing import CROWDED
from tests.flow.house import GARDEN, MODS, House, until_called, working_until
from tests.flow.world import ALICE, ANA, BOT

BY_REASON = """
rules:
- {name: friends, when: {reason_matches: friend}, then: accept}
- {name: strangers, when: {reason_matches: stranger}, then: reject}
- {name: trolls, when: {reason_matches: troll}, then: ban}
"""


async def knocked(house: House, reason: str = "hello", user_id: str = ANA) -> None:
    house.world.knock(GARDEN, user_id, reason)
    await house.live()


# --- lines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "state", "rule"),
    [("friend", "accepted", "friends"), ("stranger", "rejected", "strangers"), ("troll", "banned", "trolls")],
)
async def test_what_a_rule_did_is_one_quiet_line_with_the_same_block_as_a_card(
    house: House, reason: str, state: str, rule: str
) -> None:
    await house.set_policy(BY_REASON)
    await knocked(house, reason)
    await house.later()

    [line] = house.said()
    assert line["msgtype"] == "m.notice"
    assert ANA in line["body"]
    assert rule in line["body"]
    block = line["org.knockbot.request"]
    assert (block["state"], block["rule"], block["by"], block["number"]) == (state, rule, BOT, 1)
    assert house.cards() == []


async def test_a_line_is_said_once_and_not_again_when_they_join(house: House) -> None:
    await house.set_policy(BY_REASON)
    await knocked(house, "friend")
    house.world.change(GARDEN, ANA, ANA, "join")
    await house.later()
    await house.look_everywhere()
    await house.later()

    assert len(house.said()) == 1
    assert (await house.request(ANA)).state == State.JOINED


async def test_a_room_may_ask_for_no_lines(house: House) -> None:
    await house.set_policy("announce: none\notherwise: accept")
    await knocked(house)
    await house.later()

    assert house.membership(ANA) == "invite"
    assert house.said() == []


async def test_a_room_without_lines_still_gets_cards(house: House) -> None:
    await house.set_policy("announce: none")
    await knocked(house)
    house.click("❌")
    await house.later()

    assert house.card().state == "rejected"
    assert house.spoken() == []


async def test_what_a_rule_would_have_done_is_no_news_once_they_have_withdrawn(house: House) -> None:
    await house.set_policy(BY_REASON)
    house.world.knock(GARDEN, ANA, "troll")
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()

    assert house.said() == []
    assert house.membership(ANA) == "leave"


# --- cards --------------------------------------------------------------------------------------------------------


async def test_a_forwarded_request_is_one_card_to_be_heard_with_the_answers_on_it(house: House) -> None:
    await knocked(house)

    [said] = house.said()
    assert said["msgtype"] == "m.text"
    assert house.card().offers == ("✅", "❌", "⛔")
    assert house.card().block == {
        "number": 1,
        "kind": "knock",
        "room_id": GARDEN,
        "user_id": ANA,
        "event_id": house.world.rooms[GARDEN].event_of(ANA),
        "state": "pending",
        "rule": None,
        "by": None,
    }


@pytest.mark.parametrize("emoji", ["✅", "❌", "⛔"])
async def test_a_settled_card_loses_the_bots_reactions_and_keeps_those_of_moderators(house: House, emoji: str) -> None:
    await knocked(house)
    house.click(emoji)
    await house.later()

    assert house.card().offers == ()
    kept = [e for e in house.world.rooms[MODS].said if e["type"] == "m.reaction" and e["content"]]
    assert [(e["sender"], e["content"]["m.relates_to"]["key"]) for e in kept] == [(ALICE, emoji)]


async def test_so_does_one_that_was_settled_in_another_client_and_one_that_was_taken_back(house: House) -> None:
    await knocked(house)
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.later()
    await knocked(house)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.later()

    assert [(card.state, card.offers) for card in house.cards()] == [("rejected", ()), ("withdrawn", ())]


async def test_it_loses_them_when_the_process_died_before(house: House) -> None:
    await knocked(house)
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.hear()
    await house.die()
    await house.start_again()
    await house.later()

    assert (house.card().state, house.card().offers) == ("rejected", ())


async def test_it_loses_a_reaction_of_which_only_the_homeserver_knows(house: House) -> None:
    """The process died when it had reacted, and the homeserver has forgotten the transaction meanwhile."""
    await knocked(house)
    async with house.db.tx() as tx:
        await tx.execute("UPDATE jobs SET state = 'due', result = NULL WHERE act = 'react'")
    house.world.txn_ids.clear()
    await house.later(1)
    house.click("❌")
    await house.later()

    assert (house.card().state, house.card().offers) == ("rejected", ())


async def test_a_card_whose_answer_is_on_its_way_can_still_be_clicked(house: House) -> None:
    await knocked(house)
    house.world.play("invite", Later(foreign("their server is silent"), retry_after=60))
    house.click("✅")
    await house.later(2)

    assert (house.card().state, house.card().offers) == ("pending", ("✅", "❌", "⛔"))


async def test_an_answer_that_is_on_offer_again_is_put_there_again(house: House) -> None:
    await knocked(house)
    house.click("❌")
    await house.later()
    await knocked(house, "once more")

    assert [card.offers for card in house.cards()] == [(), ("✅", "❌", "⛔")]


async def test_a_card_says_what_came_of_the_last_knock(house: House) -> None:
    await knocked(house)
    house.click("❌")
    await house.later()
    house.clock.go_on(3 * 24 * 3600)
    await knocked(house, "once more")

    first, second = house.cards()
    assert "Before:" not in first.text
    assert f"Before: rejected by {ALICE}, 3 days earlier (#1)." in second.text.split("\n")


async def test_a_line_of_a_rule_stays_true_when_they_have_joined(house: House) -> None:
    await house.set_policy(BY_REASON)
    await knocked(house, "friend")

    [line] = house.said()
    assert line["body"].endswith(": Accepted by rule “friends”.")


async def test_reasons_that_the_policy_hides_are_not_in_what_is_pushed_but_in_show(house: House) -> None:
    await house.set_policy("reasons: hidden")
    await knocked(house, "a very personal story")

    assert "personal" not in house.card().text
    assert "(hidden; !kb show 1 shows it)" in house.card().text
    for command, told in (("!kb list", False), ("!kb show 1", True)):
        house.world.say(MODS, ALICE, command)
        await house.live()
        assert ("a very personal story" in house.spoken()[-1]) is told


async def test_an_answer_that_is_carried_out_at_once_edits_the_card_once(house: House) -> None:
    await knocked(house)
    house.click("✅")
    await house.later()

    assert (house.card().state, house.card().edits) == ("accepted", 1)


async def test_an_answer_that_takes_its_time_is_shown_as_under_way(house: House) -> None:
    await knocked(house)
    house.world.play("invite", Later(foreign("their server is silent"), retry_after=60))
    house.click("✅")
    await house.live()
    assert house.card().edits == 0
    await house.later(2)
    assert (house.card().state, house.card().edits) == ("pending", 1)
    assert ALICE in house.card().text
    await house.later(60)

    assert (house.card().state, house.card().edits) == ("accepted", 2)


async def test_changes_in_quick_succession_are_one_edit(house: House) -> None:
    await knocked(house)
    for number in range(8):
        house.world.knock(GARDEN, ANA, f"reason {number}")
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.live()

    assert (house.card().state, house.card().edits) == ("rejected", 1)


async def test_a_card_that_shows_what_is_true_already_is_not_edited(house: House) -> None:
    await knocked(house)
    house.world.change(GARDEN, ALICE, BOT, "leave")
    await house.live()
    house.world.change(GARDEN, ALICE, BOT, "invite")
    await house.live()

    assert house.membership(BOT) == "join"
    assert (house.card().state, house.card().edits) == ("pending", 0)
    house.click("✅")
    await house.live()
    assert house.membership(ANA) == "invite"


async def test_an_edit_that_was_redacted_is_made_again(house: House) -> None:
    await knocked(house)
    house.world.knock(GARDEN, ANA, "another reason")
    await house.later()
    [*_, edit] = [event for event in house.world.rooms[MODS].said if "m.new_content" in event["content"]]
    house.world.redact(MODS, ALICE, edit["event_id"])
    await house.live()

    assert "another reason" in house.card().text


async def test_an_edit_shows_what_is_true_when_it_is_made(house: House) -> None:
    """What changes while it is under way is shown by the next one."""
    await knocked(house)
    hold, sent = asyncio.Event(), len(house.world.asked("send"))
    house.world.play("send", hang=hold)
    house.world.knock(GARDEN, ANA, "one")
    await house.hear()
    await working_until(house, lambda: len(house.world.asked("send")) > sent, "the edit is under way")
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.hear()
    hold.set()
    await house.live()
    await house.later()

    assert house.card().state == "rejected"


async def test_a_request_that_is_settled_before_anybody_saw_it_gets_no_card(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()
    await house.look_everywhere()
    await house.later()

    assert house.said() == []
    assert (await house.request(ANA)).state == State.WITHDRAWN


async def test_what_happens_while_the_card_is_on_its_way_is_shown_by_an_edit(house: House) -> None:
    house.world.play("send", meanwhile=lambda: house.world.change(GARDEN, ANA, ANA, "leave"))
    await knocked(house)
    await house.later()

    assert house.card().state == "withdrawn"


async def test_a_knock_that_comes_while_the_card_is_on_its_way_is_shown_by_an_edit(house: House) -> None:
    hold = asyncio.Event()
    house.world.play("send", hang=hold)
    house.world.knock(GARDEN, ANA, "one")
    await house.hear()
    await until_called(house, "send")
    newest = house.world.knock(GARDEN, ANA, "two")
    await house.hear()
    hold.set()
    await house.live()
    await house.later()

    assert house.card().block["event_id"] == newest


async def test_a_rule_that_answers_a_later_knock_is_shown_on_the_card_and_by_no_line(house: House) -> None:
    await house.set_policy(BY_REASON)
    await knocked(house)
    await knocked(house, "friend")
    await house.later()

    assert (house.card().state, house.card().block["rule"]) == ("accepted", "friends")
    assert house.spoken() == []


async def test_whom_a_card_calls_is_called_once(house: House) -> None:
    await house.set_policy(f'call: ["{ALICE}"]')
    await knocked(house)
    house.click("❌")
    await house.later()

    messages = [e["content"] for e in house.world.rooms[MODS].said if e["type"] == "m.room.message"]
    assert [content["m.mentions"] for content in messages] == [{"user_ids": [ALICE]}, {}]


# --- crowds -------------------------------------------------------------------------------------------------------


async def at_it_again(house: House, times: int) -> None:
    """Somebody knocks and withdraws, again and again."""
    for _ in range(times):
        await knocked(house)
        house.world.change(GARDEN, ANA, ANA, "leave")
        await house.live()
    await house.later()


async def test_more_than_five_requests_of_one_applicant_within_an_hour_share_a_card(house: House) -> None:
    await at_it_again(house, CROWDED)
    assert len(house.cards()) == CROWDED
    await at_it_again(house, 3)

    assert len(house.cards()) == CROWDED
    assert [block["number"] for block in house.cards()[-1].blocks] == [5, 6, 7, 8]


async def test_an_hour_later_they_get_a_card_of_their_own_again(house: House) -> None:
    await at_it_again(house, CROWDED + 1)
    house.clock.go_on(3600)
    await at_it_again(house, 1)

    assert len(house.cards()) == CROWDED + 1


async def test_another_applicant_does_not_share_that_card(house: House) -> None:
    await at_it_again(house, CROWDED + 1)
    await knocked(house, user_id="@bob:tulip.example")

    assert len(house.cards()) == CROWDED + 1
    assert house.cards()[-1].block["user_id"] == "@bob:tulip.example"


async def test_a_crowd_that_was_never_shown_gets_a_card_when_somebody_stays(house: House) -> None:
    """Too quick for any card to be posted: the one who stays must not share a card that is not there."""
    for _ in range(CROWDED + 3):
        house.world.knock(GARDEN, ANA)
        house.world.change(GARDEN, ANA, ANA, "leave")
    house.world.knock(GARDEN, ANA, "here I am")
    await house.live()

    assert house.card().state == "pending"
    assert (await house.requests(ANA))[-1].awaits_moderators


# --- moving -------------------------------------------------------------------------------------------------------

NEW_MODS = "!newmods:tulip.example"


async def test_a_room_that_moves_takes_its_pending_requests_along_under_new_numbers(house: House) -> None:
    house.world.room(NEW_MODS, "New mods", ALICE, BOT, levels={"users": {ALICE: 100}}, join_rule="invite")
    await knocked(house)
    await knocked(house, user_id="@bob:tulip.example")
    house.click("❌", card=house.cards()[1])
    await house.later()
    house.world.say(NEW_MODS, ALICE, f"!kb protect {GARDEN}")
    await house.later()

    here = house.card(NEW_MODS)
    assert (here.block["user_id"], here.block["number"], here.state) == (ANA, 1, "pending")
    old = house.cards()[0]
    assert old.block == {}
    house.click("✅", card=old)
    await house.later()
    assert house.membership(ANA) == "knock"
    house.world.react(NEW_MODS, ALICE, here.event_id, "✅")
    await house.later()
    assert house.membership(ANA) == "invite"


async def test_a_room_that_is_protected_no_longer_lets_its_cards_rest(house: House) -> None:
    await knocked(house)
    house.tell(f"unprotect {GARDEN}")
    await house.later()
    house.click("✅")
    house.world.knock(GARDEN, "@bob:tulip.example")
    await house.later()

    assert house.membership(ANA) == "knock"
    assert len(house.cards()) == 1
    assert await house.requests("@bob:tulip.example") == []


async def under_way(house: House, emoji: str, call: str, error: BaseException | None = None) -> asyncio.Event:
    """A moderator clicks, and the homeserver is about to do it, or to fail; returns what it waits for."""
    hang = asyncio.Event()
    house.world.play(call, error, hang=hang)
    house.click(emoji)
    await house.hear()
    await until_called(house, call)
    return hang


@pytest.mark.parametrize(
    ("emoji", "call", "state", "said"),
    [
        ("✅", "invite", State.ACCEPTED, "Accepted by"),
        ("❌", "kick", State.REJECTED, "Rejected by"),
        ("⛔", "ban", State.BANNED, "Banned by"),
    ],
)
async def test_an_answer_that_is_under_way_when_the_room_is_given_up_stays_whose_it_is(
    house: House, emoji: str, call: str, state: State, said: str
) -> None:
    await knocked(house)
    hang = await under_way(house, emoji, call)
    house.tell(f"unprotect {GARDEN}")
    await house.hear()
    hang.set()
    await house.live()

    request = await house.request(ANA)
    assert (request.state, request.by, request.answer and request.answer.by) == (state, ALICE, ALICE)
    assert (await house.history(request))[-1] == (ALICE, state)
    assert f"{said} {ALICE}" in house.card().text
    assert house.card().block["by"] == ALICE


async def test_an_answer_that_the_end_of_the_protection_overtook_is_named_on_the_card_and_not_given(
    house: House,
) -> None:
    await knocked(house)
    house.world.play("invite", Later(foreign("silent"), retry_after=5))
    house.click("✅")
    await house.live()
    house.tell(f"unprotect {GARDEN}")
    await house.later(60)

    assert house.membership(ANA) == "knock"
    assert f"{ALICE} chose accept" in house.card().text
    house.tell(f"protect {GARDEN}")
    await house.later(60)
    assert (await house.request(ANA)).awaits_moderators
    assert (house.membership(ANA), house.card().state) == ("knock", "pending")


async def test_an_act_that_has_to_be_tried_again_is_not_once_the_room_is_given_up(house: House) -> None:
    await knocked(house)
    hang = await under_way(house, "✅", "invite", Later(foreign("silent"), retry_after=5))
    house.tell(f"unprotect {GARDEN}")
    await house.hear()
    hang.set()
    await house.later(60)

    assert house.membership(ANA) == "knock"


async def test_what_rested_is_gone_on_with_when_the_room_is_protected_again(house: House) -> None:
    await knocked(house)
    house.tell(f"unprotect {GARDEN}")
    await house.later()
    house.world.knock(GARDEN, "@bob:tulip.example")
    house.tell(f"protect {GARDEN}")
    await house.later()

    assert sorted(card.block["user_id"] for card in house.cards()) == [ANA, "@bob:tulip.example"]
    house.clock.go_on(1)
    house.click("✅", card=house.cards()[0])
    await house.later()
    assert house.membership(ANA) == "invite"


async def test_what_a_rule_had_answered_is_the_moderators_when_the_room_is_protected_again(house: House) -> None:
    """Its act was dropped with the protection; without a card nobody would ever answer it."""
    await house.set_policy(BY_REASON)
    house.world.play("kick", Later(foreign("silent"), retry_after=5))
    await knocked(house, "stranger")
    house.tell(f"unprotect {GARDEN}")
    await house.later()
    assert house.membership(ANA) == "knock"
    house.tell(f"protect {GARDEN}")
    await house.later(60)

    assert (await house.request(ANA)).awaits_moderators
    assert house.card().state == "pending"
