"""A moderator asks the applicant of a request something, by the bot; the answer comes to the thread of its card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from knockbot.domain.model import Kind, Request
from knockbot.domain.notices import Hidden, Number, Numbered, Stranger, User, below, notice
from knockbot.domain.policy import Reasons
from knockbot.domain.questions import LONGEST, LONGEST_ANSWER, QUOTED
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.flow import conversations, place, remarks, saying
from knockbot.flow.context import Context
from knockbot.flow.conversations import ToTell
from knockbot.flow.records import record
from knockbot.flow.saying import Audience, Marks, Urgency
from knockbot.store import prompts, questions
from knockbot.store.questions import Put

MOST: Final = 10
"""Questions of moderators about one request."""


@dataclass(frozen=True, slots=True)
class ByHand:
    """What a moderator asks, and by which command."""

    by: str
    text: str
    cause: str


async def ask(context: Context, turn: Turn, request: Request, what: ByHand) -> None:
    """Put a question as from the moderators of the room. Raises `Refused` where the request waits no more, and where it
    was asked too much."""
    now = await remarks.still_waiting(turn, request)
    if now.judged_as is not Kind.KNOCK:
        raise Refused(notice("asked.no_applicant", request=Numbered(now.number)))
    there = await place.of(context, turn, now.room_id)
    before = [one for one in await questions.of(turn.tx, now) if one.asked_by is not None]
    if there is None or len(before) >= MOST:
        raise Refused(notice("asked.too_many", request=Numbered(now.number), most=Number(MOST)))
    one = Put(now.id, what.cause, now.management_room, now.user_id, what.text, (), turn.now, asked_by=what.by)
    if not await questions.put(turn.tx, one):
        return
    said = below(
        notice("question.by_moderators", room=there.called),
        notice("question.words", text=Stranger(what.text, LONGEST)),
        notice("question.how_text"),
    )
    conversations.tell(context, turn, ToTell(now.user_id, there, said, one.occasion, now.id))
    await record(turn, now, what.by, Recorded.ASKED)
    await remarks.changed(turn, now.id)


async def tell(context: Context, turn: Turn, request: Request, one: Put, answer: str) -> None:
    """Tell the moderators an answer, aloud, in the thread of the card; in reply to the command where there is none."""
    card = await prompts.get(turn.tx, request.card_id) if request.card_id is not None else None
    thread = card.event_id if card is not None else None
    there = await place.of(context, turn, request.room_id)
    text: Stranger | Hidden = Stranger(answer, LONGEST_ANSWER)
    if there is not None and there.settings.reasons is Reasons.HIDDEN:
        text = Hidden(answer, LONGEST_ANSWER, f"!kb show {request.number}")
    number, user, ask = Numbered(request.number), User(request.user_id), Stranger(one.ask, QUOTED)
    said = notice("question.was_answered", request=number, user=user, ask=ask, text=text)
    to, occasion = Audience(request.management_room, request), f"answer:{one.request_id}:{turn.cause}"
    marks = Marks(thread=thread)
    await saying.say(context, turn, to, occasion, said, urgency=Urgency.ALOUD, reply_to=one.key, marks=marks)
