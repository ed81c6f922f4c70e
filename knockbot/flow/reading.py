"""From a stored event to what happened: decrypted where needed, with times of our own clock, and parsed.

Step 2 of the journey (ARCHITECTURE.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from knockbot.domain.model import Happening, Message
from knockbot.engine.inbox import Unread
from knockbot.flow import rejudging
from knockbot.flow.context import Context
from knockbot.flow.keys import Keys, NoKeys, Opened
from knockbot.store.inbox import Waiting

Parse = Callable[[Mapping[str, Any], str], Happening | None]

Opens = Callable[[Context, Keys, Waiting, Mapping[str, Any]], Awaitable[Opened | Unread]]
"""Decrypts an encrypted event, or says what to do about it where it cannot. May raise `SetAside`."""


class Reader:
    """Reads arrivals for the handlers; with the bot's keys, where this process has them."""

    def __init__(self, context: Context, parse: Parse, opens: Opens, keys: Keys | None = None) -> None:
        self._context = context
        self._parse = parse
        self._opens = opens
        self._keys: Keys = keys or NoKeys()

    @property
    def has_keys(self) -> bool:
        """Whether this process can read what is encrypted."""
        return self._keys.here

    async def read(self, waiting: Waiting, event: Mapping[str, Any]) -> Happening | Unread | None:
        """What happened; `None` where that does not matter to the bot."""
        if waiting.own:
            return rejudging.read(event)
        opened = await self._opens(self._context, self._keys, waiting, event) if waiting.sealed else None
        if isinstance(opened, Unread):
            return opened
        said = opened.event if opened is not None else event
        happening = self._parse(_on_our_clock(said, event, waiting.received_at), self._context.bot)
        if opened is not None and isinstance(happening, Message):
            return replace(happening, verified=opened.verified)
        return happening


def _on_our_clock(event: Mapping[str, Any], arrived: Mapping[str, Any], received_at: int) -> Mapping[str, Any]:
    """The event with the time at which it was sent by this machine's clock, where the homeserver tells its age.

    The age uses only the homeserver's clock, and the result uses only ours: so the two clocks may differ.
    """
    unsigned = arrived.get("unsigned")
    age = unsigned.get("age") if isinstance(unsigned, dict) else None
    if isinstance(age, bool) or not isinstance(age, int) or age > received_at:
        return event
    return {**event, "origin_server_ts": received_at - max(age, 0)}
