"""Sharing: which requests are shown on one card, a row for each reason."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from knockbot.domain.kinds import kind_of
from knockbot.domain.model import Request
from knockbot.flow.context import Context
from knockbot.store import prompts, requests
from knockbot.store.db import Tx
from knockbot.times import HOUR, MINUTE

CROWDED = 5
"""More requests than this share a card: those of one applicant in an hour, or those a look found at once."""

CROWD = 10
"""Applicants of one room who were shown on cards within a minute; those who come after them share a card."""

MOST_SHARING = 50
"""Requests that one shared card shows; the next ones get another card."""

TOGETHER = 5000
"""Milliseconds for which a shared card waits for more requests before it is edited."""

DOORS = 10
"""Requests on a card of one applicant at several rooms of a space; the next ones get another card. Each of them is in
full on the card, since one click answers them all."""


async def card_for(context: Context, tx: Tx, request: Request) -> tuple[int | None, int]:
    """The card that a request is to share, if it is to, and for how many milliseconds its edit may wait."""
    for row in SHARED:
        card_id = await row.card(context, tx, request)
        if card_id is not None:
            return card_id, row.after
    return None, 0


async def at_other_doors(_: Context, tx: Tx, request: Request) -> int | None:
    """The card of the same applicant's open requests at other rooms of the same space."""
    if not kind_of(request).shares_clicks:
        return None
    card_id = await requests.at_other_doors(tx, request)
    return card_id if card_id is not None and await requests.count_on_card(tx, card_id) < DOORS else None


async def of_one_applicant(context: Context, tx: Tx, request: Request) -> int | None:
    """The card to share, when one applicant, or inviter, had too many requests for the same room within the hour."""
    recent = await requests.recent_of(tx, request, context.now() - HOUR)
    if len(recent) <= CROWDED:
        return None
    carded = {card for room, card, _ in recent if card is not None and room == request.management_room}
    # One that shows nothing open and was not posted may never be.
    alive = {card for _, card, is_open in recent if is_open}
    shown = [c for c in carded if c in alive or (await prompts.get(tx, c)).event_id is not None]
    return max(shown, default=None)


async def of_a_crowd(context: Context, tx: Tx, request: Request) -> int | None:
    """The card to share, when many people had requests for the same room within a minute."""
    if not kind_of(request).joins_crowds:
        return None
    recent = await requests.carded_since(tx, request, context.now() - MINUTE, MOST_SHARING)
    newest = max((card_id for _, card_id, _, elsewhere in recent if not elsewhere), default=None)
    if newest is None or len({who for who, *_ in recent}) < CROWD:
        return None
    # One that shows nothing open and was not posted may never be.
    alive = any(card_id == newest and open_ for _, card_id, open_, _ in recent)
    if not alive and (await prompts.get(tx, newest)).event_id is None:
        return None
    return newest if await requests.count_on_card(tx, newest) < MOST_SHARING else None


@dataclass(frozen=True, slots=True)
class Shared:
    """One reason to share a card."""

    card: Callable[[Context, Tx, Request], Awaitable[int | None]]
    """The card to share; `None` where the reason does not apply."""
    after: int = 0
    """Milliseconds for which the edit waits for more requests."""


SHARED: tuple[Shared, ...] = (Shared(at_other_doors), Shared(of_one_applicant), Shared(of_a_crowd, after=TOGETHER))
"""Why a request shares a card; the first one that applies counts."""
