"""What goes wrong: the homeserver refuses, answers late, or something changes between a look and an act."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass
class Trick:
    """What the homeserver does out of the ordinary when it is called."""

    error: BaseException | None = None
    done: bool = False
    """Whether the act takes place before that, as when an answer is lost on its way."""
    meanwhile: Callable[[], object] | None = None
    hang: asyncio.Event | None = None
    times: int = 1

    async def go_wrong(self) -> None:
        """Wait, if it is to hang, and fail, if it is to fail."""
        if self.hang is not None:
            await self.hang.wait()
        if self.error is not None:
            raise self.error


class Tricks:
    """The calls of the bot, and what is to happen at them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        """What the bot asked the homeserver, in order: the call, the room, and whom or what it was about."""
        self._tricks: dict[str, list[Trick]] = {}

    def play(
        self,
        call: str,
        error: BaseException | None = None,
        *,
        done: bool = False,
        meanwhile: Callable[[], object] | None = None,
        hang: asyncio.Event | None = None,
        times: int = 1,
    ) -> None:
        """What happens the next time (or times) that the bot makes this call, in place of an ordinary answer."""
        self._tricks.setdefault(call, []).append(Trick(error, done, meanwhile, hang, times))

    def trick(self, call: str) -> Trick:
        """What is to happen at this call."""
        waiting = self._tricks.get(call, [])
        if not waiting:
            return Trick()
        waiting[0].times -= 1
        return waiting[0] if waiting[0].times else waiting.pop(0)

    async def played(self, act: Callable[[], T], call: str, *about: str) -> T:
        """Take a call of the bot's, as `play` has it."""
        self.calls.append((call, *about))
        trick = self.trick(call)
        if trick.meanwhile is not None:
            trick.meanwhile()
        if not trick.done:
            await trick.go_wrong()
        result = act()
        if trick.done:
            await trick.go_wrong()
        return result

    def behave(self) -> None:
        """No more tricks."""
        self._tricks.clear()

    def asked(self, *calls: str) -> list[tuple[str, ...]]:
        """The calls of these kinds that the bot made."""
        return [call for call in self.calls if call[0] in calls]
