"""A change of a room's policy: what somebody wants, and what it is once it was examined (`rulebook.py`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from knockbot.domain.policy import Policy
from knockbot.store.rooms import ProtectedRoom


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody wants another policy for a room, as this YAML; `cause` is their command's event."""

    room: ProtectedRoom
    author: str
    text: str
    cause: str
    meant: Mapping[str, str] = field(default_factory=dict)
    """The names in it whose rooms are known; every other alias means the room that it leads to now."""
    reverts: int | None = None
    """The old revision whose text it is."""


@dataclass(frozen=True, slots=True)
class Sound:
    """A change that can be put in force, with the room that each name in it means at this moment."""

    change: Change
    policy: Policy
    whole: Policy
    """What will be in force: with what follows after it, if it inherits."""
    before: Policy
    """What was in force until then."""
    meant: Mapping[str, str]
