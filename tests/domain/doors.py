"""One knock and one third-party invite, and what is known of them: each test of policies changes one thing in these."""

from __future__ import annotations

from dataclasses import replace

from knockbot.domain.criteria import read_when
from knockbot.domain.criteria.base import Condition
from knockbot.domain.model import Decision, Facts, Finding, IdentityKey, InviteFacts, Kind, Knock, Known, Truth
from knockbot.domain.notices import Notice
from knockbot.domain.reasons import foreign, in_words

KNOCK = Knock(
    room_id="!garden:tulip.example",
    user_id="@ana:tulip.example",
    event_id="$knock",
    reason="I am a student of botany",
)
FACTS = Facts(
    home="tulip.example",
    member_of={
        "#in:tulip.example": Known(Truth.TRUE),
        "#out:tulip.example": Known(Truth.FALSE),
        "#dark:tulip.example": Known(Truth.UNKNOWN, foreign("the bot is not joined there")),
    },
)

INVITE = InviteFacts(
    inviter="@mod:tulip.example",
    keys=(IdentityKey("4l2zobi", "https://id.example/_matrix/identity/v2/pubkey/isvalid"),),
    power=50,
    member=Known(Truth.TRUE),
    earlier=(),
    valid=Known(Truth.TRUE),
)

KNOCKS = frozenset({Kind.KNOCK})
INVITES = frozenset({Kind.THIRD_PARTY_INVITE})
APPLICANTS = frozenset({Kind.KNOCK, Kind.REDEEMED_INVITE})
INVITED = frozenset({Kind.THIRD_PARTY_INVITE, Kind.REDEEMED_INVITE})

# A condition of each truth, to put into combinations.
YES = {"member_of": "#in:tulip.example"}
NO = {"member_of": "#out:tulip.example"}
UNKNOWN = {"member_of": "#dark:tulip.example"}
WHY_YES = 'user is in "#in:tulip.example"'
WHY_NO = 'user is not in "#out:tulip.example"'
WHY_UNKNOWN = 'whether the user is in "#dark:tulip.example" (the bot is not joined there)'


def when(data: object, kinds: frozenset[Kind] = KNOCKS) -> Condition:
    """The condition that this `when` of a rule describes."""
    return read_when(data, ("when",), kinds)


def told(finding: Finding) -> Finding:
    """The same with its reason in words."""
    return Finding(finding.truth, foreign(in_words(finding.why)))


def decision_told(decision: Decision) -> Decision:
    """The same with each reason in words."""

    def words(reason: Notice | None) -> Notice | None:
        return foreign(in_words(reason)) if reason is not None else None

    missed = tuple(replace(miss, why=foreign(in_words(miss.why))) for miss in decision.missed)
    return replace(decision, missed=missed, unknown=words(decision.unknown), doubt=words(decision.doubt))
