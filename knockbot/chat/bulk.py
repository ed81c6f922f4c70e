"""One answer to many requests at once: `accept all`, `reject all`, `ban all`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from knockbot.chat import templates
from knockbot.chat.arguments import Argument, optional
from knockbot.chat.calls import AWAITED, Answered, Call, Misuse, Reply
from knockbot.chat.command import Command
from knockbot.chat.orders import REASON_LIMIT
from knockbot.chat.selecting import Selection, read_selection
from knockbot.domain import filters
from knockbot.domain.may import Deed
from knockbot.domain.model import Verdict
from knockbot.domain.notices import Code, Notice, Number, Stranger, below, notice
from knockbot.engine.turn import Turn
from knockbot.features.bulk import preview, proposing
from knockbot.features.bulk.proposing import Chosen, Order


def answer_all(verdict: Verdict) -> Callable[[Call, Selection, str | None], Awaitable[Answered]]:
    """The command that gives this answer to all who fit, once whoever gives it has confirmed that."""

    async def run(call: Call, wanted: Selection, reason: str | None) -> Answered:
        room_id = wanted.room.room_id if wanted.room is not None else None
        order = Order(call.room, call.actor, call.cause, verdict, reason, wanted.filters, room_id, wanted.written)
        chosen = await proposing.choose(call.context, order)
        if chosen.is_empty:
            return _nobody(wanted, chosen)
        answered = [request for request, why in chosen.found if why is None]
        await templates.insist_on_words(call, verdict, reason, answered)

        async def ask(turn: Turn) -> Reply:
            await proposing.ask(call.context, turn, order, chosen)
            return notice("bulk.more", count=Number(chosen.more)) if chosen.more else AWAITED

        return ask

    return run


def _nobody(wanted: Selection, chosen: Chosen) -> Notice:
    """Why there is nothing to ask."""
    if chosen.found:
        return below(notice("bulk.nobody_left"), *preview.left_out_of(chosen.found))
    written = wanted.filters.written
    return notice("list.none_fit", filters=Code(written)) if written else notice("list.nobody")


async def _selection(call: Call, text: str) -> tuple[Selection, str]:
    start = next((word.start() for word in _WORD.finditer(text) if _BECAUSE.fullmatch(word[0])), len(text))
    return await read_selection(call, text[:start].strip(), paged=False), text[start:]


async def _because(call: Call, text: str) -> tuple[str, str] | None:
    if not text:
        return None
    first, _, rest = text.partition(" ")
    reason = "\n".join(part for part in (rest.strip(), call.below.strip()) if part)
    if not reason:
        raise Misuse(notice("ask.because", word=Code(first)))
    behind = filters.first_in(reason)
    if behind is not None:
        raise Misuse(notice("ask.filter_behind", filter=Stranger(behind, filters.SHOWN), word=Code(first)))
    return reason[:REASON_LIMIT], ""


_QUOTES = '"\u201c\u201d\u201e\u00ab\u00bb'
_WORD = re.compile(rf"[^\s{_QUOTES}]*[{_QUOTES}][^{_QUOTES}]*[{_QUOTES}]|\S+")
"""A word, or what is in quotes."""

_BECAUSE = re.compile(r"because[:,]?", re.IGNORECASE)

SELECTION = Argument("[ROOM] [FILTER…]", None, "server:*.example.org", _selection)
BECAUSE = optional(Argument("because …", None, "because Not now.", _because, takes_lines=True))

COMMANDS = tuple(
    Command(f"{verdict.value} all", (SELECTION, BECAUSE), answer_all(verdict), deed)
    for verdict, deed in ((Verdict.ACCEPT, Deed.ACCEPT), (Verdict.REJECT, Deed.REJECT), (Verdict.BAN, Deed.BAN))
)
