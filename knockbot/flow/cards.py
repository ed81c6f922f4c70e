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
from knockbot.flow import digests, sharing, tables
from knockbot.flow.context import Context
from knockbot.store import digests as folded
from knockbot.store import jobs, prompts, requests
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt

CARD: Final = "card"
"""The kind of prompt that a card is."""

UNDER_WAY = 2000
"""Milliseconds after which a card says that an answer is on its way, if it has not arrived by then."""

IN_TURN = 1000
"""Milliseconds between the edits of very many cards."""


async def show(context: Context, turn: Turn, request_id: int, *, card_id: int | None = None) -> None:
    """Make a card show this request to the moderators as it is now: a card that exists, or a new one."""
    request = await requests.get(turn.tx, request_id)
    if request.card_id is None and await fold(context, turn, request):
        return
    own = request.card_id or card_id
    shared, after = (own, 0) if own is not None else await sharing.card_for(context, turn.tx, request)
    if shared is None:
        card = await new(turn.tx, request.management_room, request.room_id, turn.now)
        await requests.put_on_card(turn.tx, request.id, card.id)
        await prompting.post(turn, card)
        return
    await requests.put_on_card(turn.tx, request.id, shared)
    one_more = request.card_id is None
    if one_more and (not kind_of(request).shares_clicks or await requests.others_on_card(turn.tx, request, shared)):
        await offer(turn, shared, [])  # a click on it could mean any of them
    await refresh(turn, shared, after=after)


async def fold(context: Context, turn: Turn, request: Request) -> bool:
    """Show a request that is on no card in a digest, where there is one for it; else false."""
    digest_id = await tables.folded(context, turn, request)
    if digest_id is None:
        return False
    await requests.put_on_card(turn.tx, request.id, digest_id)
    await refresh(turn, digest_id)
    return True


async def back_on_the_list(context: Context, turn: Turn, request_id: int) -> None:
    """A request was off the list, and is on it again. If it is in a digest, and no digest stands for others like it any
    more, it gets a card."""
    request = await requests.get(turn.tx, request_id)
    if request.card_id is None:
        return
    shown = await prompts.get(turn.tx, request.card_id)
    if shown.kind != CARD and await tables.folded(context, turn, request) is None:
        await folded.take_off(turn.tx, request_id)
        await show(context, turn, request_id)
    await refresh(turn, shown.id, unposted=True)


async def join_others(context: Context, turn: Turn, room_id: str) -> None:
    """A room belongs to another space now: requests whose card is not posted yet join the card that shows the same
    applicant at other rooms of that space. A posted card stays: people may be about to click on it."""
    for request in await requests.on_unposted_cards(turn.tx, room_id):
        shared = await sharing.at_other_doors(context, turn.tx, request)
        if shared is not None and shared != request.card_id:
            await requests.put_on_card(turn.tx, request.id, shared)
            await refresh(turn, shared)


async def new(tx: Tx, management_room: str, room_id: str, now: int) -> Prompt:
    """A card about a protected room that is not posted yet."""
    return await prompts.new(tx, management_room, CARD, room_id, now)


async def offer(turn: Turn, card_id: int, verdicts: Iterable[Verdict]) -> None:
    """Make a posted card offer exactly these answers, and no others."""
    await prompting.offer(turn, card_id, [EMOJI[verdict] for verdict in verdicts])


async def refresh(turn: Turn, card_id: int, *, after: int = 0, unposted: bool = False) -> None:
    """Have a posted card edited, `after` so many milliseconds at the latest; `unposted`: also one that is yet to be
    posted. A digest is edited as often as it may be."""
    card = await prompts.get(turn.tx, card_id)
    pace = after if card.kind == CARD else digests.PACE
    await prompting.refresh(turn, card_id, after=pace, unposted=unposted)


async def refresh_in_turn(turn: Turn, card_id: int, *, after: int = 0) -> None:
    """The same for one of very many cards: each waits for the edits that are planned before it, so that what people
    wait for is said between them."""
    card = await prompts.get(turn.tx, card_id)
    before = await jobs.edits_planned(turn.tx, card.room_id, turn.now)
    await refresh(turn, card_id, after=max(after, before * IN_TURN))


async def take_no_more(turn: Turn, request: Request) -> None:
    """The room of a request is protected no longer, or not from here: its card takes no clicks for it any more."""
    if request.card_id is None:
        return
    if not await requests.at_other_rooms(turn.tx, request):
        await offer(turn, request.card_id, [])
    await refresh(turn, request.card_id)


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
