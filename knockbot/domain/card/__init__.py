"""How a request is shown: as a card, a line, a row on a shared card, and as a block for machines.

All except that block are notices: a card becomes text when it is sent, in the language of its room. What is different
about each kind of request is a row in `kinds.py:TOLD`.
"""

from knockbot.domain.card.doors import doors_card
from knockbot.domain.card.endings import ON_RECORD as NO_REJECTION_ON_RECORD
from knockbot.domain.card.endings import UNDONE_FROM, NoRejection, no_rejection
from knockbot.domain.card.kinds import (
    TOLD,
    applicant,
    everybody,
    head,
    numbered,
    reason_of,
    sign_of,
    standing,
    whole_reason_of,
)
from knockbot.domain.card.lines import (
    already_answered,
    changed_anew,
    decision_line,
    hit_by_answer,
    kept_no_longer,
    may_have_withdrawn,
    moved_away,
    not_shown_yet,
    room_or_text,
    which_applicant,
)
from knockbot.domain.card.machines import machine_block
from knockbot.domain.card.one import EMOJI, NOTHING_ELSE, Around, card
from knockbot.domain.card.outcomes import OUTCOMES, SIGNS, answered_with, doubt, trouble_of, withdrawn_perhaps
from knockbot.domain.card.shared import shared_card
from knockbot.domain.card.who import (
    decided_by,
    is_invite_withdrawn,
    is_withdrawn_accept,
    origin_of,
    policy_key,
    rule_of,
    ruling,
)

__all__ = [
    "EMOJI",
    "NOTHING_ELSE",
    "NO_REJECTION_ON_RECORD",
    "OUTCOMES",
    "SIGNS",
    "TOLD",
    "UNDONE_FROM",
    "Around",
    "NoRejection",
    "already_answered",
    "answered_with",
    "applicant",
    "card",
    "changed_anew",
    "decided_by",
    "decision_line",
    "doors_card",
    "doubt",
    "everybody",
    "head",
    "hit_by_answer",
    "is_invite_withdrawn",
    "is_withdrawn_accept",
    "kept_no_longer",
    "machine_block",
    "may_have_withdrawn",
    "moved_away",
    "no_rejection",
    "not_shown_yet",
    "numbered",
    "origin_of",
    "policy_key",
    "reason_of",
    "room_or_text",
    "rule_of",
    "ruling",
    "shared_card",
    "sign_of",
    "standing",
    "trouble_of",
    "which_applicant",
    "whole_reason_of",
    "withdrawn_perhaps",
]
