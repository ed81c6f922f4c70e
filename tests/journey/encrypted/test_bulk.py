"""A batch in an encrypted management room: asked about, confirmed and told there like anything else."""

from __future__ import annotations

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from tests.journey.test_bulk import asked, batch_says, crowd, each_got_one_answer
from tests.keeper import Garden


async def test_a_batch_is_confirmed_and_told_in_an_encrypted_room(garden: Garden) -> None:
    people = await crowd([garden], 12)
    batch = await asked(garden, "reject all because Not now.")
    await garden.alice.react(garden.mods, batch, "✅")
    said = await batch_says(garden, batch, "is done")

    assert "12 of 12 rejected." in said
    await each_got_one_answer(people, {})
