"""What an applicant is told of the outcome of their request: what was written for them, and nothing else.

The name of a rule, a list that names them, notes: none of that is theirs to read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.card import NoRejection, no_rejection
from knockbot.domain.letters import LetterRule
from knockbot.domain.model import Request, State, Step
from knockbot.domain.notices import Notice, Room, below, notice
from knockbot.domain.reasons import told_with


@dataclass(frozen=True, slots=True)
class Told:
    """One outcome: whether the policy wants it told, and what is said; `None` where there is nothing to say."""

    wanted: Callable[[LetterRule], bool]
    said: Callable[[Request, Room], Notice | None]


def accepted(request: Request, room: Room) -> Notice:
    """That they may join now."""
    reason = told_with(request.answer) if request.answer is not None else None
    if reason is not None:
        return notice("letter.accepted_because", room=room, reason=reason)
    return notice("letter.accepted", room=room)


def rejected(request: Request, room: Room) -> Notice | None:
    """That they are rejected, or that an invite which they had not taken is theirs no more.

    Who had joined before has seen that they were removed, and a ban that was lifted was not told either. Who is denied
    by the room's server ACL cannot join it.
    """
    answer, unrejected = request.answer, no_rejection(request)
    if unrejected in (NoRejection.REMOVE, NoRejection.LIFT):
        return None
    if unrejected is not None:
        return notice("letter.invite_withdrawn", room=room)
    if answer is not None and answer.rule == SERVER_ACL:
        return None
    reason = told_with(answer) if answer is not None and answer.by == request.by else None
    said = notice("letter.rejected", room=room)
    if reason is not None:
        said = notice("letter.rejected_because", room=room, reason=reason)
    return below(said, notice("letter.how_to_appeal"))


def expired(request: Request, room: Room) -> Notice:
    """That their invite has expired, or that nobody answered them in time."""
    if request.undone is not None and request.undone.step is Step.EXPIRE:
        return notice("letter.invite_expired", room=room)
    return notice("letter.expired", room=room)


OUTCOMES: Mapping[State, Told] = {
    State.ACCEPTED: Told(lambda rule: rule.accepted, accepted),
    State.REJECTED: Told(lambda rule: rule.rejected, rejected),
    State.EXPIRED: Told(lambda rule: rule.expired, expired),
}
"""The outcomes that are told. Bans are not: whoever is banned should not be written to."""
