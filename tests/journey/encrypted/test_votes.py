"""Votes in an encrypted management room: clicks and commands count as they do anywhere."""

from __future__ import annotations

import pytest

pytest.importorskip("olm", reason="encryption takes the extra e2ee, which is built for Python 3.11 and 3.12 only")

from tests.journey.test_votes import POLICY, accepted_by_two_of_three
from tests.keeper import Garden


async def test_two_of_three_accept_in_an_encrypted_room(garden: Garden) -> None:
    await garden.set_policy(POLICY)
    await accepted_by_two_of_three(garden)
