"""The templates of a room's policy as answers that its cards offer."""

from __future__ import annotations

from collections.abc import Sequence

from knockbot.domain.model import Request, Shortcut, Verdict
from knockbot.domain.plan import NUMBERS
from knockbot.domain.policy import RoomSettings
from knockbot.engine.turn import Turn
from knockbot.flow import cards, place
from knockbot.flow.context import Context
from knockbot.store import prompts


def shortcuts(settings: RoomSettings, request: Request) -> Sequence[Shortcut]:
    """A rejection by the text of each template, if there is somebody who would read it."""
    if not request.user_id:
        return ()
    numbered = zip(NUMBERS, settings.templates, strict=False)
    return [Shortcut(emoji, Verdict.REJECT, one.name, one.text) for emoji, one in numbered]


async def revised(context: Context, turn: Turn, room_id: str) -> None:
    """The templates may be others now: the cards that wait show them."""
    there = await place.find(context, turn.tx, room_id)
    any_now = there is not None and bool(there.settings.templates)
    for card in await prompts.awaiting_answers(turn.tx, room_id):
        if any_now or any(offer.meaning for offer in (await prompts.offers_on(turn.tx, card.id)).values()):
            await cards.refresh(turn, card.id)
