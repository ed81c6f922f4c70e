"""Vouches: whose word lets somebody in, what the card says of each, and how a word falls with whoever gave it."""

from __future__ import annotations

import pytest

from knockbot.domain.model import Request, State
from knockbot.domain.reasons import foreign
from knockbot.errors import Never
from knockbot.flow import conversations as conversing
from knockbot.store import vouches
from tests.flow.house import GARDEN, MODS, House
from tests.flow.test_inheriting import new_space
from tests.flow.world import ALICE, ANA, BEA, BOT, levels_for

BOB, CLEO = "@bob:tulip.example", "@cleo:tulip.example"
DAY = 24 * 3600.0
RULES = "rules: [{name: vouched, when: {vouched: true}, then: accept}]"
LAWN = "!lawn:tulip.example"

IN = (State.ACCEPTED, "vouched")
WAITS = (State.PENDING, "otherwise")


@pytest.fixture
async def house(house: House) -> House:
    """A garden that lets in whomever a member vouches for; bob and cleo are members without power."""
    for member in (BOB, CLEO):
        house.world.change(GARDEN, ALICE, member, "join")
        house.world.change(MODS, ALICE, member, "join")
    await house.set_policy(RULES)
    await house.live()
    return house


async def told(house: House, command: str, *, by: str = BOB) -> str:
    before = len(house.spoken())
    house.tell(command, by=by)
    await house.live()
    return "\n".join(house.spoken()[before:])


async def vouch(house: House, whom: str = ANA, why: str = "", *, by: str = BOB) -> str:
    return await told(house, f"vouch {whom} Garden {why}", by=by)


async def knocks(house: House, user_id: str = ANA) -> Request:
    house.world.knock(GARDEN, user_id, "hello")
    await house.live()
    return (await house.requests(user_id))[-1]


async def moves(house: House, user_id: str, membership: str, *, by: str | None = None) -> None:
    house.world.change(GARDEN, by or user_id, user_id, membership)
    await house.live()
    await house.later(1)


def outcome(request: Request) -> tuple[State, str | None]:
    return request.state, request.decision.rule if request.decision is not None else None


async def now(house: House, user_id: str = ANA) -> tuple[State, str | None]:
    return outcome((await house.requests(user_id))[-1])


# --- coming in ----------------------------------------------------------------------------------------------------


async def test_a_word_before_the_knock_lets_in(house: House) -> None:
    said = await vouch(house, why="We sing together.")
    assert said.startswith(f"🤝 You vouch for {ANA} at Garden, until ")
    assert outcome(await knocks(house)) == IN
    line = next(said for said in house.spoken() if said.startswith("✅ #1"))
    assert line.endswith(f"🤝 vouched for by {BOB}")


async def test_a_word_for_somebody_who_waits_has_them_judged_again(house: House) -> None:
    assert outcome(await knocks(house)) == WAITS
    said = await vouch(house)
    assert "Their request is waiting: I look at it again." in said
    assert await now(house) == IN


async def test_nobody_else_comes_in_by_it_and_it_is_for_its_room(house: House) -> None:
    house.world.room(LAWN, "Lawn", ALICE, BOT, levels=levels_for())
    await house.protect(LAWN)
    await house.set_policy(RULES, LAWN)
    await vouch(house)
    assert outcome(await knocks(house, BEA)) == WAITS
    house.world.knock(LAWN, ANA)
    await house.live()
    assert (await house.request(ANA, LAWN)).state is State.PENDING


async def test_after_thirty_days_it_counts_no_more(house: House) -> None:
    await vouch(house)
    await house.later(30 * DAY + 1)
    assert outcome(await knocks(house)) == WAITS


async def test_a_rule_can_ask_for_several_and_for_power(house: House) -> None:
    await house.set_policy(
        "rules: [{name: vouched, when: {vouched: {by_at_least: 2, power_at_least: 50}}, then: accept}]"
    )
    await knocks(house)
    await vouch(house)
    await vouch(house, by=ALICE)
    assert await now(house) == WAITS
    assert f"🤝 {ALICE} vouches for them." in house.card().text
    house.world.set_levels(GARDEN, **levels_for((ALICE, BOB)))
    await house.live()
    await house.later(1)
    assert await now(house) == IN


async def test_without_a_rule_it_is_shown_and_said(house: House) -> None:
    await house.set_policy("otherwise: forward")
    await knocks(house)
    assert "⚠️ No rule in the policy of Garden asks for vouched" in await vouch(house, why="A friend.")
    assert await now(house) == WAITS
    assert f"🤝 {BOB} vouches for them: A friend." in house.card().text


async def test_a_cooldown_comes_before_it(house: House) -> None:
    await house.set_policy(f"cooldown: 7d\n{RULES}")
    await knocks(house)
    await told(house, "reject 1", by=ALICE)
    await vouch(house)
    assert (await knocks(house)).state is State.REJECTED


async def test_a_rejection_by_a_moderator_ends_the_words_that_were_given_before(house: House) -> None:
    await house.set_policy("rules: [{name: vouched, when: {vouched: {by_at_least: 2}}, then: accept}]")
    await vouch(house)
    await knocks(house)
    await told(house, "reject 1", by=ALICE)
    await vouch(house, by=CLEO)
    assert outcome(await knocks(house)) == WAITS
    assert f"The word of {BOB} does not count: a moderator has rejected the user since." in house.cards()[-1].text


async def test_it_ends_them_too_where_no_rule_asks_for_words(house: House) -> None:
    await house.set_policy("otherwise: forward")
    await vouch(house)
    await knocks(house)
    await told(house, "reject 1", by=ALICE)
    await house.set_policy(RULES)
    assert outcome(await knocks(house)) == WAITS


@pytest.mark.parametrize("how", ["kicked", "banned", "undone"])
async def test_who_is_removed_after_they_joined_needs_new_words(house: House, how: str) -> None:
    await vouch(house)
    await knocks(house)
    await vouch(house, by=CLEO)  # which was not needed, and waits
    await moves(house, ANA, "join")
    if how == "undone":
        await told(house, "undo 1", by=ALICE)
        question = next(event for event in reversed(house.world.rooms[MODS].said) if "Remove them" in str(event))
        house.world.react(MODS, ALICE, question["event_id"], "✅")
        await house.live()
    else:
        await moves(house, ANA, "leave" if how == "kicked" else "ban", by=ALICE)
    if how == "banned":
        await moves(house, ANA, "leave", by=ALICE)
    assert house.membership(ANA) == "leave"
    assert outcome(await knocks(house)) == WAITS
    await vouch(house)
    assert await now(house) == IN


async def test_who_was_banned_before_they_ever_asked_needs_new_words(house: House) -> None:
    await vouch(house)
    await moves(house, ANA, "ban", by=ALICE)
    await moves(house, ANA, "leave", by=ALICE)
    assert outcome(await knocks(house)) == WAITS


async def test_who_leaves_by_themselves_keeps_the_words_that_wait(house: House) -> None:
    await vouch(house)
    await knocks(house)
    await moves(house, ANA, "leave")
    assert outcome(await knocks(house)) == IN


async def test_a_rule_that_rejects_ends_none(house: House) -> None:
    await house.set_policy("otherwise: reject")
    await vouch(house)
    assert (await knocks(house)).state is State.REJECTED
    await house.set_policy(RULES)
    assert outcome(await knocks(house)) == IN


# --- whose word does not count ------------------------------------------------------------------------------------


async def test_who_is_no_member_cannot_vouch(house: House) -> None:
    await moves(house, BOB, "leave")
    assert await vouch(house) == "Only members of Garden can vouch for others there."
    assert outcome(await knocks(house)) == WAITS
    assert "🤝" not in house.card().text


async def test_nobody_vouches_for_themselves_nor_for_the_bot_nor_for_a_member(house: House) -> None:
    assert await vouch(house, BOB) == "You cannot vouch for yourself."
    assert "is my own name" in await vouch(house, BOT)
    assert await vouch(house, CLEO) == f"{CLEO} is in Garden already."


async def test_twice_counts_once_and_has_the_new_text(house: House) -> None:
    await house.set_policy("rules: [{name: vouched, when: {vouched: {by_at_least: 2}}, then: accept}]")
    await knocks(house)
    await vouch(house, why="Old.")
    assert "That counts once" in await vouch(house, why="New.")
    assert await now(house) == WAITS
    card = house.card().text
    assert card.count("🤝") == 1
    assert f"🤝 {BOB} vouches for them: New." in card


async def test_the_same_command_twice_is_one_word(house: House) -> None:
    event = house.tell(f"vouch {ANA} Garden", by=BOB)
    await house.live()
    house.world.outbox.append(next(one for one in house.world.rooms[MODS].said if one["event_id"] == event))
    await house.live()
    async with house.db.tx() as tx:
        assert await vouches.given_since(tx, BOB, 0) == 1


async def test_in_a_circle_it_does_not_count(house: House) -> None:
    await vouch(house, BEA, by=BOB)
    await knocks(house, BEA)
    await moves(house, BEA, "join")
    await moves(house, BOB, "leave")
    house.world.change(MODS, ALICE, BEA, "join")
    await vouch(house, BOB, by=BEA)
    assert outcome(await knocks(house, BOB)) == WAITS
    assert f"The word of {BEA} does not count: came in by a word that leads back to the user." in house.card().text


async def test_a_longer_circle_does_not_count_either(house: House) -> None:
    dora = "@dora:tulip.example"
    for giver, one in ((BOB, BEA), (BEA, dora)):
        house.world.change(MODS, ALICE, giver, "join")
        await vouch(house, one, by=giver)
        await knocks(house, one)
        await moves(house, one, "join")
    await moves(house, BOB, "leave")
    house.world.change(MODS, ALICE, dora, "join")
    await vouch(house, BOB, by=dora)
    assert outcome(await knocks(house, BOB)) == WAITS


async def test_who_came_in_otherwise_is_in_no_circle(house: House) -> None:
    await vouch(house, BEA, by=BOB)
    await knocks(house, BEA)
    await moves(house, BEA, "join")
    await moves(house, BEA, "leave")
    await moves(house, BEA, "invite", by=ALICE)
    await moves(house, BEA, "join")
    await moves(house, BOB, "leave")
    house.world.change(MODS, ALICE, BEA, "join")
    await vouch(house, BOB, by=BEA)
    assert outcome(await knocks(house, BOB)) == IN


# --- they fall ----------------------------------------------------------------------------------------------------

GOING = [("leave", BOB, "has left the room"), ("leave", ALICE, "was removed"), ("ban", ALICE, "was banned")]


@pytest.mark.parametrize(("membership", "by", "why"), GOING)
async def test_it_falls_with_whoever_gave_it(house: House, membership: str, by: str, why: str) -> None:
    await house.set_policy("rules: [{name: vouched, when: {vouched: {by_at_least: 2}}, then: accept}]")
    await knocks(house)
    await vouch(house)
    await moves(house, BOB, membership, by=by)
    await vouch(house, by=CLEO)
    assert await now(house) == WAITS
    assert f"🤝 The word of {BOB} does not count: {why}" in house.card().text
    assert f"🤝 {CLEO} vouches for them." in house.card().text


async def test_who_comes_back_has_to_vouch_again(house: House) -> None:
    await vouch(house)
    await moves(house, BOB, "leave")
    await moves(house, BOB, "join")
    assert outcome(await knocks(house)) == WAITS
    await vouch(house)
    assert await now(house) == IN


async def test_an_invite_that_nobody_took_is_withdrawn(house: House) -> None:
    await vouch(house)
    assert outcome(await knocks(house)) == IN
    await moves(house, BOB, "ban", by=ALICE)
    assert house.membership(ANA) == "leave"
    assert (await house.requests(ANA))[-1].state is State.REJECTED
    assert outcome(await knocks(house)) == WAITS


async def test_it_is_not_withdrawn_where_the_word_of_another_is_enough(house: House) -> None:
    await vouch(house)
    await vouch(house, by=CLEO)
    await knocks(house)
    await moves(house, BOB, "ban", by=ALICE)
    assert house.membership(ANA) == "invite"


async def test_where_it_is_withdrawn_the_words_of_others_stand(house: House) -> None:
    await house.set_policy("rules: [{name: vouched, when: {vouched: {by_at_least: 2}}, then: accept}]")
    await vouch(house)
    await vouch(house, by=CLEO)
    await knocks(house)
    await moves(house, BOB, "ban", by=ALICE)
    assert house.membership(ANA) == "leave"
    await vouch(house, by=ALICE)
    assert outcome(await knocks(house)) == IN


async def test_before_the_invite_is_sent_it_is_stopped(house: House) -> None:
    await vouch(house)
    house.world.knock(GARDEN, ANA)
    await house.hear()
    house.world.change(GARDEN, ALICE, BOB, "ban")
    await house.live()
    await house.later()
    assert (await now(house), house.membership(ANA)) == (WAITS, "knock")


async def test_who_has_joined_stays_and_the_log_says_so(house: House) -> None:
    await vouch(house)
    await knocks(house)
    await moves(house, ANA, "join")
    await moves(house, BOB, "ban", by=ALICE)
    assert house.membership(ANA) == "join"
    assert f"the word for {ANA} counts no more" in await told(house, "log 1", by=ALICE)
    shown = await told(house, "show 1", by=ALICE)
    assert f"The word of {BOB} no longer counts: was banned from the room. Who has joined stays." in shown


async def test_a_look_finds_who_left_while_the_bot_was_down(house: House) -> None:
    await house.set_policy("rules: [{name: vouched, when: {vouched: {by_at_least: 2}}, then: accept}]")
    await vouch(house)
    await knocks(house)
    house.world.change(GARDEN, BOB, BOB, "leave")
    house.world.outbox.clear()
    await house.start_again()
    await house.look_everywhere()
    await house.live()
    assert f"The word of {BOB} does not count: has left the room." in house.card().text


async def test_a_look_finds_who_was_removed_while_the_bot_was_down(house: House) -> None:
    await vouch(house)
    await knocks(house)
    await vouch(house, by=CLEO)
    await moves(house, ANA, "join")
    house.world.change(GARDEN, ALICE, ANA, "leave")
    house.world.outbox.clear()
    await house.start_again()
    await house.look_everywhere()
    await house.live()
    assert outcome(await knocks(house)) == WAITS


async def test_who_leaves_a_room_that_is_replaced_takes_their_words_along(house: House) -> None:
    await vouch(house)
    await vouch(house, by=CLEO)
    house.world.room(LAWN, "Lawn", ALICE, BOT, levels=levels_for())
    house.world.replace(GARDEN, LAWN)
    await house.live()
    await moves(house, BOB, "leave")
    await moves(house, CLEO, "ban", by=ALICE)
    await house.look_everywhere()
    async with house.db.tx() as tx:
        assert [one.given_by for one in await vouches.standing_for(tx, GARDEN, ANA, house.clock(), 9)] == [BOB]


async def test_a_word_of_who_left_unheard_does_not_count(house: House) -> None:
    await vouch(house)
    house.world.change(GARDEN, BOB, BOB, "leave")
    house.world.outbox.clear()
    house.context.standings.forget(GARDEN)
    assert outcome(await knocks(house)) == WAITS


async def test_it_is_taken_back(house: House) -> None:
    await vouch(house)
    await knocks(house)
    assert (await told(house, f"unvouch {ANA} Garden")).split("\n")[0] == f"✅ You no longer vouch for {ANA} at Garden."
    await house.later(1)
    assert house.membership(ANA) == "leave"
    assert f"You do not vouch for {ANA}" in await told(house, f"unvouch {ANA} Garden")


async def test_the_same_leave_heard_again_takes_no_later_word(house: House) -> None:
    house.world.change(GARDEN, BOB, BOB, "leave")
    gone = house.world.outbox[-1]
    await house.live()
    await moves(house, BOB, "join")
    await vouch(house)
    house.world.outbox.append(gone)
    await house.live()
    assert outcome(await knocks(house)) == IN


async def test_the_bot_is_killed_between_a_ban_and_what_follows(house: House) -> None:
    await vouch(house)
    await knocks(house)
    house.world.change(GARDEN, ALICE, BOB, "ban")
    await house.deliver()
    await house.start_again()
    await house.live()
    await house.later(1)
    assert (house.membership(ANA), (await house.requests(ANA))[-1].state) == ("leave", State.REJECTED)


async def test_what_the_bot_cannot_see_is_unknown_and_left_to_moderators(house: House) -> None:
    await vouch(house)
    house.context.standings.forget(GARDEN)
    house.world.play("powers", Never(foreign("no")), times=9)
    request = await knocks(house)
    assert request.state is State.PENDING
    assert request.decision is not None
    assert request.decision.unknown is not None


async def test_an_invite_that_the_bot_may_not_withdraw_is_left_to_the_moderators(house: House) -> None:
    await vouch(house)
    await knocks(house)
    house.world.set_levels(GARDEN, users={ALICE: 100, BOT: 50}, kick=60)
    await house.live()
    await moves(house, BOB, "ban", by=ALICE)
    request = (await house.requests(ANA))[-1]
    assert (request.state, house.membership(ANA)) == (State.PENDING, "invite")
    assert f"The word of {BOB} does not count: was banned from the room." in house.cards()[-1].text
    house.world.set_levels(GARDEN, kick=50)
    await house.live()
    await house.later(100)
    assert house.membership(ANA) == "leave"


async def test_it_counts_for_the_policy_of_a_space_too(house: House) -> None:
    await house.set_policy("inherit: true\nrules: [{name: spam, when: {reason_matches: spam}, then: reject}]")
    await new_space(house, GARDEN, policy=RULES)
    await vouch(house)
    assert (await knocks(house)).state is State.ACCEPTED
    await moves(house, BOB, "ban", by=ALICE)
    assert house.membership(ANA) == "leave"


# --- bounds -------------------------------------------------------------------------------------------------------


async def test_so_many_a_day_and_no_more(house: House) -> None:
    for number in range(10):
        assert "You vouch for" in await vouch(house, f"@p{number}:tulip.example")
    assert "You have vouched 10 times within a day." in await vouch(house)
    await house.later(DAY + 1)
    assert "You vouch for" in await vouch(house)


async def test_giving_and_taking_back_by_turns_is_bounded_too(house: House) -> None:
    for _ in range(10):
        await vouch(house)
        await told(house, f"unvouch {ANA} Garden")
    assert "You have vouched 10 times within a day." in await vouch(house)


@pytest.mark.parametrize("why", ["x" * 201, "<b>bold</b>", "@room", "\u202eevil"])
async def test_its_text_is_bounded_and_harmless(house: House, why: str) -> None:
    said = await vouch(house, why=why)
    if len(why) > 200:
        assert said == "Your text has 201 characters, and at most 200 are possible."
        return
    await house.set_policy("otherwise: forward")
    await knocks(house)
    card = next(content for content in reversed(house.said()) if BOB in content["body"])
    assert "<b>bold</b>" not in card["formatted_body"]
    assert card.get("m.mentions") in ({}, None)


async def test_another_management_room_learns_nothing(house: House) -> None:
    others = "!others:tulip.example"
    house.world.room(others, "Others", ALICE, BOT, levels=levels_for(), join_rule="invite")
    house.world.room(LAWN, "Lawn", ALICE, BOT, levels=levels_for())
    await house.protect(LAWN, others)
    await vouch(house, why="xyzzy")
    house.world.say(others, ALICE, f"!kb vouch {ANA} Garden")
    await house.live()
    assert "is not managed from this room" in house.spoken(others)[-1]
    await told(house, "unprotect Garden", by=ALICE)
    await house.protect(GARDEN, others)
    await knocks(house)
    assert all("xyzzy" not in said for said in house.spoken(others))


async def test_it_goes_along_to_the_room_that_replaces_another(house: House) -> None:
    await vouch(house)
    async with house.db.tx() as tx:
        await vouches.move_over(tx, GARDEN, LAWN)
        assert [one.given_by for one in await vouches.standing_for(tx, LAWN, ANA, house.clock(), 9)] == [BOB]


# --- in a conversation --------------------------------------------------------------------------------------------

DEE = "@dee:rose.example"
CHAT = "!chat:rose.example"
OTHER_CHATS = "!other:rose.example"


async def invites_the_bot(house: House, user_id: str, *, direct: bool = True, room_id: str = CHAT) -> None:
    house.world.room(room_id, "", user_id, join_rule="invite")
    house.world.change(room_id, user_id, BOT, "invite", is_direct=direct)
    await house.live()
    await house.later(1)


def talks(house: House) -> list[str]:
    """The rooms that the bot has made."""
    known = (GARDEN, MODS, LAWN, CHAT, f"{CHAT}2")
    return [one for one in house.world.rooms if one not in known and not one.startswith(OTHER_CHATS)]


async def member_in_talk(house: House) -> str:
    """Dee, a member of another server without a place in the management room, has a conversation."""
    house.world.change(GARDEN, ALICE, DEE, "join")
    await house.live()
    await invites_the_bot(house, DEE)
    [talk] = talks(house)
    house.world.change(talk, DEE, DEE, "join")
    await house.live()
    return talk


async def writes(house: House, talk: str, text: str, by: str = DEE) -> str:
    before = len(house.said(talk))
    house.world.say(talk, by, text)
    await house.live()
    await house.later(1)
    return "\n".join(content["body"] for content in house.said(talk)[before:])


async def test_a_member_who_invites_the_bot_to_a_chat_gets_a_conversation(house: House) -> None:
    talk = await member_in_talk(house)
    assert house.world.rooms[CHAT].membership(BOT) == "leave"
    [said] = house.spoken(talk)
    assert said.startswith("You invited me to a chat.")
    assert house.world.rooms[talk].label == "Knockbot for members of Garden"


async def test_who_has_one_gets_no_second_one(house: House) -> None:
    talk = await member_in_talk(house)
    await invites_the_bot(house, DEE, room_id=f"{CHAT}2")
    assert talks(house) == [talk]
    assert len(house.spoken(talk)) == 2


async def test_who_left_it_gets_another_when_they_ask(house: House) -> None:
    talk = await member_in_talk(house)
    house.world.change(talk, DEE, DEE, "leave")
    await house.live()
    await invites_the_bot(house, DEE, room_id=f"{CHAT}2")
    assert len(talks(house)) == 2


@pytest.mark.parametrize(("member", "direct"), [(False, True), (True, False)])
async def test_anybody_else_is_declined_silently(house: House, member: bool, direct: bool) -> None:
    if member:
        house.world.change(GARDEN, ALICE, DEE, "join")
    await invites_the_bot(house, DEE, direct=direct)
    assert (talks(house), house.world.rooms[CHAT].membership(BOT)) == ([], "leave")


async def test_who_leaves_and_asks_again_and_again_does_not_use_up_the_conversations_of_a_day(house: House) -> None:
    talk = await member_in_talk(house)
    for number in range(5):
        for room in talks(house):
            if house.membership(DEE, room) in ("invite", "join"):
                house.world.change(room, DEE, DEE, "leave")
        await house.live()
        await invites_the_bot(house, DEE, room_id=f"{OTHER_CHATS}{number}")
    assert talk in talks(house)
    assert len(talks(house)) == conversing.MOST_BEGUN
    await house.later(DAY + 1)
    await invites_the_bot(house, DEE, room_id=f"{OTHER_CHATS}9")
    assert len(talks(house)) == conversing.MOST_BEGUN + 1


async def test_a_pill_names_whom_they_vouch_for(house: House) -> None:
    talk = await member_in_talk(house)
    html = f'vouch <a href="https://matrix.to/#/{ANA}">Ana</a> Garden'
    house.world.say(talk, DEE, "vouch Ana Garden", format="org.matrix.custom.html", formatted_body=html)
    await house.live()
    assert house.spoken(talk)[-1].startswith(f"🤝 You vouch for {ANA} at Garden, until ")


async def test_a_code_in_its_text_is_not_shown(house: House) -> None:
    await house.set_policy("otherwise: forward")
    await knocks(house)
    await vouch(house, why="They have 7h2k-m9qd-x4tz-b3wc.")
    assert "7h2k-m9qd-x4tz-b3wc" not in house.card().text
    assert f"🤝 {BOB} vouches for them: They have […]." in house.card().text


@pytest.mark.parametrize("answer", ["Bürgen kann Alice.", "Vouch? Nobody", "unvouch me"])
async def test_an_answer_to_a_question_is_none_of_these_words_unless_it_names_somebody(
    house: House, answer: str
) -> None:
    await house.set_policy(
        "questions: [{ask: Who vouches for you?}]\nrules: [{when: {answered: true}, then: forward}, {then: ask}]"
    )
    await knocks(house)
    [talk] = talks(house)
    house.world.change(talk, ANA, ANA, "join")
    await house.live()
    await writes(house, talk, answer, ANA)
    assert answer.rstrip(".") in house.card().text


async def test_in_a_conversation_a_member_vouches_and_takes_it_back(house: House) -> None:
    talk = await member_in_talk(house)
    await knocks(house)
    said = await writes(house, talk, f"vouch {ANA} Garden We sing together.")
    assert said.startswith(f"🤝 You vouch for {ANA} at Garden, until ")
    assert await now(house) == IN
    assert await writes(house, talk, f"unvouch {ANA} {GARDEN}") == f"✅ You no longer vouch for {ANA} at Garden."
    assert house.membership(ANA) == "leave"


async def test_in_german_too(house: House) -> None:
    talk = await member_in_talk(house)
    await writes(house, talk, "language de")
    assert (await writes(house, talk, f"bürgen {ANA} Garden")).startswith(f"🤝 Du bürgst für {ANA} in Garden, bis ")
    assert await writes(house, talk, f"rücknahme {ANA} Garden") == f"✅ Du bürgst nicht mehr für {ANA} in Garden."


async def test_of_a_room_that_they_are_not_in_they_learn_nothing(house: House) -> None:
    house.world.room(LAWN, "Lawn", ALICE, BOT, levels=levels_for())
    await house.protect(LAWN)
    talk = await member_in_talk(house)
    known = [await writes(house, talk, f"vouch {ANA} {room}") for room in ("Lawn", "Nowhere")]
    assert [said.replace("Lawn", "…").replace("Nowhere", "…") for said in known] == [
        "You are in no room … that I protect."
    ] * 2


async def test_whoever_may_use_the_bot_vouches_in_their_own_room_with_it(house: House) -> None:
    house.world.room(CHAT, "", CLEO, BOT, join_rule="invite")
    await knocks(house)
    house.world.say(CHAT, CLEO, f"!kb vouch {ANA} Lawn")
    house.world.say(CHAT, CLEO, f"!kb vouch {ANA} Garden")
    await house.live()
    await house.later(1)
    unknown, given = house.spoken(CHAT)
    assert unknown == "You are in no room Lawn that I protect."
    assert given.startswith(f"🤝 You vouch for {ANA} at Garden, until ")
    assert await now(house) == IN
    house.world.say(CHAT, CLEO, f"!kb unvouch {ANA} Garden")
    await house.live()
    assert house.spoken(CHAT)[-1] == f"✅ You no longer vouch for {ANA} at Garden."


async def test_there_nothing_is_said_of_the_policy(house: House) -> None:
    house.world.room(CHAT, "", CLEO, BOT, join_rule="invite")
    await house.set_policy("otherwise: forward")
    house.world.say(CHAT, CLEO, f"!kb vouch {ANA} Garden")
    await house.live()
    assert "policy" not in house.spoken(CHAT)[-1]


async def test_an_applicant_cannot_vouch_for_themselves_in_theirs(house: House) -> None:
    await house.set_policy(f"{RULES}\nletters: {{received: true}}")
    await knocks(house)
    [talk] = talks(house)
    house.world.change(talk, ANA, ANA, "join")
    await house.live()
    assert await writes(house, talk, f"vouch {ANA} Garden", ANA) == "You are in no room Garden that I protect."
    assert await now(house) == WAITS


async def test_the_applicant_learns_nothing_of_a_word(house: House) -> None:
    await house.set_policy("otherwise: forward\nletters: {received: true}")
    await knocks(house)
    [talk] = talks(house)
    await vouch(house, why="xyzzy")
    assert all("xyzzy" not in said and BOB not in said for said in house.spoken(talk))
