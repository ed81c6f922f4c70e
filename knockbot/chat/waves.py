"""The commands by which moderators begin and end waves."""

from __future__ import annotations

import re

from knockbot.chat.arguments import ROOM, Argument, optional
from knockbot.chat.calls import TICK, Answered, Call, Reply
from knockbot.chat.command import Command
from knockbot.documents.reading import duration
from knockbot.domain.may import Deed
from knockbot.domain.notices import Code, Duration, Stranger, notice
from knockbot.domain.waves import LONGEST
from knockbot.engine.turn import Turn
from knockbot.errors import Fault, Refused
from knockbot.features.waves import byhand
from knockbot.store.rooms import ProtectedRoom


async def wave_on(call: Call, room: ProtectedRoom, span: int | None) -> Answered:
    """Begin a wave by hand."""
    return await byhand.on(call.context, room, call.actor, span)


async def wave_off(call: Call, room: ProtectedRoom) -> Answered:
    """End the wave that goes on."""
    ending = await byhand.off(call.context, room, call.actor)

    async def write(turn: Turn) -> Reply:
        await ending(turn)
        return TICK

    return write


async def _span(_: Call, text: str) -> tuple[int, str] | None:
    if not text:
        return None
    written = re.match(r"\S+", text)
    assert written is not None
    try:
        span = duration(written[0], ())
    except Fault:
        raise Refused(notice("wave.no_time", text=Stranger(written[0], 60), example=Code("2h"))) from None
    if span > LONGEST:
        raise Refused(notice("wave.too_long", most=Duration(LONGEST)))
    return span, text[written.end() :].strip()


SPAN = optional(Argument("2h", None, "2h", _span))

COMMANDS = (
    Command("wave on", (ROOM, SPAN), wave_on, Deed.WAVE),
    Command("wave off", (ROOM,), wave_off, Deed.WAVE),
)
