"""What the verbs of the flow work with: the database, the clock, the wake-ups, the world outside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Self

from knockbot.config.settings import Settings
from knockbot.engine.prompts import PromptKind
from knockbot.engine.turn import Turn, Turns
from knockbot.engine.wakeups import Wakeups
from knockbot.flow.compiled import Compiled
from knockbot.flow.elsewhere import Elsewhere
from knockbot.flow.listed import Listed
from knockbot.flow.ports import Acts, Cipher, Files, Issuer, NoCipher, NoFiles, Outside, Vouch, Wording, nobody_asked
from knockbot.flow.standings import Standings
from knockbot.flow.workbench import Workbench
from knockbot.store.db import Database

log = logging.getLogger("knockbot.flow")


class LiveSettings:
    """The settings in force: the one part of a `Context` that changes, and only by `take`.

    `app.take_settings` calls it when the config was read again.
    """

    def __init__(self, settings: Settings) -> None:
        self._in_force = settings

    @property
    def in_force(self) -> Settings:
        """As they are now."""
        return self._in_force

    def take(self, settings: Settings) -> None:
        """From now on these are in force."""
        self._in_force = settings


@dataclass(frozen=True, slots=True)
class Context:
    """All that a verb of the flow needs, handed to each as its first argument; made once, by `Context.made`."""

    db: Database
    outside: Outside
    acts: Acts
    wording: Wording
    live_settings: LiveSettings
    now: Callable[[], int]
    """The time, in milliseconds since the epoch."""
    wakeups: Wakeups
    turns: Turns
    elsewhere: Elsewhere
    """What only other servers can say or do."""
    workbench: Workbench
    vouch: Vouch = nobody_asked
    """Asks the configured identity servers whether the keys of a third-party invite hold."""
    issuer: Issuer | None = None
    """The identity servers; `None` where nobody sends invites through them."""
    cipher: Cipher = field(default_factory=NoCipher)
    files: Files = field(default_factory=NoFiles)
    """The files that people send."""
    features: tuple[Any, ...] = ()
    """The features that take part in the flow, in this order: rows of `tables.py`, which imports this file."""
    prompts: Mapping[str, PromptKind[Any]] = field(default_factory=dict)
    """The kinds of messages that can be answered."""
    policies: Compiled = field(default_factory=Compiled)
    standings: Standings = field(default_factory=Standings)
    """Who may do what, as far as the bot has seen it and it has not changed since."""
    listed: Listed = field(default_factory=Listed)
    """The policy lists that were needed so far."""
    unencrypted: set[str] = field(default_factory=set)
    """Rooms that were not encrypted when the bot looked; an event tells when one becomes encrypted."""
    configured: asyncio.Event = field(default_factory=asyncio.Event)
    """Perhaps a room of the config file can be protected now that could not be before."""
    protecting: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while the rooms of the config file are protected."""

    @classmethod
    def made(
        cls,
        db: Database,
        outside: Outside,
        settings: Settings | LiveSettings,
        now: Callable[[], int],
        wakeups: Wakeups | None = None,
        *,
        acts: Acts,
        wording: Wording,
        **parts: Any,
    ) -> Self:
        """Make a context with all its parts; `parts` are those that differ from the default."""
        live = settings if isinstance(settings, LiveSettings) else LiveSettings(settings)
        wakeups = wakeups or Wakeups()
        elsewhere = Elsewhere(now, wakeups.arrivals.set, live.in_force.homeserver.domain)
        turns = Turns(db, now, wakeups.jobs.set)
        parts.setdefault("listed", Listed(started=now()))
        return cls(db, outside, acts, wording, live, now, wakeups, turns, elsewhere, Workbench(now), **parts)

    @property
    def settings(self) -> Settings:
        """The settings in force now."""
        return self.live_settings.in_force

    @property
    def bot(self) -> str:
        """The bot's own user id."""
        return self.settings.bot_user_id

    @property
    def home(self) -> str:
        """The server name knockbot serves."""
        return self.settings.homeserver.domain

    def look_at(self, room_id: str) -> None:
        """Have a protected room's real state compared with the records, soon."""
        self.wakeups.look_at(room_id)

    def turn(self, cause: str = "") -> AbstractAsyncContextManager[Turn]:
        """A transaction that writes one thing which no arrival brought; arrivals have handlers."""
        return self.turns.open(cause)
