"""A wave, and the undo of an answer and of a batch, in an encrypted management room: all of it is sealed."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from knockbot import app
from tests.journey.test_bulk import asked, batch_says, crowd
from tests.journey.test_hours import hour, mentions
from tests.journey.test_undo import number_of, question
from tests.journey.test_waves import MANY, POLICY, invited, kind
from tests.keeper import Garden, InProcess, in_reply_to, words
from tests.sealed import raw


async def test_a_wave_is_shown_and_ended_in_an_encrypted_room(garden: Garden) -> None:
    await garden.set_policy(POLICY)
    people = [await garden.person() for _ in range(2 * MANY)]
    await asyncio.gather(*(person.knock(garden.room) for person in people))
    await garden.heard(lambda event: kind(event) == "wave", what="the digest")
    await garden.caught_up()
    before = await invited(garden)
    held = [person for person in people if person.user_id not in before]
    assert len(before) < MANY

    await garden.command(f"accept {held[0].user_id}")
    await garden.membership(held[0], "invite")
    await garden.tell(f"wave off {garden.room}")
    over = await garden.heard(lambda event: kind(event) == "wave_over", what="the end")
    await garden.alice.react(garden.mods, over["event_id"], "✅")
    for person in held:
        await garden.membership(person, "invite")
    assert "m.room.message" not in {event["type"] for event in await raw(garden)}


async def test_the_morning_and_a_reminder_come_to_an_encrypted_room(
    keeper: InProcess, garden: Garden, monkeypatch: pytest.MonkeyPatch
) -> None:
    await garden.set_policy(f'quiet_hours: "{hour(-2)}-{hour(3)}"\nremind_after: 12h\n')
    assert await garden.command("call me") == "✅"
    card = await garden.card(await garden.knocker())
    assert mentions(card) == []
    await keeper.stop()
    right = app.now
    monkeypatch.setattr(app, "now", lambda: right() + 13 * 3600 * 1000)
    await keeper.start()
    morning = await garden.heard(lambda event: "The quiet hours are over." in words(event))
    assert mentions(morning) == [garden.alice.user_id]
    reminder = await garden.heard(lambda event: "still waits for an answer" in words(event))
    assert in_reply_to(reminder) == card["event_id"]
    assert "m.room.message" not in {event["type"] for event in await raw(garden)}


async def test_an_accept_is_undone_after_a_yes_in_an_encrypted_room(garden: Garden) -> None:
    ana = await garden.knocker()
    number = await number_of(garden, ana)
    await garden.command(f"accept {number}")
    await garden.membership(ana, "invite")
    await ana.join(garden.room)
    await garden.shown(ana, "joined")

    await garden.tell(f"undo {number}")
    asked_about = await question(garden, ana)
    await garden.offered(asked_about["event_id"], "✅❌")
    await garden.alice.react(garden.mods, asked_about["event_id"], "✅")
    await garden.membership(ana, "leave")
    assert "removed from the room" in words(await garden.shown(ana, "rejected", by=garden.alice.user_id))


async def test_a_batch_is_undone_in_an_encrypted_room_and_queue_shows_it(garden: Garden) -> None:
    people = await crowd([garden], 12)
    batch = await asked(garden, "ban all")
    await garden.offered(batch, "✅❌")
    await garden.alice.react(garden.mods, batch, "✅")
    assert "12 of 12 banned." in await batch_says(garden, batch, "is done")

    undoing = await garden.tell("undo")
    queue = await garden.command("queue")
    assert "12 answers that batch 1 gave" in await garden.answer_to(undoing)
    await garden.heard(lambda event: "Undo of batch 1: 12 answers were undone." in words(event), what="the summary")
    for _, person in people:
        await garden.membership(person, "leave")
    assert "Undo of batch 1, for" in queue
    assert "Undo of batch 1" not in await garden.command("queue")
