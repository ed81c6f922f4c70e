"""What a card says about an approval in advance that does not count."""

from __future__ import annotations

from knockbot.domain.model import Request
from knockbot.domain.notices import Notice, notice, notices_in

VOID_APPROVAL = "finding.pre_approval_void_why"
"""What the criterion `pre_approved` finds then; the card says it, and not only the list of rules that do not match."""


def void_approval(request: Request) -> Notice | None:
    """An approval in advance that does not count: its giver lost the power, or the applicant was removed since."""
    decision = request.decision
    if not request.awaits_moderators or decision is None:
        return None
    reasons = (why for miss in decision.missed for why in notices_in(miss.why))
    void = next((why for why in reasons if why.code == VOID_APPROVAL), None)
    return notice("card.void_approval", by=void.args["by"], why=void.args["why"]) if void is not None else None
