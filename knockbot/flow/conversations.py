"""Conversations with applicants: what is told there, what becomes of them, and when the bot leaves.

An applicant has one conversation, whichever room it is about, and however often they knock. Nothing waits for it: what
cannot be said is dropped, and counted (`knockbot check`). Only the bot and the applicant count in it: others who come
there, whoever invited them, are neither heard nor told anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from knockbot.domain import plan
from knockbot.domain.conversations import (
    DECLINED,
    GAVE_UP,
    IDLE,
    NOT_MADE,
    Conversation,
    Event,
    Stage,
    Unsaid,
    happened,
    may_answer,
    moved,
    rests_until,
    unsaid,
)
from knockbot.domain.jobs import LINE, Line, Say
from knockbot.domain.languages import Language
from knockbot.domain.model import MemberChange, Message
from knockbot.domain.notices import Notice, notice
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never
from knockbot.flow import place, tables
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.records import record
from knockbot.flow.rooms import is_joined
from knockbot.store import bot_memberships, conversations, messages, requests, rooms
from knockbot.store.conversations import Letter
from knockbot.store.db import Tx
from knockbot.times import DAY

MOST_A_DAY = 30
"""Letters that one applicant gets a day at most: nothing limits how often somebody knocks."""

KEPT = 30 * DAY
"""Milliseconds for which conversations that are over, and what was said when, are kept."""

MOST_BEGUN = 3
"""Conversations that are begun within a day because one person wants them: they share the day's budget with all."""

CHOICE_KEPT = 365 * DAY
"""The same for the language that an applicant has chosen."""


LETTER: Final = "letter:"
"""How the occasions of letters begin among all that the bot says."""


async def note_sent(context: Context, turn: Turn, room_id: str, job_key: str, event_id: str) -> None:
    """A message was sent: if it is a letter, those who wrote it are told."""
    prefix = plan.say("", LETTER, Say({})).key
    if job_key.startswith(prefix):
        await tables.sent(context, turn, room_id, job_key.removeprefix(prefix), event_id)


# --- telling ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ToTell:
    """Something to tell an applicant, once for each occasion."""

    user_id: str
    there: Place
    """The protected room that it is about; its language is that of the letter, unless they have chosen one."""
    said: Notice
    occasion: str
    request_id: int | None = None
    asked: bool = False
    """Whether they want a conversation, so that it does not matter that they left the last one."""


def tell(context: Context, turn: Turn, what: ToTell) -> None:
    """Tell an applicant something in their conversation, which is begun for it if need be.

    It is written at the end of the turn: conversations are locked after requests.
    """
    turn.at_last(partial(_tell, context, turn, what))


async def _tell(context: Context, turn: Turn, what: ToTell) -> None:
    if await conversations.is_noted(turn.tx, what.occasion):
        return
    letter = Letter(what.occasion, what.user_id, turn.now, request_id=what.request_id)
    talk = await _current(context, turn, what)
    if isinstance(talk, Unsaid):
        await conversations.note(turn.tx, letter)
        await _drop(context, turn, [letter], talk)
        await tables.unreached(context, turn, what.user_id)
        return
    line = Line(what.said, await language_of(turn.tx, what.user_id, what.there), aloud=True)
    letter = replace(letter, conversation_id=talk.id, line=context.cipher.lock(LINE.encode(line)))
    if talk.stage is Stage.MAKING:
        await conversations.note(turn.tx, letter)
    elif await conversations.note(turn.tx, replace(letter, line=None)):
        await _say(context, turn, talk, letter)


async def _drop(context: Context, turn: Turn, letters: Sequence[Letter], why: Unsaid) -> None:
    """Count what is not said, and put it on record for the moderators."""
    await conversations.count_unsaid(turn.tx, turn.now, len(letters))
    for letter in letters:
        request = await requests.find(turn.tx, letter.request_id) if letter.request_id is not None else None
        if request is not None:
            await record(turn, request, context.bot, Recorded.NOT_TOLD, unsaid=why)


async def _current(context: Context, turn: Turn, what: ToTell) -> Conversation | Unsaid:
    """The conversation with an applicant, begun now if there is none; or why there must not be one now."""
    if await conversations.written_since(turn.tx, what.user_id, turn.now - DAY) >= MOST_A_DAY:
        return Unsaid.TOO_MANY
    talk = await conversations.current(turn.tx, what.user_id)
    if talk is not None:
        return talk
    before = await conversations.last(turn.tx, what.user_id)
    if before is not None and rests_until(before) > turn.now and not what.asked:
        return unsaid(before.why)
    if what.asked and await conversations.begun_since(turn.tx, what.user_id, turn.now - DAY) >= MOST_BEGUN:
        return Unsaid.TOO_MANY
    most, about = context.settings.notices.per_day, what.there.room_id
    begun = await conversations.begin(turn.tx, what.user_id, about, turn.now, most=most)
    if begun is not None and begun.stage is Stage.MAKING:
        await turn.plan(plan.converse(about, what.user_id, begun.id))
    return begun or Unsaid.TOO_MANY


async def language_of(tx: Tx, user_id: str, there: Place) -> Language:
    """The language in which an applicant is told about a room."""
    return await conversations.language_of(tx, user_id) or there.language


async def _say(context: Context, turn: Turn, talk: Conversation, letter: Letter) -> None:
    """Plan to send a letter to the room of a conversation."""
    if talk.room_id is None or letter.line is None:
        return
    await turn.plan(plan.say(talk.room_id, f"{LETTER}{letter.key}", Say(letter.line)))
    await conversations.touch(turn.tx, talk.id, turn.now)
    request = await requests.find(turn.tx, letter.request_id) if letter.request_id is not None else None
    if request is not None:
        await record(turn, request, context.bot, Recorded.WROTE)


# --- asked for ---------------------------------------------------------------------------------------------------

MOST_ROOMS: Final = 20
"""Protected rooms in which it is looked up one by one whether somebody is there."""


async def asked_for(context: Context, change: MemberChange) -> ToTell | None:
    """What is told to a member of a protected room who invites the bot to a chat of two; `None` for anybody else.

    The conversation is a room of the bot's own: it declines theirs. May raise `Later`.
    """
    async with context.db.tx() as tx:
        often = await conversations.written_since(tx, change.sender, context.now() - DAY) >= MOST_A_DAY
        protected = [] if often else [room.room_id for room in await rooms.all_rooms(tx)]
    theirs = await _room_of(context, protected, change.sender)
    async with context.db.tx() as tx:
        there = await place.find(context, tx, theirs) if theirs is not None else None
    if there is None:
        return None
    return ToTell(change.sender, there, notice("letter.asked_for"), f"asked for:{change.event_id}", asked=True)


async def _room_of(context: Context, protected: Sequence[str], user_id: str) -> str | None:
    """A protected room that somebody is in."""
    try:
        shared = {*await context.outside.mutual_rooms(user_id)}
        return next((room_id for room_id in protected if room_id in shared), None)
    except Never:  # the homeserver has no such call, or not for this user
        for room_id in protected[:MOST_ROOMS]:
            if await _is_in(context, room_id, user_id):
                return room_id
        return None


async def _is_in(context: Context, room_id: str, user_id: str) -> bool:
    try:
        return await is_joined(context, room_id, user_id)
    except Never:
        return False


# --- answering --------------------------------------------------------------------------------------------------


async def reply(context: Context, turn: Turn, message: Message, said: Notice, *, occasion: str = "") -> None:
    """Answer what an applicant wrote, unless they were answered too often of late; once for an occasion, if one is
    named."""
    found = await conversations.in_room(turn.tx, message.room_id)
    talk = await conversations.get(turn.tx, found.id) if found is not None else None
    until = may_answer(talk.answers_until, turn.now) if talk is not None else None
    if talk is None or until is None:
        return
    await conversations.answered(turn.tx, talk.id, until)
    line = Line(said, await language_in(context, turn.tx, talk), reply_to=message.event_id)
    job = plan.say(
        message.room_id, f"reply:{occasion or message.event_id}", Say(context.cipher.lock(LINE.encode(line)))
    )
    await turn.plan(job)
    await messages.once(turn.tx, job.key, turn.now)


async def language_in(context: Context, tx: Tx, talk: Conversation) -> Language:
    """The language of a conversation: the one that the applicant has chosen, else that of the room it began with."""
    chosen = await conversations.language_of(tx, talk.user_id)
    if chosen is not None:
        return chosen
    there = await place.find(context, tx, talk.about)
    return place.language_of(context, [there] if there is not None else [])


async def at(context: Context, room_id: str) -> Conversation | None:
    """The conversation of a room, if it is one."""
    async with context.db.statement() as tx:
        return await conversations.in_room(tx, room_id)


# --- what becomes of one ----------------------------------------------------------------------------------------


async def reached(context: Context, turn: Turn, conversation_id: int, event: Event) -> None:
    """The applicant is invited, or has joined, whichever is heard first: what waits is said."""
    talk = await conversations.get(turn.tx, conversation_id)
    stage = moved(talk.stage, event) if talk is not None else None
    if talk is None or talk.room_id is None or stage is None:
        return
    await bot_memberships.use(turn.tx, talk.room_id, turn.now)
    await conversations.move(turn.tx, talk.id, stage, turn.now)
    for letter in await conversations.take_waiting(turn.tx, talk.id):
        await _say(context, turn, talk, letter)


async def over(context: Context, turn: Turn, conversation_id: int, event: Event, why: Notice | None = None) -> None:
    """A conversation is over, if this event ends it: what waits is dropped, and the bot leaves the room."""
    talk = await conversations.get(turn.tx, conversation_id)
    stage = moved(talk.stage, event) if talk is not None else None
    if talk is None or stage is None:
        return
    await conversations.move(turn.tx, talk.id, stage, turn.now, why)
    await _drop(context, turn, await conversations.take_waiting(turn.tx, talk.id), unsaid(why))
    if talk.room_id is not None:
        await turn.plan(plan.leave(talk.room_id, f"conversation:{talk.id}", guest=talk.user_id))
    await tables.unreached(context, turn, talk.user_id)


async def gave_up(context: Context, turn: Turn, conversation_id: int, why: Notice | None) -> None:
    """The applicant could not be invited: they refused, there is no room, or (without a reason) their server was silent
    for a day."""
    refused = why is not None and why.code != NOT_MADE.code
    await over(context, turn, conversation_id, Event.REFUSED if refused else Event.GAVE_UP, why or GAVE_UP)


async def member_changed(context: Context, change: MemberChange) -> Write[None] | None:
    """Somebody's membership changed: of a conversation, if this is its room. Others than its two do not count."""
    event = happened(change)
    if event is None or (change.user_id == context.bot and event is Event.JOINED):
        return None
    talk = await at(context, change.room_id)
    if talk is None or change.user_id not in (talk.user_id, context.bot):
        return None

    async def write(turn: Turn) -> None:
        if event is Event.JOINED:
            await reached(context, turn, talk.id, event)
        elif change.user_id == context.bot:
            await over(context, turn, talk.id, Event.IDLE)
        else:
            await over(context, turn, talk.id, Event.REFUSED, DECLINED)

    return write


# --- timers -----------------------------------------------------------------------------------------------------


async def leave_idle(context: Context, turn: Turn) -> None:
    """Leave the conversations in which nobody has said anything for long."""
    for talk in await conversations.idle(turn.tx, turn.now - IDLE):
        await over(context, turn, talk.id, Event.IDLE)


async def forget(_: Context, turn: Turn) -> None:
    """Forget the conversations that are over for long, and what applicants chose long ago."""
    await conversations.forget(turn.tx, turn.now - KEPT)
    await conversations.forget_choices(turn.tx, turn.now - CHOICE_KEPT)
