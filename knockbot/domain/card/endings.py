"""What a past request came to, where its state alone does not say so.

A request is `rejected` by its state too where only an earlier answer was taken back. Nobody has rejected the applicant
then: it does not count as a rejection, and nothing calls it one. This page is the one that says which these are.
"""

from __future__ import annotations

from enum import StrEnum

from knockbot.domain.card.who import is_invite_withdrawn
from knockbot.domain.model import Request, State, Step
from knockbot.domain.records import Recorded
from knockbot.domain.undoing import carried_out


class NoRejection(StrEnum):
    """What leaves a request rejected by its state although nobody has rejected the applicant."""

    BY_POLICY = "by_policy"
    """The invite of a rule was withdrawn, so that the moderators decide."""
    WITHDRAW = "withdraw"
    """Somebody undid an accept by which nobody had joined yet."""
    REMOVE = "remove"
    """Somebody undid an accept by which the applicant had joined."""
    LIFT = "lift"
    """Somebody undid a ban."""


BY_STEP = {
    Step.WITHDRAW: NoRejection.WITHDRAW,
    Step.REMOVE: NoRejection.REMOVE,
    Step.LIFT: NoRejection.LIFT,
}

UNDONE_FROM = {
    NoRejection.WITHDRAW: State.ACCEPTED,
    NoRejection.REMOVE: State.JOINED,
    NoRejection.LIFT: State.BANNED,
}
"""The outcome that there was before somebody undid it."""

ON_RECORD = {
    NoRejection.BY_POLICY: Recorded.INVITE_WITHDRAWN,
    NoRejection.WITHDRAW: Recorded.INVITE_WITHDRAWN,
    NoRejection.REMOVE: Recorded.REMOVED,
    NoRejection.LIFT: Recorded.BAN_LIFTED,
}
"""What the record says in place of a rejection."""


def no_rejection(request: Request) -> NoRejection | None:
    """Why a request is rejected by its state alone, and nobody has rejected its applicant; `None` if somebody has, or
    if its state says something else."""
    if is_invite_withdrawn(request):
        return NoRejection.BY_POLICY
    step = carried_out(request)
    return BY_STEP.get(step) if step is not None and request.state is State.REJECTED else None
