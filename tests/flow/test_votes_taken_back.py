"""A vote by a command or a batch is taken back by `undo`, and the line of the batch tells what is true."""

from __future__ import annotations

import pytest

from knockbot.domain.model import State
from tests.flow.house import GARDEN, MODS, House
from tests.flow.offered import offers
from tests.flow.test_vote_stories import batch
from tests.flow.test_votes import BOB, CAROL, click, demote, leaves_and_knocks, newest, set_policy, tally, tell
from tests.flow.test_votes import house as _house
from tests.flow.world import ALICE, ANA, BEA

house = _house
CEM = "@cem:tulip.example"


async def steps(house: House) -> None:
    """What comes step by step has come."""
    for _ in range(8):
        house.clock.go_on(1)
        await house.ring()
        await house.live()
    await house.later()
    await house.ring()
    await house.later()


async def votes_for_all(house: House, verdict: str = "accept", *, by: str = ALICE) -> None:
    """Ana, Bea and Cem ask, and somebody votes on all three by one command."""
    for who in (BEA, CEM):
        if house.membership(who) != "knock":
            house.world.knock(GARDEN, who, "hello")
            await house.later()
    house.tell(f"{verdict} all", by=by)
    await house.later()
    house.world.react(MODS, by, offers(house, "batch")[-1].event_id, "✅")
    await steps(house)


# --- by number, and the last one ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["undo", "undo 1"])
@pytest.mark.parametrize("verdict", ["accept", "reject", "ban"])
async def test_a_vote_by_command_is_taken_back(house: House, verdict: str, command: str) -> None:
    sign = {"accept": "✅", "reject": "❌", "ban": "⛔"}[verdict]
    await tell(house, f"{verdict} 1")
    assert await tell(house, command) == f"Your vote for #1 is taken back: {sign} 0 of 2."
    assert tally(house, sign) == ""
    assert f"vote for {verdict} taken back: {ALICE}" in await tell(house, "log 1")

    await tell(house, f"{verdict} 1", by=BOB)
    assert house.membership(ANA) == "knock"


async def test_a_vote_by_click_is_taken_back_by_a_command_too(house: House) -> None:
    await click(house, "✅", ALICE)
    assert "taken back" in await tell(house, "undo 1")

    assert tally(house) == ""


async def test_nobody_takes_back_the_vote_of_another(house: House) -> None:
    await tell(house, "accept 1", by=BOB)
    assert await tell(house, "undo 1") == "#1 has no answer that I could undo."

    assert tally(house) == f"✅ 1 of 2: {BOB}"


async def test_twice_takes_back_one_vote_only(house: House) -> None:
    house.world.knock(GARDEN, BEA, "hello")
    await house.later()
    await tell(house, "reject 1")
    await tell(house, "reject 2")
    assert "#2 is taken back" in await tell(house, "undo")

    assert await tell(house, "undo") == "#2 has no answer, and no vote of yours that I could take back."
    assert "#1 is taken back" in await tell(house, "undo 1")


async def test_the_last_thing_is_the_last_of_answers_and_votes(house: House) -> None:
    await set_policy(house, "votes: {ban: 2}\n")
    house.world.knock(GARDEN, BEA, "hello")
    await house.later()
    await tell(house, "ban 1")
    await tell(house, "accept 2")
    assert "I withdraw the invite" in await tell(house, "undo")
    assert f"⛔ 1 of 2: {ALICE}" in house.cards()[0].text


async def test_a_vote_that_went_along_is_taken_back_where_it_stands(house: House) -> None:
    await tell(house, "ban 1")
    await leaves_and_knocks(house)
    assert await tell(house, "undo") == "Your vote for #2 is taken back: ⛔ 0 of 2."

    assert newest(house, "⛔") == ""


async def test_a_reply_to_a_card_takes_a_vote_back(house: House) -> None:
    await tell(house, "accept 1")
    house.tell("undo", reply_to=house.card().event_id)
    await house.later()

    assert tally(house) == ""


# --- of a batch ---------------------------------------------------------------------------------------------------


async def test_the_votes_of_a_batch_are_taken_back(house: House) -> None:
    await votes_for_all(house)
    assert "3 have your vote now and take more votes: #1, #2, #3" in batch(house)
    assert await tell(house, "undo") == "I take back the 3 votes that batch 1 gave. I tell you when it is done."
    await steps(house)

    assert house.spoken()[-1] == "Undo of batch 1: 3 votes were taken back."
    assert all(ALICE not in line for card in house.cards() for line in card.text.split("\n") if " of 2" in line)
    assert "3 have no vote of yours any more: #1, #2, #3" in batch(house)
    assert await tell(house, "undo") == "Batch 1 was already undone. For one of its requests: !kb undo N"


async def test_a_batch_of_votes_and_answers_is_taken_back_and_its_line_tells_by_whom(house: House) -> None:
    await click(house, "✅", BOB)
    await votes_for_all(house)
    assert house.membership(ANA) == "invite"
    assert "Batch 1 by @alice:tulip.example is done: 1 of 3 accepted." in batch(house)
    await tell(house, "undo")
    await steps(house)

    assert house.membership(ANA) == "leave"
    assert house.spoken()[-1].split("\n") == [
        "Undo of batch 1: 1 answer was undone.",
        "Undo of batch 1: 2 votes were taken back.",
    ]
    assert batch(house) == [
        f"Batch 1 by {ALICE} is done: 0 of 3 accepted.",
        f"1 was undone by {ALICE}: #1",
        "2 have no vote of yours any more: #2, #3",
    ]


async def test_a_vote_of_a_batch_that_went_along_is_taken_back_with_it(house: House) -> None:
    await votes_for_all(house, "ban")
    await leaves_and_knocks(house)
    assert newest(house, "⛔") == f"⛔ 1 of 2: {ALICE} (from #1)"
    await tell(house, "undo")
    await steps(house)

    assert newest(house, "⛔") == ""
    assert "3 votes were taken back" in house.spoken()[-1]


async def test_after_a_death_each_vote_is_taken_back_once(house: House) -> None:
    await votes_for_all(house)
    await tell(house, "undo")
    await house.die()
    await house.start_again()
    await steps(house)

    assert house.spoken()[-1] == "Undo of batch 1: 3 votes were taken back."
    for who in (ANA, BEA, CEM):
        kinds = [kind for _, kind in await house.history(await house.request(who))]
        assert kinds.count("vote_taken_back") == 1


# --- the line of a batch ------------------------------------------------------------------------------------------


async def test_the_line_of_a_batch_tells_what_has_become_of_its_votes(house: House) -> None:
    await votes_for_all(house)
    await tell(house, "accept 1", by=BOB)
    await tell(house, "reject 2")
    house.world.change(GARDEN, CEM, CEM, "leave")
    await steps(house)

    assert house.membership(ANA) == "invite"
    assert batch(house) == [
        f"Batch 1 by {ALICE} is done: 0 of 3 accepted.",
        "1 was answered so with your vote and those of others: #1",
        "Left out: 1 does not wait any more: #3",
        "1 has no vote of yours any more: #2",
    ]
    await tell(house, "undo 1", by=CAROL)
    await steps(house)
    assert f"1 was undone by {CAROL}: #1" in batch(house)


async def test_of_two_batches_that_complete_each_other_both_lines_are_true(house: House) -> None:
    await votes_for_all(house, "ban", by=BOB)
    first = batch(house)
    await votes_for_all(house, "ban")
    assert {house.membership(who) for who in (ANA, BEA, CEM)} == {"ban"}
    lines = {said: batch_of(house, said) for said in (1, 2)}

    assert any("3 have your vote now" in line for line in first)
    assert "3 were answered so with your vote and those of others: #1, #2, #3" in lines[1]
    assert lines[2] == [f"Batch 2 by {ALICE} is done: 3 of 3 banned."]


def batch_of(house: House, number: int) -> list[str]:
    """Each line of what the message of this batch says now."""
    said = [e["content"] for e in house.world.rooms[MODS].said if "org.knockbot.prompt" in str(e["content"])]
    bodies = [str(one.get("m.new_content", one)["body"]) for one in said]
    return [body for body in bodies if body.startswith(f"Batch {number} ")][-1].split("\n")


async def test_after_an_undo_of_one_answer_the_line_says_whose_that_was(house: House) -> None:
    await set_policy(house, "otherwise: forward\n")
    await votes_for_all(house)
    await tell(house, "undo 2", by=BOB)
    await steps(house)

    assert batch(house) == [f"Batch 1 by {ALICE} is done: 2 of 3 accepted.", f"1 was undone by {BOB}: #2"]
    assert (await house.request(BEA)).state is State.REJECTED


# --- before it is confirmed ---------------------------------------------------------------------------------------


def preview(house: House) -> list[str]:
    return [said for said in house.spoken() if "begins, ❌ drops it" in said][-1].split("\n")


async def test_what_is_asked_under_votes_is_whether_to_vote(house: House) -> None:
    house.world.knock(GARDEN, BEA, "hello")
    await house.later()
    await tell(house, "accept 1", by=BOB)
    house.tell("accept all")
    await house.later()

    assert preview(house)[0] == "Vote to accept 2 requests?"
    assert "1 has enough votes with yours, and is answered then: #1" in preview(house)
    assert "1 takes more votes after yours: #2" in preview(house)


async def test_a_text_that_names_a_template_is_shown_as_it_will_be_sent(house: House) -> None:
    await set_policy(house, "templates: {rules: Read our rules.}\n")
    house.tell("reject all because Rules")
    await house.later()
    assert "They are told: Read our rules." in preview(house)
    house.world.react(MODS, ALICE, offers(house, "batch")[-1].event_id, "✅")
    await steps(house)

    assert house.world.rooms[GARDEN].members[ANA]["content"].get("reason") == "Read our rules."


async def test_of_an_accept_the_words_are_sent_whatever_a_template_is_called(house: House) -> None:
    await set_policy(house, "templates: {rules: Read our rules.}\n")
    house.tell("accept all because rules")
    await house.later()

    assert "They are told: rules" in preview(house)


async def test_who_is_left_out_is_not_among_all_who_wait(house: House) -> None:
    house.world.knock(GARDEN, BEA, "hello")
    await house.later()
    await tell(house, "defer 1 2d")
    house.tell("ban all")
    await house.later()

    assert "These are all others who wait." in preview(house)


# --- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("accept all because Hi server:tulip.example", "“server:tulip.example” stands behind because"),
        ("reject all all", "Please leave out “all”"),
        ("list all", "Please leave out “all”"),
        ("undo all", "!kb undo alone takes back your last answer, vote or batch."),
        ("undo because I erred", "!kb undo alone takes back your last answer, vote or batch."),
    ],
)
async def test_words_that_mean_nothing_there_are_asked_about(house: House, command: str, said: str) -> None:
    assert said in await tell(house, command)
    assert house.membership(ANA) == "knock"
    assert offers(house, "batch") == []


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        ("because spam", "spam"),
        ("Because: no seeds, please", "no seeds, please"),
        ("because of the rules", "because of the rules"),
        ("because", "because"),
        ("not because of you", "not because of you"),
    ],
)
async def test_a_text_for_applicants_does_not_begin_with_the_word_before_it(
    house: House, words: str, sent: str
) -> None:
    await set_policy(house, "otherwise: forward\n")
    await tell(house, f"reject 1 {words}")

    assert house.world.rooms[GARDEN].members[ANA]["content"].get("reason") == sent


@pytest.mark.parametrize("command", ["claim 1-3", "defer 1-3 1w", "claim 1, 2, 3"])
async def test_where_one_of_several_is_closed_the_others_are_named(house: House, command: str) -> None:
    for who in (BEA, CEM):
        house.world.knock(GARDEN, who, "hello")
        await house.later()
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.later()
    lines = (await tell(house, command)).split("\n")

    assert lines[0].startswith("#1 is already closed")
    assert lines[-1] == "Done for #2, #3."


# --- another policy, other powers ---------------------------------------------------------------------------------


async def test_a_vote_that_the_policy_does_not_ask_for_any_more_stays_on_the_card(house: House) -> None:
    await tell(house, "reject 1 Read our rules.", by=BOB)
    demote(house, BOB)
    await house.later()
    await house.ring()
    await set_policy(house, "votes: {accept: 2}\n")
    assert f"❌ not counted, because they may not give this answer now: {BOB}" in house.card().text.split("\n")
    assert house.membership(ANA) == "knock"

    house.world.rooms[GARDEN].levels["users"][BOB] = 50
    house.world.set_levels(GARDEN)
    await steps(house)
    assert house.membership(ANA) == "leave"
    assert house.world.rooms[GARDEN].members[ANA]["content"].get("reason") == "Read our rules."


async def test_the_card_says_at_once_that_a_vote_counts_no_longer_or_again(house: House) -> None:
    await click(house, "✅", BOB)
    demote(house, BOB)
    await house.later()
    await house.ring()
    await house.later()
    assert f"✅ not counted, because they may not give this answer now: {BOB}" in house.card().text.split("\n")

    house.world.rooms[GARDEN].levels["users"][BOB] = 50
    house.world.set_levels(GARDEN)
    await house.later()
    await house.ring()
    await house.later()
    assert tally(house) == f"✅ 1 of 2: {BOB}"


# --- what is undone already ---------------------------------------------------------------------------------------


async def test_a_ban_that_was_lifted_before_names_the_newer_request_and_how_to_ban_again(house: House) -> None:
    await set_policy(house, "otherwise: forward\n")
    await tell(house, "ban 1")
    await tell(house, "undo 1", by=BOB)
    assert f"type this in your client: /ban {ANA}" in await tell(house, "undo 1")
    house.world.knock(GARDEN, ANA, "hello again")
    await house.later()
    said = (await tell(house, "undo 1")).split("\n")

    assert f"#1 was already undone by {BOB}" in said[0]
    assert said[1] == f"#1: {ANA} has asked again since, with #2. Please see !kb show 2"
