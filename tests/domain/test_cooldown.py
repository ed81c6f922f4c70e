"""A cooldown: what it makes of each decision of the rules, until when, and what is wrong with its value."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from knockbot.chat.catalogue import render
from knockbot.documents.text import without_marks
from knockbot.domain.judgements import decode, encode
from knockbot.domain.languages import Language
from knockbot.domain.model import Facts, Kind, LastRejection, PreApproved, Truth, Verdict
from knockbot.domain.policy import Policy, decide, parse_policy, verdict_paths
from knockbot.errors import Fault
from knockbot.times import DAY, HOUR
from tests.domain.doors import FACTS, KNOCK, NO, UNKNOWN, YES

NOON = 1_780_315_200_000  # 1 June 2026, 12:00 UTC
REJECTED = replace(FACTS, at=NOON, last_rejection=LastRejection(2 * DAY))
APPROVED = PreApproved(Truth.TRUE, by="@mod:tulip.example")


def policy(*rules: Any, **more: Any) -> Policy:
    return parse_policy({"cooldown": "7d", "rules": [{"when": when, "then": then} for when, then in rules], **more})


@pytest.mark.parametrize("verdict", ["accept", "forward", "reject"])
@pytest.mark.parametrize("when", [YES, NO])
def test_who_was_rejected_lately_is_rejected_whatever_the_rules_say(verdict: str, when: object) -> None:
    found = decide(KNOCK, REJECTED, policy((when, verdict)))
    assert (found.verdict, found.rule, found.reason) == (Verdict.REJECT, "cooldown", None)


def test_a_ban_stays_a_ban() -> None:
    assert decide(KNOCK, REJECTED, policy((YES, "ban"))).verdict is Verdict.BAN


def test_a_rule_that_cannot_be_judged_is_no_way_round_it() -> None:
    assert decide(KNOCK, REJECTED, policy((UNKNOWN, "accept"))).rule == "cooldown"


APPROVALS = ({"pre_approved": True}, "accept")


@pytest.mark.parametrize(
    ("found", "rule", "verdict"),
    [
        (APPROVED, "#1", Verdict.ACCEPT),
        (PreApproved(Truth.FALSE), "cooldown", Verdict.REJECT),
        (PreApproved(Truth.FALSE, by="@mod:tulip.example"), "cooldown", Verdict.REJECT),
        (PreApproved(Truth.UNKNOWN, by="@mod:tulip.example"), "#1", Verdict.FORWARD),
    ],
)
def test_who_is_approved_in_advance_is_left_to_the_rules(found: PreApproved, rule: str, verdict: Verdict) -> None:
    decision = decide(KNOCK, replace(REJECTED, pre_approved=found), policy(APPROVALS))
    assert (decision.rule, decision.verdict) == (rule, verdict)


@pytest.mark.parametrize(
    ("age", "rule"),
    [(None, "otherwise"), (0, "cooldown"), (7 * DAY - 1, "cooldown"), (7 * DAY, "otherwise"), (70 * DAY, "otherwise")],
)
def test_it_lasts_as_long_as_the_policy_says(age: int | None, rule: str) -> None:
    assert decide(KNOCK, replace(REJECTED, last_rejection=LastRejection(age)), policy()).rule == rule


def test_without_one_nobody_asks() -> None:
    assert decide(KNOCK, REJECTED, parse_policy({})).rule == "otherwise"
    assert policy().needed.keys() - parse_policy({}).needed.keys() == {"last_rejection"}


def test_it_is_about_knocks_alone() -> None:
    for kind in (Kind.THIRD_PARTY_INVITE, Kind.REDEEMED_INVITE):
        assert decide(KNOCK, REJECTED, policy(), kind).rule == "otherwise"


def told(facts: Facts, language: Language = Language.EN, **more: Any) -> str:
    said = decide(KNOCK, facts, policy(**more)).told
    assert said is not None
    return without_marks(render(said, language).plain)


def test_the_text_names_the_day_in_the_zone_and_the_language_of_the_room() -> None:
    assert told(REJECTED) == "You were rejected before. You can ask again from 6 Jun 2026, 12:00 UTC."
    late = replace(REJECTED, at=NOON + 11 * HOUR + 1)
    assert told(late, timezone="Europe/Berlin").endswith("from 7 Jun 2026, 01:01 Europe/Berlin.")
    assert "ab 07.06.2026, 01:01 Europe/Berlin" in told(late, Language.DE, timezone="Europe/Berlin")


def test_what_was_not_looked_up_is_unknown() -> None:
    decision = decide(KNOCK, replace(FACTS, at=NOON), policy((YES, "accept")))
    assert (decision.verdict, decision.rule) == (Verdict.FORWARD, "cooldown")
    assert decision.unknown is not None


@pytest.mark.parametrize("age", [None, 0, 5 * DAY])
def test_the_fact_is_stored(age: int | None) -> None:
    facts = replace(FACTS, last_rejection=LastRejection(age))
    assert decode(encode(facts)) == facts
    assert decode(encode(FACTS)).last_rejection is None


def test_a_rule_may_let_them_ask_again() -> None:
    data = {"rules": [{"when": YES, "then": "reject", "may_ask_again": True}]}
    assert decide(KNOCK, FACTS, parse_policy(data)).may_ask_again
    assert not decide(KNOCK, FACTS, parse_policy({"rules": [{"when": YES, "then": "reject"}]})).may_ask_again


def test_who_sets_one_needs_the_power_to_reject() -> None:
    assert (Verdict.REJECT, ("cooldown",)) in verdict_paths(policy())
    assert (Verdict.REJECT, ("cooldown",)) not in verdict_paths(parse_policy({"cooldown": "off"}))


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("1s", "cooldown: expected a time of 1m to 365d, or off"),
        ("366d", "cooldown: expected a time of 1m to 365d, or off"),
        (True, "cooldown: expected a time such as 30m, 12h or 7d, found true"),
        ("soon", 'cooldown: expected a time such as 30m, 12h or 7d, found "soon"'),
    ],
)
def test_a_mistake_is_told(value: object, says: str) -> None:
    with pytest.raises(Fault) as raised:
        parse_policy({"cooldown": value})
    assert str(raised.value) == says


def test_no_rule_can_be_called_like_it() -> None:
    with pytest.raises(Fault):
        parse_policy({"rules": [{"name": "cooldown", "when": YES, "then": "accept"}]})
