"""Long computations: done in a thread, one at a time, and each room has its share of that time.

A decision mostly takes microseconds and is made where it is asked for (`judging.py`). Where many patterns meet a long
text, or a long policy is compiled, everything else would wait for it. In a thread this does not happen: RE2 lets
other threads work while it matches.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from knockbot.domain.notices import because
from knockbot.errors import Busy

T = TypeVar("T")

AT_ONCE = 4.0
"""Seconds of CPU that one room may use at once."""

SHARE = 0.05
"""Seconds of CPU that it may use in each second after that: three in a minute."""

MOST_WAITING = 4
"""Rooms that wait for the thread; others come back later, so that they do not take the places of rooms that are quick
(`inbox.ROOMS_AT_ONCE`)."""

PAUSE = 1.0
"""Seconds after which such a room comes back."""


class Workbench:
    """The thread, and how much of its time each room has used recently."""

    def __init__(self, now: Callable[[], int], cpu: Callable[[], float] = time.thread_time) -> None:
        self._now = now
        self._cpu = cpu
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="workbench")
        self._waiting = 0
        self._used: dict[str, tuple[float, int]] = {}
        """Seconds used by each room, as of a moment."""

    async def work_out(self, room_id: str, work: Callable[[], T]) -> T:
        """What `work` returns; its time counts for a room. Raises `Busy` where that room has to wait."""
        used = self._used_by(room_id)
        if used >= AT_ONCE:
            raise Busy(
                because("busy.share"),
                retry_after=(used - AT_ONCE) / SHARE + PAUSE,
            )
        if self._waiting >= MOST_WAITING:
            raise Busy(because("busy.others"), retry_after=PAUSE)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._timed, room_id, work)
        finally:
            self._waiting -= 1

    def _timed(self, room_id: str, work: Callable[[], T]) -> T:
        began = self._cpu()
        try:
            return work()
        finally:
            self._used[room_id] = (self._used_by(room_id) + self._cpu() - began, self._now())

    def _used_by(self, room_id: str) -> float:
        seconds, at = self._used.get(room_id, (0.0, 0))
        return max(0.0, seconds - SHARE * (self._now() - at) / 1000)
