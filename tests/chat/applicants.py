"""A knock that waits for moderators, as tests of what is said of it take it."""

from __future__ import annotations

import dataclasses
from typing import Any

from knockbot.domain.model import Kind, Request, State
from tests.matrix.edge import ANA, GARDEN, MODS


def waiting(number: int, since: int, /, **changes: Any) -> Request:
    """A knock that waits since a moment, with one thing or another changed."""
    plain = Request(
        id=number,
        management_room=MODS,
        number=number,
        room_id=GARDEN,
        kind=Kind.KNOCK,
        user_id=ANA,
        event_id="$knock",
        reason="I like gardens",
        display_name="Ana",
        has_avatar=False,
        state=State.PENDING,
        opened_at=since,
        changed_at=since,
    )
    return dataclasses.replace(plain, **changes)
