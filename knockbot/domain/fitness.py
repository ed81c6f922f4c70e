"""What makes a room unfit for its part, as a protected room or as a management room.

Each concern is a code; people read its sentence (`told`).
"""

from __future__ import annotations

from enum import StrEnum

from knockbot.domain.notices import Choice, Notice, because
from knockbot.domain.power import Powers

KNOCKABLE = frozenset({"knock", "knock_restricted"})
"""The join rules by which people can knock."""

RULES_SINCE = {"knock": 7, "restricted": 8, "knock_restricted": 10}
"""The room version from which on homeservers know a join rule (specification, "Room Versions")."""


class Concern(StrEnum):
    """One thing that makes a room unfit for its part."""

    PUBLIC = "public"
    """Protected: everybody can join without asking."""
    SHUT = "shut"
    """Protected: its join rule lets nobody knock."""
    VERSION = "version"
    """Protected: its room version does not support its join rule, so nobody can join with it."""
    MEMBERS_INVITE = "members_invite"
    """Protected: every member has the level to invite."""
    OPEN = "open"
    """Management: everybody can join."""
    MEMBERS_JOIN = "members_join"
    """Management: members of other rooms can join."""
    READABLE = "readable"
    """Management: people outside can read it."""
    REPLACED = "replaced"
    """Management: it was upgraded."""
    ABSENT = "absent"
    """Management: the bot is not in it, or it is gone."""


def told(concern: Concern) -> Notice:
    """A concern, with how to change it."""
    return because("concern", concern=Choice(concern))


def of_protected(join_rule: str, version: str, powers: Powers) -> tuple[Concern, ...]:
    """What makes a room unfit to be protected."""
    found = {
        Concern.PUBLIC: join_rule == "public",
        Concern.SHUT: join_rule not in {"public", *KNOCKABLE},
        Concern.VERSION: not knows_rule(version, join_rule),
        Concern.MEMBERS_INVITE: powers.everybody_may("invite"),
    }
    return tuple(concern for concern, holds in found.items() if holds)


def of_management(join_rule: str, *, world_readable: bool, replaced: bool) -> tuple[Concern, ...]:
    """What makes a room unfit as a management room: only moderators should read what is said there."""
    found = {
        Concern.OPEN: join_rule == "public",
        Concern.MEMBERS_JOIN: join_rule in ("restricted", "knock_restricted"),
        Concern.READABLE: world_readable,
        Concern.REPLACED: replaced,
    }
    return tuple(concern for concern, holds in found.items() if holds)


def knows_rule(version: str, join_rule: str) -> bool:
    """Whether rooms of a version know a join rule; true for a version that is no number, because nobody can tell."""
    numbered = version.isascii() and version.isdecimal()
    return not numbered or int(version) >= RULES_SINCE.get(join_rule, 1)
