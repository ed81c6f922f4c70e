"""A request is claimed for two hours, and given back: a courtesy among moderators, which hinders nobody from answering.

The first claim wins; the row of the request is held while it is written. What ends it by itself is a timer, one for
each end: a claim that was made longer finds the earlier one without effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from knockbot.domain.model import Answer, Request
from knockbot.domain.notices import Moment, Notice, Numbered, User, notice
from knockbot.domain.remarks import Extent
from knockbot.engine.timers import TimerKind, set_timer
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.flow import remarks, saying
from knockbot.flow.context import Context
from knockbot.flow.saying import Audience
from knockbot.store import claims, prompts, requests
from knockbot.store.claims import Claim
from knockbot.store.db import Tx
from knockbot.store.timers import Timer
from knockbot.times import HOUR

LASTS: Final = 2 * HOUR
"""Milliseconds for which a claim is in force."""

KIND: Final = "end_claim"


async def claim(context: Context, turn: Turn, request: Request, by: str) -> None:
    """Somebody is at a request from now on. Raises `Refused` where somebody else is, or it waits for no answer."""
    now = await remarks.still_waiting(turn, request)
    there = await _in_force(turn, now)
    if there is not None and there.claimed_by != by:
        raise Refused(await _taken(context, turn, now, there))
    until = turn.now + LASTS
    await claims.put(turn.tx, Claim(now.id, now.management_room, by, until))
    await set_timer(context, turn, Timer(f"{KIND}:{now.id}:{until}", KIND, str(now.id), until))
    await remarks.changed(turn, now.id)


async def release(context: Context, turn: Turn, request: Request, by: str) -> None:
    """Somebody is not at a request any more. Raises `Refused` where they were not."""
    now = await remarks.still_there(turn, request)
    there = await _in_force(turn, now)
    if there is None:
        raise Refused(notice("claim.none", request=Numbered(now.number)))
    if there.claimed_by != by:
        raise Refused(await _taken(context, turn, now, there))
    await claims.end(turn.tx, now.id)
    await remarks.changed(turn, now.id)


async def _in_force(turn: Turn, request: Request) -> Claim | None:
    return (await claims.on(turn.tx, [request], turn.now)).get(request.id)


async def _taken(context: Context, turn: Turn, request: Request, there: Claim) -> Notice:
    zones = await remarks.zones(context, turn.tx, [request])
    until = Moment(there.until, zones[request.room_id])
    return notice("claim.taken", request=Numbered(request.number), by=User(there.claimed_by), until=until)


# --- shown --------------------------------------------------------------------------------------------------------


async def shown(context: Context, tx: Tx, about: Sequence[Request], _: Extent) -> Mapping[int, Sequence[Notice]]:
    """Who is at each of these requests, as long as they wait for an answer."""
    waiting = [one for one in about if one.awaits_moderators]
    found = await claims.on(tx, waiting, context.now())
    claimed = [one for one in waiting if one.id in found]
    zones = await remarks.zones(context, tx, claimed)
    return {one.id: [_line(found[one.id], zones[one.room_id])] for one in claimed}


def _line(there: Claim, zone: str) -> Notice:
    return notice("claim.line", by=User(there.claimed_by), until=Moment(there.until, zone))


# --- ended --------------------------------------------------------------------------------------------------------


async def rings(_: Context, timer: Timer) -> Write[None]:
    """The time of a claim is over, unless it was claimed anew."""

    async def end(turn: Turn) -> None:
        request = await requests.get(turn.tx, int(timer.about))
        if await claims.end_if_over(turn.tx, request.id, turn.now):
            await remarks.changed(turn, request.id)

    return end


END: Final = TimerKind(rings)


async def answered(context: Context, turn: Turn, request: Request) -> None:
    """Somebody has answered: if somebody else is at the request, they are told so."""
    there = await _in_force(turn, request) if request.card_id is not None else None
    if there is None:
        return
    now = await requests.get(turn.tx, request.id)
    answer = now.answer
    if answer is None or answer.rule is not None or there.claimed_by == answer.by:
        return
    said = notice("claim.overridden", request=Numbered(now.number), by=User(there.claimed_by), user=User(answer.by))
    occasion = f"claimed:{now.id}:{answer.cause}"
    await saying.say(
        context, turn, Audience(now.management_room, now), occasion, said, reply_to=await _replied_to(turn, now, answer)
    )


async def _replied_to(turn: Turn, request: Request, answer: Answer) -> str | None:
    """The command that answered; for a click, the card."""
    if not answer.by_click or request.card_id is None:
        return answer.cause
    return (await prompts.get(turn.tx, request.card_id)).event_id


async def settled(_: Context, turn: Turn, request: Request) -> None:
    """What is settled needs nobody any more. What never had a card was claimed by nobody."""
    if request.card_id is not None:
        await claims.end(turn.tx, request.id)
