"""What only another server can say or do: a few questions at a time, which keep no place that others wait for.

To ask a dead server for an alias, or for a room that lives there, takes half a minute. So there are these limits. A
handler that waits gives its place in `engine/inbox.py` away meanwhile. One server gets few questions at a time. A
server that did not answer gets none for a while. One person has a limit of questions a minute.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeVar

from knockbot.domain.ids import server_of
from knockbot.domain.model import IdentityKey, Known, ThirdPartyInvite
from knockbot.domain.notices import Duration, Letters, Number, because, notice
from knockbot.errors import Later, Refused
from knockbot.times import HOUR, MINUTE

AT_ONCE: Final = 12
"""Questions under way in all."""
PER_SERVER: Final = 2
"""Questions under way to one server."""
PER_PERSON: Final = 2
"""Questions under way for one person; their other questions wait, in the turn of their own room."""
A_MINUTE: Final = 10
"""Questions that one person may have asked within a minute."""
PATIENCE: Final = 60.0
"""Seconds to wait for one's turn."""
SILENCE: Final = MINUTE
"""Milliseconds for which a server that gave no answer is not asked again."""
FRESH: Final = MINUTE
"""Milliseconds for which what an alias means is remembered."""
VOUCHING: Final = 4
"""Third-party invites that the bot asks identity servers about at the same time."""
ASKED_ABOUT: Final = 20
"""Third-party invites of one inviter that the bot asks identity servers about within an hour."""
KEPT: Final = 2000
"""Aliases and servers that are remembered."""

T = TypeVar("T")

Found = tuple[str, tuple[str, ...]]
"""A room, and servers to reach it by."""


class TooMany(Refused):
    """One person has asked other servers too often; `at` is when they may ask again (milliseconds)."""

    def __init__(self, at: int, now: int) -> None:
        wait = Duration(-(-max(1, at - now) // 1000) * 1000)
        super().__init__(notice("meant.too_many_questions", count=Number(A_MINUTE), time=wait))
        self.at = at


class Resolves(Protocol):
    """The part of the homeserver that knows aliases."""

    async def resolve(self, alias: str) -> Found:
        """The room an alias means now, and servers to reach it by."""


@dataclass(slots=True)
class _Queue:
    places: asyncio.Semaphore
    users: int = 0


@dataclass
class Elsewhere:
    """The questions of one process to other servers. Its memory is lost with the process."""

    now: Callable[[], int]
    ring: Callable[[], None]
    """Signals that a place was given away, or taken again."""
    home: str
    waiting: set[asyncio.Task[Any]] = field(default_factory=set)
    """Tasks that wait for other servers; meanwhile they hold no place."""
    _known: dict[str, tuple[int, Found]] = field(default_factory=dict)
    _silent: dict[str, int] = field(default_factory=dict)
    _asked: dict[str, deque[int]] = field(default_factory=dict)
    _inviters: dict[str, deque[int]] = field(default_factory=dict)
    _queues: dict[str, _Queue] = field(default_factory=dict)
    _errands: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    _vouched: dict[str, tuple[int, Known]] = field(default_factory=dict)
    _asked_about: dict[str, ThirdPartyInvite] = field(default_factory=dict)
    _then: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)

    async def resolve(self, homeserver: Resolves, alias: str, by: str | None = None, *, afresh: bool = False) -> Found:
        """The room an alias means, asked for `by` somebody. Raises `ActionError`, and `TooMany`.

        Our own server knows its aliases, and asking for them has no limit. `afresh` uses nothing that is remembered.
        """
        server = server_of(alias)
        if server == self.home:
            return await homeserver.resolve(alias)
        if afresh:
            self._known.pop(alias, None)
        known = self._remembered(alias)
        if known is not None:
            return known
        async with self.asking(server, by):
            known = self._remembered(alias)  # perhaps the question before ours was the same
            if known is None:
                known = await homeserver.resolve(alias)
                _keep(self._known, alias, (self.now() + FRESH, known))
        return known

    def _remembered(self, alias: str) -> Found | None:
        until, found = self._known.get(alias, (0, None))
        return found if until > self.now() else None

    @asynccontextmanager
    async def asking(self, server: str, by: str | None = None) -> AsyncIterator[None]:
        """One question to a server, for one person. Raises `Later` where it was silent a moment ago, and `TooMany`."""
        self._listen(server)
        if server in (self.home, ""):
            by = None  # questions to our own server do not count
        possible_at = _count(self._asked, by, self.now(), most=A_MINUTE, within=MINUTE) if by is not None else None
        if possible_at is not None:
            raise TooMany(possible_at, self.now())
        places = [(f"by {by}", PER_PERSON)] if by is not None else []
        async with AsyncExitStack() as stack:
            stack.enter_context(self.without_a_place())
            try:
                async with asyncio.timeout(PATIENCE):
                    for name, most in [*places, (f"to {server}", PER_SERVER), ("", AT_ONCE)]:
                        await stack.enter_async_context(self._place(name, most))
            except TimeoutError:
                raise Later(because("server.many_wait", server=Letters(server))) from None
            self._listen(server)
            try:
                yield
            except Later as error:
                if not error.unreachable and server not in (self.home, ""):
                    _keep(self._silent, server, self.now() + SILENCE)
                raise

    def _listen(self, server: str) -> None:
        if self._silent.get(server, 0) > self.now():
            raise Later(because("server.silent", server=Letters(server)))

    def may_ask_about(self, inviter: str) -> bool:
        """Whether identity servers may be asked about one more invite of somebody; if so it is counted."""
        return _count(self._inviters, inviter, self.now(), most=ASKED_ABOUT, within=HOUR) is None

    @contextmanager
    def without_a_place(self) -> Iterator[None]:
        """Give the caller's place to somebody else while the caller waits for other servers."""
        task = asyncio.current_task()
        assert task is not None
        self.waiting.add(task)
        self.ring()
        try:
            yield
        finally:
            self.waiting.discard(task)

    @asynccontextmanager
    async def _place(self, name: str, most: int) -> AsyncIterator[None]:
        queue = self._queues.setdefault(name, _Queue(asyncio.Semaphore(most)))
        queue.users += 1
        try:
            async with queue.places:
                yield
        finally:
            queue.users -= 1
            if not queue.users:
                del self._queues[name]

    # --- outside of all turns ---------------------------------------------------------------------------------

    def meanwhile(self, name: str, act: Callable[[], Coroutine[None, None, None]], then: Callable[[], None]) -> bool:
        """Whether `act` has ended. This starts it where it is not under way, and calls `then` at its end.

        This raises what `act` raised. After a restart `act` starts again, so it must be safe to do twice.
        """
        errand = self._errands.get(name)
        if errand is None:
            self._errands[name] = errand = asyncio.create_task(act())
            errand.add_done_callback(lambda _: then())
            return False
        if not errand.done():
            return False
        del self._errands[name]
        errand.result()
        return True

    async def result_of(self, name: str, act: Callable[[], Coroutine[None, None, T]], *, patience: float) -> T | None:
        """What `act` returned; `None` while it is under way for longer than so many seconds.

        This starts it where it is not under way, and raises what it raised. After a restart it starts again.
        """
        errand: asyncio.Task[T] | None = self._errands.get(name)
        if errand is None:
            self._errands[name] = errand = asyncio.create_task(act())
        await asyncio.wait([errand], timeout=patience)
        if not errand.done():
            return None
        del self._errands[name]
        return errand.result()

    def ask_about(self, invite: ThirdPartyInvite, vouch: Callable[[Sequence[IdentityKey]], Awaitable[Known]]) -> None:
        """Start to ask the identity servers whether the keys of an invite are valid, unless that is under way."""

        async def ask() -> None:
            try:
                async with self._place("to identity servers", VOUCHING):
                    known = await vouch(invite.keys)
                _keep(self._vouched, invite.event_id, (self.now() + FRESH, known))
                if invite.event_id in self._then:
                    await self._then[invite.event_id]()
            finally:
                del self._asked_about[invite.event_id]
                self._then.pop(invite.event_id, None)

        if invite.event_id not in self._asked_about:
            self._asked_about[invite.event_id] = invite
            self._errands[f"keys of {invite.event_id}"] = errand = asyncio.create_task(ask())
            errand.add_done_callback(lambda _: self._errands.pop(f"keys of {invite.event_id}", None))

    def after_that(self, event_id: str, then: Callable[[], Awaitable[None]]) -> None:
        """Set what to do once the identity servers have answered about this invite; the question is under way."""
        self._then[event_id] = then

    def is_asked_about(self, event_id: str) -> bool:
        """Whether the identity servers are being asked about this invite."""
        return event_id in self._asked_about

    def are_asked_about(self, room_id: str, token: str) -> bool:
        """Whether the identity servers are being asked about any invite under this token."""
        return any((invite.room_id, invite.token) == (room_id, token) for invite in self._asked_about.values())

    def vouched(self, event_id: str) -> Known | None:
        """What the identity servers said a moment ago about the keys of a third-party invite."""
        until, known = self._vouched.get(event_id, (0, None))
        return known if until > self.now() else None

    @property
    def under_way(self) -> list[asyncio.Task[Any]]:
        """The tasks that run outside of all turns."""
        return [errand for errand in self._errands.values() if not errand.done()]

    async def close(self) -> None:
        """Cancel what is under way: it starts again after the next start."""
        for errand in self.under_way:
            errand.cancel()
        await asyncio.gather(*self._errands.values(), return_exceptions=True)
        self._errands.clear()


def _keep(kept: dict[str, T], name: str, value: T) -> None:
    """Remember a value, and forget the oldest ones where there are too many."""
    kept[name] = value
    if len(kept) > KEPT:
        del kept[next(iter(kept))]


def _count(counted: dict[str, deque[int]], who: str, now: int, *, most: int, within: int) -> int | None:
    """Count one more question of somebody; after `most` questions `within` that time, return when one is possible."""
    asked = counted.pop(who, deque(maxlen=most))
    possible_at = asked[0] + within if len(asked) == most else now
    if possible_at <= now:
        asked.append(now)
    _keep(counted, who, asked)
    return possible_at if possible_at > now else None
