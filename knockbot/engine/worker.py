"""The worker: claims due jobs, runs them, and records the result of each.

Steps 6 and 7 of the journey (ARCHITECTURE.md). Other modules know how a job is done and what follows from
it: `Hooks`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from knockbot.domain.jobs import Job
from knockbot.domain.notices import Code, Notice, because
from knockbot.engine.backoff import FIRST_PAUSE, backoff
from knockbot.engine.turn import Turn, Turns
from knockbot.engine.wakeups import Wakeups
from knockbot.errors import Later, Never
from knockbot.store import jobs
from knockbot.store.db import Crossed, Database, Tx, Unusable
from knockbot.store.jobs import Claimed

log = logging.getLogger("knockbot.engine")

AT_ONCE = 14
"""The most jobs that run at the same time; `jobs.PLACES` says how many of them may take long."""

RECORDINGS = 5
"""Failures to record an outcome after which the job is run again instead: its action looks first anyway."""

SILENT_PAUSE = 60.0
"""The longest pause, in seconds, while the homeserver is silent: nobody should wait an hour when it is back."""

LONGEST_AWAY = 6 * 3600.0
"""The same if another server has to answer: a server that was silent for so long may be gone."""

LONG = 60.0
"""Seconds after which a pause is so long that people are told of it."""

IN_PEACE = 4
"""How long to leave a silent server alone, as a multiple of the time that its attempt took: during an attempt, the
homeserver lets nobody in or out of that room (FACTS)."""


@dataclass(frozen=True, slots=True)
class Done:
    """The wanted state is reached. A kind of job may say more about it, in a class of its own."""

    event_id: str | None = None
    """The event that was sent."""


@dataclass(frozen=True, slots=True)
class Overtaken:
    """Something else settled it before the job ran, so the job is not needed any more."""

    why: Notice


Outcome: TypeAlias = Done | Overtaken

Run: TypeAlias = Callable[[Claimed[Any]], Awaitable[Outcome]]
"""Does a job. Raises `Later` if it should be tried again, and `Never` if that is of no use."""


class Needs(Protocol):
    """What the worker needs to work with."""

    @property
    def db(self) -> Database:
        """The database that has the jobs."""

    @property
    def now(self) -> Callable[[], int]:
        """The time, in milliseconds since the epoch."""

    @property
    def turns(self) -> Turns:
        """Opens the transactions in which jobs end."""

    @property
    def wakeups(self) -> Wakeups:
        """Tells the worker that jobs may be due."""


@dataclass(frozen=True, slots=True)
class Hooks:
    """What other modules know about jobs. Hooks that take a turn write in the transaction that records the outcome."""

    run: Run
    hold: Callable[[Tx, Job[Any]], Awaitable[None]]
    """Locks what a job is about, before the job itself is locked."""
    ended: Callable[[Turn, Job[Any], Outcome], Awaitable[None]]
    """Called after it was done, or was overtaken."""
    refused: Callable[[Turn, Job[Any], Never], Awaitable[None]]
    """Called after it was given up."""
    blocked: Callable[[Turn, Job[Any], Never], Awaitable[None]]
    """Called after it was put aside until somebody fixes what blocks it."""
    postponed: Callable[[Job[Any], float, Notice], None]
    """Called if it is tried again in this many seconds."""
    put_off: Callable[[Turn, Claimed[Any], Notice], Awaitable[None]]
    """Called if that is more than `LONG`, before anything is written about it."""
    is_mendable: Callable[[Never], bool]
    """Whether somebody can fix what blocks the job."""
    may_encrypt: Callable[[], bool]
    """Whether this process may claim jobs that send messages to encrypted rooms."""


class Worker:
    """Runs due jobs, one of a lane and fourteen in all, until stopped."""

    def __init__(self, needs: Needs, hooks: Hooks) -> None:
        self._needs = needs
        self._hooks = hooks
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled; `drain` lets running jobs finish."""
        at_work = self._needs.turns.at_work
        at_work.worker = self
        try:
            while True:
                self._needs.wakeups.jobs.clear()
                await self._start_due()
                await self._wait()
        finally:
            at_work.worker = None

    async def drain(self, seconds: float) -> None:
        """Let running jobs finish, for at most this many seconds."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _start_due(self) -> None:
        if self._room <= 0:
            return
        if not self._needs.db.alone:
            self.start(await jobs.claim(self._needs.db, self._needs.now(), self._room, keys=self._hooks.may_encrypt()))
            return
        claimed, more = list[Claimed[Any]](), True
        while more and not claimed:
            async with self._needs.db.tx() as tx:  # no other process starts anything during it
                claimed, more = await self.claim(tx, self._needs.now())
            self.start(claimed)

    @property
    def _room(self) -> int:
        return AT_ONCE - len(self._running)

    async def claim(self, tx: Tx, now: int) -> tuple[list[Claimed[Any]], bool]:
        """The jobs it claims now, and whether there may be more; in a transaction that the caller has opened."""
        if self._room <= 0:
            return [], False  # a job that ends looks for more
        return await jobs.claim_in(tx, self._needs.db, now, self._room, keys=self._hooks.may_encrypt())

    def start(self, claimed: Sequence[Claimed[Any]]) -> None:
        """Start the claimed jobs."""
        for one in claimed:
            task = asyncio.create_task(self._attempt(one))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._needs.wakeups.jobs.set()

    async def _wait(self) -> None:
        """Wait until it is woken, or a job is due, or a second has passed: another process may have left work."""
        try:
            async with asyncio.timeout(1.0):
                await self._needs.wakeups.jobs.wait()
        except TimeoutError:
            return
        await asyncio.sleep(0)  # an attempt wakes it twice: with its outcome and, just after, with its end

    async def _attempt(self, claimed: Claimed[Any]) -> None:
        """Run one job and record the outcome."""
        came: Outcome | Later | Never
        began = self._needs.now()
        try:
            async with asyncio.timeout(claimed.job.kind.patience):
                came = await self._hooks.run(claimed)
        except (Never, Later) as error:
            came = error
        except TimeoutError:
            came = Later(because("act.no_answer"))
        except Unusable:
            came = Later(because("act.no_database"), unreachable=True)
        except Exception as error:
            log.exception("job %s failed in an unexpected way", claimed.job.key)
            came = Later(because("act.internal", error=Code(type(error).__name__)))
        await self._record(claimed, came, (self._needs.now() - began) / 1000)

    async def _record(self, claimed: Claimed[Any], came: Outcome | Later | Never, took: float) -> None:
        """Write the outcome down, and try again while the database is not available: it is known nowhere else.

        The attempt `took` this many seconds.
        """
        failures = 0
        while True:
            try:
                if isinstance(came, Never):
                    await self._give_up(claimed, came)
                elif isinstance(came, Done | Overtaken):
                    await self._complete(claimed, came)
                else:
                    await self._postpone(claimed, came, took)
                return
            except (Unusable, Crossed):
                await asyncio.sleep(FIRST_PAUSE)
            except Exception as error:
                failures += 1
                log.exception("recording the outcome of job %s failed", claimed.job.key)
                if failures == RECORDINGS:
                    came = Later(because("act.not_recorded", error=Code(type(error).__name__)))
                await asyncio.sleep(min(backoff(failures), 60.0))

    async def _complete(self, claimed: Claimed[Any], came: Outcome) -> None:
        job = claimed.job
        async with self._needs.turns.open(job.key) as turn:
            await self._hooks.hold(turn.tx, job)
            if isinstance(came, Overtaken):
                await jobs.finish(turn.tx, claimed.id, "overtaken", turn.now, why=came.why)
            else:
                await jobs.finish(turn.tx, claimed.id, "done", turn.now, result=came.event_id)
            await self._hooks.ended(turn, job, came)

    async def _postpone(self, claimed: Claimed[Any], error: Later, took: float) -> None:
        pause = error.retry_after if error.retry_after is not None else _pause(claimed, error, took)
        due_at = self._needs.now() + round(pause * 1000)
        self._hooks.postponed(claimed.job, pause, error.why)
        async with self._needs.turns.open(claimed.job.key) as turn:
            await self._hooks.hold(turn.tx, claimed.job)
            if not await jobs.is_ours(turn.tx, claimed):
                return
            if pause > LONG:
                await self._hooks.put_off(turn, claimed, error.why)
            await jobs.postpone(turn.tx, claimed.id, due_at, error.why)
            if claimed.job.server is not None:
                await jobs.postpone_server(turn.tx, claimed.job.server, due_at)

    async def _give_up(self, claimed: Claimed[Any], error: Never) -> None:
        """Give the job up; or, if somebody can fix the problem, put it aside until then."""
        job = claimed.job
        async with self._needs.turns.open(job.key) as turn:
            await self._hooks.hold(turn.tx, job)
            if not await jobs.is_ours(turn.tx, claimed):
                return
            if self._hooks.is_mendable(error):
                await jobs.block(turn.tx, claimed.id, error.why)
                await self._hooks.blocked(turn, job, error)
            else:
                await jobs.finish(turn.tx, claimed.id, "given_up", turn.now, why=error.why)
                await self._hooks.refused(turn, job, error)


def _pause(claimed: Claimed[Any], error: Later, took: float) -> float:
    """Seconds to wait after a failed attempt that `took` this many seconds."""
    if error.unreachable:
        return min(backoff(claimed.attempts), SILENT_PAUSE)
    if claimed.job.server is not None:
        return max(backoff(claimed.attempts, LONGEST_AWAY), IN_PEACE * took)
    return backoff(claimed.attempts)
