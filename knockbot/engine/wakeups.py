"""Who has work is woken at once; everybody looks once a second anyway, so a wake-up that is missed costs a second."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wakeups:
    """Set when there may be something to do, in this process."""

    arrivals: asyncio.Event = field(default_factory=asyncio.Event)
    jobs: asyncio.Event = field(default_factory=asyncio.Event)
    mail: asyncio.Event = field(default_factory=asyncio.Event)
    """For the bot's device, where encryption is allowed."""
    timers: asyncio.Event = field(default_factory=asyncio.Event)
    """Something is to happen at a time that was not planned before."""
    unchecked: set[str] = field(default_factory=set)
    """Protected rooms whose real state is to be compared with the records, each in its own turn."""

    def look_at(self, room_id: str) -> None:
        """Have a protected room's real state compared with the records, soon."""
        self.unchecked.add(room_id)
        self.arrivals.set()
