"""The criteria that count knocks: how many, in which rooms, within what time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from knockbot.documents.schema import each
from knockbot.domain.criteria.counts import asked_for
from knockbot.domain.model import Count, Counting, Fact, Finding, Kind, Truth, Where
from knockbot.domain.policy import parse_policy
from knockbot.domain.reasons import foreign
from knockbot.errors import Fault
from tests.domain.doors import FACTS, KNOCK, told, when

DAY = 86_400_000


def found(key: str, data: object, **counts: Count) -> Finding:
    """What a criterion finds, with these counts by place, within a day."""
    fact = {"knocks": Fact.KNOCKS, "knocks_from_server": Fact.SERVER_KNOCKS, "same_reason": Fact.SAME_REASON}[key]
    counted = {Counting(fact, Where(where), DAY): count for where, count in counts.items()}
    return told(when({key: data}).judge(KNOCK, replace(FACTS, counts=counted)))


def a_day(more_than: int, **more: object) -> dict[str, object]:
    """More than so many within a day."""
    return {"more_than": more_than, "within": "1d", **more}


@pytest.mark.parametrize(
    ("key", "data", "counts", "truth", "why"),
    [
        ("knocks", a_day(3), {"here": Count(4, cut=True)}, Truth.TRUE, "user knocked more than 3 times within 1 day"),
        ("knocks", a_day(1), {"here": Count(2)}, Truth.TRUE, "user knocked more than 1 time within 1 day"),
        ("knocks", a_day(3), {"here": Count(3)}, Truth.FALSE, "user knocked 3 times within 1 day, not more than 3"),
        ("knocks", a_day(3), {"here": Count(1)}, Truth.FALSE, "user knocked 1 time within 1 day, not more than 3"),
        (
            "knocks",
            a_day(3, where="managed"),
            {"here": Count(1), "managed": Count(4)},
            Truth.TRUE,
            "user knocked more than 3 times at the rooms managed from here within 1 day",
        ),
        (
            "knocks",
            a_day(3, where="managed"),
            {"managed": Count(2)},
            Truth.FALSE,
            "user knocked 2 times at the rooms managed from here within 1 day, not more than 3",
        ),
        (
            "knocks_from_server",
            a_day(50),
            {"here": Count(51)},
            Truth.TRUE,
            "more than 50 knocks from the user's server within 1 day",
        ),
        (
            "knocks_from_server",
            a_day(50, where="managed"),
            {"managed": Count(1)},
            Truth.FALSE,
            "1 knock from the user's server at the rooms managed from here within 1 day, not more than 50",
        ),
        (
            "same_reason",
            a_day(2),
            {"here": Count(3)},
            Truth.TRUE,
            "more than 2 users gave the same reason within 1 day",
        ),
        (
            "same_reason",
            a_day(2, where="managed"),
            {"managed": Count(1)},
            Truth.FALSE,
            "1 user gave the same reason at the rooms managed from here within 1 day, not more than 2",
        ),
        ("same_reason", a_day(2), {"here": Count(0)}, Truth.FALSE, "user gave no reason"),
        ("knocks", a_day(5), {"here": Count(4, cut=True)}, Truth.UNKNOWN, "this is no longer stored"),
        ("knocks", a_day(3), {}, Truth.UNKNOWN, "how often the user knocked (not checked)"),
        ("knocks", a_day(3), {"managed": Count(9)}, Truth.UNKNOWN, "how often the user knocked (not checked)"),
        (
            "knocks",
            {"more_than": 3, "within": "2d"},
            {"here": Count(9)},
            Truth.UNKNOWN,
            "how often the user knocked (not checked)",
        ),
        (
            "knocks_from_server",
            a_day(3),
            {},
            Truth.UNKNOWN,
            "how many knocks came from the user's server (not checked)",
        ),
        ("same_reason", a_day(3), {}, Truth.UNKNOWN, "how many users gave the same reason (not checked)"),
    ],
)
def test_more_than_so_many_is_one_more(
    key: str, data: object, counts: dict[str, Count], truth: Truth, why: str
) -> None:
    assert found(key, data, **counts) == Finding(truth, foreign(why))


@pytest.mark.parametrize(("count", "truth"), [(Count(4), Truth.FALSE), (Count(3), Truth.TRUE)])
def test_a_not_has_the_same_reason(count: Count, truth: Truth) -> None:
    facts = replace(FACTS, counts={Counting(Fact.KNOCKS, Where.HERE, DAY): count})
    plain = told(when({"knocks": a_day(3)}).judge(KNOCK, facts))
    negated = told(when({"not": {"knocks": a_day(3)}}).judge(KNOCK, facts))
    assert (negated.truth, negated.why) == (truth, plain.why)


def test_what_several_rules_ask_is_counted_once_and_far_enough_for_all() -> None:
    asked = [a_day(3), a_day(7), {"more_than": 1, "within": "24h"}, a_day(2, where="managed")]
    needs = when({"any": [{"knocks": data} for data in asked]}).needs
    assert {need.fact for need in needs} == {Fact.KNOCKS}
    assert asked_for(Fact.KNOCKS, [need.of for need in needs]) == {
        Counting(Fact.KNOCKS, Where.HERE, DAY): 8,
        Counting(Fact.KNOCKS, Where.MANAGED, DAY): 3,
    }


@pytest.mark.parametrize(
    ("data", "path", "message"),
    [
        (3, (), "expected keys and values, found 3"),
        ({}, ("more_than",), "missing"),
        ({"within": "1d"}, ("more_than",), "missing"),
        ({"more_than": 3}, ("within",), "missing"),
        (a_day(0), ("more_than",), "more than 0 is always so, as the knock itself counts"),
        (a_day(1001), ("more_than",), "expected a whole number from 1 to 1000, found 1001"),
        ({"more_than": "3", "within": "1d"}, ("more_than",), 'expected a whole number from 1 to 1000, found "3"'),
        ({"more_than": 3, "within": "31d"}, ("within",), 'expected at most 30d, found "31d"'),
        ({"more_than": 3, "within": "5w"}, ("within",), 'expected at most 30d, found "5w"'),
        ({"more_than": 3, "within": 1}, ("within",), "expected a time such as 30m, 12h or 7d, found 1"),
        (a_day(3, where="there"), ("where",), 'unknown word "there"; did you mean "here"?'),
        (a_day(3, times=3), ("times",), 'unknown key "times"'),
    ],
)
@pytest.mark.parametrize("key", ["knocks", "knocks_from_server", "same_reason"])
def test_a_mistake_in_a_count_is_named(key: str, data: object, path: tuple[str, ...], message: str) -> None:
    with pytest.raises(Fault) as caught:
        when({key: data})
    first, *_ = each(caught.value)
    assert first.message.startswith(message)
    assert first.path == ("when", key, *path)


def test_a_policy_counts_in_so_many_ways_and_no_more() -> None:
    def policy(ways: int) -> dict[str, object]:
        counts = [{"knocks": {"more_than": 3, "within": f"{hours}h"}} for hours in range(1, ways + 1)]
        return {"rules": [{"when": count, "then": "forward"} for count in counts for _ in range(2)]}

    assert len(parse_policy(policy(20)).needed[Fact.KNOCKS]) == 20
    with pytest.raises(Fault, match="knocks are counted in 21 ways, at most 20"):
        parse_policy(policy(21))


@pytest.mark.parametrize("kind", [Kind.THIRD_PARTY_INVITE, Kind.REDEEMED_INVITE])
def test_only_a_knock_counts(kind: Kind) -> None:
    with pytest.raises(Fault, match="knocks can judge knocks only"):
        when({"knocks": a_day(3)}, frozenset({kind}))
