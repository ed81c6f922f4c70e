"""Forgetting: what is kept only for a time is deleted after that time, by one hourly timer for each kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from knockbot.engine.timers import TimerKind
from knockbot.engine.turn import Turn, Write
from knockbot.flow.context import Context
from knockbot.store import inbox, jobs, messages
from knockbot.store.timers import Timer
from knockbot.times import HOUR


async def _arrivals(_: Context, turn: Turn) -> None:
    await inbox.forget_old(turn.tx, turn.now)


async def _ended_jobs(_: Context, turn: Turn) -> None:
    await jobs.forget_ended(turn.tx, turn.now - jobs.KEPT)


async def _messages(_: Context, turn: Turn) -> None:
    await messages.forget_old(turn.tx, turn.now - messages.KEPT)


def hourly(write: Callable[[Context, Turn], Awaitable[None]]) -> TimerKind[Context]:
    """A kind of timer that writes something each hour, and reads nothing before."""

    async def rings(context: Context, _: Timer) -> Write[None]:
        return lambda turn: write(context, turn)

    return TimerKind(rings, every=HOUR)


FORGETTING = {
    "forget_arrivals": hourly(_arrivals),
    "forget_ended_jobs": hourly(_ended_jobs),
    "forget_messages": hourly(_messages),
}
"""What the flow itself deletes."""
