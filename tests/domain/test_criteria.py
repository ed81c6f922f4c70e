"""Each criterion, combination and fault: one base knock, one thing changed at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.documents.schema import each
from knockbot.domain.criteria import COMBINATIONS, CRITERIA, MAX_DEPTH
from knockbot.domain.model import (
    Fact,
    Facts,
    Finding,
    History,
    IdentityKey,
    InviteFacts,
    Kind,
    Knock,
    Known,
    Need,
    Past,
    PreApproved,
    State,
    Truth,
    Where,
)
from knockbot.domain.notices import Letters, User, because
from knockbot.domain.reasons import foreign, in_words
from knockbot.errors import Fault
from tests.domain.doors import (
    APPLICANTS,
    FACTS,
    INVITE,
    INVITED,
    INVITES,
    KNOCK,
    KNOCKS,
    NO,
    UNKNOWN,
    WHY_NO,
    WHY_UNKNOWN,
    WHY_YES,
    YES,
    told,
    when,
)


def judged(data: object, **changed: Any) -> Finding:
    """What the condition finds of the base knock with something changed."""
    return told(when(data).judge(replace(KNOCK, **changed), FACTS))


def fault(data: object, kinds: frozenset[Kind] = KNOCKS) -> Fault:
    """The fault that this `when` raises."""
    with pytest.raises(Fault) as caught:
        when(data, kinds)
    return each(caught.value)[0]


# --- user -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "user_id", "truth", "why"),
    [
        ("@ana:tulip.example", "@ana:tulip.example", Truth.TRUE, 'user is "@ana:tulip.example"'),
        ("@*:tulip.example", "@ana:tulip.example", Truth.TRUE, 'user matches "@*:tulip.example"'),
        ("@*:tulip.example", "@:tulip.example", Truth.TRUE, 'user matches "@*:tulip.example"'),
        ("@ana:*", "@ana:tulip.example", Truth.TRUE, 'user matches "@ana:*"'),
        ("@an?:tulip.example", "@ana:tulip.example", Truth.TRUE, 'user matches "@an?:tulip.example"'),
        ("@Ana:tulip.example", "@ana:tulip.example", Truth.FALSE, 'user is not "@Ana:tulip.example"'),
        ("@*:TULIP.example", "@ana:tulip.example", Truth.FALSE, 'user is not "@*:TULIP.example"'),
        ("@*:tulip.example", "@ana:tulip.example:8448", Truth.FALSE, 'user is not "@*:tulip.example"'),
        ("@*:tulip.example", "@ana:rose.example", Truth.FALSE, 'user is not "@*:tulip.example"'),
        (
            ["@bob:tulip.example", "@ana:*"],
            "@ana:tulip.example",
            Truth.TRUE,
            'user matches "@ana:*"',
        ),
        (
            ["@bob:tulip.example", "@cem:tulip.example"],
            "@ana:tulip.example",
            Truth.FALSE,
            'user is not "@bob:tulip.example" or "@cem:tulip.example"',
        ),
        (
            [f"@bob{number}:a.b" for number in range(7)],
            "@ana:tulip.example",
            Truth.FALSE,
            'user is not "@bob0:a.b", "@bob1:a.b", "@bob2:a.b" or 4 more',
        ),
    ],
)
def test_user_is_the_whole_id_to_the_letter(user: object, user_id: str, truth: Truth, why: str) -> None:
    assert judged({"user": user}, user_id=user_id) == Finding(truth, foreign(why))


# --- server ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "user_id", "truth", "why"),
    [
        ("evil.example", "@ana:evil.example", Truth.TRUE, 'server is "evil.example"'),
        ("Evil.Example", "@ana:eVIL.example", Truth.TRUE, 'server is "Evil.Example"'),
        ("evil.example", "@ana:evil.example:8448", Truth.TRUE, 'server is "evil.example"'),
        ("*.spam.example", "@ana:a.b.SPAM.example", Truth.TRUE, 'server matches "*.spam.example"'),
        ("*.spam.example", "@ana:spam.example", Truth.FALSE, 'server is not "*.spam.example"'),
        ("evil.example", "@ana:notevil.example", Truth.FALSE, 'server is not "evil.example"'),
        ("evil.example", "@ana:evil.example.tulip.example", Truth.FALSE, 'server is not "evil.example"'),
        ("evil.example", "@evil.example:tulip.example", Truth.FALSE, 'server is not "evil.example"'),
        ("[2001:db8::*]", "@ana:[2001:DB8::1]:8448", Truth.TRUE, 'server matches "[2001:db8::*]"'),
        (["*.spam.example", "evil.example"], "@ana:evil.example", Truth.TRUE, 'server is "evil.example"'),
        (
            ["*.spam.example", "evil.example"],
            "@ana:tulip.example",
            Truth.FALSE,
            'server is not "*.spam.example" or "evil.example"',
        ),
    ],
)
def test_server_is_the_host_without_port_and_case(server: object, user_id: str, truth: Truth, why: str) -> None:
    assert judged({"server": server}, user_id=user_id) == Finding(truth, foreign(why))


# --- local ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("local", "user_id", "truth", "why"),
    [
        (True, "@ana:tulip.example", Truth.TRUE, "user is from tulip.example"),
        (True, "@ana:rose.example", Truth.FALSE, "user is not from tulip.example"),
        (True, "@ana:tulip.example:8448", Truth.FALSE, "user is not from tulip.example"),
        (False, "@ana:rose.example", Truth.TRUE, "user is not from tulip.example"),
        (False, "@ana:tulip.example", Truth.FALSE, "user is from tulip.example"),
    ],
)
def test_local_is_whoever_is_from_our_own_server(local: bool, user_id: str, truth: Truth, why: str) -> None:
    assert judged({"local": local}, user_id=user_id) == Finding(truth, foreign(why))


# --- member_of ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rooms", "truth", "why"),
    [
        ("#in:tulip.example", Truth.TRUE, WHY_YES),
        ("#out:tulip.example", Truth.FALSE, WHY_NO),
        ("#dark:tulip.example", Truth.UNKNOWN, WHY_UNKNOWN),
        ("#new:tulip.example", Truth.UNKNOWN, 'whether the user is in "#new:tulip.example" (not checked)'),
        (["#out:tulip.example", "#in:tulip.example"], Truth.TRUE, WHY_YES),
        (["#dark:tulip.example", "#in:tulip.example"], Truth.TRUE, WHY_YES),
        (["#out:tulip.example", "#dark:tulip.example"], Truth.UNKNOWN, WHY_UNKNOWN),
    ],
)
def test_member_of_is_any_of_the_rooms_as_far_as_is_known(rooms: object, truth: Truth, why: str) -> None:
    assert judged({"member_of": rooms}) == Finding(truth, foreign(why))


@pytest.mark.parametrize(
    ("least", "age", "truth", "why"),
    [
        ("7d", 7 * 86_400_000, Truth.TRUE, "user was first seen 7 days ago, not less than 7 days"),
        ("7d", 7 * 86_400_000 - 1, Truth.FALSE, "user was first seen 6 days ago, less than 7 days"),
        ("12h", 3_600_000, Truth.FALSE, "user was first seen 1 hour ago, less than 12 hours"),
        ("1s", 1500, Truth.TRUE, "user was first seen 1.5 seconds ago, not less than 1 second"),
        ("1s", 0, Truth.FALSE, "user was never seen before"),
        ("1s", None, Truth.UNKNOWN, "since when the user is known (not checked)"),
    ],
)
def test_somebody_is_known_since_they_were_first_seen(least: str, age: int | None, truth: Truth, why: str) -> None:
    facts = replace(FACTS, first_seen=age)
    assert told(when({"first_seen_at_least": least}).judge(KNOCK, facts)) == Finding(truth, foreign(why))
    assert told(when({"not": {"first_seen_at_least": least}}).judge(KNOCK, facts)).why == foreign(why)


@pytest.mark.parametrize(
    ("wanted", "known", "truth", "why"),
    [
        (True, Known(Truth.TRUE), Truth.TRUE, "user is in another room managed from here"),
        (True, Known(Truth.FALSE), Truth.FALSE, "user is in no other room managed from here"),
        (False, Known(Truth.TRUE), Truth.FALSE, "user is in another room managed from here"),
        (False, Known(Truth.FALSE), Truth.TRUE, "user is in no other room managed from here"),
        (False, None, Truth.UNKNOWN, "whether the user is in another room managed from here (not checked)"),
        (True, Known(Truth.UNKNOWN), Truth.UNKNOWN, "whether the user is in another room managed from here"),
        (
            False,
            Known(Truth.UNKNOWN, foreign("busy")),
            Truth.UNKNOWN,
            "whether the user is in another room managed from here (busy)",
        ),
    ],
)
def test_whether_they_are_in_another_room_managed_from_here(
    wanted: bool, known: Known | None, truth: Truth, why: str
) -> None:
    finding = told(when({"member_of_managed": wanted}).judge(KNOCK, replace(FACTS, in_managed=known)))
    assert finding == Finding(truth, foreign(why))


@pytest.mark.parametrize(
    ("data", "rooms"),
    [
        ({"user": "@*:a.b", "server": "a.b", "local": True, "reason_matches": "x", "reason_length_at_least": 1}, ()),
        ({"member_of": ["#a:b.c", "!d:e.f", "#a:b.c"]}, ("#a:b.c", "!d:e.f")),
        (
            {"not": {"any": [{"member_of": "#a:b.c"}, {"all": [{"local": True, "member_of": "!d:e.f"}]}]}},
            ("#a:b.c", "!d:e.f"),
        ),
    ],
)
def test_a_condition_says_which_rooms_it_needs_to_know(data: object, rooms: tuple[str, ...]) -> None:
    assert list(dict.fromkeys(when(data).needs)) == [Need(Fact.MEMBER_OF, room) for room in rooms]


# --- reason ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "reason", "truth", "why"),
    [
        ("student", "I am a student", Truth.TRUE, 'reason matches "student"'),
        ("(?i)STUDENT|staff", "I am a Student", Truth.TRUE, 'reason matches "(?i)STUDENT|staff"'),
        ("^student", "I am a student", Truth.FALSE, 'reason does not match "^student"'),
        ("student", "I am a stu\u200bde\u202ent", Truth.TRUE, 'reason matches "student"'),
        ("student", "I am a ｓｔｕｄｅｎｔ", Truth.TRUE, 'reason matches "student"'),
        ("a student", "I am a\nstudent", Truth.TRUE, 'reason matches "a student"'),
        ("student", "x" * 60_000 + "student", Truth.TRUE, 'reason matches "student"'),
        ("student", "", Truth.FALSE, 'reason does not match "student"'),
        (["staff", "stud"], "student", Truth.TRUE, 'reason matches "stud"'),
        (["staff", "guest"], "student", Truth.FALSE, 'reason does not match "staff" or "guest"'),
    ],
)
def test_reason_matches_searches_the_plain_text(pattern: object, reason: str, truth: Truth, why: str) -> None:
    assert judged({"reason_matches": pattern}, reason=reason) == Finding(truth, foreign(why))


@pytest.mark.parametrize(
    ("least", "reason", "truth", "why"),
    [
        (3, "abc", Truth.TRUE, "reason has 3 characters, not fewer than 3"),
        (3, "ab", Truth.FALSE, "reason has 2 characters, fewer than 3"),
        (3, " a \n ", Truth.FALSE, "reason has 1 character, fewer than 3"),
        (3, "\u200b\u202e\u3164\0a", Truth.FALSE, "reason has 1 character, fewer than 3"),
        (3, "👩🌾🌷", Truth.TRUE, "reason has 3 characters, not fewer than 3"),
        (1, "", Truth.FALSE, "reason has 0 characters, fewer than 1"),
        (0, "", Truth.TRUE, "reason has 0 characters, not fewer than 0"),
    ],
)
def test_reason_length_counts_what_a_reader_sees(least: int, reason: str, truth: Truth, why: str) -> None:
    assert judged({"reason_length_at_least": least}, reason=reason) == Finding(truth, foreign(why))


# --- combinations ---------------------------------------------------------------------------------------------

GIVEN = {Truth.TRUE: YES, Truth.FALSE: NO, Truth.UNKNOWN: UNKNOWN}
ALL_OF_TWO = {
    (Truth.TRUE, Truth.TRUE): Truth.TRUE,
    (Truth.TRUE, Truth.FALSE): Truth.FALSE,
    (Truth.TRUE, Truth.UNKNOWN): Truth.UNKNOWN,
    (Truth.FALSE, Truth.FALSE): Truth.FALSE,
    (Truth.FALSE, Truth.UNKNOWN): Truth.FALSE,
    (Truth.UNKNOWN, Truth.UNKNOWN): Truth.UNKNOWN,
}
ANY_OF_TWO = {
    (Truth.TRUE, Truth.TRUE): Truth.TRUE,
    (Truth.TRUE, Truth.FALSE): Truth.TRUE,
    (Truth.TRUE, Truth.UNKNOWN): Truth.TRUE,
    (Truth.FALSE, Truth.FALSE): Truth.FALSE,
    (Truth.FALSE, Truth.UNKNOWN): Truth.UNKNOWN,
    (Truth.UNKNOWN, Truth.UNKNOWN): Truth.UNKNOWN,
}


@pytest.mark.parametrize(("key", "table"), [("all", ALL_OF_TWO), ("any", ANY_OF_TWO)])
@pytest.mark.parametrize(("one", "other"), list(product(Truth, Truth)))
def test_all_and_any_are_three_valued_whatever_the_order(
    key: str, table: dict[tuple[Truth, Truth], Truth], one: Truth, other: Truth
) -> None:
    expected = table[(one, other)] if (one, other) in table else table[(other, one)]
    assert judged({key: [GIVEN[one], GIVEN[other]]}).truth is expected


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        ({"not": YES}, Finding(Truth.FALSE, foreign(WHY_YES))),
        ({"not": NO}, Finding(Truth.TRUE, foreign(WHY_NO))),
        ({"not": UNKNOWN}, Finding(Truth.UNKNOWN, foreign(WHY_UNKNOWN))),
        ({"not": {"not": UNKNOWN}}, Finding(Truth.UNKNOWN, foreign(WHY_UNKNOWN))),
        ({"not": {**NO, "local": True}}, Finding(Truth.TRUE, foreign(WHY_NO))),
    ],
)
def test_not_turns_the_truth_and_keeps_the_reason(data: object, finding: Finding) -> None:
    assert judged(data) == finding


@pytest.mark.parametrize(
    ("data", "finding"),
    [
        ({"local": True, **YES}, Finding(Truth.TRUE, foreign(f"user is from tulip.example; {WHY_YES}"))),
        ({"local": False, **NO}, Finding(Truth.FALSE, foreign("user is from tulip.example"))),
        ({"local": True, **NO}, Finding(Truth.FALSE, foreign(WHY_NO))),
        ({**UNKNOWN, "local": False}, Finding(Truth.FALSE, foreign("user is from tulip.example"))),
        ({**UNKNOWN, "local": True}, Finding(Truth.UNKNOWN, foreign(WHY_UNKNOWN))),
        ({"any": [NO, {"local": False}]}, Finding(Truth.FALSE, foreign(f"{WHY_NO}; user is from tulip.example"))),
        ({"any": [UNKNOWN, NO]}, Finding(Truth.UNKNOWN, foreign(WHY_UNKNOWN))),
        ({"any": [UNKNOWN, YES]}, Finding(Truth.TRUE, foreign(WHY_YES))),
        ({"any": [NO, NO, NO, NO, NO]}, Finding(Truth.FALSE, foreign(f"{WHY_NO}; {WHY_NO}; {WHY_NO}; and 2 more"))),
        ({"all": [YES, {"any": [NO, {"not": NO}]}]}, Finding(Truth.TRUE, foreign(f"{WHY_YES}; {WHY_NO}"))),
    ],
)
def test_a_combination_names_what_decided_it(data: object, finding: Finding) -> None:
    assert judged(data) == finding


# --- faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        (None, (), "expected keys and values, found nothing"),
        ([], (), 'expected keys and values, found a list; remove the "-" before them'),
        ({}, (), "it is empty; for everyone else, use otherwise"),
        ({True: 1}, (), "expected text as key, found true: put it in quotes"),
        ({"sever": "a.b"}, ("sever",), 'unknown criterion "sever"; did you mean "server"?'),
        ({"Local": True}, ("Local",), 'unknown criterion "Local"; did you mean "local"?'),
        (
            {"shoe_size": 43},
            ("shoe_size",),
            f'unknown criterion "shoe_size"; known: {", ".join(CRITERIA)}, any, all, not',
        ),
        ({"user": 5}, ("user",), "expected text, found 5: put it in quotes"),
        ({"user": []}, ("user",), "the list is empty"),
        ({"user": [["@a:b.c"]]}, ("user", 0), "expected text, found a list"),
        ({"user": ["@a:b.c", ""]}, ("user", 1), "expected text, found none"),
        (
            {"user": "alice:b.c"},
            ("user",),
            'expected a user ID or a glob for one ("@*:example.org"), found "alice:b.c"',
        ),
        ({"user": "@alice"}, ("user",), 'expected a user ID or a glob for one ("@*:example.org"), found "@alice"'),
        ({"user": "@" + "a" * 255}, ("user",), "too long: 256 characters, at most 255"),
        (
            {"server": "a.b:8448"},
            ("server",),
            'expected a host without port, or a glob for one ("*.example.org"), found "a.b:8448"',
        ),
        (
            {"server": ["a.b", "https://a.b"]},
            ("server", 1),
            'expected a host without port, or a glob for one ("*.example.org"), found "https://a.b"',
        ),
        ({"local": "yes"}, ("local",), 'expected true or false, found "yes"'),
        ({"local": 1}, ("local",), "expected true or false, found 1"),
        ({"local": [True]}, ("local",), "expected true or false, found a list"),
        (
            {"member_of": None},
            ("member_of",),
            'expected text, found nothing (in YAML, text that begins with "#" needs quotes)',
        ),
        ({"member_of": ["#a:b.c", "garden"]}, ("member_of", 1), 'expected a room ID or alias, found "garden"'),
        (
            {"member_of": "https://matrix.to/#/%23a:b.c"},
            ("member_of",),
            'expected a room ID or alias, found "https://matrix.to/#/%23a:b.c"; write "#a:b.c"',
        ),
        (
            {"reason_matches": ["a", "(b"]},
            ("reason_matches", 1),
            "not a pattern that RE2 understands: missing ): (b",
        ),
        ({"reason_matches": ""}, ("reason_matches",), "expected text, found none"),
        ({"reason_matches": "a" * 1001}, ("reason_matches",), "too long: 1001 characters, at most 1000"),
        (
            {"reason_length_at_least": True},
            ("reason_length_at_least",),
            "expected a whole number from 0 to 65536, found true",
        ),
        (
            {"reason_length_at_least": -1},
            ("reason_length_at_least",),
            "expected a whole number from 0 to 65536, found -1",
        ),
        (
            {"reason_length_at_least": 2.0},
            ("reason_length_at_least",),
            "expected a whole number from 0 to 65536, found 2.0",
        ),
        (
            {"reason_length_at_least": 1 << 50_000},
            ("reason_length_at_least",),
            "expected a whole number from 0 to 65536, found a huge number",
        ),
        ({"any": []}, ("any",), "the list is empty"),
        ({"all": []}, ("all",), "the list is empty"),
        ({"any": {"local": True}}, ("any",), 'expected a list, found keys and values; write "- " before each part'),
        (
            {"any": [{"local": True}, {}]},
            ("any", 1),
            "it is empty; for everyone else, use otherwise",
        ),
        ({"not": [{"local": True}]}, ("not",), 'expected keys and values, found a list; remove the "-" before them'),
        ({"not": {"any": [{"local": 5}]}}, ("not", "any", 0, "local"), "expected true or false, found 5"),
    ],
)
def test_a_mistake_is_told_with_what_was_expected_and_where(
    data: object, path: tuple[str | int, ...], message: str
) -> None:
    caught = fault(data)
    assert (caught.message, caught.path) == (message, ("when", *path))


KINDS = {"knocks": Kind.KNOCK, "third-party invites": Kind.THIRD_PARTY_INVITE, "redeemed invites": Kind.REDEEMED_INVITE}
JUDGES = {
    "user": "knocks and redeemed invites",
    "server": "knocks and redeemed invites",
    "local": "knocks and redeemed invites",
    "member_of": "knocks and redeemed invites",
    "member_of_managed": "knocks and redeemed invites",
    "reason_matches": "knocks",
    "reason_length_at_least": "knocks",
    "display_name_matches": "knocks",
    "has_avatar": "knocks",
    "lookalike": "knocks and redeemed invites",
    "rejected_before": "knocks and redeemed invites",
    "banned_before": "knocks and redeemed invites",
    "accepted_before": "knocks and redeemed invites",
    "knocks": "knocks",
    "knocks_from_server": "knocks",
    "same_reason": "knocks",
    "first_seen_at_least": "knocks and redeemed invites",
    "time": "knocks, third-party invites and redeemed invites",
    "pre_approved": "knocks and redeemed invites",
    "answer": "knocks",
    "answered": "knocks",
    "code": "knocks",
    "vouched": "knocks",
    "inviter": "third-party invites and redeemed invites",
    "inviter_power_at_least": "third-party invites and redeemed invites",
    "inviter_is_member": "third-party invites and redeemed invites",
    "invites_by_inviter": "third-party invites",
    "identity_server": "third-party invites and redeemed invites",
    "on_list": "knocks, third-party invites and redeemed invites",
}
"""What each criterion can judge, as a fault says it."""


@pytest.mark.parametrize("key", JUDGES)
@pytest.mark.parametrize("words", KINDS)
def test_a_criterion_is_asked_only_where_it_can_be_answered(key: str, words: str) -> None:
    data = {"any": [{key: ONE_OF_EACH[key]}]}
    kinds = frozenset({KINDS[words]})
    if words in JUDGES[key]:
        assert in_words(when(data, kinds).judge(KNOCK, FACTS).why)
    else:
        assert fault(data, kinds).message == f"{key} can judge {JUDGES[key]} only, and this rule is for {words}"


@pytest.mark.parametrize(
    ("key", "kinds", "judges", "rule_is_for"),
    [
        ("reason_matches", APPLICANTS, "knocks", "knocks and redeemed invites"),
        (
            "user",
            frozenset(Kind),
            "knocks and redeemed invites",
            "knocks, third-party invites and redeemed invites",
        ),
        ("inviter", KNOCKS | INVITES, "third-party invites and redeemed invites", "knocks and third-party invites"),
    ],
)
def test_a_rule_for_several_kinds_asks_what_can_be_answered_for_each(
    key: str, kinds: frozenset[Kind], judges: str, rule_is_for: str
) -> None:
    message = f"{key} can judge {judges} only, and this rule is for {rule_is_for}"
    assert fault({key: ONE_OF_EACH[key]}, kinds).message == message


@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        ({"user": "@*:a.b", "server": "a.b", "local": True, "rejected_before": True}, APPLICANTS),
        ({"inviter": "@*:a.b", "inviter_is_member": True, "identity_server": "a.b"}, INVITED),
    ],
)
def test_a_rule_for_two_kinds_may_ask_what_both_have(data: object, kinds: frozenset[Kind]) -> None:
    assert in_words(when(data, kinds).judge(KNOCK, FACTS).why)


def nested(depth: int) -> object:
    """A condition inside so many `not`."""
    return {"not": nested(depth - 1)} if depth else YES


def test_conditions_may_be_nested_but_not_without_end() -> None:
    assert judged(nested(MAX_DEPTH)).truth is Truth.TRUE
    assert fault(nested(MAX_DEPTH + 1)).message == "any, all and not are nested more than 8 deep"


def test_data_that_contains_itself_is_a_fault() -> None:
    loop: dict[str, object] = {}
    loop["not"] = loop
    assert "8 deep" in fault(loop).message


def test_each_row_of_the_table_stands_under_its_key_and_beside_the_combinations() -> None:
    assert not {*COMBINATIONS} & {*CRITERIA}
    assert [row.key for row in CRITERIA.values()] == list(CRITERIA)


# --- anything at all ------------------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(exclude_categories=()))
ONE_OF_EACH = {
    "user": ["@ana:*", "*"],
    "server": ["*.b", "a?"],
    "local": False,
    "member_of": ["#in:tulip.example", "#dark:tulip.example"],
    "member_of_managed": False,
    "reason_matches": [r"(\pL+\s?)+$", "a"],
    "reason_length_at_least": 5,
    "display_name_matches": "(?i)ana",
    "has_avatar": True,
    "lookalike": True,
    "rejected_before": {"times": 2, "within": "7d"},
    "banned_before": {"where": "managed"},
    "accepted_before": True,
    "knocks": {"more_than": 3, "within": "1d"},
    "knocks_from_server": {"more_than": 50, "within": "1h", "where": "managed"},
    "same_reason": {"more_than": 2, "within": "30d"},
    "first_seen_at_least": "7d",
    "time": {"days": ["mon", "sun"], "from": "22:00", "to": "07:00"},
    "pre_approved": True,
    "answer": {"question": 1, "matches": ["(?i)alice", "."]},
    "answered": True,
    "code": "choir",
    "vouched": {"by_at_least": 2, "power_at_least": 50},
    "inviter": ["@mod:*", "*"],
    "inviter_power_at_least": 50,
    "inviter_is_member": True,
    "invites_by_inviter": {"more_than": 5, "within": "1d"},
    "identity_server": ["id.example", "*.b"],
    "on_list": ["community", "other"],
}


ANY_INVITE = st.none() | st.builds(
    InviteFacts,
    inviter=ANY_TEXT,
    keys=st.lists(st.builds(IdentityKey, ANY_TEXT, st.none() | ANY_TEXT | ANY_TEXT.map("https://{}".format))).map(
        tuple
    ),
    power=st.none() | st.integers() | st.floats(),
    member=st.builds(Known, st.sampled_from(Truth), ANY_TEXT.map(foreign)),
    earlier=st.none() | st.lists(st.integers()).map(tuple),
)


@given(ANY_TEXT, ANY_TEXT, ANY_INVITE, st.sampled_from(sorted(ONE_OF_EACH)))
def test_no_applicant_makes_a_criterion_raise(user_id: str, reason: str, invite: InviteFacts | None, key: str) -> None:
    condition = when({key: ONE_OF_EACH[key]}, CRITERIA[key].kinds)
    finding = condition.judge(Knock("!r", user_id, "$e", reason), Facts("tulip.example", invite=invite))
    assert finding.truth in Truth
    assert in_words(finding.why)


def test_each_criterion_of_the_table_is_tried() -> None:
    assert set(ONE_OF_EACH) == set(CRITERIA) == set(JUDGES)


# --- how they show themselves, and what came of earlier requests ----------------------------------------------

DAY = 86_400_000


@pytest.mark.parametrize(
    ("data", "knock", "truth"),
    [
        ({"display_name_matches": "(?i)ana"}, replace(KNOCK, display_name="Ana of the tulips"), Truth.TRUE),
        ({"display_name_matches": "ana"}, replace(KNOCK, display_name="a\u200bna"), Truth.TRUE),
        ({"display_name_matches": ["x", "^Ana$"]}, replace(KNOCK, display_name="Ana"), Truth.TRUE),
        ({"display_name_matches": "ana"}, replace(KNOCK, display_name=None), Truth.FALSE),
        ({"has_avatar": True}, replace(KNOCK, has_avatar=True), Truth.TRUE),
        ({"has_avatar": True}, replace(KNOCK, has_avatar=False), Truth.FALSE),
        ({"has_avatar": False}, replace(KNOCK, has_avatar=False), Truth.TRUE),
    ],
)
def test_an_applicant_is_judged_by_what_they_show(data: object, knock: Knock, truth: Truth) -> None:
    assert when(data).judge(knock, FACTS).truth is truth


LEFT = foreign("I would do this for @alice:tulip.example, who is not in the room now.")
BY, CHRISTMAS = "@alice:tulip.example", 1_798_156_799_999


@pytest.mark.parametrize(
    ("found", "truth", "why"),
    [
        (None, Truth.UNKNOWN, "whether the user is pre-approved (not checked)"),
        (PreApproved(Truth.FALSE), Truth.FALSE, "user is not pre-approved"),
        (PreApproved(Truth.TRUE, BY), Truth.TRUE, f"user is pre-approved by {BY}"),
        (
            PreApproved(Truth.TRUE, BY, CHRISTMAS),
            Truth.TRUE,
            f"user is pre-approved by {BY} until 2026-12-24 23:59 UTC",
        ),
        (
            PreApproved(Truth.TRUE, BY, of_server=True),
            Truth.TRUE,
            f"everybody from tulip.example is pre-approved by {BY}",
        ),
        (
            PreApproved(Truth.TRUE, BY, CHRISTMAS, of_server=True),
            Truth.TRUE,
            f"everybody from tulip.example is pre-approved by {BY} until 2026-12-24 23:59 UTC",
        ),
        (
            PreApproved(Truth.FALSE, BY, why=LEFT),
            Truth.FALSE,
            (
                f"{BY} pre-approved the user, but this has no effect now "
                f"(I would do this for {BY}, who is not in the room now)"
            ),
        ),
        (PreApproved(Truth.FALSE, BY), Truth.FALSE, f"{BY} pre-approved the user, but this has no effect now"),
        (
            PreApproved(Truth.UNKNOWN, BY, why=foreign("no answer")),
            Truth.UNKNOWN,
            "whether the user is pre-approved (no answer)",
        ),
    ],
)
def test_an_approval_in_advance_counts_or_it_is_told_why_not(found: PreApproved | None, truth: Truth, why: str) -> None:
    facts = replace(FACTS, pre_approved=found)
    opposite = {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE}.get(truth, truth)

    assert told(when({"pre_approved": True}).judge(KNOCK, facts)) == Finding(truth, foreign(why))
    assert told(when({"pre_approved": False}).judge(KNOCK, facts)) == Finding(opposite, foreign(why))


HISTORY = (
    Past(State.REJECTED, 1 * DAY),
    Past(State.REJECTED, 6 * DAY),
    Past(State.REJECTED, 30 * DAY),
    Past(State.WITHDRAWN, 1 * DAY),
    Past(State.JOINED, 40 * DAY),
    Past(State.BANNED, 50 * DAY),
)


@pytest.mark.parametrize(
    ("data", "history", "truth"),
    [
        ({"rejected_before": True}, HISTORY, Truth.TRUE),
        ({"rejected_before": True}, (), Truth.FALSE),
        ({"rejected_before": False}, (), Truth.TRUE),
        ({"rejected_before": {"times": 2, "within": "7d"}}, HISTORY, Truth.TRUE),
        ({"rejected_before": {"times": 3, "within": "7d"}}, HISTORY, Truth.FALSE),
        ({"rejected_before": {"times": 3}}, HISTORY, Truth.TRUE),
        ({"rejected_before": {"within": "12h"}}, HISTORY, Truth.FALSE),
        ({"rejected_before": {"within": "1d"}}, HISTORY, Truth.TRUE),
        ({"banned_before": True}, HISTORY, Truth.TRUE),
        ({"banned_before": False}, HISTORY, Truth.FALSE),
        ({"banned_before": True}, HISTORY[:-1], Truth.FALSE),
        ({"banned_before": {"within": "49d"}}, HISTORY, Truth.FALSE),
        ({"banned_before": {"times": 2}}, HISTORY, Truth.FALSE),
        ({"banned_before": True}, None, Truth.UNKNOWN),
        ({"accepted_before": True}, HISTORY, Truth.TRUE),
        ({"accepted_before": True}, (Past(State.ACCEPTED, DAY),), Truth.TRUE),
        ({"accepted_before": True}, (Past(State.DECLINED, DAY),), Truth.TRUE),
        ({"accepted_before": True}, (Past(State.REJECTED, DAY),), Truth.FALSE),
        ({"accepted_before": {"within": "2w"}}, HISTORY, Truth.FALSE),
        ({"not": {"accepted_before": True}}, None, Truth.UNKNOWN),
        ({"rejected_before": False}, None, Truth.UNKNOWN),
    ],
)
def test_history_counts_outcomes_within_a_time(data: object, history: tuple[Past, ...] | None, truth: Truth) -> None:
    looked_up = {} if history is None else {Where.HERE: History(history)}
    assert when(data).judge(KNOCK, replace(FACTS, history=looked_up)).truth is truth


@pytest.mark.parametrize(
    ("data", "truth", "why"),
    [
        ({"banned_before": True}, Truth.FALSE, "user was never banned before"),
        ({"banned_before": {"where": "here"}}, Truth.FALSE, "user was never banned before"),
        (
            {"banned_before": {"where": "managed"}},
            Truth.TRUE,
            "user was banned 1 time before in the rooms managed from here",
        ),
        (
            {"not": {"rejected_before": {"times": 3, "within": "7d", "where": "managed"}}},
            Truth.TRUE,
            "user was rejected 2 times before in that time in the rooms managed from here",
        ),
        (
            {"accepted_before": {"within": "7d", "where": "managed"}},
            Truth.FALSE,
            "user was never accepted before in that time in the rooms managed from here",
        ),
    ],
)
def test_history_is_that_of_this_room_or_of_all_rooms_managed_from_here(data: object, truth: Truth, why: str) -> None:
    facts = replace(FACTS, history={Where.HERE: History(), Where.MANAGED: History(HISTORY)})
    assert told(when(data).judge(KNOCK, facts)) == Finding(truth, foreign(why))


def test_of_the_rooms_that_nobody_looked_at_nothing_is_known() -> None:
    facts = replace(FACTS, history={Where.HERE: History(HISTORY)})
    finding = told(when({"not": {"banned_before": {"where": "managed"}}}).judge(KNOCK, facts))
    assert finding == Finding(Truth.UNKNOWN, foreign("whether the user was banned before (not checked)"))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"rejected_before": "twice"}, 'expected true or false, found "twice"'),
        ({"rejected_before": {}}, "expected true, false, or times, within and where"),
        ({"rejected_before": {"times": 0}}, "0 times is always so; write false for never"),
        ({"rejected_before": {"times": True}}, "expected a whole number from 1 to 1000, found true"),
        ({"rejected_before": {"times": -1}}, "expected a whole number from 1 to 1000, found -1"),
        ({"rejected_before": {"within": 7}}, "expected a time such as 30m, 12h or 7d, found 7"),
        ({"rejected_before": {"within": "0d"}}, 'expected a time longer than zero, found "0d"'),
        ({"rejected_before": {"within": "7 d"}}, 'expected a time such as 30m, 12h or 7d, found "7 d"'),
        ({"banned_before": {"where": "everywhere"}}, 'unknown word "everywhere"; known: here, managed'),
        ({"banned_before": {"where": True}}, "expected one of here, managed, found true"),
        ({"rejected_before": {"time": 2}}, 'unknown key "time"; did you mean "times"?'),
        ({"member_of_managed": "#a:b.c"}, 'expected true or false, found "#a:b.c"'),
        ({"first_seen_at_least": 7}, "expected a time such as 30m, 12h or 7d, found 7"),
        ({"first_seen_at_least": True}, "expected a time such as 30m, 12h or 7d, found true"),
        ({"has_avatar": "no"}, 'expected true or false, found "no"'),
    ],
)
def test_a_mistake_in_these_is_named(data: object, message: str) -> None:
    assert fault(data).message == message


@pytest.mark.parametrize("data", [{"rejected_before": True}, {"any": [{"user": "@a:b"}, {"accepted_before": True}]}])
def test_history_is_needed_only_where_a_rule_asks_for_it(data: object) -> None:
    assert when(data).needs == (Need(Fact.HISTORY, "here"),)
    assert when({"user": "@a:b"}).needs == ()


@pytest.mark.parametrize(
    ("data", "needed"),
    [
        ({"inviter_power_at_least": 50}, True),
        ({"not": {"inviter_is_member": True}}, True),
        ({"any": [{"inviter": "*"}, {"inviter_power_at_least": 0}]}, True),
        ({"inviter": "@mod:*", "identity_server": "id.example"}, False),
    ],
)
def test_an_inviters_power_and_membership_are_needed_only_where_a_rule_asks_for_them(
    data: object, needed: bool
) -> None:
    assert set(when(data, INVITES).needs) == ({Need(Fact.INVITER)} if needed else set())


LOOKS_LIKE_HER = because("finding.lookalike_of", name=Letters("Alice"), user=User("@alice:tulip.example"))


@pytest.mark.parametrize(
    ("known", "truth", "why"),
    [
        (Known(Truth.TRUE, LOOKS_LIKE_HER), Truth.TRUE, "the name looks like Alice, the name of @alice:tulip.example"),
        (Known(Truth.TRUE), Truth.TRUE, "the name looks like the name of somebody with power in the room"),
        (Known(Truth.FALSE), Truth.FALSE, "the name does not look like the name of anybody with power in the room"),
        (
            Known(Truth.UNKNOWN, foreign("no answer")),
            Truth.UNKNOWN,
            "whether the name looks like the name of somebody with power in the room (no answer)",
        ),
        (None, Truth.UNKNOWN, "whether the name looks like the name of somebody with power in the room"),
    ],
)
def test_a_name_looks_like_that_of_somebody_with_power(known: Known | None, truth: Truth, why: str) -> None:
    facts = replace(FACTS, lookalike=known)
    assert told(when({"lookalike": True}).judge(KNOCK, facts)) == Finding(truth, foreign(why))
    opposite = {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}[truth]
    assert told(when({"lookalike": False}).judge(KNOCK, facts)) == Finding(opposite, foreign(why))
    assert when({"lookalike": True}).needs == (Need(Fact.LOOKALIKE),)


# --- who invited them -----------------------------------------------------------------------------------------


def found_of_invite(data: object, **changed: Any) -> Finding:
    """What the condition finds of the base third-party invite with something changed."""
    return told(when(data, INVITES).judge(KNOCK, replace(FACTS, invite=replace(INVITE, **changed))))


@pytest.mark.parametrize(
    ("inviter", "user_id", "truth", "why"),
    [
        ("@mod:tulip.example", "@mod:tulip.example", Truth.TRUE, 'inviter is "@mod:tulip.example"'),
        ("@*:tulip.example", "@mod:tulip.example", Truth.TRUE, 'inviter matches "@*:tulip.example"'),
        ("@Mod:tulip.example", "@mod:tulip.example", Truth.FALSE, 'inviter is not "@Mod:tulip.example"'),
        (["@a:b.c", "@d:e.f"], "@mod:tulip.example", Truth.FALSE, 'inviter is not "@a:b.c" or "@d:e.f"'),
    ],
)
def test_inviter_is_the_whole_id_to_the_letter(inviter: object, user_id: str, truth: Truth, why: str) -> None:
    assert found_of_invite({"inviter": inviter}, inviter=user_id) == Finding(truth, foreign(why))


@pytest.mark.parametrize(
    ("least", "power", "truth", "why"),
    [
        (50, 50, Truth.TRUE, "inviter has power level 50, not less than 50"),
        (50, 49, Truth.FALSE, "inviter has power level 49, less than 50"),
        (0, -1, Truth.FALSE, "inviter has power level -1, less than 0"),
        (-5, -5, Truth.TRUE, "inviter has power level -5, not less than -5"),
        (2**53 - 1, 100, Truth.FALSE, "inviter has power level 100, less than 9007199254740991"),
        (2**53 - 1, math.inf, Truth.TRUE, "inviter has an unlimited power level, not less than 9007199254740991"),
        pytest.param(50, 1 << 50_000, Truth.TRUE, "inviter has power level a huge number, not less than 50", id="huge"),
        (0, None, Truth.UNKNOWN, "what power level the inviter has"),
    ],
)
def test_the_inviters_power_is_the_one_they_have_now(least: int, power: float | None, truth: Truth, why: str) -> None:
    assert found_of_invite({"inviter_power_at_least": least}, power=power) == Finding(truth, foreign(why))


@pytest.mark.parametrize(
    ("wanted", "member", "truth", "why"),
    [
        (True, Known(Truth.TRUE), Truth.TRUE, "inviter is in the room"),
        (True, Known(Truth.FALSE), Truth.FALSE, "inviter is not in the room"),
        (False, Known(Truth.TRUE), Truth.FALSE, "inviter is in the room"),
        (False, Known(Truth.FALSE), Truth.TRUE, "inviter is not in the room"),
        (True, Known(Truth.UNKNOWN), Truth.UNKNOWN, "whether the inviter is in the room"),
        (False, Known(Truth.UNKNOWN, foreign("busy")), Truth.UNKNOWN, "whether the inviter is in the room (busy)"),
    ],
)
def test_whether_the_inviter_is_still_in_the_room(wanted: bool, member: Known, truth: Truth, why: str) -> None:
    assert found_of_invite({"inviter_is_member": wanted}, member=member) == Finding(truth, foreign(why))


FIVE_TODAY = (0, 1, 2, DAY - 1, DAY)


@pytest.mark.parametrize(
    ("data", "earlier", "truth", "why"),
    [
        (
            {"more_than": 5, "within": "1d"},
            FIVE_TODAY,
            Truth.TRUE,
            "inviter made 6 third-party invites in that time, more than 5",
        ),
        (
            {"more_than": 5, "within": "1d"},
            (*FIVE_TODAY[1:], DAY + 1),
            Truth.FALSE,
            "inviter made 5 third-party invites in that time, not more than 5",
        ),
        (
            {"more_than": 1, "within": "1h"},
            (DAY,),
            Truth.FALSE,
            "inviter made 1 third-party invite in that time, not more than 1",
        ),
        ({"more_than": 1}, (400 * DAY,), Truth.TRUE, "inviter made 2 third-party invites, more than 1"),
        ({"more_than": 1}, (), Truth.FALSE, "inviter made 1 third-party invite, not more than 1"),
        (
            {"more_than": 1},
            None,
            Truth.UNKNOWN,
            "how many third-party invites the inviter made (not checked)",
        ),
    ],
)
def test_the_invite_itself_counts_among_those_of_its_inviter(
    data: object, earlier: tuple[int, ...] | None, truth: Truth, why: str
) -> None:
    assert found_of_invite({"invites_by_inviter": data}, earlier=earlier) == Finding(truth, foreign(why))


# --- who vouches for the address ------------------------------------------------------------------------------


def keys(*urls: str | None) -> tuple[IdentityKey, ...]:
    """A key for each URL."""
    return tuple(IdentityKey("4l2zobi", url) for url in urls)


@pytest.mark.parametrize(
    ("servers", "urls", "truth", "why"),
    [
        ("id.example", ("https://id.example/isvalid",), Truth.TRUE, 'identity server is "id.example"'),
        (
            "ID.example",
            ("https://id.EXAMPLE:8090/a", "HTTPS://id.example?b"),
            Truth.TRUE,
            'identity server is "id.example"',
        ),
        (
            ["a.b", "*.example"],
            ("https://a.b", "https://id.example/"),
            Truth.TRUE,
            'identity server is "a.b"; identity server is "id.example"',
        ),
        ("[2001:db8::*]", ("https://[2001:DB8::1]:443/x",), Truth.TRUE, 'identity server is "[2001:db8::1]"'),
        (
            "id.example",
            ("https://evil.example/id.example",),
            Truth.FALSE,
            'identity server is "evil.example", not "id.example"',
        ),
        (
            ["id.example", "a.b"],
            ("https://id.example/", "https://id.example.evil.example/"),
            Truth.FALSE,
            'identity server is "id.example.evil.example", not "id.example" or "a.b"',
        ),
        ("*", (), Truth.FALSE, "the invite has no keys"),
        ("*", (None,), Truth.FALSE, "a key of the invite names no identity server, so it never expires"),
        (
            "*",
            ("https://id.example", ""),
            Truth.FALSE,
            "a key of the invite names no identity server, so it never expires",
        ),
        (
            "*",
            ("http://id.example/x",),
            Truth.FALSE,
            'a key of the invite has no plain https URL, but "http://id.example/x"',
        ),
        (
            "*",
            ("https://id.example@evil.example/",),
            Truth.FALSE,
            'a key of the invite has no plain https URL, but "https://id.example@evil.example/"',
        ),
    ],
)
def test_every_key_must_be_of_an_allowed_identity_server(
    servers: object, urls: tuple[str | None, ...], truth: Truth, why: str
) -> None:
    assert found_of_invite({"identity_server": servers}, keys=keys(*urls)) == Finding(truth, foreign(why))


@pytest.mark.parametrize("key", ["inviter", "inviter_power_at_least", "inviter_is_member", "identity_server"])
def test_of_an_invite_that_is_not_known_nothing_is_known(key: str) -> None:
    finding = when({"not": {key: ONE_OF_EACH[key]}}, INVITED).judge(KNOCK, FACTS)
    assert finding.truth is Truth.UNKNOWN
    assert "(the third-party invite is not known)" in in_words(finding.why)


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        (
            {"inviter": "mod"},
            ("inviter",),
            'expected a user ID or a glob for one ("@*:example.org"), found "mod"',
        ),
        (
            {"inviter_power_at_least": "50"},
            ("inviter_power_at_least",),
            'expected a power level, a whole number such as 50, found "50"',
        ),
        (
            {"inviter_power_at_least": True},
            ("inviter_power_at_least",),
            "expected a power level, a whole number such as 50, found true",
        ),
        (
            {"inviter_power_at_least": 2**53},
            ("inviter_power_at_least",),
            "expected a power level, a whole number such as 50, found 9007199254740992",
        ),
        (
            {"inviter_power_at_least": -(1 << 50_000)},
            ("inviter_power_at_least",),
            "expected a power level, a whole number such as 50, found a huge number",
        ),
        ({"inviter_is_member": "yes"}, ("inviter_is_member",), 'expected true or false, found "yes"'),
        (
            {"identity_server": ["id.example", "https://id.example"]},
            ("identity_server", 1),
            'expected a host without port, or a glob for one ("*.example.org"), found "https://id.example"',
        ),
        ({"invites_by_inviter": 5}, ("invites_by_inviter",), "expected keys and values, found 5"),
        ({"invites_by_inviter": {"within": "1d"}}, ("invites_by_inviter", "more_than"), "missing"),
        (
            {"invites_by_inviter": {"more_than": 0}},
            ("invites_by_inviter", "more_than"),
            "more than 0 is always so, as the invite itself counts",
        ),
        (
            {"invites_by_inviter": {"more_than": 5, "within": "a day"}},
            ("invites_by_inviter", "within"),
            'expected a time such as 30m, 12h or 7d, found "a day"',
        ),
        (
            {"invites_by_inviter": {"more_then": 5}},
            ("invites_by_inviter", "more_then"),
            'unknown key "more_then"; did you mean "more_than"?',
        ),
    ],
)
def test_a_mistake_about_inviters_is_told_where_it_is(data: object, path: tuple[str | int, ...], message: str) -> None:
    caught = fault(data, INVITES)
    assert (caught.message, caught.path) == (message, ("when", *path))


@pytest.mark.parametrize(
    ("user_id", "server", "local"),
    [
        ("@a:tulip.example", "tulip.example", True),
        ("@:tulip.example", "TULIP.example", True),
        ("@bridge_ghost:tulip.example", "tulip.example", True),
        ("@a:tulip.example:8448", "tulip.example", False),
        ("@a:EVIL.example:8448", "evil.example", False),
        ("@a:evil.example:8448", "*.example", False),
        ("@a:1.2.3.4:8448", "1.2.3.4", False),
        ("@a:[::1]:8448", "[::1]", False),
        ("@a:[::1]", "[::*]", False),
    ],
)
def test_server_compares_the_host_alone_and_local_the_whole_server_name(user_id: str, server: str, local: bool) -> None:
    assert judged({"server": server}, user_id=user_id).truth is Truth.TRUE
    assert judged({"local": True}, user_id=user_id).truth is (Truth.TRUE if local else Truth.FALSE)
