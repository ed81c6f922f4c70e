"""Undo in chat: `undo`, of what somebody has answered last, or of requests by their numbers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from knockbot.chat.arguments import REQUESTS, optional
from knockbot.chat.calls import AWAITED, Answered, Call, Meant, Reply, requests_to_undo
from knockbot.chat.command import Command
from knockbot.domain import undoing
from knockbot.domain.batches import Batch, batch_of
from knockbot.domain.may import Deed
from knockbot.domain.model import Request, Step
from knockbot.domain.notices import Code, Notice, Numbered, Room, User, below, notice
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.features.undo import asking, looking, many, taking
from knockbot.features.undo.looking import Found, Wish
from knockbot.flow import authority
from knockbot.flow.authority import Wanted
from knockbot.store import batches, records, requests, rooms, undo_runs, votes
from knockbot.store.db import Tx


async def undo(call: Call, meant: Meant | None) -> Answered:
    """Undo the answers to these requests, or what its author has answered last; or take back their votes."""
    await authority.insist(call.context, Wanted(Deed.TAKE_BACK, call.actor, Room(call.room, call.room)))
    wish = Wish(call.actor, call.cause, own=meant is None)
    wanted: Sequence[Request | Refused]
    if meant is not None:
        wanted, before = meant.found, None
    else:
        own = await _own(call)
        if own.batch is not None:
            return _batch_undone(call, wish, own.batch)
        wanted, before = own.requests, own.before
    found = [await _looked_at(call, wish, one) for one in wanted]

    async def write(turn: Turn) -> Reply:
        held = [one if isinstance(one, Request) else one.request for one in found if not isinstance(one, Refused)]
        await requests.hold(turn.tx, [one.id for one in held])
        said = [await _undone(call, turn, wish, one) for one in found]
        kept = [one for one in dict.fromkeys(said) if one is not None]
        return below(*kept, before) if kept else AWAITED

    return write


@dataclass(frozen=True, slots=True)
class _Own:
    """What somebody did last about requests: answered them, voted on them, or undid that."""

    requests: Sequence[Request]
    batch: Batch | None
    """The batch by which they did it, if it was one of theirs."""
    before: Notice | None
    """Where they undid something: which answer they gave before that one."""


async def _own(call: Call) -> _Own:
    """What the author of a command did last, as far as the rooms are managed from here. Raises `Refused`."""
    async with call.context.db.tx() as tx:
        managed = {room.room_id for room in await rooms.managed_by(tx, call.room)}
        last = await records.last_answered_by(tx, call.actor, call.room)
        answered = [await requests.get(tx, one, held=False) for one in last.request_ids]
        theirs = [await _where_it_stands(tx, call, one) for one in answered if one.room_id in managed]
        batch = await _own_batch(tx, call, theirs, undone=last.undone)
        before = await _before(tx, call, managed, theirs) if last.undone and batch is None else None
    if not theirs:
        raise Refused(notice("undo.none"))
    return _Own(theirs, batch, before)


async def _before(tx: Tx, call: Call, managed: Collection[str], theirs: Sequence[Request]) -> Notice | None:
    """The answer of the same person before those that are undone already, if it still stands."""
    earlier = await records.answered_before(tx, call.actor, call.room)
    about, undone = await requests.several(tx, earlier), {one.id for one in theirs}
    for request in (about[one] for one in earlier):
        stands = request.answer is not None and request.answer.by == call.actor and request.undone is None
        recent = call.context.now() - undoing.given_at(request) <= undoing.LONGEST
        if stands and recent and request.id not in undone and request.room_id in managed and undoing.given(request):
            number, user, command = Numbered(request.number), User(request.subject), f"!kb undo {request.number}"
            return notice("undo.before", request=number, user=user, command=Code(command))
    return None


async def _where_it_stands(tx: Tx, call: Call, request: Request) -> Request:
    """The request on which their vote stands: the next one of the same applicant, if it went along."""
    newest = await requests.latest(tx, request.room_id, request.user_id, held=False) if request.user_id else None
    if newest is None or newest.id == request.id:
        return request
    given = (await votes.on(tx, [newest])).get(newest.id, [])
    went_along = any((vote.voter, vote.from_number) == (call.actor, request.number) for vote in given)
    return newest if went_along else request


async def _own_batch(tx: Tx, call: Call, theirs: Sequence[Request], *, undone: bool) -> Batch | None:
    """The batch that gave these answers or votes, if the author of the command has begun it; or that they have undone
    already."""
    if undone:
        batch_id = await undo_runs.that_tried(tx, call.actor, [one.id for one in theirs]) if theirs else None
        return await batches.find(tx, batch_id) if batch_id is not None else None
    given = await votes.on(tx, [one for one in theirs if one.awaits_moderators])
    causes = [one.answer.cause for one in theirs if one.answer is not None]
    causes += [vote.cause for found in given.values() for vote in found if vote.voter == call.actor]
    batch_id = next((found for cause in causes if (found := batch_of(cause)) is not None), None)
    batch = await batches.find(tx, batch_id) if batch_id is not None else None
    return batch if batch is not None and batch.given_by == call.actor else None


def _batch_undone(call: Call, wish: Wish, batch: Batch) -> Write[Reply]:
    async def write(turn: Turn) -> Reply:
        return await many.begin(call.context, turn, wish, batch)

    return write


async def _looked_at(call: Call, wish: Wish, one: Request | Refused) -> Found | Request | Refused:
    """How an answer can be undone; the request itself where it has none, and may have a vote."""
    if isinstance(one, Refused) or one.awaits_moderators:
        return one
    try:
        return await looking.look(call.context, wish, one)
    except Refused as refused:
        return refused


async def _undone(call: Call, turn: Turn, wish: Wish, one: Found | Request | Refused) -> Notice | None:
    """What is said of one of them; nothing where a question says it."""
    if isinstance(one, Refused):
        return one.said
    try:
        if isinstance(one, Request):
            return await taking.take_back(call.context, turn, wish, one)
        if one.step is Step.REMOVE:
            await asking.ask(call.context, turn, wish, one)
            return None
        return await taking.take(call.context, turn, wish, one)
    except Refused as refused:
        return refused.said


ANSWERED = optional(replace(REQUESTS, read=requests_to_undo))
"""The requests whose answers are to be undone."""

COMMANDS = (Command("undo", (ANSWERED,), undo, Deed.TAKE_BACK),)
