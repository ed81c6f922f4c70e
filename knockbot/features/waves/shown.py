"""What is shown while a wave goes on: a digest in place of cards and lines, and one call in place of many."""

from __future__ import annotations

from typing import Final

from knockbot.domain.model import Kind, Request
from knockbot.domain.notices import Code, Duration, Moment, Notice, Number, User, below, notice
from knockbot.engine.turn import Turn
from knockbot.flow import digests, place
from knockbot.flow.context import Context
from knockbot.flow.digests import Digest
from knockbot.flow.place import Place
from knockbot.store import waiting, waves
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt
from knockbot.store.waves import Wave
from knockbot.times import MINUTE


async def _heading(context: Context, tx: Tx, there: Place, prompt: Prompt) -> Notice:
    wave = await waves.at(tx, there.room_id)
    if wave is None or prompt.closes_at is not None:
        return notice("wave.was", room=there.called)
    found = await waiting.at(tx, there.room_id, there.management_room, context.now())
    others = sum(one.card_id != prompt.id for one in found)
    beside = notice("wave.others", count=Number(others)) if others else None
    return below(_goes_on(there, wave), notice("wave.means"), _end(there, wave, context.now()), beside)


def _goes_on(there: Place, wave: Wave) -> Notice:
    if wave.begun_by is not None:
        return notice("wave.by_hand", room=there.called, user=User(wave.begun_by), moment=Moment(wave.began_at))
    return notice("wave.by_knocks", room=there.called, moment=Moment(wave.began_at))


def _end(there: Place, wave: Wave, now: int) -> Notice:
    """When it ends by itself, in words that stay the same while nobody has it last longer."""
    rule, command = there.settings.wave, Code(f"!kb wave off {there.room_id}")
    if rule.is_off:
        return notice("wave.ends_at", moment=Moment(wave.until), command=command)
    time, count, within = Duration(rule.ends_after), Number(rule.knocks), Duration(rule.within)
    if wave.until - now > rule.ends_after:  # so long only where a moderator wants it
        moment = Moment(wave.until)
        return notice("wave.ends_not_before", time=time, count=count, within=within, moment=moment, command=command)
    return notice("wave.ends", time=time, count=count, within=within, command=command)


DIGEST: Final = Digest("wave", _heading)
"""The message that stands for all who knock in a wave."""


async def newest(turn: Turn, room_id: str) -> Wave | None:
    """The newest wave at a room, looked up once in a turn; `changed` has it looked up again."""
    if _seen(room_id) not in turn.seen:
        turn.seen[_seen(room_id)] = await waves.newest(turn.tx, room_id)
    wave = turn.seen[_seen(room_id)]
    return wave if isinstance(wave, Wave) else None


async def going_on(turn: Turn, room_id: str) -> Wave | None:
    """The wave that goes on at a room."""
    wave = await newest(turn, room_id)
    return wave if wave is not None and wave.goes_on else None


def changed(turn: Turn, room_id: str) -> None:
    """A wave began or ended in this turn."""
    turn.seen.pop(_seen(room_id), None)


def _seen(room_id: str) -> str:
    return f"wave {room_id}"


async def fold(context: Context, turn: Turn, request: Request) -> int | None:
    """The digest for a knock at a room at which a wave goes on."""
    if request.judged_as is not Kind.KNOCK or await going_on(turn, request.room_id) is None:
        return None
    there = await place.of(context, turn, request.room_id)
    if there is None or there.management_room != request.management_room:
        return None
    return (await digests.opened(turn, DIGEST, there)).id


AFTERWARDS: Final = MINUTE
"""Milliseconds after a wave in which the cards of those who are left call nobody: the wave has called them."""


async def hush(context: Context, tx: Tx, prompt: Prompt) -> bool:
    """Whether a wave goes on at a room, or did until just now, so that only its digest calls anybody."""
    if prompt.kind == DIGEST.name:
        return prompt.closes_at is not None
    wave = await waves.newest(tx, prompt.about)
    return wave is not None and (wave.ended_at is None or context.now() - wave.ended_at < AFTERWARDS)


async def look(context: Context, there: Place) -> None:
    """Make sure that the digest is posted."""
    await digests.look(context, DIGEST, there)
