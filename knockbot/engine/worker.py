"""The worker: due jobs are claimed, run through the table of actions, and their outcome is recorded.

Steps 6 and 7 of the journey (ARCHITECTURE.md); what follows of each outcome is in `consequences.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

from knockbot.domain.jobs import Act, Job
from knockbot.domain.notices import Code, because
from knockbot.engine.backoff import FIRST_PAUSE, backoff
from knockbot.errors import Later, Never
from knockbot.flow import consequences, encrypted, journal
from knockbot.flow.consequences import Done, Outcome, Overtaken
from knockbot.flow.context import Context, log
from knockbot.flow.keys import Keys, NoKeys
from knockbot.flow.ports import NOT_ALLOWED
from knockbot.store import jobs, prompts, requests
from knockbot.store.db import Tx, Unusable
from knockbot.store.jobs import Claimed

AT_ONCE = 12
"""Acts in flight in all; how many of them may wait for other servers is in `jobs.PLACES`."""

PATIENCE = 120.0
"""Seconds an attempt may take before it counts as unsure."""

RECORDINGS = 5
"""Failures to record an outcome after which the job is tried afresh instead: its action looks first anyway."""

SILENT_PAUSE = 60.0
"""The longest pause, in seconds, while the homeserver itself is silent: once it is back, nobody should wait an hour."""

LONGEST_AWAY = 6 * 3600.0
"""The same where another server has to answer: one that was silent for so long may be gone."""

IN_PEACE = 4
"""So many times as long as it kept a room waiting, a silent server is then left alone: meanwhile the homeserver lets
nobody in or out of that room (FACTS)."""


Action = Callable[[Claimed[Any]], Awaitable[Outcome]]


class Worker:
    """Runs due jobs, one of a lane and twelve in all, until stopped."""

    def __init__(self, context: Context, actions: Mapping[Act, Action], keys: Keys | None = None) -> None:
        self._context = context
        self._actions = actions
        self._keys: Keys = keys or NoKeys()
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Work until cancelled; what is in flight then is left for `drain`."""
        at_work = self._context.turns.at_work
        at_work.worker = self
        try:
            while True:
                self._context.wakeups.jobs.clear()
                await self._start_due()
                await self._wait()
        finally:
            at_work.worker = None

    async def drain(self, seconds: float) -> None:
        """Let what is in flight come to its end, for at most so many seconds."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _start_due(self) -> None:
        if self._room <= 0:
            return
        if not self._context.db.alone:
            self.start(await jobs.claim(self._context.db, self._context.now(), self._room, keys=self._keys.here))
            return
        claimed, more = list[Claimed[Any]](), True
        while more and not claimed:
            async with self._context.db.tx() as tx:  # in which nobody else begins anything
                claimed, more = await self.claim(tx, self._context.now())
            self.start(claimed)

    @property
    def _room(self) -> int:
        return AT_ONCE - len(self._running)

    async def claim(self, tx: Tx, now: int) -> tuple[list[Claimed[Any]], bool]:
        """What it takes on now, and whether there may be more, in a transaction that others have opened."""
        if self._room <= 0:
            return [], False  # who is done looks for more
        return await jobs.claim_in(tx, self._context.db, now, self._room, keys=self._keys.here)

    def start(self, claimed: Sequence[Claimed[Any]]) -> None:
        """Begin what was taken on."""
        for one in claimed:
            task = asyncio.create_task(self._attempt(one))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._context.wakeups.jobs.set()

    async def _wait(self) -> None:
        """Until somebody wakes it, or a job is due, or a second has passed: another process may have left work."""
        try:
            async with asyncio.timeout(1.0):
                await self._context.wakeups.jobs.wait()
        except TimeoutError:
            return
        await asyncio.sleep(0)  # what has written an outcome wakes it once more when it ends, in the same moment

    async def _attempt(self, claimed: Claimed[Any]) -> None:
        """Run one job and record what came of it."""
        came: Outcome | Later | Never
        began = self._context.now()
        try:
            async with asyncio.timeout(PATIENCE):
                came = await self._actions[claimed.job.act](claimed)
        except (Never, Later) as error:
            came = error
        except TimeoutError:
            came = Later(because("act.no_answer"))
        except Unusable:
            came = Later(because("act.no_database"), unreachable=True)
        except Exception as error:
            log.exception("job %s failed in an unexpected way", claimed.job.key)
            came = Later(because("act.internal", error=Code(type(error).__name__)))
        await self._record(claimed, came, (self._context.now() - began) / 1000)

    async def _record(self, claimed: Claimed[Any], came: Outcome | Later | Never, took: float) -> None:
        """Write the outcome down, and try again while the database is away: it is known nowhere else.

        The attempt `took` so many seconds.
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
            except Unusable:
                await asyncio.sleep(FIRST_PAUSE)
            except Exception as error:
                failures += 1
                log.exception("recording the outcome of job %s failed", claimed.job.key)
                if failures == RECORDINGS:
                    came = Later(because("act.not_recorded", error=Code(type(error).__name__)))
                await asyncio.sleep(min(backoff(failures), 60.0))

    async def _complete(self, claimed: Claimed[Any], came: Done | Overtaken) -> None:
        context, job = self._context, claimed.job
        async with context.turn(job.key) as turn:
            await _hold(context, turn.tx, job)
            if isinstance(came, Overtaken):
                await jobs.finish(turn.tx, claimed.id, "overtaken", turn.now, why=came.why)
            else:
                await jobs.finish(turn.tx, claimed.id, "done", turn.now, result=came.event_id)
            await consequences.follow(context, turn, job, came)

    async def _postpone(self, claimed: Claimed[Any], error: Later, took: float) -> None:
        context = self._context
        pause = error.retry_after if error.retry_after is not None else _pause(claimed, error, took)
        due_at = context.now() + round(pause * 1000)
        journal.postponed(claimed.job, pause, error.why)
        async with context.db.tx() as tx:
            if not await jobs.is_ours(tx, claimed):
                return
            await jobs.postpone(tx, claimed.id, due_at, error.why)
            if claimed.job.server is not None:
                await jobs.postpone_server(tx, claimed.job.server, due_at)

    async def _give_up(self, claimed: Claimed[Any], error: Never) -> None:
        """Nothing more can be done; or, where only a power is missing, nothing until it is back."""
        context, job = self._context, claimed.job
        mendable = error.code in MENDABLE
        async with context.turn(job.key) as turn:
            await _hold(context, turn.tx, job)
            if not await jobs.is_ours(turn.tx, claimed):
                return
            request = await requests.get(turn.tx, job.request_id) if job.request_id is not None else None
            journal.given_up(job, request, error.why)
            if mendable:
                await jobs.block(turn.tx, claimed.id, error.why)
                await encrypted.tell_if_silent(context, turn, job.room_id)
            else:
                await jobs.finish(turn.tx, claimed.id, "given_up", turn.now, why=error.why)
                await consequences.follow_refusal(context, turn, job, error)
            if mendable or error.code == "KNOCKBOT_DENIED":
                # It tells the moderators once, and goes on when it is mended.
                turn.after(partial(context.look_at, job.room_id))


MENDABLE = frozenset({"KNOCKBOT_NO_POWER", "KNOCKBOT_NOT_JOINED", NOT_ALLOWED})
"""Errors that a moderator can mend, or the config: the job waits for it."""


async def _hold(context: Context, tx: Tx, job: Job[Any]) -> None:
    """Take what a job is about before the job itself: two transactions would else wait for each other.

    The order is the same everywhere: requests, their card, jobs. On SQLite nobody else writes meanwhile.
    """
    if context.db.alone:
        return
    if job.request_id is not None:
        await requests.get(tx, job.request_id)
    if job.card_id is not None:
        await requests.on_card(tx, job.card_id)
        await prompts.get(tx, job.card_id)


def _pause(claimed: Claimed[Any], error: Later, took: float) -> float:
    """Seconds to wait after a failed attempt that took so many."""
    if error.unreachable:
        return min(backoff(claimed.attempts), SILENT_PAUSE)
    if claimed.job.server is not None:
        return max(backoff(claimed.attempts, LONGEST_AWAY), IN_PEACE * took)
    return backoff(claimed.attempts)
