"""How a third-party invite moves on by what happens to it, and what is told of whoever came in by one."""

from __future__ import annotations

from itertools import product

import pytest

from knockbot.domain.model import MemberChange, Membership, State
from knockbot.domain.outcomes import Turn, after_redeeming, invite_outcome

MOVES = {
    (State.PENDING, Turn.ACCEPTED): State.STANDING,
    (State.PENDING, Turn.EMPTIED): State.REVOKED,
    (State.PENDING, Turn.REDEEMED): State.REDEEMED,
    (State.STANDING, Turn.FORWARDED): State.PENDING,
    (State.STANDING, Turn.REPLACED): State.PENDING,
    (State.STANDING, Turn.EMPTIED): State.REVOKED,
    (State.STANDING, Turn.REDEEMED): State.REDEEMED,
    (State.REVOKED, Turn.REDEEMED): State.REDEEMED,
}


@pytest.mark.parametrize(("state", "turn"), list(product(State, Turn)))
def test_an_invite_moves_on_as_the_table_says_and_not_otherwise(state: State, turn: Turn) -> None:
    assert invite_outcome(state, turn) is MOVES.get((state, turn))


def test_what_was_redeemed_stays_so() -> None:
    assert {invite_outcome(State.REDEEMED, turn) for turn in Turn} == {None}


@pytest.mark.parametrize(
    ("membership", "sender", "told"),
    [
        (Membership.JOIN, "@ana:tulip.example", State.JOINED),
        (Membership.LEAVE, "@ana:tulip.example", State.DECLINED),
        (Membership.LEAVE, "@mod:tulip.example", State.REJECTED),
        (Membership.BAN, "@mod:tulip.example", State.BANNED),
        (Membership.INVITE, "@mod:tulip.example", None),
        (Membership.KNOCK, "@ana:tulip.example", None),
    ],
)
def test_whoever_redeemed_an_invite_is_told_of_like_anybody_accepted(
    membership: Membership, sender: str, told: State | None
) -> None:
    change = MemberChange("!r:tulip.example", "$e", "@ana:tulip.example", sender, membership)
    assert after_redeeming(change) is told
