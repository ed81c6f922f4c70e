"""Several policies that decide in one room are one: own rules first, and what each of them says keeps its origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.domain.judgements import decode, encode
from knockbot.domain.layers import CONFIG_FILE, Part, composed, composed_settings, ends, of_room
from knockbot.domain.model import Decision, Facts, Kind, Known, Listed, Miss, Origin, Truth, Verdict
from knockbot.domain.policy import SETTINGS, SETTINGS_KEYS, Policy, RoomSettings, decide, parse_policy
from knockbot.domain.reasons import foreign
from tests.domain.doors import FACTS, KNOCK, NO, UNKNOWN, WHY_NO, WHY_UNKNOWN, YES, decision_told

ROOM, SPACE, ABOVE = KNOCK.room_id, "!space:tulip.example", "!above:tulip.example"
DEFAULT = ""

TOWN = Origin(SPACE, "Town")
COUNTRY = Origin(ABOVE, "Country")
BY_DEFAULT = Origin(DEFAULT, CONFIG_FILE)
NAMES = {ROOM: "Garden", SPACE: "Town", ABOVE: "Country", DEFAULT: CONFIG_FILE}


def policy(**data: Any) -> Policy:
    """What a text says."""
    return parse_policy(data)


def rule(when: Any, then: str, **more: Any) -> dict[str, Any]:
    """One rule."""
    return {"when": when, "then": then, **more}


def together(**policies: Policy) -> Policy:
    """The policies of the room, the space, the space above that, and the config file, as far as they are given."""
    places = {"room": ROOM, "space": SPACE, "above": ABOVE, "default": DEFAULT}
    parts = [
        Part(places[name], NAMES[places[name]], of_room(said, places[name]) if places[name] else said)
        for name, said in policies.items()
    ]
    return composed(ROOM, parts)


def decided(policies: Mapping[str, Policy], kind: Kind = Kind.KNOCK, facts: Facts = FACTS) -> Decision:
    """What they say of the base knock."""
    return decision_told(decide(KNOCK, facts, together(**policies), kind))


# --- what a policy sets ---------------------------------------------------------------------------------------

SAID: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "nothing": ({}, ()),
    "rules alone": ({"rules": [rule(YES, "accept")]}, ()),
    "another value": ({"otherwise": "ban"}, ("otherwise",)),
    "the default's own value": ({"otherwise": "forward"}, ("otherwise",)),
    "no one": ({"call": []}, ("call",)),
    "inherit": ({"inherit": True}, ("inherit",)),
    "several": ({"language": "de", "reasons": "shown", "stale_after": "3d"}, ("reasons", "stale_after", "language")),
}


@pytest.mark.parametrize(("data", "said"), SAID.values(), ids=SAID)
def test_a_policy_knows_what_it_sets_even_where_that_is_the_default(
    data: dict[str, Any], said: tuple[str, ...]
) -> None:
    assert parse_policy(data).said == said


@pytest.mark.parametrize(("data", "said"), SAID.values(), ids=SAID)
def test_what_a_policy_sets_is_stored_with_its_settings(data: dict[str, Any], said: tuple[str, ...]) -> None:
    settings = parse_policy(data).settings
    stored = SETTINGS.decode(SETTINGS.encode(settings))

    assert (stored, stored.said) == (settings, said)


# --- settings -------------------------------------------------------------------------------------------------

OWN, SPACES, DEFAULTS = {"reasons": "hidden"}, {"reasons": "shown", "call": ["@mod:a.example"]}, {"language": "de"}

SETTINGS_TABLE: dict[str, tuple[list[dict[str, Any]], str, object]] = {
    "own first": ([OWN, SPACES], "reasons", "hidden"),
    "the space's where the room sets none": ([OWN, SPACES], "call", ("@mod:a.example",)),
    "the built-in default where neither sets one": ([OWN, SPACES], "language", None),
    "an own value that is the default hides the space's": ([{"call": []}, SPACES], "call", ()),
    "the space above, where room and space set none": ([OWN, {}, {"announce": "none"}], "announce", "none"),
    "the config file's, where all others inherit": ([OWN, {}, DEFAULTS], "language", "de"),
    "otherwise as well": ([OWN, {"otherwise": "reject"}], "otherwise", "reject"),
    "alone": ([OWN], "reasons", "hidden"),
}


@pytest.mark.parametrize(("layers", "key", "value"), SETTINGS_TABLE.values(), ids=SETTINGS_TABLE)
def test_a_setting_is_that_of_the_first_policy_that_sets_it(
    layers: list[dict[str, Any]], key: str, value: object
) -> None:
    assert getattr(composed_settings([parse_policy(layer).settings for layer in layers]), key) == value


def test_whether_more_follows_is_said_by_each_policy_for_itself() -> None:
    assert not composed_settings([policy(otherwise="ban"), policy(inherit=True)]).inherit
    assert composed_settings([policy(inherit=True), policy(otherwise="ban")]).inherit
    assert (ends([]), ends([policy()]), ends([policy(inherit=True)])) == (False, True, False)
    assert ends([policy(inherit=True), policy()])


KEYS_SET = ("otherwise", "announce", "reasons", "stale_after", "language", "call", "inviter_left")

KEYS = st.fixed_dictionaries(
    {},
    optional={
        "otherwise": st.sampled_from(["accept", "forward", "reject", "ban"]),
        "announce": st.sampled_from(["line", "none"]),
        "reasons": st.sampled_from(["shown", "hidden"]),
        "stale_after": st.sampled_from(["1d", "30d"]),
        "language": st.sampled_from(["en", "de"]),
        "call": st.sampled_from([[], ["@mod:a.example"]]),
    },
)


@given(st.lists(KEYS, min_size=1, max_size=4))
def test_of_settings_each_comes_from_the_layer_that_is_named_as_its_origin(layers: list[dict[str, Any]]) -> None:
    read = [parse_policy(layer).settings for layer in layers]
    whole = composed_settings(read)

    for key in SETTINGS_KEYS:
        expected = next((layer for layer in read if key in layer.said), read[-1])
        assert key == "inherit" or getattr(whole, key) == getattr(expected, key)
    assert {*whole.said} == {key for layer in read for key in layer.said}

    parts = [Part(f"!{place}", f"{place}", parse_policy(layer)) for place, layer in enumerate(layers)]
    for key in KEYS_SET:
        setter = next((place for place, layer in enumerate(read) if key in layer.said), len(read) - 1)
        assert composed("", parts).set_in[key] == f"!{setter}"


# --- rules ----------------------------------------------------------------------------------------------------

BANS, ACCEPTS = policy(rules=[rule(YES, "ban")]), policy(rules=[rule(YES, "accept", name="ours")])
MISSES, UNSURE = policy(rules=[rule(NO, "ban")]), policy(rules=[rule(UNKNOWN, "accept")])
REJECTS, EMPTY = policy(otherwise="reject"), policy()

DECIDED: dict[str, tuple[dict[str, Policy], Decision]] = {
    "own alone": ({"room": BANS}, Decision(Verdict.BAN, "#1")),
    "the default alone": ({"default": BANS}, Decision(Verdict.BAN, "#1")),
    "the space's, where the room has none": ({"space": ACCEPTS}, Decision(Verdict.ACCEPT, "ours", origin=TOWN)),
    "own before the space's": ({"room": BANS, "space": ACCEPTS}, Decision(Verdict.BAN, "#1")),
    "the space's after own": (
        {"room": MISSES, "space": ACCEPTS},
        Decision(Verdict.ACCEPT, "ours", missed=(Miss("#1", foreign(WHY_NO)),), origin=TOWN),
    ),
    "numbers count in each policy by itself": (
        {"room": MISSES, "space": MISSES, "above": BANS},
        Decision(
            Verdict.BAN,
            "#1",
            missed=(Miss("#1", foreign(WHY_NO)), Miss("#1", foreign(WHY_NO), TOWN)),
            origin=COUNTRY,
        ),
    ),
    "an unknown rule of the space's": (
        {"room": EMPTY, "space": UNSURE, "above": BANS},
        Decision(Verdict.FORWARD, "#1", unknown=foreign(WHY_UNKNOWN), origin=TOWN),
    ),
    "an unknown own rule ends the search": (
        {"room": UNSURE, "space": BANS},
        Decision(Verdict.FORWARD, "#1", unknown=foreign(WHY_UNKNOWN)),
    ),
    "own otherwise after all rules": (
        {"room": REJECTS, "space": MISSES},
        Decision(Verdict.REJECT, "otherwise", missed=(Miss("#1", foreign(WHY_NO), TOWN),)),
    ),
    "the space's otherwise": ({"room": EMPTY, "space": REJECTS}, Decision(Verdict.REJECT, "otherwise", origin=TOWN)),
    "the last one's default, as it is there": (
        {"room": EMPTY, "space": EMPTY},
        Decision(Verdict.FORWARD, "otherwise", origin=TOWN),
    ),
    "the rules of the config file at the end": (
        {"room": EMPTY, "default": BANS},
        Decision(Verdict.BAN, "#1", origin=BY_DEFAULT),
    ),
    "the otherwise of the config file at the end": (
        {"room": EMPTY, "space": EMPTY, "default": REJECTS},
        Decision(Verdict.REJECT, "otherwise", origin=BY_DEFAULT),
    ),
}


@pytest.mark.parametrize(("policies", "expected"), DECIDED.values(), ids=DECIDED)
def test_the_first_rule_of_all_decides_and_says_where_it_is_from(
    policies: dict[str, Policy], expected: Decision
) -> None:
    assert decided(policies) == expected


def test_a_third_party_invite_goes_by_the_key_for_invites_wherever_that_is_set() -> None:
    said = policy(otherwise_third_party="reject")

    assert decided({"room": REJECTS, "space": said}, Kind.THIRD_PARTY_INVITE) == Decision(
        Verdict.REJECT, "otherwise", origin=TOWN
    )
    assert decided({"room": said, "space": REJECTS}, Kind.THIRD_PARTY_INVITE) == Decision(Verdict.REJECT, "otherwise")


def test_a_policy_that_only_inherits_decides_as_none_would() -> None:
    only = policy(inherit=True)
    for name in ("space", "default"):
        alone, after = decided({name: MISSES}), decided({"room": only, name: MISSES})
        assert (after.verdict, after.rule) == (alone.verdict, alone.rule)


def test_denied_servers_are_rejected_before_every_policy() -> None:
    assert decided({"room": EMPTY, "space": ACCEPTS}, facts=replace(FACTS, denied=True)).rule == "server_acl"


# --- names ----------------------------------------------------------------------------------------------------

STAFF = "#staff:tulip.example"
BY_NAME = policy(rules=[rule({"member_of": STAFF}, "accept")])


def staff(truth: Truth, **elsewhere: Truth) -> Facts:
    """Whether they are in the room that the name means in the room's own policy, and in those of others."""
    facts = replace(FACTS, member_of={STAFF: Known(truth)})
    places = {"space": SPACE, "above": ABOVE}
    return facts.with_others(
        {places[name]: replace(facts, member_of={STAFF: Known(there)}) for name, there in elsewhere.items()}
    )


@pytest.mark.parametrize(
    ("facts", "verdict", "origin"),
    [
        (staff(Truth.TRUE, space=Truth.FALSE), Verdict.ACCEPT, None),
        (staff(Truth.FALSE, space=Truth.TRUE), Verdict.ACCEPT, TOWN),
        (staff(Truth.FALSE, space=Truth.FALSE), Verdict.FORWARD, TOWN),
        (staff(Truth.UNKNOWN, space=Truth.TRUE), Verdict.FORWARD, None),
        (staff(Truth.FALSE, space=Truth.UNKNOWN), Verdict.FORWARD, TOWN),
        (staff(Truth.FALSE), Verdict.FORWARD, TOWN),
    ],
)
def test_a_name_means_in_each_policy_what_it_means_there(facts: Facts, verdict: Verdict, origin: Origin | None) -> None:
    decision = decided({"room": BY_NAME, "space": BY_NAME}, facts=facts)

    assert (decision.verdict, decision.origin) == (verdict, origin)


def test_what_is_found_out_later_holds_for_the_rules_of_all_policies() -> None:
    facts = replace(staff(Truth.FALSE, space=Truth.TRUE), words_gone=True)

    assert facts.seen_from(SPACE).words_gone
    assert facts.seen_from(ROOM) is facts


@pytest.mark.parametrize(
    "facts",
    [FACTS, staff(Truth.TRUE, space=Truth.FALSE), staff(Truth.TRUE, space=Truth.FALSE, above=Truth.UNKNOWN)],
)
def test_facts_of_several_policies_are_read_as_they_were_stored(facts: Facts) -> None:
    assert decode(encode(facts)) == facts


def test_facts_that_are_the_same_everywhere_are_stored_once() -> None:
    same = FACTS.with_others({SPACE: FACTS})

    assert same == FACTS
    assert encode(same) == encode(FACTS)


# --- policy lists ---------------------------------------------------------------------------------------------

BAD = "!bad:tulip.example"


def listing(then: str) -> Policy:
    """A policy with a list, which lets everybody else in."""
    return policy(lists=[{"room": BAD, "name": "bad", "then": then}], otherwise="accept")


def on_list(truth: Truth, *, space: Truth | None = None) -> Facts:
    """Whether they are on the list of that name in the room's own policy, and in that of its space."""
    facts = replace(FACTS, lists={"bad": Listed(truth)})
    return facts.with_others({SPACE: replace(facts, lists={"bad": Listed(space or truth)})})


@pytest.mark.parametrize(
    ("policies", "facts", "expected"),
    [
        ({"room": ACCEPTS, "space": listing("ban")}, on_list(Truth.FALSE, space=Truth.TRUE), (Verdict.BAN, TOWN)),
        (
            {"room": listing("reject"), "space": listing("ban")},
            on_list(Truth.FALSE, space=Truth.TRUE),
            (Verdict.BAN, TOWN),
        ),
        ({"room": listing("reject"), "space": listing("ban")}, on_list(Truth.TRUE), (Verdict.REJECT, None)),
        (
            {"room": ACCEPTS, "space": listing("ban")},
            on_list(Truth.FALSE, space=Truth.UNKNOWN),
            (Verdict.FORWARD, TOWN),
        ),
        ({"room": ACCEPTS, "space": listing("ban")}, FACTS, (Verdict.FORWARD, TOWN)),
        ({"room": listing("ban"), "space": ACCEPTS}, on_list(Truth.FALSE), (Verdict.ACCEPT, TOWN)),
    ],
)
def test_the_lists_of_all_policies_come_before_the_rules_of_each(
    policies: dict[str, Policy], facts: Facts, expected: tuple[Verdict, Origin | None]
) -> None:
    decision = decided(policies, facts=facts)

    assert (decision.verdict, decision.origin) == expected


def test_lists_add_up() -> None:
    more = policy(lists=[{"room": "!worse:tulip.example", "name": "worse"}])
    whole = together(room=listing("ban"), space=more)

    assert [(one.name, one.origin) for one in whole.lists] == [("bad", ROOM), ("worse", SPACE)]
    assert [one.name for one in composed_settings([listing("ban"), more]).lists] == ["bad", "worse"]


# --- what is one policy only ----------------------------------------------------------------------------------


def test_a_policy_that_decides_alone_is_taken_as_it_is() -> None:
    mine = of_room(BANS, ROOM)

    assert composed(ROOM, [Part(ROOM, "Garden", mine)]) is mine
    assert composed(ROOM, [Part(DEFAULT, "", BANS)]) is BANS


def test_the_rules_of_policies_are_shared_and_not_compiled_again() -> None:
    mine, theirs = of_room(BANS, ROOM), of_room(ACCEPTS, SPACE)
    whole = composed(ROOM, [Part(ROOM, "Garden", mine), Part(SPACE, "Town", theirs)])

    assert [id(rule) for rule in whole.rules] == [id(rule) for rule in (*mine.rules, *theirs.rules)]


def test_settings_alone_are_no_policy() -> None:
    assert type(together(room=BANS, space=REJECTS).settings) is RoomSettings
