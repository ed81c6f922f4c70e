"""Who comes in by a third-party invite at a real door: tied to it, judged in turn, and put out if need be."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from knockbot.demo.people import MatrixRefused, Person, until
from tests.keeper import Garden, InProcess, block, edit_of, in_reply_to, words
from tests.planting import gone, member, planted, standing, told

STAND = "{rules: [], otherwise_third_party: accept}"
JUDGED = """
rules:
- {name: any, for: third_party_invite, when: {inviter_is_member: true}, then: accept}
- {name: not dave, for: redeemed_invite, when: {user: "@dave*"}, then: ban, reason: Not you.}
- {name: not erin, for: redeemed_invite, when: {user: "@erin*"}, then: reject, reason: Another time.}
- {name: look at fay, for: redeemed_invite, when: {user: "@fay*"}, then: forward}
"""


async def out(garden: Garden, person: Person) -> None:
    """Wait until somebody is out of the garden, and may not come in."""

    async def look() -> bool:
        return await is_in(garden, person)

    await until(look, lambda there: not there, lambda _: f"{person.user_id} is in")


async def is_in(garden: Garden, person: Person) -> bool:
    """Whether somebody is in the garden, or may come in."""
    return await garden.alice.membership(garden.room, person.user_id) in ("join", "invite")


async def test_redeemed_while_it_waits_the_moderators_decide_about_the_guest(keeper: InProcess) -> None:
    garden = await keeper.garden()
    invite = await planted(garden, await member(garden))
    card = await told(garden, invite, "pending", user_id=None)
    dave = await garden.person("dave")

    await invite.redeem(dave)

    shown = await told(garden, invite, "pending", user_id=dave.user_id)
    assert edit_of(shown) == card["event_id"]
    assert dave.user_id in words(shown)
    assert "used a third-party invite" in words(shown)
    called = await garden.heard(lambda event: in_reply_to(event) == card["event_id"], "that somebody came in")
    assert called["content"]["msgtype"] == "m.text"
    await garden.offered(card["event_id"])
    await garden.alice.react(garden.mods, card["event_id"], "❌")
    await garden.membership(dave, "leave")
    await told(garden, invite, "rejected", user_id=dave.user_id, by=garden.alice.user_id)


BECOMES = {
    "dave": ("ban", "Not you.", "banned", "not dave"),
    "erin": ("leave", "Another time.", "rejected", "not erin"),
    "fay": ("join", None, "pending", None),
}


@pytest.mark.parametrize("name", BECOMES)
async def test_who_redeems_is_judged_in_turn(keeper: InProcess, name: str) -> None:
    membership, reason, state, rule = BECOMES[name]
    garden = await keeper.garden(JUDGED)
    invite = await planted(garden)
    await told(garden, invite, "standing")
    guest = await garden.person(name)
    before = await garden.said()

    await invite.redeem(guest)

    await told(garden, invite, state, user_id=guest.user_id, rule=rule)
    assert (await garden.membership(guest, membership)).get("reason") == reason
    assert not [event for event in (await garden.said())[len(before) :] if words(event).startswith("⚠️")]


async def test_taken_back_and_redeemed_in_the_same_moment_nobody_is_in(keeper: InProcess) -> None:
    garden = await keeper.garden()
    mona = await member(garden)
    invite = await planted(garden, mona)
    card = await told(garden, invite, "pending")
    dave = await garden.person("dave")

    async def redeem() -> None:
        with suppress(MatrixRefused):
            await invite.redeem(dave)

    await asyncio.gather(garden.alice.react(garden.mods, card["event_id"], "❌"), redeem())
    await gone(garden, invite)
    await garden.caught_up()
    shown = [block(event) for event in await garden.said() if edit_of(event) == card["event_id"]]
    if shown[-1]["state"] == "pending":  # they were quicker than the click, which was for the invite
        assert shown[-1]["user_id"] == dave.user_id
        await garden.command(f"reject {shown[-1]['number']}")
    await out(garden, dave)


async def test_of_a_crowd_that_comes_in_faster_than_it_can_be_taken_back_nobody_stays(keeper: InProcess) -> None:
    """Some of them the homeserver itself lets in and takes out again: invite and taking back cross in it."""
    garden = await keeper.plant("{rules: [], otherwise_third_party: reject}", alone=True)
    mona = await member(garden)
    guests = [await garden.person("guest") for _ in range(6)]

    async def rush_in(guest: Person) -> None:
        invite = await planted(garden, mona)
        with suppress(MatrixRefused):
            await invite.redeem(guest)

    await asyncio.gather(*map(rush_in, guests))
    await garden.caught_up()

    for guest in guests:
        await out(garden, guest)
    await until(lambda: standing(garden), lambda there: not there, str)
    await until(lambda: garden.command("invites"), lambda said: "no unused third-party invite" in said, str)


async def test_a_spent_key_lets_nobody_else_in(keeper: InProcess) -> None:
    garden = await keeper.garden(STAND)
    invite = await planted(garden)
    await told(garden, invite, "standing")
    dave, erin = await garden.person("dave"), await garden.person("erin")
    await invite.redeem(dave)
    await told(garden, invite, "redeemed", user_id=dave.user_id)

    await gone(garden, invite)

    with pytest.raises(MatrixRefused):
        await invite.redeem(erin)
    assert await is_in(garden, dave)


async def test_whoever_knocks_and_redeems_has_their_knock_answered_by_their_inviter(keeper: InProcess) -> None:
    garden = await keeper.garden(STAND)
    hank = await garden.knocker("hank", "please")
    card = await garden.card(hank)
    mona = await member(garden)
    invite = await planted(garden, mona)
    await told(garden, invite, "standing")

    await invite.redeem(hank)

    shown = await garden.shown(hank, "joined", kind="knock", by=mona.user_id)
    assert edit_of(shown) == card["event_id"]
    await told(garden, invite, "redeemed", user_id=hank.user_id)


async def test_a_banned_user_cannot_redeem_and_the_invite_stands(keeper: InProcess) -> None:
    garden = await keeper.garden(STAND)
    invite = await planted(garden)
    await told(garden, invite, "standing")
    dave = await garden.person("dave")
    await garden.alice.ban(garden.room, dave.user_id)

    with pytest.raises(MatrixRefused):
        await invite.redeem(dave)

    await garden.caught_up()
    assert invite.token in await standing(garden)


async def test_a_knock_that_says_it_redeems_is_a_knock(keeper: InProcess) -> None:
    garden = await keeper.garden()
    invite = await planted(garden, await member(garden))
    await told(garden, invite, "pending")
    fay = await garden.person("fay")

    claim = {"membership": "knock", "third_party_invite": {"signed": {"token": invite.token, "mxid": fay.user_id}}}
    await fay.put_state(garden.room, "m.room.member", claim, fay.user_id)

    await garden.shown(fay, "pending", kind="knock")
    assert invite.token in await standing(garden)


async def test_a_member_who_redeems_is_not_put_out(keeper: InProcess) -> None:
    """On a real homeserver that turns a member into somebody who is invited, for a moment or for good."""
    garden = await keeper.garden("rules: [{name: nobody, for: redeemed_invite, when: {user: '*'}, then: ban}]")
    dave = await garden.person("dave")
    await garden.bring(dave, garden.room)
    invite = await planted(garden)
    await told(garden, invite, "pending", user_id=None)

    await invite.redeem(dave)

    card = await told(garden, invite, "pending", user_id=dave.user_id)
    assert "already" in words(card)
    await garden.caught_up()
    assert await is_in(garden, dave)
