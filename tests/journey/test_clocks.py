"""A machine whose clock is hours apart from that of the real Synapse beside it: all goes on as ever."""

from __future__ import annotations

import pytest

from knockbot import app
from tests.keeper import InProcess
from tests.lab import LabHomeserver


@pytest.mark.parametrize("hours", [2, -2])
async def test_commands_and_clicks_count_whatever_the_clocks_show(
    homeserver: LabHomeserver, sqlite_url: str, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    right = app.now
    monkeypatch.setattr(app, "now", lambda: right() + hours * 3600 * 1000)
    keeper = InProcess(homeserver.take_slot(), sqlite_url)
    async with keeper.running():
        garden = await keeper.plant()  # by a command
        ana = await garden.knocker()
        card = await garden.card(ana)
        await garden.alice.react(garden.mods, card["event_id"], "✅")
        await garden.membership(ana, "invite")

        await ana.join(garden.room)
        bob = await garden.knocker("bob")
        await garden.card(bob)
        await garden.command("list", expect=bob.user_id)
