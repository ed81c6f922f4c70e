"""Reason templates at a real door: one tap on a card rejects with the text of a template."""

from __future__ import annotations

from tests.keeper import InProcess

POLICY = "templates: {rules: Please read our rules first., later: Knock again in June.}"


async def test_one_tap_rejects_with_the_text_of_a_template(keeper: InProcess) -> None:
    garden = await keeper.garden(POLICY)
    ana = await garden.knocker(reason="hello")
    card = await garden.shown(ana, "pending")
    await garden.offered(card["event_id"], ("✅", "❌", "⛔", "1️⃣", "2️⃣"))

    await garden.alice.react(garden.mods, card["event_id"], "2️⃣")

    left = await garden.membership(ana, "leave")
    assert left["reason"] == "Knock again in June."
