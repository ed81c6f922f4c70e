"""What moderators make of a request between its knock and its answer: notes, who is at it, and putting it off."""

from __future__ import annotations

import pytest

from knockbot import app
from knockbot.demo.people import Json
from tests.keeper import Garden, InProcess, block, edit_of, in_reply_to, words
from tests.lab import LabHomeserver


async def _says(garden: Garden, text: str) -> None:
    """Wait until a message or an edit of the bot has this text."""
    await garden.heard(lambda event: text in words(event), text)


async def _shows(garden: Garden, card: Json, text: str) -> Json:
    """Wait until the card has this text; others have it too, since the management room is shared."""
    return await garden.heard(lambda event: edit_of(event) == card["event_id"] and text in words(event), text)


async def test_a_note_stands_on_the_card_and_on_the_next_one_of_the_same_person(garden: Garden) -> None:
    mona = await garden.moderator()
    ana = await garden.knocker()
    card = await garden.card(ana)

    await garden.tell("note She sent us a letter.", by=mona, reply_to=card["event_id"])
    await _shows(garden, card, ": She sent us a letter.")
    await garden.alice.react(garden.mods, card["event_id"], "❌")
    left = await garden.membership(ana, "leave")
    await ana.knock(garden.room)

    assert "letter" not in str(left)
    await _says(garden, f"Note about an earlier request, by {mona.user_id} (")


async def test_a_note_is_gone_with_the_message_that_gave_it(garden: Garden) -> None:
    ana = await garden.knocker()
    card = await garden.card(ana)
    message = await garden.tell("note She sent us a letter.", reply_to=card["event_id"])
    noted = await _shows(garden, card, ": She sent us a letter.")

    await garden.alice.redact(garden.mods, message)

    await garden.heard(
        lambda event: edit_of(event) == card["event_id"] and "letter" not in words(event),
        "an edit without the note",
        after=noted["event_id"],
    )
    assert "letter" not in await garden.command(f"show {block(card)['number']}")


async def test_of_two_moderators_one_is_at_a_request_and_the_other_may_answer_it(garden: Garden) -> None:
    mona = await garden.moderator()
    ana = await garden.knocker()
    card = await garden.card(ana)
    number = block(card)["number"]

    assert await garden.command(f"claim {number}", by=mona) == "✅"
    await _says(garden, f"✋ Claimed by {mona.user_id} until ")
    await garden.command(f"claim {number}", expect=f"#{number} is claimed by {mona.user_id} until ")
    await garden.alice.react(garden.mods, card["event_id"], "✅")

    await garden.membership(ana, "invite")
    await _says(garden, f"{mona.user_id} had claimed #{number}. The answer of {garden.alice.user_id} counts.")


async def test_what_is_deferred_is_back_at_its_time_though_the_bot_was_away(
    homeserver: LabHomeserver, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = InProcess(homeserver.take_slot(), sqlite_url)
    async with keeper.running():
        garden = await keeper.plant()
        ana = await garden.knocker()
        card = await garden.card(ana)
        assert await garden.command("defer 1 2d") == "✅"
        await _says(garden, f"⏳ Deferred by {garden.alice.user_id} until ")
        assert ana.user_id not in await garden.command("list", expect="⏳ 1 deferred: #1 until ")

    right = app.now
    monkeypatch.setattr(app, "now", lambda: right() + 49 * 3600 * 1000)
    async with keeper.running():
        back = await garden.heard(lambda event: "⏰ #1 is back on the list." in words(event))
        assert in_reply_to(back) == card["event_id"]
        await garden.command("list", expect=ana.user_id)
    async with keeper.running():
        await garden.caught_up()
        assert sum("⏰ #1 is back" in words(event) for event in await garden.said()) == 1
