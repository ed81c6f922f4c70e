"""What a rule can ask about a request: the table of criteria, and how a `when` combines them.

To add a criterion: write a `Condition` and its reader in the file of its subject, and give it a row in `CRITERIA`; say
which facts it needs (`needs`), and if one is new, give it a row in `flow/judging.py:GATHER`, or in the row of its
feature; then describe it in the policy reference.
"""

# ruff: noqa: ARG002 (every condition is asked in the same way, whether it looks at the facts or not)

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from knockbot.documents.reading import Path, items, mapping, unknown_word
from knockbot.domain.criteria import (
    answers,
    applicants,
    approvals,
    codes,
    counts,
    history,
    inviters,
    lists,
    moments,
    vouches,
)
from knockbot.domain.criteria.base import (
    ANYBODY,
    APPLICANTS,
    INVITED,
    INVITES,
    KNOCKS,
    Condition,
    Criterion,
    all_hold,
    one_holds,
    opposite,
)
from knockbot.domain.model import Fact, Facts, Finding, Kind, Knock, Need, State, Truth
from knockbot.domain.notices import because
from knockbot.errors import Fault

MAX_DEPTH = 8
"""How deep `any`, `all` and `not` may be nested."""

CRITERIA: Mapping[str, Criterion] = {
    row.key: row
    for row in (
        Criterion("user", APPLICANTS, applicants.read_user),
        Criterion("server", APPLICANTS, applicants.read_server),
        Criterion("local", APPLICANTS, applicants.read_local),
        Criterion("member_of", APPLICANTS, applicants.read_member_of),
        Criterion("member_of_managed", APPLICANTS, applicants.read_member_of_managed),
        Criterion("reason_matches", KNOCKS, applicants.read_reason_matches),
        Criterion("reason_length_at_least", KNOCKS, applicants.read_reason_length),
        Criterion("display_name_matches", KNOCKS, applicants.read_display_name),
        Criterion("has_avatar", KNOCKS, applicants.read_has_avatar),
        Criterion("lookalike", APPLICANTS, applicants.read_lookalike),
        Criterion("rejected_before", APPLICANTS, history.came_to_pass("rejected", State.REJECTED)),
        Criterion("banned_before", APPLICANTS, history.came_to_pass("banned", State.BANNED)),
        Criterion(
            "accepted_before",
            APPLICANTS,
            history.came_to_pass("accepted", State.ACCEPTED, State.JOINED, State.DECLINED),
        ),
        Criterion("knocks", KNOCKS, counts.more_than(Fact.KNOCKS)),
        Criterion("knocks_from_server", KNOCKS, counts.more_than(Fact.SERVER_KNOCKS)),
        Criterion("same_reason", KNOCKS, counts.more_than(Fact.SAME_REASON)),
        Criterion("first_seen_at_least", APPLICANTS, history.read_first_seen),
        Criterion("time", ANYBODY, moments.read_time),
        Criterion("pre_approved", APPLICANTS, approvals.read_pre_approved),
        Criterion("answer", KNOCKS, answers.read_answer),
        Criterion("answered", KNOCKS, answers.read_answered),
        Criterion("code", KNOCKS, codes.read_code),
        Criterion("vouched", KNOCKS, vouches.read_vouched),
        Criterion("inviter", INVITED, inviters.read_inviter),
        Criterion("inviter_power_at_least", INVITED, inviters.read_inviter_power),
        Criterion("inviter_is_member", INVITED, inviters.read_inviter_is_member),
        Criterion("invites_by_inviter", INVITES, inviters.read_invites_by_inviter),
        Criterion("identity_server", INVITED, inviters.read_identity_server),
        Criterion("on_list", ANYBODY, lists.read_on_list),
    )
}


# --- combinations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Combination(Condition):
    conditions: tuple[Condition, ...]

    @property
    def needs(self) -> tuple[Need, ...]:
        return tuple(need for condition in self.conditions for need in condition.needs)

    @property
    def pattern_size(self) -> int:
        return sum(condition.pattern_size for condition in self.conditions)

    @property
    def memory(self) -> int:
        return sum(condition.memory for condition in self.conditions)

    @property
    def globs_looked_through(self) -> int:
        return sum(condition.globs_looked_through for condition in self.conditions)

    def cost(self, knock: Knock) -> int:
        return sum(condition.cost(knock) for condition in self.conditions)


class AllOf(_Combination):
    """Every condition holds."""

    __slots__ = ()

    def vouches(self, *, negated: bool = False) -> bool:
        return (all if negated else any)(condition.vouches(negated=negated) for condition in self.conditions)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return all_hold(condition.judge(knock, facts) for condition in self.conditions)


class AnyOf(_Combination):
    """At least one condition holds."""

    __slots__ = ()

    def vouches(self, *, negated: bool = False) -> bool:
        return (any if negated else all)(condition.vouches(negated=negated) for condition in self.conditions)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return one_holds(condition.judge(knock, facts) for condition in self.conditions)


class Not(_Combination):
    """Its conditions do not all hold."""

    __slots__ = ()

    def vouches(self, *, negated: bool = False) -> bool:
        return AllOf(self.conditions).vouches(negated=not negated)

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return opposite(all_hold(condition.judge(knock, facts) for condition in self.conditions))


class Always(Condition):
    """Everybody: what a rule without `when` is for."""

    __slots__ = ()

    def judge(self, knock: Knock, facts: Facts) -> Finding:
        return Finding(Truth.TRUE, because("finding.everybody"))


def leaves(condition: Condition) -> Iterator[Condition]:
    """The conditions that a condition combines."""
    if isinstance(condition, _Combination):
        for part in condition.conditions:
            yield from leaves(part)
    else:
        yield condition


def once_answered(condition: Condition) -> Truth:
    """Whether a condition holds for everybody who has answered all questions, or for nobody; else unknown."""
    if isinstance(condition, Always):
        return Truth.TRUE
    if isinstance(condition, answers.HasAnswered):
        return Truth.TRUE if condition.wanted else Truth.FALSE
    if not isinstance(condition, _Combination):
        return Truth.UNKNOWN
    parts = [once_answered(part) for part in condition.conditions]
    if isinstance(condition, AnyOf):
        return Truth.TRUE if Truth.TRUE in parts else _all(parts, Truth.FALSE)
    whole = Truth.FALSE if Truth.FALSE in parts else _all(parts, Truth.TRUE)
    return _OPPOSITE[whole] if isinstance(condition, Not) else whole


def _all(parts: list[Truth], truth: Truth) -> Truth:
    return truth if set(parts) == {truth} else Truth.UNKNOWN


_OPPOSITE = {Truth.TRUE: Truth.FALSE, Truth.FALSE: Truth.TRUE, Truth.UNKNOWN: Truth.UNKNOWN}


COMBINATIONS: tuple[str, ...] = ("any", "all", "not")


def read_when(value: object, path: Path, kinds: frozenset[Kind] = KNOCKS, depth: int = 0) -> Condition:
    """Compile a `when`, all of whose keys must hold, for a rule on these kinds of request; `Fault` if it is wrong."""
    if depth > MAX_DEPTH:
        raise Fault("any, all and not are nested more than {most} deep", path, most=MAX_DEPTH)
    keys = mapping(value, path)
    if not keys:
        raise Fault("it is empty; for everyone else, use otherwise", path)
    conditions = tuple(_read_key(key, held, (*path, key), kinds, depth) for key, held in keys.items())
    return conditions[0] if len(conditions) == 1 else AllOf(conditions)


def _read_key(key: str, value: object, path: Path, kinds: frozenset[Kind], depth: int) -> Condition:
    if key == "not":
        return Not((read_when(value, path, kinds, depth + 1),))
    if key in COMBINATIONS:
        parts = tuple(read_when(one, at, kinds, depth + 1) for one, at in items(value, path))
        return AnyOf(parts) if key == "any" else AllOf(parts)
    criterion = CRITERIA.get(key)
    if criterion is None:
        raise unknown_word(key, (*CRITERIA, *COMBINATIONS), (), path, what="criterion")
    if not kinds <= criterion.kinds:
        raise Fault(
            "{key} can judge {kinds} only, and this rule is for {kinds_too}",
            path,
            key=key,
            kinds=_kinds(criterion.kinds),
            kinds_too=_kinds(kinds),
        )
    return criterion.read(value, path)


_KIND_WORDS: Mapping[Kind, str] = {
    Kind.KNOCK: "knocks",
    Kind.THIRD_PARTY_INVITE: "third-party invites",
    Kind.REDEEMED_INVITE: "redeemed invites",
}


def _kinds(kinds: frozenset[Kind]) -> str:
    """The kinds in words: ``knocks``, ``knocks and redeemed invites``."""
    words = [_KIND_WORDS[kind] for kind in Kind if kind in kinds]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
