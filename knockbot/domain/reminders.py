"""Reminders: after which time moderators are reminded of a request, and at what hour they are told again."""

from __future__ import annotations

from typing import Final

from knockbot.documents.reading import Path, duration, written_duration
from knockbot.errors import Fault
from knockbot.times import DAY, HOUR, MINUTE

OFF: Final = "off"

LEAST: Final = MINUTE
MOST: Final = 30 * DAY
"""Milliseconds after which moderators can be reminded of a request."""

TOGETHER: Final = MINUTE
"""Milliseconds within which reminders are one message."""

HOUR_OF_DAY: Final = 9 * 60
"""The minute of the day at which moderators are told daily of what they were reminded of."""

NOT_BEFORE: Final = 12 * HOUR
"""Milliseconds after a reminder before which they are not told again."""


DIGEST: Final = "digest"
"""The kind of prompt that tells once a day of all knocks that wait."""

LATE: Final = 12 * HOUR
"""Milliseconds after its time from which on a digest is not sent any more: the next one is sooner."""


def read_remind_after(value: object, path: Path) -> int | None:
    """Milliseconds after which moderators are reminded; `None` for ``off``."""
    if value == OFF:
        return None
    span = duration(value, path)
    if not LEAST <= span <= MOST:
        least, most = written_duration(LEAST), written_duration(MOST)
        raise Fault("expected a time of {least} to {most}, or off", path, least=least, most=most)
    return span
