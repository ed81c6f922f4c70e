"""Policy lists of a policy: they decide before every rule, explain themselves, and each mistake in them is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.documents.schema import each
from knockbot.domain.judgements import decode, encode
from knockbot.domain.listed import MAX_LISTS, ListThen, PolicyList
from knockbot.domain.model import Decision, Fact, Facts, Kind, Listed, Truth, Verdict
from knockbot.domain.notices import notice
from knockbot.domain.policy import SETTINGS, Policy, changed_settings, decide, parse_policy
from knockbot.domain.reasons import foreign, in_words
from knockbot.errors import Fault
from tests.domain.doors import FACTS, INVITE, KNOCK

HIT = Listed(Truth.TRUE, "@ana:*", "spam <b>")
CLEAR = Listed(Truth.FALSE)
DARK = Listed(Truth.UNKNOWN, why=foreign("it was not read yet"))

EVERYBODY: dict[str, Any] = {
    "rules": [{"name": "all", "for": list(Kind), "when": {"on_list": "quiet"}, "then": "reject"}],
    "otherwise": "accept",
    "otherwise_third_party": "accept",
}


def policy(*thens: str) -> Policy:
    """A policy that accepts everybody, with lists called `one`, `two` … of these consequences."""
    lists: list[dict[str, Any]] = [
        {"room": f"#{name}:tulip.example", "then": then}
        for name, then in zip(("one", "two", "three"), thens, strict=False)
    ]
    return parse_policy({**EVERYBODY, "lists": [*lists, {"room": "#quiet:tulip.example", "then": "none"}]})


def decided(by: Policy, kind: Kind = Kind.KNOCK, /, **lists: Listed) -> Decision:
    """What a policy says of the base knock, who stands so on its lists."""
    known = {one.name: CLEAR for one in by.lists} | lists
    return decide(KNOCK, replace(FACTS, lists=known, invite=INVITE), by, kind)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("then", [ListThen.BAN, ListThen.REJECT, ListThen.FORWARD])
def test_an_entry_decides_before_every_rule(then: ListThen, kind: Kind) -> None:
    found = decided(policy(then), kind, one=HIT, quiet=HIT)
    assert (found.verdict, found.rule, found.missed, found.reason, found.told) == (
        Verdict(then.value),
        "list one",
        (),
        None,
        None,
    )
    assert found.found is not None
    assert in_words(found.found) == 'on list "one", by its entry "@ana:*" (spam <b>)'


@pytest.mark.parametrize(
    ("lists", "verdict", "rule"),
    [
        ({}, Verdict.ACCEPT, "otherwise"),
        ({"one": HIT}, Verdict.REJECT, "list one"),
        ({"two": HIT}, Verdict.BAN, "list two"),
        ({"one": HIT, "two": HIT}, Verdict.REJECT, "list one"),
        ({"one": DARK, "two": HIT}, Verdict.FORWARD, "list one"),
        ({"one": HIT, "two": DARK}, Verdict.REJECT, "list one"),
        ({"two": DARK}, Verdict.FORWARD, "list two"),
        ({"quiet": HIT}, Verdict.REJECT, "all"),
        ({"quiet": DARK}, Verdict.FORWARD, "all"),
    ],
)
def test_lists_decide_in_their_order_and_one_that_is_not_known_ends_the_search(
    lists: dict[str, Listed], verdict: Verdict, rule: str
) -> None:
    found = decided(policy("reject", "ban"), Kind.KNOCK, **lists)
    assert (found.verdict, found.rule) == (verdict, rule)
    assert (found.unknown is not None) is (verdict is Verdict.FORWARD)


@given(st.lists(st.sampled_from(["ban", "reject", "forward"]), min_size=1, max_size=3), st.data())
def test_whoever_may_be_listed_is_not_accepted(thens: list[str], data: st.DataObject) -> None:
    by = policy(*thens)
    known = data.draw(st.dictionaries(st.sampled_from([one.name for one in by.lists]), st.sampled_from([HIT, DARK])))
    facts = replace(FACTS, lists=known, invite=INVITE)  # what is left out was never looked up
    for kind in Kind:
        assert decide(KNOCK, facts, by, kind).verdict is not Verdict.ACCEPT


def test_a_server_that_the_room_denies_is_rejected_as_ever() -> None:
    assert decide(KNOCK, replace(FACTS, denied=True), policy("ban")).rule == "server_acl"


@pytest.mark.parametrize(
    ("when", "lists", "verdict", "why"),
    [
        ({"on_list": "one"}, {"one": HIT}, Verdict.REJECT, None),
        ({"on_list": ["one", "two"]}, {"two": HIT}, Verdict.REJECT, None),
        ({"on_list": True}, {"two": HIT}, Verdict.REJECT, None),
        ({"on_list": True}, {"one": DARK, "two": HIT}, Verdict.REJECT, None),
        ({"on_list": True}, {}, Verdict.ACCEPT, None),
        ({"on_list": "one"}, {"two": HIT}, Verdict.ACCEPT, None),
        ({"not": {"on_list": "one"}}, {"two": HIT}, Verdict.REJECT, None),
        ({"on_list": "one"}, {"one": DARK}, Verdict.FORWARD, 'whether they are on list "one" (it was not read yet)'),
        ({"on_list": True}, {"one": DARK}, Verdict.FORWARD, 'whether they are on list "one" (it was not read yet)'),
        (
            {"not": {"on_list": True}},
            {"one": DARK},
            Verdict.FORWARD,
            'whether they are on list "one" (it was not read yet)',
        ),
    ],
)
def test_a_rule_can_ask_about_a_list(
    when: dict[str, object], lists: dict[str, Listed], verdict: Verdict, why: str | None
) -> None:
    named = [{"room": f"#{name}:tulip.example", "then": "none"} for name in ("one", "two")]
    by = parse_policy({"rules": [{"when": when, "then": "reject"}], "otherwise": "accept", "lists": named})
    found = decided(by, Kind.KNOCK, **lists)
    assert found.verdict is verdict
    assert (in_words(found.unknown) if found.unknown else None) == why


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        (HIT, 'on list "one", by its entry "@ana:*" (spam <b>)'),
        (Listed(Truth.TRUE, "@ana:*"), 'on list "one", by its entry "@ana:*"'),
        (Listed(Truth.TRUE), 'on list "one"'),
    ],
)
def test_a_hit_says_by_which_entry(listed: Listed, why: str) -> None:
    found = decided(policy("ban"), one=listed).found
    assert found is not None
    assert in_words(found) == why


def test_whether_lists_name_somebody_is_found_out_for_every_kind_of_request() -> None:
    by = policy("ban")
    for kind in Kind:
        assert by.only(kind).needed[Fact.LISTED] == ("one", "quiet")


def test_what_the_lists_may_decide_takes_the_power_for_it() -> None:
    assert policy("ban", "none").verdicts == {Verdict.BAN, Verdict.ACCEPT, Verdict.REJECT}
    assert Verdict.BAN not in policy("none").verdicts


def test_a_list_is_called_as_its_alias_and_bans_unless_said_otherwise() -> None:
    [one, two, three] = parse_policy(
        {
            "lists": [
                {"room": "#bans:community.example"},
                {"room": "!abc:x.example", "then": "none"},
                {
                    "room": "https://matrix.to/#/!hash?via=a.example&via=b.example",
                    "name": "far",
                    "allow_everything": True,
                },
            ]
        }
    ).lists
    assert one == PolicyList("#bans:community.example", "bans")
    assert two == PolicyList("!abc:x.example", "abc", ListThen.NONE)
    assert three == PolicyList("!hash", "far", allow_everything=True, via=("a.example", "b.example"))


def test_lists_are_settings_that_are_stored_and_read_back() -> None:
    by = policy("ban", "forward")
    assert SETTINGS.decode(SETTINGS.encode(by.settings)) == by.settings
    assert changed_settings(parse_policy({}), parse_policy({"lists": [{"room": "#one:tulip.example"}]})) == [
        ("lists", notice("setting.none"), "one (#one:tulip.example, ban)")
    ]


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ("#bans:a.b", 'lists: expected a list, found "#bans:a.b"'),
        (None, 'lists: expected a list, found nothing (in YAML, text that begins with "#" needs quotes)'),
        ([5], "lists.#1: expected keys and values, found 5"),
        (["#bans:a.b"], 'lists.#1: expected keys and values, found "#bans:a.b"'),
        ([{}], "lists.#1.room: missing"),
        ([{"room": "bans"}], 'lists.#1.room: expected a room ID or alias, found "bans"'),
        ([{"room": 7}], "lists.#1.room: expected text, found 7: put it in quotes"),
        (
            [{"room": None}],
            'lists.#1.room: expected text, found nothing (in YAML, text that begins with "#" needs quotes)',
        ),
        (
            [{"room": "#a:b.c", "then": "accept"}],
            'lists.#1.then: unknown word "accept"; known: ban, reject, forward, none',
        ),
        ([{"room": "#a:b.c", "then": True}], "lists.#1.then: expected one of ban, reject, forward, none, found true"),
        ([{"room": "#a:b.c", "name": ""}], "lists.#1.name: expected text, found none"),
        ([{"room": "#a:b.c", "name": "\u200b"}], "lists.#1.name: expected text, found none"),
        ([{"room": "#a:b.c", "name": "x" * 61}], "lists.#1.name: too long: 61 characters, at most 60"),
        (
            [{"room": "#a:b.c", "name": "true"}],
            'lists.#1.name: "true" would be taken for something else; choose another name',
        ),
        ([{"room": "#a:b.c", "nam": "x"}], 'lists.#1.nam: unknown key "nam"; did you mean "name"?'),
        (
            [{"room": "#a:b.c", "allow_everything": "yes"}],
            'lists.#1.allow_everything: expected true or false, found "yes"',
        ),
        (
            [{"room": "#a:b.c"}, {"room": "#a:d.e"}],
            'lists.#2.name: another list has the same name "a"; choose another one',
        ),
        (
            [{"room": "#a:b.c", "name": "One"}, {"room": "#a:d.e", "name": "one"}],
            'lists.#2.name: another list has the same name "one"; choose another one',
        ),
        ([{"room": "#a:b.c"}, {"room": "#a:b.c", "name": "b"}], "lists.#2.room: another list has the same room"),
        ([{"room": f"#a{n}:b.c"} for n in range(MAX_LISTS + 1)], f"lists: too many lists, at most {MAX_LISTS}"),
    ],
)
def test_each_mistake_in_the_lists_is_named(lists: object, message: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_policy({"lists": lists})
    assert each(caught.value)[0].message == message


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"on_list": "other"}, 'rule #1: when.on_list: unknown list "other"; known: a'),
        (
            {"not": {"any": [{"on_list": ["a", "other"]}]}},
            'rule #1: when.not.any.#1.on_list.#2: unknown list "other"; known: a',
        ),
        ({"on_list": False}, "rule #1: when.on_list: expected the name of a list, or true, found false"),
        ({"on_list": ""}, 'rule #1: when.on_list: expected the name of a list, or true, found ""'),
        ({"on_list": []}, "rule #1: when.on_list: the list is empty"),
    ],
)
def test_a_rule_can_ask_only_about_lists_of_its_policy(data: object, message: str) -> None:
    with pytest.raises(Fault) as caught:
        parse_policy({"rules": [{"when": data, "then": "reject"}], "lists": [{"room": "#a:b.c"}]})
    assert each(caught.value)[0].message == message


def test_a_rule_can_ask_about_no_list_where_the_policy_has_none() -> None:
    for value in ("a", True):
        with pytest.raises(Fault, match="the policy has no lists"):
            parse_policy({"rules": [{"when": {"on_list": value}, "then": "reject"}]})


def test_no_rule_is_called_as_a_list() -> None:
    with pytest.raises(Fault, match="would be taken for something else"):
        parse_policy({"rules": [{"name": "list one", "when": {"local": True}, "then": "reject"}]})


def test_what_hit_is_stored_in_few_characters() -> None:
    many = {
        f"{number}" + "\U0001f600" * 59: Listed(Truth.TRUE, "\U0001f600" * 120, "\u202e" * 100) for number in range(10)
    }
    stored = encode(Facts("tulip.example", lists=many))
    assert len(stored) < 2500
    assert all(listed.truth is Truth.TRUE for listed in decode(stored).lists.values())
