"""Wakes loops that have work; each loop also looks once a second, so a missed wake-up costs only a second."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wakeups:
    """Set when there may be something to do, in this process."""

    arrivals: asyncio.Event = field(default_factory=asyncio.Event)
    jobs: asyncio.Event = field(default_factory=asyncio.Event)
    mail: asyncio.Event = field(default_factory=asyncio.Event)
    """There may be mail for the bot's device, if encryption is allowed."""
    timers: asyncio.Event = field(default_factory=asyncio.Event)
    """A timer was planned."""
    unchecked: set[str] = field(default_factory=set)
    """Protected rooms whose real state must be compared with the records, each in its own queue."""

    def look_at(self, room_id: str) -> None:
        """Have a protected room's real state compared with the records, soon."""
        self.unchecked.add(room_id)
        self.arrivals.set()
