"""What became of a request, or is being done about it, in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from knockbot.domain.card.who import (
    By,
    answered_by,
    credit,
    decided_by,
    is_withdrawn_accept,
    origin_of,
    policy_key,
    rule_of,
    ruling,
)
from knockbot.domain.card.words import sentences
from knockbot.domain.kinds import OTHERWISE
from knockbot.domain.listed import misses_by_entry, name_of_list
from knockbot.domain.model import Decision, Kind, Request, State, Step, Untaken, Verdict
from knockbot.domain.notices import Choice, Notice, User, because, notice
from knockbot.domain.reasons import told_with
from knockbot.domain.undoing import carried_out

SIGNS: dict[State, str] = {
    State.PENDING: "🚪",
    State.ACCEPTED: "✅",
    State.JOINED: "✅",
    State.DECLINED: "↩️",
    State.REJECTED: "❌",
    State.BANNED: "⛔",
    State.WITHDRAWN: "↩️",
    State.EXPIRED: "⌛",
    State.STANDING: "✅",
    State.REDEEMED: "✅",
    State.REVOKED: "❌",
}


OUTCOMES: Mapping[State, Callable[[Request, By], Notice]] = {
    State.ACCEPTED: lambda _, by: notice("outcome.accepted", by=by),
    State.JOINED: lambda _, by: notice("outcome.joined", by=by),
    State.DECLINED: lambda *_: notice("outcome.declined"),
    State.REJECTED: lambda _, by: notice("outcome.rejected", by=by),
    State.BANNED: lambda _, by: notice("outcome.banned", by=by),
    State.WITHDRAWN: lambda *_: notice("outcome.withdrawn"),
    State.EXPIRED: lambda *_: notice("outcome.expired"),
    State.STANDING: lambda _, by: notice("outcome.approved", by=by),
    State.REDEEMED: lambda request, by: notice("outcome.used", user=User(request.user_id), by=by),
    State.REVOKED: lambda _, by: notice("outcome.revoked", by=by),
}
"""The outcome of a request."""


def _revoked_for_good(request: Request, by: By) -> Notice:
    return _revoked(request, by, inviter_banned=request.inviter_banned) or notice("outcome.revoked", by=by)


def _revoked(request: Request, by: By, *, inviter_banned: bool) -> Notice | None:
    """That an invite was revoked, if the answer was to ban its inviter too."""
    inviter = User(request.sponsor)
    if inviter_banned:
        return notice("outcome.revoked_banned", by=by, inviter=inviter)
    if request.answer is not None and request.answer.verdict is Verdict.BAN:
        return notice("outcome.revoked_to_ban", by=by, inviter=inviter)
    return None


LASTING: Mapping[State, Callable[[Request, By], Notice]] = {
    **OUTCOMES,
    State.ACCEPTED: lambda _, by: notice("outcome.accepted_for_good", by=by),
    State.STANDING: lambda _, by: notice("outcome.approved_for_good", by=by),
    State.REVOKED: _revoked_for_good,
}
"""The same in a line that reports a rule's decision: nobody edits it later, so it says only what stays true."""


def no_outcome_of_its_own(_: Request, __: bool) -> None:
    return None


def outcome_of_guest(request: Request, _: bool) -> Notice | None:
    return notice("outcome.left_again") if request.state is State.WITHDRAWN else None


def outcome_of_invite(request: Request, inviter_banned: bool) -> Notice | None:
    if request.issued_by is not None and request.state is State.STANDING:
        return notice("outcome.issued", by=credit(request))
    if request.state is not State.REVOKED or request.answer is None:
        return None
    return _revoked(request, credit(request), inviter_banned=inviter_banned)


def undone(request: Request) -> Notice | None:
    """That the outcome is what undid another one, or that it is being undone."""
    was, answer = request.undone, request.answer
    if was is None or answer is None or request.open:
        return None
    before = _undone_answer(request)
    if was.step is Step.EXPIRE:
        return _expired(request, before)
    by = User(answer.by)
    if request.being_undone:
        if request.blocked is not None:
            return notice("outcome.undo_blocked", by=by, was=before, why=request.blocked)
        return notice("outcome.undoing", by=by, was=before)
    step = carried_out(request)
    return notice("outcome.undone", step=Choice(step), by=by, was=before) if step is not None else None


def _expired(request: Request, before: By) -> Notice | None:
    """That an invite was not taken in time."""
    if not request.being_undone:
        return notice("outcome.invite_expired", was=before) if carried_out(request) is Step.EXPIRE else None
    if request.blocked is not None:
        return notice("outcome.expiry_blocked", was=before, why=request.blocked)
    return notice("outcome.invite_expires", was=before)


def _undone_answer(request: Request) -> By:
    """Who had given the answer that is undone."""
    was = request.undone
    if was is None or was.answer is None:
        return User(was.by or "" if was is not None else "")
    return answered_by(replace(request, answer=was.answer))


def under_way(request: Request, by: By, verdict: Verdict) -> Notice:
    if request.taken_back:
        blocked = request.blocked
        return notice("outcome.withdrawing") if blocked is None else notice("outcome.not_withdrawn_yet", why=blocked)
    if request.blocked is not None:
        return notice("outcome.blocked", by=by, verdict=Choice(verdict), why=request.blocked)
    return notice("outcome.under_way", by=by, verdict=Choice(verdict))


def invite_under_way(request: Request, by: By, verdict: Verdict) -> Notice:
    if request.blocked is not None:
        return notice("outcome.invite_blocked", by=by, verdict=Choice(verdict), why=request.blocked)
    if request.on_its_way and verdict is Verdict.ACCEPT:
        return notice("outcome.sent", by=by)
    if verdict is Verdict.BAN:
        return notice("outcome.inviter_under_way", by=by, inviter=User(request.subject))
    return notice("outcome.invite_under_way", by=by, verdict=Choice(verdict))


def withdrawn_perhaps(request: Request) -> Notice | None:
    """Says that an accept may have been too late, if no server would have told the bot."""
    waits = request.open or request.state is State.ACCEPTED
    return notice("card.may_have_withdrawn") if waits and request.answer and request.answer.doubtful else None


def answered_with(request: Request) -> Notice | None:
    """What the applicant was told with the answer."""
    reason = told_with(request.answer) if request.answer and not request.taken_back else None
    settled = not request.open and request.state is not State.EXPIRED
    return notice("card.told", reason=reason) if reason and settled else None


def trouble_of(request: Request) -> Notice | None:
    """What went wrong with the last answer."""
    if not request.trouble or not request.open or request.invited or _is_doubted(request, request.trouble):
        return None
    return notice("card.trouble", why=request.trouble)


def _is_doubted(request: Request, trouble: Notice) -> bool:
    """Whether the card tells the same as the reason why the moderators decide: the same person lacks the power."""
    why = request.decision.doubt if request.awaits_moderators and request.decision is not None else None
    return why is not None and (why.code, why.args.get("user")) == (trouble.code, trouble.args.get("user"))


def found(request: Request) -> Notice | None:
    """Why a rule decided so: the entry of a policy list, whose name the applicant's name looks like, or that there were
    no answers to the questions of the policy."""
    decision = ruling(request)
    if decision is None:
        return None
    if decision.without_answers is not None and decision.verdict is not Verdict.FORWARD:
        return notice("card.without_answers", why=decision.without_answers)
    if decision.found is None:
        return _no_longer(decision) if is_withdrawn_accept(request) else _alike(decision)
    if request.judged_as is Kind.THIRD_PARTY_INVITE:
        return notice("card.found_inviter", why=decision.found)
    return notice("card.found", why=decision.found)


def _alike(decision: Decision) -> Notice | None:
    return notice("card.alike", why=decision.alike) if decision.alike is not None else None


def _no_longer(decision: Decision) -> Notice | None:
    """The rule that does not accept somebody any more, because a policy list names them."""
    miss = misses_by_entry(decision)
    return notice("card.no_longer", rule=rule_of(miss), why=miss.why) if miss is not None else None


def _by_list(request: Request, decision: Decision) -> Notice:
    """Why the moderators are asked, where a policy list decided or could not be asked."""
    if decision.unknown is not None:
        return notice("card.list_unknown", why=decision.unknown)
    listed = decision.found or because("finding.not_kept")
    if request.judged_as is Kind.THIRD_PARTY_INVITE:
        if decision.doubt is not None:
            return notice("card.listed_inviter_though", why=listed, doubt=decision.doubt)
        return notice("card.listed_inviter", why=listed)
    if decision.doubt is not None:
        return notice("card.listed_though", why=listed, doubt=decision.doubt)
    return notice("card.listed", why=listed)


def doubt(request: Request) -> Notice | None:
    """Why the policy left it to people, if it could not decide."""
    decision = request.decision
    if not request.awaits_moderators or decision is None:
        return None
    if decision.rehearsed is not None:
        return notice("card.dry_run", verdict=Choice(decision.rehearsed), by=would_decide(request))
    if request.untaken is not None:
        return _not_withdrawn(request, decision, request.untaken)
    return _by_list(request, decision) if name_of_list(decision.rule) is not None else _by_rule(decision)


def _not_withdrawn(request: Request, decision: Decision, untaken: Untaken) -> Notice:
    """Why somebody should not be invited any more, who accepted them, and why the invite could not be withdrawn."""
    by = decided_by(policy_key(request, untaken.rule, Verdict.ACCEPT), None, untaken.origin)
    why = request.trouble or decision.doubt or decision.unknown
    stays = notice("card.not_withdrawn_why", why=why) if why is not None else notice("card.not_withdrawn")
    listed = notice("card.on_list_now", why=decision.found) if decision.found is not None else None
    return sentences([listed, notice("card.invited_by", by=by), stays])


def _by_rule(decision: Decision) -> Notice | None:
    if decision.doubt is not None:
        if decision.rule == OTHERWISE:
            return notice("card.asked", why=decision.doubt)
        return notice("card.asked_though", rule=rule_of(decision), why=decision.doubt)
    if decision.unknown is not None:
        return notice("card.not_judged", rule=rule_of(decision), why=decision.unknown)
    return None


def would_decide(request: Request) -> By:
    """What in the policy would have decided, if it were not in dry run."""
    decision = request.decision
    if decision is None:
        return decided_by(None, None)
    rule = policy_key(request, decision.rule, decision.rehearsed)
    return decided_by(rule, None, origin_of(decision))
