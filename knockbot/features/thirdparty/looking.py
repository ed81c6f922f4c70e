"""A look at a room's third-party invites: finds what changed for them and their inviters while the bot was away.

It reads the state of the room and the records. `domain/compare.py` says what was missed. The handlers of the live
events then handle what was missed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from functools import partial

from knockbot.domain.compare import Missed, Records, Snapshot, compare
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import MemberChange, Request, ThirdPartyInvite
from knockbot.engine.turn import Write
from knockbot.errors import Never
from knockbot.features.thirdparty import inviters, invites, redeeming
from knockbot.flow import missed
from knockbot.flow.arriving import take_in_found
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.seeing import Portion
from knockbot.store import requests
from knockbot.store.rooms import ProtectedRoom


async def look(context: Context, there: Place) -> None:
    """Look at the invites of a protected room, at who used them, and at their inviters. May raise `Later`."""
    room = there.room
    await _hand_on(context, room, compare(*await _see_invites(context, room)))
    await _who_came_in(context, compare(*await _see_who_came_in(context, room)).redeemed)
    async for seen, known in _see_inviters(context, room):
        found = compare(seen, known)
        for loss in found.fallen:
            await inviters.fell(context, loss)
        for inviter in found.risen:
            await inviters.rose(context, room.room_id, inviter)


# --- seen -----------------------------------------------------------------------------------------------------


async def _see_invites(context: Context, room: ProtectedRoom) -> Portion:
    """The current state under each token."""
    invites = tuple(await context.outside.third_parties(room.room_id))
    async with context.db.tx() as tx:
        tokens = await requests.by_tokens(tx, room.room_id, [change.token for change in invites])
    return Snapshot(invites=invites), Records(tokens=tokens)


async def _see_who_came_in(context: Context, room: ProtectedRoom) -> Portion:
    """The events by which people used invites that are accepted or pending."""
    standing = await _standing(context, room)
    inviters = {request.subject for request in standing}
    redeemed: list[MemberChange] = []
    if standing:
        redeemed = await context.outside.redeemed(room.room_id, inviters, room.protected_at)
    return Snapshot(redeemed=tuple(redeemed)), Records(standing=standing, protected_at=room.protected_at)


async def _see_inviters(context: Context, room: ProtectedRoom) -> AsyncIterator[Portion]:
    """One by one, the inviters with accepted or pending invites; nothing is concluded about one who cannot be seen."""
    found = dict.fromkeys(request.subject for request in await _standing(context, room))
    powers = await context.outside.powers(room.room_id) if found else None
    for inviter in found:
        try:
            member = await context.outside.member(room.room_id, inviter)
        except Never:
            continue
        seen = Snapshot(room_id=room.room_id, bot=context.bot, powers=powers, inviters={inviter: member})
        yield seen, Records()


async def _standing(context: Context, room: ProtectedRoom) -> tuple[Request, ...]:
    async with context.db.tx() as tx:
        return tuple(
            request for request in await requests.invites_of(tx, room.room_id, held=False) if not request.redeemed
        )


# --- handed on ------------------------------------------------------------------------------------------------


async def _hand_on(context: Context, room: ProtectedRoom, found: Missed) -> None:
    """Have the invites handled that were added, replaced or emptied while the bot was away."""
    standing = [invite for invite in found.invites if await _invite_stands(context, invite, found.confirm)]

    async def take(invite: ThirdPartyInvite, judgement: Judgement, card_id: int | None) -> Write[None]:
        return invites.plant(context, invite, judgement, card_id=card_id, stands=True)

    await take_in_found(context, room, standing, partial(invites.judged, context), take)
    for change in found.changed:
        await context.turns.found(change.event_id, await invites.invite_changed(context, change))


async def _invite_stands(context: Context, invite: ThirdPartyInvite, confirm: frozenset[str]) -> bool:
    if invite.event_id not in confirm:
        return True
    now = await context.outside.third_party(invite.room_id, invite.token)
    return now is not None and now.invite is not None and now.invite.event_id == invite.event_id


async def _who_came_in(context: Context, redeemed: Iterable[MemberChange]) -> None:
    """Have the people handled who used invites, and then their current membership."""
    for change in redeemed:
        await context.turns.found(change.event_id, await redeeming.redeemed(context, change))
        current = await context.outside.member(change.room_id, change.user_id)
        if current is not None and current.event_id != change.event_id:
            await missed.moved_on(context, current)
