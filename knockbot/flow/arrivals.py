"""The inbox at work: rooms side by side, the events of one room in order, each handled once.

A room has two turns: its door, and what is said in it. Each is in order, and neither waits for the other.

What cannot be handled is set aside and reported; it never stops the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from knockbot.documents.text import storable
from knockbot.domain import nesting
from knockbot.domain.model import Happening, Message
from knockbot.errors import KnockbotError, Later, Never
from knockbot.flow.door import Door, Overrun, log
from knockbot.flow.sealed import Keys, NoKeys, read
from knockbot.flow.worker import backoff
from knockbot.store import inbox, processes
from knockbot.store.db import Unusable
from knockbot.store.inbox import Turn, Waiting

ROOMS_AT_ONCE = 20
TALKS_AT_ONCE = 10
"""Rooms in which something is done at once at the door, and with what is said. Who talks holds up no door, nor does
who waits for another server hold a place (`flow/elsewhere.py`)."""
ATTEMPTS = 8
"""Failures of one event, other than a silent homeserver, after which it is set aside: some minutes of back-off."""

ELSEWHERE = 1.0
"""Seconds to leave a room alone that another process is busy with."""

Handler = Callable[[Any, int], Awaitable[None]]


class Arrivals:
    """Hands each arrival to its handler, room by room, and looks at rooms that are due for it, until stopped."""

    def __init__(
        self,
        door: Door,
        parse: Callable[[Mapping[str, Any], str], Happening | None],
        handlers: Mapping[type[Any], Handler],
        look: Callable[[str], Awaitable[None]],
        keys: Keys | None = None,
    ) -> None:
        self._door = door
        self._parse = parse
        self._handlers = handlers
        self._look = look
        self._keys: Keys = keys or NoKeys()
        self._busy: dict[Turn, asyncio.Task[None]] = {}
        self._resting: dict[Turn, int] = {}
        self._looks: dict[str, int] = {}

    async def run(self) -> None:
        """Work until cancelled; rooms in the middle of something are left for `drain`."""
        while True:
            self._door.bells.arrivals.clear()
            await self._start_rooms()
            try:
                async with asyncio.timeout(1.0):
                    await self._door.bells.arrivals.wait()
            except TimeoutError:
                pass  # another process may have stored something, or a room has rested enough

    async def drain(self, seconds: float) -> None:
        """Let rooms finish the event they are at, for at most so many seconds."""
        tasks = list(self._busy.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    async def _start_rooms(self) -> None:
        if not self._free(talk=False) and not self._free(talk=True):
            return  # the first of them that is done rings again
        now = self._door.now()
        async with self._door.db.statement() as tx:
            waiting = await inbox.turns_waiting(tx, now, keys=self._keys.here)
        looks = (Turn(room_id) for room_id in self._door.bells.unchecked)
        for turn in dict.fromkeys([*waiting, *looks]):
            if self._free(talk=turn.talk) and turn not in self._busy and self._resting.get(turn, 0) <= now:
                self._busy[turn] = asyncio.create_task(self._serve(turn))

    def _free(self, *, talk: bool) -> bool:
        """Whether one more turn of this kind may begin; those that wait for other servers take no place."""
        elsewhere = self._door.elsewhere.waiting
        busy = sum(turn.talk is talk and task not in elsewhere for turn, task in self._busy.items())
        return busy < (TALKS_AT_ONCE if talk else ROOMS_AT_ONCE)

    async def _serve(self, turn: Turn) -> None:
        """Handle what waits in one room, for as long as this process holds its lease."""
        lease = f"{'talk' if turn.talk else 'room'} {turn.room_id}"
        try:
            if await processes.lease(self._door.db, lease):
                try:
                    await self._serve_in_order(turn)
                finally:
                    await processes.release(self._door.db, lease)
            else:
                self._rest(turn, 1, ELSEWHERE)
        except Unusable:
            self._rest(turn, 1)
        except Exception:
            log.exception("serving a room failed; it will be tried again")
            self._rest(turn, 1)
        finally:
            del self._busy[turn]
            self._door.bells.arrivals.set()

    async def _serve_in_order(self, turn: Turn) -> None:
        while True:
            looked_for = not turn.talk and turn.room_id in self._door.bells.unchecked
            if looked_for and not await self._look_at(turn.room_id):
                return
            async with self._door.db.statement() as tx:
                batch = await inbox.waiting(tx, turn.room_id, now=self._door.now(), talk=turn.talk)
            for waiting in batch:
                if waiting.sealed and not self._keys.here:
                    return  # this and what follows is for the process that has the keys
                if not await self._handle(waiting):
                    return
            if not batch:
                return

    async def _look_at(self, room_id: str) -> bool:
        """Look at a room; false if it has to rest first, and is then looked at again.

        After some failures, other than a silent homeserver, that is left to the next round: the room's events must not
        wait for it for ever.
        """
        self._door.bells.unchecked.discard(room_id)
        patient = self._looks.get(room_id, 0) + 1 < ATTEMPTS
        try:
            await self._look(room_id)
        except Never as error:
            log.warning("looking at %s: %s", room_id, error.why)
        except Later as error:
            log.info("looking at %s waits: %s", room_id, error.why)
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
        self._door.bells.unchecked.add(room_id)
        self._looks[room_id] = self._looks.get(room_id, 0) + 1
        self._rest(Turn(room_id), self._looks[room_id], wish)
        return False

    async def _handle(self, waiting: Waiting) -> bool:
        """Handle one arrival; false if the room has to rest first."""
        try:
            event: Mapping[str, Any] = _event(waiting)
            opened = await read(self._door, self._keys, waiting, event) if waiting.sealed else None
            if waiting.sealed and opened is None:
                return True
            said = opened.event if opened else event
            happening = self._parse(_on_our_clock(said, event, waiting.received_at), self._door.bot)
            if opened is not None and isinstance(happening, Message):
                happening = replace(happening, verified=opened.verified)
            handler = self._handlers.get(type(happening))
            if handler is not None:
                await handler(happening, waiting.seq)
            else:
                async with self._door.closing(waiting.seq):
                    pass
        except Overrun:
            log.debug("%s was handled elsewhere", waiting.event_id)
        except Later as error:
            return await self._failed(waiting, error, count=error.is_failure)
        except Unusable as error:
            return await self._failed(waiting, error, count=False)
        except KnockbotError as error:
            await self._set_aside(waiting, str(error))
        except Exception as error:
            log.exception("handling %s failed", waiting.event_id)
            return await self._failed(waiting, error, count=True)
        return True

    async def _failed(self, waiting: Waiting, error: Exception, *, count: bool) -> bool:
        attempts = waiting.attempts + 1
        if count:
            async with self._door.db.tx() as tx:
                attempts = await inbox.failed(tx, waiting.seq)
        if count and attempts >= ATTEMPTS:
            await self._set_aside(waiting, str(error) or type(error).__name__)
            return True
        self._rest(waiting.turn, attempts, error.retry_after if isinstance(error, Later) else None)
        return False

    async def _set_aside(self, waiting: Waiting, fault: str) -> None:
        log.error("event %r in %r is set aside: %s", waiting.event_id, waiting.room_id, fault)
        async with self._door.db.tx() as tx:
            await inbox.set_aside(tx, waiting.seq, storable(fault))

    def _rest(self, turn: Turn, attempts: int, wish: float | None = None) -> None:
        pause = wish if wish is not None else min(backoff(attempts), 60.0)
        self._resting[turn] = self._door.now() + round(pause * 1000)


def _event(waiting: Waiting) -> Mapping[str, Any]:
    try:
        event = nesting.read(waiting.raw)
    except ValueError as error:
        raise KnockbotError("not readable") from error  # nor will it be the next time
    if not isinstance(event, dict):
        raise KnockbotError("not an event")
    return event


def _on_our_clock(event: Mapping[str, Any], arrived: Mapping[str, Any], received_at: int) -> Mapping[str, Any]:
    """The event with the time at which it was sent by this machine's clock, where the homeserver tells its age.

    The age is by the homeserver's clock alone, and what follows by ours alone: so the two may be apart.
    """
    unsigned = arrived.get("unsigned")
    age = unsigned.get("age") if isinstance(unsigned, dict) else None
    if isinstance(age, bool) or not isinstance(age, int) or age > received_at:
        return event
    return {**event, "origin_server_ts": received_at - max(age, 0)}
