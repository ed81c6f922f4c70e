"""Undo: what takes back each outcome of a request, by where its applicant is now, and what that takes; as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from knockbot.domain.may import Deed
from knockbot.domain.model import Answer, Kind, Membership, Request, State, Step, Verdict
from knockbot.times import DAY

LONGEST: Final = 7 * DAY
"""Milliseconds after an answer in which it can be undone."""

STEPS: Mapping[tuple[State, Membership], Step] = {
    (State.ACCEPTED, Membership.INVITE): Step.WITHDRAW,
    (State.ACCEPTED, Membership.JOIN): Step.REMOVE,
    (State.JOINED, Membership.JOIN): Step.REMOVE,
    (State.REDEEMED, Membership.INVITE): Step.WITHDRAW,
    (State.REDEEMED, Membership.JOIN): Step.REMOVE,
    (State.REJECTED, Membership.LEAVE): Step.INVITE,
    (State.BANNED, Membership.BAN): Step.LIFT,
}
"""How an outcome is undone; anything else means that the applicant has moved on since."""

OF_INVITES: Mapping[State, Step] = {State.STANDING: Step.REVOKE, State.REVOKED: Step.LIFT_INVITER}
"""The same for a third-party invite that nobody has used."""

OVER: Mapping[State, str] = {
    State.DECLINED: "undo.over/declined",
    State.WITHDRAWN: "undo.over/withdrawn",
    State.EXPIRED: "undo.over/expired",
}
"""The outcomes that leave nothing to be undone."""

DEEDS: Mapping[Step, Deed] = {
    Step.WITHDRAW: Deed.REJECT,
    Step.EXPIRE: Deed.REJECT,
    Step.REMOVE: Deed.REJECT,
    Step.INVITE: Deed.ACCEPT,
    Step.LIFT: Deed.LIFT_BAN,
    Step.REVOKE: Deed.REVOKE,
    Step.LIFT_INVITER: Deed.LIFT_BAN,
}
"""What it takes: as much as to do the opposite by hand."""

VERDICTS: Mapping[Step, Verdict] = {
    Step.WITHDRAW: Verdict.REJECT,
    Step.EXPIRE: Verdict.REJECT,
    Step.REMOVE: Verdict.REJECT,
    Step.INVITE: Verdict.ACCEPT,
    Step.LIFT: Verdict.REJECT,
    Step.REVOKE: Verdict.REJECT,
    Step.LIFT_INVITER: Verdict.REJECT,
}
"""The answer that takes the place of the one that is undone."""

GIVEN: Mapping[State, Verdict] = {
    State.ACCEPTED: Verdict.ACCEPT,
    State.JOINED: Verdict.ACCEPT,
    State.STANDING: Verdict.ACCEPT,
    State.REDEEMED: Verdict.ACCEPT,
    State.REJECTED: Verdict.REJECT,
    State.REVOKED: Verdict.REJECT,
    State.BANNED: Verdict.BAN,
}
"""The answer that an outcome comes from."""


def given(request: Request) -> Verdict | None:
    """The answer to a request, as its outcome shows it, or as it is to be carried out; none if there is none."""
    if request.answer is not None and (request.open or request.state is State.REVOKED):
        return request.answer.verdict
    if request.state is State.JOINED and request.by == request.user_id:
        return None  # nobody let them in
    return GIVEN.get(request.state)


def given_at(request: Request) -> int:
    """When the answer to a request was given, in milliseconds since the epoch; if that was in another client, when it
    was seen."""
    return request.answer.at if request.answer is not None else request.changed_at


def opposite(request: Request, answer: Answer) -> Deed:
    """What it takes to take back somebody else's answer that is not carried out yet: to give the opposite one."""
    if request.judged_as is Kind.THIRD_PARTY_INVITE:
        return Deed.REVOKE if answer.verdict is Verdict.ACCEPT else Deed.LET_STAND
    return {Verdict.ACCEPT: Deed.REJECT, Verdict.BAN: Deed.LIFT_BAN}.get(answer.verdict, Deed.ACCEPT)


def carried_out(request: Request) -> Step | None:
    """How its earlier outcome was undone, once that is done; none if somebody else brought about the present one."""
    was, answer = request.undone, request.answer
    if was is None or answer is None or request.open or request.being_undone or request.by != answer.by:
        return None
    return was.step if request.state is aim(request, was.step) else None


def aim(request: Request, step: Step) -> State:
    """The outcome that a request has once its earlier one is undone."""
    if step is Step.INVITE:
        return State.REDEEMED if request.redeemed else State.ACCEPTED
    if step is Step.EXPIRE:
        return State.EXPIRED
    return State.REVOKED if request.judged_as is Kind.THIRD_PARTY_INVITE else State.REJECTED
