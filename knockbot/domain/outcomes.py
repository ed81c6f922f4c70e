"""How a request moves on when the room does: one table from state and membership to the next state."""

from __future__ import annotations

from knockbot.domain.model import MemberChange, Membership, Request, State

THEIR_OWN = True
SOMEBODY_ELSES = False

OUTCOMES: dict[tuple[State, Membership, bool], State] = {
    (State.PENDING, Membership.INVITE, SOMEBODY_ELSES): State.ACCEPTED,
    (State.PENDING, Membership.JOIN, THEIR_OWN): State.JOINED,
    (State.PENDING, Membership.LEAVE, THEIR_OWN): State.WITHDRAWN,
    (State.PENDING, Membership.LEAVE, SOMEBODY_ELSES): State.REJECTED,
    (State.PENDING, Membership.BAN, SOMEBODY_ELSES): State.BANNED,
    (State.ACCEPTED, Membership.JOIN, THEIR_OWN): State.JOINED,
    (State.ACCEPTED, Membership.LEAVE, THEIR_OWN): State.DECLINED,
    (State.ACCEPTED, Membership.LEAVE, SOMEBODY_ELSES): State.REJECTED,
    (State.ACCEPTED, Membership.BAN, SOMEBODY_ELSES): State.BANNED,
}


def outcome(request: Request, change: MemberChange) -> State | None:
    """The state this change of membership brings the request to; `None` where it changes nothing."""
    return OUTCOMES.get((request.state, change.membership, change.of_their_own))


def credited(request: Request, change: MemberChange, bot: str) -> str:
    """Who brought the outcome about: the sender, or, where the bot acted, whoever gave it the word.

    A join after an invite stays the merit of whoever let them in.
    """
    if request.state is State.ACCEPTED and change.membership is Membership.JOIN and request.by is not None:
        return request.by
    if change.sender == bot and request.answer is not None:
        return request.answer.by
    return change.sender
