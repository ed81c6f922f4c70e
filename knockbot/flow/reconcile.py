"""Reconcile: compare a protected room's real state with the records, and feed what was missed through the same path.

It runs in the room's own turn, so that no event of the room is handled meanwhile. On start, when the bot joins, when
power levels or join rules change, and on a timer. Each portion of the room is seen (`seeing.py`), compared with the
records (`domain/compare.py`), and what was missed is handed over (`missed.py`) before the next one is looked at.
"""

from __future__ import annotations

from knockbot.domain.acl import ServerAcl
from knockbot.domain.compare import Snapshot, compare
from knockbot.flow import fitness, inviters, missed, place, rules, seeing, settle, successors, upgrading
from knockbot.flow.checkup import NOT_THERE
from knockbot.flow.door import Door
from knockbot.flow.place import Place
from knockbot.flow.rooms import is_in
from knockbot.store import rooms
from knockbot.store.rooms import ProtectedRoom


async def reconcile(door: Door, room_id: str) -> None:
    """Bring the records of one protected room up to what the room says now. May raise `Later`."""
    door.standings.forget(room_id)
    async with door.db.tx() as tx:
        protected = await rooms.find(tx, room_id) is not None
        managing = await rooms.is_management_room(tx, room_id)
    if managing:
        await fitness.look_at_management(door, room_id)
    if not protected:
        return
    if not await is_in(door, room_id):
        async with door.turn() as turn:
            await settle.trouble(door, turn, room_id, NOT_THERE)
        return
    await rules.look_up(door, room_id)
    async with door.db.tx() as tx:
        there = await place.find(door, tx, room_id)
    if there is not None:
        await _look(door, there)


async def _look(door: Door, there: Place) -> None:
    seen, known = await seeing.the_room(door, there.room)
    acl = await door.outside.server_acl(there.room_id)
    await missed.the_room(door, there, seen, compare(seen, known), acl)
    await _knocks(door, there, acl)
    await _invites(door, there.room, seen)
    await missed.unposted(door, there.room)


async def _knocks(door: Door, there: Place, acl: ServerAcl) -> None:
    room = there.room
    seen, known = await seeing.its_knocks(door, there, acl)
    found = compare(seen, known)
    await upgrading.go_on(door, room, found.upgrade, seen.tombstone, known.upgrade)
    await successors.look(door, room)
    await missed.knocks(door, there, found, seen.denied)
    await missed.denied(door, there, found.denied, seen.denied)
    async for gone, theirs in seeing.who_knocks_no_more(door, seen, known):
        await missed.outcomes(door, compare(gone, theirs))
    await missed.unposted(door, room)
    async for card, (clicked, heard) in seeing.cards_with_clicks(door, room):
        await missed.on_a_card(door, card, compare(clicked, heard))
    await missed.expired(door, found.stale, known.oldest)


async def _invites(door: Door, room: ProtectedRoom, seen: Snapshot) -> None:
    await missed.third_party_invites(door, room, compare(*await seeing.third_party_invites(door, room)))
    await missed.who_came_in(door, compare(*await seeing.who_came_in(door, room)).redeemed)
    async for portion in seeing.inviters(door, room, seen):
        found = compare(*portion)
        for loss in found.fallen:
            await inviters.fell(door, loss)
        for inviter in found.risen:
            await inviters.rose(door, room.room_id, inviter)
