"""The criterion about members who vouch: whose word is enough, what is said of each, and how that is stored."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from knockbot.domain.judgements import decode, encode
from knockbot.domain.model import LastRejection, Truth, Verdict, Vouched, Word
from knockbot.domain.notices import because
from knockbot.domain.policy import decide, parse_policy
from knockbot.errors import Fault
from knockbot.times import DAY
from tests.domain.doors import FACTS, KNOCK, told, when

BOB, CLEO = "@bob:tulip.example", "@cleo:tulip.example"
BY_BOB = Word(BOB, Truth.TRUE, 0)
BY_CLEO = Word(CLEO, Truth.TRUE, 50)
GONE = Word(CLEO, Truth.FALSE, why=because("vouch.no_member"))
UNSURE = Word(CLEO, Truth.UNKNOWN, why=because("act.not_joined"))

VOUCHES = f"user is vouched for by {BOB}"
BOTH = f"user is vouched for by {BOB}, {CLEO}"
TOO_LOW = f"the word of {BOB} does not count (has power level 0, less than 50)"
NO_MEMBER = f"the word of {CLEO} does not count (is no member of the room)"


@pytest.mark.parametrize(
    ("value", "words", "truth", "why"),
    [
        (True, [BY_BOB], Truth.TRUE, VOUCHES),
        (False, [BY_BOB], Truth.FALSE, VOUCHES),
        (True, [], Truth.FALSE, "nobody vouches for the user"),
        (False, [], Truth.TRUE, "nobody vouches for the user"),
        (True, [GONE], Truth.FALSE, NO_MEMBER),
        (False, [GONE], Truth.TRUE, NO_MEMBER),
        (True, [BY_BOB, GONE], Truth.TRUE, f"{VOUCHES}; {NO_MEMBER}"),
        ({"by_at_least": 2}, [BY_BOB], Truth.FALSE, VOUCHES),
        ({"by_at_least": 2}, [BY_BOB, BY_CLEO], Truth.TRUE, BOTH),
        ({"power_at_least": 50}, [BY_BOB], Truth.FALSE, TOO_LOW),
        ({"power_at_least": 50}, [BY_BOB, BY_CLEO], Truth.TRUE, f"user is vouched for by {CLEO}; {TOO_LOW}"),
        ({"power_at_least": 100}, [Word(BOB, Truth.TRUE, math.inf)], Truth.TRUE, VOUCHES),
        (True, [BY_BOB, UNSURE], Truth.TRUE, VOUCHES),
        (True, None, Truth.UNKNOWN, "who vouches for the user (not checked)"),
    ],
)
def test_it_holds_for_whom_it_should(value: object, words: list[Word] | None, truth: Truth, why: str) -> None:
    facts = replace(FACTS, vouched=Vouched(tuple(words)) if words is not None else None)
    finding = told(when({"vouched": value}).judge(KNOCK, facts))
    assert (finding.truth, finding.why.args["words"].text) == (truth, why)  # type: ignore[union-attr]  # `told` makes words


@pytest.mark.parametrize("value", [True, False, {"by_at_least": 2}])
def test_what_could_be_enough_is_unknown(value: object) -> None:
    words = (UNSURE, BY_BOB) if isinstance(value, dict) else (UNSURE,)
    assert when({"vouched": value}).judge(KNOCK, replace(FACTS, vouched=Vouched(words))).truth is Truth.UNKNOWN


def test_what_could_not_be_enough_is_not_unknown() -> None:
    facts = replace(FACTS, vouched=Vouched((UNSURE,)))
    assert when({"vouched": {"by_at_least": 2}}).judge(KNOCK, facts).truth is Truth.FALSE


@pytest.mark.parametrize(
    "value",
    [
        1,
        "bob",
        [],
        {},
        {"by_at_least": 0},
        {"by_at_least": 21},
        {"by_at_least": True},
        {"power_at_least": "high"},
        {"by": 1},
    ],
)
def test_a_mistake_is_told(value: Any) -> None:
    with pytest.raises(Fault):
        when({"vouched": value})


@pytest.mark.parametrize(
    "words", [(), (BY_BOB,), (BY_CLEO, GONE), (UNSURE,), (Word(BOB, Truth.TRUE, math.inf), BY_CLEO)]
)
def test_the_fact_is_stored(words: tuple[Word, ...]) -> None:
    facts = replace(FACTS, vouched=Vouched(words))
    assert decode(encode(facts)) == facts


def test_a_cooldown_comes_before_it() -> None:
    facts = replace(FACTS, at=10 * DAY, vouched=Vouched((BY_BOB,)), last_rejection=LastRejection(DAY))
    policy = parse_policy({"cooldown": "7d", "rules": [{"when": {"vouched": True}, "then": "accept"}]})
    assert decide(KNOCK, facts, policy).rule == "cooldown"


def test_it_vouches_for_a_lookalike() -> None:
    data = {"rules": [{"when": {"lookalike": False, "vouched": True}, "then": "accept"}]}
    assert parse_policy(data).verdicts == {Verdict.ACCEPT, Verdict.FORWARD}


def test_that_nobody_vouches_does_not_vouch_for_a_lookalike() -> None:
    with pytest.raises(Fault):
        parse_policy({"rules": [{"when": {"lookalike": False, "vouched": False}, "then": "accept"}]})
