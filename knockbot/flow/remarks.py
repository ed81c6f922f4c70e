"""Remarks at work: what the features say of requests on cards, in lists and in `show`, and when a card says it anew."""

from __future__ import annotations

from collections.abc import Sequence

from knockbot.domain.model import Request
from knockbot.domain.notices import Notice
from knockbot.domain.remarks import MOST, Extent
from knockbot.engine.turn import Turn
from knockbot.flow import cards, tables
from knockbot.flow.context import Context
from knockbot.store import requests
from knockbot.store.db import Tx


async def of(context: Context, tx: Tx, about: Sequence[Request], extent: Extent) -> dict[int, tuple[Notice, ...]]:
    """The remarks on each of these requests that has any, by its ID, in the order of the features."""
    found = [await remarks(context, tx, about, extent) for remarks in tables.remarks(context)] if about else []
    lines = {one.id: tuple(line for said in found for line in said.get(one.id, ())) for one in about}
    return {request_id: said[: MOST[extent]] for request_id, said in lines.items() if said}


async def changed(turn: Turn, request_id: int) -> None:
    """Other remarks stand about a request now: its card, if it has one, is to show them."""
    request = await requests.get(turn.tx, request_id)
    if request.card_id is not None:
        await cards.refresh(turn, request.card_id, unposted=True)
