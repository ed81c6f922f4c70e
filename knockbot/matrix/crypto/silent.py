"""Servers that do not answer when the homeserver asks them for keys: they are asked less and less often.

While one is asked, nothing else is encrypted or decrypted. Anybody can have a server that never answers, and make the
bot write to its users, or receive mail of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from knockbot.domain.ids import server_of

FIRST: Final = 60.0
"""Seconds that a server is left alone after it did not answer; twice as long each time."""

LONGEST: Final = 3600.0
"""Its longest pause: when it answers again, its users' devices wait for keys so long at most."""

MOST: Final = 10_000
"""Servers that are remembered."""


@dataclass(frozen=True, slots=True)
class _Pause:
    until: float
    seconds: float


class SilentServers:
    """Which servers gave no answer lately; the bot's own always counts as one that answers."""

    def __init__(self, home: str, now: Callable[[], float]) -> None:
        self._home = home
        self._now = now
        self._pauses: dict[str, _Pause] = {}

    def has(self, user_id: str) -> bool:
        """Whether the server of this user is left alone now."""
        pause = self._pauses.get(server_of(user_id))
        return pause is not None and self._now() < pause.until

    def note(self, asked: Mapping[str, bool]) -> None:
        """Users of whose servers something was asked, and whether that was answered."""
        silent = {server_of(user_id) for user_id, answered in asked.items() if not answered} - {self._home}
        for server in {server_of(user_id) for user_id in asked} - silent:
            self._pauses.pop(server, None)
        if len(self._pauses) > MOST:
            self._pauses.clear()
        for server in silent:
            before = self._pauses.get(server)
            seconds = min(2 * before.seconds, LONGEST) if before is not None else FIRST
            self._pauses[server] = _Pause(self._now() + seconds, seconds)


def failed(answer: Mapping[str, Any]) -> frozenset[str]:
    """The servers that did not answer, as a homeserver says it (client-server API, `/keys/query`, `/keys/claim`)."""
    failures = answer.get("failures")
    return frozenset(failures) if isinstance(failures, dict) else frozenset()
