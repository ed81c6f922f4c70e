"""The rooms of a space are protected one after the other: a job for each, with the rights of whoever asked for it.

Each room takes what `protect` by hand takes. What is missing is noted with its mend,
and told when the last one is done (docs/decisions/0033).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from knockbot.domain import plan
from knockbot.domain.ids import RoomReference
from knockbot.domain.jobs import Act, Job, Protect
from knockbot.domain.notices import Code, Id, Notice, Room, User, because, notice
from knockbot.domain.spaces import SpaceRoom, Stage
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Done, Outcome, Overtaken
from knockbot.errors import Never, Refused
from knockbot.features.spaces import telling
from knockbot.flow import protecting
from knockbot.flow.context import Context
from knockbot.flow.protecting import Ask, Grant
from knockbot.flow.rooms import is_in
from knockbot.flow.tables import Doing
from knockbot.store import inbox, jobs, rooms, spaces
from knockbot.store.db import Tx
from knockbot.store.jobs import Claimed
from knockbot.store.rooms import ProtectedRoom

NOT_ASKED = because("overtaken.not_asked")


@dataclass(frozen=True, slots=True)
class Looked(Done):
    """What came of a look at a room: it can be protected, or something is missing."""

    grant: Grant | None = None
    missing: Notice | None = None


SOON = 5_000
"""Milliseconds to wait when something was mended: what is mended in several rooms is told together."""


FIRST = 10
"""Rooms of a space that are looked at without a pause: most spaces have no more."""

STEP = 1_000
"""Milliseconds from one room to the next after these, while other work waits. A room takes the homeserver some twenty
requests, so without a pause the knocks at all other rooms would wait several times as long (docs/performance.md)."""


async def have_protected(
    turn: Turn, found: Sequence[SpaceRoom], occasion: str, *, by: str, cause: str, prompt_id: int | None = None
) -> None:
    """Have these rooms of a space protected for somebody, each once for an occasion; the reply is to `cause`.

    The question `prompt_id` stays open for those that they may not have protected.
    """
    before = await spaces.count_due(turn.tx, found[0].space) if found else 0
    for place, room in enumerate(found, start=before):
        due = replace(room, stage=Stage.DUE, asked_by=by, cause=cause, why=None, prompt_id=prompt_id, told=False)
        await spaces.put(turn.tx, due)
        due_at = turn.now + STEP * max(0, place + 1 - FIRST)
        await turn.plan(plan.protect(room.space, room.room_id, occasion), due_at=due_at)


async def try_again(turn: Turn, room: SpaceRoom, occasion: str) -> None:
    """Look again at a room, for whoever asked for it: what was missing may be there now. If not, that is no news."""
    await spaces.put(turn.tx, replace(room, stage=Stage.DUE))
    await turn.plan(plan.protect(room.space, room.room_id, occasion), due_at=turn.now + SOON)


# --- the job --------------------------------------------------------------------------------------------------


async def protect(context: Context, claimed: Claimed[Protect]) -> Outcome:
    """Look whether a room of a space can be protected; the bot joins only what its own homeserver knows."""
    space, room_id = claimed.job.payload.space, claimed.job.room_id
    async with context.db.tx() as tx:
        room, above = await spaces.find(tx, space, room_id), await rooms.find(tx, space)
        known, ours = await rooms.find(tx, room_id), await spaces.is_ours(tx, room_id)
    if room is None or room.stage is not Stage.DUE or room.asked_by is None or above is None:
        return Overtaken(NOT_ASKED)
    unseen = _unseen(context, room_id)
    if known is not None and known.management_room != above.management_room:
        return Looked(missing=unseen)  # it says no more than of a room that nobody knows
    joined = not await is_in(context, room_id)
    if joined and not (ours and await _gets_in(context, room_id)):
        return Looked(missing=unseen)
    ask = Ask(room.asked_by, above.management_room, RoomReference(room_id), room.cause or "")
    looked = await _looked(context, ask, room_id, unseen)
    if joined and looked.missing == unseen:
        await protecting.leave_unless_needed(context, room_id)
    return looked


def _unseen(context: Context, room_id: str) -> Notice:
    """A room cannot be protected. The text is the same, no matter who is in that room, and who else protects it."""
    return notice("space.unseen", room=Id(room_id), bot=User(context.bot), command=Code(f"!kb protect {room_id}"))


async def _gets_in(context: Context, room_id: str) -> bool:
    """Whether the bot could join a room that is open to it. No other server is named, so that none is asked."""
    try:
        await context.acts.join(room_id)
    except Never:
        return False
    return True


async def _looked(context: Context, ask: Ask, room_id: str, unseen: Notice) -> Looked:
    try:
        grant = await protecting.protect_in_it(context, ask, room_id, unseen)
    except Refused as refused:
        return Looked(missing=refused.said)
    except Never:
        return Looked(missing=unseen)  # the bot was removed meanwhile
    if grant.trouble is not None:
        room = Room(room_id, grant.view.label)
        return Looked(missing=notice("space.powerless", room=room, why=grant.trouble, bot=User(context.bot)))
    return Looked(grant=grant)


async def ended(context: Context, turn: Turn, job: Job[Protect], came: Outcome) -> None:
    """Protect the room, or note what is missing; the last one has the result told."""
    room = await _still_due(turn, job)
    if room is None or not isinstance(came, Looked):
        return
    above = await rooms.find(turn.tx, room.space)
    if came.grant is not None and above is not None and _is_from_there(came.grant, above):
        await came.grant.write(context, turn)
    else:
        told = room.why is not None and room.why == came.missing
        await spaces.put(turn.tx, replace(room, stage=Stage.MISSING, why=came.missing, told=told))
    await telling.tell_if_done(context, turn, room.space)
    await jobs.hurry(turn.tx, job.lane.name, turn.now + STEP)


def _is_from_there(grant: Grant, above: ProtectedRoom) -> bool:
    """Whether the space is still managed from where the room was asked for."""
    return grant.ask.management_room == above.management_room


async def refused(context: Context, turn: Turn, job: Job[Protect], error: Never) -> None:
    """It cannot be looked at."""
    room = await _still_due(turn, job)
    if room is not None:
        missing = notice("space.failed", room=Id(job.room_id), why=error.why)
        await spaces.put(turn.tx, replace(room, stage=Stage.MISSING, why=missing))
        await telling.tell_if_done(context, turn, room.space)
        await jobs.hurry(turn.tx, job.lane.name, turn.now + STEP)


async def go_on(context: Context, room_id: str) -> None:
    """A room was looked at after it was protected: the next one of its space follows at once, unless other work waits.

    Otherwise it follows after its pause.
    """
    async with context.db.tx() as tx:
        mine = [room for room in await spaces.of_room(tx, room_id) if room.stage is Stage.PROTECTED]
        due = [room.space for room in mine if await spaces.count_due(tx, room.space)]
        if not due or await _others_wait(context, tx, room_id):
            return
        for space in due:
            await jobs.hurry(tx, plan.protect(space, room_id, "").lane.name, context.now())
    context.wakeups.jobs.set()


async def _others_wait(context: Context, tx: Tx, room_id: str) -> bool:
    """Whether anything is to be handled or done just now, besides what this room has and the rooms of spaces."""
    queues = await inbox.queues_waiting(tx, context.now())
    return any(queue.room_id != room_id for queue in queues) or await jobs.are_at_work(
        tx, context.now(), besides=Act.PROTECT
    )


async def _still_due(turn: Turn, job: Job[Protect]) -> SpaceRoom | None:
    if not await spaces.hold(turn.tx, job.payload.space):
        return None
    room = await spaces.find(turn.tx, job.payload.space, job.room_id)
    return room if room is not None and room.stage is Stage.DUE else None


ACTS: Mapping[Act, Doing] = {Act.PROTECT: Doing(protect, ended=ended, refused=refused)}
