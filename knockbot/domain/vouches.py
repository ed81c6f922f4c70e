"""What holds of the words that members give for people who want to come into their room."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from knockbot.times import DAY


class Fell(StrEnum):
    """Why a word counts no more."""

    TAKEN_BACK = "taken_back"
    LEFT = "left"
    KICKED = "kicked"
    BANNED = "banned"
    """Whoever gave it has taken it back, or has left the room, or was removed from it."""
    REJECTED = "rejected"
    """A moderator has rejected, or banned, the one for whom it was given."""


KEPT: Final = 30 * DAY
"""Milliseconds for which a word counts, if nobody comes in by it."""

LONGEST: Final = 200
"""Characters of a text that goes with it."""

MOST_A_DAY: Final = 10
"""How often one person can vouch within a day, in all rooms."""

MOST_STANDING: Final = 100
"""For how many people one person can vouch at a room at a time."""

MOST_WORDS: Final = 20
"""The words for one applicant that are looked at, the newest: each giver costs a question to the homeserver."""

FARTHEST: Final = 10
"""How many steps back it is followed by whose words somebody came in."""
