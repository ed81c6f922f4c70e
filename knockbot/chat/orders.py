"""Commands that change something: each insists on who may first, and does it in the command's own transaction."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from knockbot.chat import spaces, templates
from knockbot.chat.calls import AWAITED, TICK, Answered, Call, Meant, Misuse, Reply, no_such_revision
from knockbot.chat.typed import are_numbers, not_numbers
from knockbot.documents.text import storable
from knockbot.domain import mistakes
from knockbot.domain.card import hit_by_answer
from knockbot.domain.ids import RoomReference
from knockbot.domain.invites import Address
from knockbot.domain.model import Request, Verdict, Wish
from knockbot.domain.notices import Notice, Numbered, Room, below, notice
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Fault, Refused
from knockbot.features.thirdparty import invites, issuing
from knockbot.flow import answering, place, protecting, rulebook
from knockbot.flow.changes import Change, Sound
from knockbot.flow.context import Context
from knockbot.store import pins, policies, requests, rooms
from knockbot.store.rooms import ProtectedRoom

REASON_LIMIT = 1000
"""Characters of a message for an applicant."""

NAME_LIMIT = 100
"""Characters of a name that goes with an address."""


async def protect(call: Call, reference: RoomReference, with_rooms: bool | None) -> Answered:
    """Have a room protected, or a space with its rooms."""
    ask = protecting.Ask(call.actor, call.room, reference, call.cause, bool(with_rooms))
    grant = await protecting.protect(call.context, ask)

    async def write(turn: Turn) -> Reply:
        return await grant.write(call.context, turn)

    return write


async def unprotect(call: Call, room: ProtectedRoom, with_rooms: bool | None) -> Answered:
    """No longer protect a room, or a space with its rooms."""
    async with call.context.db.tx() as tx:
        there = await place.find(call.context, tx, room.room_id)
    if there is not None:
        await protecting.insist_on_unprotecting(call.context, there, call.actor)
    if with_rooms:
        return await spaces.with_its_rooms(call, room)

    async def let_go(turn: Turn) -> Reply:
        stay = await spaces.without_its_rooms(call, turn, room)
        return below(notice("protect.ended", room=Room(room.room_id, room.label)), *stay)

    return let_go


def answer(verdict: Verdict) -> Callable[[Call, Meant, str], Awaitable[Answered]]:
    """The command that gives this answer to one or several requests."""

    async def run(call: Call, meant: Meant, words: str) -> Write[Reply]:
        return await _said_of_each(call, meant, verdict, without_because(words), partial(answering.take, call.context))

    return run


def without_because(words: str) -> str:
    """A text for applicants without the word that stands before it in `reject all because …`."""
    return words[found.end() :] if (found := _BECAUSE.match(words)) else words


_BECAUSE = re.compile(r"\s*because[:,]?\s+(?!of\b)(?=\S)", re.IGNORECASE)


async def revoke(call: Call, meant: Meant, reason: str) -> Answered:
    """Take third-party invites back."""
    wrong = [one.number for one in meant.found if isinstance(one, Request) and (one.invite is None or one.redeemed)]
    if wrong:
        raise Refused(below(*(notice("meant.not_revocable", request=Numbered(number)) for number in wrong)))
    return await _said_of_each(call, meant, Verdict.REJECT, reason, partial(_revoke, call.context), called="revoke")


async def _revoke(context: Context, turn: Turn, wish: Wish, request_id: int) -> Notice | None:
    """Revoke an invite: of one that waits for an answer, that is to reject it."""
    if (await requests.get(turn.tx, request_id)).awaits_moderators:
        return await answering.take(context, turn, wish, request_id)
    await invites.revoke(turn, wish, request_id)
    return None


Take = Callable[[Turn, Wish, int], Awaitable[Notice | None]]
"""Carries a moderator's wish on one request out; returns what is still missing. Raises `Refused`; may raise `Later`."""


async def _said_of_each(
    call: Call, meant: Meant, verdict: Verdict, reason: str, take: Take, *, called: str = ""
) -> Write[Reply]:
    """One answer to several requests: each gets it if possible; for the others the reply says why not.

    The reply names the applicants if there were several, or if the command named them. Raises `Misuse` for a text that
    is numbers and nothing else: nobody is told a number that was meant as one more request.
    """
    if are_numbers(reason):
        raise Misuse(not_numbers(call.rest, reason))
    wish = Wish(call.actor, verdict, call.cause, reason[:REASON_LIMIT], of_card=meant.of_card)
    looked_at = [await _looked_at(call, wish, one) for one in _to_answer(meant, verdict)]

    async def take_each(turn: Turn) -> Reply:
        await requests.hold(turn.tx, [one.id for one in looked_at if isinstance(one, Request)])
        taken = [await _taken(call, turn, wish, one, take) for one in looked_at]
        hit = [one for one in taken if isinstance(one, Request)]
        refused = [one.said for one in taken if isinstance(one, Refused)]
        missing = [one for one in taken if isinstance(one, Notice)]
        labels = await rooms.told_apart(turn.tx, call.room)
        named = hit_by_answer(hit, called or verdict.value, labels) if hit and meant.told else None
        kept = [one for one in (named, *missing, *dict.fromkeys(refused)) if one is not None]
        return below(*kept) if kept else TICK

    return take_each


def _to_answer(meant: Meant, verdict: Verdict) -> Sequence[Request | Refused]:
    """The requests that the answer is for: of those on a card, the ones that it can still be given to."""
    found = [one for one in meant.found if isinstance(one, Request)]
    return answering.to_answer(found, verdict) if meant.of_card and found else meant.found


async def _looked_at(call: Call, wish: Wish, one: Request | Refused) -> Request | Refused:
    """One of several requests, unless it may not be answered so: the others still are."""
    try:
        if isinstance(one, Request):
            await answering.insist(call.context, wish, one)
    except Refused as refused:
        return refused
    return one


async def _taken(call: Call, turn: Turn, wish: Wish, one: Request | Refused, take: Take) -> Request | Refused | Notice:
    """The same once it is written, or what is still missing."""
    try:
        if isinstance(one, Request):
            missing = await take(turn, await templates.worded(call, turn, wish, one), one.id)
            return missing if missing is not None else one
    except Refused as refused:
        return refused
    return one


async def invite(call: Call, room: ProtectedRoom, to: tuple[Address, str]) -> Answered:
    """Invite somebody by an address outside Matrix."""
    address, name = to
    order = issuing.Order(room, call.actor, address, storable(name)[:NAME_LIMIT], call.cause)
    await issuing.insist(call.context, room, call.actor)

    async def take(turn: Turn) -> Reply:
        await issuing.take(call.context, turn, order)
        return AWAITED

    return take


async def policy_set(call: Call, room: ProtectedRoom, text: str) -> Answered:
    """Put another policy in force."""
    return await put_in_force(call, Change(room, call.actor, text, call.cause))


async def policy_revert(call: Call, room: ProtectedRoom, number: int) -> Answered:
    """Use an old policy again, as a new revision. The author of the command must have the power for it now."""
    async with call.context.db.tx() as tx:
        old = await policies.revision(tx, room.room_id, number)
        named = await pins.at(tx, pins.of_revision(room.room_id, number))
    if old is None:
        raise no_such_revision(room, number)
    meant = {name: pin.room_id for name, pin in named.items()}  # as it was: its aliases may lead elsewhere by now
    return await put_in_force(call, Change(room, call.actor, old.text, call.cause, meant, reverts=number))


async def policy_apply(call: Call, room: ProtectedRoom) -> Answered:
    """Have those who wait judged again by the policy in force."""
    found = await rulebook.applicable(call.context, room, call.actor)

    async def apply(turn: Turn) -> Reply:
        return await rulebook.apply(call.context, turn, found, call.actor, call.cause)

    return apply


Enforces = Callable[[Context, Turn, Sound], Awaitable[Notice]]
"""Writes a new revision, and returns what is said of it."""


async def put_in_force(call: Call, change: Change, enforces: Enforces = rulebook.put_in_force) -> Answered:
    """Put another policy in force; a mistake in it is told."""
    try:
        sound = await rulebook.examined(call.context, change)
    except Fault as fault:
        raise refused(fault) from fault

    async def write(turn: Turn) -> Reply:
        return await enforces(call.context, turn, sound)

    return write


def refused(fault: Fault) -> Refused:
    """A mistake in a policy; the one in force stays."""
    return Refused(notice("policy.refused", fault=mistakes.told(fault)))
