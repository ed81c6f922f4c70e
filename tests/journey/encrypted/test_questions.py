"""Questions in an encrypted conversation: an applicant whose client encrypts is asked, answers, and corrects."""

from __future__ import annotations

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from knockbot.demo.people import Person
from knockbot.flow.keys import SEALED
from tests.journey.test_letters import invited_to, read
from tests.journey.test_questions import POLICY, card_says, edit_of
from tests.keeper import Garden
from tests.sealed import moderator


async def test_answers_and_their_corrections_are_read_in_an_encrypted_conversation(garden: Garden) -> None:
    await garden.set_policy(POLICY)
    ana = await moderator(garden.keeper.homeserver, "ana")
    await ana.knock(garden.room, "hello")
    talk = await invited_to(ana)
    await ana.join(talk)
    await read(ana, talk, "question 1 of 2")
    first = await ana.say(talk, "By the paper")
    second = await read(ana, talk, "question 2 of 2")
    await ana.react(talk, second["event_id"], "1️⃣")
    await card_says(garden, ana, "How did you hear of us? By the paper")

    await ana.say(talk, "* By Alice", content=edit_of(first, "By Alice"))
    await garden.membership(ana, "invite")
    raw = await Person.messages(ana, talk)  # unopened
    assert {event["type"] for event in raw if event["type"] in (SEALED, "m.room.message")} == {SEALED}
