"""How a request changes its state when the room changes: one table for knocks, by state and membership, and one for
third-party invites, by state and what happened to the invite.
"""

from __future__ import annotations

from enum import StrEnum

from knockbot.domain.model import Kind, MemberChange, Membership, Request, State, Step, Verdict

THEIR_OWN = True
SOMEBODY_ELSES = False

OUTCOMES: dict[tuple[State, Membership, bool], State] = {
    (State.PENDING, Membership.INVITE, SOMEBODY_ELSES): State.ACCEPTED,
    (State.PENDING, Membership.JOIN, THEIR_OWN): State.JOINED,
    (State.PENDING, Membership.LEAVE, THEIR_OWN): State.WITHDRAWN,
    (State.PENDING, Membership.LEAVE, SOMEBODY_ELSES): State.REJECTED,
    (State.PENDING, Membership.BAN, SOMEBODY_ELSES): State.BANNED,
    # Somebody invited them by hand after the request expired; or the invite was being sent just then.
    (State.EXPIRED, Membership.INVITE, SOMEBODY_ELSES): State.ACCEPTED,
    (State.ACCEPTED, Membership.JOIN, THEIR_OWN): State.JOINED,
    (State.ACCEPTED, Membership.LEAVE, THEIR_OWN): State.DECLINED,
    (State.ACCEPTED, Membership.LEAVE, SOMEBODY_ELSES): State.REJECTED,
    (State.ACCEPTED, Membership.BAN, SOMEBODY_ELSES): State.BANNED,
}


UNDOING: dict[tuple[State, Membership, bool], State] = {
    (State.ACCEPTED, Membership.LEAVE, SOMEBODY_ELSES): State.REJECTED,
    (State.JOINED, Membership.LEAVE, SOMEBODY_ELSES): State.REJECTED,
    (State.JOINED, Membership.BAN, SOMEBODY_ELSES): State.BANNED,
    (State.REDEEMED, Membership.LEAVE, SOMEBODY_ELSES): State.REJECTED,
    (State.REDEEMED, Membership.BAN, SOMEBODY_ELSES): State.BANNED,
    (State.REJECTED, Membership.INVITE, SOMEBODY_ELSES): State.ACCEPTED,
    (State.REJECTED, Membership.BAN, SOMEBODY_ELSES): State.BANNED,
    (State.BANNED, Membership.LEAVE, SOMEBODY_ELSES): State.REJECTED,
}
"""What a change of membership does besides while an outcome is being undone; without that, these states are final."""


WAYS_IN = frozenset({Membership.INVITE, Membership.JOIN})

OUTCOMES_OF: dict[Kind, dict[tuple[State, Membership, bool], State]] = {
    Kind.KNOCK: OUTCOMES,
    # They joined before anyone was asked.
    Kind.REDEEMED_INVITE: {told: state for told, state in OUTCOMES.items() if told[1] not in WAYS_IN},
    # Its user is not known yet: the table below says what happens to it.
    Kind.THIRD_PARTY_INVITE: {},
}
"""What a change of membership does to each kind of request."""


def outcome(request: Request, change: MemberChange) -> State | None:
    """The state this change of membership brings the request to; `None` if it changes nothing."""
    told = (request.state, change.membership, change.of_their_own)
    if request.being_undone and told in UNDOING:
        return State.EXPIRED if _expires_by(request, change) else UNDOING[told]
    if request.invited and change.membership is Membership.INVITE:
        return State.ACCEPTED if _is_answered_by(request, change) else None
    state = OUTCOMES_OF[request.judged_as].get(
        (State.ACCEPTED if request.invited else request.state, change.membership, change.of_their_own)
    )
    if state is State.REJECTED and request.taken_back:
        return State.WITHDRAWN
    # An event that replaces the knock itself crossed with the invite, so they cannot have declined that.
    return State.WITHDRAWN if state is State.DECLINED and change.replaces == request.event_id else state


def _expires_by(request: Request, change: MemberChange) -> bool:
    """Whether this withdraws an invite because nobody took it in time; anybody else may withdraw it just then."""
    by_answer = request.answer is not None and change.sender == request.answer.by
    return by_answer and request.undone is not None and request.undone.step is Step.EXPIRE


def _is_answered_by(request: Request, change: MemberChange) -> bool:
    """Whether an invite is the answer to a request about an invite that is to be withdrawn: somebody invited them
    again, or the one that they hold stays, since somebody accepted them after all."""
    again = request.untaken is not None and change.event_id != request.untaken.event_id
    return again or (request.answer is not None and request.answer.verdict is Verdict.ACCEPT)


def credited(request: Request, change: MemberChange, bot: str) -> str:
    """Who caused the outcome: the sender, or, if the bot acted, the one who gave the answer.

    A join after an invite is credited to the one who accepted them.
    """
    if request.state is State.ACCEPTED and change.membership is Membership.JOIN and request.by is not None:
        return request.by
    answer = request.answer
    if answer is not None and (change.sender == bot or _was_let_in(request, change)):
        return answer.by
    return change.sender


def _was_let_in(request: Request, change: MemberChange) -> bool:
    """Whether they joined after an accept whose invite nobody saw, for example if the bot was killed just then."""
    accepted = request.answer is not None and request.answer.verdict is Verdict.ACCEPT
    return accepted and request.state is State.PENDING and change.membership is Membership.JOIN


# --- third-party invites --------------------------------------------------------------------------------------


class InviteEvent(StrEnum):
    """What happens to a third-party invite."""

    ACCEPTED = "accepted"
    """A rule or a moderator approves it. Nothing happens in the room, so this is not the outcome of an act there."""
    FORWARDED = "forwarded"
    """The moderators have to answer it after all: its inviter left."""
    REPLACED = "replaced"
    """The same token has another invite, perhaps with other keys or from another inviter."""
    EMPTIED = "emptied"
    """Its token no longer has an invite: somebody revoked or redacted it."""
    REDEEMED = "redeemed"
    """Somebody used it."""


INVITE_OUTCOMES: dict[tuple[State, InviteEvent], State] = {
    (State.PENDING, InviteEvent.ACCEPTED): State.STANDING,
    (State.PENDING, InviteEvent.EMPTIED): State.REVOKED,
    (State.PENDING, InviteEvent.REDEEMED): State.REDEEMED,
    (State.STANDING, InviteEvent.FORWARDED): State.PENDING,
    # Everyone who may invite can put other keys under an accepted token: the answer was for the earlier ones.
    (State.STANDING, InviteEvent.REPLACED): State.PENDING,
    (State.STANDING, InviteEvent.EMPTIED): State.REVOKED,
    (State.STANDING, InviteEvent.REDEEMED): State.REDEEMED,
    # The two events crossed.
    (State.REVOKED, InviteEvent.REDEEMED): State.REDEEMED,
}
"""`redeemed` is final: emptying the state afterwards removes nobody. The user who joined is no longer an invite but a
member (`after_redeeming`)."""


def invite_outcome(state: State, event: InviteEvent) -> State | None:
    """The state that this brings a third-party invite to; `None` if it changes nothing."""
    return INVITE_OUTCOMES.get((state, event))


def after_redeeming(change: MemberChange) -> State | None:
    """The outcome for a user who redeemed an invite, like that of an accepted applicant; `None` if there is none.

    The request stays `redeemed`; this is for its log.
    """
    return OUTCOMES.get((State.ACCEPTED, change.membership, change.of_their_own))
