"""Spaces that are protected with their rooms: what a space names, which rooms are reached, and how far each is."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from knockbot.domain.notices import Notice

DEEPEST = 8
"""Spaces inside each other that are followed."""

MOST_ROOMS = 500
"""Rooms of one space that are followed, those of the spaces in it included."""

MOST_CHILDREN = 1000
"""Rooms that are read of what one space names."""


@dataclass(frozen=True, slots=True)
class SpaceChild:
    """A room that a space names (client-server API, m.space.child)."""

    room_id: str
    ours: bool = False
    """Whether the space says that this homeserver is in that room."""
    event_id: str | None = None
    """The event that names it."""


class Stage(StrEnum):
    """How far a room of a space is."""

    DUE = "due"
    """It is about to be protected for somebody."""
    PROTECTED = "protected"
    MISSING = "missing"
    """Something is missing to protect it."""
    OFFERED = "offered"
    """The moderators are asked about it."""
    LEFT = "left"
    """The moderators do not want it protected with the space."""


@dataclass(frozen=True, slots=True)
class SpaceRoom:
    """A room of a space that is protected with its rooms; the space itself is one of them."""

    space: str
    room_id: str
    stage: Stage
    asked_by: str | None = None
    """Who asked for it."""
    cause: str | None = None
    """The message that is replied to when it is known what came of that."""
    why: Notice | None = None
    """What is missing, and how to mend it."""
    prompt_id: int | None = None
    """The question to the moderators."""
    is_space: bool = False
    unread: bool = False
    """Whether its rooms were not read yet: they are asked for with it. Those of a later reading are asked about."""
    told: bool = False
    """Whether the moderators were told how far it is."""

    @property
    def is_followed(self) -> bool:
        """Whether the rooms that it names belong to the space."""
        return self.is_space and self.stage is Stage.PROTECTED


def reached(space: str, children: Mapping[str, Sequence[str]], replaced: Mapping[str, str]) -> dict[str, str]:
    """The rooms of a space, the nearest ones first, each once, with the space that names it; without the space itself.

    `children` is what each followed space names, `replaced` the room that took the place of another. Spaces may name
    each other in a circle.
    """
    found: dict[str, str] = {}
    waiting = deque([(space, 0)])
    while waiting:
        parent, depth = waiting.popleft()
        for named in children.get(parent, ()) if depth < DEEPEST else ():
            room_id = replaced.get(named, named)
            if room_id != space and room_id not in found:
                if len(found) == MOST_ROOMS:
                    return found
                found[room_id] = parent
                waiting.append((room_id, depth + 1))
    return found
