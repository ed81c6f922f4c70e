"""An encrypted conversation: an applicant whose client encrypts reads the letters and is heard."""

from __future__ import annotations

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from knockbot.demo.people import Person
from knockbot.flow.keys import SEALED
from tests.journey.test_letters import LETTERS, invited_to, number_of, read
from tests.keeper import Garden
from tests.sealed import moderator


async def test_the_conversation_is_encrypted_where_the_bot_may_encrypt(garden: Garden) -> None:
    await garden.set_policy(LETTERS)
    ana = await moderator(garden.keeper.homeserver, "ana")
    await ana.knock(garden.room, "hello")
    talk = await invited_to(ana)
    await ana.join(talk)
    await read(ana, talk, "was received")

    await ana.say(talk, "status")
    await read(ana, talk, "waits for an answer")
    await garden.tell(f"reject {await number_of(garden, ana)} Not now.")
    await read(ana, talk, "was rejected", "Not now.")

    raw = await Person.messages(ana, talk)  # unopened
    assert {event["type"] for event in raw if event["type"] in (SEALED, "m.room.message")} == {SEALED}
