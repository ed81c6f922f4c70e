"""A click is taken back: to remove the reaction that gave an answer withdraws the answer, if it had no effect yet.

A reply that is only an emoji is a click, too. It does not matter who removes it: the card shows who has answered, and
what it does not show does not hold (docs/decisions/0026).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from knockbot.domain.model import Answer, Redaction, Request
from knockbot.domain.notices import Notice, Numbered, User, because, below, notice
from knockbot.domain.records import Recorded
from knockbot.engine.turn import WAITS, Handled, Turn
from knockbot.errors import Never
from knockbot.flow import cards, saying, settling, tables
from knockbot.flow.context import Context
from knockbot.flow.records import record
from knockbot.flow.saying import Audience
from knockbot.store import inbox, jobs, prompts, requests
from knockbot.store.db import Tx

SOON = 2000
"""Milliseconds after which the bot checks again whether an act that is under way had an effect."""


async def taken_back(context: Context, redaction: Redaction) -> Handled:
    """Take in the redaction of an event that gave an answer, or that the bot has not handled yet.

    While the act that carries the answer out is under way, its result is unknown, and this waits. A transaction of the
    homeserver is a hint, and anybody can send a redaction that has no effect: so the bot reads it in the room.
    """
    async with context.db.tx() as tx:
        given = await _given(context, tx, redaction)
        unheard = await inbox.is_said(tx, redaction.redacts, redaction.room_id)
        under_way = any([await jobs.is_running(tx, request.id) for request in given])
    there = await in_the_room(context, redaction) if given or unheard else None
    if there is None:
        return None
    by = there.sender or redaction.sender
    if under_way:
        async with context.db.tx() as tx:
            await inbox.let_wait(tx, redaction.event_id, context.now() + SOON)
        return WAITS

    async def write(turn: Turn) -> None:
        # This comes first: another handler of the event has to end before, or finds that it is handled.
        await inbox.not_to_be_heard(turn.tx, redaction.redacts, redaction.room_id, turn.now)
        given = await _given(context, turn.tx, redaction)
        click, whoever = redaction.redacts, by or context.bot
        withdrawn = [one for one in given if await _is_withdrawn(context, turn, one, click, whoever)]
        await _tell(context, turn, withdrawn, redaction.redacts, by or context.bot)

    return write


async def in_the_room(context: Context, redaction: Redaction) -> Redaction | None:
    """What redacted the event, as the room shows it; `None` where nothing did, or the bot may not look."""
    try:
        return await context.outside.redaction(redaction.room_id, redaction.redacts)
    except Never:
        return None


async def _given(context: Context, tx: Tx, redaction: Redaction) -> list[Request]:
    """The open requests whose answer the redacted event gave by a click, or for which it counts as a click."""
    answered = await requests.answered_by(tx, redaction.room_id, redaction.redacts)
    clicked = {one.id for one in answered if one.answer is not None and one.answer.by_click}
    clicked.update(await tables.clicked_for(context, tx, redaction.room_id, redaction.redacts))
    await requests.hold(tx, sorted(clicked))
    found = await requests.several(tx, sorted(clicked))
    return [found[one] for one in sorted(found) if found[one].open]


async def _is_withdrawn(context: Context, turn: Turn, request: Request, click: str, by: str) -> bool:
    """Open a request again, unless its answer is half carried out: the inviter was banned, but the invite is left."""
    if request.inviter_banned:
        return False
    if await jobs.is_running(turn.tx, request.id):
        turn.after(partial(context.look_at, request.room_id))
        return False
    lost = await tables.unclicked(context, turn, request, click, by)
    if request.answer is None or not (lost or _was_given_by(request.answer, click)):
        return False
    verdict = request.answer.verdict
    await settling.withdraw_answer(turn, request, because("overtaken.unclicked", user=User(by)), inviter_too=True)
    await record(turn, request, by, Recorded.ANSWER_TAKEN_BACK, verdict=verdict)
    await cards.show(context, turn, request.id)
    await tables.left_open(context, turn, request)
    return True


def _was_given_by(answer: Answer, click: str) -> bool:
    return answer.by_click and answer.cause == click


async def _tell(context: Context, turn: Turn, withdrawn: Sequence[Request], click: str, by: str) -> None:
    """Say whose answers somebody else has taken back, once for all that the click gave."""
    others = [(one, one.answer) for one in withdrawn if one.answer is not None and one.answer.by != by]
    if not others:
        return
    said = [_told(one, answer, click, by) for one, answer in others]
    first = withdrawn[0]
    card = await prompts.get(turn.tx, first.card_id) if first.card_id is not None else None
    to, occasion = Audience(first.management_room, about=first), f"unclicked:{first.id}:{click}"
    await saying.say(context, turn, to, occasion, below(*said), reply_to=card.event_id if card is not None else None)


def _told(request: Request, answer: Answer, click: str, by: str) -> Notice:
    number = Numbered(request.number)
    if answer.cause != click:
        return notice("answer.unsupported", by=User(by), user=User(answer.by), request=number)
    return notice("answer.taken_back", by=User(by), user=User(answer.by), request=number)
