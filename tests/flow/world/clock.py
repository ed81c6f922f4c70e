"""The time of a world."""

from __future__ import annotations

NOW = 1_790_000_000_000


class Clock:
    """The time, which passes only when it is told to."""

    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> int:
        return self.at

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.at += round(seconds * 1000)
