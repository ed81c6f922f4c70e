"""Commands that change something: each checks who may before it does, and does it in the command's own transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from knockbot.config import Permission
from knockbot.documents import unfenced
from knockbot.domain import ids, wording
from knockbot.domain.invites import read_address
from knockbot.domain.model import Request, Verdict, Wish
from knockbot.domain.text import storable
from knockbot.domain.words import Words, lines
from knockbot.errors import Fault
from knockbot.flow import entry, invites, issuing, journal, review, rulebook
from knockbot.flow.door import Door
from knockbot.matrix.calls import AWAITED, TICK, Call, Misuse, Promise, Reply, named_room, requests_meant
from knockbot.store import rooms
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom

REASON_LIMIT = 1000
"""Characters of a message for an applicant."""

NAME_LIMIT = 100
"""Characters of a name that goes with an address."""


async def protect(call: Call) -> Words | Promise:
    """Have a room protected."""
    if not call.rest:
        raise Misuse("Which room?")
    reference = ids.room_reference(call.rest)
    if reference is None:
        return wording.unreadable_room(call.rest)
    promise = await entry.protect(call.door, entry.Ask(call.actor, call.room, reference, call.cause))

    async def keep(tx: Tx) -> Reply:
        return await promise.keep(call.door, tx)

    return keep


async def unprotect(call: Call) -> Words | Promise:
    """Have a room protected no longer."""
    room = await _room_to_unprotect(call)
    if isinstance(room, Words):
        return room
    may_not = entry.may_unprotect(call.door, room, call.actor)
    refusal = await journal.refusing(may_not, call.actor, "unprotect", room.room_id)
    if refusal is not None:
        return refusal

    async def let_go(tx: Tx) -> Reply:
        await entry.unprotect(call.door, tx, room, call.actor)
        return wording.unprotected(room.label)

    return let_go


async def _room_to_unprotect(call: Call) -> ProtectedRoom | Words:
    """A room looked after from here; a server admin may name any by its id."""
    if call.door.settings.permission_of(call.actor) is Permission.ADMIN:
        async with call.door.db.tx() as tx:
            room = await rooms.find(tx, call.rest)
        if room is not None:
            return room
    return (await named_room(call))[0]


def answer(verdict: Verdict) -> Callable[[Call], Awaitable[Words | Promise]]:
    """The command that gives this answer to one or several requests."""

    async def run(call: Call) -> Promise:
        found, said = await requests_meant(call)
        reason = "\n".join(part for part in (said, call.below.strip()) if part)
        return await _said_of_each(call, found, verdict, reason, review.take)

    return run


async def revoke(call: Call) -> Words | Promise:
    """Take third-party invites back."""
    found, reason = await requests_meant(call)
    wrong = [one.number for one in found if isinstance(one, Request) and (one.invite is None or one.redeemed)]
    if wrong:
        return lines(wording.not_an_invite(number) for number in wrong)
    return await _said_of_each(call, found, Verdict.REJECT, reason, invites.revoke)


Take = Callable[[Door, Tx, Wish, int], Awaitable[Words | None]]
"""Carries a moderator's wish on one request out, or says why not."""


async def _said_of_each(
    call: Call, found: Sequence[Request | Words], verdict: Verdict, reason: str, take: Take
) -> Promise:
    """One word on several requests: given to each that nothing stands in the way of, and said why not of the others."""
    wish = Wish(call.actor, verdict, call.cause, call.message.sent_at, reason[:REASON_LIMIT])
    objections = [one if isinstance(one, Words) else await review.objection(call.door, wish, one) for one in found]

    async def take_each(tx: Tx) -> Reply:
        replies = list(objections)
        for place, request in enumerate(found):
            if isinstance(request, Request) and replies[place] is None:
                replies[place] = await take(call.door, tx, wish, request.id)
        refusals = [reply for reply in dict.fromkeys(replies) if reply is not None]
        return lines(refusals) if refusals else TICK

    return take_each


async def invite(call: Call) -> Words | Promise:
    """Invite somebody by an address outside Matrix."""
    room, rest = await _room_for_address(call)
    if isinstance(room, Words):
        return room
    read = read_address(rest)
    if read is None:
        raise Misuse(wording.NO_ADDRESS)
    address, name = read
    order = issuing.Order(room, call.actor, address, storable(name)[:NAME_LIMIT], call.cause)
    refusal = await issuing.objection(call.door, room, call.actor)
    if refusal is not None:
        return refusal

    async def take(tx: Tx) -> Reply:
        refusal = await issuing.take(call.door, tx, order)
        return AWAITED if refusal is None else refusal

    return take


async def _room_for_address(call: Call) -> tuple[ProtectedRoom | Words, str]:
    """The room named first, which may be left out where there is only one."""
    room, rest = await named_room(call)
    if isinstance(room, Words) and read_address(call.rest) is not None:
        raise Misuse("To which room?")  # and the address is not taken for one
    return room, rest


async def policy_set(call: Call) -> Words | Promise:
    """Put another policy in force."""
    room, rest = await named_room(call)
    if isinstance(room, Words):
        return room
    text = unfenced("\n".join(part for part in (rest, call.below) if part))
    if not text.strip():
        raise Misuse("Write the policy on the lines below.")
    change = rulebook.Change(room, call.actor, text, call.cause)
    try:
        sound = await rulebook.examined(call.door, change)
    except Fault as fault:
        return wording.policy_refused(str(fault))
    if isinstance(sound, Words):
        return sound

    async def put_in_force(tx: Tx) -> Reply:
        return await rulebook.put_in_force(call.door, tx, sound)

    return put_in_force
