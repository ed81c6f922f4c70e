"""A batch is undone: answer by answer, a few at a time, each with the rights that whoever wants it has at that moment.

Nobody who has joined is removed by that: the summary names them. What is undone is on record with the answers
themselves, so after a restart it goes on with the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from knockbot.domain import undoing
from knockbot.domain.batches import Batch, Stage
from knockbot.domain.model import Request, Step
from knockbot.domain.notices import Code, Notice, Number, Numbered, User, below, notice, numbered
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never, Refused
from knockbot.features.undo.looking import Found, Wish, credited, look
from knockbot.features.undo.taking import take, take_back
from knockbot.flow import refusals, saying
from knockbot.flow.context import Context
from knockbot.flow.saying import Audience
from knockbot.store import batches, requests, undo_runs, votes
from knockbot.store.timers import Timer
from knockbot.store.undo_runs import UndoRun

AT_ONCE: Final = 4
"""Answers that one step undoes."""

PAUSE: Final = 250
"""Milliseconds between two steps, in which the answers of people and new knocks come first."""

NAMED: Final = 10
"""Reasons why answers are not undone that the summary names."""

OF_ONE: Final = frozenset({"request", "user", "command", "newer", "when"})
"""The arguments of a reason that are about its request; what has the others in common is said once."""

BATCH: Final = "undo_batch"
"""Its row in `product.py:TIMERS`."""


async def begin(context: Context, turn: Turn, wish: Wish, batch: Batch) -> Notice:
    """Begin to undo a batch; returns what is said of it. Raises `Refused`."""
    number = Number(batch.number)
    if batch.stage is Stage.RUNNING:
        raise Refused(notice("undo.batch_running", batch=number))
    run = UndoRun(batch.id, wish.actor, wish.cause)
    begun = await undo_runs.begin(turn.tx, run)
    if begun is None:
        return await _again(context, turn, run, batch)
    answers, votes_given = begun
    await undo_runs.also(turn.tx, batch.id, await votes.waiting_on(turn.tx, batch.answer_cause, wish.actor))
    await _plan(context, turn, batch, turn.now)
    count = Number(answers + votes_given)
    if votes_given and not answers:
        return notice("undo.batch_only_votes", batch=number, count=count)
    if votes_given:
        return notice("undo.batch_votes", batch=number, count=count)
    return notice("undo.batch", batch=number, count=count)


async def _again(context: Context, turn: Turn, run: UndoRun, batch: Batch) -> Notice:
    """Try once more what could not be undone. Raises `Refused` if nothing is left, or while it is under way."""
    number, before = Number(batch.number), await undo_runs.find(turn.tx, batch.id, held=True)
    if before is not None and not before.ended:
        raise Refused(notice("undo.batch_under_way", batch=number))
    left = await undo_runs.again(turn.tx, run)
    if not left:
        raise Refused(notice("undo.batch_already", batch=number))
    await _plan(context, turn, batch, turn.now)
    return notice("undo.batch_again", batch=number, count=Number(left))


async def _plan(context: Context, turn: Turn, batch: Batch, due_at: int) -> None:
    await set_timer(context, turn, Timer(f"{BATCH}:{batch.id}", BATCH, str(batch.id), due_at))


async def _run(context: Context, timer: Timer) -> Write[None] | None:
    """Undo the next few answers. May raise `Later`."""
    async with context.db.tx() as tx:
        batch, run = await batches.find(tx, int(timer.about)), await undo_runs.find(tx, int(timer.about))
        items = await undo_runs.waiting(tx, int(timer.about), AT_ONCE)
        known = await requests.several(tx, [item.request_id for item in items])
    if batch is None or run is None or run.ended:
        return None
    wish = Wish(run.asked_by, f"undo batch {batch.id}", own=True)
    found = [await _looked_at(context, wish, batch, known[item.request_id]) for item in items]

    async def write(turn: Turn) -> None:
        now = await undo_runs.find(turn.tx, batch.id, held=True)
        if now is None or now.ended:
            return
        await requests.hold(turn.tx, [item.request_id for item in items])
        for item, one in zip(items, found, strict=True):
            why = await _why_not(context, turn, wish, batch, one)
            was_vote = isinstance(one, Request) and why is None
            await undo_runs.tried(turn.tx, batch.id, item.request_id, why, was_vote=was_vote)
        if await undo_runs.waiting(turn.tx, batch.id, 1):
            await _plan(context, turn, batch, turn.now + PAUSE)
        else:
            await _sum_up(context, turn, batch, run)

    return write


TIMER: Final[TimerKind[Context]] = TimerKind(_run)


async def _looked_at(context: Context, wish: Wish, batch: Batch, request: Request) -> Found | Refused | Request:
    """One answer of the batch, unless it cannot be undone, or somebody has to be asked first; the request itself where
    it may have a vote."""
    number = Numbered(request.number)
    ours = request.answer is not None and request.answer.cause == batch.answer_cause
    if request.management_room != batch.management_room:
        return Refused(notice("undo.nothing", request=number))
    if request.awaits_moderators:
        return request
    if request.undone is None and not ours and request.state not in undoing.OVER:
        command = Code(f"!kb undo {request.number}")
        return Refused(notice("undo.not_yours", request=number, by=credited(request), command=command))
    try:
        found = await look(context, wish, request)
    except (Refused, Never) as error:  # `Never`: for example, the bot was removed from the protected room
        return Refused(refusals.why_not(error))
    if found.step is Step.REMOVE:
        user, command = User(request.user_id), Code(f"!kb undo {request.number}")
        return Refused(notice("undo.batch_joined", request=number, user=user, command=command))
    return found


async def _why_not(
    context: Context, turn: Turn, wish: Wish, batch: Batch, one: Found | Refused | Request
) -> Notice | None:
    """Why an answer is not undone; `None` once it is."""
    if isinstance(one, Refused):
        return one.said
    try:
        if isinstance(one, Request):
            await take_back(context, turn, wish, one, batch.answer_cause)
        else:
            await take(context, turn, wish, one)
    except Refused as refused:
        return refused.said
    return None


async def _sum_up(context: Context, turn: Turn, batch: Batch, run: UndoRun) -> None:
    items = await undo_runs.end(turn.tx, batch.id)
    known = await requests.several(turn.tx, [item.request_id for item in items if item.why is not None])
    left = [(known[item.request_id].number, item.why) for item in items if item.why is not None]
    votes_back = sum(item.was_vote for item in items)
    answers, number = len(items) - len(left) - votes_back, Number(batch.number)
    alike = _alike(left)
    more = sum(len(numbers) for _, numbers in alike[NAMED:])
    said = below(
        notice("undo.batch_done", batch=number, count=Number(answers)) if answers or not votes_back else None,
        notice("undo.batch_unvoted", batch=number, count=Number(votes_back)) if votes_back else None,
        *(line for why, numbers in alike[:NAMED] for line in _left(why, numbers)),
        notice("undo.batch_more", count=Number(more)) if more else None,
        notice("undo.batch_try_again", command=Code("!kb undo")) if left else None,
    )
    to = Audience(batch.management_room)
    await saying.say(context, turn, to, f"undo batch:{batch.id}:{run.cause}", said, reply_to=run.cause)


def _alike(left: Sequence[tuple[int, Notice]]) -> list[tuple[Notice, list[int]]]:
    """Each reason once, with the requests that it holds for."""
    alike: dict[Notice, tuple[Notice, list[int]]] = {}
    for number, why in left:
        general = Notice(why.code, {name: arg for name, arg in why.args.items() if name not in OF_ONE})
        alike.setdefault(general, (why, []))[1].append(number)
    return list(alike.values())


def _left(why: Notice, numbers: Sequence[int]) -> list[Notice]:
    """What is said of the requests that are not undone for one reason."""
    if "request" not in why.args:
        return [notice("undo.batch_left", requests=numbered(numbers), why=why)]
    others = numbers[1:]
    return [why, notice("undo.batch_same", requests=numbered(others))] if others else [why]
