"""Saying: what the bot tells, to whom and how; planned once per occasion, as a code, in the language of its room."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from knockbot.domain import plan
from knockbot.domain.jobs import DOCUMENT, LINE, Ban, Document, Invite, Kick, Line, Say, SendFile, Unban
from knockbot.domain.languages import Language
from knockbot.domain.model import Request
from knockbot.domain.notices import Notice, Room, User, dumps, notice, rooms_in
from knockbot.domain.reasons import in_words
from knockbot.engine.turn import Turn
from knockbot.flow import calling, journal, place
from knockbot.flow.context import Context, log
from knockbot.store import inbox, messages, prompts, rooms
from knockbot.store.db import Tx


class Urgency(StrEnum):
    """How urgent something is."""

    QUIET = "quiet"
    """Nobody needs to act; clients send no notification."""
    ALOUD = "aloud"
    """Somebody needs to act; clients notify people."""


@dataclass(frozen=True, slots=True)
class Audience:
    """The people who are told: all in a room."""

    room_id: str
    about: Request | None = None
    """The request that the message is about: a command in reply to the message means that request."""
    place: str | None = None
    """The protected room that the message is about, where neither `about` nor the notice names it: the message is in
    the language of that room's policy."""
    calls: tuple[str, ...] = ()
    """The people whom the message mentions."""
    called_about: tuple[str, ...] = ()
    """The rooms about which it calls them."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Extra parts that few messages have beside their text."""

    block: Mapping[str, Any] | None = None
    """A part for machines."""
    thread: str | None = None
    """The thread of the message."""
    in_clear: bool = False
    """Send it unencrypted in an encrypted room, as the only message there while encryption is not allowed."""


UNMARKED: Final = Marks()


async def say(
    context: Context,
    turn: Turn,
    to: Audience,
    occasion: str,
    said: Notice,
    *,
    urgency: Urgency = Urgency.QUIET,
    reply_to: str | None = None,
    marks: Marks = UNMARKED,
) -> None:
    """Plan to say something, once per occasion: also where the occasion comes again long after the act has ended."""
    line = Line(
        said,
        await _language(context, turn, to, said),
        aloud=urgency is Urgency.ALOUD,
        calls=to.calls,
        called_about=to.called_about,
        reply_to=reply_to,
        thread=marks.thread,
        block=marks.block,
    )
    locked = context.cipher.lock(LINE.encode(line))
    what = Say(locked, to.about.id if to.about else None, in_clear=marks.in_clear)
    job = plan.say(to.room_id, occasion, what)
    await turn.plan(job)
    await messages.once(turn.tx, job.key, turn.now)


async def send_file(context: Context, turn: Turn, to: Audience, occasion: str, document: Document) -> None:
    """Plan to send a file, once per occasion."""
    job = plan.send_file(to.room_id, occasion, SendFile(context.cipher.lock(DOCUMENT.encode(document)), to.place))
    await turn.plan(job)
    await messages.once(turn.tx, job.key, turn.now)


async def if_asked_in(tx: Tx, room_id: str, event_id: str) -> str | None:
    """What somebody asked by, to reply to it later; `None` if that was in another room: a protected room may have come
    under another management room since."""
    there = await inbox.has_come_to(tx, room_id, event_id) or await prompts.by_event(tx, room_id, event_id) is not None
    return event_id if there else None


async def told_with(context: Context, tx: Tx, room_id: str, act: Invite | Kick | Ban | Unban) -> str | None:
    """What an act tells the applicant: the text that people wrote, else the bot's own, in the language of the room."""
    if act.reason or act.told is None:
        return act.reason
    there = await place.find(context, tx, room_id)
    return context.wording.words(act.told, place.language_of(context, [there] if there is not None else []))


async def _language(context: Context, turn: Turn, to: Audience, said: Notice) -> Language:
    """The language of a message: that of the protected room that it is about, if it is about one.

    A message about no room uses the common language of all rooms managed from there, if they have one.
    """
    about = to.place or (to.about.room_id if to.about else _spoken_of(said))
    there = await place.of(context, turn, about) if about is not None else None
    if there is not None:
        return there.language
    return place.language_of(context, await place.managed_by(context, turn.tx, to.room_id))


def _spoken_of(said: Notice) -> str | None:
    """The room that a notice is about; `None` where its lines are about several."""
    named = [arg.room_id for arg in said.args.values() if isinstance(arg, Room)]
    within = {room.room_id for room in rooms_in(said)} if not named else {named[0]}
    return within.pop() if len(within) == 1 else None


async def alarm(
    context: Context,
    turn: Turn,
    room_id: str,
    occasion: str,
    said: Notice,
    *,
    about: Request | None = None,
    reply_to: str | None = None,
    marks: Marks = UNMARKED,
) -> None:
    """Tell the moderators of a protected room, aloud, where they need to act; `about` is the request concerned."""
    there = await place.of(context, turn, room_id)
    if there is not None:
        calls = await calling.aloud(context, turn, there)
        to = Audience(there.management_room, about, room_id, calls, (room_id,))
        await say(context, turn, to, occasion, said, urgency=Urgency.ALOUD, reply_to=reply_to, marks=marks)


async def trouble(context: Context, turn: Turn, room_id: str, why: Notice) -> None:
    """Note that something is missing in a protected room, and tell it once."""
    there = await place.of(context, turn, room_id)
    if there is not None and await rooms.set_trouble(turn.tx, room_id, why):
        log.warning("cannot act at %s: %s", journal.place(room_id, there.label), in_words(why))
        occasion = f"trouble:{room_id}:{hashlib.sha256(dumps(why).encode()).hexdigest()[:16]}:{turn.now}"
        said = notice("act.blocked", room=there.called, why=why, bot=User(context.bot))
        await alarm(context, turn, room_id, occasion, said)
