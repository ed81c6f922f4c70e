"""The moderators are reminded of a request that has waited for some time: once, in reply to its card.

A room has one timer for all its requests. That they were reminded is a row, written with the message: a restart repeats
nothing. Who defers a request has looked at it: nobody is reminded of that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from knockbot.documents.zones import zone
from knockbot.domain.model import Request
from knockbot.domain.notices import Moment, Notice, Number, Numbered, User, notice, numbered
from knockbot.domain.reminders import DIGEST, TOGETHER
from knockbot.engine.timers import TimerKind, replace_timer
from knockbot.engine.turn import Turn, Write
from knockbot.features.reminders import daily
from knockbot.flow import calling, place, saying
from knockbot.flow.cards import CARD
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.saying import Audience, Urgency
from knockbot.store import digests, prompts, reminders, requests, timers, waiting
from knockbot.store.timers import Timer
from knockbot.store.waiting import Waiting

KIND: Final = "remind"


def key(room_id: str) -> str:
    """The key of a room's timer."""
    return f"{KIND}:{room_id}"


async def left_open(context: Context, turn: Turn, request: Request) -> None:
    """A request waits for an answer: if it still does after some time, the moderators are reminded."""
    there = await place.of(context, turn, request.room_id)
    after = there.settings.remind_after if there is not None else None
    if after is not None:
        due = max(turn.now, request.opened_at + after)
        await timers.at_latest(turn.tx, Timer(key(request.room_id), KIND, request.room_id, due))
        turn.after(context.wakeups.timers.set)


async def plan(context: Context, turn: Turn, there: Place) -> None:
    """Plan the next reminder of a room anew, or none."""
    after = there.settings.remind_after
    first = await reminders.first(turn.tx, there.room_id, there.management_room) if after is not None else None
    if after is None or first is None:
        await timers.end(turn.tx, key(there.room_id))
        return
    due = max(turn.now, first + after)
    await replace_timer(context, turn, Timer(key(there.room_id), KIND, there.room_id, due))


async def rings(context: Context, timer: Timer) -> Write[None]:
    """Requests have waited long enough."""

    async def write(turn: Turn) -> None:
        there = await place.of(context, turn, timer.about)
        if there is not None:
            await _remind(context, turn, there)
            await plan(context, turn, there)

    return write


REMIND: Final = TimerKind(rings)


async def _remind(context: Context, turn: Turn, there: Place) -> None:
    after = there.settings.remind_after
    if after is None:
        return
    until = turn.now + TOGETHER - after
    new = await reminders.note(turn.tx, there.room_id, there.management_room, until, turn.now)
    waits = await waiting.those(turn.tx, new, turn.now)
    daily_anyway = await digests.at(turn.tx, there.room_id, DIGEST, turn.now) if waits else {}
    told = [one for one in waits if one.id not in daily_anyway]
    if told:
        await _say(context, turn, there, told)
    if new:
        await daily.plan(context, turn, there)


async def _say(context: Context, turn: Turn, there: Place, told: Sequence[Waiting]) -> None:
    first = await requests.get(turn.tx, told[0].id, held=False)
    only = first if len(told) == 1 else None
    calls = await calling.aloud(context, turn, there)
    to = Audience(there.management_room, only, there.room_id, calls, (there.room_id,))
    occasion, reply_to = f"{KIND}:{first.id}", await _card_of(turn, only) if only is not None else None
    await saying.say(context, turn, to, occasion, _words(there, first, told), urgency=Urgency.ALOUD, reply_to=reply_to)


def _words(there: Place, first: Request, told: Sequence[Waiting]) -> Notice:
    since = Moment(first.opened_at, zone(there.settings.timezone).key)
    if len(told) == 1 and first.subject:
        return notice("remind.one", request=Numbered(first.number), user=User(first.subject), since=since)
    numbers = numbered([one.number for one in told])
    return notice("remind.many", room=there.called, count=Number(len(told)), numbers=numbers, since=since)


async def _card_of(turn: Turn, request: Request) -> str | None:
    card = await prompts.get(turn.tx, request.card_id) if request.card_id is not None else None
    return card.event_id if card is not None and card.kind == CARD else None
