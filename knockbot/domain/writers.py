"""Who can write the entries of a policy list, by the powers in its room, and what a change of these powers changed.

Whoever can write to a list decides who is kept out at every door that uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from knockbot.domain.lists import TYPES, EntityKind
from knockbot.domain.power import ANYBODY, Powers

DECIDING: Final = tuple(sorted(kind for kind, about in TYPES.items() if about is not EntityKind.ROOM))
"""The event types of entries that count at a door: those about users and servers, with their older names."""


@dataclass(frozen=True, slots=True)
class Writers:
    """Who can write entries of at least one type, once they have joined the room."""

    everybody: bool
    """Whether users without a level of their own can."""
    users: frozenset[str] = frozenset()
    """Those with a level of their own who can; empty where everybody can. There are as many as fit into two events."""


def writers(powers: Powers) -> Writers:
    """Who can write entries of a list with these powers."""
    needed = min(powers.needed_for_state(kind) for kind in DECIDING)
    if powers.level(ANYBODY) >= needed:
        return Writers(True)
    return Writers(False, frozenset(user for user in powers.named if powers.level(user) >= needed))


@dataclass(frozen=True, slots=True)
class Changed:
    """What is different about who can write."""

    now: Writers
    opened: bool
    """Whether everybody can now, and could not before."""
    closed: bool
    """Whether everybody could before, and now only those who are named can."""
    came: frozenset[str]
    went: frozenset[str]


def changed(before: Writers, now: Writers) -> Changed | None:
    """What is different; none if nothing is."""
    if before == now:
        return None
    opened, closed = now.everybody, before.everybody
    if opened or closed:
        return Changed(now, opened, closed, frozenset(), frozenset())
    return Changed(now, opened, closed, now.users - before.users, before.users - now.users)
