"""The inbox at work: rooms side by side, the events of one room in order, each handled once.

A room has two queues: one for join requests, memberships and other state, and one for what is said in the room. Each
is handled in order, and neither waits for the other. An event that cannot be handled is set aside and reported; it
never stops the rest.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from knockbot.domain import nesting
from knockbot.domain.model import Happening
from knockbot.domain.notices import Notice, because
from knockbot.domain.reasons import in_words
from knockbot.engine.backoff import backoff
from knockbot.engine.turn import WAITS, AlreadyHandled, Handled, Handler, Turns, Write
from knockbot.engine.wakeups import Wakeups
from knockbot.errors import KnockbotError, Later, Never, SetAside, reason
from knockbot.store import inbox, processes
from knockbot.store.db import Unusable
from knockbot.store.inbox import Queue, Waiting

log = logging.getLogger("knockbot.engine")

ROOMS_AT_ONCE: Final = 20
TALKS_AT_ONCE: Final = 10
"""How many queues of each kind are served at the same time. Messages do not delay join requests, and a queue that
waits for another server takes no place (`flow/elsewhere.py`)."""
ATTEMPTS: Final = 8
"""Failures of one event after which it is set aside: some minutes of back-off. A silent homeserver does not count."""

ATTEMPTS_AT_TALK: Final = 4
"""The same for a message that fails by a fault of our own: some seconds, since somebody waits for the reply, and what
is said after it waits too."""

BATCH: Final = 100
"""The most events of one queue that are read at the same time."""

ELSEWHERE: Final = 1.0
"""Seconds to leave a room alone if another process is busy with it."""


class Needs(Protocol):
    """What the inbox needs from the context of a handler."""

    @property
    def turns(self) -> Turns:
        """Opens the transactions that end the handling of something."""

    @property
    def wakeups(self) -> Wakeups:
        """Wakes the loops."""


@dataclass(frozen=True, slots=True)
class Unread:
    """An event that no handler can take, or not yet, and what to write because of that."""

    handled: Handled


class Reader(Protocol):
    """Turns a stored event into what happened. Raises `KnockbotError` if it is no event at all."""

    @property
    def has_keys(self) -> bool:
        """Whether this process can read encrypted events."""

    async def read(self, waiting: Waiting, event: Mapping[str, Any], /) -> Happening | Unread | None:
        """What happened; `None` if it does not concern the bot."""


C = TypeVar("C", bound=Needs)

NOTHING_SAID: Final[Mapping[type[Any], Handler[Any, Any]]] = {}
"""Nobody is told that something was set aside."""


class Inbox(Generic[C]):
    """Hands each arrival to its handler, room by room, and looks at rooms that are due for it, until stopped."""

    def __init__(
        self,
        context: C,
        reader: Reader,
        handlers: Mapping[type[Any], Handler[C, Any]],
        look: Callable[[C, str], Awaitable[None]],
        *,
        gave_up: Mapping[type[Any], Handler[C, Any]] = NOTHING_SAID,
        elsewhere: AbstractSet[asyncio.Task[Any]] = frozenset(),
    ) -> None:
        """`gave_up` says what is written when something is set aside; `elsewhere` are the tasks that wait for other
        servers; they take no place."""
        self._context = context
        self._turns = context.turns
        self._wakeups = context.wakeups
        self._reader = reader
        self._handlers = handlers
        self._gave_up = gave_up
        self._look = look
        self._elsewhere = elsewhere
        self._busy: dict[Queue, asyncio.Task[None]] = {}
        self._passed_over = False
        """Whether a queue has to wait for one that is served now."""
        self._resting: dict[Queue, int] = {}
        self._looks: dict[str, int] = {}

    async def run(self) -> None:
        """Work until cancelled; `drain` lets rooms finish what they are at."""
        while True:
            self._wakeups.arrivals.clear()
            await self._start_rooms()
            try:
                async with asyncio.timeout(1.0):
                    await self._wakeups.arrivals.wait()
            except TimeoutError:
                pass  # another process may have stored something, or a room has rested enough

    async def drain(self, seconds: float) -> None:
        """Let rooms finish the event they are at, for at most this many seconds."""
        tasks = list(self._busy.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def _start_rooms(self) -> None:
        if not self._free(talk=False) and not self._free(talk=True):
            self._passed_over = True
            return  # the first of them that is done wakes this again
        self._passed_over = False
        now = self._turns.now()
        async with self._turns.db.statement() as tx:
            waiting = await inbox.queues_waiting(tx, now, keys=self._reader.has_keys)
        looks = (Queue(room_id) for room_id in self._wakeups.unchecked)
        for queue in dict.fromkeys([*waiting, *looks]):
            if self._resting.get(queue, 0) > now:
                continue
            if self._free(talk=queue.talk) and queue not in self._busy:
                self._busy[queue] = asyncio.create_task(self._serve(queue))
            else:
                self._passed_over = True

    def _free(self, *, talk: bool) -> bool:
        """Whether one more queue of this kind may be served; queues that wait for other servers take no place."""
        busy = sum(queue.talk is talk and task not in self._elsewhere for queue, task in self._busy.items())
        return busy < (TALKS_AT_ONCE if talk else ROOMS_AT_ONCE)

    async def _serve(self, queue: Queue) -> None:
        """Handle what waits in one queue, as long as this process holds its lease."""
        lease = f"{'talk' if queue.talk else 'room'} {queue.room_id}"
        try:
            if await processes.lease(self._turns.db, lease):
                try:
                    await self._serve_in_order(queue)
                finally:
                    await processes.release(self._turns.db, lease)
            else:
                self._rest(queue, 1, ELSEWHERE)
        except Unusable:
            self._rest(queue, 1)
        except Exception:
            log.exception("serving a room failed; it will be tried again")
            self._rest(queue, 1)
        finally:
            del self._busy[queue]
            if self._passed_over:
                self._wakeups.arrivals.set()

    async def _serve_in_order(self, queue: Queue) -> None:
        while True:
            looked_for = not queue.talk and queue.room_id in self._wakeups.unchecked
            if looked_for and not await self._look_at(queue.room_id):
                return
            async with self._turns.db.statement() as tx:
                batch = await inbox.waiting(tx, queue.room_id, BATCH, now=self._turns.now(), talk=queue.talk)
            for waiting in batch:
                if waiting.sealed and not self._reader.has_keys:
                    return  # this event and the next ones are for the process that has the keys
                if not await self._handle(waiting):
                    return
            if len(batch) < BATCH:
                return  # an event that came meanwhile has set the wake-up

    async def _look_at(self, room_id: str) -> bool:
        """Look at a room; false if it has to rest first, and then the look is repeated.

        After some failures, the look is left to the next round: the events of the room must not wait for it for ever.
        A silent homeserver does not count as such a failure.
        """
        self._wakeups.unchecked.discard(room_id)
        patient = self._looks.get(room_id, 0) + 1 < ATTEMPTS
        try:
            await self._look(self._context, room_id)
        except Never as error:
            log.warning("looking at %s: %s", room_id, in_words(error.why))
        except Later as error:
            log.info("looking at %s waits: %s", room_id, in_words(error.why))
            if patient or not error.is_failure:
                return self._look_again(room_id, error.retry_after)
        except Unusable:
            return self._look_again(room_id)
        except Exception:
            log.exception("looking at %s failed", room_id)
            if patient:
                return self._look_again(room_id)
        self._looks.pop(room_id, None)
        return True

    def _look_again(self, room_id: str, wish: float | None = None) -> bool:
        self._wakeups.unchecked.add(room_id)
        self._looks[room_id] = self._looks.get(room_id, 0) + 1
        self._rest(Queue(room_id), self._looks[room_id], wish)
        return False

    async def _handle(self, waiting: Waiting) -> bool:
        """Handle one arrival; false if the room has to rest first."""
        try:
            what = await self._reader.read(waiting, _event(waiting))
            handled = what.handled if isinstance(what, Unread) else await self._handled(what)
            await self._turns.end(waiting.seq, waiting.event_id, handled)
        except AlreadyHandled:
            log.debug("%s was handled elsewhere", waiting.event_id)
        except Later as error:
            return await self._failed(waiting, error, count=error.is_failure)
        except Unusable as error:
            return await self._failed(waiting, error, count=False)
        except KnockbotError as error:
            await self._set_aside(waiting, reason(error))
        except Exception as error:
            log.exception("handling %s failed", waiting.event_id)
            return await self._failed(waiting, error, count=True)
        return True

    async def _handled(self, what: Happening | None) -> Handled:
        handler = self._handlers.get(type(what))
        return await handler(self._context, what) if handler is not None else None

    async def _failed(self, waiting: Waiting, error: Exception, *, count: bool) -> bool:
        attempts = waiting.attempts + 1
        if count:
            async with self._turns.db.tx() as tx:
                attempts = await inbox.failed(tx, waiting.seq)
        foreseen = isinstance(error, KnockbotError)
        if count and attempts >= (ATTEMPTS if foreseen or not waiting.talk else ATTEMPTS_AT_TALK):
            await self._set_aside(waiting, reason(error))
            return True
        self._rest(waiting.queue, attempts, error.retry_after if isinstance(error, Later) else None)
        return False

    async def _set_aside(self, waiting: Waiting, fault: Notice) -> None:
        log.error("event %r in %r is set aside: %s", waiting.event_id, waiting.room_id, in_words(fault))
        said = await self._said_at_last(waiting)
        try:
            async with self._turns.open(waiting.event_id) as turn:
                await inbox.set_aside(turn.tx, waiting.seq, fault)
                if said is not None:
                    await said(turn)
        except Unusable:
            raise
        except Exception:  # to set it aside matters more than what is said about that
            log.exception("nobody could be told that %s is set aside", waiting.event_id)
            async with self._turns.db.tx() as tx:
                await inbox.set_aside(tx, waiting.seq, fault)

    async def _said_at_last(self, waiting: Waiting) -> Write[None] | None:
        """What to write when something is set aside; nothing where it cannot even be read."""
        try:
            what = await self._reader.read(waiting, _event(waiting))
            handler = self._gave_up.get(type(what))
            handled = await handler(self._context, what) if handler is not None else None
        except Unusable:
            raise
        except Exception as error:  # noqa: BLE001 - what failed before may fail again, whatever it is
            log.debug("nothing is said about %s: %r", waiting.event_id, error)
            return None
        return None if handled is WAITS else handled

    def _rest(self, queue: Queue, attempts: int, wish: float | None = None) -> None:
        pause = wish if wish is not None else min(backoff(attempts), 60.0)
        self._resting[queue] = self._turns.now() + round(pause * 1000)


def _event(waiting: Waiting) -> Mapping[str, Any]:
    try:
        event = nesting.read(waiting.raw)
    except ValueError as error:
        raise SetAside(because("event.not_readable")) from error  # the next attempt would fail too
    if not isinstance(event, dict):
        raise SetAside(because("event.no_event"))
    return event
