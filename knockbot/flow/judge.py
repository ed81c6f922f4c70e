"""Judging a knock: gather the facts that this policy needs, and only those, then let the domain decide.

Steps 4 and 5 of the journey (ARCHITECTURE.md).
"""

from __future__ import annotations

from dataclasses import replace

from knockbot.domain import ids
from knockbot.domain.model import Decision, Facts, InviteFacts, Kind, Knock, Known, Membership, Past, Truth
from knockbot.domain.policy import Policy, decide
from knockbot.errors import ActionError
from knockbot.flow.door import Door
from knockbot.store import policies, requests


async def judge(
    door: Door, policy: Policy, knock: Knock, kind: Kind = Kind.KNOCK, invite: InviteFacts | None = None
) -> Decision:
    """What a policy says of a request of this kind; `invite` holds what is known of a third-party invite."""
    its_rules = policy.only(kind)
    facts = replace(await gather(door, its_rules, knock), invite=invite)
    return decide(knock, facts, its_rules, kind)


async def gather(door: Door, policy: Policy, knock: Knock) -> Facts:
    """The facts that the rules of a policy ask for. What cannot be found out is unknown, with the reason."""
    members = {reference: await is_member(door, reference, knock.user_id) for reference in sorted(policy.rooms_needed)}
    history = await _history(door, knock) if policy.needs_history else None
    return Facts(home=door.home, member_of=members, history=history)


async def _history(door: Door, knock: Knock) -> tuple[Past, ...]:
    """What came of the applicant's earlier requests in this room, by rules and moderators alike."""
    async with door.db.tx() as tx:
        earlier = await requests.opened_since(tx, knock.room_id, knock.user_id, 0)
    now = door.now()
    return tuple(Past(request.state, now - request.changed_at) for request in earlier if not request.open)


async def is_member(door: Door, reference: str, user_id: str) -> Known:
    """Whether a user is joined to a room, as far as the bot can see."""
    try:
        room_id = await locate(door, reference)
        # A room the bot has left still shows its state of that day, so the bot's own membership comes first.
        mine = await door.outside.member(room_id, door.bot)
        if mine is None or mine.membership is not Membership.JOIN:
            return Known(Truth.UNKNOWN, f"I am not joined to {reference}")
        theirs = await door.outside.member(room_id, user_id)
    except ActionError as error:
        return Known(Truth.UNKNOWN, f"{reference}: {error.why}")
    joined = theirs is not None and theirs.membership is Membership.JOIN
    return Known(Truth.TRUE if joined else Truth.FALSE)


async def locate(door: Door, reference: str) -> str:
    """The room that an id or alias means; an alias is resolved once and pinned.

    Raises `Later` or `Never` when an alias leads nowhere now.
    """
    if not ids.is_alias(reference):
        return reference
    async with door.db.tx() as tx:
        pinned = await policies.pinned(tx, reference)
    if pinned is not None:
        return pinned
    room_id, _ = await door.outside.resolve(reference)
    async with door.db.tx() as tx:
        await policies.pin(tx, reference, room_id)
    return room_id
