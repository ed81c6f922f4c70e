"""Batches: one answer to many requests, asked about first, then given a few at a time; each request once."""

from __future__ import annotations

import json

import pytest

from knockbot.domain.model import Knock, State
from knockbot.features.bulk.running import IN_FLIGHT
from knockbot.flow.ports import PROMPT_KEY, REQUEST_KEY
from knockbot.store import batches, requests
from tests.flow.house import GARDEN, MODS, House
from tests.flow.offered import offers
from tests.flow.test_lists import ALIAS, BANS, LIZ, open_door, set_policy, settled
from tests.flow.world import ALICE, ANA, BEA, BOT, HOME, levels_for

BOB, MONA = f"@bob:{HOME}", f"@mona:{HOME}"
ROSES = f"!roses:{HOME}"


@pytest.fixture
async def house(house: House) -> House:
    """The garden, with bob, who may do everything, and mona, who may nothing."""
    for user_id in (BOB, MONA):
        for room_id in (MODS, GARDEN):
            house.world.change(room_id, ALICE, user_id, "invite")
            house.world.change(room_id, user_id, user_id, "join")
    house.world.rooms[GARDEN].levels["users"][BOB] = 100
    await house.live()
    await house.protect()
    return house


def people(count: int, server: str = HOME) -> list[str]:
    return [f"@u{n}:{server}" for n in range(count)]


async def knock(house: House, *users: str, room_id: str = GARDEN, reason: str = "hello") -> None:
    for user_id in users:
        house.clock.go_on(1)
        house.world.knock(room_id, user_id, reason)
        await house.live()


async def ask(house: House, command: str, *, by: str = ALICE) -> str:
    """Type the command; returns what the message of the batch says."""
    house.tell(command, by=by)
    await house.live()
    return shown(house)


def shown(house: House, which: int = -1) -> str:
    """What the newest message of a batch says now."""
    return offers(house, "batch")[which].text


def spoken(house: House) -> list[str]:
    """What the bot said beside cards and batches."""
    said = [content for content in house.said() if PROMPT_KEY not in content and REQUEST_KEY not in content]
    return [content["body"] for content in said]


def click(house: House, emoji: str, *, by: str = ALICE) -> None:
    house.world.react(MODS, by, offers(house, "batch")[-1].event_id, emoji)


async def run(house: House, rounds: int = 60) -> None:
    """Go on until no batch runs any more."""
    for _ in range(rounds):
        await house.live()
        await house.ring()
        await house.live()
        async with house.db.tx() as tx:
            if not [one for one in await batches.open_in(tx, MODS) if one.stage == "running"]:
                break
        house.clock.go_on(1)
    await house.later(10)


def states(house: House, users: list[str], room_id: str = GARDEN) -> list[str | None]:
    return [house.membership(user_id, room_id) for user_id in users]


async def test_it_asks_first_and_says_whom_it_is_about(house: House) -> None:
    users = people(12)
    await knock(house, *users)
    said = await ask(house, "reject all because Not now.")
    lines = said.split("\n")
    assert lines[:3] == ["Reject 12 requests?", "These are all who wait.", "They are told: Not now."]
    assert [line.split()[0] for line in lines[3:13]] == [f"#{n}" for n in range(1, 11)]
    assert lines[13] == "… and 2 more"
    assert f"{ALICE}: ✅ begins, ❌ drops it." in lines[14]
    assert offers(house, "batch")[-1].emojis == ("✅", "❌")
    await house.later(60)
    assert states(house, users) == ["knock"] * 12


@pytest.mark.parametrize("name", ["😀" * 200, "&<>" * 100, "\u202e" * 300, "x" * 500, "٠" * 300])
async def test_whatever_they_call_themselves_it_says_how_to_confirm(house: House, name: str) -> None:
    async with house.db.tx() as tx:
        for n in range(12):
            user_id = f"@{chr(0x1F600) * 50}{n}:{HOME}"
            await requests.open_knock(tx, MODS, Knock(GARDEN, user_id, f"$k{n}", name, name), house.clock())
    said = await ask(house, f'reject all text:"{name[:150]}" because {"😀" * 900}' if name[0] == "x" else "reject all")
    assert said.split("\n")[0] == "Reject 12 requests?"
    assert "✅ begins" in said.split("\n")[-1]
    assert len(json.dumps(house.said()[-1])) < 60_000


@pytest.mark.parametrize(
    ("verdict", "membership", "word", "state"),
    [
        ("accept", "invite", "accepted", State.ACCEPTED),
        ("reject", "leave", "rejected", State.REJECTED),
        ("ban", "ban", "banned", State.BANNED),
    ],
)
async def test_once_it_is_confirmed_everybody_gets_the_answer(
    house: House, verdict: str, membership: str, word: str, state: State
) -> None:
    users = people(11)
    await knock(house, *users)
    await ask(house, f"{verdict} all")
    click(house, "✅")
    await run(house)
    assert states(house, users) == [membership] * 11
    assert shown(house) == f"Batch 1 by {ALICE} is done: 11 of 11 {word}."
    assert offers(house, "batch")[-1].emojis == ()
    request = await house.request(users[3])
    assert (request.state, request.by) == (state, ALICE)
    assert [line for line in await house.history(request) if line[0] == ALICE] == [(ALICE, verdict), (ALICE, word)]


async def test_only_a_few_acts_are_under_way_at_once(house: House) -> None:
    users = people(30)
    await knock(house, *users)
    await ask(house, "reject all")
    click(house, "✅")
    await house.hear()
    await house.ring()
    assert len([key for key in await house.jobs("due", "running") if key.startswith("kick:")]) == IN_FLIGHT
    await house.ring()
    assert len([key for key in await house.jobs("due", "running") if key.startswith("kick:")]) == IN_FLIGHT


async def test_the_cards_say_the_outcome_but_no_line_and_no_reply_is_said_of_each(house: House) -> None:
    users = people(6)
    await knock(house, *users)
    await ask(house, "accept all because Welcome!")
    click(house, "✅")
    await run(house)
    await house.later(60)
    assert {card.state for card in house.cards()} == {"accepted"}
    assert spoken(house) == []


async def test_who_comes_after_it_was_asked_about_is_not_in_it(house: House) -> None:
    await knock(house, ANA)
    await ask(house, "reject all")
    await knock(house, BEA)
    click(house, "✅")
    await run(house)
    assert states(house, [ANA, BEA]) == ["leave", "knock"]
    assert "1 of 1 rejected" in shown(house)


@pytest.mark.parametrize(("verdict", "membership"), [("accept", "knock"), ("reject", "leave")])
async def test_who_knocks_again_after_it_was_asked_about_is_not_accepted(
    house: House, verdict: str, membership: str
) -> None:
    await knock(house, ANA, BEA)
    await ask(house, f"{verdict} all")
    house.world.knock(GARDEN, ANA, "something else")
    await house.live()
    click(house, "✅")
    await run(house)
    assert house.membership(ANA) == membership
    assert ("Left out: 1 knocked again after I asked: #1" in shown(house)) is (verdict == "accept")


async def test_a_knock_that_was_shown_is_accepted_though_it_was_not_the_first(house: House) -> None:
    await knock(house, ANA)
    await knock(house, ANA, reason="please")
    await ask(house, "accept all")
    click(house, "✅")
    await run(house)
    assert house.membership(ANA) == "invite"


async def test_unconfirmed_it_does_nothing_for_ever(house: House) -> None:
    await knock(house, ANA)
    await ask(house, "reject all")
    house.clock.go_on(10 * 60)
    await house.ring()
    await house.later()
    assert shown(house) == f"Batch 1: {ALICE} did not confirm it within 10 minutes. Nothing was done."
    assert offers(house, "batch")[-1].emojis == ()
    click(house, "✅")
    await run(house)
    assert house.membership(ANA) == "knock"
    assert spoken(house)[-1] == "Batch 1 is over."


async def test_a_click_that_comes_before_the_timer_but_after_its_time_does_nothing(house: House) -> None:
    await knock(house, ANA)
    await ask(house, "reject all")
    house.clock.go_on(10 * 60)
    click(house, "✅")
    await run(house)
    assert house.membership(ANA) == "knock"
    assert "Nothing was done." in shown(house)


async def test_it_can_be_dropped(house: House) -> None:
    await knock(house, ANA)
    await ask(house, "reject all")
    click(house, "❌")
    await run(house)
    assert (house.membership(ANA), shown(house)) == ("knock", f"Batch 1: {ALICE} dropped it. Nothing was done.")


@pytest.mark.parametrize("emoji", ["✅", "❌"])
async def test_the_click_of_somebody_else_does_nothing_and_is_told_once(house: House, emoji: str) -> None:
    await knock(house, ANA)
    await ask(house, "reject all")
    for _ in range(2):
        click(house, emoji, by=BOB)
        await run(house)
    assert house.membership(ANA) == "knock"
    assert spoken(house).count(f"Only {ALICE}, who asked for this, can confirm or drop it.") == 1
    click(house, "✅")
    await run(house)
    assert house.membership(ANA) == "leave"


async def begun(house: House, count: int) -> list[str]:
    """A batch that has given its first few answers."""
    users = people(count)
    await knock(house, *users)
    await ask(house, "reject all")
    click(house, "✅")
    await house.hear()
    await house.ring()
    await house.live()
    return users


@pytest.mark.parametrize(("who", "stops"), [(ALICE, True), (BOB, True), (MONA, False)])
async def test_a_running_batch_is_stopped_by_who_may_give_the_answer(house: House, who: str, stops: bool) -> None:
    users = await begun(house, 10)
    click(house, "❌", by=who)
    await run(house)
    kicked = states(house, users).count("leave")
    assert (kicked < 10) is stops
    if stops:
        said = f"Batch 1 was stopped by {who}: {kicked} of 10 rejected.\n{10 - kicked} were not touched."
        assert shown(house) == said
    else:
        assert f"Only {ALICE}" in spoken(house)[-1]


async def test_who_loses_the_power_gives_no_more_answers(house: House) -> None:
    users = await begun(house, 10)
    house.world.rooms[GARDEN].levels["users"][ALICE] = 0
    house.world.set_levels(GARDEN)
    await run(house)
    kicked = states(house, users).count("leave")
    assert 0 < kicked < 10
    assert f"{kicked} of 10 rejected." in shown(house)
    assert "whom you or I may not answer so there" in shown(house)


async def test_others_answer_meanwhile_and_each_request_has_one_outcome(house: House) -> None:
    users = await begun(house, 10)
    house.tell("accept 10", by=BOB)
    await run(house)
    assert states(house, users) == ["leave"] * 9 + ["invite"]
    assert shown(house) == (
        f"Batch 1 by {ALICE} is done: 9 of 10 rejected.\nLeft out: 1 was answered otherwise meanwhile: #10"
    )


async def test_who_gives_up_meanwhile_is_not_counted(house: House) -> None:
    users = await begun(house, 10)
    house.world.change(GARDEN, users[9], users[9], "leave")
    await run(house)
    assert shown(house).endswith("9 of 10 rejected.\nLeft out: 1 does not wait any more: #10")


async def test_it_goes_on_after_a_death_at_any_step(house: House) -> None:
    users = await begun(house, 13)
    for _ in range(4):
        await house.die()
        await house.start_again()
        await house.ring()
    await run(house)
    assert states(house, users) == ["leave"] * 13
    assert shown(house) == f"Batch 1 by {ALICE} is done: 13 of 13 rejected."
    for user_id in users:
        kinds = [kind for _, kind in await house.history(await house.request(user_id))]
        assert (kinds.count("reject"), kinds.count("rejected")) == (1, 1)


async def test_the_queue_says_how_far_it_is(house: House) -> None:
    await begun(house, 10)
    house.tell("queue")
    await house.live()
    assert f"Batch 1 by {ALICE}: 4 of 10" in spoken(house)[-1].split("\n")


@pytest.mark.parametrize(
    ("command", "answered"),
    [
        (f"reject all {GARDEN}", [0, 1, 2]),
        ("reject all server:else.example", [2]),
        ('reject all text:"please"', [1]),
        ("reject all user:@ana:*", [0, 3]),
        ("reject all Roses", [3]),
        ('reject all text:"because" because of this', []),
    ],
)
async def test_filters_and_a_room_select(house: House, command: str, answered: list[int]) -> None:
    a_second_room(house)
    await house.protect(ROSES)
    eve = "@eve:else.example"
    await knock(house, ANA)
    await knock(house, BEA, reason="Please!")
    await knock(house, eve)
    await knock(house, ANA, room_id=ROSES)
    house.tell(command)
    await house.live()
    if answered:
        click(house, "✅")
        await run(house)
    who = [(ANA, GARDEN), (BEA, GARDEN), (eve, GARDEN), (ANA, ROSES)]
    assert [n for n, one in enumerate(who) if house.membership(*one) == "leave"] == answered
    if not answered:
        assert spoken(house)[-1] == 'Nobody is waiting who fits text:"because".'


def a_second_room(house: House) -> None:
    house.world.room(ROSES, "Roses", ALICE, BOT, levels=levels_for())


async def test_rooms_where_the_power_is_missing_are_left_out_and_told(house: House) -> None:
    a_second_room(house)
    await house.protect(ROSES)
    await knock(house, ANA)
    await knock(house, BEA, room_id=ROSES)
    said = await ask(house, "reject all", by=BOB)
    assert said.split("\n")[0] == "Reject 1 request?"
    assert "Left out: 1 whom you or I may not answer so there: #2" in said
    click(house, "✅", by=BOB)
    await run(house)
    assert [house.membership(ANA), house.membership(BEA, ROSES)] == ["leave", "knock"]


async def test_where_nobody_could_be_answered_nothing_is_asked(house: House) -> None:
    await knock(house, ANA)
    house.tell("reject all", by=MONA)
    await house.live()
    assert offers(house, "batch") == []
    assert spoken(house)[-1].split("\n")[0] == "There is nobody whom I could answer so."


@pytest.mark.one_engine
@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("reject all", "Nobody is waiting."),
        ("reject all server:x.example", "Nobody is waiting who fits server:x.example."),
        ("reject all because", "Write the reason behind because."),
        (
            "accept all from tulip.example",
            "I do not understand “from tulip.example” here. Usage: !kb accept all [ROOM] [FILTER…]",
        ),
        ("accept all Gardn", "Gardn is not managed from this room."),
        ("reject all not now", "not now"),
        ("reject all older:soon", "older:soon"),
        ("deny all", "Nobody is waiting."),
        ("Approve All", "Nobody is waiting."),
    ],
)
async def test_what_selects_nobody_or_is_written_wrongly_is_told(house: House, command: str, said: str) -> None:
    house.tell(command)
    await house.live()
    assert said in spoken(house)[-1]


async def test_an_unused_invite_to_an_address_is_left_out(house: House) -> None:
    house.world.plant(GARDEN, BOB)
    await house.live()
    await knock(house, ANA)
    said = await ask(house, "ban all")
    assert "Left out: 1 unused invite to an address. Answer it by its number: #1" in said
    click(house, "✅")
    await run(house)
    assert (house.membership(ANA), house.membership(BOB)) == ("ban", "join")


async def test_who_is_deferred_is_left_out_also_once_it_runs(house: House) -> None:
    users = people(3)
    await knock(house, *users)
    house.tell("defer 1 2d")
    await house.live()
    said = await ask(house, "reject all")
    assert (said.split("\n")[0], "Left out: 1 is deferred: #1" in said) == ("Reject 2 requests?", True)
    house.tell("defer 3 2d")
    click(house, "✅")
    await run(house)
    assert states(house, users) == ["knock", "leave", "knock"]
    assert shown(house).endswith("1 of 2 rejected.\nLeft out: 1 is deferred: #3")


@pytest.mark.parametrize(("verdict", "memberships"), [("accept", ["knock", "invite"]), ("reject", ["leave", "leave"])])
async def test_who_is_on_a_list_is_not_accepted_by_a_batch(house: House, verdict: str, memberships: list[str]) -> None:
    house.world.room(BANS, "Bans", LIZ, ALICE, levels=levels_for([LIZ], bot=0), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    await set_policy(house, open_door("forward").replace("otherwise: accept", "otherwise: forward"))
    house.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(house)
    await knock(house, ANA, BEA)
    said = await ask(house, f"{verdict} all")
    assert ("Left out: 1 may be on a policy list: #1" in said) is (verdict == "accept")
    click(house, "✅")
    await run(house)
    assert states(house, [ANA, BEA]) == memberships


async def test_the_name_of_a_template_gives_its_text(house: House) -> None:
    await house.set_policy("templates:\n  rules: Please read our rules first.\n")
    await knock(house, ANA)
    await ask(house, "reject all because rules")
    click(house, "✅")
    await run(house)
    assert house.world.rooms[GARDEN].members[ANA]["content"]["reason"] == "Please read our rules first."


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rulse", "#1 at Garden: I did nothing. Did you mean the template “rules”?"),
        ("later", "#1 at Garden: I did nothing, because this room has no template “later”."),
    ],
)
async def test_what_is_nearly_the_name_of_a_template_is_sent_to_nobody(house: House, words: str, said: str) -> None:
    await house.set_policy("templates:\n  rules: Please read our rules first.\n")
    roses = "!roses:tulip.example"
    house.world.room(roses, "Roses", ALICE, BOT, levels=levels_for())
    house.tell(f"protect {roses}")
    await house.live()
    await house.set_policy("templates:\n  later: We are full.\n", roses)
    await knock(house, ANA)
    house.tell(f"reject all because {words}")
    await house.live()
    assert spoken(house)[-1].startswith(said)
    assert offers(house, "batch") == []
    assert house.membership(ANA) == "knock"


async def test_its_message_is_posted_again_if_somebody_removes_it(house: House) -> None:
    await knock(house, ANA)
    await ask(house, "reject all")
    house.world.redact(MODS, ALICE, offers(house, "batch")[-1].event_id)
    await house.live()
    assert shown(house).startswith("Reject 1 request?")
    click(house, "✅")
    await run(house)
    assert house.membership(ANA) == "leave"


async def test_a_click_while_the_bot_was_away_is_found(house: House) -> None:
    await knock(house, ANA)
    await ask(house, "reject all")
    click(house, "✅")
    house.world.outbox.clear()
    await house.look_everywhere()
    await run(house)
    assert house.membership(ANA) == "leave"


async def test_a_room_that_is_let_go_meanwhile_gets_no_more_answers(house: House) -> None:
    users = await begun(house, 10)
    house.tell(f"unprotect {GARDEN}")
    await run(house)
    kicked = states(house, users).count("leave")
    assert kicked < 10
    assert f"{kicked} of 10 rejected." in shown(house)
    assert "do not wait any more" in shown(house) or "not managed from here" in shown(house)
