"""Changing a room's policy: who may, what is wrong with it, and putting it in force as a new revision."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from knockbot.config import read_policy
from knockbot.domain import wording
from knockbot.domain.policy import Policy
from knockbot.domain.words import Words
from knockbot.errors import ActionError
from knockbot.flow import rules
from knockbot.flow.door import Door
from knockbot.flow.judge import locate
from knockbot.flow.review import is_in, is_joined
from knockbot.store import audit, policies
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom


@dataclass(frozen=True, slots=True)
class Change:
    """Somebody wants another policy for a room, as this YAML; `cause` is their command's event."""

    room: ProtectedRoom
    author: str
    text: str
    cause: str


async def objection(door: Door, change: Change) -> Words | None:
    """Why this policy is not put in force; `None` if nothing stands in the way.

    Raises `Fault` for a mistake in it.
    """
    if change.room.locked:
        return wording.locked_room(change.room.label)
    stranger = await _is_a_stranger(door, change)
    if stranger is not None:
        return stranger
    # In a thread, and only now: reading the longest text that fits into a message takes a second.
    policy = await asyncio.to_thread(read_policy, change.text)
    return await _lacks_power(door, change, policy) or await _names_a_strange_room(door, change, policy)


async def _is_a_stranger(door: Door, change: Change) -> Words | None:
    room = change.room
    if not await is_in(door, room.room_id):
        return wording.cannot_look(room.label, door.bot)
    return None if await is_joined(door, room.room_id, change.author) else wording.not_a_member(room.label)


async def _lacks_power(door: Door, change: Change, policy: Policy) -> Words | None:
    """The author must be able to do all that the policy may do, and to change the room's join rule."""
    room = change.room
    powers = await door.outside.powers(room.room_id)
    needed, level = powers.needed_to_protect(policy.verdicts), powers.level(change.author)
    return wording.lacks_power_to_protect(room.label, needed, level) if level < needed else None


async def _names_a_strange_room(door: Door, change: Change, policy: Policy) -> Words | None:
    """A policy must not find out for its author who is in a room that the author is not in."""
    for reference in policy.rooms_needed:
        try:
            room_id = await locate(door, reference)
            if await is_in(door, room_id) and await is_joined(door, room_id, change.author):
                continue
        except ActionError:
            pass
        return wording.not_in_named_room(reference, door.bot)
    return None


async def put_in_force(door: Door, tx: Tx, change: Change) -> Words:
    """Write the new revision, in the transaction that ends the handling of the command."""
    policy = rules.compiled(change.text)
    revision = await policies.revise(
        tx, change.room.room_id, author=change.author, text=change.text, now=door.now(), cause=change.cause
    )
    detail = {"revision": revision}
    await audit.add(tx, audit.Entry(door.now(), change.room.room_id, None, change.author, "policy set", detail))
    return wording.policy_taken(change.room.label, revision, len(policy.rules), policy.otherwise)
