"""An answer is undone, in the turn of the command or click that wants it."""

from __future__ import annotations

from knockbot.domain import undoing
from knockbot.domain.model import Answer, Request, Step
from knockbot.domain.notices import Choice, Notice, Numbered, User, because, below, notice
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.features.undo.looking import Found, Wish, credited, insist_on_an_answer
from knockbot.flow import cards, settling, tables
from knockbot.flow import undoing as undo
from knockbot.flow.context import Context
from knockbot.store import jobs, requests
from knockbot.store.rooms import ProtectedRoom


async def take(context: Context, turn: Turn, wish: Wish, found: Found) -> Notice:
    """Undo what was found; returns what is said of it. Raises `Refused` if something else came first."""
    request = await requests.get(turn.tx, found.request.id)
    number = Numbered(request.number)
    insist_on_an_answer(context, wish, request)
    if (request.state, request.answer, request.by) != (found.request.state, found.request.answer, found.request.by):
        raise Refused(notice("undo.changed", request=number))
    if found.step is None:
        return await _take_back(context, turn, wish, found)
    step, by = found.step, credited(request)
    told = because("told.undone") if step in (Step.WITHDRAW, Step.REMOVE) else None
    answer = Answer(
        undoing.VERDICTS[step],
        wish.actor,
        turn.now,
        request.event_id,
        cause=wish.cause,
        told=told,
        by_click=wish.by_click,
    )
    undoes = tables.undoes(context).get(step, undo.begin)
    await undoes(context, turn, request, answer, step)
    also = await tables.undone(context, turn, request, answer) if step is Step.REMOVE else []
    said = notice("undo.done", step=Choice(step), request=number, user=User(request.subject), room=found.room, by=by)
    still = notice("undo.still_listed", why=found.listed) if found.listed is not None else None
    return below(said, still, *also) if also or still is not None else said


async def take_back(context: Context, turn: Turn, wish: Wish, request: Request, cause: str | None = None) -> Notice:
    """Take back what somebody wants for a request that has no answer, such as a vote; by `cause` alone, if given.
    Returns what is said of it. Raises `Refused` if there is nothing, or if the request has an answer by now."""
    now = await requests.get(turn.tx, request.id)
    number = Numbered(now.number)
    if not now.awaits_moderators:
        raise Refused(notice("undo.changed", request=number))
    said = await tables.taken_back(context, turn, now, wish.actor, cause)
    if said is None:
        raise Refused(notice("undo.no_vote", request=number) if wish.own else notice("undo.nothing", request=number))
    return said


async def let_go(context: Context, turn: Turn, room: ProtectedRoom) -> None:
    """The room is no longer protected, or from another management room: what is not undone yet stays as it is."""
    for request in await requests.being_undone(turn.tx, room.room_id):
        await undo.fell(context, turn, request, because("overtaken.unprotected"))


async def _take_back(context: Context, turn: Turn, wish: Wish, found: Found) -> Notice:
    """Nothing has come of the answer yet: the request is open again."""
    request = await requests.get(turn.tx, found.request.id)
    number, by = Numbered(request.number), credited(request)
    if await jobs.is_running(turn.tx, request.id):
        raise Refused(notice("undo.under_way", request=number))
    await tables.reopened(context, turn, request)
    await settling.withdraw_answer(turn, request, because("overtaken.undone", user=User(wish.actor)), inviter_too=True)
    await undo.put_on_record(turn, request, wish.actor)
    await cards.show(context, turn, request.id)
    await tables.left_open(context, turn, request)
    return notice("undo.open_again", request=number, user=User(request.subject), room=found.room, by=by)
