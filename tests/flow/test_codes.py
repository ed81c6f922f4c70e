"""Codes: who comes in by one, how often, what becomes of its uses, who guesses, and where a code never stands."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from knockbot.domain.model import MemberChange, Request, State, Verdict
from knockbot.errors import Later
from knockbot.flow import membership
from knockbot.flow.context import Context
from knockbot.store import codes
from knockbot.store.db import Database
from tests.flow.house import GARDEN, MODS, House, housed
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

BOB = "@bob:tulip.example"
CARA = "@cara:tulip.example"
DAY = 24 * 3600.0
RULES = "rules: [{name: by code, when: {code: true}, then: accept}]"
ASKED = "rules: [{name: by code, when: {code: true}, then: forward}]\notherwise: reject"
WRONG = "0000-0000-0000-0001"


@pytest.fixture
async def house(house: House) -> House:
    """A garden that lets in whoever brings a code, with bob as a second moderator."""
    await furnish(house)
    return house


async def furnish(house: House) -> None:
    house.world.change(GARDEN, ALICE, BOB, "join")
    house.world.change(MODS, ALICE, BOB, "join")
    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)))
    await house.set_policy(RULES)
    await house.live()


async def told(house: House, command: str, *, by: str = ALICE) -> str:
    before = len(house.spoken())
    house.tell(command, by=by)
    await house.live()
    return "\n".join(house.spoken()[before:])


async def code(house: House, terms: str = "choir", *, by: str = ALICE) -> str:
    """Make a code; returns it."""
    said = await told(house, f"code new Garden {terms}", by=by)
    [found] = re.findall(r"\b(?:[0-9a-z]{4}-){3}[0-9a-z]{4}\b", said)
    return str(found)


async def knocks(house: House, reason: str, user_id: str = ANA) -> Request:
    house.world.knock(GARDEN, user_id, reason)
    await house.live()
    return (await house.requests(user_id))[-1]


def outcome(request: Request) -> tuple[State, str | None]:
    return request.state, request.decision.rule if request.decision is not None else None


async def joins(house: House, user_id: str = ANA) -> None:
    house.world.change(GARDEN, user_id, user_id, "join")
    await house.live()


async def used(house: House) -> int:
    async with house.db.tx() as tx:
        [one] = await codes.of_rooms(tx, [GARDEN], 10)
        return await codes.uses(tx, one.id)


IN = (State.ACCEPTED, "by code")
WAITS = (State.PENDING, "otherwise")


# --- coming in ----------------------------------------------------------------------------------------------------


async def test_who_brings_it_comes_in(house: House) -> None:
    said = await told(house, "code new Garden uses:5 until:2099-01-31 choir")
    assert said.startswith("🎟️ Code “choir” for Garden: ")
    assert "It lets in 5 people, until 31 Jan 2099, 23:59 UTC." in said
    [found] = re.findall(r": ((?:[0-9a-z]{4}-){3}[0-9a-z]{4})\.", said)
    assert outcome(await knocks(house, f"Hi, my code is {found.upper()}!")) == IN
    assert await used(house) == 1


async def test_who_brings_none_or_a_wrong_one_waits(house: House) -> None:
    await code(house)
    assert outcome(await knocks(house, "hello")) == WAITS
    assert outcome(await knocks(house, WRONG, BEA)) == WAITS
    assert await used(house) == 0


async def test_a_code_is_for_its_own_room(house: House) -> None:
    house.world.room("!lawn:tulip.example", "Lawn", ALICE, BOT, levels=levels_for())
    await house.protect("!lawn:tulip.example")
    await house.set_policy(RULES, "!lawn:tulip.example")
    found = await code(house)
    house.world.knock("!lawn:tulip.example", ANA, found)
    await house.live()
    assert (await house.request(ANA, "!lawn:tulip.example")).state is State.PENDING


async def test_it_lets_in_as_many_as_it_says(house: House) -> None:
    found = await code(house, "uses:2")
    people = [f"@p{number}:tulip.example" for number in range(4)]
    states = [outcome(await knocks(house, found, one)) for one in people]
    assert states == [IN, IN, WAITS, WAITS]
    assert "🎟️ Code: “code-1”. It has no effect: it was used by others" in house.cards()[0].text


async def test_fifty_at_once_get_no_more_than_there_are(house: House) -> None:
    found = await code(house, "uses:20")
    people = [f"@p{number}:tulip.example" for number in range(50)]
    await house.set_policy(f"{RULES}\nwave: off")
    for one in people:
        house.world.knock(GARDEN, one, found)
    await house.live()
    states = [(await house.request(one)).state for one in people]
    assert (states.count(State.ACCEPTED), states.count(State.PENDING), await used(house)) == (20, 30, 20)


async def test_among_three_processes_fifty_at_once_get_no_more_than_there_are(ready_postgres_url: str) -> None:
    async with housed(ready_postgres_url) as house:
        await furnish(house)
        await house.set_policy(f"{RULES}\nwave: off")
        found = await code(house, "uses:20")
        people = [f"@p{number}:tulip.example" for number in range(50)]
        for one in people:
            house.world.knock(GARDEN, one, found)
        knocked = [await house.homeserver.member(GARDEN, one) for one in people]
        others = [await Database.open(house.url) for _ in range(2)]
        contexts = [house.context, *map(house.new_context, others)]
        try:
            taking = [taken_in(contexts[turn % 3], one) for turn, one in enumerate(knocked) if one is not None]
            fell = [one for one in await asyncio.gather(*taking, return_exceptions=True) if one is not None]
            assert fell == []
        finally:
            for db in others:
                await db.close()
        states = [outcome_of(await house.request(one)) for one in people]
        assert (states.count(Verdict.ACCEPT), states.count(Verdict.FORWARD), await used(house)) == (20, 30, 20)


async def taken_in(context: Context, change: MemberChange) -> None:
    """One process handles a knock, as often as it takes; nothing keeps the others from theirs meanwhile."""
    while True:
        try:
            write = await membership.member_changed(context, change)
            assert callable(write)
            async with context.turn() as turn:
                await write(turn)
        except Later:
            await asyncio.sleep(0)
        else:
            return


def outcome_of(request: Request) -> Verdict:
    assert request.decision is not None
    return request.decision.verdict


# --- uses come back -----------------------------------------------------------------------------------------------


async def rejected(house: House) -> None:
    await told(house, "reject 1")


async def banned(house: House) -> None:
    await told(house, "ban 1")


async def withdrawn(house: House) -> None:
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()


@pytest.mark.parametrize("ended", [rejected, banned, withdrawn])
async def test_the_use_of_who_waits_comes_back(house: House, ended: object) -> None:
    await house.set_policy(ASKED)
    found = await code(house)
    assert outcome(await knocks(house, found)) == (State.PENDING, "by code")
    assert await used(house) == 1
    await ended(house)  # type: ignore[operator]  # each is a coroutine function
    assert await used(house) == 0
    assert outcome(await knocks(house, found, BEA)) == (State.PENDING, "by code")


async def test_so_does_that_of_an_invite_that_is_not_taken(house: House) -> None:
    found = await code(house)
    await knocks(house, found)
    house.world.change(GARDEN, ANA, ANA, "leave")
    await house.live()
    assert await used(house) == 0
    await knocks(house, found, BEA)
    await told(house, "undo 2")
    assert await used(house) == 0


async def test_who_has_joined_has_used_it_for_good(house: House) -> None:
    found = await code(house)
    await knocks(house, found)
    await joins(house)
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.live()
    assert await used(house) == 1
    assert outcome(await knocks(house, found, BEA)) == WAITS


async def test_who_was_kicked_comes_in_by_no_code_that_is_older(house: House) -> None:
    found = await code(house, "uses:5")
    await knocks(house, found)
    await joins(house)
    house.world.change(GARDEN, ALICE, ANA, "leave")
    await house.live()
    assert outcome(await knocks(house, found)) == WAITS
    house.clock.go_on(1)
    newer = await code(house, "again")
    assert outcome(await knocks(house, newer)) == IN


async def test_who_knocks_again_while_they_wait_keeps_their_use(house: House) -> None:
    await house.set_policy(ASKED)
    found = await code(house)
    await knocks(house, found)
    assert outcome(await knocks(house, "please")) == (State.PENDING, "by code")
    assert await used(house) == 1


# --- what a code is worth -----------------------------------------------------------------------------------------


async def test_it_counts_until_its_day_is_over(house: House) -> None:
    found = await code(house, "uses:2 until:2099-01-31")
    async with house.db.tx() as tx:
        await tx.execute("UPDATE codes SET until = $1", house.clock() + 1000)
    assert outcome(await knocks(house, found)) == IN
    house.clock.go_on(2)
    assert outcome(await knocks(house, found, BEA)) == WAITS


async def test_one_that_was_ended_lets_in_nobody_else(house: House) -> None:
    found = await code(house, "uses:3 choir")
    assert outcome(await knocks(house, found)) == IN
    assert await told(house, "code end Choir") == "✅ Code “choir” for Garden has ended: nobody else comes in by it."
    assert outcome(await knocks(house, found, BEA)) == WAITS
    assert "has no code “choir”" in await told(house, "code end choir")


async def test_it_falls_with_the_power_of_who_made_it(house: House) -> None:
    found = await code(house, "uses:3 choir", by=BOB)
    house.world.set_levels(GARDEN, **levels_for(), invite=50)
    await house.live()
    assert outcome(await knocks(house, found)) == WAITS
    assert f"It has no effect: I would do this for {BOB}, who may not do it now" in house.card().text
    assert f"⚠️ The codes of {BOB} have no effect now" in await told(house, "codes Garden")
    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)), invite=50)
    await house.live()
    assert outcome(await knocks(house, found, BEA)) == IN


async def test_whose_power_falls_before_the_invite_is_sent_lets_in_nobody(house: House) -> None:
    found = await code(house, by=BOB)
    house.world.knock(GARDEN, ANA, found)
    await house.hear()
    house.world.set_levels(GARDEN, **levels_for(), invite=50)
    await house.live()
    await house.later()
    assert outcome(await house.request(ANA)) == WAITS
    assert (house.membership(ANA), await used(house)) == ("knock", 0)


async def test_without_a_rule_it_changes_nothing_and_says_so(house: House) -> None:
    await house.set_policy("otherwise: forward")
    said = await told(house, "code new Garden choir")
    assert "⚠️ No rule in the policy of Garden asks for code" in said
    assert "when: { code: true }" in said


async def test_a_name_chooses_among_codes(house: House) -> None:
    await house.set_policy("rules: [{name: choir, when: {code: choir}, then: accept}]")
    choir, band = await code(house), await code(house, "band")
    assert outcome(await knocks(house, band)) == WAITS
    assert outcome(await knocks(house, choir, BEA)) == (State.ACCEPTED, "choir")


async def test_lists_come_before_it_and_a_cooldown_does_not(house: House) -> None:
    await house.set_policy(f"cooldown: 7d\n{RULES}")
    found = await code(house)
    await knocks(house, "hello")
    await told(house, "reject 1")
    assert (await knocks(house, "hello")).state is State.REJECTED
    assert outcome(await knocks(house, found)) == IN


# --- the commands ---------------------------------------------------------------------------------------------------


async def test_who_may_not_invite_makes_none(house: House) -> None:
    house.world.set_levels(GARDEN, **levels_for(), invite=50)
    await house.live()
    assert "invite" in await told(house, "code new Garden choir", by=BOB)
    house.world.change(GARDEN, BOB, BOB, "leave")
    await house.live()
    assert "Only members of Garden can make codes for it." in await told(house, "code new Garden choir", by=BOB)
    await code(house)
    assert "Only members of Garden" in await told(house, "code end choir", by=BOB)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ("uses:0", "A code lets in from 1 to 1,000 people"),
        ("uses:1001", "A code lets in from 1 to 1,000 people"),
        ("uses:many", "A code lets in from 1 to 1,000 people"),
        ("until:2001-01-01", "2001-01-01 is in the past"),
        ("until:soon", "soon"),
        ("two words", "A code has a name of one word"),
        ("x" * 41, "A code has a name of one word"),
    ],
)
async def test_a_mistake_is_told_with_an_example(house: House, terms: str, says: str) -> None:
    said = await told(house, f"code new Garden {terms}")
    assert says in said
    assert "🎟️" not in said


async def test_a_name_is_taken_once_until_it_is_ended(house: House) -> None:
    await code(house)
    assert "has a code “Choir” already" in await told(house, "code new Garden Choir")
    await told(house, "code end choir")
    await code(house, "Choir")


async def test_they_are_listed_with_their_uses(house: House) -> None:
    assert await told(house, "codes") == "Garden has no codes."
    found = await code(house, "uses:3 choir")
    await code(house, "until:2099-01-31 band", by=BOB)
    await knocks(house, found)
    assert await told(house, "codes Garden") == (
        "Garden has 2 codes:\n"
        f"choir: used 1 of 3, by {ALICE}\n"
        f"band: used 0 of 1, by {BOB}, until 31 Jan 2099, 23:59 UTC"
    )


async def test_another_management_room_learns_nothing(house: House) -> None:
    others = "!others:tulip.example"
    house.world.room(others, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    await code(house)
    for command in ("codes Garden", "code end choir Garden", "code new Garden other", "codes"):
        house.world.say(others, ALICE, f"!kb {command}")
        await house.live()
    assert all("choir" not in said and "🎟️" not in said for said in house.spoken(others))


async def test_a_room_that_is_let_go_has_no_codes_any_more(house: House) -> None:
    found = await code(house)
    await told(house, "unprotect Garden")
    await house.protect()
    await house.set_policy(RULES)
    assert outcome(await knocks(house, found)) == WAITS


# --- guessing -----------------------------------------------------------------------------------------------------


async def guesses(house: House, count: int, user_id: str = ANA) -> None:
    for number in range(count):
        await knocks(house, f"0000-0000-0000-{number:04}", user_id)
        await house.later(290)


async def test_who_brings_ten_wrong_ones_within_an_hour_is_shut_out_for_a_day(house: House) -> None:
    found = await code(house, "uses:9")
    await guesses(house, 12)
    alarms = [said for said in house.spoken() if "many wrong codes" in said]
    assert len(alarms) == 1
    assert alarms[0].startswith(f"⚠️ {ANA} brings many wrong codes at Garden. None of theirs counts until ")
    assert outcome(await knocks(house, found)) == WAITS
    assert outcome(await knocks(house, found, BEA)) == IN
    await house.later(DAY)
    assert outcome(await knocks(house, found)) == IN


async def test_nine_are_mistakes(house: House) -> None:
    found = await code(house)
    await guesses(house, 9)
    assert outcome(await knocks(house, found)) == IN


async def test_ten_in_more_than_an_hour_are_mistakes(house: House) -> None:
    found = await code(house)
    await guesses(house, 6)
    await house.later(3600)
    await guesses(house, 6)
    assert outcome(await knocks(house, found)) == IN


async def test_many_in_one_knock_count_as_many(house: House) -> None:
    found = await code(house)
    many = " ".join(f"0000-0000-0000-{number:04}" for number in range(40))
    await knocks(house, many)
    await knocks(house, f"{many}!")
    assert outcome(await knocks(house, found)) == WAITS
    assert len([said for said in house.spoken() if "many wrong codes" in said]) == 1


# --- where it stands ------------------------------------------------------------------------------------------------


async def everything(house: House) -> str:
    """All that is in the database, as text."""
    async with house.db.tx() as tx:
        if house.db.alone:
            names = [row["name"] for row in await tx.fetch("SELECT name FROM sqlite_master WHERE type = 'table'")]
        else:
            rows = await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
            names = [row["tablename"] for row in rows]
        rows = [dict(row) for name in names for row in await tx.fetch(f"SELECT * FROM {name}")]
    return json.dumps(rows, default=str)


async def test_it_stands_nowhere_but_in_the_reply(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.set_policy(ASKED)
    found = await code(house)
    await knocks(house, f"Let me in: {found}")
    await told(house, "show 1")
    await told(house, "list")
    await told(house, "log")
    await told(house, "codes")
    said = [content["body"] for content in house.said() if "🎟️ Code “choir” for" not in content["body"]]
    assert all(found not in body for body in said)
    card = house.card()
    assert "Let me in: [choir]" in card.text
    assert f"🎟️ Code: “choir”, made by {ALICE}." in card.text
    assert "brought the code “choir”" in "\n".join(said)
    stored = await everything(house)
    assert found not in stored
    assert found.replace("-", "") not in stored
    assert found not in caplog.text


async def test_a_wrong_one_is_hidden_too(house: House) -> None:
    await knocks(house, f"Let me in: {WRONG}")
    assert "Let me in: […]" in house.card().text
    assert WRONG not in await everything(house)


async def test_one_that_a_look_finds_is_hidden_and_counts(house: House) -> None:
    found = await code(house)
    house.world.knock(GARDEN, ANA, f"Let me in: {found}")
    house.world.outbox.clear()
    house.context.look_at(GARDEN)
    await house.live()
    assert outcome(await house.request(ANA)) == IN
    assert found not in await everything(house)


async def test_the_line_of_a_rule_names_it(house: House) -> None:
    await knocks(house, await code(house))
    line = next(said for said in house.spoken() if said.startswith("✅ #1"))
    assert line.endswith("Accepted by rule “by code”. 🎟️ code “choir”")


async def test_test_says_what_a_code_is_worth(house: House) -> None:
    found = await code(house)
    assert "Policy: accept, by rule “by code”" in await told(house, f"test Garden {ANA} {found}")
    assert await used(house) == 0


# --- in the conversation --------------------------------------------------------------------------------------------


async def talk_with(house: House) -> str:
    """She waits, and has a conversation with the bot."""
    await house.set_policy(f"{RULES}\nletters: {{received: true}}")
    await knocks(house, "hello")
    [talk] = [room_id for room_id in house.world.rooms if room_id not in (GARDEN, MODS)]
    house.world.change(talk, ANA, ANA, "join")
    await house.live()
    return talk


async def writes(house: House, talk: str, text: str) -> str:
    house.world.say(talk, ANA, text)
    await house.live()
    await house.later()
    return str(house.said(talk)[-1]["body"])


async def test_it_can_be_written_there(house: House) -> None:
    talk = await talk_with(house)
    found = await code(house)
    assert await writes(house, talk, f"my code: {found}") == "I have your code, and look at your request again."
    assert outcome(await house.request(ANA)) == IN
    assert found not in await everything(house)


async def test_a_wrong_one_there_is_told_and_counts(house: House) -> None:
    talk = await talk_with(house)
    found = await code(house)
    for number in range(10):
        said = await writes(house, talk, f"0000-0000-0000-{number:04}")
        house.clock.go_on(121)
        assert said.startswith(
            "I know no such code. Please look whether you typed it rightly."
            if number < 9
            else "You have sent too many wrong codes. None of yours counts until "
        )
    await writes(house, talk, found)
    assert (await house.request(ANA)).state is State.PENDING
    assert len([said for said in house.spoken() if "many wrong codes" in said]) == 1


@pytest.mark.parametrize("text", ["Help! My code is {}", "status {}, you know", "My code: {}, from Anna"])
async def test_a_code_beside_a_word_of_the_bot_is_a_code(house: House, text: str) -> None:
    talk = await talk_with(house)
    found = await code(house)
    assert await writes(house, talk, text.format(found)) == "I have your code, and look at your request again."
    assert outcome(await house.request(ANA)) == IN


@pytest.mark.parametrize("between", ["-", " ", "", "."])
async def test_no_appeal_shows_a_code(house: House, between: str) -> None:
    talk = await talk_with(house)
    found = (await code(house)).replace("-", between)
    await told(house, "reject 1")
    await writes(house, talk, f"appeal I have {found}, look!")
    assert any("I have […], look!" in said for said in house.spoken())
    assert found not in await everything(house)


async def test_one_that_is_used_up_or_ended_is_told(house: House) -> None:
    talk = await talk_with(house)
    found = await code(house, "uses:1")
    await knocks(house, found, BEA)
    said = "I know this code, but it does not count now. Your request goes on waiting."
    assert await writes(house, talk, found) == said
    assert "🎟️ Code: “code-1”. It has no effect: it was used by others" in house.card().text
    await told(house, f"code end code-1 {GARDEN}")
    await house.live()
    assert "It has no effect: it was ended" in house.card().text
    assert await writes(house, talk, found) == said


async def test_a_use_that_comes_back_is_for_who_waits_longest(house: House) -> None:
    await house.set_policy(RULES)
    found = await code(house, "uses:1")
    await knocks(house, found, BEA)
    assert (await house.request(BEA)).state is State.ACCEPTED
    for user in (ANA, CARA):
        await knocks(house, found, user)
        assert (await house.request(user)).state is State.PENDING
    house.world.change(GARDEN, BEA, BEA, "leave")
    await house.live()
    assert (await house.request(ANA)).state is State.ACCEPTED
    assert (await house.request(CARA)).state is State.PENDING


async def test_who_waits_for_nothing_is_told_so(house: House) -> None:
    talk = await talk_with(house)
    found = await code(house)
    await told(house, "reject 1")
    assert (await writes(house, talk, found)).startswith("None of your requests waits for an answer.")
