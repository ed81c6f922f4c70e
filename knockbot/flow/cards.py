"""Cards: which request is shown on which, when a card is edited, and the answers that it offers by reactions."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from knockbot.domain.card import EMOJI
from knockbot.domain.jobs import Act
from knockbot.domain.kinds import kind_of
from knockbot.domain.model import Request, Verdict
from knockbot.engine import prompts as prompting
from knockbot.engine.turn import Turn
from knockbot.flow.context import Context
from knockbot.store import jobs, prompts, requests
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt
from knockbot.times import HOUR, MINUTE

CARD: Final = "card"
"""The kind of prompt that a card is."""

UNDER_WAY = 2000
"""Milliseconds after which a card says that an answer is on its way, if it has not arrived by then."""

CROWDED = 5
"""More requests than this share a card: those of one applicant in an hour, or those a look found at once."""

CROWD = 10
"""Applicants of one room who were shown on cards within a minute; those who come after them share a card."""

MOST_SHARING = 50
"""Requests that one shared card shows; the next ones get another card."""

TOGETHER = 5000
"""Milliseconds for which a shared card waits for more requests before it is edited."""


async def show(context: Context, turn: Turn, request_id: int, *, card_id: int | None = None) -> None:
    """Make a card show this request to the moderators as it is now: a card that exists, or a new one."""
    request = await requests.get(turn.tx, request_id)
    shared = request.card_id or card_id or await _crowded_card(context, turn.tx, request)
    crowd = await _card_of_the_crowd(context, turn.tx, request) if shared is None else None
    shared = shared or crowd
    if shared is None:
        card = await new(turn.tx, request.management_room, request.room_id, turn.now)
        await requests.put_on_card(turn.tx, request.id, card.id)
        await prompting.post(turn, card)
        return
    await requests.put_on_card(turn.tx, request.id, shared)
    one_more = request.card_id is None
    if one_more and (not kind_of(request).shares_clicks or await requests.others_on_card(turn.tx, request, shared)):
        await offer(turn, shared, [])  # a click on it could mean any of them
    await refresh(turn, shared, after=0 if crowd is None else TOGETHER)


async def new(tx: Tx, management_room: str, room_id: str, now: int) -> Prompt:
    """A card about a protected room that is not posted yet."""
    return await prompts.new(tx, management_room, CARD, room_id, now)


async def offer(turn: Turn, card_id: int, verdicts: Iterable[Verdict]) -> None:
    """Make a posted card offer exactly these answers, and no others."""
    await prompting.offer(turn, card_id, [EMOJI[verdict] for verdict in verdicts])


async def refresh(turn: Turn, card_id: int, *, after: int = 0) -> None:
    """Have a posted card edited, `after` so many milliseconds at the latest."""
    await prompting.refresh(turn, card_id, after=after)


async def unblock(turn: Turn, room_id: str, *, unless: Collection[Act] = ()) -> None:
    """Try what waited for a missing power in a room, `unless` it is still missing; the cards do not say any more why
    it waits."""
    for card_id in await jobs.cards_blocked(turn.tx, room_id, unless=unless):
        await refresh(turn, card_id, after=UNDER_WAY)
    await jobs.unblock(turn.tx, room_id, turn.now, unless=unless)


async def post_missing(turn: Turn, room_id: str) -> None:
    """Make sure that every card with an open request gets posted; this changes nothing for those that are posted."""
    for card in await prompts.unposted(turn.tx, room_id):
        await prompting.post(turn, card, again=True)


async def post_anew(_: Context, turn: Turn, card: Prompt) -> None:
    """A card was redacted: show its pending requests on a new card; settled requests need none."""
    waiting = [request for request in await requests.on_card(turn.tx, card.id) if request.open]
    if not waiting:
        return
    another = await new(turn.tx, card.room_id, card.about, turn.now)
    for request in waiting:
        await requests.put_on_card(turn.tx, request.id, another.id)
    await prompting.post(turn, another)


async def _crowded_card(context: Context, tx: Tx, request: Request) -> int | None:
    """The card to share, when one applicant, or inviter, had too many requests for the same room within the hour."""
    recent = await requests.recent_of(tx, request, context.now() - HOUR)
    if len(recent) <= CROWDED:
        return None
    carded = {card for room, card, _ in recent if card is not None and room == request.management_room}
    # One that shows nothing open and was not posted may never be.
    alive = {card for _, card, is_open in recent if is_open}
    shown = [c for c in carded if c in alive or (await prompts.get(tx, c)).event_id is not None]
    return max(shown, default=None)


async def _card_of_the_crowd(context: Context, tx: Tx, request: Request) -> int | None:
    """The card to share, when many people had requests for the same room within a minute."""
    if not kind_of(request).joins_crowds:
        return None
    recent = await requests.carded_since(tx, request, context.now() - MINUTE, MOST_SHARING)
    if len({who for who, _, _ in recent}) < CROWD:
        return None
    newest = max(card_id for _, card_id, _ in recent)
    # One that shows nothing open and was not posted may never be.
    alive = any(card_id == newest and open_ for _, card_id, open_ in recent)
    if not alive and (await prompts.get(tx, newest)).event_id is None:
        return None
    return newest if await requests.count_on_card(tx, newest) < MOST_SHARING else None
