"""The commands by which a moderator says that they are at a request, or not any more."""

from __future__ import annotations

from functools import partial

from knockbot.chat.arguments import REQUESTS
from knockbot.chat.calls import Answered, Call, Meant
from knockbot.chat.command import Command
from knockbot.chat.several import to_each
from knockbot.domain.may import Deed
from knockbot.domain.model import Request
from knockbot.domain.notices import Room
from knockbot.engine.turn import Turn
from knockbot.features.claims import claiming
from knockbot.flow import answering, authority
from knockbot.flow.authority import Wanted


async def claim(call: Call, meant: Meant) -> Answered:
    """Whoever types this is at these requests."""

    async def do(turn: Turn, request: Request) -> None:
        await claiming.claim(call.context, turn, request, call.actor)

    return await to_each(meant, do, partial(answering.insist_on_being_able, call.context, Deed.CLAIM, call.actor))


async def release(call: Call, meant: Meant) -> Answered:
    """They are not at these requests any more."""
    await authority.insist(call.context, Wanted(Deed.NOTE, call.actor, Room(call.room, call.room)))

    async def do(turn: Turn, request: Request) -> None:
        await claiming.release(call.context, turn, request, call.actor)

    return await to_each(meant, do)


COMMANDS = (
    Command("claim", (REQUESTS,), claim, Deed.CLAIM),
    Command("release", (REQUESTS,), release, Deed.NOTE),
)
