"""Conversations: each event at each stage leads to one stage, or changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from knockbot.domain.conversations import (
    BURST,
    CURRENT,
    DECLINED,
    EACH,
    GAVE_UP,
    LONGEST,
    MOVES,
    REST,
    SILENT,
    Conversation,
    Event,
    Stage,
    happened,
    may_answer,
    moved,
    pause,
    rests_until,
)
from knockbot.domain.model import MemberChange, Membership
from knockbot.times import HOUR, MINUTE

ANA = "@ana:far.example"
OVER = Conversation(1, ANA, "!garden", "!talk", Stage.UNREACHABLE, DECLINED, 0, 1000)

MEANT: dict[tuple[Stage, Event], Stage] = {
    (Stage.MAKING, Event.INVITED): Stage.INVITED,
    (Stage.MAKING, Event.JOINED): Stage.JOINED,
    (Stage.MAKING, Event.GAVE_UP): Stage.UNREACHABLE,
    (Stage.MAKING, Event.REFUSED): Stage.UNREACHABLE,
    (Stage.MAKING, Event.IDLE): Stage.LEFT,
    (Stage.INVITED, Event.JOINED): Stage.JOINED,
    (Stage.INVITED, Event.REFUSED): Stage.UNREACHABLE,
    (Stage.INVITED, Event.IDLE): Stage.LEFT,
    (Stage.JOINED, Event.REFUSED): Stage.UNREACHABLE,
    (Stage.JOINED, Event.IDLE): Stage.LEFT,
}


def test_each_event_at_each_stage_has_one_meaning() -> None:
    assert {(stage, event): moved(stage, event) for stage in Stage for event in Event} == {
        (stage, event): MEANT.get((stage, event)) for stage in Stage for event in Event
    }


def test_a_conversation_that_is_over_stays_so() -> None:
    assert not [stage for stage, _ in MOVES if stage not in CURRENT]


@pytest.mark.parametrize(
    ("membership", "event"),
    [
        (Membership.JOIN, Event.JOINED),
        (Membership.LEAVE, Event.REFUSED),
        (Membership.BAN, Event.REFUSED),
        (Membership.INVITE, None),
        (Membership.KNOCK, None),
    ],
)
def test_what_a_membership_means(membership: Membership, event: Event | None) -> None:
    assert happened(MemberChange("!talk", "$e", ANA, ANA, membership)) is event


@pytest.mark.parametrize(
    ("over", "until"),
    [
        (OVER, 1000 + REST),
        (replace(OVER, why=GAVE_UP), 1000 + SILENT),
        (replace(OVER, stage=Stage.LEFT, why=None), 0),
        (replace(OVER, stage=Stage.JOINED, why=None), 0),
    ],
)
def test_who_could_not_be_reached_is_left_in_peace_for_a_time(over: Conversation, until: int) -> None:
    assert rests_until(over) == until


def test_the_pauses_grow_and_a_few_attempts_fill_the_whole_time() -> None:
    pauses = [pause(attempts) for attempts in range(1, 20)]
    assert pauses == sorted(pauses)
    assert sum(pauses[:6]) <= LONGEST < sum(pauses[:7])


def test_a_flood_is_answered_ten_times_and_then_every_two_minutes() -> None:
    until, given = 0, 0
    for moment in range(0, HOUR, MINUTE // 2):
        allowed = may_answer(until, moment)
        if allowed is not None:
            until, given = allowed, given + 1
    assert given == BURST + HOUR // EACH - 1

    assert may_answer(until, until) == until + EACH
