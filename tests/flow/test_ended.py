"""What is said once is said once although nothing is on record any more of the act that said it.

That nothing else is decided by acts that have ended, every story shows: `House` deletes them at random moments.
"""

from __future__ import annotations

from tests.flow.house import GARDEN, MODS, House
from tests.flow.world import ALICE

ANA = "@ana:tulip.example"


async def test_a_hint_is_given_once_a_day(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    for _ in range(2):
        house.world.react(MODS, ALICE, house.card().event_id, "👍")
        await house.later()
        await house.forget_ended()

    assert len(house.spoken()) == 1


async def test_a_refusal_is_said_once_however_often_they_click(house: House) -> None:
    house.world.knock(GARDEN, ANA)
    await house.live()
    house.world.change(GARDEN, ALICE, ALICE, "leave")
    for _ in range(2):
        house.click("✅")
        await house.later()
        await house.forget_ended()
        house.world.react(MODS, ALICE, house.card().event_id, "🙂")

    assert len(house.spoken()) == 1
