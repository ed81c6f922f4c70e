"""A policy decides by its first rule that matches, explains itself, and names each mistake in it."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.domain.criteria import CRITERIA
from knockbot.domain.invites import Fall
from knockbot.domain.model import (
    Decision,
    Fact,
    Facts,
    IdentityKey,
    InviteFacts,
    Kind,
    Knock,
    Known,
    Miss,
    Truth,
    Verdict,
)
from knockbot.domain.notices import because
from knockbot.domain.policy import (
    MAX_MEMORY,
    NOBODY_VOUCHES,
    POLICY_KEYS,
    Announce,
    Fate,
    Policy,
    decide,
    held_back,
    parse_policy,
    rehearsed,
)
from knockbot.domain.reasons import foreign
from knockbot.errors import Fault
from tests.domain.doors import FACTS, INVITE, KNOCK, NO, UNKNOWN, WHY_NO, WHY_UNKNOWN, YES, decision_told

BY_MOD = {"inviter": "@mod:tulip.example"}
ANYBODY = {"inviter": "*"}
FOR_INVITES = {"for": "third_party_invite"}

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
NOT_OURS = Facts("example.org", member_of={"#space:example.org": Known(Truth.FALSE)})

NOT_TROUBLE = Miss("known trouble", foreign('server is not "*.spam.example" or "evil.example"'))
NOT_A_MEMBER = Miss("our people", foreign('user is not in "#space:example.org"'))


def in_space(truth: Truth, why: str = "") -> Facts:
    """The base facts with what is known about the space."""
    return replace(NOT_OURS, member_of={"#space:example.org": Known(truth, foreign(why))})


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
                foreign('whether the user is in "#space:example.org" (the bot is not joined there)'),
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
                    Miss("says who they are", foreign('reason does not match "(?i)student|staff"')),
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
                    Miss("says who they are", foreign('user is not "@*:university.example"')),
                    Miss("empty reason", foreign("reason has 24 characters, not fewer than 3")),
                ),
            ),
        ),
    ],
)
def test_the_first_rule_that_matches_decides_and_the_misses_before_it_are_told(
    knock: Knock, facts: Facts, decision: Decision
) -> None:
    assert decision_told(decide(knock, facts, parse_policy(POLICY))) == decision


def rule(when: object, then: str, **more: object) -> dict[str, object]:
    """A rule as YAML data."""
    return {"when": when, "then": then, **more}


def verdict_of(*rules: dict[str, object], **more: object) -> Decision:
    """What a policy of these rules decides on the base knock."""
    return decision_told(decide(KNOCK, FACTS, parse_policy({"rules": list(rules), **more})))


def test_a_rule_without_name_is_told_by_its_place() -> None:
    assert verdict_of(rule(NO, "ban"), rule(YES, "accept")) == Decision(
        Verdict.ACCEPT, "#2", missed=(Miss("#1", foreign(WHY_NO)),)
    )


def test_a_rule_after_an_unknown_one_is_not_asked() -> None:
    decision = verdict_of(rule(UNKNOWN, "ban", reason="no"), rule(YES, "accept"), otherwise="accept")
    assert decision == Decision(Verdict.FORWARD, "#1", unknown=foreign(WHY_UNKNOWN))


def test_a_match_before_an_unknown_rule_decides() -> None:
    assert verdict_of(rule(YES, "reject", reason="no"), rule(UNKNOWN, "ban")) == Decision(
        Verdict.REJECT, "#1", reason="no"
    )


def test_rules_for_third_party_invites_are_passed_over_and_count_as_places_only() -> None:
    decision = verdict_of(rule(BY_MOD, "ban", **{"for": "third_party_invite"}), rule(NO, "ban"), otherwise="accept")
    assert decision == Decision(Verdict.ACCEPT, "otherwise", missed=(Miss("#2", foreign(WHY_NO)),))


def test_a_rule_for_two_kinds_judges_knocks_too() -> None:
    assert verdict_of(rule(YES, "ban", **{"for": ["knock", "redeemed_invite"]})).verdict is Verdict.BAN


SAYABLE = [verdict for verdict in Verdict if verdict is not Verdict.ASK]
"""The verdicts that a policy without questions can have; asking has tests of its own."""


@pytest.mark.parametrize("otherwise", SAYABLE)
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
    ("when", "kinds", "judged"),
    [
        (YES, {}, {Kind.KNOCK}),
        (YES, {"for": "knock"}, {Kind.KNOCK}),
        (BY_MOD, {"for": "third_party_invite"}, {Kind.THIRD_PARTY_INVITE}),
        (YES, {"for": "redeemed_invite"}, {Kind.REDEEMED_INVITE}),
        (YES, {"for": ["redeemed_invite", "knock"]}, {Kind.KNOCK, Kind.REDEEMED_INVITE}),
        (
            BY_MOD,
            {"for": ["third_party_invite", "redeemed_invite"]},
            {Kind.THIRD_PARTY_INVITE, Kind.REDEEMED_INVITE},
        ),
    ],
)
def test_a_rule_is_for_knocks_unless_it_says_otherwise(
    when: object, kinds: dict[str, object], judged: set[Kind]
) -> None:
    policy = parse_policy({"rules": [rule(when, "ban", **kinds)]})
    assert {kind for kind in Kind if [*policy.rules_for(kind)] == [*policy.rules]} == judged
    assert not [each for kind in set(Kind) - judged for each in policy.rules_for(kind)]


# --- what one decision may cost -----------------------------------------------------------------------------------

COSTLY = {"reason_matches": ["[ab].{700}Z", "[ba].{700}Y", "[ac].{700}X", "[ad].{700}W"]}
"""Nearly as many steps as a policy may have."""

GROWS = "\ufdfa" * 10_000
"""Each becomes eighteen characters when it is normalized."""

TOO_LONG = "whether the reason matches (it is too long for so many patterns)"


def decided(reason: str, *rules: dict[str, object]) -> Decision:
    policy = parse_policy({"rules": list(rules), "otherwise": "accept"})
    return decision_told(decide(replace(KNOCK, reason=reason), FACTS, policy))


def test_a_text_that_is_too_long_for_the_patterns_of_a_policy_is_left_to_people() -> None:
    assert decided(GROWS, rule(COSTLY, "ban")) == Decision(Verdict.FORWARD, "#1", unknown=foreign(TOO_LONG))


def test_a_text_of_five_thousand_bytes_is_judged_by_as_many_patterns_as_a_policy_may_have() -> None:
    assert decided("ä" * 2500, rule(COSTLY, "ban")).verdict is Verdict.ACCEPT


def test_rules_that_can_be_judged_without_the_patterns_are() -> None:
    part = {"reason_matches": COSTLY["reason_matches"][0]}
    elsewhere = {"server": "evil.example", **part}
    either = {"any": [YES, part]}

    decision = decided(GROWS, rule(elsewhere, "ban"), rule({"not": either}, "ban"), rule(either, "reject"))

    assert (decision.verdict, decision.rule) == (Verdict.REJECT, "#3")


def test_what_the_rules_before_took_is_counted() -> None:
    part = {"reason_matches": COSTLY["reason_matches"][0]}
    letters = "b" * 15_000

    assert decided(letters, rule(part, "ban")).verdict is Verdict.ACCEPT
    assert decided(letters, *[rule({"not": {"not": part}}, "ban")] * 4).rule == "#2"


def test_a_display_name_counts_as_a_reason_does() -> None:
    knock = replace(KNOCK, display_name="\ufdfa" * 500)
    policy = parse_policy({"rules": [rule({"display_name_matches": COSTLY["reason_matches"]}, "ban")]})

    assert decision_told(decide(knock, FACTS, policy)).unknown == foreign(TOO_LONG.replace("reason", "display name"))


def test_a_policy_knows_how_much_memory_it_takes_at_most() -> None:
    one = parse_policy({"rules": [rule({"user": "*a*"}, "ban")]}).memory
    many = parse_policy({"rules": [rule({"user": [f"*{number}*" for number in range(1000)]}, "ban")]}).memory
    patterns = parse_policy({"rules": [rule({"not": {"any": [{"reason_matches": "a"}] * 1000}}, "ban")]}).memory

    assert one < 10_000
    assert 400_000 < many < MAX_MEMORY < patterns


def test_names_and_reasons_can_be_stored_and_shown() -> None:
    only = parse_policy({"rules": [rule(YES, "ban", name=" our\n\u202epeople ", reason=" no\0 ")]}).rules[0]
    assert (only.name, only.label, only.reason) == ("our people", "our people", "no\ufffd")


# --- third-party invites --------------------------------------------------------------------------------------

TPI: dict[str, Any] = {
    "rules": [
        {"name": "for knocks", "when": {"user": "*"}, "then": "ban"},
        {
            "name": "too many",
            "for": "third_party_invite",
            "when": {"invites_by_inviter": {"more_than": 5, "within": "1d"}},
            "then": "reject",
        },
        {
            "name": "moderators",
            "for": "third_party_invite",
            "when": {"inviter_power_at_least": 50, "inviter_is_member": True, "identity_server": "id.example"},
            "then": "accept",
            "reason": "welcome",
        },
        {"name": "bad servers", "for": "redeemed_invite", "when": {"server": "*.spam.example"}, "then": "ban"},
    ],
    "otherwise": "reject",
}
NOT_MANY = Miss("too many", foreign("inviter made 1 third-party invite in that time, not more than 5"))


def invited(**changed: Any) -> Facts:
    """The base facts of a third-party invite with something changed."""
    return replace(FACTS, invite=replace(INVITE, **changed))


@pytest.mark.parametrize(
    ("facts", "decision"),
    [
        (invited(), Decision(Verdict.ACCEPT, "moderators", "welcome", (NOT_MANY,))),
        (invited(earlier=(0, 0, 0, 0, 0)), Decision(Verdict.REJECT, "too many")),
        (
            invited(power=0),
            Decision(
                Verdict.FORWARD,
                "otherwise",
                None,
                (NOT_MANY, Miss("moderators", foreign("inviter has power level 0, less than 50"))),
            ),
        ),
        (
            invited(keys=(*(INVITE.keys or ()), IdentityKey("own"))),
            Decision(
                Verdict.FORWARD,
                "otherwise",
                None,
                (
                    NOT_MANY,
                    Miss("moderators", foreign("a key of the invite names no identity server, so it never expires")),
                ),
            ),
        ),
        (
            invited(member=Known(Truth.UNKNOWN, foreign("busy"))),
            Decision(
                Verdict.FORWARD, "moderators", None, (NOT_MANY,), foreign("whether the inviter is in the room (busy)")
            ),
        ),
        (
            invited(valid=Known(Truth.UNKNOWN, foreign("id.example does not answer"))),
            Decision(
                Verdict.FORWARD,
                "moderators",
                None,
                (NOT_MANY,),
                doubt=foreign("I could not check its keys (id.example does not answer)"),
                held=Verdict.ACCEPT,
            ),
        ),
        (
            invited(valid=Known(Truth.FALSE)),
            Decision(
                Verdict.FORWARD,
                "moderators",
                None,
                (NOT_MANY,),
                doubt=foreign("its keys are not valid"),
                held=Verdict.ACCEPT,
            ),
        ),
    ],
)
def test_a_third_party_invite_is_judged_by_its_own_rules(facts: Facts, decision: Decision) -> None:
    assert decision_told(decide(KNOCK, facts, parse_policy(TPI), Kind.THIRD_PARTY_INVITE)) == decision


@pytest.mark.parametrize("verdict", SAYABLE)
@pytest.mark.parametrize("valid", [Known(Truth.FALSE, foreign("told so")), Known(Truth.UNKNOWN)])
@pytest.mark.parametrize("by", ["a rule", "otherwise"])
def test_what_nobody_vouched_for_is_never_accepted_and_all_else_stands(by: str, valid: Known, verdict: Verdict) -> None:
    said = {"rules": [rule(ANYBODY, verdict.value, **FOR_INVITES)]}
    policy = parse_policy(said if by == "a rule" else {"otherwise_third_party": verdict.value})
    decision = decide(KNOCK, invited(valid=valid), policy, Kind.THIRD_PARTY_INVITE)
    assert decision.verdict is (Verdict.FORWARD if verdict is Verdict.ACCEPT else verdict)
    assert (decision.doubt is not None) is (verdict is Verdict.ACCEPT)
    assert decision.unknown is None


def test_an_invite_of_which_nothing_is_known_is_not_accepted() -> None:
    decision = decide(KNOCK, FACTS, Policy(otherwise_third_party=Verdict.ACCEPT), Kind.THIRD_PARTY_INVITE)
    assert decision.verdict is Verdict.FORWARD
    assert decision.doubt is not None


@pytest.mark.parametrize("verdict", SAYABLE)
def test_each_kind_has_its_own_otherwise_and_who_redeems_what_was_accepted_is_accepted(verdict: Verdict) -> None:
    policy = parse_policy({"otherwise": "ban", "otherwise_third_party": verdict.value})
    expected = {Kind.KNOCK: Verdict.BAN, Kind.THIRD_PARTY_INVITE: verdict, Kind.REDEEMED_INVITE: Verdict.ACCEPT}
    for kind, said in expected.items():
        assert decide(KNOCK, invited(), policy, kind) == Decision(said, "otherwise")


@pytest.mark.parametrize(
    ("user_id", "decision"),
    [
        ("@eve:a.spam.example", Decision(Verdict.BAN, "bad servers")),
        (
            "@ana:tulip.example",
            Decision(
                Verdict.ACCEPT, "otherwise", None, (Miss("bad servers", foreign('server is not "*.spam.example"')),)
            ),
        ),
    ],
)
def test_whoever_redeems_an_invite_is_judged_as_who_they_are(user_id: str, decision: Decision) -> None:
    knock = replace(KNOCK, user_id=user_id)
    # The keys have done their work: whether they are still valid says nothing about who came in.
    facts = invited(valid=Known(Truth.FALSE))
    assert decision_told(decide(knock, facts, parse_policy(TPI), Kind.REDEEMED_INVITE)) == decision


def test_a_policy_for_one_kind_needs_the_facts_of_that_kind_only() -> None:
    policy = parse_policy(
        {
            "rules": [
                rule({"member_of": "#a:b.c", "rejected_before": True}, "ban"),
                rule(BY_MOD, "accept", **FOR_INVITES),
                rule({"member_of": "#d:e.f"}, "ban", **{"for": "redeemed_invite"}),
            ]
        }
    )
    assert {kind: policy.only(kind).needed for kind in Kind} == {
        Kind.KNOCK: {Fact.MEMBER_OF: ("#a:b.c",), Fact.HISTORY: ("here",)},
        Kind.THIRD_PARTY_INVITE: {},
        Kind.REDEEMED_INVITE: {Fact.MEMBER_OF: ("#d:e.f",)},
    }
    for kind in Kind:
        assert decide(KNOCK, invited(), policy.only(kind), kind) == decide(KNOCK, invited(), policy, kind)


@pytest.mark.parametrize("fall", list(Fall))
@pytest.mark.parametrize("fate", list(Fate))
def test_what_becomes_of_standing_invites_is_said_for_each_fall_of_their_inviter(fall: Fall, fate: Fate) -> None:
    policy = parse_policy({f"inviter_{fall}": fate.value})
    assert policy.fate(fall) is fate
    assert {other: policy.fate(other) for other in Fall if other is not fall} == {
        other: said for other, said in USUAL_FATES.items() if other is not fall
    }


USUAL_FATES = {Fall.REMOVED: Fate.REVOKE, Fall.DEMOTED: Fate.REVOKE, Fall.LEFT: Fate.FORWARD}


VOUCHED = IdentityKey("4l2zobi", "https://id.example/x")
ANY_INVITE = st.builds(
    InviteFacts,
    inviter=ANY_TEXT,
    keys=st.lists(st.just(VOUCHED) | st.builds(IdentityKey, ANY_TEXT, st.none() | ANY_TEXT), max_size=3).map(tuple),
    power=st.none() | st.integers() | st.floats(),
    member=st.sampled_from(Truth).map(Known),
    earlier=st.none() | st.lists(st.integers(), max_size=9).map(tuple),
    valid=st.sampled_from(Truth).map(Known),
)


@given(ANY_INVITE, st.sampled_from(Kind))
def test_no_invite_makes_deciding_raise_or_comes_in_unchecked(invite: InviteFacts, kind: Kind) -> None:
    decision = decide(KNOCK, replace(FACTS, invite=invite), parse_policy(TPI), kind)
    if kind is Kind.THIRD_PARTY_INVITE and decision.verdict is Verdict.ACCEPT:
        assert invite.valid.truth is Truth.TRUE
        assert set(invite.keys or ()) == {VOUCHED}


# --- faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        (None, (), "expected keys and values, found nothing"),
        ("rules: []", (), 'expected keys and values, found "rules: []"'),
        ([{"then": "ban"}], (), 'expected keys and values, found a list; remove the "-" before them'),
        ({1: 2}, (), "expected text as key, found 1: put it in quotes"),
        ({"rule": []}, ("rule",), 'rule: unknown key "rule"; did you mean "rules"?'),
        (
            {"colour": "red"},
            ("colour",),
            f'colour: unknown key "colour"; known: {", ".join(POLICY_KEYS)}',
        ),
        (
            {"rules": None},
            ("rules",),
            'rules: expected a list, found nothing (in YAML, text that begins with "#" needs quotes)',
        ),
        ({"rules": {}}, ("rules",), 'rules: expected a list, found keys and values; write "- " before each part'),
        ({"otherwise": "no"}, ("otherwise",), 'otherwise: unknown word "no"; known: accept, forward, reject, ban, ask'),
        (
            {"otherwise": False},
            ("otherwise",),
            "otherwise: expected one of accept, forward, reject, ban, ask, found false",
        ),
        (
            {"otherwise_third_party": "ignore"},
            ("otherwise_third_party",),
            'otherwise_third_party: "ignore" comes in a later version',
        ),
        (
            {"inviter_left": "reject"},
            ("inviter_left",),
            'inviter_left: unknown word "reject"; known: revoke, forward, keep',
        ),
        (
            {"inviter_removed": "kept"},
            ("inviter_removed",),
            'inviter_removed: unknown word "kept"; did you mean "keep"?',
        ),
        (
            {"inviter_demoted": True},
            ("inviter_demoted",),
            "inviter_demoted: expected one of revoke, forward, keep, found true",
        ),
        ({"local": True}, ("local",), "local: this belongs into when of a rule"),
        ({"when": {}}, ("when",), "when: this belongs into a rule, below rules"),
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
        (
            {"dry_run": True},
            ("dry_run",),
            "dry_run: this is a setting of the whole policy: put it at the beginning of a line",
        ),
        ({"local": True}, ("local",), "local: this belongs into when of this rule"),
        (
            {"when": {"timezone": "UTC"}},
            ("when", "timezone"),
            "when.timezone: this is a setting of the whole policy: put it at the beginning of a line",
        ),
        ({"when": {"then": "ban"}}, ("when", "then"), "when.then: this belongs into the rule, beside when"),
        ({"thn": "ban"}, ("thn",), 'thn: unknown key "thn"; did you mean "then"?'),
        ({"then": "ACCEPT"}, ("then",), 'then: unknown word "ACCEPT"; did you mean "accept"?'),
        ({"then": "ignore"}, ("then",), 'then: "ignore" comes in a later version'),
        ({"then": True}, ("then",), "then: expected one of accept, forward, reject, ban, ask, found true"),
        ({"for": "knocks"}, ("for",), 'for: unknown word "knocks"; did you mean "knock"?'),
        ({"for": []}, ("for",), "for: the list is empty"),
        (
            {"for": ["knock", 5]},
            ("for", 1),
            "for.#2: expected one of knock, third_party_invite, redeemed_invite, found 5",
        ),
        ({"reason": 404}, ("reason",), "reason: expected text, found 404: put it in quotes"),
        ({"reason": True}, ("reason",), "reason: expected text, found true: put it in quotes"),
        ({"reason": " "}, ("reason",), "reason: expected text, found none"),
        ({"reason": "x" * 501}, ("reason",), "reason: too long: 501 characters, at most 500"),
        ({"when": None}, ("when",), "when: expected keys and values, found nothing"),
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


ALONE = re.escape(NOBODY_VOUCHES)
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
SO_OF_ANYBODY: list[tuple[str, object]] = [
    ("user", "*"),
    ("user", "@*"),
    ("user", "@*:*"),
    ("user", "@*:*:8448"),
    ("user", "@alice:*"),
    ("user", "@*:*e"),
    ("user", ["@ana:tulip.example", "@?*:*.*"]),
    ("server", "*"),
    ("server", "matrix.*"),
    ("server", [f"*{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]),
    ("server", ["tulip.example", "*.*"]),
    ("local", False),
    ("member_of_managed", False),
    ("reason_length_at_least", 0),
    ("reason_length_at_least", 20),
    ("reason_matches", ".*"),
    ("reason_matches", "botany"),
    ("display_name_matches", "x?"),
    ("has_avatar", True),
    ("answer", {"question": 1, "is": "rhubarb"}),
    ("answer", {"question": 1, "matches": "."}),
    ("answered", True),
    ("answered", False),
    ("rejected_before", False),
    ("rejected_before", True),
    ("banned_before", False),
    ("accepted_before", False),
    ("knocks", {"more_than": 1, "within": "1d"}),
    ("knocks_from_server", {"more_than": 1, "within": "1d"}),
    ("same_reason", {"more_than": 1, "within": "1d"}),
    ("first_seen_at_least", "7d"),
    ("time", {"days": WEEK}),
    ("time", {"days": ["mon", "tue"]}),
    ("time", {"from": "08:00", "to": "20:00"}),
    ("pre_approved", False),
    ("code", False),
    ("vouched", False),
]
VOUCHING: list[tuple[str, object]] = [
    ("user", "@ana:tulip.example"),
    ("user", ["@*:tulip.example", "@*.bot:*.example", "@*:host:8448"]),
    ("server", ["*.example", "tulip.example", "localhost", "192.0.2.7", "[2001:db8::1]", "*.org"]),
    ("local", True),
    ("member_of", "#club:tulip.example"),
    ("member_of_managed", True),
    ("accepted_before", True),
    ("accepted_before", {"times": 2, "within": "30d"}),
    ("pre_approved", True),
    ("code", True),
    ("code", "choir"),
    ("vouched", True),
    ("vouched", {"by_at_least": 2}),
    ("on_list", True),
    ("on_list", "friends"),
]
FRIENDS = [{"room": "#friends:tulip.example", "name": "friends", "then": "none"}]
TWO_TIMES = [{"time": {"from": "08:00", "to": "20:00"}}, {"time": {"from": "20:00", "to": "08:00"}}]
BY_NAME_ALONE = [
    {"lookalike": False},
    {"lookalike": True},
    {"not": {"lookalike": True}},
    {"any": [{"lookalike": False}, {"local": True}]},
    {"all": [{"lookalike": False}, {"not": {"lookalike": True}}]},
    {"not": {"lookalike": True, "local": True}},
    *({"lookalike": True, key: value} for key, value in SO_OF_ANYBODY),
    *({"lookalike": True, "not": {key: value}} for key, value in VOUCHING),
    {"lookalike": False, "not": {"reason_length_at_least": 65_536}},
    {"lookalike": False, "not": {"first_seen_at_least": "9999d"}},
    {"lookalike": False, "not": {"all": [{"local": True}, {"local": False}]}},
    {"lookalike": False, "any": [{"local": True}, {"local": False}]},
    {"lookalike": False, "any": [{"has_avatar": True}, {"has_avatar": False}]},
    {"lookalike": False, "any": TWO_TIMES},
    {"lookalike": False, "any": [{"member_of": "#a:b"}, {"all": [{"not": {"member_of": "#a:b"}}]}]},
    {"lookalike": True, "any": [{"local": True}, {"user": "*"}]},
    {"any": [{"local": True}, {"lookalike": False, "has_avatar": True}]},
]


@pytest.mark.parametrize(
    "when",
    [
        *({"lookalike": False, key: value} for key, value in VOUCHING),
        {"all": [{"lookalike": False}, {"local": True}]},
        {"not": {"any": [{"lookalike": True}, {"local": False}]}},
        {"not": {"not": {"lookalike": False, "member_of": "#club:tulip.example"}}},
        {"any": [{"local": True}, {"lookalike": False, "server": "*.example", "has_avatar": True}]},
        {"lookalike": False, "any": [{"local": True}, {"pre_approved": True, "time": {"days": ["mon"]}}]},
    ],
)
def test_a_lookalike_may_be_one_part_of_an_accept(when: object) -> None:
    policy = parse_policy({"lists": FRIENDS, "rules": [{"when": when, "then": "accept"}]})
    assert policy.rules[0].then is Verdict.ACCEPT


OF_INVITES: list[tuple[str, object]] = [
    ("inviter", "@alice:tulip.example"),
    ("inviter_power_at_least", 1),
    ("inviter_is_member", True),
    ("identity_server", "*.vector.im"),
]


def parse_guest_rule(key: str, value: object) -> Policy:
    """A policy that accepts whoever redeems an invite by their name, and by this."""
    when = {"lookalike": False, key: value}
    return parse_policy({"rules": [{"for": ["redeemed_invite"], "when": when, "then": "accept"}]})


@pytest.mark.parametrize(("key", "value"), OF_INVITES)
def test_whoever_invited_somebody_vouches_for_them(key: str, value: object) -> None:
    assert parse_guest_rule(key, value).rules[0].then is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("inviter", "@*"),
        ("inviter_power_at_least", 0),
        ("inviter_power_at_least", 1 - 2**53),
        ("inviter_is_member", False),
        ("identity_server", "*"),
        *(("not", {key: value}) for key, value in OF_INVITES),
    ],
)
def test_nor_may_an_invite_by_whomever(key: str, value: object) -> None:
    with pytest.raises(Fault, match=ALONE):
        parse_guest_rule(key, value)


def test_the_complaint_names_each_criterion_that_vouches() -> None:
    words = NOBODY_VOUCHES.replace(":", " ").replace(",", " ").split()
    assert {key for key, _ in (*VOUCHING, *OF_INVITES)} == set(words) & set(CRITERIA) - {"lookalike"}
    asked = {key for key, _ in (*VOUCHING, *OF_INVITES, *SO_OF_ANYBODY)}
    assert asked == set(CRITERIA) - {"lookalike", "invites_by_inviter"}, "each criterion is in a table above"


@pytest.mark.parametrize(("key", "value"), SO_OF_ANYBODY)
def test_what_is_so_of_anybody_may_accept_where_no_name_is_asked_about(key: str, value: object) -> None:
    policy = {"questions": [{"ask": "Why?"}], "rules": [{"when": {key: value}, "then": "accept"}]}
    assert parse_policy(policy).rules[0].then is Verdict.ACCEPT


@pytest.mark.parametrize("then", ["reject", "ban", "forward"])
@pytest.mark.parametrize("when", BY_NAME_ALONE)
def test_a_lookalike_alone_may_do_anything_else(when: object, then: str) -> None:
    rules = [{"when": when, "then": then}]
    policy = parse_policy({"lists": FRIENDS, "questions": [{"ask": "Why?"}], "rules": rules})
    assert policy.rules[0].then == then


@pytest.mark.parametrize(
    ("second", "path", "message"),
    [
        (5, (), "rule #2: expected keys and values, found 5"),
        ({"then": "ban"}, ("when",), "rule #2: when: missing"),
        ({"when": YES}, ("then",), "rule #2: then: missing"),
        *(({"when": when, "then": "accept"}, ("when",), f"rule #2: when: {NOBODY_VOUCHES}") for when in BY_NAME_ALONE),
        ({**GOOD, "name": 12}, ("name",), "rule #2: name: expected text, found 12: put it in quotes"),
        ({**GOOD, "name": "\u200b"}, ("name",), "rule #2: name: expected text, found none"),
        ({**GOOD, "name": "x" * 101}, ("name",), "name: too long: 101 characters, at most 100"),
        ({**GOOD, "name": "#3"}, ("name",), 'name: "#3" would be taken for something else; choose another name'),
        ({**GOOD, "name": "otherwise"}, ("name",), "would be taken for something else; choose another name"),
        (
            {**GOOD, "name": "otherwise_third_party"},
            ("name",),
            "would be taken for something else; choose another name",
        ),
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
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(["ban", "third_party_invite", "@a:b.c"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("rules", "when", "then", "name", "for", "any", "not", "user", "server", "member_of", "call"),
                    *("inviter_power_at_least", "invites_by_inviter", "identity_server", "inviter_left"),
                ]
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
        policy = parse_policy(wrapped[place])
        for kind in Kind:
            decide(KNOCK, invited(), policy, kind)


# --- applicants of other servers ----------------------------------------------------------------------------------


def test_telling_rejections_by_message_takes_no_power_in_the_room() -> None:
    assert parse_policy({}).verdicts == {Verdict.FORWARD}
    assert parse_policy({"notify_remote": "message"}).verdicts == {Verdict.FORWARD}


@pytest.mark.parametrize(
    ("key", "value", "complaint"),
    [
        ("notify_remote", "invite_then_kick", 'unknown word "invite_then_kick"'),
        ("notify_remote", False, "expected one of off, message"),
        ("stale_after", 30, "expected a time such as 30m, 12h or 7d"),
        ("stale_after", "0d", "expected a time longer than zero"),
    ],
)
def test_a_mistake_in_a_setting_is_named(key: str, value: object, complaint: str) -> None:
    with pytest.raises(Fault, match=complaint) as fault:
        parse_policy({key: value})
    assert fault.value.path == (key,)


# --- in dry run --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("verdict", list(Verdict))
def test_in_dry_run_everything_is_left_to_the_moderators_with_what_would_be_done(verdict: Verdict, kind: Kind) -> None:
    decided = Decision(verdict, "#1", "Not now.", told=because("told.taken_back"))
    now = rehearsed(decided, Policy(dry_run=True), kind)

    assert now.verdict is Verdict.FORWARD
    if verdict is Verdict.FORWARD:
        assert (now, now.rehearsed) == (decided, None)
    else:
        assert (now.rehearsed, now.rule, now.reason, now.told) == (verdict, "#1", None, None)
    assert rehearsed(decided, Policy(), kind) == decided


def test_in_dry_run_whoever_redeems_an_accepted_invite_may_stay() -> None:
    stays, goes = Decision(Verdict.ACCEPT, "otherwise"), Decision(Verdict.REJECT, "otherwise")
    assert rehearsed(stays, Policy(dry_run=True), Kind.REDEEMED_INVITE) == stays
    assert rehearsed(goes, Policy(dry_run=True), Kind.REDEEMED_INVITE).rehearsed is Verdict.REJECT


def test_a_doubt_that_was_there_before_the_dry_run_is_what_is_told() -> None:
    doubted = held_back(Decision(Verdict.ACCEPT, "#1"), because("doubt.room_replaced"))
    now = rehearsed(doubted, Policy(dry_run=True), Kind.KNOCK)
    assert (now, now.rehearsed) == (doubted, None)
