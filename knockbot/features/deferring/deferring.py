"""A request is deferred: off the list until a moment, at which its card says that it is back.

An answer ends that, and another knock. The end is a timer, one for each moment that was named: if the request was
deferred anew, or is deferred no more, the timer finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from knockbot.documents.zones import zone
from knockbot.domain.deferring import until
from knockbot.domain.model import Request
from knockbot.domain.notices import Moment, Notice, Numbered, User, notice
from knockbot.domain.remarks import Extent
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.flow import answering, calling, cards, place, remarks, saying, tables
from knockbot.flow.context import Context
from knockbot.flow.saying import Audience, Urgency
from knockbot.store import deferrals, prompts, requests
from knockbot.store.db import Tx
from knockbot.store.deferrals import Deferral
from knockbot.store.timers import Timer

KIND: Final = "end_deferral"


async def defer(context: Context, turn: Turn, request: Request, by: str, when: int | date) -> None:
    """Take a request off the list for a time. Raises `Refused` where it waits for no answer, or the time is no good."""
    now = await remarks.still_waiting(turn, request)
    zones = await remarks.zones(context, turn.tx, [now])
    ends = until(when, turn.now, zone(zones[now.room_id]))
    await deferrals.put(turn.tx, Deferral(now.id, now.management_room, by, ends, now.event_id))
    await set_timer(context, turn, Timer(f"{KIND}:{now.id}:{ends}", KIND, str(now.id), ends))
    await remarks.changed(turn, now.id)
    await tables.listed(context, turn, now)


async def take_back(context: Context, turn: Turn, request: Request) -> None:
    """Put a request back on the list. Raises `Refused` where it is there."""
    now = await remarks.still_there(turn, request)
    if not await deferrals.on(turn.tx, [now], turn.now):
        raise Refused(notice("defer.none", request=Numbered(now.number)))
    await deferrals.end(turn.tx, now.id)
    await _is_back(context, turn, now)


async def _is_back(context: Context, turn: Turn, request: Request) -> None:
    await cards.back_on_the_list(context, turn, request.id)
    await tables.listed(context, turn, request)


# --- shown --------------------------------------------------------------------------------------------------------


async def shown(context: Context, tx: Tx, about: Sequence[Request], _: Extent) -> Mapping[int, Sequence[Notice]]:
    """Until when each of these requests is deferred, and by whom."""
    return {
        request.id: [notice("defer.line", by=User(there.deferred_by), until=moment)]
        for request, there, moment in await _in_force(context, tx, about)
    }


async def off_the_list(context: Context, tx: Tx, about: Sequence[Request]) -> Mapping[int, Notice]:
    """Which of these requests are off the list, and until when."""
    return {
        request.id: notice("defer.off", request=Numbered(request.number), until=moment)
        for request, _, moment in await _in_force(context, tx, about)
    }


async def _in_force(context: Context, tx: Tx, about: Sequence[Request]) -> list[tuple[Request, Deferral, Moment]]:
    found = await deferrals.on(tx, about, context.now())
    deferred = [(request, found[request.id]) for request in about if request.id in found]
    zones = await remarks.zones(context, tx, [one for one, _ in deferred])
    return [(one, there, Moment(there.until, zones[one.room_id])) for one, there in deferred]


# --- ended --------------------------------------------------------------------------------------------------------


async def rings(context: Context, timer: Timer) -> Write[None]:
    """The time of a deferral has come, unless it was ended or moved before."""

    async def bring_back(turn: Turn) -> None:
        request = await requests.get(turn.tx, int(timer.about))
        there = await deferrals.find(turn.tx, request.id)
        if there is None or there.until > turn.now:
            return
        await deferrals.end(turn.tx, request.id)
        if there.is_of(request) and await answering.is_managed(turn.tx, request, there.management_room):
            await _is_back(context, turn, request)
            await _tell(context, turn, request, there)

    return bring_back


END: Final = TimerKind(rings)


async def _tell(context: Context, turn: Turn, request: Request, there: Deferral) -> None:
    """Say that a request is back on the list, in reply to its card, to whoever deferred it."""
    card = await prompts.get(turn.tx, request.card_id) if request.card_id is not None else None
    said = notice("defer.back", request=Numbered(request.number), by=User(there.deferred_by))
    room = await place.of(context, turn, request.room_id)
    calls = await calling.aloud(context, turn, room, (there.deferred_by,)) if room is not None else ()
    to = Audience(request.management_room, request, calls=calls, called_about=(request.room_id,))
    occasion, reply_to = f"{KIND}:{request.id}:{there.until}", card.event_id if card is not None else None
    await saying.say(context, turn, to, occasion, said, urgency=Urgency.ALOUD, reply_to=reply_to)


async def left_open(context: Context, turn: Turn, request: Request) -> None:
    """Another knock is back on the list, whatever was deferred."""
    there = await deferrals.find(turn.tx, request.id) if request.card_id is not None else None
    if there is not None and not there.is_of(request):
        await deferrals.end(turn.tx, request.id)
        await _is_back(context, turn, request)


async def answered(_: Context, turn: Turn, request: Request) -> None:
    """What is answered is deferred no more, also if the answer is withdrawn. What never had a card was not deferred."""
    if request.card_id is not None:
        await deferrals.end(turn.tx, request.id)
