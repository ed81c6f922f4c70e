"""Who there is, and the power that they and the bot have."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

HOME = "tulip.example"
BOT = f"@knockbot:{HOME}"
ALICE = f"@alice:{HOME}"
ANA = f"@ana:{HOME}"
BEA = f"@bea:{HOME}"
FAR = "@far:slow.example"


def levels_for(moderators: Iterable[str] = (ALICE,), bot: int = 50) -> dict[str, Any]:
    """Power levels in which the bot may answer knocks."""
    assert not isinstance(moderators, str), "several people, or else each letter would have power"
    return {"users": {BOT: bot, **dict.fromkeys(moderators, 100)}}
