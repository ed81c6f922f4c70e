"""A room whose policy is German is spoken of in German, in clients that show what they are sent."""

from __future__ import annotations

from tests.journey.test_inviters import standing_of
from tests.keeper import InProcess, words
from tests.planting import told

GERMAN = "{language: de, rules: [], otherwise_third_party: accept}"


async def test_alarms_and_refusals_about_a_room_are_in_the_language_of_its_policy(keeper: InProcess) -> None:
    garden = await keeper.plant(GERMAN, alone=True)
    outsider = await garden.moderator(joined=False)
    ana = await garden.knocker()
    card = await garden.card(ana)
    number = card["content"]["org.knockbot.request"]["number"]

    refusal = await garden.command(f"accept {number}", by=outsider)
    assert refusal == "Nur Mitglieder von Garden können Beitrittsanfragen dort beantworten."

    [invite] = await standing_of(garden)
    await invite.inviter.leave(garden.room)
    await told(garden, invite, "pending")
    await garden.heard(
        lambda event: f"{invite.inviter.user_id} hat Garden verlassen." in words(event), "that the inviter has left"
    )

    await garden.set_policy("otherwise: forward")
    refusal = await garden.command(f"accept {number}", by=outsider)
    assert refusal == "Only members of Garden can answer its join requests."
