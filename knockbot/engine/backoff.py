"""How long to wait before something is tried again."""

from __future__ import annotations

import random

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 3600.0
"""Back-off between attempts, in seconds, doubling."""


def backoff(attempts: int, longest: float = LONGEST_PAUSE) -> float:
    """Seconds to wait after this many attempts: doubling, with jitter so that many do not come back at once."""
    return float(min(longest, FIRST_PAUSE * 2 ** min(attempts - 1, 20)) * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
