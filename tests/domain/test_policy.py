"""A policy decides by its first rule that matches, explains itself, and names each mistake in it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.domain.model import Decision, Facts, Kind, Knock, Known, Miss, Truth, Verdict
from knockbot.domain.policy import Announce, Policy, decide, parse_policy
from knockbot.errors import Fault
from tests.domain.doors import FACTS, KNOCK, NO, UNKNOWN, WHY_NO, WHY_UNKNOWN, YES

POLICY: dict[str, Any] = {
    "rules": [
        {
            "name": "known trouble",
            "when": {"server": ["*.spam.example", "evil.example"]},
            "then": "ban",
            "reason": "Not welcome here.",
        },
        {"name": "our people", "when": {"member_of": "#space:example.org"}, "then": "accept"},
        {
            "name": "says who they are",
            "when": {"user": "@*:university.example", "reason_matches": "(?i)student|staff"},
            "then": "accept",
        },
        {
            "name": "empty reason",
            "when": {"not": {"reason_length_at_least": 3}},
            "then": "reject",
            "reason": "Please knock again and say who you are.",
        },
    ],
    "otherwise": "forward",
    "otherwise_third_party": "forward",
}
"""The example of the policy reference."""

ANA = Knock("!garden:example.org", "@ana:university.example", "$knock", "I am a student of botany")
NOT_OURS = Facts("example.org", {"#space:example.org": Known(Truth.FALSE)})

NOT_TROUBLE = Miss("known trouble", 'server is not "*.spam.example" or "evil.example"')
NOT_A_MEMBER = Miss("our people", 'user is not in "#space:example.org"')


def in_space(truth: Truth, why: str = "") -> Facts:
    """The base facts with what is known about the space."""
    return replace(NOT_OURS, member_of={"#space:example.org": Known(truth, why)})


# --- deciding -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("knock", "facts", "decision"),
    [
        (
            ANA,
            NOT_OURS,
            Decision(Verdict.ACCEPT, "says who they are", None, (NOT_TROUBLE, NOT_A_MEMBER)),
        ),
        (
            replace(ANA, user_id="@ana:a.spam.example"),
            NOT_OURS,
            Decision(Verdict.BAN, "known trouble", "Not welcome here."),
        ),
        (
            ANA,
            in_space(Truth.TRUE),
            Decision(Verdict.ACCEPT, "our people", None, (NOT_TROUBLE,)),
        ),
        (
            ANA,
            in_space(Truth.UNKNOWN, "the bot is not joined there"),
            Decision(
                Verdict.FORWARD,
                "our people",
                None,
                (NOT_TROUBLE,),
                'whether the user is in "#space:example.org" (the bot is not joined there)',
            ),
        ),
        (
            replace(ANA, reason="hm"),
            NOT_OURS,
            Decision(
                Verdict.REJECT,
                "empty reason",
                "Please knock again and say who you are.",
                (
                    NOT_TROUBLE,
                    NOT_A_MEMBER,
                    Miss("says who they are", 'reason does not match "(?i)student|staff"'),
                ),
            ),
        ),
        (
            replace(ANA, user_id="@ana:tulip.example"),
            NOT_OURS,
            Decision(
                Verdict.FORWARD,
                "otherwise",
                None,
                (
                    NOT_TROUBLE,
                    NOT_A_MEMBER,
                    Miss("says who they are", 'user is not "@*:university.example"'),
                    Miss("empty reason", "reason has 24 characters, not fewer than 3"),
                ),
            ),
        ),
    ],
)
def test_the_first_rule_that_matches_decides_and_the_misses_before_it_are_told(
    knock: Knock, facts: Facts, decision: Decision
) -> None:
    assert decide(knock, facts, parse_policy(POLICY)) == decision


def rule(when: object, then: str, **more: object) -> dict[str, object]:
    """A rule as YAML data."""
    return {"when": when, "then": then, **more}


def verdict_of(*rules: dict[str, object], **more: object) -> Decision:
    """What a policy of these rules decides on the base knock."""
    return decide(KNOCK, FACTS, parse_policy({"rules": list(rules), **more}))


def test_a_rule_without_name_is_told_by_its_place() -> None:
    assert verdict_of(rule(NO, "ban"), rule(YES, "accept")) == Decision(
        Verdict.ACCEPT, "#2", missed=(Miss("#1", WHY_NO),)
    )


def test_a_rule_after_an_unknown_one_is_not_asked() -> None:
    decision = verdict_of(rule(UNKNOWN, "ban", reason="no"), rule(YES, "accept"), otherwise="accept")
    assert decision == Decision(Verdict.FORWARD, "#1", unknown=WHY_UNKNOWN)


def test_a_match_before_an_unknown_rule_decides() -> None:
    assert verdict_of(rule(YES, "reject", reason="no"), rule(UNKNOWN, "ban")) == Decision(
        Verdict.REJECT, "#1", reason="no"
    )


def test_rules_for_third_party_invites_are_passed_over_and_count_as_places_only() -> None:
    decision = verdict_of(rule(YES, "ban", **{"for": "third_party_invite"}), rule(NO, "ban"), otherwise="accept")
    assert decision == Decision(Verdict.ACCEPT, "otherwise", missed=(Miss("#2", WHY_NO),))


def test_a_rule_for_both_kinds_judges_knocks_too() -> None:
    assert verdict_of(rule(YES, "ban", **{"for": ["knock", "third_party_invite"]})).verdict is Verdict.BAN


@pytest.mark.parametrize("otherwise", list(Verdict))
def test_without_a_match_otherwise_decides(otherwise: Verdict) -> None:
    assert verdict_of(otherwise=otherwise.value) == Decision(otherwise, "otherwise")


def test_an_empty_policy_forwards_everything() -> None:
    assert parse_policy({}) == Policy()
    assert decide(KNOCK, FACTS, Policy()) == Decision(Verdict.FORWARD, "otherwise")


ANY_TEXT = st.text(st.characters(exclude_categories=()))


@given(
    user_id=ANY_TEXT | ANY_TEXT.map("@ana:{}".format) | ANY_TEXT.map("@{}:university.example".format),
    reason=ANY_TEXT | ANY_TEXT.map("student {}".format),
    display_name=st.none() | ANY_TEXT,
    member=st.sampled_from(Truth),
)
def test_no_knock_makes_deciding_raise(user_id: str, reason: str, display_name: str | None, member: Truth) -> None:
    knock = replace(ANA, user_id=user_id, reason=reason, display_name=display_name)
    decision = decide(knock, in_space(member), parse_policy(POLICY))
    assert decision == decide(knock, in_space(member), parse_policy(POLICY))
    assert (decision.unknown is not None) is (member is Truth.UNKNOWN and decision.rule == "our people")
    asked = [*(miss.rule for miss in decision.missed), decision.rule]
    assert asked == [*(each["name"] for each in POLICY["rules"]), "otherwise"][: len(asked)]


# --- what a policy says of itself -----------------------------------------------------------------------------


def test_a_policy_says_which_rooms_it_needs_and_which_verdicts_it_may_give() -> None:
    policy = parse_policy(
        {
            "rules": [
                rule({"any": [{"member_of": ["#a:b.c", "!d:e.f"]}, {"local": True}]}, "accept"),
                rule({"not": {"member_of": "#a:b.c"}}, "ban"),
            ],
            "otherwise_third_party": "reject",
        }
    )
    assert policy.rooms_needed == ("#a:b.c", "!d:e.f")
    assert policy.verdicts == {Verdict.ACCEPT, Verdict.BAN, Verdict.FORWARD, Verdict.REJECT}


def test_the_settings_of_a_door_stand_beside_its_rules() -> None:
    policy = parse_policy({"announce": "none", "call": ["@mod:tulip.example", "@mod:tulip.example"]})
    assert (policy.announce, policy.call) == (Announce.NONE, ("@mod:tulip.example",))
    assert (Policy().announce, Policy().call) == (Announce.LINE, ())


@pytest.mark.parametrize(
    ("kinds", "knocks", "invites"),
    [
        ({}, True, False),
        ({"for": "knock"}, True, False),
        ({"for": "third_party_invite"}, False, True),
        ({"for": ["third_party_invite", "knock"]}, True, True),
    ],
)
def test_a_rule_is_for_knocks_unless_it_says_otherwise(kinds: dict[str, object], knocks: bool, invites: bool) -> None:
    policy = parse_policy({"rules": [rule(YES, "ban", **kinds)]})
    assert [*policy.rules_for(Kind.KNOCK)] == [*policy.rules] * knocks
    assert [*policy.rules_for(Kind.THIRD_PARTY_INVITE)] == [*policy.rules] * invites


def test_names_and_reasons_can_be_stored_and_shown() -> None:
    only = parse_policy({"rules": [rule(YES, "ban", name=" our\n\u202epeople ", reason=" no\0 ")]}).rules[0]
    assert (only.name, only.label, only.reason) == ("our people", "our people", "no\ufffd")


# --- faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        (None, (), "expected a mapping, found nothing"),
        ("rules: []", (), 'expected a mapping, found "rules: []"'),
        ([{"then": "ban"}], (), "expected a mapping, found a list"),
        ({1: 2}, (), "expected text as key, found 1: put it in quotes"),
        ({"rule": []}, ("rule",), 'rule: unknown key "rule"; did you mean "rules"?'),
        (
            {"colour": "red"},
            ("colour",),
            'colour: unknown key "colour"; known: rules, otherwise, otherwise_third_party, announce, call',
        ),
        ({"rules": None}, ("rules",), "rules: expected a list, found nothing"),
        ({"rules": {}}, ("rules",), "rules: expected a list, found a mapping"),
        ({"otherwise": "no"}, ("otherwise",), 'otherwise: unknown word "no"; known: accept, forward, reject, ban'),
        (
            {"otherwise": False},
            ("otherwise",),
            "otherwise: expected one of accept, forward, reject, ban, found false",
        ),
        (
            {"otherwise_third_party": "ignore"},
            ("otherwise_third_party",),
            'otherwise_third_party: "ignore" comes in a later version',
        ),
        ({"announce": "lines"}, ("announce",), 'announce: unknown word "lines"; did you mean "line"?'),
        ({"announce": None}, ("announce",), "announce: expected one of line, none, found nothing"),
        ({"call": "mod"}, ("call",), 'call: expected a user ID, found "mod"'),
        ({"call": ["@mod:a.b", 5]}, ("call", 1), "call.#2: expected text, found 5: put it in quotes"),
        (
            {"call": [f"@mod{number}:a.b" for number in range(21)]},
            ("call",),
            "call: too many users to call: 21, at most 20",
        ),
        (
            {"rules": [rule(YES, "ban")] * 1001},
            ("rules",),
            "rules: too many rules, at most 1000",
        ),
        (
            {"rules": [rule({"reason_matches": r"\pL{3}"}, "ban")] * 6},
            ("rules",),
            "rules: all patterns together are too large",
        ),
    ],
)
def test_a_mistake_in_a_policy_names_the_key(data: object, path: tuple[str | int, ...], message: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_policy(data)
    assert (str(caught.value), caught.value.path) == (message, path)


GOOD = {"name": "our people", "when": YES, "then": "accept"}


@pytest.mark.parametrize(
    ("changed", "path", "message"),
    [
        ({"thn": "ban"}, ("thn",), 'thn: unknown key "thn"; did you mean "then"?'),
        ({"then": "ACCEPT"}, ("then",), 'then: unknown word "ACCEPT"; did you mean "accept"?'),
        ({"then": "ask"}, ("then",), 'then: "ask" comes in a later version'),
        ({"then": True}, ("then",), "then: expected one of accept, forward, reject, ban, found true"),
        ({"for": "knocks"}, ("for",), 'for: unknown word "knocks"; did you mean "knock"?'),
        ({"for": []}, ("for",), "for: the list is empty"),
        ({"for": ["knock", 5]}, ("for", 1), "for.#2: expected one of knock, third_party_invite, found 5"),
        ({"reason": 404}, ("reason",), "reason: expected text, found 404: put it in quotes"),
        ({"reason": True}, ("reason",), "reason: expected text, found true: put it in quotes"),
        ({"reason": " "}, ("reason",), "reason: expected text, found none"),
        ({"reason": "x" * 501}, ("reason",), "reason: too long: 501 characters, at most 500"),
        ({"when": None}, ("when",), "when: expected a mapping, found nothing"),
        (
            {"when": {"any": [YES, {"server": ["a.b", 5]}]}},
            ("when", "any", 1, "server", 1),
            "when.any.#2.server.#2: expected text, found 5: put it in quotes",
        ),
        (
            {"for": "third_party_invite", "when": {"reason_matches": "x"}},
            ("when", "reason_matches"),
            "when.reason_matches: reason_matches can judge knocks only, and this rule is for third-party invites",
        ),
    ],
)
def test_a_mistake_in_a_rule_names_rule_and_key(
    changed: dict[str, object], path: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(Fault) as caught:
        parse_policy({"rules": [rule(NO, "ban"), {**GOOD, **changed}]})
    assert str(caught.value) == f'rule "our people": {message}'
    assert caught.value.path == ("rules", 1, *path)


@pytest.mark.parametrize(
    ("second", "path", "message"),
    [
        (5, (), "rule #2: expected a mapping, found 5"),
        ({"then": "ban"}, (), "rule #2: when is missing"),
        ({"when": YES}, (), "rule #2: then is missing"),
        ({**GOOD, "name": 12}, ("name",), "rule #2: name: expected text, found 12: put it in quotes"),
        ({**GOOD, "name": "\u200b"}, ("name",), "rule #2: name: expected text, found none"),
        ({**GOOD, "name": "x" * 101}, ("name",), "name: too long: 101 characters, at most 100"),
        ({**GOOD, "name": "#3"}, ("name",), 'name: "#3" would be taken for something else; choose another name'),
        ({**GOOD, "name": "otherwise"}, ("name",), "would be taken for something else; choose another name"),
        (GOOD, ("name",), 'rule "our people": name: another rule has the same name'),
    ],
)
def test_a_rule_whose_name_cannot_be_used_is_told_by_its_place(
    second: object, path: tuple[str | int, ...], message: str
) -> None:
    with pytest.raises(Fault) as caught:
        parse_policy({"rules": [GOOD, second]})
    assert message in str(caught.value)
    assert caught.value.path == ("rules", 1, *path)


ANY_DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.sampled_from(["ban", "knock", "@a:b.c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["rules", "when", "then", "name", "for", "any", "not", "user", "server", "member_of", "call"]
            )
            | st.integers()
            | st.none(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(ANY_DATA, st.sampled_from(["", "rules", "rule", "when"]))
def test_whatever_is_no_policy_is_a_fault_and_nothing_else(data: object, place: str) -> None:
    wrapped: dict[str, object] = {
        "": data,
        "rules": {"rules": data},
        "rule": {"rules": [data]},
        "when": {"rules": [{"when": data, "then": "ban"}]},
    }
    with suppress(Fault):
        decide(KNOCK, FACTS, parse_policy(wrapped[place]))
