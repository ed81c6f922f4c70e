"""A rule that accepts and asks `lookalike` accepts no stranger: somebody whom nothing names and nobody vouches for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from knockbot.domain.criteria import AllOf, AnyOf, Not
from knockbot.domain.criteria.base import Condition
from knockbot.domain.model import (
    Brought,
    Facts,
    Finding,
    History,
    Knock,
    Known,
    Listed,
    Past,
    PreApproved,
    State,
    Truth,
    Vouched,
    Where,
)
from knockbot.domain.policy import Policy, parse_policy
from knockbot.domain.reasons import foreign
from knockbot.errors import Fault
from knockbot.times import DAY
from tests.domain.doors import FACTS, KNOCK

# --- how conditions combine, compared with what is tried out -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leaf(Condition):
    """A condition that names a person, or one of which a stranger can be either; it holds if its number is among the
    characters of the display name."""

    number: int
    naming: bool

    def vouches(self, *, negated: bool = False) -> bool:
        return self.naming and not negated

    def judge(self, knock: Knock, facts: Facts) -> Finding:  # noqa: ARG002 (as every condition is asked)
        holds = chr(self.number) in (knock.display_name or "")
        return Finding(Truth.TRUE if holds else Truth.FALSE, foreign(""))


MOST_LEAVES = 8


def _tree(shape: Any, leaves: list[Leaf]) -> Condition:
    """The condition of a drawn shape; each leaf is another one."""
    if isinstance(shape, bool):
        leaves.append(Leaf(len(leaves), shape))
        return leaves[-1]
    kind, shapes = shape
    parts = tuple(_tree(one, leaves) for one in shapes)
    if kind == "not":
        return Not(parts)
    return AllOf(parts) if kind == "all" else AnyOf(parts)


SHAPES = st.recursive(
    st.booleans(),
    lambda inner: st.tuples(st.sampled_from(["all", "any", "not"]), st.lists(inner, min_size=1, max_size=3)),
    max_leaves=MOST_LEAVES,
)


def _can_hold(condition: Condition, leaves: list[Leaf]) -> bool:
    """Slow: whether it holds for a stranger of some kind. Nothing names them; all else is tried both ways."""
    free = [leaf.number for leaf in leaves if not leaf.naming]
    for chosen in product((False, True), repeat=len(free)):
        name = "".join(chr(number) for number, yes in zip(free, chosen, strict=True) if yes)
        if condition.judge(replace(KNOCK, display_name=name), FACTS).truth is Truth.TRUE:
            return True
    return False


@settings(max_examples=300)
@given(SHAPES)
def test_conditions_vouch_exactly_if_they_hold_for_no_stranger(shape: object) -> None:
    leaves: list[Leaf] = []
    condition = _tree(shape, leaves)
    assert condition.vouches() is not _can_hold(condition, leaves)


# --- what a policy accepts, compared with strangers of every kind -------------------------------------------------

_CRITERIA: Mapping[str, Any] = {
    "lookalike": [True, False],
    "user": ["@*:tulip.example", "@*", "@q*:*", "@*:*d", ["@*:*a", "@*:*d"], "@*:*:8448", "@ana:tulip.example"],
    "server": ["*", "*.*", "s*", "*d", "*.example", ["*.org", "tulip.example"]],
    "local": [True, False],
    "member_of": ["#in:tulip.example", ["#in:tulip.example", "#out:tulip.example"]],
    "member_of_managed": [True, False],
    "accepted_before": [True, False, {"times": 1, "within": "7d"}],
    "rejected_before": [True, False],
    "pre_approved": [True, False],
    "code": [True, False, "choir"],
    "vouched": [True, False, {"by_at_least": 2}, {"power_at_least": 50}],
    "on_list": [True, "friends"],
    "first_seen_at_least": ["1m", "7d", "9999d"],
    "reason_matches": [".*", "botany"],
    "reason_length_at_least": [0, 1, 65_536],
    "display_name_matches": [".", "^$"],
    "has_avatar": [True, False],
    "time": [{"days": ["mon", "tue"]}, {"from": "08:00", "to": "20:00"}, {"from": "20:00", "to": "08:00"}],
}
_ONE = st.one_of(*(st.builds(lambda value, key=key: {key: value}, st.sampled_from(v)) for key, v in _CRITERIA.items()))
_WHENS = st.recursive(
    _ONE,
    lambda inner: st.one_of(
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=6,
)

FRIENDS = [{"room": "#friends:tulip.example", "name": "friends", "then": "none"}]

STRANGERS = st.builds(
    lambda reason, name, avatar: Knock("!garden:tulip.example", "@qwe:stranger.invalid", "$k", reason, name, avatar),
    st.sampled_from(["", "I like botany", "x" * 400]),
    st.sampled_from([None, "", "Mona Lisa"]),
    st.booleans(),
)
SEEN = st.builds(
    lambda alike, at, first_seen, past: Facts(
        home="tulip.example",
        at=at * DAY // 4,
        member_of={room: Known(Truth.FALSE) for room in ("#in:tulip.example", "#out:tulip.example")},
        in_managed=Known(Truth.FALSE),
        first_seen=first_seen,
        history={Where.HERE: History(tuple(Past(state, DAY) for state in past))},
        lookalike=Known(alike),
        lists={"friends": Listed(Truth.FALSE)},
        pre_approved=PreApproved(Truth.FALSE),
        code=Brought(Truth.FALSE),
        vouched=Vouched(),
    ),
    st.sampled_from([Truth.TRUE, Truth.FALSE]),
    st.integers(0, 40),
    st.sampled_from([0, DAY, 400 * DAY]),
    st.lists(st.sampled_from([State.REJECTED, State.WITHDRAWN, State.EXPIRED]), max_size=2),
)


def _accepting(when: object) -> Policy | None:
    """A policy that accepts if this holds, and `lookalike` is one way or another; `None` where it is refused."""
    alike = {"any": [{"lookalike": True}, {"lookalike": False}]}
    try:
        return parse_policy({"lists": FRIENDS, "rules": [{"when": {"all": [alike, when]}, "then": "accept"}]})
    except Fault:
        return None


@settings(max_examples=400)
@given(_WHENS, st.lists(st.tuples(STRANGERS, SEEN), min_size=5, max_size=5))
def test_no_rule_that_asks_for_the_likeness_of_a_name_accepts_a_stranger(
    when: object, strangers: list[tuple[Knock, Facts]]
) -> None:
    policy = _accepting(when)
    if policy is not None:
        for knock, facts in strangers:
            assert policy.rules[0].when.judge(knock, facts).truth is not Truth.TRUE


def test_rules_of_both_kinds_are_tried() -> None:
    assert _accepting({"any": [{"local": True}, {"server": "*.example"}]}) is not None
    assert _accepting({"any": [{"local": True}, {"local": False}]}) is None
