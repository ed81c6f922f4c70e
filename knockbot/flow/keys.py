"""What the flow needs of the bot's keys, where rooms are encrypted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from knockbot.domain.notices import because
from knockbot.errors import SetAside

SEALED = "m.room.encrypted"

MEGOLM = "m.megolm.v1.aes-sha2"
"""The one way of encrypting rooms that there is."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A decrypted event, and whether it is from a device that its owner has verified."""

    event: Mapping[str, Any]
    verified: bool


class KeyMissing(Exception):
    """The bot does not have the key of the session of a message, or not yet."""

    def __init__(self, session: str) -> None:
        super().__init__(session)
        self.session = session


class Unreadable(SetAside):
    """No key can decrypt this event."""


class Keys(Protocol):
    """The bot's keys, which one process has at a time. Calls may raise `Later` and `Never`."""

    @property
    def here(self) -> bool:
        """Whether this process has them now."""

    async def open(self, event: Mapping[str, Any], /) -> Opened:
        """Read an encrypted event. Raises `KeyMissing` and `Unreadable`."""

    def look_for_mail(self) -> None:
        """Ask for a check whether there is a key that the homeserver did not hand over."""

    async def ask_for_key(self, event: Mapping[str, Any], /) -> None:
        """Ask the sender of an event for the key that is missing."""


class NoKeys:
    """Where encryption is not allowed, nobody has keys, and nothing encrypted is ever kept."""

    here = True

    async def open(self, _: Mapping[str, Any]) -> Opened:
        """Nothing can be read."""
        raise Unreadable(because("unreadable.not_allowed"))

    def look_for_mail(self) -> None:
        """There is no mail."""

    async def ask_for_key(self, _: Mapping[str, Any]) -> None:
        """Nobody is asked."""
