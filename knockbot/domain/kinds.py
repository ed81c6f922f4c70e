"""Kinds of request: what is different about a knock, a third-party invite, and whoever came in by one, a row for each.

What each kind does and says stands in rows beside it: how answers are carried out in `plan.py:PLANS`, what the room
makes of it in `outcomes.py:OUTCOMES_OF`, how it is told in `card.py:TOLD`, how it comes in in `flow/arriving.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from knockbot.domain.model import Kind, Request

OTHERWISE = "otherwise"
OTHERWISE_INVITES = "otherwise_third_party"
"""The keys of a policy that say what is done where no rule matches."""


@dataclass(frozen=True, slots=True)
class KindOfRequest:
    """What is different about one kind of request."""

    otherwise: str
    """The key of the policy that says what is done where no rule matches; empty where that follows from the invite."""
    waits_outside: bool = False
    """Whether its applicant stands outside the room, and an accept lets them in. So nobody is accepted where the room
    was replaced or their server is denied, it expires, and a more severe answer may still catch up with an accept."""
    has_words: bool = False
    """Whether the applicant wrote something, which rules look at."""
    takes_keys: bool = False
    """Whether an accept lets in whoever holds one of its keys, so that identity servers have to vouch for these."""
    answers_are_told: bool = False
    """Whether a line tells of what a moderator answered, where no card does."""
    shares_clicks: bool = False
    """Whether a click on a card that shows several of one applicant means them all."""
    joins_crowds: bool = True
    """Whether one more of many at the same door shares their card."""


KINDS: Mapping[Kind, KindOfRequest] = {
    Kind.KNOCK: KindOfRequest(OTHERWISE, waits_outside=True, has_words=True, shares_clicks=True),
    Kind.THIRD_PARTY_INVITE: KindOfRequest(OTHERWISE_INVITES, takes_keys=True, answers_are_told=True),
    Kind.REDEEMED_INVITE: KindOfRequest("", answers_are_told=True, joins_crowds=False),
}


def kind_of(request: Request) -> KindOfRequest:
    """What is different about this request."""
    return KINDS[request.judged_as]
