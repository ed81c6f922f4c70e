"""Policies as they were written: the one in force, an older one, and who changed them when."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.domain.notices import Notice
from knockbot.flow import names, rules
from knockbot.flow.context import Context
from knockbot.store import pins, policies
from knockbot.store.policies import Revision


@dataclass(frozen=True, slots=True)
class Written:
    """A policy as a document."""

    source: Notice
    """Where it comes from, and who wrote it."""
    text: str
    named: tuple[Notice, ...]
    """The room that each name in it means."""
    dry_run: bool = False
    """Whether it is in force, and does nothing by itself."""


async def in_force(context: Context, room_id: str, *, at_expense_of: str) -> Written:
    """The policy in force in a protected room, looked up for somebody in another one."""
    compiled = await rules.look_up(context, room_id, at_expense_of=at_expense_of)
    async with context.db.tx() as tx:
        found = await rules.written(context, tx, room_id)
        return Written(
            found.source, found.text, tuple(await names.of_policies(tx, compiled.layers)), compiled.policy.dry_run
        )


async def revision(context: Context, room_id: str, number: int) -> Written | None:
    """A policy that was in force, by its number; none if there never was one with that number."""
    async with context.db.tx() as tx:
        old = await policies.revision(tx, room_id, number)
        meant = await pins.at(tx, pins.of_revision(room_id, number))
    if old is None:
        return None
    return Written(
        rules.source(old), old.text, tuple(names.means(pin.name, pin.room_id, None) for pin in meant.values())
    )


async def revisions(context: Context, room_id: str, most: int) -> tuple[Revision, ...]:
    """Who changed the policy of a room, and when; newest first."""
    async with context.db.tx() as tx:
        return tuple(await policies.revisions(tx, room_id, most))
