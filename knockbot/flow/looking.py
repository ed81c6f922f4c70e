"""Reconcile: compare a protected room's real state with the records, and handle what was missed in the same way.

It runs in the room's own turn, so that no event of the room is handled meanwhile. It runs on start, when the bot
joins, when power levels or join rules change, and on a timer. It reads each portion of the room (`seeing.py`),
compares it with the records (`domain/compare.py`), and hands over what was missed (`missed.py`) before it reads the
next one. The features look at their own part (`tables.py`): before the knocks, or after them.
"""

from __future__ import annotations

from knockbot.domain.acl import ServerAcl
from knockbot.domain.compare import compare
from knockbot.flow import fitness, missed, place, rules, saying, seeing, tables
from knockbot.flow.checkup import NOT_THERE
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.rooms import is_in
from knockbot.store import rooms


async def reconcile(context: Context, room_id: str) -> None:
    """Bring the records of one protected room up to date with the room. May raise `Later`."""
    context.standings.forget(room_id)
    async with context.db.tx() as tx:
        protected = await rooms.find(tx, room_id) is not None
        managing = await rooms.is_management_room(tx, room_id)
    if managing:
        await fitness.look_at_management(context, room_id)
    if not protected:
        return
    if not await is_in(context, room_id):
        async with context.turn() as turn:
            await saying.trouble(context, turn, room_id, NOT_THERE)
        return
    await rules.look_up(context, room_id)
    async with context.db.tx() as tx:
        there = await place.find(context, tx, room_id)
    if there is not None:
        await _look(context, there)


async def look_at_all(context: Context) -> None:
    """Have every protected room, and every management room, looked at soon: something may not have been heard of."""
    context.listed.may_have_missed(context.now())
    async with context.db.tx() as tx:
        found = {room.room_id for room in await rooms.all_rooms(tx)} | {*await rooms.management_rooms(tx)}
    for room_id in found:
        context.look_at(room_id)


async def _look(context: Context, there: Place) -> None:
    seen, known = await seeing.the_room(context, there.room)
    acl = await context.outside.server_acl(there.room_id)
    await missed.the_room(context, there, seen, compare(seen, known), acl)
    for feature in tables.rows(context):
        if feature.looks_first is not None:
            await feature.looks_first(context, there)
    await _knocks(context, there, acl)
    for feature in tables.rows(context):
        if feature.looks is not None:
            await feature.looks(context, there)
    await missed.unposted(context, there.room)


async def _knocks(context: Context, there: Place, acl: ServerAcl) -> None:
    room = there.room
    seen, known = await seeing.its_knocks(context, there, acl)
    found = compare(seen, known)
    await missed.knocks(context, there, found, seen.denied)
    await missed.denied(context, there, found.denied, seen.denied)
    async for gone, theirs in seeing.who_knocks_no_more(context, seen, known):
        await missed.outcomes(context, compare(gone, theirs))
    await missed.unposted(context, room)
    async for card, (clicked, heard) in seeing.cards_with_clicks(context, room):
        await missed.on_a_prompt(context, card, compare(clicked, heard))
    await missed.expired(context, found.stale, known.oldest)
