"""Votes: an answer takes several moderators; each has one vote, which they can change and take back."""

from __future__ import annotations

import pytest

from knockbot.store import jobs
from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE, ANA, BOT

BOB, CAROL, DAVE = "@bob:tulip.example", "@carol:tulip.example", "@dave:tulip.example"
EVERYBODY = (ALICE, BOB, CAROL, DAVE)
SIGN_OF = {"accept": "✅", "reject": "❌", "ban": "⛔"}
OUTCOMES = {"accept": "invite", "reject": "leave", "ban": "ban"}
POLICY = "votes: {accept: 2, reject: 2, ban: 2}\n"


@pytest.fixture
async def house(house: House) -> House:
    """With four moderators, and Ana at the door."""
    for who in (BOB, CAROL, DAVE):
        for room_id in (GARDEN, MODS):
            house.world.change(room_id, ALICE, who, "invite")
            house.world.change(room_id, who, who, "join")
        house.world.rooms[GARDEN].levels["users"][who] = 50
    await house.protect(policy=POLICY)
    house.world.knock(GARDEN, ANA, "hello")
    await house.later()
    return house


async def tell(house: House, command: str, *, by: str = ALICE) -> str:
    """A command, and what the bot replies."""
    before = len(house.spoken())
    house.tell(command, by=by)
    await house.later()
    return "\n".join(house.spoken()[before:])


async def set_policy(house: House, policy: str) -> None:
    house.tell(f"policy set {GARDEN}\n{policy}")
    await house.later()
    await house.ring()
    await house.later()


async def click(house: House, emoji: str, *by: str) -> str:
    """The same click by several; returns the last."""
    clicked = [house.click(emoji, by=who) for who in by]
    await house.later()
    return clicked[-1]


def demote(house: House, who: str) -> None:
    house.world.rooms[GARDEN].levels["users"].pop(who)
    house.world.set_levels(GARDEN)


def lines(house: House, sign: str = "✅") -> list[str]:
    """What the card says of the votes for an answer."""
    found = [line for line in house.card().text.split("\n") if line.startswith((f"{sign} ", f"New knock: {sign}"))]
    return [line for line in found if "!kb" not in line]


def tally(house: House, sign: str = "✅") -> str:
    return next((line for line in lines(house, sign) if " of " in line), "")


# --- reached ------------------------------------------------------------------------------------------------------


async def test_a_card_says_how_many_votes_its_answers_take(house: House) -> None:
    assert "Votes needed: ✅ 0 of 2, ❌ 0 of 2, ⛔ 0 of 2." in house.card().text.split("\n")


@pytest.mark.parametrize("verdict", ["accept", "reject", "ban"])
async def test_one_vote_changes_nothing_but_the_card_and_the_second_one_answers(house: House, verdict: str) -> None:
    sign = SIGN_OF[verdict]
    await click(house, sign, ALICE)
    assert (house.membership(ANA), tally(house, sign)) == ("knock", f"{sign} 1 of 2: {ALICE}")

    await click(house, sign, BOB)
    assert house.membership(ANA) == OUTCOMES[verdict]
    answer = (await house.request(ANA)).answer
    assert answer is not None
    assert answer.by == BOB


async def test_a_command_votes_as_a_click_does_and_says_how_many_votes_there_are(house: House) -> None:
    assert await tell(house, "accept 1") == "Your vote for #1 is noted: ✅ 1 of 2."
    await click(house, "✅", BOB)

    assert house.membership(ANA) == "invite"


async def test_nobody_has_two_votes_for_one_answer(house: House) -> None:
    await click(house, "✅", ALICE)
    assert await tell(house, "accept 1") == "Your vote for #1 is noted: ✅ 1 of 2."

    assert (house.membership(ANA), tally(house)) == ("knock", f"✅ 1 of 2: {ALICE}")


async def test_who_votes_for_another_answer_has_changed_their_mind(house: House) -> None:
    await click(house, "✅", ALICE)
    await click(house, "❌", ALICE)
    assert (tally(house), tally(house, "❌")) == ("", f"❌ 1 of 2: {ALICE}")

    await click(house, "✅", BOB)
    assert house.membership(ANA) == "knock"
    await click(house, "❌", CAROL)
    assert house.membership(ANA) == "leave"


async def test_what_takes_one_vote_is_answered_at_once(house: House) -> None:
    await house.set_policy("votes: {accept: 2}\n")
    await click(house, "❌", ALICE)

    assert house.membership(ANA) == "leave"


async def test_a_rule_does_not_vote(house: House) -> None:
    await house.set_policy(f"{POLICY}rules:\n- {{when: {{server: far.example}}, then: accept}}\n")
    house.world.knock(GARDEN, "@eve:far.example", "hello")
    await house.later()

    assert house.membership("@eve:far.example") == "invite"


async def test_of_two_answers_with_enough_votes_in_one_transaction_the_first_wins(house: House) -> None:
    await click(house, "✅", ALICE)
    await click(house, "❌", BOB)
    house.click("❌", by=CAROL)
    house.click("✅", by=DAVE)
    await house.later()

    assert house.membership(ANA) == "leave"
    assert any(f"{CAROL}" in said and "#1" in said for said in house.spoken())


async def test_who_may_not_answer_has_no_vote(house: House) -> None:
    demote(house, BOB)
    await house.later()
    await click(house, "✅", BOB, ALICE)

    assert (house.membership(ANA), tally(house)) == ("knock", f"✅ 1 of 2: {ALICE}")


async def test_the_text_of_an_earlier_vote_is_told_where_the_last_one_has_none(house: House) -> None:
    await tell(house, "reject 1 Please read the rules.")
    await click(house, "❌", BOB)

    assert house.world.rooms[GARDEN].members[ANA]["content"].get("reason") == "Please read the rules."


async def test_log_and_show_tell_of_every_vote(house: House) -> None:
    await click(house, "✅", ALICE)
    await tell(house, "accept 1", by=BOB)

    log = await tell(house, "log 1")
    assert log.count("vote for accept") == 2
    assert f"enough votes for accept: {ALICE}, {BOB}" in log
    shown = await tell(house, "show 1")
    assert f"✅ vote of {ALICE}, " in shown
    assert f"✅ vote of {BOB}, " in shown


async def test_list_says_how_many_votes_there_are(house: House) -> None:
    await click(house, "✅", ALICE)

    assert "Votes: ✅ 1 of 2." in await tell(house, "list")


async def test_the_queue_says_how_many_wait_for_more_votes(house: House) -> None:
    assert "votes" not in await tell(house, "queue")
    await click(house, "✅", ALICE)
    assert "1 of them has votes and takes more: !kb list" in await tell(house, "queue")
    await click(house, "✅", BOB)
    assert "votes" not in await tell(house, "queue")


# --- not counted --------------------------------------------------------------------------------------------------


async def test_the_vote_of_somebody_who_has_lost_the_power_does_not_count(house: House) -> None:
    await click(house, "✅", ALICE)
    await click(house, "❌", CAROL)
    demote(house, ALICE)
    await house.later()
    await click(house, "✅", BOB)

    assert house.membership(ANA) == "knock"
    assert lines(house) == [f"✅ 1 of 2: {BOB}", f"✅ not counted, because they may not give this answer now: {ALICE}"]
    await click(house, "✅", DAVE)
    assert house.membership(ANA) == "invite"


@pytest.mark.parametrize(("room_id", "why"), [(GARDEN, "they left the room"), (MODS, "they left the management room")])
async def test_the_vote_of_somebody_who_has_left_does_not_count(house: House, room_id: str, why: str) -> None:
    await click(house, "✅", BOB)
    house.world.change(room_id, BOB, BOB, "leave")
    await house.later()
    await click(house, "✅", ALICE)

    assert house.membership(ANA) == "knock"
    assert lines(house) == [f"✅ 1 of 2: {ALICE}", f"✅ not counted, because {why}: {BOB}"]


@pytest.mark.parametrize("room_id", [GARDEN, MODS])
async def test_who_leaves_counts_no_longer_at_once_and_again_when_they_are_back(house: House, room_id: str) -> None:
    await click(house, "✅", BOB)
    house.world.change(room_id, BOB, BOB, "leave")
    await house.later()
    await house.ring()
    await house.later()
    assert lines(house)[0] == "✅ 0 of 2"

    house.world.change(room_id, ALICE, BOB, "invite")
    house.world.change(room_id, BOB, BOB, "join")
    await house.later()
    await house.ring()
    await house.later()
    assert lines(house) == [f"✅ 1 of 2: {BOB}"]


async def test_who_left_while_nobody_told_is_found_by_a_look(house: House) -> None:
    await click(house, "✅", BOB)
    house.world.change(MODS, BOB, BOB, "leave")
    house.world.outbox.clear()
    await house.die()
    await house.start_again()
    await house.later()
    await house.ring()
    await house.later()

    assert lines(house) == ["✅ 0 of 2", f"✅ not counted, because they left the management room: {BOB}"]


async def test_who_has_the_power_again_counts_again(house: House) -> None:
    await click(house, "✅", BOB)
    demote(house, BOB)
    await house.later()
    await click(house, "✅", ALICE)
    house.world.rooms[GARDEN].levels["users"][BOB] = 50
    house.world.set_levels(GARDEN)
    await house.later()
    await tell(house, "accept 1")

    assert house.membership(ANA) == "invite"


async def test_after_another_knock_votes_to_accept_start_again_and_the_card_says_so(house: House) -> None:
    await click(house, "✅", ALICE)
    await click(house, "❌", CAROL)
    house.world.knock(GARDEN, ANA, "hello again")
    await house.later()
    assert lines(house) == ["✅ 0 of 2", f"New knock: ✅ votes start again. Earlier: {ALICE}"]

    await click(house, "✅", BOB)
    assert house.membership(ANA) == "knock"
    await click(house, "❌", DAVE)
    assert house.membership(ANA) == "leave"


# --- taken back ---------------------------------------------------------------------------------------------------


async def test_a_reaction_that_is_taken_back_is_a_vote_that_is_taken_back(house: House) -> None:
    house.world.redact(MODS, ALICE, await click(house, "✅", ALICE))
    await house.later()
    assert tally(house) == ""
    await click(house, "✅", BOB)

    assert house.membership(ANA) == "knock"
    assert f"vote for accept taken back: {ALICE}" in await tell(house, "log 1")


async def test_of_three_votes_one_is_taken_back_in_the_same_transaction(house: House) -> None:
    await house.set_policy("votes: {accept: 3}\n")
    house.click("✅", by=ALICE)
    house.world.redact(MODS, BOB, house.click("✅", by=BOB))
    house.click("✅", by=CAROL)
    await house.later()

    assert (house.membership(ANA), tally(house)) == ("knock", f"✅ 2 of 3: {ALICE}, {CAROL}")


async def test_a_reaction_that_went_while_the_bot_was_down_is_no_vote(house: House) -> None:
    clicked = await click(house, "✅", ALICE)
    await house.die()
    house.world.redact(MODS, ALICE, clicked)
    house.world.outbox.clear()
    await house.start_again()
    await house.look_everywhere()
    await house.later()
    assert tally(house) == ""

    await click(house, "✅", BOB)
    assert house.membership(ANA) == "knock"


async def test_a_redaction_that_comes_before_its_reaction_takes_the_vote_back(house: House) -> None:
    house.world.redact(MODS, ALICE, house.click("✅", by=ALICE))
    reaction, redaction = house.world.outbox
    house.world.outbox[:] = [redaction, reaction]
    await house.later()
    await click(house, "✅", BOB)

    assert (house.membership(ANA), tally(house)) == ("knock", f"✅ 1 of 2: {BOB}")


async def test_a_vote_by_command_stays_if_its_message_is_removed(house: House) -> None:
    command = house.tell("accept 1")
    await house.later()
    house.world.redact(MODS, ALICE, command)
    await house.later()

    assert tally(house) == f"✅ 1 of 2: {ALICE}"


def level_of_the_bot(house: House, level: int) -> None:
    house.world.set_levels(GARDEN, users={**house.world.rooms[GARDEN].levels["users"], BOT: level})


async def in_vain(house: House) -> tuple[str, str]:
    """Alice and Bob vote, but the bot cannot act."""
    first = await click(house, "✅", ALICE)
    second = house.click("✅", by=BOB)
    await house.hear()
    level_of_the_bot(house, 49)
    await house.live()
    assert (await house.request(ANA)).answer is not None
    return first, second


async def test_an_answer_that_is_not_carried_out_falls_with_the_vote_that_it_needs(house: House) -> None:
    first, _ = await in_vain(house)
    house.world.redact(MODS, ALICE, first)
    await house.live()

    assert (await house.request(ANA)).awaits_moderators
    assert f"#1 is open again: {ALICE} removed a vote for the answer that {BOB} completed." in house.spoken()
    assert tally(house) == f"✅ 1 of 2: {BOB}"


async def test_a_vote_that_went_unheard_is_missed_before_the_act(house: House) -> None:
    """The bot starts with a job that is due, before the homeserver tells of the redaction or a look finds it."""
    first, _ = await in_vain(house)
    house.world.redact(MODS, ALICE, first)
    level_of_the_bot(house, 50)
    house.world.outbox.clear()
    await house.die()
    house.clock.go_on(3600)
    await house.start_again()
    async with house.db.tx() as tx:
        await jobs.unblock(tx, GARDEN, house.clock())
    await house.work()
    assert house.membership(ANA) == "knock"

    await house.later()
    assert (await house.request(ANA)).awaits_moderators
    assert (house.membership(ANA), tally(house)) == ("knock", f"✅ 1 of 2: {BOB}")


async def test_an_answer_with_all_its_votes_is_carried_out_after_that(house: House) -> None:
    await in_vain(house)
    await house.die()
    house.clock.go_on(3600)
    await house.start_again()
    level_of_the_bot(house, 50)
    await house.later()

    assert house.membership(ANA) == "invite"


async def test_the_votes_for_an_answer_that_is_undone_are_gone(house: House) -> None:
    await in_vain(house)
    await tell(house, "undo 1")

    assert (await house.request(ANA)).awaits_moderators
    assert tally(house) == ""


async def test_nobody_lets_somebody_in_alone_by_a_rejection_that_they_undo(house: House) -> None:
    await set_policy(house, "votes: {accept: 2}\n")
    await tell(house, "reject 1")
    assert house.membership(ANA) == "leave"
    said = await tell(house, "undo 1")

    assert said.startswith("#1: an accept takes 2 moderators here")
    assert house.membership(ANA) == "leave"
    assert house.world.asked("invite") == []


async def test_where_an_accept_takes_one_vote_a_rejection_is_undone_as_ever(house: House) -> None:
    await set_policy(house, "votes: {ban: 2}\n")
    await tell(house, "reject 1")
    await tell(house, "undo 1")

    assert house.membership(ANA) == "invite"


# --- another policy -----------------------------------------------------------------------------------------------


async def test_if_a_new_policy_takes_fewer_votes_what_has_enough_is_carried_out(house: House) -> None:
    await house.set_policy("votes: {accept: 3}\n")
    await click(house, "✅", ALICE, BOB)
    assert house.membership(ANA) == "knock"
    await set_policy(house, POLICY)

    assert house.membership(ANA) == "invite"
    answer = (await house.request(ANA)).answer
    assert answer is not None
    assert answer.by == BOB


async def test_then_the_powers_are_looked_at_too(house: House) -> None:
    await house.set_policy("votes: {accept: 3}\n")
    await click(house, "✅", ALICE, BOB)
    demote(house, BOB)
    await house.later()
    await set_policy(house, POLICY)
    assert (house.membership(ANA), lines(house)[0]) == ("knock", f"✅ 1 of 2: {ALICE}")

    await set_policy(house, "votes: {accept: 1}\n")
    assert house.membership(ANA) == "invite"


async def test_if_a_new_policy_takes_more_votes_that_counts_from_then_on(house: House) -> None:
    await click(house, "✅", ALICE)
    await set_policy(house, "votes: {accept: 3}\n")
    await click(house, "✅", BOB)
    assert (house.membership(ANA), tally(house)) == ("knock", f"✅ 2 of 3: {ALICE}, {BOB}")

    await click(house, "✅", CAROL)
    assert house.membership(ANA) == "invite"


# --- about the person ---------------------------------------------------------------------------------------------


async def leaves_and_knocks(house: House) -> None:
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.later()
    house.world.knock(GARDEN, ANA, "hello again")
    await house.later()
    await house.ring()
    await house.later()


def newest(house: House, sign: str) -> str:
    """What the newest card says of the votes for an answer."""
    found = [line for line in house.cards()[-1].text.split("\n") if line.startswith(f"{sign} ") and " of " in line]
    return next((line for line in found if "!kb" not in line), "")


@pytest.mark.parametrize("sign", ["❌", "⛔"])
async def test_nobody_is_rid_of_votes_about_them_by_leaving_and_knocking_again(house: House, sign: str) -> None:
    await click(house, sign, BOB)
    for _ in range(3):
        await leaves_and_knocks(house)
    assert newest(house, sign) == f"{sign} 1 of 2: {BOB} (from #1)"
    verdict = {"❌": "reject", "⛔": "ban"}[sign]
    assert f"votes for {verdict} kept from #1: {BOB}" in await tell(house, "log 4")
    assert f"{sign} vote of {BOB} (from #1), " in await tell(house, "show 4")

    await tell(house, f"{verdict} 4", by=CAROL)
    assert house.membership(ANA) == OUTCOMES[verdict]


async def test_votes_to_accept_are_for_one_knock_and_do_not_go_along(house: House) -> None:
    await click(house, "✅", BOB)
    await leaves_and_knocks(house)
    assert newest(house, "✅") == ""

    await tell(house, "accept 2")
    assert house.membership(ANA) == "knock"


async def test_a_vote_that_went_along_is_taken_back_by_its_reaction_on_the_earlier_card(house: House) -> None:
    clicked = await click(house, "⛔", BOB)
    await leaves_and_knocks(house)
    await house.look_everywhere()
    await house.later()
    assert newest(house, "⛔") == f"⛔ 1 of 2: {BOB} (from #1)"

    house.world.redact(MODS, BOB, clicked)
    await house.later()
    assert newest(house, "⛔") == ""


async def test_that_it_was_taken_back_while_the_bot_was_down_is_found(house: House) -> None:
    clicked = await click(house, "⛔", BOB)
    await leaves_and_knocks(house)
    await house.die()
    house.world.redact(MODS, BOB, clicked)
    house.world.outbox.clear()
    await house.start_again()
    await house.later()

    assert newest(house, "⛔") == ""


async def test_another_vote_of_theirs_takes_its_place(house: House) -> None:
    await click(house, "⛔", BOB)
    await leaves_and_knocks(house)
    assert "⛔ 1 of 2" in await tell(house, "ban 2", by=BOB)
    assert newest(house, "⛔") == f"⛔ 1 of 2: {BOB}"


async def test_whoever_lost_the_power_meanwhile_does_not_count_and_the_card_says_so(house: House) -> None:
    await click(house, "⛔", BOB)
    house.world.change(GARDEN, ANA, ANA, "leave")
    demote(house, BOB)
    await house.later()
    house.world.knock(GARDEN, ANA, "hello again")
    await house.later()
    await house.ring()
    await house.later()
    line = f"⛔ not counted, because they may not give this answer now: {BOB} (from #1)"
    assert line in house.cards()[-1].text.split("\n")

    await tell(house, "ban 2", by=CAROL)
    assert house.membership(ANA) == "knock"


async def test_if_a_policy_takes_fewer_votes_by_then_they_are_enough(house: House) -> None:
    await house.set_policy("votes: {ban: 3}\n")
    await click(house, "⛔", BOB, CAROL)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.later()
    await set_policy(house, POLICY)
    house.world.knock(GARDEN, ANA, "hello again")
    await house.later()
    assert house.membership(ANA) == "knock"
    await house.ring()
    await house.later()

    assert house.membership(ANA) == "ban"


async def test_votes_go_along_over_a_request_that_nobody_answered_in_time(house: House) -> None:
    await click(house, "❌", BOB)
    house.clock.go_on(31 * 86400)
    await house.look_everywhere()
    await house.later()
    assert (await house.request(ANA)).state == "expired"
    await leaves_and_knocks(house)

    assert newest(house, "❌") == f"❌ 1 of 2: {BOB} (from #1)"


async def test_they_go_along_over_no_answer_no_undo_and_no_lifted_ban(house: House) -> None:
    await click(house, "❌", DAVE)
    await click(house, "⛔", BOB, CAROL)
    assert house.membership(ANA) == "ban"
    await tell(house, "undo 1")
    assert house.membership(ANA) == "leave"
    house.world.knock(GARDEN, ANA, "hello again")
    await house.later()

    assert (newest(house, "❌"), newest(house, "⛔")) == ("", "")
    assert "Votes needed" in house.cards()[-1].text


async def test_they_do_not_go_along_over_an_accept(house: House) -> None:
    await click(house, "⛔", DAVE)
    await click(house, "✅", BOB, CAROL)
    assert house.membership(ANA) == "invite"
    await leaves_and_knocks(house)

    assert newest(house, "⛔") == ""
