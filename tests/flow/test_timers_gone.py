"""A timer whose room or request is gone by the time that it rings does nothing, and is no mistake."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from knockbot.product import TIMERS
from knockbot.store import timers
from knockbot.store.timers import Timer
from tests.flow.house import GARDEN, House
from tests.flow.world import ALICE, ANA, BOT, levels_for

OTHERS = "!others:tulip.example"
ABOUT: Mapping[str, str] = {
    "daily": GARDEN,
    "expire": GARDEN,
    "expire_invites": GARDEN,
    "remind": GARDEN,
    "send_digest": GARDEN,
    "quiet_hours_end": GARDEN,
    "list_moved": GARDEN,
    "end_claim": "1",
    "end_deferral": "1",
    "count_votes": "1",
    "letter_invited": "1",
    "letter_waiting": "1",
    "run_batch": "99",
    "batch_lapses": "99",
    "undo_batch": "99",
    "undo_unconfirmed": "99",
    "wave_ends": "99",
}
"""What a timer of each kind is about: a room, a request, or something with a number of its own."""


@pytest.mark.parametrize("kind", sorted(ABOUT))
@pytest.mark.parametrize("gone", ["unprotected", "elsewhere"])
async def test_a_timer_finds_its_room_unprotected_or_under_other_management_and_does_nothing(
    house: House, caplog: pytest.LogCaptureFixture, kind: str, gone: str
) -> None:
    """Another process may have let the room go after the timer was read."""
    assert kind in TIMERS
    await house.set_policy("wave: off")
    house.world.knock(GARDEN, ANA, "hello")
    await house.live()
    house.tell(f"unprotect {GARDEN}")
    await house.live()
    if gone == "elsewhere":
        house.world.room(OTHERS, "Others", ALICE, BOT, levels=levels_for())
        house.world.say(OTHERS, ALICE, f"!kb protect {GARDEN}")
        await house.live()
    caplog.clear()
    before = len(house.said())
    async with house.context.turn() as turn:
        await timers.end(turn.tx, f"{kind}:{GARDEN}")
        await timers.add(turn.tx, Timer(f"{kind}:{GARDEN}", kind, ABOUT[kind], turn.now))
    await house.ring()
    await house.later()
    assert [record.getMessage() for record in caplog.records if record.exc_info or "what is due" in record.msg] == []
    assert len(house.said()) == before
