"""Who is joined to a room, and with which powers: remembered for as long as the room tells of every change.

A homeserver tells of the events of one room in order. So the bot hears of every change before a knock earlier than of
the knock, and what it remembers then still holds for the knock. What it does not remember it looks up.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from knockbot.domain.power import Powers
from knockbot.times import MINUTE

KEPT = 5 * MINUTE
"""How long (milliseconds) it is remembered at most, in case an event is lost."""

IMMEDIATE = 10_000
"""An act that follows its decision within so many milliseconds needs no second look."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether somebody was joined to a room, and the powers there."""

    joined: bool
    powers: Powers


@dataclass(slots=True)
class _Seen:
    standing: Standing
    seen_at: int
    held_at: int
    """When it was last known to hold."""


@dataclass(slots=True)
class Standings:
    """What this process has seen, by room and user."""

    _rooms: dict[str, dict[str, _Seen]] = field(default_factory=dict)
    _changes: Counter[str] = field(default_factory=Counter)
    """How often each room was forgotten."""

    def changes(self, room_id: str) -> int:
        """How many changes of a room were heard of: asked before a look, and handed to `note` after it."""
        return self._changes[room_id]

    def note(self, room_id: str, user_id: str, standing: Standing, now: int, *, since: int) -> None:
        """Remember what was seen just now, unless the room has changed `since` the look began: then it may be of before
        that change."""
        if since == self._changes[room_id]:
            self._rooms.setdefault(room_id, {})[user_id] = _Seen(standing, now, now)

    def as_heard(self, room_id: str, user_id: str, now: int) -> Standing | None:
        """What holds at an event of this room that is handled now, where that is known."""
        seen = self._rooms.get(room_id, {}).get(user_id)
        if seen is None or now - seen.seen_at > KEPT:
            return None
        seen.held_at = now
        return seen.standing

    def a_moment_ago(self, room_id: str, user_id: str, now: int) -> Standing | None:
        """What held a moment ago, where that is known."""
        seen = self._rooms.get(room_id, {}).get(user_id)
        return seen.standing if seen is not None and now - seen.held_at <= IMMEDIATE else None

    def forget(self, room_id: str, user_id: str | None = None) -> None:
        """Forget a room because something changed there, or this user alone."""
        self._changes[room_id] += 1
        if user_id is None:
            self._rooms.pop(room_id, None)
        else:
            self._rooms.get(room_id, {}).pop(user_id, None)
