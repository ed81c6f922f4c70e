"""Timers at work: what is due at a certain time is run once, by any one process, and then ended or moved.

To add a kind: a handler, and its row in the table of kinds (`product.TIMERS`). Kinds that repeat plan themselves; all
others are planned when something happens:

    await set_timer(context, turn, Timer(f"closes:{prompt.id}", "close_prompt", str(prompt.id), closes_at))
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from knockbot.domain.reasons import in_words
from knockbot.engine.turn import Turn, Turns, Write
from knockbot.engine.wakeups import Wakeups
from knockbot.errors import ActionError, Later
from knockbot.store import timers
from knockbot.store.db import Unusable
from knockbot.store.timers import Timer
from knockbot.times import MINUTE

log = logging.getLogger("knockbot.engine")

AGAIN: Final = MINUTE
"""Milliseconds after which a timer is tried again that has failed, or that has left something to do for the moment at
which it rang: it would do so again, for ever."""

ELSEWHERE: Final = 1.0
"""Seconds to wait while another process runs the timer that is due."""

LONGEST: Final = 60.0
"""Seconds after which the bot checks in any case what is due: another process may have planned a timer and died, or
somebody may have set the clock."""


class Needs(Protocol):
    """What the timers need from the context of a handler."""

    @property
    def turns(self) -> Turns:
        """Opens the transactions that end the handling of something."""

    @property
    def wakeups(self) -> Wakeups:
        """Wakes the loops."""


C = TypeVar("C", bound=Needs)
C_contra = TypeVar("C_contra", contravariant=True)

Rings: TypeAlias = Callable[[C_contra, Timer], Awaitable[Write[None] | None]]
"""Looks at what a timer is about, and returns what to write. May raise `Later`. It may plan the same key again; where
that is due at once, it is put off (`AGAIN`): what is done in portions leaves a pause between them."""


@dataclass(frozen=True, slots=True)
class TimerKind(Generic[C_contra]):
    """A kind of timer: its handler, and whether it repeats."""

    rings: Rings[C_contra]
    every: int | None = None
    """Milliseconds after which it repeats, from the first start on; none if something else plans it."""


async def set_timer(context: Needs, turn: Turn, timer: Timer) -> None:
    """Have something happen at a time, unless a timer of its key is planned already."""
    await timers.add(turn.tx, timer)
    turn.after(context.wakeups.timers.set)


async def replace_timer(context: Needs, turn: Turn, timer: Timer) -> None:
    """Have something happen at this time, whenever it was planned for before."""
    planned = await timers.find(turn.tx, timer.key)
    if planned is None or planned.due_at != timer.due_at:
        await timers.end(turn.tx, timer.key)
        await set_timer(context, turn, timer)


async def move_timer(turn: Turn, key: str, new: str, about: str) -> None:
    """What is planned by one key is planned by another one from now on, and is about something else."""
    planned = await timers.find(turn.tx, key)
    if planned is not None:
        await timers.end(turn.tx, key)
        await timers.at_latest(turn.tx, Timer(new, planned.kind, about, planned.due_at))


class Timers(Generic[C]):
    """Runs the timers that are due, one after the other, until stopped."""

    def __init__(self, context: C, kinds: Mapping[str, TimerKind[C]]) -> None:
        self._context = context
        self._turns = context.turns
        self._kinds = kinds

    async def run(self) -> None:
        """Work until cancelled; sleep until the next timer is due or a new one is planned."""
        planned = False
        while True:
            self._context.wakeups.timers.clear()
            try:
                if not planned:
                    await self.plan_what_comes_again()
                    planned = True
                pause = await self.run_due()
            except Unusable:
                pause = LONGEST
            try:
                async with asyncio.timeout(min(pause, LONGEST)):
                    await self._context.wakeups.timers.wait()
            except TimeoutError:
                pass

    async def run_due(self) -> float:
        """Run all timers that are due; returns the seconds until the next one is due."""
        while (timer := await self._first()) is not None:
            now = self._turns.now()
            if timer.due_at > now:
                return (timer.due_at - now) / 1000
            if not await self._run(timer):
                return ELSEWHERE
        return LONGEST

    async def plan_what_comes_again(self) -> None:
        """Plan the kinds that repeat, each for now, unless it is planned already."""
        async with self._turns.db.tx() as tx:
            for name, kind in self._kinds.items():
                if kind.every is not None:
                    await timers.add(tx, Timer(name, name, "", self._turns.now()))

    async def _first(self) -> Timer | None:
        async with self._turns.db.statement() as tx:
            return await timers.first(tx, self._kinds)

    async def _run(self, timer: Timer) -> bool:
        """Run one; false if another process does. If it fails, it is moved, so that it does not block the others."""
        try:
            return await self._end(timer, await self._kinds[timer.kind].rings(self._context, timer))
        except Unusable:
            raise
        except ActionError as error:
            log.warning("what is due, %s, waits: %s", timer.key, in_words(error.why))
            await self._put_off(timer, error.retry_after if isinstance(error, Later) else None)
        except Exception:
            log.exception("what is due, %s, has failed; it is tried again", timer.key)
            await self._put_off(timer)
        return True

    async def _end(self, timer: Timer, write: Write[None] | None) -> bool:
        every = self._kinds[timer.kind].every
        async with self._turns.open(timer.key) as turn:
            if not await timers.hold(turn.tx, timer):
                return False
            if every is None:
                await timers.end(turn.tx, timer.key)
            else:
                await timers.move(turn.tx, timer, turn.now + every)
            if write is not None:
                await write(turn)
            await timers.not_before(turn.tx, timer.key, turn.now, turn.now + AGAIN)
        return True

    async def _put_off(self, timer: Timer, wish: float | None = None) -> None:
        pause = AGAIN if wish is None else max(AGAIN, round(wish * 1000))
        async with self._turns.db.change() as tx:
            await timers.move(tx, timer, self._turns.now() + pause)
