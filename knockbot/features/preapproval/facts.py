"""What rules ask about approvals in advance: whether one counts for the applicant at this moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knockbot.domain.approvals import is_about, names_of
from knockbot.domain.may import Deed
from knockbot.domain.model import Facts, PreApproved, Truth
from knockbot.errors import Never
from knockbot.flow import authority
from knockbot.flow.asking import Asked
from knockbot.store import approvals, layers
from knockbot.store.approvals import Approval

MOST = 10
"""Approvals of one applicant that are looked at, the newest: each giver costs two questions to the homeserver."""


async def pre_approved(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """Whether somebody has approved the applicant who may accept them here now: for this room, or for a space whose
    policy decides here."""
    context, knock = asked.context, asked.knock
    async with context.db.tx() as tx:
        decide = await layers.of(tx, knock.room_id)
        rooms = [*dict.fromkeys([knock.room_id, *(layer.room_id for layer in decide)])]
        found = await approvals.applying_to(tx, rooms, names_of(knock.user_id), context.now(), MOST)
    return replace(facts, pre_approved=await _first_that_counts(asked, found))


async def _first_that_counts(asked: Asked, found: Sequence[Approval]) -> PreApproved:
    """The newest approval whose giver has the power for it; else the newest of all, and why it does not count."""
    void: PreApproved | None = None
    for approval in found:
        looked_at = await _looked_at(asked, approval)
        if looked_at.truth is not Truth.FALSE:
            return looked_at
        void = void or looked_at
    return void or PreApproved(Truth.FALSE)


async def _looked_at(asked: Asked, approval: Approval) -> PreApproved:
    context, knock = asked.context, asked.knock
    by, until, of_server = approval.given_by, approval.until, bool(is_about(approval.who))
    # As for the author of a policy (`authority.ruled`).
    remembered = context.standings.as_heard if context.db.alone else None
    try:
        why = await authority.lacking(
            context, by, Deed.ACCEPT, room_id=knock.room_id, target=knock.user_id, remembered=remembered
        )
    except Never as error:
        return PreApproved(Truth.UNKNOWN, by, until, of_server, error.why)
    return PreApproved(Truth.FALSE if why is not None else Truth.TRUE, by, until, of_server, why)
