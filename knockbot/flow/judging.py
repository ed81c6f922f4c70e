"""Judging a knock: gather the facts that this policy needs, and only those, then let the domain decide.

Steps 4 and 5 of the journey (ARCHITECTURE.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeAlias

from knockbot.domain.judgements import WIDE, Judgement
from knockbot.domain.kinds import KINDS
from knockbot.domain.model import (
    Came,
    Fact,
    Facts,
    InviteFacts,
    Kind,
    Knock,
    Known,
    Request,
    ThirdPartyInvite,
    Truth,
)
from knockbot.domain.notices import Letters, because
from knockbot.domain.policy import Policy, decide, rehearsed
from knockbot.errors import ActionError, Never
from knockbot.flow import authority, rules, tables
from knockbot.flow.asking import Asked, LookUp
from knockbot.flow.context import Context
from knockbot.flow.rooms import is_member, may_learn_of
from knockbot.flow.rules import InForce, Layer
from knockbot.store import requests, rooms


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be judged."""

    knock: Knock
    """Who knocks, or used an invite; for a third-party invite, who made it."""
    kind: Kind = Kind.KNOCK
    invite: ThirdPartyInvite | None = None
    """The third-party invite that is judged, or that somebody used, where that is known."""
    denied: bool = False
    """Whether the applicant's server may take no part in the room."""
    came: Came | None = None
    """How far the invite that somebody used had come."""
    unseen: bool = False
    """Whether they have not knocked, and somebody only asks about them."""


async def judge(
    context: Context, in_force: InForce, case: Case, *, asked_by: str | None = None, at_expense_of: str | None = None
) -> Judgement:
    """What a policy says of a request, as far as its author may do that.

    `asked_by` is somebody who only asks: they learn nothing of the members of rooms that they are not in. The time
    that this takes counts for its room, unless another one is named. May raise `Busy`.
    """
    in_force = in_force.only(case.kind)
    facts = await gather(context, in_force, case, asked_by=asked_by)
    return await by_facts(context, in_force, case, facts, at_expense_of=at_expense_of)


async def by_facts(
    context: Context, in_force: InForce, case: Case, facts: Facts, *, at_expense_of: str | None = None
) -> Judgement:
    """Judge by facts that are known already, and by rules for this kind of request alone."""
    knock, kind = case.knock, case.kind
    deciding = partial(decide, knock, facts, in_force.policy, kind)
    if is_quick(in_force.policy, knock):
        decision = deciding()
    else:
        decision = await context.workbench.work_out(at_expense_of or knock.room_id, deciding)
    decision = replace(decision, author=in_force.author_of(decision.origin))
    decision = await authority.ruled(context, decision, knock, kind)
    decision = rehearsed(decision, in_force.policy, kind)
    inherited = in_force.inherited
    return Judgement(kind, knock.room_id, knock.event_id, in_force.revision, facts, decision, inherited=inherited)


QUICK_LENGTH = 1000
QUICK_STEPS = 1_000_000
QUICK_GLOBS = 1000
"""The limits of a quick decision: characters, steps of patterns times characters, and globs to look through one by one.
A decision within them takes a few milliseconds at most, which others do not notice."""


def is_quick(policy: Policy, knock: Knock) -> bool:
    """Whether a decision takes so little that it is made on the spot; else it is made in a thread."""
    length = len(knock.reason) + len(knock.display_name or "")
    return (
        length <= QUICK_LENGTH
        and policy.pattern_size * length <= QUICK_STEPS
        and policy.globs_looked_through <= QUICK_GLOBS
    )


async def gather(context: Context, in_force: InForce, case: Case, *, asked_by: str | None = None) -> Facts:
    """The facts that these rules ask for. Facts that cannot be found out are unknown, with the reason.

    Facts that need no look-up are among them: how much was written, who invited, with which keys.
    """
    on_record = await _on_record(context, case.invite) if case.invite is not None else None
    facts = _known(context, case, on_record)
    if case.denied:
        return facts  # no rule will be evaluated
    facts = replace(facts, managed_from=await _managed_from(context, in_force, case.knock.room_id))
    first, *others = [Asked(context, layer, case.knock, asked_by, on_record) for layer in in_force.layers]
    facts = await _looked_up(first, facts, {**_shared(in_force), **first.layer.policy.needed})
    seen = {one.layer.room_id: await _looked_up(one, facts, _by_name(one.layer)) for one in others}
    return facts.with_others(seen)


async def _managed_from(context: Context, in_force: InForce, room_id: str) -> str:
    """The management room of a room, if the rules may ask about the other rooms managed from there."""
    if all(WIDE.isdisjoint(layer.policy.needed) for layer in in_force.layers):
        return ""
    async with context.db.statement() as tx:
        room = await rooms.find(tx, room_id)
    return room.management_room if room is not None else ""


Needed: TypeAlias = Mapping[Fact, tuple[str, ...]]


def _shared(in_force: InForce) -> Needed:
    """The facts that need no name, and so are the same for the rules of all policies."""
    needed = [one for layer in in_force.layers for one in layer.policy.needed.items()]
    return {fact: of for fact, of in needed if not any(of)}


def _by_name(layer: Layer) -> Needed:
    """The facts that a policy asks of what it names: the same names may mean something else in another policy."""
    return {fact: of for fact, of in layer.policy.needed.items() if any(of)}


async def _looked_up(asked: Asked, facts: Facts, needed: Needed) -> Facts:
    for fact, look_up in {**GATHER, **tables.gathers(asked.context)}.items():
        if fact in needed:
            facts = await look_up(asked, facts, needed[fact])
    return facts


def _known(context: Context, case: Case, on_record: Request | None) -> Facts:
    invite = case.invite
    return Facts(
        context.home,
        at=context.now(),
        measure=case.knock.measure if KINDS[case.kind].has_words else None,
        invite=InviteFacts(_sponsor(on_record, invite), invite.keys) if invite is not None else None,
        came=case.came,
        denied=case.denied,
        unseen=case.unseen,
    )


async def _on_record(context: Context, invite: ThirdPartyInvite) -> Request | None:
    async with context.db.tx() as tx:
        return await requests.by_token(tx, invite.room_id, invite.token, held=False)


def _sponsor(known: Request | None, invite: ThirdPartyInvite) -> str:
    """Who is responsible for an invite; if the bot sent it, this is the person who told the bot to send it."""
    ours = known is not None and known.invite is not None and known.invite.inviter == invite.inviter
    return known.sponsor if known is not None and ours else invite.inviter


# --- who they are ---------------------------------------------------------------------------------------------


async def _memberships(asked: Asked, facts: Facts, references: Sequence[str]) -> Facts:
    """Whether the applicant is in the rooms that a policy names. A name means what it meant when the policy was set."""
    async with asked.context.db.tx() as tx:
        meant = await rules.meant_by(tx, asked.layer)
    found = {
        reference: await _is_in_named_room(
            asked.context, reference, meant.get(reference), asked.knock.user_id, asked.by
        )
        for reference in sorted(references)
    }
    return replace(facts, member_of=found)


async def _is_in_named_room(
    context: Context, reference: str, room_id: str | None, user_id: str, asked_by: str | None
) -> Known:
    if room_id is None:
        return Known(Truth.UNKNOWN, because("unknown.which_room", room=Letters(reference)))
    if asked_by is not None and not await may_learn_of(context, room_id, asked_by):
        return Known(Truth.UNKNOWN, because("unknown.not_joined", room=Letters(reference)))
    known = await is_member(context, room_id, user_id, called=reference)
    try:
        replaced = known.truth is not Truth.UNKNOWN and await context.outside.tombstone(room_id) is not None
    except Never:
        return known  # the bot is not in there: the homeserver told who is, and tells no more
    except ActionError as error:
        return Known(Truth.UNKNOWN, because("unknown.room", room=Letters(reference), why=error.why))
    # Nobody maintains the members of a room that was replaced.
    return Known(Truth.UNKNOWN, because("unknown.room_replaced", room=Letters(reference))) if replaced else known


GATHER: Mapping[Fact, LookUp] = {Fact.MEMBER_OF: _memberships}
"""How to look up each fact that a rule may ask for (`Condition.needs`), and add it to the known ones; features have
rows of their own (`Feature.gathers`). Whether the keys of an invite are valid is asked last, and only where it would be
accepted (`features/thirdparty/invites.py`)."""
