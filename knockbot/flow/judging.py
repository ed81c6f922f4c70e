"""Judging a knock: gather the facts that this policy needs, and only those, then let the domain decide.

Steps 4 and 5 of the journey (ARCHITECTURE.md).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from knockbot.domain.model import Decision, Fact, Facts, InviteFacts, Kind, Knock, Known, Membership, Past, State, Truth
from knockbot.domain.notices import Letters, because
from knockbot.domain.policy import Policy, decide
from knockbot.errors import ActionError
from knockbot.flow import authority, rules
from knockbot.flow.context import Context
from knockbot.flow.rooms import is_member
from knockbot.flow.rules import InForce
from knockbot.store import requests


async def judge(
    context: Context,
    in_force: InForce,
    knock: Knock,
    kind: Kind = Kind.KNOCK,
    invite: InviteFacts | None = None,
    *,
    at_expense_of: str | None = None,
    asked_by: str | None = None,
) -> Decision:
    """What a policy says of a request of this kind, as far as its author may do that; `invite` holds what is known of
    a third-party invite.

    Where somebody only asks, `asked_by`, they learn nothing of the members of rooms that they are not in.
    Where it takes long it is at the expense of its room, unless another one is named. May raise `Busy`.
    """
    its_rules = in_force.policy.only(kind)
    facts = replace(await gather(context, in_force.only(kind), knock, asked_by=asked_by), invite=invite)
    deciding = partial(decide, knock, facts, its_rules, kind)
    if is_quick(its_rules, knock):
        decision = deciding()
    else:
        decision = await context.workbench.work_out(at_expense_of or knock.room_id, deciding)
    return await authority.ruled(context, replace(decision, author=in_force.author), knock, kind)


QUICK_LENGTH = 1000
QUICK_STEPS = 1_000_000
QUICK_GLOBS = 1000
"""A decision on at most so many characters, with at most so many steps of patterns times characters, and so many globs
to look through one by one, takes a few milliseconds at most: less than others notice."""


def is_quick(policy: Policy, knock: Knock) -> bool:
    """Whether a decision takes so little that it is made on the spot; else it is made in a thread."""
    length = len(knock.reason) + len(knock.display_name or "")
    return (
        length <= QUICK_LENGTH
        and policy.pattern_size * length <= QUICK_STEPS
        and policy.globs_looked_through <= QUICK_GLOBS
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """For which judgement a fact is looked up; `by` is somebody who only asks what the policy would say."""

    context: Context
    in_force: InForce
    knock: Knock
    by: str | None


async def gather(context: Context, in_force: InForce, knock: Knock, *, asked_by: str | None = None) -> Facts:
    """The facts that the rules of a policy ask for. What cannot be found out is unknown, with the reason."""
    asked, needed = Asked(context, in_force, knock, asked_by), in_force.policy.needed
    found = {fact.value: await look_up(asked, needed[fact]) for fact, look_up in GATHER.items() if fact in needed}
    return Facts(home=context.home, **found)


async def _memberships(asked: Asked, references: tuple[str, ...]) -> dict[str, Known]:
    """Whether the applicant is in the rooms that a policy names. A name means what it meant when it was taken."""
    async with asked.context.db.tx() as tx:
        meant = await rules.meant_by(tx, asked.in_force)
    return {
        reference: await _is_in_named_room(
            asked.context, reference, meant.get(reference), asked.knock.user_id, asked.by
        )
        for reference in sorted(references)
    }


async def _is_in_named_room(
    context: Context, reference: str, room_id: str | None, user_id: str, asked_by: str | None
) -> Known:
    if room_id is None:
        return Known(Truth.UNKNOWN, because("unknown.which_room", room=Letters(reference)))
    if asked_by is not None and (await is_member(context, room_id, asked_by)).truth is not Truth.TRUE:
        return Known(Truth.UNKNOWN, because("unknown.not_joined", room=Letters(reference)))
    known = await is_member(context, room_id, user_id, called=reference)
    try:
        replaced = known.truth is not Truth.UNKNOWN and await context.outside.tombstone(room_id) is not None
    except ActionError as error:
        return Known(Truth.UNKNOWN, because("unknown.room", room=Letters(reference), why=error.why))
    # Nobody looks after the members of a room that was given up.
    return Known(Truth.UNKNOWN, because("unknown.room_replaced", room=Letters(reference))) if replaced else known


async def _history(asked: Asked, _: tuple[str, ...]) -> tuple[Past, ...]:
    """The results of the applicant's earlier requests in this room, by rules and moderators alike."""
    context, knock = asked.context, asked.knock
    async with context.db.tx() as tx:
        last = await requests.settled_knock(tx, knock.room_id, knock.user_id)
    put_out = last is State.JOINED and await _was_put_out(context, knock)
    async with context.db.tx() as tx:
        if put_out:
            await requests.put_out(tx, knock.room_id, knock.user_id, State.REJECTED, context.now())
        earlier = await requests.history(tx, knock.room_id, knock.user_id)
    return tuple(Past(state, context.now() - since) for state, since in earlier)


async def _was_put_out(context: Context, knock: Knock) -> bool:
    """Whether whoever knocks had been removed from the room, which may have happened while the bot was away."""
    try:
        change = await context.outside.past_member(knock.room_id, knock.event_id) if knock.event_id else None
        before = (
            await context.outside.past_member(knock.room_id, change.replaces) if change and change.replaces else None
        )
    except ActionError:
        return False
    return before is not None and before.membership is Membership.LEAVE and not before.of_their_own


GATHER: Mapping[Fact, Callable[[Asked, tuple[str, ...]], Awaitable[Any]]] = {
    Fact.MEMBER_OF: _memberships,
    Fact.HISTORY: _history,
}
"""How each fact about an applicant is looked up, into its field of `Facts`. What is known of an invite and its inviter
comes with the invite (`features/thirdparty/invites.py:facts_of`)."""
