"""A turn: a handler looks, then returns what to write, and all of that is one transaction.

A handler never opens that transaction itself, and never marks what it handles: both are done here. So what it writes
is kept together with the mark that the event was handled, or not at all. The bot may look things up twice, for example
after SIGKILL, but it writes only once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

from knockbot.domain.jobs import Job
from knockbot.store import inbox, jobs
from knockbot.store.db import Database, Tx
from knockbot.store.jobs import JOBS, Claimed


class AlreadyHandled(Exception):
    """Somebody else has handled this first, perhaps another process: their work is kept, and ours is dropped."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The transaction that ends the handling of one thing."""

    tx: Tx
    now: int
    """The time of all that is written in it, in milliseconds since the epoch."""
    cause: str = ""
    """The event that is handled, or the key of a job or timer; empty if there is none."""
    woken: list[Callable[[], None]] = field(default_factory=list)
    seen: dict[str, object] = field(default_factory=dict)
    """What was looked up once for the whole turn, by what it is about."""
    last: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def plan(self, *planned: Job[Any], due_at: int | None = None) -> None:
        """Plan jobs, each only once by its key; they are run soon after the commit, or when they are due."""
        await jobs.add(self.tx, planned, self.now, due_at=due_at)

    def at_last(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write this at the end of the turn: it comes after all that the turn says, as a question after a reply."""
        self.last.append(write)

    def after(self, wake: Callable[[], None]) -> None:
        """Call this after the commit: only then can others see the changes. It is not called if the commit fails."""
        self.woken.append(wake)


T = TypeVar("T")
Write: TypeAlias = Callable[[Turn], Awaitable[T]]
"""Writes what is still to be written, and returns the result."""


class Waits(Enum):
    """What a handler returns if its arrival waits: it stays in the inbox, and the rest of its room continues."""

    WAITS = "waits"


WAITS: Final = Waits.WAITS

Handled: TypeAlias = Write[None] | Literal[Waits.WAITS] | None
"""What a handler returns: what to write, nothing, or that its arrival waits."""

C = TypeVar("C")
E = TypeVar("E")
Handler: TypeAlias = Callable[[C, E], Awaitable[Handled]]
"""Looks at what has happened, and returns what to write."""


class Worker(Protocol):
    """Runs the jobs that are due."""

    async def claim(self, tx: Tx, now: int, /) -> tuple[list[Claimed[Any]], bool]:
        """The jobs it claims now, and whether there may be more; in a transaction that the caller has opened."""

    def start(self, claimed: Sequence[Claimed[Any]], /) -> None:
        """Start the claimed jobs, after the commit."""


@dataclass(slots=True)
class AtWork:
    """The worker of this process, while it is at work."""

    worker: Worker | None = None


@dataclass(frozen=True, slots=True)
class Turns:
    """Opens turns, each with its mark, and wakes the loops that have work after the commit."""

    db: Database
    now: Callable[[], int]
    wake: Callable[[], None]
    """Tells the worker that jobs may have been planned."""
    at_work: AtWork = field(default_factory=AtWork)

    @asynccontextmanager
    async def open(self, cause: str = "") -> AsyncIterator[Turn]:
        """A turn for something that is no arrival in the inbox.

        If no other process can claim its jobs, they are claimed in the same transaction: this saves a second wait for
        the disk. A task is cancelled here only if the process ends, and then the jobs are given back.
        """
        worker = self.at_work.worker if self.db.alone else None
        async with self.db.tx() as tx:
            turn = Turn(tx, self.now(), cause)
            yield turn
            for write in turn.last:
                await write()
            claimed, more = await _taken_on(turn, worker)
        for wake in turn.woken:
            wake()
        if worker is not None:
            worker.start(claimed)
        if more:
            self.wake()

    async def end(self, seq: int, cause: str, handled: Handled) -> None:
        """End the handling of an arrival, unless it waits: mark it, and write all that its handler wants.

        Raises `AlreadyHandled`.
        """
        if handled is WAITS:
            return
        if handled is None:
            async with self.db.change() as tx:
                await _mark(tx, seq, self.now())
            return
        async with self.open(cause) as turn:
            await _mark(turn.tx, seq, turn.now)
            await handled(turn)

    async def found(self, cause: str, handled: Handled, *, taken_in: str | None = None) -> None:
        """End the handling of an event that a look has found, and whose handler was called then.

        `taken_in` is the room of an event that must be handled only once. If the homeserver sends it later, that is a
        repeat. If the homeserver has sent it already, that arrival is handled instead.
        """
        if handled is None or handled is WAITS:
            return
        async with self.open(cause) as turn:
            if taken_in is None or await inbox.take(turn.tx, cause, taken_in, turn.now):
                await handled(turn)


async def _taken_on(turn: Turn, worker: Worker | None) -> tuple[list[Claimed[Any]], bool]:
    """The jobs that the worker claims now, and whether there may be more for it."""
    if JOBS not in turn.tx.changed:
        return [], False
    return await worker.claim(turn.tx, turn.now) if worker is not None else ([], True)


async def _mark(tx: Tx, seq: int, now: int) -> None:
    if not await inbox.handled(tx, seq, now):
        raise AlreadyHandled
