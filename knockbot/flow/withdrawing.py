"""A click is taken back: whoever removes the reaction that gave an answer withdraws it, as long as nothing came of it.

A reply that is nothing but an emoji is a click, too. Whoever removes it counts alike: the card shows who has answered,
and what it does not show does not hold (docs/decisions/0026).
"""

from __future__ import annotations

from functools import partial

from knockbot.domain.model import Redaction, Request
from knockbot.domain.notices import Numbered, User, because, notice
from knockbot.domain.records import Recorded
from knockbot.engine.turn import WAITS, Handled, Turn
from knockbot.errors import Never
from knockbot.flow import cards, saying, settling
from knockbot.flow.context import Context
from knockbot.flow.records import record
from knockbot.flow.saying import Audience
from knockbot.store import inbox, jobs, prompts, requests
from knockbot.store.db import Tx

SOON = 2000
"""Milliseconds after which it is looked again whether an act that is under way has come to anything."""


async def taken_back(context: Context, redaction: Redaction) -> Handled:
    """Take in that an event was redacted which gave an answer, or is yet to be heard.

    While the act that carries the answer out is under way, nobody knows what comes of it, and this waits. A transaction
    of the homeserver is a hint, and anybody can send a redaction that has no effect: so what is told is read.
    """
    async with context.db.tx() as tx:
        given = await _given(tx, redaction)
        unheard = await inbox.is_said(tx, redaction.redacts, redaction.room_id)
        under_way = any([await jobs.is_running(tx, request.id) for request in given])
    there = await _in_the_room(context, redaction) if given or unheard else None
    if there is None:
        return None
    by = there.sender or redaction.sender
    if under_way:
        async with context.db.tx() as tx:
            await inbox.let_wait(tx, redaction.event_id, context.now() + SOON)
        return WAITS

    async def write(turn: Turn) -> None:
        # First this: whoever handles it at this moment has to be done, or finds that it is handled.
        await inbox.not_to_be_heard(turn.tx, redaction.redacts, redaction.room_id, turn.now)
        for request in await _given(turn.tx, redaction):
            await _withdraw(context, turn, request, redaction.redacts, by or context.bot)

    return write


async def _in_the_room(context: Context, redaction: Redaction) -> Redaction | None:
    """What redacted the event by what the room shows; none where nothing did, or the bot may not look."""
    try:
        return await context.outside.redaction(redaction.room_id, redaction.redacts)
    except Never:
        return None


async def _given(tx: Tx, redaction: Redaction) -> list[Request]:
    """The open requests whose answer the redacted event gave by a click."""
    found = await requests.answered_by(tx, redaction.room_id, redaction.redacts)
    return [request for request in found if request.answer is not None and request.answer.by_click]


async def _withdraw(context: Context, turn: Turn, request: Request, click: str, by: str) -> None:
    """Open a request again, unless its answer is half carried out: an inviter was banned, whose invite is left."""
    if request.answer is None or request.inviter_banned:
        return
    if await jobs.is_running(turn.tx, request.id):
        turn.after(partial(context.look_at, request.room_id))
        return
    whose, verdict = request.answer.by, request.answer.verdict
    await settling.withdraw_answer(turn, request, because("overtaken.unclicked", user=User(by)), inviter_too=True)
    await record(turn, request, by, Recorded.ANSWER_TAKEN_BACK, verdict=verdict)
    await cards.show(context, turn, request.id)
    if by != whose:
        said = notice("answer.taken_back", by=User(by), user=User(whose), request=Numbered(request.number))
        card = await prompts.get(turn.tx, request.card_id) if request.card_id is not None else None
        to, occasion = Audience(request.management_room, about=request), f"unclicked:{request.id}:{click}"
        await saying.say(context, turn, to, occasion, said, reply_to=card.event_id if card is not None else None)
