"""The queue: how many requests wait for moderators, and the jobs that are yet to be done."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.domain.batches import Batch, Stage
from knockbot.flow.context import Context
from knockbot.store import batches, jobs, rooms, undo_runs, votes, waiting, waves
from knockbot.store.jobs import Open
from knockbot.store.undo_runs import UnderWay
from knockbot.store.waves import Wave


@dataclass(frozen=True, slots=True)
class Due:
    """A job that is yet to be done, and what its room is called; none for the management room itself."""

    job: Open
    label: str | None


@dataclass(frozen=True, slots=True)
class Running:
    """A batch that is running, and how many of its requests have their outcome."""

    batch: Batch
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Queue:
    """What is pending in one management room and the rooms managed from there."""

    unanswered: int
    """Requests that wait for moderators."""
    jobs: tuple[Due, ...]
    """Soonest first."""
    batches: tuple[Running, ...] = ()
    """Oldest first."""
    undone: tuple[UnderWay, ...] = ()
    """Batches that are being undone, oldest first."""
    waves: tuple[tuple[Wave, str], ...] = ()
    """The waves that go on at its rooms, each with what the room is called."""
    voted: int = 0
    """Those of the unanswered requests that were voted on."""


async def of_management_room(context: Context, management_room: str) -> Queue:
    """What is pending, due and failing there."""
    async with context.db.tx() as tx:
        labels = {room.room_id: room.label for room in await rooms.managed_by(tx, management_room)}
        now = context.now()
        unanswered = [len(await waiting.at(tx, room_id, management_room, now)) for room_id in labels]
        found = await jobs.open_for(tx, [*labels, management_room])
        running = [one for one in await batches.open_in(tx, management_room) if one.stage is Stage.RUNNING]
        counted = [(one, await batches.counts(tx, one.id)) for one in running]
        undone = await undo_runs.under_way(tx, management_room)
        voted = await votes.count_waiting(tx, management_room, now)
        going_on = await waves.at_any(tx, [*labels])
    due = tuple(Due(job, labels.get(job.room_id)) for job in found)
    return Queue(
        sum(unanswered),
        due,
        tuple(Running(one, *count) for one, count in counted),
        tuple(undone),
        tuple((wave, labels[room_id]) for room_id, wave in going_on.items()),
        voted,
    )
