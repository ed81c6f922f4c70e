"""Somebody whom a rule invited is listed once its author has lost the power, on a real homeserver."""

from __future__ import annotations

from typing import Any

import pytest

from knockbot.demo.people import Person
from tests.journey.test_lists import DOOR, bans, entry
from tests.keeper import Garden, InProcess, words


async def listed(garden: Garden, then: str = "ban") -> tuple[Person, dict[str, Any], Person]:
    """Yan was invited by a rule of mo's, who has lost the power, and then listed; returns yan, the card, and mo."""
    liz, mo = await garden.person("liz"), await garden.moderator("mo", level=60)
    room = await bans(liz)
    await garden.set_policy(DOOR.format(room=room, then=then, otherwise="accept"), by=mo)
    yan = await garden.knocker("yan", "hello")
    await garden.membership(yan, "invite")
    await garden.give_power(mo.user_id, 0)
    await garden.caught_up()
    await entry(liz, room, yan.user_id)
    card = await garden.card(yan)
    said = words(card)
    assert "is invited to" in said, said
    assert said.count(f"I would do this for {mo.user_id}") == 1, said
    return yan, card, mo


@pytest.fixture
async def garden(keeper: InProcess) -> Garden:
    """A garden of its own for each test: they set policies."""
    return await keeper.plant()


ANSWERS = [("⛔", "ban", "banned"), ("❌", "leave", "rejected"), ("✅", "invite", "accepted")]


@pytest.mark.parametrize(("emoji", "membership", "state"), ANSWERS)
async def test_a_click_does_what_it_says(garden: Garden, emoji: str, membership: str, state: str) -> None:
    yan, card, _ = await listed(garden)
    await garden.alice.react(garden.mods, card["event_id"], emoji)
    await garden.shown(yan, state, by=garden.alice.user_id)
    await garden.membership(yan, membership)
    assert set(await garden.acts_on(yan)) == {"invite", membership}


LEFT = {"ban": "ban, and leaves it to the moderators", "forward": "forward"}
"""What the record says the policy wants, where nobody has the power for it."""


@pytest.mark.parametrize("then", ["ban", "forward"])
async def test_neither_a_look_nor_a_restart_takes_it_for_accepted(keeper: InProcess, garden: Garden, then: str) -> None:
    yan, card, _ = await listed(garden, then)
    number = card["content"]["org.knockbot.request"]["number"]
    await garden.alice.put_state(garden.room, "m.room.server_acl", {"allow": ["*"], "deny": ["evil.example"]})
    await garden.caught_up()
    await keeper.stop()
    await keeper.start()
    await garden.caught_up()
    await garden.membership(yan, "invite")
    said = await garden.command(f"show {number}")
    assert f"policy says {LEFT[then]}" in said.splitlines()[-1], said

    await garden.alice.react(garden.mods, card["event_id"], "⛔")
    await garden.shown(yan, "banned", by=garden.alice.user_id)
    await garden.membership(yan, "ban")


@pytest.mark.parametrize("is_away", [False, True])
async def test_what_nobody_had_the_power_to_withdraw_is_withdrawn_once_the_power_is_back(
    keeper: InProcess, garden: Garden, is_away: bool
) -> None:
    yan, _, mo = await listed(garden)
    if is_away:
        await keeper.stop()
    await garden.give_power(mo.user_id, 60)
    if is_away:
        await keeper.start()

    await garden.membership(yan, "ban")
    shown = await garden.shown(yan, "banned", rule="list community")
    assert "I would do this for" not in words(shown)
    assert sorted(await garden.acts_on(yan)) == ["ban", "invite"]
