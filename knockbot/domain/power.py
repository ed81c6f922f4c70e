"""Power-level arithmetic: who may do what to whom in a room, by its create event and its power levels.

It follows the specification's authorization rules and Synapse's reading of them, so that the bot can say what is
missing before it tries an act: the invite level defaults to 0, old rooms hold numbers as text, the creators of a room
of version 12 are above every number, a kick or a ban needs a higher level than the other user has, and a room may be
closed to users of other servers. What each act of a person needs is in `may.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from knockbot.domain.ids import server_of
from knockbot.domain.naming import power_named
from knockbot.domain.notices import Level as Shown
from knockbot.domain.notices import Notice, because

Level = float
"""A power level: an integer, or `math.inf` for the creators of a room of version 12."""


def shown(level: Level) -> Shown:
    """A level as people read it: a whole number."""
    return Shown(f"{level:g}")


JOIN_RULES = "m.room.join_rules"

DEFAULTS: Mapping[str, int] = {
    "ban": 50,
    "events_default": 0,
    "invite": 0,
    "kick": 50,
    "redact": 50,
    "state_default": 50,
    "users_default": 0,
}
"""The levels if m.room.power_levels does not name them, or does not exist (client-server API, m.room.power_levels)."""

Power = Literal["invite", "kick", "ban"]
"""What a level of m.room.power_levels lets somebody do to people."""

POWERS: Final[tuple[Power, ...]] = ("invite", "kick", "ban")

ABOVE_THE_TARGET: Final[frozenset[Power]] = frozenset({"kick", "ban"})
"""What also needs a higher level than the other user has."""

ANYBODY = ""
"""Instead of a target: a user without an own level in the room, like most applicants. Their level is `users_default`.
"""


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why somebody may not invite, kick or ban: `actual` is below `needed`, or not above `target`, or both.

    Or because the room takes no event about users of the target's server, however much power anybody has.
    """

    power: Power
    needed: Level
    actual: Level
    target: Level | None = None
    """The level of the target, if it must be lower than `actual`; else none."""
    unreachable: bool = False
    """Whether the room is closed to the target's server (`m.federate` is false)."""
    anybody: bool = False
    """Whether the target is nobody in particular, so that this level is that of everybody."""

    @property
    def lacks_level(self) -> bool:
        """Whether the actor's level is below the one the room asks for."""
        return self.actual < self.needed

    @property
    def target_too_high(self) -> bool:
        """Whether the target's level is as high as the actor's, or higher."""
        return self.target is not None and self.target >= self.actual

    @property
    def why(self) -> Notice:
        """The same as a reason that fits both the bot and a moderator."""
        level, act = shown(self.actual), power_named(self.power)
        if self.unreachable:
            return because("power.closed_room")
        if self.target == math.inf:
            return because("power.creator")
        if self.lacks_level or self.target is None:
            return because("power.too_low", level=level, act=act, needed=shown(self.needed))
        if self.anybody:
            return because("power.everybody", level=level, act=act, target=shown(self.target))
        return because("power.target", level=level, target=shown(self.target))


@dataclass(frozen=True, slots=True)
class Powers:
    """The powers in one room at one moment."""

    creators: frozenset[str]
    """The users whose power has no limit: none before room version 12."""
    founder: str | None
    """Who has 100 in a room of an older version while it has no power levels; none if that does not apply."""
    levels: Mapping[str, int]
    """Each key of `DEFAULTS` with the level that is in force."""
    users: Mapping[str, int]
    events: Mapping[str, int]
    only_server: str | None = None
    """The one server whose users the room is open to; none if it is open to all (`m.federate`)."""

    def level(self, user_id: str) -> Level:
        """The user's own level."""
        if user_id in self.creators:
            return math.inf
        if user_id == self.founder:
            return 100
        return self.users.get(user_id, self.levels["users_default"])

    def needed(self, power: Power) -> Level:
        """The level that this needs."""
        return self.levels[power]

    def needed_for_state(self, event_type: str) -> Level:
        """The level that sending a state event of this type needs."""
        return self.events.get(event_type, self.levels["state_default"])

    @property
    def named(self) -> frozenset[str]:
        """The users who have a level of their own here."""
        return frozenset({*self.users, *self.creators, *([self.founder] if self.founder is not None else [])})

    def needed_for_message(self, event_type: str = "m.room.message") -> Level:
        """The level that sending a message event of this type needs."""
        return self.events.get(event_type, self.levels["events_default"])

    def needed_to_redact(self) -> Level:
        """The level that redacting other people's events needs, including the level to send a redaction."""
        return max(self.levels["redact"], self.needed_for_message("m.room.redaction"))

    def enough(self, power: Power) -> Level:
        """The least level at which this can be done to a user without an own level.

        If `users_default` is so high that kicks and bans need more, that level.
        """
        above = self.level(ANYBODY) + 1 if power in ABOVE_THE_TARGET else -math.inf
        return max(self.needed(power), above)

    def may(self, actor: str, power: Power, target: str) -> bool:
        """Whether `actor` has the power to do this to `target`; whether they are joined is not checked here."""
        return self.shortfall(actor, power, target) is None

    def everybody_may(self, power: Power) -> bool:
        """Whether every member has the level that this needs."""
        return self.needed(power) <= self.levels["users_default"]

    def shortfall(self, actor: str, power: Power, target: str) -> Shortfall | None:
        """What `actor` lacks to do this to `target`; none if nothing."""
        above = self.level(target) if power in ABOVE_THE_TARGET else None
        server = server_of(target)
        unreachable = bool(server) and self.only_server not in (None, server)
        anybody = target == ANYBODY
        found = Shortfall(power, self.needed(power), self.level(actor), above, unreachable, anybody)
        return found if found.lacks_level or found.target_too_high or unreachable else None


def powers(create: Mapping[str, object], levels: Mapping[str, object] | None) -> Powers:
    """The powers by the whole m.room.create event and the content of m.room.power_levels, or none if there is none.

    Nothing raises: a value that a homeserver would not have accepted counts as missing.
    """
    content = levels or {}
    above_all = _creators(create)
    return Powers(
        creators=above_all,
        founder=None if levels is not None or above_all else _founder(create),
        levels={key: _number(content.get(key), default) for key, default in DEFAULTS.items()},
        users=_numbers(content.get("users")),
        events=_numbers(content.get("events")),
        only_server=_only_server(create),
    )


# --- the create event -----------------------------------------------------------------------------------------


def _version(create: Mapping[str, object]) -> str:
    version = _mapping(create.get("content")).get("room_version")
    return version if isinstance(version, str) else "1"  # a room that names no version has version 1


def _only_server(create: Mapping[str, object]) -> str | None:
    if _mapping(create.get("content")).get("m.federate", True) is True:  # as in Synapse's `_can_federate`
        return None
    sender = create.get("sender")
    return server_of(sender) if isinstance(sender, str) else None


def _creators(create: Mapping[str, object]) -> frozenset[str]:
    """The users above every number: from room version 12 on, the room's sender and its additional creators."""
    content = _mapping(create.get("content"))
    if not _creators_stand_above(_version(create)):
        return frozenset()
    beside = content.get("additional_creators")
    named = [create.get("sender"), *(beside if isinstance(beside, list) else [])]
    return frozenset(user for user in named if isinstance(user, str))


def _creators_stand_above(room_version: str) -> bool:
    return room_version == "org.matrix.hydra.11" or (
        room_version.isascii() and room_version.isdecimal() and len(room_version) < 4 and int(room_version) >= 12
    )


def _founder(create: Mapping[str, object]) -> str | None:
    # Up to version 10 the content names the creator; from 11 on it is the sender. Both are the same user in practice.
    named = _mapping(create.get("content")).get("creator", create.get("sender"))
    return named if isinstance(named, str) else None


# --- numbers as old rooms hold them ---------------------------------------------------------------------------


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _numbers(value: object) -> dict[str, int]:
    read = ((key, _whole(number)) for key, number in _mapping(value).items())
    return {key: number for key, number in read if number is not None}


def _number(value: object, default: int) -> int:
    number = _whole(value)
    return default if number is None else number


def _whole(value: object) -> int | None:
    """The level as Synapse reads it: below room version 10 it may be text, a float (cut off) or a boolean."""
    if not isinstance(value, (int, float, str)):
        return None
    try:
        return int(value)
    except (ValueError, OverflowError):
        return None
