"""A rule has its author's power, and an answer its moderator's: at the moment of the act, over whom it hits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from knockbot.config.settings import read_settings
from knockbot.domain.model import State
from knockbot.domain.reasons import foreign
from knockbot.errors import Later
from knockbot.flow.ports import REQUEST_KEY
from knockbot.flow.standings import Standing
from knockbot.store import policies
from tests.flow.house import GARDEN, MODS, SETTINGS, House
from tests.flow.world import ALICE, ANA, BEA, BOT, FAR, HOME, World

BOB = "@bob:tulip.example"
HIGH = "@high:tulip.example"
"""Above the author, below the bot."""
DAVE = "@dave:tulip.example"


def set_up(world: World) -> None:
    """The bot has 100, the author 50, and there is somebody with 75."""
    for room_id in (GARDEN, MODS):
        world.change(room_id, ALICE, BOB, "invite")
        world.change(room_id, BOB, BOB, "join")
    world.rooms[GARDEN].levels["users"] |= {BOT: 100, BOB: 50, HIGH: 75}
    world.outbox.clear()


NO_MOMENT = 11
"""Seconds after which an act is not immediate any more (`standings.IMMEDIATE`)."""


@pytest.fixture
async def ruled(house: House) -> House:
    """A garden whose policy was written by somebody with level 50."""
    set_up(house.world)
    return house


def moves_in(house: House, user_id: str) -> None:
    """Somebody comes to be in the garden."""
    house.world.change(GARDEN, ALICE, user_id, "invite")
    house.world.change(GARDEN, user_id, user_id, "join")
    house.world.outbox.clear()


def leaves(world: World) -> None:
    """The author is gone."""
    world.change(GARDEN, BOB, BOB, "leave")


def is_banned(world: World) -> None:
    """The author was banned."""
    world.change(GARDEN, ALICE, BOB, "ban")


def is_demoted(world: World) -> None:
    """The author has no power any more."""
    world.rooms[GARDEN].levels["users"][BOB] = 0


FALLS = [leaves, is_banned, is_demoted]
RULES = {"accept": "invite", "reject": "leave", "ban": "ban"}


# --- rules --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("verdict", "membership"), RULES.items())
async def test_a_rule_does_what_its_author_may_do(ruled: House, verdict: str, membership: str) -> None:
    await ruled.set_policy(f"otherwise: {verdict}", author=BOB)
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()

    assert (ruled.membership(ANA), ruled.cards()) == (membership, [])


@pytest.mark.parametrize("verdict", ["reject", "ban"])
async def test_a_rule_leaves_who_stands_above_its_author_to_the_moderators(ruled: House, verdict: str) -> None:
    await ruled.set_policy(f"otherwise: {verdict}", author=BOB)
    ruled.world.knock(GARDEN, HIGH)
    await ruled.live()

    assert (ruled.membership(HIGH), (await ruled.request(HIGH)).awaits_moderators) == ("knock", True)
    assert BOB in ruled.card().text
    assert "level 75" in ruled.card().text


@pytest.mark.parametrize("fall", FALLS)
@pytest.mark.parametrize("verdict", RULES)
async def test_a_rule_without_its_author_asks_the_moderators(
    ruled: House, verdict: str, fall: Callable[[World], None]
) -> None:
    await ruled.set_policy(f"otherwise: {verdict}", author=BOB)
    fall(ruled.world)
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()

    assert (ruled.membership(ANA), (await ruled.request(ANA)).awaits_moderators) == ("knock", True)
    assert BOB in ruled.card().text


@pytest.mark.parametrize("fall", FALLS)
@pytest.mark.parametrize("verdict", RULES)
async def test_what_a_rule_decided_is_looked_at_again_right_before_it_is_done(
    ruled: House, verdict: str, fall: Callable[[World], None]
) -> None:
    await ruled.set_policy(f"otherwise: {verdict}", author=BOB)
    ruled.world.knock(GARDEN, ANA)
    await ruled.hear()
    assert (await ruled.request(ANA)).answer is not None
    fall(ruled.world)
    ruled.world.outbox.clear()
    ruled.clock.go_on(NO_MOMENT)
    await ruled.live()

    assert (ruled.membership(ANA), (await ruled.request(ANA)).awaits_moderators) == ("knock", True)
    assert BOB in ruled.card().text


@pytest.mark.parametrize("verdict", ["reject", "ban"])
async def test_the_target_may_have_risen_meanwhile(ruled: House, verdict: str) -> None:
    await ruled.set_policy(f"otherwise: {verdict}", author=BOB)
    ruled.world.knock(GARDEN, ANA)
    await ruled.hear()
    ruled.world.rooms[GARDEN].levels["users"][ANA] = 50
    ruled.clock.go_on(NO_MOMENT)
    await ruled.live()

    assert (ruled.membership(ANA), (await ruled.request(ANA)).awaits_moderators) == ("knock", True)


async def test_what_a_replaced_policy_decided_is_still_done_for_its_author(ruled: House) -> None:
    await ruled.set_policy("otherwise: reject", author=BOB)
    ruled.world.knock(GARDEN, ANA)
    await ruled.hear()
    await ruled.set_policy("otherwise: forward", author=ALICE)
    leaves(ruled.world)
    await ruled.live()

    assert (ruled.membership(ANA), (await ruled.request(ANA)).awaits_moderators) == ("knock", True)


@pytest.mark.parametrize("author", [policies.CONFIG_FILE, None])
@pytest.mark.parametrize(("verdict", "membership"), RULES.items())
async def test_policies_of_the_config_file_act_for_the_bot(
    ruled: House, verdict: str, membership: str, author: str | None
) -> None:
    text = f"otherwise: {verdict}"
    if author is not None:
        await ruled.set_policy(text, author=author)
    else:
        ruled.context.live_settings.take(read_settings({**SETTINGS, "defaults": {"policy": {"otherwise": verdict}}}))
    ruled.world.knock(GARDEN, HIGH)
    await ruled.live()

    assert ruled.membership(HIGH) == membership


async def test_a_server_acl_closes_no_knock_that_the_author_of_the_policy_could_not(ruled: House) -> None:
    ruled.world.rooms[GARDEN].levels["users"][FAR] = 75
    await ruled.set_policy("otherwise: forward", author=BOB)
    for user_id in (FAR, "@other:slow.example"):
        ruled.world.knock(GARDEN, user_id)
    await ruled.live()
    ruled.world.set_acl(GARDEN, allow=["*"], deny=["slow.example"])
    await ruled.live()

    assert [ruled.membership(user_id) for user_id in (FAR, "@other:slow.example")] == ["knock", "leave"]


async def test_test_says_that_the_author_may_not(ruled: House) -> None:
    await ruled.set_policy("otherwise: ban", author=BOB)
    ruled.tell(f"test {HIGH}")
    await ruled.live()

    assert "forward" in ruled.spoken()[-1]
    assert BOB in ruled.spoken()[-1]


# --- third-party invites ------------------------------------------------------------------------------------------


async def test_a_rule_bans_no_inviter_above_its_author(ruled: House) -> None:
    moves_in(ruled, HIGH)
    await ruled.set_policy("otherwise_third_party: ban", author=BOB)
    ruled.world.plant(GARDEN, HIGH)
    await ruled.live()

    assert (ruled.membership(HIGH), bool(ruled.world.rooms[GARDEN].invites["t"]["content"])) == ("join", True)
    assert BOB in ruled.card().text


@pytest.mark.parametrize("verdict", ["reject", "ban"])
@pytest.mark.parametrize("fall", FALLS)
async def test_a_rule_revokes_no_invite_once_its_author_has_fallen(
    ruled: House, verdict: str, fall: Callable[[World], None]
) -> None:
    moves_in(ruled, HIGH)
    await ruled.set_policy(f"otherwise_third_party: {verdict}", author=BOB)
    ruled.world.rooms[GARDEN].levels["users"][HIGH] = 49
    ruled.world.set_levels(GARDEN, invite=40)
    ruled.world.plant(GARDEN, HIGH)
    await ruled.hear()
    fall(ruled.world)
    ruled.world.outbox.clear()
    await ruled.live()

    assert (ruled.membership(HIGH), bool(ruled.world.rooms[GARDEN].invites["t"]["content"])) == ("join", True)
    [request] = [card for card in ruled.cards() if card.state == "pending"]
    assert BOB in request.text


@pytest.mark.parametrize("fall", FALLS)
async def test_the_fall_of_an_inviter_is_the_moderators_matter_where_the_author_has_fallen(
    ruled: House, fall: Callable[[World], None]
) -> None:
    moves_in(ruled, HIGH)
    await ruled.set_policy("otherwise_third_party: accept", author=BOB)
    ruled.world.plant(GARDEN, HIGH)
    await ruled.live()
    fall(ruled.world)
    ruled.world.change(GARDEN, ALICE, HIGH, "ban")
    await ruled.live()

    assert ruled.world.rooms[GARDEN].invites["t"]["content"]
    assert BOB in ruled.card().text


async def test_a_rule_puts_out_no_guest_above_its_author(ruled: House) -> None:
    await ruled.set_policy(
        "{rules: [{for: redeemed_invite, when: {local: true}, then: ban}], otherwise_third_party: accept}", author=BOB
    )
    ruled.world.plant(GARDEN, ALICE)
    await ruled.live()
    ruled.world.redeem(GARDEN, HIGH)
    await ruled.live()

    assert ruled.membership(HIGH) == "join"
    assert BOB in ruled.card().text


# --- moderators' answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fall", FALLS)
@pytest.mark.parametrize("emoji", ["✅", "❌", "⛔"])
async def test_an_answer_falls_with_whoever_gave_it(ruled: House, emoji: str, fall: Callable[[World], None]) -> None:
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    ruled.click(emoji, by=BOB)
    await ruled.hear()
    fall(ruled.world)
    ruled.world.outbox.clear()
    ruled.clock.go_on(NO_MOMENT)
    await ruled.live()

    request = await ruled.request(ANA)
    assert (ruled.membership(ANA), request.awaits_moderators) == ("knock", True)
    assert BOB in ruled.card().text
    [told] = ruled.spoken()
    assert BOB in told
    assert "#1" in told
    await ruled.later(60)
    assert len(ruled.spoken()) == 1

    ruled.click(emoji, by=ALICE)
    await ruled.later()
    assert not (await ruled.request(ANA)).open


@pytest.mark.parametrize("command", ["accept", "show", "reject two words would do"])
async def test_a_reply_to_an_alarm_about_a_request_means_that_request(ruled: House, command: str) -> None:
    ruled.world.knock(GARDEN, BEA)
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    ruled.click("✅", by=BOB, card=ruled.cards()[0])
    await ruled.hear()
    leaves(ruled.world)
    ruled.clock.go_on(NO_MOMENT)
    await ruled.live()
    [alarm] = [one for one in ruled.world.rooms[MODS].said if "open again" in one["content"].get("body", "")]
    ruled.tell(command, reply_to=alarm["event_id"])
    await ruled.live()

    came = {"accept": "invite", "show": "knock"}.get(command, "leave")
    assert [ruled.membership(user_id) for user_id in (BEA, ANA)] == [came, "knock"]
    assert (BEA in ruled.spoken()[-1]) == (command == "show")
    assert REQUEST_KEY not in alarm["content"]  # which would make a card of it


@pytest.mark.parametrize("fall", FALLS)
async def test_an_accept_that_waits_for_a_slow_server_falls_with_whoever_gave_it(
    ruled: House, fall: Callable[[World], None]
) -> None:
    ruled.world.knock(GARDEN, FAR)
    await ruled.live()
    ruled.world.play("invite", Later(foreign("their server is silent"), retry_after=60))
    ruled.click("✅", by=BOB)
    await ruled.live()
    fall(ruled.world)
    await ruled.later(61)

    assert (ruled.membership(FAR), (await ruled.request(FAR)).awaits_moderators) == ("knock", True)


async def test_an_answer_that_waits_for_the_bot_to_come_back_falls_with_whoever_gave_it(ruled: House) -> None:
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    ruled.click("✅", by=BOB)
    await ruled.hear()
    ruled.world.change(GARDEN, ALICE, BOT, "leave")
    await ruled.live()
    leaves(ruled.world)
    ruled.world.change(GARDEN, ALICE, BOT, "invite")
    await ruled.live()

    assert (ruled.membership(ANA), (await ruled.request(ANA)).awaits_moderators) == ("knock", True)


# --- answers that override another --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "membership", "state"),
    [
        ("✅", "❌", "leave", State.REJECTED),
        ("✅", "⛔", "ban", State.BANNED),
        ("❌", "⛔", "ban", State.BANNED),
    ],
)
async def test_a_more_severe_answer_overrides_one_that_is_not_carried_out(
    ruled: House, first: str, second: str, membership: str, state: State
) -> None:
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    ruled.click(first, by=BOB)
    await ruled.hear()
    ruled.click(second, by=ALICE)
    await ruled.later()

    request = await ruled.request(ANA)
    assert (ruled.membership(ANA), request.state, request.by, ruled.spoken()) == (membership, state, ALICE, [])
    assert "overtaken" in (await ruled.jobs()).values()


@pytest.mark.parametrize(
    ("first", "second"), [("❌", "✅"), ("⛔", "❌"), ("⛔", "✅"), ("✅", "✅"), ("❌", "❌"), ("⛔", "⛔")]
)
async def test_any_other_answer_comes_too_late(ruled: House, first: str, second: str) -> None:
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    ruled.click(first, by=BOB)
    ruled.click(second, by=ALICE)
    await ruled.later()

    assert (await ruled.request(ANA)).by == BOB
    [told] = ruled.spoken()
    assert "already" in told


async def test_what_is_carried_out_is_overridden_no_more(ruled: House) -> None:
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    ruled.click("✅", by=BOB)
    await ruled.live()
    ruled.click("❌", by=ALICE)
    await ruled.live()

    assert ruled.membership(ANA) == "invite"
    assert "already" in ruled.spoken()[-1]


@pytest.mark.parametrize(("second", "membership"), [("❌", "leave"), ("⛔", "ban")])
@pytest.mark.parametrize("joins", [False, True])
async def test_an_accept_that_got_through_in_the_same_moment_is_undone(
    ruled: House, second: str, membership: str, joins: bool
) -> None:
    """The invite was done, and its answer was lost on the way."""

    def comes_in() -> None:
        if joins:
            ruled.world.change(GARDEN, FAR, FAR, "join")

    ruled.world.knock(GARDEN, FAR)
    await ruled.live()
    ruled.world.play("invite", Later(foreign("no answer"), retry_after=60), done=True)
    ruled.click("✅", by=BOB)
    await ruled.hear()
    await ruled.work()
    comes_in()
    ruled.world.outbox.clear()
    ruled.click(second, by=ALICE)
    await ruled.later(61)

    request = await ruled.request(FAR)
    assert (ruled.membership(FAR), request.state, request.by) == (
        membership,
        {"leave": State.REJECTED, "ban": State.BANNED}[membership],
        ALICE,
    )
    assert not [text for text in ruled.spoken() if "⚠️" in text]


async def test_who_was_let_in_by_somebody_else_meanwhile_is_not_put_out(ruled: House) -> None:
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    ruled.click("✅", by=BOB)
    await ruled.hear()
    ruled.click("❌", by=ALICE)
    await ruled.hear()
    ruled.world.change(GARDEN, ALICE, ANA, "invite")
    await ruled.live()

    assert (ruled.membership(ANA), (await ruled.request(ANA)).state) == ("invite", State.ACCEPTED)


async def test_a_rules_accept_can_be_overridden_as_well(ruled: House) -> None:
    await ruled.set_policy("otherwise: accept", author=BOB)
    ruled.world.play("invite", Later(foreign("their server is silent"), retry_after=600))
    ruled.world.knock(GARDEN, FAR)
    await ruled.live()
    ruled.tell("reject 1 no", by=ALICE)
    await ruled.later()

    assert (ruled.membership(FAR), (await ruled.request(FAR)).by) == ("leave", ALICE)


# --- answers to what was seen -------------------------------------------------------------------------------------


async def knocks_twice(house: House) -> None:
    """Somebody knocks, and then again with other words; the second knock is not told of yet."""
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    house.clock.go_on(60)


@pytest.mark.parametrize("ahead", [0, 3600, -3600])
async def test_an_accept_is_for_the_words_that_the_card_showed_whatever_the_clock_of_its_sender_says(
    ruled: House, ahead: float
) -> None:
    """The click reached the homeserver before the new words did, and is heard together with them."""
    await knocks_twice(ruled)
    ruled.clock.go_on(ahead)
    ruled.click("✅", by=BOB)
    ruled.clock.go_on(-ahead)
    clicked = ruled.world.outbox.pop()
    ruled.world.knock(GARDEN, ANA, "other words")
    await ruled.hear()  # in its own room's turn, which may come first
    await ruled.work()
    edits, ruled.world.outbox = ruled.world.outbox, [clicked]
    await ruled.deliver()
    ruled.world.outbox = edits
    await ruled.later()

    assert (ruled.membership(ANA), (await ruled.request(ANA)).awaits_moderators) == ("knock", True)
    assert "again" in ruled.spoken()[-1]


@pytest.mark.parametrize("ahead", [0, 3600, -3600])
async def test_an_accept_of_the_new_words_is_taken_whatever_the_clock_of_its_sender_says(
    ruled: House, ahead: float
) -> None:
    await knocks_twice(ruled)
    ruled.world.knock(GARDEN, ANA, "other words")
    await ruled.later()
    ruled.clock.go_on(ahead)
    ruled.click("✅", by=BOB)
    ruled.clock.go_on(-ahead)
    await ruled.later()

    assert ruled.membership(ANA) == "invite"


async def test_an_edit_that_the_homeserver_forgot_to_tell_of_blocks_nobody_for_ever(ruled: House) -> None:
    await knocks_twice(ruled)
    ruled.world.knock(GARDEN, ANA, "other words")
    await ruled.hear()
    await ruled.work()
    ruled.world.outbox.clear()
    await ruled.later(120)
    ruled.click("✅", by=BOB)
    await ruled.later()

    assert ruled.membership(ANA) == "invite"


# --- while the bot is out -----------------------------------------------------------------------------------------


async def test_a_click_while_the_bot_is_out_of_the_garden_lets_nobody_in_when_it_is_back(ruled: House) -> None:
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    ruled.world.change(GARDEN, ALICE, BOT, "leave")
    await ruled.live()
    ruled.click("✅", by=BOB)
    await ruled.live()
    assert "Invite" in ruled.spoken()[-1]
    leaves(ruled.world)
    ruled.world.change(GARDEN, ALICE, BOT, "invite")
    await ruled.later()

    assert (ruled.membership(ANA), (await ruled.request(ANA)).awaits_moderators) == ("knock", True)


@pytest.mark.parametrize("fall", [None, *FALLS])
async def test_a_click_while_the_bot_is_out_of_the_management_room_counts_by_the_power_of_later(
    ruled: House, fall: Callable[[World], None] | None
) -> None:
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    ruled.world.change(MODS, ALICE, BOT, "leave")
    await ruled.live()
    ruled.click("✅", by=BOB)
    assert ruled.world.outbox == []
    if fall is not None:
        fall(ruled.world)
    ruled.world.change(MODS, ALICE, BOT, "invite")
    await ruled.live()
    await ruled.look_everywhere()
    await ruled.later()

    assert ruled.membership(ANA) == ("invite" if fall is None else "knock")


# --- what is offered ----------------------------------------------------------------------------------------------


async def test_a_card_offers_nothing_that_would_fail_since_everybody_has_as_much_power(ruled: House) -> None:
    ruled.world.rooms[GARDEN].levels |= {"users_default": 100, "users": {}}
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    ruled.tell("check", by=ALICE)
    await ruled.live()

    assert ruled.card().offers == ("✅",)
    assert "❌ I cannot kick" in ruled.spoken()[-1]
    assert "✅ I can invite" in ruled.spoken()[-1]


async def test_a_card_offers_no_accept_of_who_is_denied(ruled: House) -> None:
    await ruled.set_policy("otherwise: forward", author=BOB)
    ruled.world.rooms[GARDEN].levels["users"][FAR] = 75
    ruled.world.rooms[GARDEN].acl = {"allow": ["*"], "deny": ["slow.example"]}
    ruled.world.knock(GARDEN, FAR)
    await ruled.live()

    assert "✅" not in ruled.card().offers


async def test_check_says_that_no_other_server_takes_what_the_bot_does(ruled: House) -> None:
    ruled.world.rooms[GARDEN].acl = {"allow": ["elsewhere.example"]}
    ruled.tell("check", by=ALICE)
    await ruled.live()

    assert f"❌ its server ACL denies {HOME}" in ruled.spoken()[-1]


@pytest.mark.parametrize("fall", [None, *FALLS])
async def test_check_says_whose_power_is_missing_for_what_the_policy_says(
    ruled: House, fall: Callable[[World], None] | None
) -> None:
    await ruled.set_policy("otherwise: accept", author=BOB)
    if fall is not None:
        fall(ruled.world)
        await ruled.live()
    ruled.tell("check", by=ALICE)
    await ruled.live()

    said = f"❌ the policy that {BOB} set cannot do all that it says: I would do this for {BOB}, who "
    assert (said in ruled.spoken()[-1]) == (fall is not None)


async def test_check_does_not_say_that_people_can_ask_by_a_rule_that_the_version_does_not_know(ruled: House) -> None:
    ruled.world.rooms[GARDEN].version = "6"
    ruled.tell("check", by=ALICE)
    await ruled.live()

    assert "does not support the room's join rule" in ruled.spoken()[-1]
    assert "✅ people can ask" not in ruled.spoken()[-1]


async def test_who_could_kick_nobody_sets_no_policy_that_does(ruled: House) -> None:
    ruled.world.rooms[GARDEN].levels |= {"users_default": 50, "state_default": 0}
    ruled.tell("policy set\notherwise: reject", by=BOB)
    await ruled.live()

    assert "level 51" in ruled.spoken()[-1]


# --- what was seen a moment ago -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fall", FALLS)
async def test_an_event_of_the_fall_counts_at_once(ruled: House, fall: Callable[[World], None]) -> None:
    await ruled.set_policy("otherwise: accept", author=BOB)
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    fall(ruled.world)
    if fall is is_demoted:
        ruled.world.state_changed(GARDEN, "m.room.power_levels")
    ruled.world.knock(GARDEN, DAVE)
    await ruled.live()

    assert (ruled.membership(ANA), ruled.membership(DAVE)) == ("invite", "knock")


async def test_an_author_is_looked_at_once_while_their_room_says_nothing_new(ruled: House) -> None:
    if not ruled.db.alone:
        pytest.skip("several processes look each time, since one may not have heard what another has")
    await ruled.set_policy("otherwise: accept", author=BOB)
    for number in range(3):
        ruled.world.knock(GARDEN, f"@many{number}:tulip.example")
        await ruled.live()

    assert ruled.world.asked("member").count(("member", GARDEN, BOB)) == 1


# --- what is advised ----------------------------------------------------------------------------------------------


async def test_a_card_says_what_is_missing_and_advises_nothing_that_would_fail(ruled: House) -> None:
    ruled.world.rooms[GARDEN].levels["users"][BOT] = 0
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()
    assert "!kb accept" not in ruled.card().text
    assert "I cannot answer this: power level 0 is too low to invite; level 50 is needed." in ruled.card().text

    ruled.world.set_levels(GARDEN, users={ALICE: 100, BOT: 50})
    await ruled.later()
    assert "I cannot" not in ruled.card().text
    assert "!kb accept 1" in ruled.card().text


async def test_a_card_advises_the_answer_that_would_work(ruled: House) -> None:
    ruled.world.rooms[GARDEN].levels |= {"invite": 101}
    ruled.world.knock(GARDEN, ANA)
    await ruled.live()

    assert "!kb accept" not in ruled.card().text
    assert "I cannot accept this: power level 100 is too low to invite; level 101 is needed." in ruled.card().text
    assert "!kb reject 1" in ruled.card().text


async def test_a_shared_card_says_what_is_missing_until_it_is_there(ruled: House) -> None:
    ruled.world.rooms[GARDEN].levels["users"][BOT] = 0
    for number in range(7):
        ruled.world.knock(GARDEN, f"@n{number}:tulip.example")
    ruled.world.outbox.clear()
    await ruled.look_everywhere()
    await ruled.live()
    assert "!kb accept" not in ruled.card().text
    assert "I cannot answer this" in ruled.card().text

    ruled.world.set_levels(GARDEN, users={ALICE: 100, BOT: 50})
    await ruled.later()
    assert "I cannot" not in ruled.card().text
    assert "Answer each by its number: !kb accept 7" in ruled.card().text


async def test_a_card_of_a_room_that_the_bot_was_put_out_of_asks_for_an_invite(ruled: House) -> None:
    ruled.world.knock(GARDEN, ANA)
    await ruled.hear()
    ruled.world.change(GARDEN, ALICE, BOT, "leave")
    await ruled.live()

    assert "!kb accept" not in ruled.card().text
    assert "I am not in" in ruled.card().text
    assert BOT in ruled.card().text


async def test_what_was_read_before_a_change_is_not_remembered_after_it(house: House) -> None:
    """A look that was under way when the power went must not give it back."""
    await house.protect(policy="otherwise: accept\nannounce: none")
    seen = house.context.standings
    since = seen.changes(GARDEN)
    old = Standing(joined=True, powers=await house.context.outside.powers(GARDEN))
    house.world.set_levels(GARDEN, users={BOT: 50, ALICE: 0})
    await house.hear()
    seen.note(GARDEN, ALICE, old, house.clock(), since=since)

    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    assert house.membership(ANA) == "knock"
