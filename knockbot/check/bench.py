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
    """Something is not as it must be, and the steps that follow build on it; `mend` says what to do about it."""

    mark = "❌"
    fails = stops = True

    def __init__(self, what: str | Notice, mend: str) -> None:
        self.what = what if isinstance(what, str) else in_words(what)
        super().__init__(self.what)
        self.mend = mend


class Aside(Miss):
    """Something is not as it must be, but the steps that follow can still run."""

    stops = False


class Hint(Miss):
    """Knockbot works without this, but perhaps not as people expect."""

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
"""Looks at one thing and returns what it found; nothing if there was nothing to look at."""


REGISTER = (
    "write registration.yaml again (move the old one away, then `knockbot registration -o registration.yaml`), "
    "give it to the homeserver, and restart that"
)
"""What to do if the homeserver does not know the registration as it is now."""
