"""An event was redacted: an open prompt is posted again, a knock loses its text, and a click gives no answer."""

from __future__ import annotations

from knockbot.domain import plan
from knockbot.domain.model import Redaction, Request
from knockbot.engine.prompts import refresh, removed, unclicked
from knockbot.engine.turn import Handled, Turn
from knockbot.flow import cards, tables
from knockbot.flow.context import Context
from knockbot.store import messages, prompts, requests


async def redacted(context: Context, redaction: Redaction) -> Handled:
    """Take in a redaction of any kind of event."""
    theirs = redaction.sender != context.bot  # redactions by the bot itself have no effect here
    async with context.db.tx() as tx:
        prompt = await prompts.by_event(tx, redaction.room_id, redaction.redacts) if theirs else None
        edited = await prompts.edited_by(tx, redaction.room_id, redaction.redacts) if theirs else None
        knock = await requests.by_knock(tx, redaction.room_id, redaction.redacts)
    if prompt is None and edited is None and knock is None:
        handled = await unclicked(context, redaction) if theirs else None
        return handled or await tables.heard(context, redaction)

    async def write(turn: Turn) -> None:
        if prompt is not None:
            await removed(context, turn, prompt)
        if edited is not None:
            await prompts.shows(turn.tx, edited.id, None)
            await refresh(turn, edited.id)
        if knock is not None:
            await forget_words(context, turn, knock)

    return write


async def forget_words(context: Context, turn: Turn, request: Request) -> None:
    """What the applicant wrote is gone from the room, so delete it here: from the records, and from the card.

    After an edit alone people could still read the text in older versions. An event can be redacted any number of
    times; only the first time there is text to forget.
    """
    if not await requests.forget_words(turn.tx, request.id) or request.card_id is None:
        return
    card = await prompts.get(turn.tx, request.card_id)
    said = await messages.of_prompt(turn.tx, card.id)
    await turn.plan(*(plan.redact(card.room_id, card.id, one.event_id) for one in said))
    await cards.post_anew(context, turn, card)
