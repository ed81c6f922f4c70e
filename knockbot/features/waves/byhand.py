"""A wave that a moderator begins or ends by hand."""

from __future__ import annotations

from knockbot.domain.may import Deed
from knockbot.domain.notices import Moment, Notice, Room, notice
from knockbot.domain.waves import USUAL
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.features.waves import course
from knockbot.features.waves.shown import DIGEST
from knockbot.flow import authority, digests, journal, place
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.store import waves
from knockbot.store.rooms import ProtectedRoom


async def on(context: Context, room: ProtectedRoom, actor: str, span: int | None) -> Write[Notice]:
    """Begin a wave at a room, for `span` milliseconds or until no knocks keep it going; or have it last so long."""
    await _insist(context, room, actor, "wave on")

    async def write(turn: Turn) -> Notice:
        there = await place.of(context, turn, room.room_id)
        if there is None:
            raise Refused(notice("wave.none", room=Room(room.room_id, room.label)))
        usual = USUAL if there.settings.wave.is_off else there.settings.wave
        until = turn.now + (span or usual.ends_after)
        if await course.begin(context, turn, there, until, by=actor):
            return notice("wave.begun", room=there.called, moment=Moment(until))
        wave = await waves.at(turn.tx, room.room_id)
        if wave is not None:
            await waves.lasts(turn.tx, wave.id, until)
            await digests.renew(turn, DIGEST, room.room_id, after=0)
            until = max(until, wave.until)
        return notice("wave.lasts", room=there.called, moment=Moment(until))

    return write


async def off(context: Context, room: ProtectedRoom, actor: str) -> Write[Notice | None]:
    """End the wave that goes on at a room; what comes of it is told there."""
    await _insist(context, room, actor, "wave off")

    async def write(turn: Turn) -> Notice | None:
        wave = await waves.at(turn.tx, room.room_id)
        if wave is None or not await course.end(context, turn, wave):
            raise Refused(notice("wave.none", room=Room(room.room_id, room.label)))
        return None

    return write


async def _insist(context: Context, room: ProtectedRoom, actor: str, called: str) -> None:
    with journal.refusing(actor, called, room.room_id):
        await authority.insist(context, Wanted(Deed.WAVE, actor, Room(room.room_id, room.label)))
