"""What an applicant answers: by a message, by a click on an offered number, and by edits of the message.

A reply, and a click, answer the question they are about; any other message answers the question that waits longest. An
answer holds until it is edited, or its event is removed, as long as the request waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from knockbot.documents.text import without_variation_selector
from knockbot.domain import plan
from knockbot.domain.conversations import Conversation
from knockbot.domain.jobs import Job, React
from knockbot.domain.model import Message, Reaction, Redaction, Request, State
from knockbot.domain.notices import Choice, Notice, Number, Stranger, notice
from knockbot.domain.plan import NUMBERS
from knockbot.domain.questions import LONGEST_ANSWER, QUOTED, read_answer
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.features.questions import asking, byhand
from knockbot.flow import conversations, place, remarks
from knockbot.flow.context import Context
from knockbot.flow.records import record
from knockbot.store import conversations as talks
from knockbot.store import questions, requests
from knockbot.store.db import Tx
from knockbot.store.questions import QUESTION, Put, Stage
from knockbot.times import WEEK

SINCE: Final = WEEK
"""Milliseconds within which somebody who writes may still mean a question whose request was decided."""


@dataclass(frozen=True, slots=True)
class Meant:
    """The question that a message answers."""

    one: Put
    others: bool = False
    """Whether other questions wait as well, and nothing says which one is meant."""


async def meant(context: Context, talk: Conversation, message: Message) -> Meant | None:
    """The question that a message of the applicant answers: that to which it replies, else the oldest that waits."""
    async with context.db.tx() as tx:
        if message.in_reply_to is not None:
            named = await questions.asked_by_message(tx, talk.user_id, message.in_reply_to)
            if named is not None:
                return Meant(named)
        waiting = await questions.unanswered(tx, talk.user_id)
        waiting = [one for one in waiting if await _waits(context, tx, one)]
        if waiting:
            return Meant(waiting[0], len(waiting) > 1)
        last = await questions.newest_unanswered(tx, talk.user_id)
        return Meant(last) if last is not None and context.now() - last.asked_at <= SINCE else None


async def _waits(context: Context, tx: Tx, one: Put) -> bool:
    request = await requests.get(tx, one.request_id, held=False)
    return request.awaits_moderators and await _is_asked(context, tx, request, one)


async def _is_asked(context: Context, tx: Tx, request: Request, one: Put) -> bool:
    """Whether the room is still protected from where they were asked, and they are still asked there."""
    there = await place.find(context, tx, request.room_id)
    if there is None or not there.management_room == request.management_room == one.management_room:
        return False
    begun = await questions.round_of(tx, request)
    return one.asked_by is not None or (begun is not None and begun.stage is not Stage.OVER)


async def is_reply(context: Context, talk: Conversation, message: Message) -> bool:
    """Whether a message replies to a question, so that it is its answer whatever it says."""
    if message.in_reply_to is None:
        return False
    async with context.db.statement() as tx:
        return await questions.asked_by_message(tx, talk.user_id, message.in_reply_to) is not None


def give(context: Context, message: Message, to: Meant, said: str) -> Write[Notice | None]:
    """Answer a question by a message; returns what is said of it, if anything. The write raises `Refused`."""

    async def write(turn: Turn) -> Notice | None:
        request = await _still_asked(context, turn, to.one)
        await _keep(context, turn, request, to.one, _Said(said, message.event_id, message.sent_at))
        if to.others:
            room = await place.called(context, turn, request.room_id)
            return notice("question.taken", ask=Stranger(to.one.ask, QUOTED), room=room)
        await turn.plan(plan.tick(message.room_id, message.event_id))
        return None

    return write


async def _still_asked(context: Context, turn: Turn, one: Put) -> Request:
    """The request, held. Raises `Refused` where it is decided, or nobody asks any more."""
    request = await requests.get(turn.tx, one.request_id)
    room = await place.called(context, turn, request.room_id)
    if request.state is State.WITHDRAWN or request.taken_back:
        raise Refused(notice("question.withdrawn", room=room))
    if not request.awaits_moderators:
        raise Refused(notice("question.decided", room=room))
    if not await _is_asked(context, turn.tx, request, one):
        raise Refused(notice("question.asked_no_more"))
    return request


def _read(one: Put, said: str) -> str:
    answer = read_answer(one.choices, said)
    if answer is not None:
        return answer
    if not one.choices:
        if len(said.strip()) <= LONGEST_ANSWER:
            raise Refused(notice("question.empty"))
        raise Refused(notice("question.too_long", most=Number(LONGEST_ANSWER)))
    raise Refused(asking.offered(one.choices))


@dataclass(frozen=True, slots=True)
class _Said:
    """What an applicant says to a question."""

    text: str
    event_id: str
    """The message, or the click; of an edit, the message that it edits."""
    at: int
    """When that, or the edit, was sent."""


async def _keep(context: Context, turn: Turn, request: Request, one: Put, said: _Said) -> None:
    """Store an answer, and what follows: the request is judged again, or the moderator who asked is told. Raises
    `Refused` where it is no answer."""
    answer = _read(one, said.text)
    before = await questions.get(turn.tx, one.request_id, one.key)
    if before is not None and (before.answer, before.answer_event) == (answer, said.event_id):
        return
    await questions.answer(turn.tx, one, answer, said.event_id, said.at)
    await _changed(context, turn, request, one)
    if before is None or before.answer is None:
        await record(turn, request, request.user_id, Recorded.ANSWERED)
    if one.asked_by is not None:
        await byhand.tell(context, turn, request, one, answer)


async def _changed(context: Context, turn: Turn, request: Request, one: Put) -> None:
    await remarks.changed(turn, request.id)
    if one.asked_by is None:
        await asking.judge_again(context, turn, request, turn.cause)


# --- corrected ----------------------------------------------------------------------------------------------------


async def edited(context: Context, talk: Conversation, message: Message, said: str) -> Write[None] | None:
    """The applicant edits a message: if it is an answer, it is now `said`, as long as nothing is decided."""
    if message.edits is None:
        return None
    async with context.db.statement() as tx:
        one = await questions.answered_by_message(tx, talk.user_id, message.edits)
    if one is None:
        return None
    edit = _Said(said, message.edits, message.sent_at)

    async def write(turn: Turn) -> None:
        try:
            await _correct(context, turn, one, edit)
        except Refused as refused:
            await conversations.reply(context, turn, message, refused.said)
        else:
            await talks.touch(turn.tx, talk.id, turn.now)

    return write


async def _correct(context: Context, turn: Turn, one: Put, edit: _Said) -> None:
    request = await _still_asked(context, turn, one)
    now = await questions.get(turn.tx, one.request_id, one.key)
    if now is None or now.answer_event != edit.event_id or edit.at < (now.answered_at or 0):
        return  # it is corrected otherwise since
    await _keep(context, turn, request, now, edit)


async def redacted(context: Context, redaction: Redaction) -> Write[None] | None:
    """An event of a conversation was removed: an answer that it gave is none any more."""
    talk = await conversations.at(context, redaction.room_id)
    if talk is None or redaction.sender != talk.user_id:
        return None
    async with context.db.statement() as tx:
        one = await questions.answered_by_message(tx, talk.user_id, redaction.redacts)
    if one is None:
        return None

    async def write(turn: Turn) -> None:
        request = await requests.get(turn.tx, one.request_id)
        now = await questions.get(turn.tx, one.request_id, one.key)
        if now is None or now.answer_event != redaction.redacts:
            return
        await questions.forget_answer(turn.tx, now)
        await record(turn, request, request.user_id, Recorded.ANSWER_REMOVED)
        await remarks.changed(turn, request.id)
        waits = request.awaits_moderators and await _is_asked(context, turn.tx, request, now)
        said = notice("question.forgotten", waits=Choice("yes" if waits else "no"), ask=Stranger(now.ask, QUOTED))
        removed = Message(redaction.room_id, redaction.redacts, talk.user_id, turn.now, "")
        await conversations.reply(context, turn, removed, said, occasion=f"forgotten:{redaction.redacts}")
        if waits and now.asked_by is None:
            await asking.judge_again(context, turn, request, redaction.event_id)

    return write


# --- clicks -------------------------------------------------------------------------------------------------------


async def reacted(context: Context, reaction: Reaction) -> Write[None] | None:
    """The applicant clicks on a number at a question."""
    talk = await conversations.at(context, reaction.room_id)
    if talk is None or reaction.sender != talk.user_id or not talk.goes_on:
        return None
    if reaction.key not in SIGNS:
        return None
    room, who, key = reaction.room_id, reaction.sender, reaction.key
    click = Message(room, reaction.event_id, who, reaction.sent_at, key, in_reply_to=reaction.target)
    to = await meant(context, talk, click)
    if to is None or not to.one.choices or (to.one.event_id or reaction.target) != reaction.target:
        return None

    async def write(turn: Turn) -> None:
        try:
            request = await _still_asked(context, turn, to.one)
            await _keep(context, turn, request, to.one, _Said(reaction.key, reaction.event_id, reaction.sent_at))
        except Refused as refused:
            occasion = f"{to.one.occasion}:{refused.said.code}"
            await conversations.reply(context, turn, click, refused.said, occasion=occasion)
        await talks.touch(turn.tx, talk.id, turn.now)

    return write


SIGNS: Final = frozenset(map(without_variation_selector, NUMBERS))


async def sent(_context: Context, turn: Turn, room_id: str, occasion: str, event_id: str) -> None:
    """A letter was sent: if it asks a question, its answers are offered on it by reactions."""
    kind, request_id, _, key = [*occasion.split(":", 3), "", "", ""][:4]
    if kind != QUESTION:
        return
    one = await questions.sent(turn.tx, int(request_id), key, event_id)
    signs = NUMBERS[: len(one.choices)] if one is not None else ()
    await turn.plan(*(Job(f"offer:{event_id}:{sign}", room_id, React(event_id, sign)) for sign in signs))
