"""Votes beside everything else: other answers, batches, undo, other management rooms, two processes, chance."""

from __future__ import annotations

import asyncio
import random

import pytest

from knockbot.domain.model import Request, State, Verdict, Wish
from knockbot.errors import Later, Refused
from knockbot.flow import answering
from knockbot.store import requests
from tests.flow.house import GARDEN, MODS, House
from tests.flow.test_votes import BOB, CAROL, DAVE, POLICY, click, demote, level_of_the_bot, tally, tell
from tests.flow.test_votes import house as _house
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

house = _house
OTHERS = "!others:tulip.example"


# --- other answers ------------------------------------------------------------------------------------------------


async def test_a_more_severe_answer_takes_the_place_of_one_that_is_not_carried_out_with_enough_votes(
    house: House,
) -> None:
    await click(house, "✅", ALICE)
    house.click("✅", by=BOB)
    await house.hear()
    level_of_the_bot(house, 49)
    house.world.set_levels(GARDEN, ban=40)
    await house.live()
    await click(house, "⛔", CAROL)
    request = await house.request(ANA)
    assert request.answer is not None
    assert (request.answer.verdict, tally(house, "⛔")) == (Verdict.ACCEPT, f"⛔ 1 of 2: {CAROL}")

    await click(house, "⛔", DAVE)
    assert house.membership(ANA) == "ban"


async def test_an_undo_takes_no_votes(house: House) -> None:
    await click(house, "✅", ALICE, BOB)
    assert house.membership(ANA) == "invite"
    await tell(house, "undo 1", by=CAROL)

    assert house.membership(ANA) == "leave"


async def test_a_batch_is_one_vote_on_each_of_its_requests(house: House) -> None:
    house.world.knock(GARDEN, BEA, "hello")
    await house.later()
    house.click("✅", by=BOB, card=house.cards()[0])
    await house.later()
    house.tell("accept all")
    await house.later()
    assert any("several votes" in said and "Garden" in said for said in batch(house))
    await click_batch(house)

    assert (house.membership(ANA), house.membership(BEA)) == ("invite", "knock")
    assert f"✅ 1 of 2: {ALICE}" in house.cards()[-1].text
    assert any("#2" in said for said in batch(house) if "has your vote now and takes more votes" in said)


async def click_batch(house: House) -> None:
    [asked] = [one for one in house.said() if "org.knockbot.prompt" in one]
    posted = next(e for e in house.world.rooms[MODS].said if e["content"].get("org.knockbot.prompt"))
    assert asked
    house.world.react(MODS, ALICE, posted["event_id"], "✅")
    for _ in range(10):
        await house.later()
        await house.ring()
    await house.later()


def batch(house: House) -> list[str]:
    """Each line of what the message of the batch says now."""
    said = [e["content"] for e in house.world.rooms[MODS].said if "org.knockbot.prompt" in str(e["content"])]
    newest = said[-1].get("m.new_content", said[-1])
    return str(newest["body"]).split("\n")


async def test_a_pending_invite_to_an_address_is_not_revoked_by_one_of_two_voters(house: House) -> None:
    house.world.plant(GARDEN, DAVE)
    await house.later()
    number = (await pending(house))[-1]
    assert "1 of 2" in await tell(house, f"revoke {number}")
    assert (await request_of(house, number)).state is State.PENDING

    await tell(house, f"revoke {number}", by=BOB)
    assert (await request_of(house, number)).state is State.REVOKED


async def pending(house: House) -> list[int]:
    async with house.db.tx() as tx:
        return [one.number for one in await requests.pending(tx, MODS)]


async def request_of(house: House, number: int) -> Request:
    async with house.db.tx() as tx:
        found = await requests.by_number(tx, MODS, number, held=False)
    assert found is not None
    return found


# --- another management room --------------------------------------------------------------------------------------


async def test_votes_stay_behind_when_the_room_goes_to_another_management_room(house: House) -> None:
    await click(house, "❌", ALICE)
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.change(OTHERS, ALICE, CAROL, "invite")
    house.world.change(OTHERS, CAROL, CAROL, "join")
    house.tell(f"unprotect {GARDEN}")
    await house.later()
    house.world.say(OTHERS, ALICE, f"!kb protect {GARDEN}")
    await house.later()
    await house.set_policy(POLICY)
    house.world.say(OTHERS, CAROL, "!kb reject 1")
    await house.later()

    assert house.membership(ANA) == "knock"
    assert f"❌ 1 of 2: {CAROL}" in house.card(OTHERS).text
    assert not [said for said in house.spoken(OTHERS) if "vote of" in said]


@pytest.mark.parametrize("voters", [(ALICE, DAVE), (DAVE,)], ids=["answered", "waiting"])
async def test_the_log_tells_another_management_room_nothing_of_votes_that_were_given_before(
    house: House, voters: tuple[str, ...]
) -> None:
    await click(house, "❌", *voters)
    house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    assert "vote for" in await tell(house, "log")
    house.tell(f"unprotect {GARDEN}")
    await house.later()
    house.world.say(OTHERS, ALICE, f"!kb protect {GARDEN}")
    await house.later()
    house.world.say(OTHERS, ALICE, "!kb log")
    await house.later()

    log = house.spoken(OTHERS)[-1]
    assert ANA in log
    assert "vote" not in log


async def test_in_another_management_room_nobody_has_a_vote_on_it(house: House) -> None:
    house.world.room(OTHERS, "Others", ALICE, BOT, BOB, levels=levels_for(), join_rule="invite")
    house.world.say(OTHERS, BOB, "!kb accept 1")
    await house.later()
    await click(house, "✅", ALICE)

    assert (house.membership(ANA), tally(house)) == ("knock", f"✅ 1 of 2: {ALICE}")


# --- a room that was replaced, a restored back-up -----------------------------------------------------------------


async def test_votes_about_somebody_stand_in_the_room_that_replaces_theirs(house: House) -> None:
    await click(house, "⛔", BOB)
    await click(house, "✅", DAVE)
    levels = levels_for((ALICE, BOB, CAROL, DAVE))
    house.world.room(NEW, "New garden", ALICE, BOT, BOB, CAROL, DAVE, levels=levels, predecessor=GARDEN)
    house.world.replace(GARDEN, NEW)
    await house.later()
    house.world.react(MODS, ALICE, replacement(house), "✅")
    await house.later()
    house.world.knock(NEW, ANA, "hello")
    await house.later()
    await tell(house, "accept 1")
    assert house.membership(ANA, NEW) == "knock"

    await tell(house, "ban 1", by=CAROL)
    assert house.membership(ANA, NEW) == "ban"


async def test_whoever_is_not_in_the_room_that_replaces_theirs_does_not_count(house: House) -> None:
    await click(house, "⛔", BOB)
    levels = levels_for((ALICE, CAROL))
    house.world.room(NEW, "New garden", ALICE, BOT, CAROL, levels=levels, predecessor=GARDEN)
    house.world.replace(GARDEN, NEW)
    await house.later()
    house.world.react(MODS, ALICE, replacement(house), "✅")
    await house.later()
    house.world.knock(NEW, ANA, "hello")
    await house.later()
    await tell(house, "ban 1", by=CAROL)

    assert house.membership(ANA, NEW) == "knock"
    assert f"⛔ not counted, because they left the room: {BOB}" in house.cards()[-1].text.split("\n")


def replacement(house: House) -> str:
    """The question whether the new room is to be protected."""
    [asked] = [event for event in house.world.rooms[MODS].said if "Click ✅" in event["content"].get("body", "")]
    return str(asked["event_id"])


NEW = "!new:tulip.example"

# --- two processes ------------------------------------------------------------------------------------------------


async def test_two_clicks_that_two_processes_handle_are_one_act(house: House) -> None:
    if house.db.alone:
        pytest.skip("only one process has an SQLite database")
    other = await House(house.url, house.world).open()
    try:
        for number, who in enumerate((ALICE, BOB, CAROL, DAVE)):
            house.click("✅", by=who)
            await (house, other)[number % 2].live()
        for one in (house, other, house):
            await one.later()
        assert house.membership(ANA) == "invite"
        assert len(house.world.asked("invite")) == 1
    finally:
        await other.close()


async def test_votes_that_three_processes_write_at_the_same_moment_are_one_act(house: House) -> None:
    """Each looks at the voters that it knows of; who finds a vote that it has not looked at looks again."""
    others = [] if house.db.alone else [await House(house.url, house.world).open() for _ in range(2)]
    at_work = [house, *others] if others else [house] * 3
    request = await house.request(ANA)
    again = 0
    all_have_looked = asyncio.Barrier(3)

    async def vote(one: House, who: str) -> None:
        nonlocal again
        wish = Wish(who, Verdict.ACCEPT, f"$vote of {who}")
        for attempt in range(10):
            await answering.insist(one.context, wish, request)
            if attempt == 0:
                await all_have_looked.wait()
            try:
                async with one.context.turns.open(wish.cause) as turn:
                    await answering.take(one.context, turn, wish, request.id)
            except Refused:
                return  # the others were enough
            except Later:
                again += 1
            else:
                return
        raise AssertionError("they look again for ever")

    try:
        await asyncio.gather(*map(vote, at_work, (ALICE, BOB, CAROL)))
        await house.later()
        assert (again > 0) is bool(others), "a process has looked at no voter whom another process looked at"
        assert (house.membership(ANA), len(house.world.asked("invite"))) == ("invite", 1)
        assert [kind for _, kind in await house.history(request)].count("accept") == 1
    finally:
        for one in others:
            await one.close()


# --- by chance ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
async def test_in_whatever_order_it_comes_nobody_is_accepted_without_two_who_wanted_it(house: House, seed: int) -> None:
    """Clicks, reactions that are taken back, powers that go and come, knocks and deaths of the bot. The world alone
    says who wants it: whose reaction to the current knock stands, and who has the power."""
    chance = random.Random(seed)
    given: dict[str, str] = {}
    powerless: set[str] = set()
    for _ in range(14):
        who = chance.choice((ALICE, BOB, CAROL, DAVE))
        what = chance.choice(("click", "click", "click", "take back", "lose", "get back", "knock", "die"))
        before = house.membership(ANA)
        if what == "click" and who not in given:
            given[who] = house.click("✅", by=who)
        elif what == "take back" and who in given:
            house.world.redact(MODS, who, given.pop(who))
        elif what == "lose" and who not in powerless and who != ALICE:
            demote(house, who)
            powerless.add(who)
        elif what == "get back" and who in powerless:
            house.world.rooms[GARDEN].levels["users"][who] = 50
            house.world.set_levels(GARDEN)
            powerless.discard(who)
        elif what == "knock":
            house.world.knock(GARDEN, ANA, f"hello {chance.random()}")
            given = {}
        elif what == "die":
            await house.die()
            await house.start_again()
        await house.later()
        if house.membership(ANA) == "invite":
            assert before == "knock"
            assert len(given.keys() - powerless) >= 2
            return
    assert len(given.keys() - powerless) < 2 or house.membership(ANA) == "knock"
