"""A rule at a real door has its author's power: the bot has 100, the author 50, and somebody has 75."""

from __future__ import annotations

import pytest
from signedjson.sign import sign_json

from knockbot.demo.people import Person
from knockbot.demo.planted import SIGNER, Planted
from tests.keeper import Garden, InProcess, words
from tests.planting import member, planted, standing, told

UNDER = "{rules: [], otherwise: reject, otherwise_third_party: ban}"


async def ruled(keeper: InProcess, policy: str) -> tuple[Garden, Person]:
    """A garden whose policy somebody with level 50 has set."""
    garden = await keeper.plant()
    bob = await garden.moderator("bob")
    await garden.give_power(keeper.user_id, 100)
    await garden.set_policy(policy, by=bob)
    return garden, bob


async def test_a_rule_rejects_whom_its_author_could_and_nobody_above(keeper: InProcess) -> None:
    garden, bob = await ruled(keeper, UNDER)
    high = await garden.person("high")
    await garden.give_power(high.user_id, 75)
    ana = await garden.knocker("ana")
    await garden.membership(ana, "leave")

    await high.knock(garden.room)

    card = await garden.card(high)
    assert bob.user_id in words(card)
    assert "level 75" in words(card)
    await garden.caught_up()
    assert await garden.acts_on(high) == []


async def test_a_rule_bans_no_inviter_above_its_author_and_leaves_their_invite(keeper: InProcess) -> None:
    garden, bob = await ruled(keeper, UNDER)
    high = await member(garden, "high")
    await garden.give_power(high.user_id, 75)

    invite = await planted(garden, high)

    card = await told(garden, invite, "pending", user_id=None)
    assert bob.user_id in words(card)
    await garden.caught_up()
    assert (await garden.acts_on(high), await standing(garden)) == ([], {invite.token})


@pytest.mark.parametrize("emoji", ["❌", "⛔"], ids=ascii)
async def test_a_rule_without_its_author_asks_and_a_moderator_answers(keeper: InProcess, emoji: str) -> None:
    garden, bob = await ruled(keeper, "otherwise: accept")
    await bob.leave(garden.room)

    ana = await garden.knocker()

    card = await garden.card(ana)
    assert bob.user_id in words(card)
    await garden.alice.react(garden.mods, card["event_id"], emoji)
    await garden.membership(ana, {"❌": "leave", "⛔": "ban"}[emoji])


async def signed_for(invite: Planted, victim: Person) -> None:
    """The inviter has somebody invited who knows nothing of it: the key of the invite is enough."""
    signed = sign_json(
        {"mxid": victim.user_id, "sender": invite.inviter.user_id, "token": invite.token}, SIGNER, invite.key
    )
    content = {"membership": "invite", "third_party_invite": {"display_name": "you", "signed": signed}}
    await invite.inviter.put_state(invite.room, "m.room.member", content, victim.user_id)


@pytest.mark.parametrize("emoji", ["❌", "⛔"], ids=ascii)
async def test_whom_an_invite_was_signed_for_only_has_it_taken_back_until_they_join(
    keeper: InProcess, emoji: str
) -> None:
    garden = await keeper.plant()
    invite = await planted(garden, await member(garden))
    card = await told(garden, invite, "pending", user_id=None)
    victim = await garden.person("victim")

    await signed_for(invite, victim)
    await told(garden, invite, "pending", user_id=victim.user_id)
    await garden.alice.react(garden.mods, card["event_id"], emoji)

    await told(garden, invite, "rejected", user_id=victim.user_id, by=garden.alice.user_id)
    await garden.membership(victim, "leave")
    assert await garden.acts_on(victim) == ["leave"]
    await garden.set_policy("rules: [{when: {rejected_before: true}, then: ban}]")
    await victim.knock(garden.room)
    await garden.card(victim, kind="knock")
