"""Remarks at work: what the features say of requests on cards, in lists and in `show`, and when a card says it anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from knockbot.documents.zones import UTC
from knockbot.domain.card import already_answered
from knockbot.domain.model import Request
from knockbot.domain.notices import Notice, Numbered, notice
from knockbot.domain.remarks import MOST, Extent
from knockbot.engine.turn import Turn
from knockbot.errors import Refused
from knockbot.flow import cards, place, tables
from knockbot.flow.context import Context
from knockbot.store import requests
from knockbot.store.db import Tx


async def of(context: Context, tx: Tx, about: Sequence[Request], extent: Extent) -> dict[int, tuple[Notice, ...]]:
    """The remarks on each of these requests that has any, by its ID, in the order of the features."""
    found = [await remarks(context, tx, about, extent) for remarks in tables.remarks(context)] if about else []
    lines = {one.id: tuple(line for said in found for line in said.get(one.id, ())) for one in about}
    return {request_id: said[: MOST[extent]] for request_id, said in lines.items() if said}


async def zones(context: Context, tx: Tx, about: Iterable[Request]) -> dict[str, str]:
    """The time zone of each room that these requests are about, by its ID."""
    rooms = {request.room_id for request in about}
    places = await place.of_rooms(context, tx, rooms)
    return {room_id: places[room_id].settings.timezone if room_id in places else UTC for room_id in rooms}


async def still_there(turn: Turn, request: Request) -> Request:
    """The request as it is now. Raises `Refused` if its room went to another management room meanwhile: what was said
    of it in the first one does not go along."""
    now = await requests.get(turn.tx, request.id)
    if now.management_room != request.management_room:
        raise Refused(notice("remark.moved", request=Numbered(request.number)))
    return now


async def still_waiting(turn: Turn, request: Request) -> Request:
    """The same of a request that waits for an answer. Raises `Refused` if it does not any more."""
    now = await still_there(turn, request)
    if not now.awaits_moderators:
        raise Refused(already_answered(now, turn.now))
    return now


async def changed(turn: Turn, request_id: int) -> None:
    """Other remarks stand about a request now: its card, if it has one, is to show them."""
    request = await requests.get(turn.tx, request_id)
    if request.card_id is not None:
        await cards.refresh(turn, request.card_id, unposted=True)
