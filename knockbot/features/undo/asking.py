"""The question whether somebody who has joined is to be removed, for whoever wants their accept undone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from knockbot.domain.model import MemberChange, Membership, Reaction, Redaction, Request, State
from knockbot.domain.notices import Code, Moment, Notice, Numbered, User, because, notice
from knockbot.engine.prompts import Face, PromptKind, post, refresh
from knockbot.engine.timers import TimerKind, replace_timer, set_timer
from knockbot.engine.turn import WAITS, Handled, Turn, Write
from knockbot.errors import Refused
from knockbot.features.undo.looking import Found, Wish, credited, look
from knockbot.features.undo.taking import take
from knockbot.flow import offers, place, saying, undoing, withdrawing
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.ports import PROMPT_KEY
from knockbot.flow.questions import CLOSED, Question
from knockbot.flow.saying import Audience
from knockbot.store import inbox, jobs, prompts, requests, undo_questions
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt
from knockbot.store.timers import Timer
from knockbot.store.undo_questions import UndoQuestion
from knockbot.times import MINUTE

YES, NO = "✅", "❌"

UNDO: Final = "undo"
"""Its row in `product.py:PROMPTS`."""

UNCONFIRMED: Final = "undo_unconfirmed"
"""The row in `product.py:TIMERS` by which it says that nobody has answered, or that it needs no answer any more."""

OPEN_FOR = 10 * MINUTE


async def ask(context: Context, turn: Turn, wish: Wish, found: Found) -> None:
    """Ask whether this member is to be removed; once, while the same person is asked already."""
    request = found.request
    asked = await undo_questions.open_about(turn.tx, request.id)
    if asked is not None and asked.asked_by == wish.actor:
        before = await prompts.get(turn.tx, asked.prompt_id)
        if not before.is_closed(turn.now):
            return
    closes_at = turn.now + OPEN_FOR
    prompt = await prompts.new(turn.tx, request.management_room, UNDO, request.room_id, turn.now, closes_at=closes_at)
    await undo_questions.add(turn.tx, UndoQuestion(prompt.id, request.id, wish.actor))
    await post(turn, prompt)
    await set_timer(context, turn, _timer(prompt.id, closes_at))


def _timer(prompt_id: int, due_at: int) -> Timer:
    return Timer(f"{UNCONFIRMED}:{prompt_id}", UNCONFIRMED, str(prompt_id), due_at)


async def _unconfirmed(_: Context, timer: Timer) -> Write[None]:
    async def write(turn: Turn) -> None:
        question = await undo_questions.of_prompt(turn.tx, int(timer.about))
        if question is None or question.ended:
            return
        prompt = await prompts.get(turn.tx, question.prompt_id)
        if prompt.is_closed(turn.now):
            await undo_questions.end(turn.tx, prompt.id)
        else:
            await undo_questions.drop(turn.tx, prompt.id)
        await refresh(turn, prompt.id)

    return write


TIMER: Final[TimerKind[Context]] = TimerKind(_unconfirmed)


async def moved(context: Context, turn: Turn, request: Request, change: MemberChange) -> None:
    """Somebody has left, or was removed by hand: whoever is asked about them needs not answer any more."""
    if change.membership in (Membership.LEAVE, Membership.BAN):
        await _drop_soon(context, turn, request)


async def settled(context: Context, turn: Turn, request: Request) -> None:
    """Somebody was removed, perhaps for another moderator who was asked as well."""
    if request.state in (State.REJECTED, State.BANNED):
        await _drop_soon(context, turn, request)


async def _drop_soon(context: Context, turn: Turn, request: Request) -> None:
    """Close the questions in a turn of their own: this one holds the request, and they are held before that."""
    for prompt_id in await undo_questions.all_open_about(turn.tx, request.id):
        await replace_timer(context, turn, _timer(prompt_id, turn.now))


async def look_at_open(context: Context, there: Place) -> None:
    """Look for clicks that came while the bot was away."""
    async with context.db.tx() as tx:
        found = [await prompts.get(tx, one, held=False) for one in await undo_questions.open_in(tx, there.room_id)]
    for prompt in found:
        if not prompt.is_closed(context.now()):
            await offers.look_at(context, prompt)


# --- as a prompt ----------------------------------------------------------------------------------------------


async def _face(context: Context, prompt: Prompt) -> Face:
    async with context.db.tx() as tx:
        question = await undo_questions.of_prompt(tx, prompt.id, held=False)
        there = await place.find(context, tx, prompt.about)
        request = await requests.get(tx, question.request_id, held=False) if question is not None else None
    write = partial(_message, context, language=place.language_of(context, [there] if there is not None else []))
    needless = because("overtaken.not_asked")
    if question is None or request is None or there is None:
        return Face(partial(write, CLOSED), needless=needless)
    user, room, number = User(request.user_id), there.called, Numbered(request.number)
    if prompt.taken_by is not None:
        return Face(partial(write, REMOVAL.closed(prompt)), needless=needless)
    if question.ended or prompt.is_closed(context.now()):
        return Face(partial(write, notice("undo.unconfirmed", user=user, room=room)), needless=needless)
    said = notice(
        "undo.ask",
        user=user,
        room=room,
        time=Moment(request.changed_at),
        request=number,
        by=credited(request),
        whose=User(question.asked_by),
    )
    block = {"kind": prompt.kind, "room_id": prompt.about, "number": request.number, "user_id": request.user_id}
    return Face(partial(write, said, aloud=True, blocks={PROMPT_KEY: block}), (YES, NO), (question.asked_by,))


def _message(context: Context, said: Notice, calls: Sequence[str], key: str, **how: Any) -> Mapping[str, Any]:
    return context.wording.message(said, key, calls=calls, **how)


async def _is_open(tx: Tx, prompt: Prompt) -> bool:
    question = await undo_questions.of_prompt(tx, prompt.id, held=False)
    return question is not None and not question.ended


async def _hold(tx: Tx, prompt: Prompt) -> object:
    """The question is held before its request, as in every turn that asks or ends it."""
    return await undo_questions.of_prompt(tx, prompt.id)


async def _take(context: Context, _: Place, prompt: Prompt, reaction: Reaction) -> Write[Notice | None]:
    async with context.db.tx() as tx:
        question = await undo_questions.of_prompt(tx, prompt.id, held=False)
        request = await requests.get(tx, question.request_id, held=False) if question is not None else None
    if question is None or request is None:
        raise Refused(CLOSED)
    if reaction.sender != question.asked_by:
        raise Refused(notice("undo.not_for_you", user=User(question.asked_by)))
    if REMOVAL.meant(reaction.key) == NO:
        return partial(_end, prompt)
    wish = Wish(reaction.sender, reaction.event_id, by_click=True)
    found = await look(context, wish, request)

    async def write(turn: Turn) -> Notice | None:
        said = await take(context, turn, wish, found)
        await _end(prompt, turn)
        return said

    return write


async def _end(prompt: Prompt, turn: Turn) -> None:
    await undo_questions.end(turn.tx, prompt.id)


async def _removed(_: Context, turn: Turn, prompt: Prompt) -> None:
    """The question was removed: nothing is done."""
    await undo_questions.end(turn.tx, prompt.id)


async def _unclicked(context: Context, redaction: Redaction) -> Handled:
    """Whoever said yes takes that back: nobody is removed, as long as that is not done."""
    async with context.db.tx() as tx:
        found = await requests.undone_by(tx, redaction.room_id, redaction.redacts)
        under_way = any([await jobs.is_running(tx, request.id) for request in found])
    there = await withdrawing.in_the_room(context, redaction) if found else None
    if there is None:
        return None
    if under_way:
        async with context.db.tx() as tx:
            await inbox.let_wait(tx, redaction.event_id, context.now() + withdrawing.SOON)
        return WAITS
    by = there.sender or redaction.sender or context.bot

    async def write(turn: Turn) -> None:
        for one in found:
            await _stays(context, turn, one, by)

    return write


async def _stays(context: Context, turn: Turn, undone: Request, by: str) -> None:
    request = await requests.get(turn.tx, undone.id)
    if await jobs.is_running(turn.tx, request.id):
        turn.after(partial(context.look_at, request.room_id))
    elif request.being_undone:
        why = because("overtaken.unclicked", user=User(by))
        await jobs.overtake(turn.tx, request.id, why, turn.now)
        await undoing.fell(context, turn, request, why)
    else:
        number, user, command = Numbered(request.number), User(request.user_id), Code(f"/invite {request.user_id}")
        said = notice("undo.too_late", request=number, user=user, command=command)
        to, occasion = Audience(request.management_room, about=request), f"undo_too_late:{request.id}"
        await saying.say(context, turn, to, occasion, said)


REMOVAL: Final = Question((YES, NO), _is_open, _take, hold=_hold)
QUESTION: Final[PromptKind[Context]] = replace(REMOVAL.kind(_face, _removed), unclicked=_unclicked)
"""The question whether to remove somebody who has joined."""
