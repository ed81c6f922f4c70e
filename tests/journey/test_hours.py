"""A night at a real door: nobody is called, and in the morning one of three processes tells it once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from knockbot import app
from knockbot.demo.homeserver import free_port
from tests.keeper import Garden, InProcess, in_reply_to, words
from tests.lab import LabHomeserver


def mentions(event: dict[str, object]) -> list[str]:
    content = event["content"]
    assert isinstance(content, dict)
    return list(content.get("m.mentions", {}).get("user_ids", []))


def hour(hours: int) -> str:
    """The time of day in UTC, so many hours from now."""
    return f"{(datetime.now(UTC).hour + hours) % 24:02}:30"


async def told(garden: Garden, text: str) -> list[dict[str, object]]:
    """The new messages of the bot with this text."""
    said = await garden.said()
    return [event for event in said if text in words(event) and "m.new_content" not in event["content"]]


async def test_a_night_is_told_in_the_morning_and_a_restart_repeats_nothing(
    homeserver: LabHomeserver, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL, with three processes from the morning on: the homeserver talks to the first of them."""
    night = f'quiet_hours: "{hour(-2)}-{hour(3)}"\nremind_after: 12h\n'
    keeper = InProcess(homeserver.take_slot(), postgres_url)
    others = [InProcess(keeper.slot, postgres_url, port=free_port()) for _ in range(2)]
    async with keeper.running():
        garden = await keeper.plant(night, alone=True)
        daily = await keeper.plant(f'digest: "{hour(5)}"\n', alone=True)
        assert await garden.command("call me") == "✅"
        ana, ben = await garden.knocker(), await daily.knocker()
        card = await garden.card(ana)
        assert mentions(card) == []
        assert ben.user_id in await daily.command("list", expect=ben.user_id)

    right = app.now
    monkeypatch.setattr(app, "now", lambda: right() + 13 * 3600 * 1000)
    async with keeper.running(), others[0].running(), others[1].running():
        morning = await garden.heard(lambda event: "The quiet hours are over." in words(event))
        reminder = await garden.heard(lambda event: "still waits for an answer" in words(event))
        digest = await daily.heard(lambda event: "1 knock waits for an answer." in words(event))
    assert mentions(morning) == [garden.alice.user_id]
    assert in_reply_to(reminder) == card["event_id"]
    assert ben.user_id not in words(digest)

    monkeypatch.setattr(app, "now", lambda: right() + 14 * 3600 * 1000)
    async with keeper.running(), others[0].running(), others[1].running():
        await garden.caught_up()
        await daily.caught_up()
        for place, text in (
            (garden, "The quiet hours are over."),
            (garden, "still waits for an answer"),
            (daily, "1 knock waits for an answer."),
        ):
            assert len(await told(place, text)) == 1
