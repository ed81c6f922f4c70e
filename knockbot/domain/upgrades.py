"""Rooms that are replaced by another: what the room says, how far the bot is in following it, and what is next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Tombstone:
    """The event that says that a room is replaced by another (m.room.tombstone); its sender had the power for it."""

    event_id: str
    sender: str
    replacement: str
    """The replacement that it names, which may be no room at all."""


class Stage(StrEnum):
    """How far the bot has followed the upgrade."""

    WAITING = "waiting"
    """It cannot join the replacement yet."""
    OFFERED = "offered"
    """The moderators are asked whether to protect the new room."""
    MOVED = "moved"
    REFUSED = "refused"
    """The bot does not follow it; the moderators were told why."""


@dataclass(frozen=True, slots=True)
class RoomUpgrade:
    """A room that was replaced, by which event, and where the moderators were asked about it."""

    room_id: str
    tombstone: str
    replacement: str
    stage: Stage
    prompt_id: int | None = None
    """The question to the moderators."""
    policy_of: str = ""
    """The protected room whose policy names this one; empty if this one is protected itself."""


class Step(StrEnum):
    """What a look at a room has to do about the room's replacement."""

    NONE = "none"
    """The room is not replaced, or it is and nobody has to be asked."""
    FOLLOW = "follow"
    """There is a tombstone that the bot has not followed, or could not follow yet."""
    LISTEN = "listen"
    """The moderators know of it; perhaps one has answered."""
    FORGET = "forget"
    """The recorded tombstone is gone."""


def next_step(tombstone: Tombstone | None, known: RoomUpgrade | None) -> Step:
    """What has to be done, from the room and the records."""
    if tombstone is None:
        return Step.NONE if known is None or known.stage is Stage.MOVED else Step.FORGET
    if known is None or known.tombstone != tombstone.event_id or known.stage is Stage.WAITING:
        return Step.FOLLOW
    return Step.LISTEN
