"""How a third-party invite moves on by what happens to it, and what is told of whoever came in by one."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from knockbot.domain.model import Kind, MemberChange, Membership, Request, State, ThirdPartyInvite
from knockbot.domain.outcomes import InviteEvent, after_redeeming, invite_outcome, outcome

MOVES = {
    (State.PENDING, InviteEvent.ACCEPTED): State.STANDING,
    (State.PENDING, InviteEvent.EMPTIED): State.REVOKED,
    (State.PENDING, InviteEvent.REDEEMED): State.REDEEMED,
    (State.STANDING, InviteEvent.FORWARDED): State.PENDING,
    (State.STANDING, InviteEvent.REPLACED): State.PENDING,
    (State.STANDING, InviteEvent.EMPTIED): State.REVOKED,
    (State.STANDING, InviteEvent.REDEEMED): State.REDEEMED,
    (State.REVOKED, InviteEvent.REDEEMED): State.REDEEMED,
}


@pytest.mark.parametrize(("state", "turn"), list(product(State, InviteEvent)))
def test_an_invite_moves_on_as_the_table_says_and_not_otherwise(state: State, turn: InviteEvent) -> None:
    assert invite_outcome(state, turn) is MOVES.get((state, turn))


def test_what_was_redeemed_stays_so() -> None:
    assert {invite_outcome(State.REDEEMED, turn) for turn in InviteEvent} == {None}


REDEEMED = Request(
    id=1,
    management_room="!mods:tulip.example",
    number=1,
    room_id="!r:tulip.example",
    kind=Kind.THIRD_PARTY_INVITE,
    user_id="@ana:tulip.example",
    event_id="$e",
    reason="",
    display_name=None,
    has_avatar=False,
    state=State.PENDING,
    opened_at=0,
    changed_at=0,
    invite=ThirdPartyInvite("!r:tulip.example", "$i", "token", "@mod:tulip.example"),
)


@pytest.mark.parametrize(
    ("membership", "sender", "state"),
    [
        (Membership.INVITE, "@mod:tulip.example", None),
        (Membership.JOIN, "@ana:tulip.example", None),
        (Membership.LEAVE, "@ana:tulip.example", State.WITHDRAWN),
        (Membership.LEAVE, "@mod:tulip.example", State.REJECTED),
        (Membership.BAN, "@mod:tulip.example", State.BANNED),
    ],
)
def test_of_whoever_came_in_while_the_moderators_are_asked_only_how_they_go_is_an_outcome(
    membership: Membership, sender: str, state: State | None
) -> None:
    change = MemberChange("!r:tulip.example", "$e", "@ana:tulip.example", sender, membership)
    assert outcome(REDEEMED, change) is state
    assert outcome(replace(REDEEMED, state=State.REDEEMED), change) is None


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


@pytest.mark.parametrize(
    ("replaces", "state"), [("$e", State.WITHDRAWN), ("$invite", State.DECLINED), (None, State.DECLINED)]
)
def test_who_leaves_in_the_moment_they_are_invited_has_withdrawn_and_declined_nothing(
    replaces: str | None, state: State
) -> None:
    accepted = replace(REDEEMED, kind=Kind.KNOCK, invite=None, state=State.ACCEPTED)
    change = MemberChange("!r:tulip.example", "$l", "@ana:tulip.example", "@ana:tulip.example", Membership.LEAVE)
    assert outcome(accepted, replace(change, replaces=replaces)) is state
