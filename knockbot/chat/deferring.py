"""The command that takes a request off the list for a time."""

from __future__ import annotations

from datetime import date
from functools import partial

from knockbot.chat.arguments import REQUESTS, Argument
from knockbot.chat.calls import Answered, Call, Meant
from knockbot.chat.command import Command
from knockbot.chat.several import to_each
from knockbot.domain.deferring import When, read_when
from knockbot.domain.may import Deed
from knockbot.domain.model import Request
from knockbot.domain.notices import notice
from knockbot.engine.turn import Turn
from knockbot.features.deferring import deferring
from knockbot.flow import answering


async def defer(call: Call, meant: Meant, when: tuple[When]) -> Answered:
    """Take these requests off the list, or put them back on it."""
    [ends] = when

    async def do(turn: Turn, request: Request) -> None:
        if isinstance(ends, int | date):
            await deferring.defer(call.context, turn, request, call.actor, ends)
        else:
            await deferring.take_back(call.context, turn, request)

    return await to_each(meant, do, partial(answering.insist_on_being_able, call.context, Deed.DEFER, call.actor))


async def _when(_: Call, text: str) -> tuple[tuple[When], str] | None:
    """The word that says until when."""
    parts = text.split(maxsplit=1)
    return ((read_when(parts[0]),), "".join(parts[1:])) if parts else None


WHEN = Argument("2d", notice("ask.defer"), "2d", _when)

COMMANDS = (Command("defer", (REQUESTS, WHEN), defer, Deed.DEFER),)
