"""Whoever comes in by a third-party invite is tied to it by its token and judged in turn; the record is one story."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from knockbot.domain.model import State
from knockbot.domain.notices import notice
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from tests.flow.house import GARDEN, MODS, House, until_called
from tests.flow.planted import (
    DAVE,
    EVE,
    MONA,
    STAND,
    VOUCHED,
    acts,
    invite,
    invites,
    look,
    move_in,
    planted,
    redeemed,
    stands,
    states,
    unheard,
)
from tests.flow.world import ALICE, ANA, BOT

BAN_SPAM = """
rules:
- {name: spam, for: redeemed_invite, when: {server: spam.example}, then: ban, reason: Not you.}
otherwise_third_party: accept
"""


# --- how far the invite had come ----------------------------------------------------------------------------------


async def test_whoever_redeems_what_was_accepted_is_in(house: House) -> None:
    await planted(house)
    house.click("✅")
    await house.live()

    came = await redeemed(house)

    card = house.card()
    assert (card.state, card.block["user_id"], card.block["by"], card.block["event_id"]) == (
        "redeemed",
        DAVE,
        ALICE,
        came,
    )
    assert card.block["inviter"] == ALICE
    assert DAVE in card.text
    assert house.membership(DAVE) == "join"


async def test_it_is_the_merit_of_the_rule_that_let_the_invite_stand(house: House) -> None:
    await house.set_policy("rules: [{name: ours, for: third_party_invite, when: {inviter: '*'}, then: accept}]")
    await planted(house)

    await redeemed(house)

    line = house.said()[-1]
    assert (line["org.knockbot.request"]["rule"], line["org.knockbot.request"]["state"]) == ("ours", "redeemed")
    assert DAVE in line["body"]
    assert "ours" in line["body"]


async def test_redeemed_while_it_waits_the_moderators_are_called_and_decide_about_the_guest(house: House) -> None:
    await planted(house)

    await redeemed(house)

    card = house.card()
    assert (card.state, card.block["user_id"]) == ("pending", DAVE)
    assert card.offers == ("✅", "❌", "⛔")
    [called] = house.said()[1:]
    assert called["msgtype"] == "m.text"
    assert DAVE in called["body"]
    assert called["m.relates_to"]["m.in_reply_to"]["event_id"] == card.event_id


async def test_a_reply_to_the_call_about_a_guest_means_the_guest(house: House) -> None:
    await planted(house)
    await redeemed(house)
    [called] = [event for event in house.world.rooms[MODS].said if "used a third" in event["content"].get("body", "")][
        -1:
    ]
    house.tell("reject not now", reply_to=called["event_id"])
    await house.live()

    assert (await states(house), house.membership(DAVE)) == (["rejected"], "leave")


@pytest.mark.parametrize(
    ("emoji", "state", "membership"), [("✅", "redeemed", "join"), ("❌", "rejected", "leave"), ("⛔", "banned", "ban")]
)
async def test_an_answer_is_about_the_guest_then(house: House, emoji: str, state: str, membership: str) -> None:
    move_in(house)
    await planted(house, MONA)
    await redeemed(house)
    house.click(emoji)
    await house.live()

    assert (house.card().state, house.membership(DAVE), house.membership(MONA)) == (state, membership, "join")


async def test_redeemed_after_it_was_taken_back_the_guest_is_kicked_and_told(house: House) -> None:
    await planted(house)
    house.click("❌")
    await house.hear()
    house.world.redeem(GARDEN, DAVE)
    await house.work()
    assert house.membership(DAVE) == "join"

    await house.live()

    request = await invite(house)
    assert (request.state, request.user_id, house.membership(DAVE)) == (State.REJECTED, DAVE, "leave")
    assert house.world.rooms[GARDEN].members[DAVE]["content"]["reason"] == "This invite was revoked."


async def test_a_guest_is_told_in_the_language_of_the_room_as_the_card_says(house: House) -> None:
    await house.set_policy("language: de")
    await planted(house)
    house.click("❌")
    await house.hear()
    house.world.redeem(GARDEN, DAVE)
    await house.work()
    await house.live()

    told = "Diese Einladung wurde widerrufen."
    assert house.world.rooms[GARDEN].members[DAVE]["content"]["reason"] == told
    assert told in house.card().text


@pytest.mark.parametrize("word", ["❌", "⛔", "reject 1 not you", "ban 1", "revoke 1", "revoke 1 of those that stand"])
async def test_redeemed_after_a_moderator_took_it_back_it_is_that_moderators_answer(house: House, word: str) -> None:
    move_in(house)
    house.world.rooms[GARDEN].levels["users"][BOT] = 100
    await planted(house, MONA)
    if "stand" in word:
        house.click("✅")
        await house.live()
    (house.click if len(word) == 1 else house.tell)(word)
    await house.hear()
    house.world.redeem(GARDEN, DAVE)
    await house.live()

    assert (await states(house), house.membership(DAVE)) == (["rejected"], "leave")
    assert f"Rejected by {ALICE}" in house.card().text
    assert house.card().block["by"] == ALICE
    assert (await house.history(await invite(house)))[-1] == (ALICE, "rejected")


async def test_redeemed_after_a_rule_took_it_back_it_is_that_rules_answer(house: House) -> None:
    await house.set_policy("rules: [{name: ours, for: third_party_invite, when: {inviter: '*'}, then: reject}]")
    house.world.plant(GARDEN, ALICE)
    await house.hear()
    house.world.redeem(GARDEN, DAVE)
    await house.live()

    assert (await states(house), house.membership(DAVE)) == (["rejected"], "leave")
    assert house.said()[-1]["org.knockbot.request"]["rule"] == "ours"


async def test_taken_back_and_redeemed_crossing_on_the_way_the_guest_is_kicked(house: House) -> None:
    await planted(house)
    house.click("❌")
    await house.hear()
    hang = asyncio.Event()
    house.world.play("put_state", hang=hang, meanwhile=lambda: house.world.redeem(GARDEN, DAVE))
    await until_called(house, "put_state")
    hang.set()
    await house.live()

    assert (await states(house), house.membership(DAVE)) == (["rejected"], "leave")
    assert not stands(house)


@pytest.mark.parametrize(
    ("policy", "state", "membership"),
    [("{rules: [], otherwise_third_party: reject}", "rejected", None), (BAN_SPAM, "rejected", None)],
)
async def test_where_the_room_settles_that_they_never_came_in_the_story_ends_all_the_same(
    house: House, policy: str, state: str, membership: str | None
) -> None:
    """Taken back and redeemed in one moment, the two are told of one after the other, and only one of them holds."""
    await house.set_policy(policy)
    house.world.plant(GARDEN, ALICE)
    house.world.redeem(GARDEN, EVE, join=False)
    del house.world.rooms[GARDEN].members[EVE]

    await house.live()

    assert (await states(house), house.membership(EVE), stands(house)) == ([state], membership, False)


async def test_an_act_for_the_invite_that_ends_late_settles_nothing_about_the_guest(house: House) -> None:
    """The revoking was under way when somebody came in; they are to be kicked whatever comes of it."""
    await planted(house)
    house.click("❌")
    await house.hear()
    hang = asyncio.Event()
    house.world.play("put_state", hang=hang)
    await until_called(house, "put_state")
    house.world.redeem(GARDEN, DAVE)
    await house.hear()

    hang.set()
    await house.live()

    assert (await states(house), house.membership(DAVE)) == (["rejected"], "leave")


async def test_a_token_never_seen_asks_the_moderators(house: House) -> None:
    house.world.plant(GARDEN, ALICE)
    unheard(house)
    came = await redeemed(house)

    request = await invite(house)
    assert (request.state, request.user_id, request.event_id) == (State.PENDING, DAVE, came)
    assert request.decision is not None
    assert request.decision.doubt == notice("doubt.not_seen")
    assert house.membership(DAVE) == "join"


async def test_what_still_stands_of_an_invite_never_seen_is_judged_by(house: House) -> None:
    await house.set_policy("rules: [{for: redeemed_invite, when: {not: {identity_server: id.example}}, then: reject}]")
    house.world.plant(GARDEN, ALICE, "own")
    house.world.plant(GARDEN, ALICE, "good", **{**VOUCHED, "public_keys": VOUCHED["public_keys"]})
    unheard(house)
    await redeemed(house, DAVE, "own")
    await redeemed(house, EVE, "good")

    assert (house.membership(DAVE), house.membership(EVE)) == ("leave", "join")


async def test_a_second_guest_of_the_same_token_is_another_request_and_asks(house: House) -> None:
    await house.set_policy(STAND)
    await planted(house)
    house.world.redeem(GARDEN, DAVE)
    house.world.redeem(GARDEN, ANA)
    await house.live()

    first, second = await invites(house)
    assert (first.state, first.user_id) == (State.REDEEMED, DAVE)
    assert (second.state, second.user_id) == (State.PENDING, ANA)
    assert "before" in house.card().text
    assert [house.membership(user) for user in (DAVE, ANA)] == ["join", "join"]


async def test_a_used_token_is_emptied_so_that_nobody_else_comes_in_by_it(house: House) -> None:
    await house.set_policy(STAND)
    await planted(house)

    await redeemed(house)

    assert not stands(house)
    assert await states(house) == ["redeemed"]


async def test_a_used_token_that_somebody_else_has_by_then_is_left_to_them_without_a_word(house: House) -> None:
    move_in(house)
    await house.set_policy(STAND)
    await planted(house)
    house.world.redeem(GARDEN, DAVE, "t")
    await house.hear()
    house.world.plant(GARDEN, MONA)
    await house.live()

    assert "overtaken" in {state for key, state in (await house.jobs()).items() if key.startswith("spend:")}
    assert not [line for line in house.spoken() if "could not invite" in line]


async def test_an_invite_of_somebody_else_under_the_same_token_is_not_the_one_that_was_accepted(house: House) -> None:
    move_in(house)
    await planted(house)
    house.click("✅")
    await house.live()
    house.world.plant(GARDEN, MONA)
    unheard(house)
    await redeemed(house)

    of_alice, of_mona = await invites(house)
    assert (of_alice.user_id, of_mona.user_id, of_mona.subject, of_mona.state) == ("", DAVE, DAVE, State.PENDING)


async def test_the_same_event_twice_is_one_guest(house: House) -> None:
    await house.set_policy(STAND)
    await planted(house)
    house.world.redeem(GARDEN, DAVE)
    house.world.outbox *= 2
    await house.live()
    await look(house)

    assert await states(house) == ["redeemed"]


# --- judged -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "state", "membership"),
    [
        ("accept", "redeemed", "join"),
        ("forward", "pending", "join"),
        ("reject", "rejected", "leave"),
        ("ban", "banned", "ban"),
    ],
)
async def test_each_verdict_of_a_rule_for_redeemed_invites(
    house: House, verdict: str, state: str, membership: str
) -> None:
    await house.set_policy(f"rules: [{{name: ours, for: redeemed_invite, when: {{user: '*'}}, then: {verdict}}}]")
    await planted(house)

    await redeemed(house)

    assert (await states(house), house.membership(DAVE)) == ([state], membership)


async def test_an_address_invited_in_good_faith_and_redeemed_by_a_banned_server_is_undone(house: House) -> None:
    await house.set_policy(BAN_SPAM)
    await planted(house)

    await redeemed(house, EVE)

    assert house.membership(EVE) == "ban"
    assert house.world.rooms[GARDEN].members[EVE]["content"]["reason"] == "Not you."
    line = house.said()[-1]
    assert line["org.knockbot.request"]["state"] == "banned"
    assert line["org.knockbot.request"]["rule"] == "spam"
    assert not [text for text in house.spoken() if "⚠️" in text]


async def test_before_they_have_joined_their_invite_is_taken_back_and_no_more(house: House) -> None:
    """Whoever holds a key of an invite can sign for anybody, who knows nothing of it."""
    await house.set_policy(BAN_SPAM)
    await planted(house)

    await redeemed(house, EVE, join=False)

    assert (await states(house), house.membership(EVE)) == (["rejected"], "leave")


async def test_an_unknown_fact_asks_the_moderators(house: House) -> None:
    await house.set_policy(
        "{rules: [{for: redeemed_invite, when: {member_of: '#gone:x'}, then: reject}], otherwise_third_party: accept}"
    )
    await planted(house)

    await redeemed(house)

    assert (house.card().state, house.membership(DAVE)) == ("pending", "join")


async def test_earlier_requests_of_the_guest_count(house: House) -> None:
    await house.set_policy(
        "{rules: [{for: redeemed_invite, when: {rejected_before: true}, then: reject}], otherwise_third_party: accept}"
    )
    house.world.knock(GARDEN, DAVE)
    await house.live()
    house.click("❌")
    await house.live()
    await planted(house)

    await redeemed(house)

    assert house.membership(DAVE) == "leave"


# --- who knocks, or is in already ---------------------------------------------------------------------------------


async def test_a_knock_of_the_guest_is_answered_by_their_inviter(house: House) -> None:
    move_in(house)
    await house.set_policy(STAND)
    house.world.knock(GARDEN, DAVE)
    await planted(house, MONA)

    await redeemed(house)

    knock = await house.request(DAVE)
    assert (knock.state, knock.by) == (State.JOINED, MONA)
    assert await states(house) == ["redeemed"]
    await look(house)
    assert house.cards()[0].state == "joined"


async def test_a_knock_that_says_it_redeems_is_a_knock(house: House) -> None:
    await planted(house)
    house.world.knock(GARDEN, DAVE, third_party_invite={"signed": {"token": "t"}})
    await house.live()

    assert await states(house) == ["pending"]
    assert (await house.request(DAVE)).state is State.PENDING
    assert stands(house)


async def test_a_join_that_says_it_redeems_is_a_join(house: House) -> None:
    await house.set_policy(STAND)
    await planted(house)
    house.world._set(house.world.rooms[GARDEN], ANA, ANA, "join", third_party_invite={"signed": {"token": "t"}})
    await house.live()

    assert (await states(house), stands(house)) == (["standing"], True)


@pytest.mark.parametrize("policy", ["rules: [{for: redeemed_invite, when: {user: '*'}, then: ban}]", "rules: []"])
async def test_nobody_is_punished_who_was_in_the_room_already(house: House, policy: str) -> None:
    """Whoever holds a key can sign for anybody, and so turn a member into somebody who is invited."""
    move_in(house, ANA, level=0)
    move_in(house)
    await planted(house, MONA)
    house.click("❌")
    await house.set_policy(policy)
    await house.hear()
    house.world.redeem(GARDEN, ANA, join=False)
    await house.live()

    assert house.membership(ANA) == "invite"
    assert await states(house) == ["pending"]
    assert "already" in house.card().text
    assert not stands(house)


async def test_the_bot_put_out_by_a_key_comes_back_in(house: House) -> None:
    await planted(house)
    house.world.redeem(GARDEN, BOT, join=False)
    await house.live()

    assert house.membership(BOT) == "join"


# --- the story goes on --------------------------------------------------------------------------------------------


async def test_the_record_reads_as_one_story(house: House) -> None:
    await planted(house)
    house.click("✅")
    await house.live()
    await redeemed(house)
    house.world.change(GARDEN, DAVE, DAVE, "leave")
    await house.live()

    assert await house.history(await invite(house)) == [
        (BOT, "judged"),
        (ALICE, "accept"),
        (ALICE, "standing"),
        (DAVE, "redeemed"),
        (BOT, "judged"),
        (ALICE, "redeemed"),
        (DAVE, "joined"),
    ]


async def test_the_record_names_no_key_of_the_policy_that_says_something_else(house: House) -> None:
    """Where a rule let the invite stand, `otherwise_third_party` has nothing to do with it."""
    await house.set_policy("rules: [{name: ours, for: third_party_invite, when: {inviter: '*'}, then: accept}]")
    await planted(house)
    await redeemed(house)

    house.tell("log 1")
    await house.live()

    assert "ours" in house.spoken()[-1]
    assert "otherwise_third_party" not in house.spoken()[-1]


@pytest.mark.parametrize(
    ("by", "membership", "told"), [(DAVE, "leave", "declined"), (ALICE, "leave", "rejected"), (ALICE, "ban", "banned")]
)
async def test_how_it_ended_is_told_once(house: House, by: str, membership: str, told: str) -> None:
    await house.set_policy(STAND)
    await planted(house)
    await redeemed(house, join=False)
    for _ in range(2):
        house.world.change(GARDEN, by, DAVE, membership)
        await house.live()

    assert [line for line in await house.history(await invite(house)) if line[1] == told] == [(by, told)]
    assert await states(house) == ["redeemed"]


@pytest.mark.parametrize(
    ("by", "membership", "state"),
    [(DAVE, "leave", "withdrawn"), (ALICE, "leave", "rejected"), (ALICE, "ban", "banned")],
)
async def test_who_goes_while_the_moderators_are_asked_needs_no_answer(
    house: House, by: str, membership: str, state: str
) -> None:
    await planted(house)
    await redeemed(house)
    house.world.change(GARDEN, by, DAVE, membership)
    await house.live()

    assert (house.card().state, house.card().block["by"]) == (state, by)


async def test_who_came_in_by_two_invites_and_goes_leaves_neither_waiting(house: House) -> None:
    """One address may be invited twice, and its owner redeems both at once."""
    for token in ("t", "u"):
        await planted(house, token=token)
    for token in ("t", "u"):
        await redeemed(house, token=token, join=False)
    assert await states(house) == ["pending", "pending"]

    house.world.change(GARDEN, DAVE, DAVE, "leave")
    await house.live()

    assert await states(house) == ["withdrawn", "withdrawn"]


async def test_who_came_in_by_two_accepted_invites_joined_by_both(house: House) -> None:
    await house.set_policy(STAND)
    for token in ("t", "u"):
        await planted(house, token=token)
    for token in ("t", "u"):
        await redeemed(house, token=token, join=False)

    house.world.change(GARDEN, DAVE, DAVE, "join")
    await house.live()

    for request in await invites(house):
        assert (await house.history(request))[-1] == (DAVE, "joined")


async def test_a_look_around_does_not_answer_for_the_moderators(house: House) -> None:
    await planted(house)
    await redeemed(house, join=False)
    await look(house)

    assert house.card().state == "pending"


# --- missed -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("join", "came"), [(True, ("banned", "ban")), (False, ("rejected", "leave"))])
async def test_a_guest_who_came_unheard_is_found_and_judged(house: House, join: bool, came: tuple[str, str]) -> None:
    await house.set_policy(BAN_SPAM)
    await planted(house)
    house.world.redeem(GARDEN, EVE, join=join)
    unheard(house)
    for _ in range(2):
        await look(house)

    assert (*await states(house), house.membership(EVE)) == came


async def test_planted_and_redeemed_unheard_it_is_found(house: House) -> None:
    await house.set_policy(BAN_SPAM)
    house.world.plant(GARDEN, ALICE)
    house.world.redeem(GARDEN, EVE)
    unheard(house)
    await look(house)

    assert (await states(house), house.membership(EVE)) == (["banned"], "ban")


async def test_who_came_before_the_door_was_kept_is_left_alone(house: House) -> None:
    house.tell(f"unprotect {GARDEN}")
    await house.live()
    house.world.plant(GARDEN, ALICE)
    house.world.redeem(GARDEN, EVE)
    await house.hear()
    house.clock.go_on(60)
    house.tell(f"protect {GARDEN}")
    await house.set_policy(BAN_SPAM)
    await house.live()

    assert house.membership(EVE) == "join"
    assert await states(house) == ["standing"]


async def test_a_guest_told_of_late_is_judged_all_the_same(house: House) -> None:
    """After a pause the homeserver delivers what was kept: by then they have joined, and say nothing of a token."""
    await house.set_policy(BAN_SPAM)
    await planted(house)
    house.world.redeem(GARDEN, EVE)
    house.clock.go_on(3600)
    await house.live()

    assert (await states(house), house.membership(EVE)) == (["banned"], "ban")


async def test_a_silent_homeserver_delays_the_judgement(house: House) -> None:
    await house.set_policy(BAN_SPAM)
    await planted(house)
    house.world.redeem(GARDEN, EVE)
    house.world.play("ban", Later(foreign("no answer"), unreachable=True))
    await house.live()
    await house.later(120)

    assert house.membership(EVE) == "ban"


async def test_a_room_whose_power_is_missing_bans_once_it_is_there(house: House) -> None:
    await house.set_policy(BAN_SPAM)
    await planted(house)
    house.world.set_levels(GARDEN, ban=60)
    await redeemed(house, EVE)
    assert house.membership(EVE) == "join"

    house.world.set_levels(GARDEN, ban=50)
    await house.live()

    assert house.membership(EVE) == "ban"


@pytest.mark.parametrize("signed", [5, {}, {"token": 5}, {"token": None}, {"token": "x" * 300}, [], "t"])
async def test_an_invite_that_redeems_nonsense_is_an_invite(house: House, signed: Any) -> None:
    await planted(house)
    room = house.world.rooms[GARDEN]
    house.world._set(room, ALICE, DAVE, "invite", third_party_invite={"signed": signed})
    await house.live()

    assert await states(house) == ["pending"]
    assert await house.set_aside() == []
    assert acts(house) == []
