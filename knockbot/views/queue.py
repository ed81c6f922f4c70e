"""The queue: how many requests wait for moderators, and the jobs that are yet to be done."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.flow.context import Context
from knockbot.store import jobs, requests, rooms
from knockbot.store.jobs import Open


@dataclass(frozen=True, slots=True)
class Due:
    """A job that is yet to be done, and what its room is called; none for the management room itself."""

    job: Open
    label: str | None


@dataclass(frozen=True, slots=True)
class Queue:
    """What is pending in one management room and the rooms managed from there."""

    unanswered: int
    """Requests that wait for moderators."""
    jobs: tuple[Due, ...]
    """Soonest first."""


async def of_management_room(context: Context, management_room: str) -> Queue:
    """What is pending, due and failing there."""
    async with context.db.tx() as tx:
        labels = {room.room_id: room.label for room in await rooms.managed_by(tx, management_room)}
        waiting = [one for one in await requests.pending(tx, management_room) if one.room_id in labels]
        found = await jobs.open_for(tx, [*labels, management_room])
    due = tuple(Due(job, labels.get(job.room_id)) for job in found)
    return Queue(sum(request.awaits_moderators for request in waiting), due)
