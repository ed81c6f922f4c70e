"""An event was redacted: what is still asked is asked again, a knock loses its words, and a click gives no answer."""

from __future__ import annotations

from knockbot.domain import plan
from knockbot.domain.model import Redaction, Request
from knockbot.engine.turn import Handled, Turn
from knockbot.flow import cards, tables, withdrawing
from knockbot.flow.context import Context
from knockbot.store import messages, prompts, requests
from knockbot.store.prompts import Prompt


async def redacted(context: Context, redaction: Redaction) -> Handled:
    """Take in a redaction, of whatever kind of event."""
    theirs = redaction.sender != context.bot  # of what the bot redacts itself nothing follows
    async with context.db.tx() as tx:
        card = await prompts.by_event(tx, redaction.room_id, redaction.redacts) if theirs else None
        edited = await prompts.edited_by(tx, redaction.room_id, redaction.redacts) if theirs else None
        knock = await requests.by_knock(tx, redaction.room_id, redaction.redacts)
    if card is None and edited is None and knock is None:
        handled = await withdrawing.taken_back(context, redaction) if theirs else None
        return handled or await tables.heard(context, redaction)

    async def write(turn: Turn) -> None:
        if card is not None:
            await post_anew(turn, card)
        if edited is not None:
            await prompts.shows(turn.tx, edited.id, None)
            await cards.refresh(turn, edited.id)
        if knock is not None:
            await forget_words(turn, knock)

    return write


async def post_anew(turn: Turn, card: Prompt) -> None:
    """Show what still waits on a card that was redacted on a new one; what is settled needs none."""
    waiting = [request for request in await requests.on_card(turn.tx, card.id) if request.open]
    if not waiting:
        return
    new = await prompts.new(turn.tx, card.room_id, card.kind, card.about, turn.now)
    for request in waiting:
        await requests.put_on_card(turn.tx, request.id, new.id)
    await turn.plan(plan.post_card(new.room_id, new.id))


async def forget_words(turn: Turn, request: Request) -> None:
    """What the applicant wrote is gone from the room, so it goes here: from the records, and from the card.

    An edit alone would leave the words to whoever looks at the versions before it. An event can be redacted any number
    of times; only the first time there are words to forget.
    """
    if not await requests.forget_words(turn.tx, request.id) or request.card_id is None:
        return
    card = await prompts.get(turn.tx, request.card_id)
    said = await messages.of_prompt(turn.tx, card.id)
    await turn.plan(*(plan.redact(card.room_id, card.id, one.event_id) for one in said))
    await post_anew(turn, card)
