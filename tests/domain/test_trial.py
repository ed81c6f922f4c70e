"""What another policy would have decided: by what is stored, under the names that its rooms have now, or not at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from knockbot.domain.judgements import Judgement
from knockbot.domain.model import DRY_RUN, Decision, Facts, Kind, Known, Listed, Truth, Verdict
from knockbot.domain.notices import because
from knockbot.domain.policy import decide, held_back, parse_policy
from knockbot.domain.trial import Learned, Names, asked_by, learned, said, would_decide
from tests.domain.doors import FACTS, INVITE, KNOCK
from tests.domain.test_judgements import request_of

GARDEN, CLUB, LOUNGE, BANS = "!garden:a", "!club:a", "!lounge:a", "!bans:a"
YES, NO = Known(Truth.TRUE), Known(Truth.FALSE)
HIT = Listed(Truth.TRUE, "@ana:*", "spam")


def facts(**known: Any) -> Facts:
    return Facts("tulip.example", measure=KNOCK.measure, **known)


def judged(kind: Kind = Kind.KNOCK, **known: Any) -> Judgement:
    found = replace(facts(**known), measure=KNOCK.measure if kind is Kind.KNOCK else None)
    return Judgement(kind, KNOCK.room_id, KNOCK.event_id, 1, found, Decision(Verdict.FORWARD, "otherwise"))


@pytest.mark.parametrize(
    ("meant", "members"),
    [
        ({"#club:a": CLUB}, {CLUB: YES, LOUNGE: NO}),
        ({"#club:a": LOUNGE}, {LOUNGE: NO}),
        ({}, {LOUNGE: NO}),
        ({LOUNGE: CLUB}, {CLUB: NO}),
    ],
)
def test_what_was_found_out_is_about_a_room_and_not_about_a_name(
    meant: dict[str, str], members: dict[str, Known]
) -> None:
    known = facts(member_of={"#club:a": YES, LOUNGE: NO})
    assert learned(known, {GARDEN: Names(meant)}).members == members


def test_the_policy_of_the_space_has_its_own_names() -> None:
    own = facts(member_of={"#club:a": YES})
    known = own.with_others({"!space:a": facts(member_of={"#club:a": NO})})
    then = {GARDEN: Names({"#club:a": CLUB}), "!space:a": Names({"#club:a": LOUNGE})}
    assert learned(known, then).members == {CLUB: YES, LOUNGE: NO}


def test_facts_are_given_under_the_names_that_ask_now() -> None:
    known = Learned({CLUB: YES, LOUNGE: NO}, {BANS: HIT})
    now = {GARDEN: Names({"#new:a": CLUB}, {"bad": BANS}), "!space:a": Names({"#new:a": LOUNGE})}
    asked = {GARDEN: ("#new:a", "#nowhere:a", "!else:a"), "!space:a": ("#new:a",)}
    found = asked_by(facts(member_of={"#old:a": YES}), known, now, asked)
    assert (found.member_of, found.lists) == ({"#new:a": YES}, {"bad": HIT})
    assert found.seen_from("!space:a").member_of == {"#new:a": NO}
    assert found.seen_from("!space:a").lists == {}


def test_a_list_that_a_policy_names_twice_decides_once() -> None:
    now = {GARDEN: Names({"#new:a": BANS}, {"one": BANS, "two": "#new:a"})}
    found = asked_by(facts(), Learned({}, {BANS: HIT}), now, {GARDEN: ()})
    assert found.lists == {"one": HIT, "two": replace(HIT, again=True)}


def test_a_policy_list_counts_by_its_room() -> None:
    known = facts(lists={"old": HIT, "other": Listed(Truth.FALSE)})
    then = {GARDEN: Names({"#bans:a": BANS}, {"old": "#bans:a", "other": "#gone:a"})}
    assert learned(known, then).lists == {BANS: HIT}
    replaced = {GARDEN: Names({BANS: "!new:a"}, {"old": BANS})}
    assert learned(known, replaced).lists == {"!new:a": HIT}, "an ID that was upgraded means the new room"


ASKING = parse_policy({"rules": [{"when": {"member_of": CLUB}, "then": "accept"}], "otherwise": "ban"})


@pytest.mark.parametrize(
    ("known", "verdict"),
    [
        ({CLUB: YES}, Verdict.ACCEPT),
        ({CLUB: NO}, Verdict.BAN),
        ({}, None),
        ({CLUB: Known(Truth.UNKNOWN)}, None),
    ],
)
def test_what_is_not_known_is_not_guessed(known: dict[str, Known], verdict: Verdict | None) -> None:
    judgement = judged(member_of=known)
    assert would_decide(request_of(Kind.KNOCK), judgement, judgement.facts, ASKING) is verdict


@pytest.mark.parametrize(
    ("valid", "verdict"),
    [(YES, Verdict.ACCEPT), (NO, Verdict.FORWARD), (Known(Truth.UNKNOWN), None)],
)
def test_an_invite_counts_with_what_is_known_of_its_keys(valid: Known, verdict: Verdict | None) -> None:
    judgement = judged(Kind.THIRD_PARTY_INVITE, invite=replace(INVITE, valid=valid))
    policy = parse_policy({"otherwise_third_party": "accept"})
    assert would_decide(request_of(Kind.THIRD_PARTY_INVITE), judgement, judgement.facts, policy) is verdict


@pytest.mark.parametrize("code", [DRY_RUN, "authority.not_joined", "doubt.room_replaced", "doubt.was_inside"])
def test_what_held_a_decision_back_from_outside_does_not_count(code: str) -> None:
    assert said(held_back(Decision(Verdict.BAN, "#1"), because(code))) is Verdict.BAN


def test_keys_that_are_void_are_a_part_of_the_decision() -> None:
    assert said(held_back(Decision(Verdict.ACCEPT, "#1"), because("doubt.keys_void"))) is Verdict.FORWARD
    assert said(decide(KNOCK, FACTS, parse_policy({"otherwise": "reject"}))) is Verdict.REJECT
