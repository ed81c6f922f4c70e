"""Calling: whom a message about protected rooms mentions, so that their phones ring; nobody while it is quiet there."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from knockbot.engine.turn import Turn
from knockbot.flow import place, tables
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store.db import Tx

MOST: Final = 70
"""People whom one message calls."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Whom a message calls, and about which of its rooms it calls nobody because it is quiet."""

    users: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    """By their IDs."""


NOBODY: Final = Calls()


async def about(context: Context, tx: Tx, places: Iterable[Place]) -> Calls:
    """Whom a message about these rooms calls now."""
    found = [*places]
    quiet = tuple(there.room_id for there in found if tables.is_quiet(context, there))
    users = [user for there in found if there.room_id not in quiet for user in await whom(context, tx, there)]
    return Calls(tuple(dict.fromkeys(users))[:MOST], quiet)


async def whom(context: Context, tx: Tx, there: Place) -> tuple[str, ...]:
    """Whom messages about a room call while it is not quiet there."""
    return tuple(dict.fromkeys((*there.settings.call, *await tables.called(context, tx, there))))[:MOST]


async def aloud(context: Context, turn: Turn, there: Place, only: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """Whom an alarm about a room calls, or a message for some people `only`; while it is quiet, that it called nobody
    is noted."""
    if tables.is_quiet(context, there):
        await tables.silenced(context, turn, there, alarm=True)
        return ()
    return await whom(context, turn.tx, there) if only is None else only


async def still(context: Context, tx: Tx, users: Collection[str], room_ids: Collection[str]) -> Calls:
    """Whom a message that was to call these users, about these rooms, calls now that it is sent: quiet hours may have
    begun since it was planned."""
    places = await place.of_rooms(context, tx, room_ids) if users else {}
    now = await about(context, tx, places.values())
    if not now.quiet:
        return Calls(tuple(users))
    return Calls(tuple(user for user in users if user in now.users), now.quiet)


async def silenced(context: Context, turn: Turn, quiet: Iterable[str], *, alarm: bool) -> None:
    """A message was sent, and called nobody about these rooms because it is quiet there: that is noted. It is an alarm,
    or asks about requests."""
    for room_id in quiet:
        there = await place.of(context, turn, room_id)
        if there is not None:
            await tables.silenced(context, turn, there, alarm=alarm)
