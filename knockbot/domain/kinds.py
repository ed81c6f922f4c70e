"""Kinds of request: the differences between a knock, a third-party invite, and a user of one, a row for each.

Other tables have a row for each kind too: `plan.py:PLANS` says how answers are carried out, `outcomes.py:OUTCOMES_OF`
how the room changes its state, `card/kinds.py:TOLD` how it is shown, `flow/arriving.py` how it arrives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from knockbot.domain.model import Kind, Request

OTHERWISE = "otherwise"
OTHERWISE_INVITES = "otherwise_third_party"
"""The keys of a policy that say what is done if no rule matches."""


@dataclass(frozen=True, slots=True)
class KindOfRequest:
    """What is different about one kind of request."""

    otherwise: str
    """The key of the policy that says what is done if no rule matches; empty if that follows from the invite."""
    waits_outside: bool = False
    """Whether its applicant is outside the room and an accept invites them. If so, nobody is accepted after the room
    was replaced or while their server is denied; it expires; and a more severe answer may replace an accept."""
    has_words: bool = False
    """Whether the applicant wrote something, which rules look at."""
    takes_keys: bool = False
    """Whether an accept lets in everyone with one of its keys, so that identity servers must confirm these."""
    answers_are_told: bool = False
    """Whether a line reports a moderator's answer if no card does."""
    shares_clicks: bool = False
    """Whether a click on a card with several requests of one applicant answers them all."""
    joins_crowds: bool = True
    """Whether one of many requests for the same room shares their card."""


KINDS: Mapping[Kind, KindOfRequest] = {
    Kind.KNOCK: KindOfRequest(OTHERWISE, waits_outside=True, has_words=True, shares_clicks=True),
    Kind.THIRD_PARTY_INVITE: KindOfRequest(OTHERWISE_INVITES, takes_keys=True, answers_are_told=True),
    Kind.REDEEMED_INVITE: KindOfRequest("", answers_are_told=True, joins_crowds=False),
}


def kind_of(request: Request) -> KindOfRequest:
    """What is different about this request."""
    return KINDS[request.judged_as]
