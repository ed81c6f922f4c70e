"""What the steps of a check work with, and what they find missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import ClientSession

from knockbot.config.settings import Settings
from knockbot.domain.notices import Notice
from knockbot.domain.reasons import in_words
from knockbot.matrix.account import Account
from knockbot.matrix.homeserver import Homeserver


class Miss(Exception):
    """Something is not as it must be, and what follows builds on it; `mend` says what to do about it."""

    mark = "❌"
    fails = stops = True

    def __init__(self, what: str | Notice, mend: str) -> None:
        self.what = what if isinstance(what, str) else in_words(what)
        super().__init__(self.what)
        self.mend = mend


class Aside(Miss):
    """Something is not as it must be; what follows can be looked at all the same."""

    stops = False


class Hint(Miss):
    """Something that knockbot works without, but not as somebody may expect."""

    mark = "⚠️"
    fails = stops = False


@dataclass(frozen=True, slots=True)
class Bench:
    """What the steps of a check work with."""

    settings: Settings
    session: ClientSession
    bot: Homeserver
    service: Homeserver
    """The application service's own user, who is not the bot."""
    account: Account


Step = Callable[[Bench], Awaitable[str]]
"""Looks at one thing and returns what it found; nothing where there was nothing to look at."""


REGISTER = (
    "write registration.yaml again (move the old one away, then `knockbot registration -o registration.yaml`), "
    "give it to the homeserver, and restart that"
)
"""What to do where the homeserver does not know the registration as it is now."""
