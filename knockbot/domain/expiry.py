"""How long an invite stays when nobody takes it (`invite_expires:` of a policy)."""

from __future__ import annotations

from typing import Final

from knockbot.documents.reading import Path, duration, written_duration
from knockbot.errors import Fault
from knockbot.times import DAY, HOUR

INVITE_EXPIRES: Final = "invite_expires"
"""The key, and what the answer is called by which an invite is withdrawn."""

OFF: Final = "off"

LEAST: Final = HOUR
MOST: Final = 365 * DAY
"""Milliseconds after which an invite expires."""

SEPARATELY: Final = 5
"""Invites that expire at once and are told of one by one; more are told of together."""


def read_invite_expires(value: object, path: Path) -> int | None:
    """Milliseconds after which an invite that nobody took is withdrawn; `None` for ``off``."""
    if value == OFF:
        return None
    span = duration(value, path)
    if not LEAST <= span <= MOST:
        least, most = written_duration(LEAST), written_duration(MOST)
        raise Fault("expected a time of {least} to {most}, or off", path, least=least, most=most)
    return span
