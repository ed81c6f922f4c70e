"""Commands that do the same to each of several requests: what cannot be done to one hinders none of the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from knockbot.chat.calls import TICK, Meant, Reply
from knockbot.domain.model import Request
from knockbot.domain.notices import Notice, below, notice, numbered
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.store import requests

Looks = Callable[[Request], Awaitable[None]]
"""Looks whether it may be done to a request. Raises `Refused`."""

Does = Callable[[Turn, Request], Awaitable[Notice | None]]
"""Does it, and returns what is said of it, if that is more than that it is done. Raises `Refused`."""


async def to_each(meant: Meant, does: Does, looks: Looks | None = None) -> Write[Reply]:
    """Do something to each of these requests; the reply says what could not be done, and why."""
    found = [one if isinstance(one, Refused) else await _looked_at(looks, one) for one in meant.found]

    async def write(turn: Turn) -> Reply:
        await requests.hold(turn.tx, [one.id for one in found if isinstance(one, Request)])
        came = [one if isinstance(one, Refused) else await _done(does(turn, one)) for one in found]
        said = dict.fromkeys(one.said if isinstance(one, Refused) else one for one in came)
        told = [one for one in said if one is not None]
        done = [one.number for one, what in zip(found, came, strict=True) if isinstance(one, Request) and what is None]
        also = notice("several.done", requests=numbered(done)) if told and done else None
        return below(*told, also) if told else TICK

    return write


async def _looked_at(looks: Looks | None, request: Request) -> Request | Refused:
    try:
        if looks is not None:
            await looks(request)
    except Refused as refused:
        return refused
    return request


async def _done(doing: Awaitable[Notice | None]) -> Notice | Refused | None:
    try:
        return await doing
    except Refused as refused:
        return refused
