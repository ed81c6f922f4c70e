"""Third-party invites at a real door: watched, judged, redeemed and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.demo.people import MatrixRefused, Person, until
from tests.keeper import Garden, InProcess, block, words
from tests.planting import Planted


async def planted(garden: Garden, by: Person | None = None, **more: Any) -> Planted:
    """An invite in the garden's state, with a key of its own."""
    return await Planted(garden.room, by or garden.alice).plant(**more)


async def told(garden: Garden, invite: Planted, state: str, **fields: Any) -> dict[str, Any]:
    """What the management room is shown about an invite, once it is in this state."""

    def wanted(event: dict[str, Any]) -> bool:
        found = block(event)
        return (
            found.get("kind") == "third_party_invite"
            and found.get("state") == state
            and found.get("inviter") == invite.inviter.user_id
            and (found.get("event_id") == invite.event_id or "user_id" in fields)
            and all(found.get(name) == value for name, value in fields.items())
        )

    return await garden.heard(wanted, f"the invite as {state}")


async def gone(invite: Planted) -> None:
    """Wait until the room holds it no longer."""

    async def stands() -> bool:
        return await invite.stands()

    await until(stands, lambda there: not there, lambda _: "the invite still stands")


async def test_a_planted_invite_is_shown_to_the_moderators(keeper: InProcess) -> None:
    garden = await keeper.garden()

    invite = await planted(garden)

    card = await told(garden, invite, "pending", user_id=None, rule=None, by=None, event_id=invite.event_id)
    assert card["content"]["msgtype"] == "m.text"
    assert garden.alice.user_id in words(card)
    assert "dav...@exa..." in words(card)
    assert "not every key" in words(card).lower()
    await garden.offered(card["event_id"], "✅❌")  # nobody can ban the creator who planted it
    assert await garden.offers(card["event_id"]) == ["✅", "❌"]


async def test_a_click_lets_it_stand_and_its_guest_in(keeper: InProcess) -> None:
    garden = await keeper.garden()
    invite = await planted(garden)
    card = await told(garden, invite, "pending")

    await garden.alice.react(garden.mods, card["event_id"], "✅")
    await told(garden, invite, "standing", by=garden.alice.user_id)
    dave = await garden.person("dave")
    await invite.redeem(dave)

    await told(garden, invite, "redeemed", user_id=dave.user_id)
    assert (await garden.membership(dave, "join"))["membership"] == "join"


async def test_a_click_takes_it_back(keeper: InProcess) -> None:
    garden = await keeper.garden()
    invite = await planted(garden)
    card = await told(garden, invite, "pending")

    await garden.alice.react(garden.mods, card["event_id"], "❌")

    await told(garden, invite, "revoked", by=garden.alice.user_id)
    await gone(invite)
    dave = await garden.person("dave")
    with pytest.raises(MatrixRefused):
        await invite.redeem(dave)


@pytest.mark.parametrize(("verdict", "state"), [("accept", "standing"), ("reject", "revoked")])
async def test_a_rule_judges_it(keeper: InProcess, verdict: str, state: str) -> None:
    garden = await keeper.garden(f"""
rules:
- {{name: ours, for: third_party_invite, when: {{inviter_power_at_least: 50}}, then: {verdict}}}
""")

    invite = await planted(garden)

    line = await told(garden, invite, state, rule="ours", by=garden.keeper.user_id)
    assert line["content"]["msgtype"] == "m.notice"
    assert await invite.stands() is (verdict == "accept")


async def test_who_redeems_is_judged_in_turn(keeper: InProcess) -> None:
    garden = await keeper.garden("""
rules:
- {name: any, for: third_party_invite, when: {inviter_is_member: true}, then: accept}
- {name: not dave, for: redeemed_invite, when: {user: "@dave*"}, then: ban, reason: Not you.}
""")
    invite = await planted(garden)
    await told(garden, invite, "standing")
    dave = await garden.person("dave")

    await invite.redeem(dave)

    assert (await garden.membership(dave, "ban"))["reason"] == "Not you."
    await told(garden, invite, "banned", user_id=dave.user_id, rule="not dave")


async def test_a_banned_inviter_leaves_nothing_behind(keeper: InProcess) -> None:
    garden = await keeper.garden("{rules: [], otherwise_third_party: accept}")
    mona = await garden.moderator()
    invites = [await planted(garden, mona) for _ in range(3)]
    for invite in invites:
        await told(garden, invite, "standing")

    await garden.alice.ban(garden.room, mona.user_id)

    for invite in invites:

        async def stands(one: Planted = invite) -> bool:
            return bool(await garden.alice.state(garden.room, "m.room.third_party_invite", one.token))

        await until(stands, lambda there: not there, lambda _: "it still stands")
    said = await garden.heard(lambda event: "3 third-party invites" in words(event), "how many there were")
    assert mona.user_id in words(said)


async def test_the_invites_of_one_who_leaves_wait_for_the_moderators(keeper: InProcess) -> None:
    garden = await keeper.garden("{rules: [], otherwise_third_party: accept}")
    mona = await garden.moderator()
    invite = await planted(garden, mona)
    await told(garden, invite, "standing")

    await mona.leave(garden.room)

    card = await garden.heard(
        lambda event: block(event).get("state") == "pending" and event["content"]["msgtype"] == "m.text", "a card"
    )
    assert block(card)["inviter"] == mona.user_id


async def test_a_demoted_inviter_has_their_invites_taken_back(keeper: InProcess) -> None:
    garden = await keeper.garden("{rules: [], otherwise_third_party: accept}")
    mona = await garden.moderator()
    levels = await garden.alice.state(garden.room, "m.room.power_levels") or {}
    await garden.alice.put_state(garden.room, "m.room.power_levels", levels | {"invite": 50})
    invite = await planted(garden, mona)
    await told(garden, invite, "standing")

    await garden.give_power(mona.user_id, 0)

    await gone(invite)


async def test_an_emptied_or_redacted_invite_is_noticed(keeper: InProcess) -> None:
    garden = await keeper.garden()
    emptied, redacted = await planted(garden), await planted(garden)
    for invite in (emptied, redacted):
        await told(garden, invite, "pending", event_id=invite.event_id)

    await garden.alice.put_state(garden.room, "m.room.third_party_invite", {}, emptied.token)
    await garden.alice.redact(garden.room, redacted.event_id)

    for invite in (emptied, redacted):
        await told(garden, invite, "revoked", event_id=invite.event_id, by=garden.alice.user_id)


async def test_a_spent_key_lets_nobody_else_in(keeper: InProcess) -> None:
    garden = await keeper.garden("{rules: [], otherwise_third_party: accept}")
    invite = await planted(garden)
    await told(garden, invite, "standing")
    dave, erin = await garden.person("dave"), await garden.person("erin")
    await invite.redeem(dave)
    await told(garden, invite, "redeemed", user_id=dave.user_id)

    await gone(invite)

    with pytest.raises(MatrixRefused):
        await invite.redeem(erin)
