"""The entities of policy lists as this process holds them in memory, so that a decision asks the database for little.

How they are kept up to date is in `features/lists/matching.py`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from knockbot.domain.entities import Entities


@dataclass(slots=True)
class ListInMemory:
    """The entities of one list, as of a version of it (`store/lists.py`)."""

    since: int
    """When the list began to be followed, as its row says: numbers of versions are of this time."""
    version: int
    relies_on: int
    """From which version on it was made of rows of entries that went: none of these may have been deleted meanwhile."""
    entities: Entities = field(default_factory=Entities)


WAITING = 1000
"""How many requests can wait for lists at once, before it is forgotten since when."""


@dataclass(slots=True)
class Listed:
    """The lists that this process has needed so far, by room."""

    started: int = 0
    """When this process started, or the homeserver came back: what has happened to a list before may not have been
    heard of."""
    _lists: dict[str, ListInMemory] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _waits: dict[str, int] = field(default_factory=dict)

    def may_have_missed(self, now: int) -> None:
        """The homeserver may have forgotten to tell of changes until now: each list has to be read again."""
        self.started = now

    def waits_since(self, what: str, now: int) -> int:
        """Since when something waits for lists that have yet to take in what arrived; it begins to wait with this."""
        if len(self._waits) >= WAITING:
            self._waits.clear()
        return self._waits.setdefault(what, now)

    def waits_no_more(self, what: str) -> None:
        """It has been judged."""
        self._waits.pop(what, None)

    def lock(self, room_id: str) -> asyncio.Lock:
        """Held while a list is brought up to date, or looked at in a thread."""
        return self._locks.setdefault(room_id, asyncio.Lock())

    def find(self, room_id: str) -> ListInMemory | None:
        """A list, if it is held."""
        return self._lists.get(room_id)

    def keep(self, room_id: str, held: ListInMemory) -> None:
        """Hold a list."""
        self._lists[room_id] = held

    def forget(self, room_id: str) -> None:
        """Hold this list no more."""
        self._lists.pop(room_id, None)
