"""Somebody whom a rule invited is listed before they join, and nobody has the power to withdraw the invite."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from knockbot.domain.model import State
from tests.flow.house import GARDEN, MODS, House
from tests.flow.planted import DAVE, MONA, move_in, planted, redeemed, stands, states
from tests.flow.test_lists import ALIAS, BANS, LIZ, memberships, open_door, set_policy, settled
from tests.flow.test_space_policies import TOWN, town
from tests.flow.world import ALICE, ANA, BOT, levels_for

MO = "@mo:tulip.example"
"""Who set the policy."""
BOB = "@bob:tulip.example"
"""A moderator who may kick and ban."""
EVE = "@eve:tulip.example"
"""A member without power."""

USERS = {ALICE: 100, MO: 60, BOB: 50, EVE: 0, BOT: 100}

SAID = (
    "🚪 #1 @ana:tulip.example is invited to Garden and has not joined yet\n"
    "No reason given.\n"
    '⚠️ They are now on list "community", by its entry "@ana:tulip.example" (ads). '
    "They were invited by the policy (otherwise). "
    "I could not withdraw the invite: I would do this for @mo:tulip.example, "
)


def demoted(house: House) -> None:
    """Mo loses the power."""
    house.world.set_levels(GARDEN, users=USERS | {MO: 0})


def left(house: House) -> None:
    """Mo leaves."""
    house.world.change(GARDEN, MO, MO, "leave")


FALLS = [demoted, left]


@pytest.fixture
async def open_garden(house: House) -> House:
    """A garden whose policy mo has set: it is open to all who are not on a list."""
    house.world.room(BANS, "Bans", LIZ, MO, levels=levels_for([LIZ]), join_rule="public")
    house.world.aliases[ALIAS] = BANS
    for room_id in (GARDEN, MODS):
        for who in (MO, BOB, EVE):
            house.world.change(room_id, ALICE, who, "invite")
            house.world.change(room_id, who, who, "join")
    house.world.set_levels(GARDEN, users=USERS)
    await set_policy(house, by=MO)
    return house


async def untaken(house: House, fall: Callable[[House], None] = demoted, *, then: str = "ban") -> House:
    """A rule of mo's invited ana, mo has lost the power, and now ana is listed."""
    if then != "ban":
        await set_policy(house, open_door(then), by=MO)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    assert house.membership(ANA) == "invite"
    fall(house)
    await settled(house)
    house.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(house)
    return house


@pytest.mark.parametrize("then", ["ban", "reject", "forward"])
@pytest.mark.parametrize("fall", FALLS)
async def test_the_card_says_who_is_invited_still_and_whose_power_is_missing(
    open_garden: House, fall: Callable[[House], None], then: str
) -> None:
    house = await untaken(open_garden, fall, then=then)
    card = house.card()
    assert card.text.startswith(SAID), card.text
    assert card.text.count("I would do this for") == 1
    assert "✅ accept: the invite stays, ❌ reject: the invite is withdrawn, ⛔ ban" in card.text
    assert (card.state, card.block["rule"], card.offers) == ("pending", None, ("✅", "❌", "⛔"))
    assert house.membership(ANA) == "invite"


ANSWERS = {
    "❌": ("leave", State.REJECTED, "❌"),
    "reject 1 not here": ("leave", State.REJECTED, "❌"),
    "⛔": ("ban", State.BANNED, "⛔"),
    "ban 1": ("ban", State.BANNED, "⛔"),
    "✅": ("invite", State.ACCEPTED, "✅"),
    "accept 1": ("invite", State.ACCEPTED, "✅"),
}


async def test_show_says_that_they_are_invited_and_what_is_lacking_as_the_card_does(open_garden: House) -> None:
    house = await untaken(open_garden)
    house.tell("show 1")
    await settled(house)
    shown = house.spoken()[-1]
    assert "Invited, not joined yet, and waiting for your decision." in shown
    for said in (shown, house.card().text):
        assert "too low to kick" in said
        assert "too low to ban" not in said


async def answer(house: House, how: str, by: str) -> None:
    if how in "❌⛔✅":
        house.click(how, by=by)
    else:
        house.tell(how, by=by)
    await settled(house)


@pytest.mark.parametrize("then", ["ban", "forward"])
@pytest.mark.parametrize("how", ANSWERS)
async def test_the_answer_of_a_moderator_is_done(open_garden: House, how: str, then: str) -> None:
    house = await untaken(open_garden, then=then)
    await answer(house, how, BOB)

    membership, state, sign = ANSWERS[how]
    assert house.membership(ANA) == membership
    request = await house.request(ANA)
    assert (request.state, request.by) == (state, BOB)
    assert house.card().text.startswith(sign)
    assert BOB in house.card().text
    assert memberships(house, ANA) == ["knock", "invite", *([membership] if membership != "invite" else [])]
    assert await house.jobs("due", "running", "blocked") == {}


@pytest.mark.parametrize("how", ANSWERS)
async def test_who_may_not_answer_changes_nothing(open_garden: House, how: str) -> None:
    house = await untaken(open_garden)
    before = house.card()
    house.world.rooms[GARDEN].levels["invite"] = 50
    house.world.set_levels(GARDEN)
    await settled(house)
    await answer(house, how, EVE)
    assert house.membership(ANA) == "invite"
    assert (house.card().text, house.card().offers) == (before.text, before.offers)
    assert (await house.request(ANA)).awaits_moderators


async def looks(house: House) -> None:
    """A look at every room."""
    await house.look_everywhere()
    await settled(house)


async def room_changes(house: House) -> None:
    """Something else changes in the room."""
    house.world.set_acl(GARDEN, allow=["*"], deny=["evil.example"])
    await settled(house)


async def restarts(house: House) -> None:
    """A stop and a start."""
    await house.close()
    await house.start_again()
    await settled(house)


async def is_killed(house: House) -> None:
    """A death and a start."""
    await house.die()
    await house.start_again()
    await settled(house)


async def a_month_passes(house: House) -> None:
    """Longer than a knock may wait."""
    await house.later(40 * 24 * 3600)
    await looks(house)


async def server_is_denied(house: House) -> None:
    """The room denies the server of the applicant."""
    house.world.set_acl(GARDEN, allow=["*"], deny=["tulip.example"])
    await settled(house)
    house.world.set_acl(GARDEN, allow=["*"])
    await settled(house)


async def events_come_again(house: House) -> None:
    """The homeserver tells of the invite once more."""
    events = house.world.rooms[GARDEN].members[ANA]
    house.world.outbox.append(dict(events))
    await settled(house)


HAPPENS = [looks, room_changes, restarts, is_killed, a_month_passes, server_is_denied, events_come_again]


@pytest.mark.parametrize("happens", HAPPENS)
async def test_nothing_of_this_changes_by_what_the_bot_sees(
    open_garden: House, happens: Callable[[House], Awaitable[None]]
) -> None:
    house = await untaken(open_garden)
    await happens(house)

    card = house.card()
    assert card.text.startswith(SAID), card.text
    assert (card.state, card.offers) == ("pending", ("✅", "❌", "⛔"))
    assert (await house.request(ANA)).awaits_moderators
    assert house.membership(ANA) == "invite"

    await answer(house, "⛔", BOB)
    assert (house.membership(ANA), (await house.request(ANA)).state) == ("ban", State.BANNED)


@pytest.mark.parametrize(
    ("by", "membership", "state"),
    [
        (ANA, "join", State.JOINED),
        (ANA, "leave", State.DECLINED),
        (BOB, "leave", State.REJECTED),
        (BOB, "ban", State.BANNED),
        (BOB, "invite", State.ACCEPTED),
    ],
)
@pytest.mark.parametrize("heard", [True, False])
async def test_what_others_do_about_the_invite_closes_the_request(
    open_garden: House, by: str, membership: str, state: State, heard: bool
) -> None:
    house = await untaken(open_garden)
    house.world.change(GARDEN, by, ANA, membership)
    if not heard:
        house.world.outbox.clear()
        await looks(house)
    await settled(house)

    request = await house.request(ANA)
    assert (request.state, request.by) == (state, by)
    assert house.card().state == state
    assert BOT not in house.card().text


# --- other powers that are missing ----------------------------------------------------------------------------


async def invited_and(house: House, happens: Callable[[House], object]) -> House:
    """A rule of mo's invited ana, something happens, and ana is listed."""
    house.world.knock(GARDEN, ANA)
    await settled(house)
    happens(house)
    await settled(house)
    house.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(house)
    assert house.membership(ANA) == "invite"
    return house


def bot_loses_power(house: House) -> None:
    """The bot can do nothing any more."""
    house.world.set_levels(GARDEN, users=USERS | {BOT: 0})


def bot_has_power(house: House) -> None:
    """The bot can act again."""
    house.world.set_levels(GARDEN, users=USERS)


def bot_is_put_out(house: House) -> None:
    """The bot is not in the room."""
    house.world.change(GARDEN, ALICE, BOT, "leave")


def bot_is_back(house: House) -> None:
    """The bot is in the room again."""
    for by, membership in ((ALICE, "invite"), (BOT, "join")):
        house.world.change(GARDEN, by, BOT, membership)


@pytest.mark.parametrize(("gone", "back"), [(bot_loses_power, bot_has_power), (bot_is_put_out, bot_is_back)])
@pytest.mark.parametrize("joins", [False, True])
async def test_it_is_withdrawn_once_the_bot_can_and_who_has_joined_by_then_stays(
    open_garden: House, gone: Callable[[House], object], back: Callable[[House], object], joins: bool
) -> None:
    house = await invited_and(open_garden, gone)
    await looks(house)
    if joins:
        house.world.change(GARDEN, ANA, ANA, "join")
        await settled(house)
    back(house)
    await settled(house)
    await looks(house)

    assert house.membership(ANA) == ("join" if joins else "ban")
    assert (await house.request(ANA)).state is (State.JOINED if joins else State.BANNED)
    assert await house.jobs("due", "running", "blocked") == {}


def promoted(house: House) -> None:
    """Mo has the power again."""
    house.world.set_levels(GARDEN, users=USERS)


def returned(house: House) -> None:
    """Mo is back, with the power that they had."""
    for by, membership in ((ALICE, "invite"), (MO, "join")):
        house.world.change(GARDEN, by, MO, membership)


RETURNS = [(demoted, promoted), (left, returned)]


@pytest.mark.parametrize(("fall", "back"), RETURNS)
async def test_a_look_alone_finds_that_the_author_has_the_power_again(
    open_garden: House, fall: Callable[[House], None], back: Callable[[House], None]
) -> None:
    house = await untaken(open_garden, fall)
    await house.die()
    back(house)
    house.world.outbox.clear()
    await house.start_again()
    await settled(house)

    assert (house.membership(ANA), (await house.request(ANA)).state) == ("ban", State.BANNED)
    assert memberships(house, ANA) == ["knock", "invite", "ban"]
    assert MO not in house.card().text
    assert await house.jobs("due", "running", "blocked") == {}


@pytest.mark.parametrize("back", [promoted, returned])
async def test_a_look_that_finds_no_power_leaves_it_to_a_later_one(
    open_garden: House, back: Callable[[House], None]
) -> None:
    house = await untaken(open_garden, demoted if back is promoted else left)
    for _ in range(3):
        await looks(house)
    assert house.membership(ANA) == "invite"
    back(house)
    house.world.outbox.clear()
    await looks(house)
    assert house.membership(ANA) == "ban"
    await looks(house)
    assert memberships(house, ANA) == ["knock", "invite", "ban"]


@pytest.mark.parametrize(("then", "membership"), [("ban", "ban"), ("reject", "leave"), ("forward", "leave")])
@pytest.mark.parametrize(("fall", "back"), RETURNS)
async def test_it_is_withdrawn_once_the_author_has_the_power_again(
    open_garden: House, fall: Callable[[House], None], back: Callable[[House], None], then: str, membership: str
) -> None:
    house = await untaken(open_garden, fall, then=then)
    said = len(house.spoken())
    back(house)
    await settled(house)

    assert house.membership(ANA) == membership
    request = await house.request(ANA)
    assert (request.state, request.by) == (State.BANNED if then == "ban" else State.REJECTED, BOT)
    assert "policy list “community”" in house.card().text
    assert not [text for text in house.spoken()[said:] if "I would do this for" in text]
    assert await house.jobs("due", "running", "blocked") == {}


@pytest.mark.parametrize(("then", "membership"), [("ban", "ban"), ("reject", "leave"), ("forward", "leave")])
async def test_it_is_withdrawn_once_somebody_with_the_power_sets_the_policy_again(
    open_garden: House, then: str, membership: str
) -> None:
    house = await untaken(open_garden, then=then)
    await set_policy(house, open_door(then), by=ALICE)

    assert house.membership(ANA) == membership
    request = await house.request(ANA)
    assert (request.state, request.by) == (State.BANNED if then == "ban" else State.REJECTED, BOT)
    assert MO not in house.card().text
    assert await house.jobs("due", "running", "blocked") == {}


async def test_a_policy_of_somebody_without_the_power_withdraws_nothing(open_garden: House) -> None:
    house = await untaken(open_garden)
    await house.set_policy(open_door(), author=EVE)
    house.world.set_levels(GARDEN, users=USERS | {MO: 0, EVE: 10})
    await settled(house)
    assert house.membership(ANA) == "invite"


@pytest.mark.parametrize("by", ["the policy is applied", "the space's policy"])
async def test_so_it_is_in_whatever_way_the_policy_comes_into_force(open_garden: House, by: str) -> None:
    house = await untaken(open_garden, then="forward")
    if by == "the policy is applied":
        await house.set_policy(open_door("forward"), author=ALICE)  # nothing is judged again by that
        await settled(house)
        assert house.membership(ANA) == "invite"
        house.tell(f"policy apply {GARDEN}")
        await settled(house)
    else:
        await town(house, GARDEN)
        await set_policy(house, "inherit: true", by=ALICE)
        house.tell(f"policy set {TOWN}\n{open_door('forward')}")
        await settled(house)
    assert (house.membership(ANA), (await house.request(ANA)).state) == ("leave", State.REJECTED)


async def joined_meanwhile(house: House) -> None:
    house.world.change(GARDEN, ANA, ANA, "join")


async def kept_by_a_moderator(house: House) -> None:
    house.click("✅", by=BOB)


async def unlisted(house: House) -> None:
    house.world.unlist(BANS, LIZ, ANA)


async def set_otherwise(house: House) -> None:
    await set_policy(house, "otherwise: ban", by=ALICE)


@pytest.mark.parametrize("meanwhile", [joined_meanwhile, kept_by_a_moderator, unlisted, set_otherwise])
async def test_who_has_joined_was_kept_or_is_not_listed_by_then_is_left_alone(
    open_garden: House, meanwhile: Callable[[House], Awaitable[None]]
) -> None:
    house = await untaken(open_garden)
    await meanwhile(house)
    await settled(house)
    promoted(house)
    await settled(house)
    assert house.membership(ANA) == ("join" if meanwhile is joined_meanwhile else "invite")
    assert await house.jobs("due", "running", "blocked") == {}


async def test_a_change_of_powers_that_gives_nobody_the_power_changes_nothing(open_garden: House) -> None:
    house = await untaken(open_garden)
    before = house.card()
    house.world.set_levels(GARDEN, users=USERS | {MO: 10, EVE: 50})
    await settled(house)
    assert (house.card().text, house.membership(ANA), len(house.cards())) == (before.text, "invite", 1)


async def test_an_approval_that_is_taken_back_after_the_invite_changes_nothing_of_this(open_garden: House) -> None:
    rules = "rules: [{name: named, when: {pre_approved: true}, then: accept}]\n"
    await set_policy(open_garden, rules + open_door().replace("otherwise: accept", "otherwise: forward"), by=MO)
    open_garden.tell(f"allow {ANA}", by=BOB)
    await settled(open_garden)

    def falls(house: House) -> None:
        house.tell(f"disallow {ANA}", by=BOB)
        demoted(house)

    house = await invited_and(open_garden, falls)
    assert "They were invited by rule “named”." in house.card().text
    await answer(house, "❌", BOB)
    assert (house.membership(ANA), (await house.request(ANA)).state) == ("leave", State.REJECTED)


async def test_an_invite_of_a_moderators_own_stays(open_garden: House) -> None:
    def invites(house: House) -> None:
        house.world.change(GARDEN, BOB, ANA, "invite")
        house.world.outbox.clear()

    house = await invited_and(open_garden, invites)
    await looks(house)
    assert (house.membership(ANA), house.cards()) == ("invite", [])


# --- third-party invites --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("how", "state"), [("❌", "revoked"), ("✅", "standing"), ("⛔", "revoked")])
async def test_an_accepted_third_party_invite_whose_inviter_is_listed_is_for_the_moderators_then(
    open_garden: House, how: str, state: str
) -> None:
    house = open_garden
    move_in(house)
    await planted(house, by=MONA)
    await settled(house)
    assert await states(house) == ["standing"]
    house.world.set_levels(GARDEN, users=USERS | {MO: 0, MONA: 40})
    await settled(house)
    house.world.list_entity(BANS, LIZ, MONA, reason="ads")
    await settled(house)
    await looks(house)
    await restarts(house)

    card = house.card()
    assert (await states(house), stands(house), card.state) == (["pending"], True, "pending")
    assert '"community"' in card.text
    assert card.text.count(f"I would do this for {MO}") == 1
    await answer(house, how, BOB)
    assert await states(house) == [state]
    assert stands(house) is (state == "standing")
    assert house.membership(MONA) == ("ban" if how == "⛔" else "join")


@pytest.mark.parametrize("then", ["ban", "reject", "forward"])
@pytest.mark.parametrize("lacks", [False, True])
async def test_a_guest_who_has_not_joined_and_is_listed_is_taken_back_or_for_the_moderators(
    open_garden: House, then: str, lacks: bool
) -> None:
    house = open_garden
    await set_policy(house, open_door(then), by=MO)
    move_in(house)
    await planted(house, by=MONA)
    await redeemed(house, DAVE, join=False)
    await settled(house)
    assert (await states(house), house.membership(DAVE)) == (["redeemed"], "invite")
    if lacks:
        demoted(house)
    await settled(house)
    house.world.list_entity(BANS, LIZ, DAVE, reason="ads")
    await settled(house)

    if not lacks:
        assert (await states(house), house.membership(DAVE)) == (["rejected"], "leave")
        return
    await looks(house)
    await restarts(house)
    card = house.card()
    assert (await states(house), card.state, house.membership(DAVE)) == (["pending"], "pending", "invite")
    assert '"community"' in card.text
    assert card.text.count(f"I would do this for {MO}") == 1
    await answer(house, "❌", BOB)
    assert (await states(house), house.membership(DAVE)) == (["rejected"], "leave")


# --- what the bot may ------------------------------------------------------------------------------------------------


async def test_where_the_bot_may_kick_but_not_ban_the_invite_of_who_is_listed_is_withdrawn(open_garden: House) -> None:
    house = open_garden
    house.world.set_levels(GARDEN, users=USERS | {MO: 80, BOT: 50}, ban=75)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    assert house.membership(ANA) == "invite"
    house.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(house)

    assert house.membership(ANA) == "leave"
    request = await house.request(ANA)
    assert (request.state, request.by) == (State.REJECTED, BOT)
    assert house.world.rooms[GARDEN].members[ANA]["content"].get("reason") == (
        "Your invite was withdrawn. You can ask again."
    )


async def test_and_who_knocks_while_listed_waits_for_the_power_to_ban_as_ever(open_garden: House) -> None:
    house = open_garden
    house.world.set_levels(GARDEN, users=USERS | {MO: 80, BOT: 50}, ban=75)
    house.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(house)
    house.world.knock(GARDEN, ANA)
    await settled(house)

    assert house.membership(ANA) == "knock"
    house.world.set_levels(GARDEN, users=USERS | {MO: 80, BOT: 80}, ban=75)
    await house.later(3600)
    assert house.membership(ANA) == "ban"


@pytest.mark.parametrize("then", ["ban", "reject", "forward"])
async def test_where_the_bot_may_not_withdraw_the_invite_a_card_says_who_is_invited_and_what_is_missing(
    open_garden: House, then: str
) -> None:
    await set_policy(open_garden, open_door(then), by=MO)
    house = await invited_and(open_garden, bot_loses_power)
    act = "ban" if then == "ban" else "kick"

    card = house.card()
    assert card.text.startswith("🚪 #1 @ana:tulip.example is invited to Garden and has not joined yet\n")
    assert f"power level 0 is too low to {act}; level 50 is needed." in card.text
    assert 'They are on list "community", by its entry "@ana:tulip.example" (ads).' in card.text
    assert (card.state, card.offers) == ("pending", ())
    await looks(house)
    assert len(house.cards()) == 1

    bot_has_power(house)
    await settled(house)
    assert house.membership(ANA) == ("ban" if then == "ban" else "leave")
    assert house.card().state == ("banned" if then == "ban" else "rejected")
    assert len(house.cards()) == 1
    assert await house.jobs("due", "running", "blocked") == {}


@pytest.mark.parametrize("joins", [False, True])
async def test_the_card_closes_by_what_they_do_themselves(open_garden: House, joins: bool) -> None:
    house = await invited_and(open_garden, bot_loses_power)
    house.world.change(GARDEN, ANA, ANA, "join" if joins else "leave")
    await settled(house)
    assert house.card().state == ("joined" if joins else "declined")
    bot_has_power(house)
    await settled(house)
    assert house.membership(ANA) == ("join" if joins else "leave")
    assert await house.jobs("due", "running", "blocked") == {}


async def test_who_knocks_while_listed_gets_no_card_where_the_bot_may_do_nothing(open_garden: House) -> None:
    house = open_garden
    bot_loses_power(house)
    house.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await settled(house)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    assert house.cards() == []


@pytest.mark.parametrize("then", ["ban", "reject"])
async def test_so_it_is_for_the_guest_of_a_third_party_invite(open_garden: House, then: str) -> None:
    house = open_garden
    await set_policy(house, open_door(then), by=MO)
    move_in(house)
    await planted(house, by=MONA)
    await redeemed(house, DAVE, join=False)
    await settled(house)
    bot_loses_power(house)
    await settled(house)
    house.world.list_entity(BANS, LIZ, DAVE, reason="ads")
    await settled(house)

    card = house.card()
    assert card.text.startswith("✉️ #1 @dave:tulip.example used a third-party invite to Garden")
    assert "I cannot do that yet: power level 0 is too low to kick; level 50 is needed." in card.text
    bot_has_power(house)
    await settled(house)
    assert (await states(house), house.membership(DAVE)) == (["rejected"], "leave")
    assert (house.card().state, len(house.cards())) == ("rejected", 1)


async def test_and_for_an_accepted_third_party_invite_whose_inviter_is_listed(open_garden: House) -> None:
    house = open_garden
    move_in(house)
    await planted(house, by=MONA)
    await settled(house)
    house.world.set_levels(GARDEN, users=USERS | {BOT: 0, MONA: 60}, invite=50)
    await settled(house)
    house.world.list_entity(BANS, LIZ, MONA, reason="ads")
    await settled(house)

    assert (await states(house), stands(house)) == (["pending"], True)
    card = house.card()
    assert "I cannot revoke the invite yet: power level 0 is too low to invite; level 50 is needed." in card.text
    house.world.set_levels(GARDEN, users=USERS | {MONA: 60}, invite=50)
    await settled(house)
    assert (await states(house), stands(house), house.card().state) == (["revoked"], False, "revoked")


async def test_the_report_on_a_new_list_does_not_promise_what_the_bot_may_not_do(open_garden: House) -> None:
    house = open_garden
    house.world.list_entity(BANS, LIZ, ANA, reason="ads")
    await set_policy(house, "otherwise: accept", by=MO)
    house.world.knock(GARDEN, ANA)
    await settled(house)
    bot_loses_power(house)
    await settled(house)
    await set_policy(house, by=MO)

    assert (
        "The list community names 1 person who is invited to Garden and has not joined: @ana:tulip.example. "
        "I have no power to withdraw the invite now. I do it once I have the power, unless a moderator accepted them."
    ) in house.spoken()
    assert "is invited to Garden and has not joined yet" in house.card().text
    bot_has_power(house)
    await settled(house)
    assert house.membership(ANA) == "ban"
