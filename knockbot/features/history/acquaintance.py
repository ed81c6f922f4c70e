"""Since when somebody is known in the rooms managed from one place: their first knock or join there is noted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knockbot.domain.model import Facts, MemberChange, Membership
from knockbot.engine.turn import Turn, Write
from knockbot.flow.asking import Asked
from knockbot.flow.context import Context
from knockbot.store import seen
from knockbot.times import DAY

KEPT = 365 * DAY
"""Milliseconds after which somebody whom nobody has seen any more is a stranger again."""


async def joined(context: Context, change: MemberChange) -> Write[None] | None:
    """Note who joins a protected room, once a day at most: most events of a busy room are joins."""
    if change.membership is not Membership.JOIN:
        return None
    async with context.db.tx() as tx:
        if not await seen.is_news(tx, change.room_id, change.user_id, context.now()):
            return None

    async def write(turn: Turn) -> None:
        await seen.note(turn.tx, change.room_id, change.user_id, turn.now)

    return write


async def knocked(turn: Turn, change: MemberChange) -> None:
    """Note who knocks, at the time of this machine: theirs could be of long ago."""
    await seen.note(turn.tx, change.room_id, change.user_id, turn.now)


async def first_seen(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """How long ago the applicant was first seen."""
    async with asked.context.db.tx() as tx:
        first = await seen.first(tx, asked.knock.room_id, asked.knock.user_id)
    now = asked.context.now()
    return replace(facts, first_seen=max(0, now - first) if first is not None else 0)


async def forget(_: Context, turn: Turn) -> None:
    """Forget whom nobody has seen for long."""
    await seen.forget_old(turn.tx, turn.now - KEPT)
