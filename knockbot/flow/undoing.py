"""Undoing: an outcome is taken back by an answer that says so, and what follows where that is not possible after all.

The request keeps its outcome until the room has changed, as with any answer. If nothing comes of it, the earlier answer
holds again, and the moderators are told.
"""

from __future__ import annotations

from knockbot.domain import plan, undoing
from knockbot.domain.model import Answer, Request, State, Step, Undone
from knockbot.domain.notices import Notice, Numbered, User, notice
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn
from knockbot.flow import cards, place, saying
from knockbot.flow.context import Context
from knockbot.flow.records import record
from knockbot.store import requests


async def begin(context: Context, turn: Turn, request: Request, answer: Answer, step: Step) -> None:
    """Store an answer that takes back the outcome of a request, and plan the act for it."""
    await put_on_record(turn, request, answer.by)
    await start(context, turn, request, answer, step)


async def start(context: Context, turn: Turn, request: Request, answer: Answer, step: Step) -> None:
    """The same, and nothing is put on record before it is done."""
    undone = Undone(request.state, step, request.by, request.answer)
    await requests.undo(turn.tx, request.id, answer, undone)
    await turn.plan(*plan.plan(await requests.get(turn.tx, request.id), answer, context.home))
    if request.card_id is not None:
        await cards.refresh(turn, request.card_id, after=cards.UNDER_WAY)


async def put_on_record(turn: Turn, request: Request, by: str) -> None:
    """Add to the record whose answer was undone by whom."""
    verdict = undoing.given(request)
    if verdict is not None:
        await record(turn, request, by, Recorded.UNDONE, verdict=verdict)


async def is_done(turn: Turn, request: Request, state: State) -> bool:
    """A request that is being undone has another outcome now: whether that is the one which was wanted."""
    if request.undone is None or state is not undoing.aim(request, request.undone.step):
        return False
    if request.undone.step is Step.LIFT:
        await requests.counts_for_nothing(turn.tx, request.id)  # a ban by mistake says nothing about them
    return True


async def fell(context: Context, turn: Turn, request: Request, why: Notice, *, refused: bool = False) -> None:
    """The outcome cannot be taken back: the earlier answer holds, and the moderators are told why. `refused` says that
    somebody lacks a power, and not that the room was quicker."""
    answer = request.answer
    if answer is None or request.undone is None:
        return
    await requests.not_undone(turn.tx, request)
    if request.undone.step is Step.EXPIRE:
        await _stays_invited(context, turn, request, why, refused=refused)
        return
    await record(turn, request, answer.by, Recorded.NOT_UNDONE)
    if request.card_id is not None:
        await cards.refresh(turn, request.card_id)
    said = notice(
        "undo.fell",
        request=Numbered(request.number),
        user=User(request.user_id),
        room=await place.called(context, turn, request.room_id),
        by=User(answer.by),
        why=why,
    )
    occasion = f"undo fell:{request.id}:{answer.cause}"
    await saying.alarm(context, turn, request.room_id, occasion, said, about=request)


async def _stays_invited(context: Context, turn: Turn, request: Request, why: Notice, *, refused: bool) -> None:
    """An invite that nobody took in time was taken at last, or cannot be withdrawn: the latter is told, once."""
    if request.card_id is not None:
        await cards.refresh(turn, request.card_id)
    if not refused:
        return
    said = notice(
        "invite.not_expired",
        request=Numbered(request.number),
        user=User(request.user_id),
        room=await place.called(context, turn, request.room_id),
        why=why,
    )
    occasion = f"invite not expired:{request.id}:{request.changed_at}"
    await saying.alarm(context, turn, request.room_id, occasion, said, about=request)
