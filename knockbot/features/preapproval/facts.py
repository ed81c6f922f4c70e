"""What rules ask about approvals in advance: whether one counts for the applicant at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knockbot.domain.approvals import is_about, names_of
from knockbot.domain.judgements import Judgement
from knockbot.domain.may import Deed
from knockbot.domain.model import Facts, PreApproved, Removal, Request, Truth, Verdict
from knockbot.domain.notices import Notice, User, because
from knockbot.errors import Never
from knockbot.flow import authority
from knockbot.flow.asking import Asked
from knockbot.flow.authority import Remembered
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import approvals, judgements, layers, requests
from knockbot.store.approvals import Approval

MOST = 10
"""Approvals of one applicant that are looked at, the newest: each giver costs two questions to the homeserver."""


async def pre_approved(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """Whether somebody has approved the applicant who may accept them here now: for this room, or for a space whose
    policy decides here."""
    context, knock = asked.context, asked.knock
    # As for the author of a policy (`authority.ruled`).
    remembered = context.standings.as_heard if context.db.alone else None
    return replace(facts, pre_approved=await _look_up(context, knock.room_id, knock.user_id, remembered))


async def bars(context: Context, there: Place, request: Request) -> Notice | None:
    """Why a rule must not accept somebody any more who was pre-approved when it decided: nothing counts for them now.

    The approval was taken back, or its time is over, or whoever gave it could not accept them by hand at this moment.
    May raise `Later`.
    """
    async with context.db.statement() as tx:
        before = await judgements.newest(tx, request.id)
    if before is None or before.facts.pre_approved is None or before.facts.pre_approved.truth is not Truth.TRUE:
        return None
    now = await _look_up(context, there.room_id, request.user_id, context.standings.a_moment_ago)
    return because("pre_approval.counts_no_more") if now.truth is not Truth.TRUE else None


async def _look_up(context: Context, room_id: str, user_id: str, remembered: Remembered | None) -> PreApproved:
    """The newest approval whose giver has the power for it; else the newest of all, and why it does not count.

    None counts that is older than a kick or a ban of the applicant: a moderator has thought otherwise since.
    """
    async with context.db.tx() as tx:
        decide = await layers.of(tx, room_id)
        rooms = [*dict.fromkeys([room_id, *(layer.room_id for layer in decide)])]
        found = await approvals.applying_to(tx, rooms, names_of(user_id), context.now(), MOST)
        removal = await requests.last_removal(tx, room_id, user_id) if found else None
    void: PreApproved | None = None
    for approval in found:
        if removal is not None and approval.given_at <= removal.at:
            void = void or _ended(approval, removal)
            continue
        looked_at = await _looked_at(context, approval, room_id, user_id, remembered)
        if looked_at.truth is not Truth.FALSE:
            return looked_at
        void = void or looked_at
    return void or PreApproved(Truth.FALSE)


def _ended(approval: Approval, removal: Removal) -> PreApproved:
    why = because("pre_approval.removed_since", by=User(removal.by))
    return PreApproved(Truth.FALSE, approval.given_by, approval.until, bool(is_about(approval.who)), why)


async def _looked_at(
    context: Context, approval: Approval, room_id: str, user_id: str, remembered: Remembered | None
) -> PreApproved:
    by, until, of_server = approval.given_by, approval.until, bool(is_about(approval.who))
    try:
        why = await authority.lacking(context, by, Deed.ACCEPT, room_id=room_id, target=user_id, remembered=remembered)
    except Never as error:
        return PreApproved(Truth.UNKNOWN, by, until, of_server, error.why)
    return PreApproved(Truth.FALSE if why is not None else Truth.TRUE, by, until, of_server, why)


def at_once(_: Judgement | None, judgement: Judgement) -> bool:
    """Whether an approval counts for somebody who waits, before the policy in force is applied: that accepts them."""
    decision, approved = judgement.decision, judgement.facts.pre_approved
    accepts = Verdict.ACCEPT in (decision.verdict, decision.held)
    return accepts and approved is not None and approved.truth is Truth.TRUE
