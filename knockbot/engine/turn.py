"""A turn: a handler looks, then returns what to write, and all of that is one transaction.

A handler never opens that transaction itself, and never marks what it handles: both are done here. So whatever it
writes is kept together with the mark that it was handled, or not at all. What is looked at before may be asked twice,
as after SIGKILL; what is written is written once.
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
    """Somebody else has handled this first, another process perhaps: their work stands, and ours is dropped."""


@dataclass(frozen=True, slots=True)
class Turn:
    """The transaction that ends the handling of one thing."""

    tx: Tx
    now: int
    """The time of all that is written in it, in milliseconds since the epoch."""
    cause: str = ""
    """The event that is handled, or the key of an act; empty where there is none, as for what is due by the clock."""
    woken: list[Callable[[], None]] = field(default_factory=list)
    seen: dict[str, object] = field(default_factory=dict)
    """What was looked up in it once, for all of it, by what it is about."""

    async def plan(self, *planned: Job[Any], due_at: int | None = None) -> None:
        """Plan acts, each once by its key; they are done soon after the commit, or when they are due."""
        await jobs.add(self.tx, planned, self.now, due_at=due_at)

    def after(self, wake: Callable[[], None]) -> None:
        """Call this once all is committed: before, nobody else would see it. It is not called where that fails."""
        self.woken.append(wake)


T = TypeVar("T")
Write: TypeAlias = Callable[[Turn], Awaitable[T]]
"""What is still to be written, and what comes of that."""


class Waits(Enum):
    """What a handler returns that has put its arrival off: it stays in the inbox, and the rest of its room goes on."""

    WAITS = "waits"


WAITS: Final = Waits.WAITS

Handled: TypeAlias = Write[None] | Literal[Waits.WAITS] | None
"""What a handler returns: what to write, nothing, or that its arrival waits."""

C = TypeVar("C")
E = TypeVar("E")
Handler: TypeAlias = Callable[[C, E], Awaitable[Handled]]
"""Looks at what has happened, and returns what to write."""


class Worker(Protocol):
    """Who does what is due."""

    async def claim(self, tx: Tx, now: int, /) -> tuple[list[Claimed[Any]], bool]:
        """What it takes on now, and whether there may be more, in a transaction that others have opened."""

    def start(self, claimed: Sequence[Claimed[Any]], /) -> None:
        """Begin what was taken on, once that is committed."""


@dataclass(slots=True)
class AtWork:
    """The worker of this process, while it is at work."""

    worker: Worker | None = None


@dataclass(frozen=True, slots=True)
class Turns:
    """Opens turns, each with its mark, and wakes who has work once they are committed."""

    db: Database
    now: Callable[[], int]
    wake: Callable[[], None]
    """Says that acts may have been planned."""
    at_work: AtWork = field(default_factory=AtWork)

    @asynccontextmanager
    async def open(self, cause: str = "") -> AsyncIterator[Turn]:
        """A turn about what came in by no event of its own.

        What is due by it is taken on in the same transaction, where nobody else could take it: that spares waiting for
        the disk once more. Whoever is cancelled here is so because all ends, and then it is given back.
        """
        worker = self.at_work.worker if self.db.alone else None
        async with self.db.tx() as tx:
            turn = Turn(tx, self.now(), cause)
            yield turn
            claimed, more = await _taken_on(turn, worker)
        for wake in turn.woken:
            wake()
        if worker is not None:
            worker.start(claimed)
        if more:
            self.wake()

    async def end(self, seq: int, cause: str, handled: Handled) -> None:
        """End the handling of an arrival, unless it waits: it is marked, and all that its handler wants is written.

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
        """The same for an event that a look has found, and whose handler was called then.

        `taken_in` is the room of an event that is to be handled once: when the homeserver hands it over later, it is a
        repeat; where it has done so, that arrival is handled instead.
        """
        if handled is None or handled is WAITS:
            return
        async with self.open(cause) as turn:
            if taken_in is None or await inbox.take(turn.tx, cause, taken_in, turn.now):
                await handled(turn)


async def _taken_on(turn: Turn, worker: Worker | None) -> tuple[list[Claimed[Any]], bool]:
    """What the worker takes on now, and whether there may be more for it."""
    if JOBS not in turn.tx.changed:
        return [], False
    return await worker.claim(turn.tx, turn.now) if worker is not None else ([], True)


async def _mark(tx: Tx, seq: int, now: int) -> None:
    if not await inbox.handled(tx, seq, now):
        raise AlreadyHandled
