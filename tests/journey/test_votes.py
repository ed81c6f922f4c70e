"""Votes at a real door: an answer takes two moderators, by clicks and commands, and a reaction can be taken back."""

from __future__ import annotations

from tests.keeper import Garden, InProcess, block, edit_of, words

POLICY = "votes: {accept: 2, reject: 2}"


async def test_a_vote_is_taken_back_in_the_same_second_and_two_others_accept(keeper: InProcess) -> None:
    await accepted_by_two_of_three(await keeper.garden(POLICY))


async def accepted_by_two_of_three(garden: Garden) -> None:
    """Mona takes her reaction back at once; Bob clicks, and Alice gives the command."""
    mona, bob = await garden.moderator(), await garden.moderator("bob")
    ana = await garden.knocker()
    card = await garden.card(ana)
    assert "Votes needed: ✅ 0 of 2, ❌ 0 of 2." in words(card)

    await mona.redact(garden.mods, await mona.react(garden.mods, card["event_id"], "✅"))
    await bob.react(garden.mods, card["event_id"], "✅")
    await _card_says(garden, card["event_id"], f"✅ 1 of 2: {bob.user_id}")
    assert await garden.acts_on(ana) == []

    await garden.tell(f"accept {block(card)['number']}")
    invited = await garden.membership(ana, "invite")
    assert invited["membership"] == "invite"
    await garden.shown(ana, "accepted", by=garden.alice.user_id)
    log = await garden.command(f"log {block(card)['number']}")
    assert f"enough votes for accept: {bob.user_id}, {garden.alice.user_id}" in log
    assert f"vote for accept taken back: {mona.user_id}" in log


async def test_the_vote_of_somebody_who_was_demoted_does_not_count(keeper: InProcess) -> None:
    garden = await keeper.garden(POLICY)
    mona, bob = await garden.moderator(), await garden.moderator("bob")
    ana = await garden.knocker()
    card = await garden.card(ana)
    await mona.react(garden.mods, card["event_id"], "❌")
    await _card_says(garden, card["event_id"], f"❌ 1 of 2: {mona.user_id}")

    await garden.give_power(mona.user_id, 0)
    await bob.react(garden.mods, card["event_id"], "❌")
    await _card_says(
        garden,
        card["event_id"],
        f"❌ 1 of 2: {bob.user_id}",
        f"❌ not counted, because they may not give this answer now: {mona.user_id}",
    )
    await garden.alice.react(garden.mods, card["event_id"], "❌")

    await garden.membership(ana, "leave")
    await garden.shown(ana, "rejected", by=garden.alice.user_id)


async def _card_says(garden: Garden, card: str, *lines: str) -> None:
    """Wait for an edit of a card that has these lines."""
    await garden.heard(
        lambda event: edit_of(event) == card and all(line in words(event) for line in lines), f"a card with {lines}"
    )
