"""What an applicant can see and do about their own requests: of each protected room the newest one.

The rooms are numbered in the order in which they first asked there, so a number means the same tomorrow. It is not the
number of the card, which counts the requests of others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from knockbot.domain.model import Request, State
from knockbot.flow import place
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import requests
from knockbot.store.db import Tx
from knockbot.times import DAY

SHOWN: Final = 30 * DAY
"""Milliseconds for which a request that is over is shown."""

MOST: Final = 20
"""Requests that are shown: the newest."""


@dataclass(frozen=True, slots=True)
class Own:
    """A request, as its applicant sees it."""

    number: int
    request: Request
    there: Place


async def of(context: Context, tx: Tx, user_id: str) -> list[Own]:
    """Their requests that are open, or were until lately."""
    newest = await requests.newest_of_applicant(tx, user_id)
    found = await requests.several(tx, newest)
    places = await place.of_rooms(context, tx, {one.room_id for one in found.values()})
    numbered = [(number, found[one]) for number, one in enumerate(newest, 1) if one in found]
    since = context.now() - SHOWN
    own = [
        Own(number, request, places[request.room_id])
        for number, request in numbered
        if request.room_id in places and (request.state in STANDING or request.changed_at >= since)
    ]
    return sorted(own, key=lambda one: one.request.id)[-MOST:]


STANDING: Final = frozenset({State.PENDING, State.ACCEPTED})
"""The states that are shown however old they are."""


def chosen(own: Sequence[Own], number: int | None) -> list[Own]:
    """Those that somebody means who names this number, or none."""
    return [one for one in own if number is None or one.number == number]
