"""The commands by which moderators ask an applicant something, and talk to them."""

from __future__ import annotations

from functools import partial

from knockbot.chat.arguments import REQUESTS, Argument
from knockbot.chat.calls import Answered, Call, Meant, Misuse
from knockbot.chat.command import Command
from knockbot.chat.several import to_each
from knockbot.chat.typed import are_numbers, not_numbers
from knockbot.documents.text import storable
from knockbot.domain.may import Deed
from knockbot.domain.model import Request
from knockbot.domain.notices import Notice, Number, notice
from knockbot.domain.questions import LONGEST
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.features.interviews import holding
from knockbot.features.questions import byhand
from knockbot.features.questions.byhand import ByHand
from knockbot.flow import answering


async def ask(call: Call, meant: Meant, text: str) -> Answered:
    """Have the bot ask the applicants of these requests something, as from the moderators of the room."""
    said = storable(text.strip())
    if are_numbers(said):
        raise Misuse(not_numbers(call.rest, said))
    if len(said) > LONGEST:
        raise Refused(notice("asked.too_long", most=Number(LONGEST), length=Number(len(said))))

    async def do(turn: Turn, request: Request) -> Notice | None:
        await byhand.ask(call.context, turn, request, ByHand(call.actor, said, call.cause))
        return None

    return await to_each(meant, do, partial(answering.insist_on_being_able, call.context, Deed.ASK, call.actor))


async def _text(call: Call, text: str) -> tuple[str, str] | None:
    """All that follows, on the lines below as well."""
    said = "\n".join(part for part in (text, call.below.strip()) if part)
    return (said, "") if said else None


TEXT = Argument("text", notice("ask.question"), "How did you hear of us?", _text, takes_lines=True)


async def interview(call: Call, meant: Meant) -> Answered:
    """Invite the applicants of these requests to a private room, and whoever types this."""

    async def do(turn: Turn, request: Request) -> None:
        await holding.begin(call.context, turn, request, call.actor)

    return await to_each(meant, do, partial(answering.insist_on_being_able, call.context, Deed.ASK, call.actor))


COMMANDS = (
    Command("ask", (REQUESTS, TEXT), ask, Deed.ASK),
    Command("interview", (REQUESTS,), interview, Deed.ASK),
)
"""Questions to applicants, by moderators."""
