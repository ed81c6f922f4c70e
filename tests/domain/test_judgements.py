"""What was decided can be decided again: facts are read back as they were stored, or are said not to be kept."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knockbot.documents.text import storable
from knockbot.domain.criteria import CRITERIA
from knockbot.domain.criteria.counts import COUNTED
from knockbot.domain.judgements import AGES_KEPT, Judgement, decide_again, decode, encode, tells_of_others
from knockbot.domain.kinds import OTHERWISE
from knockbot.domain.model import (
    Asked,
    Asking,
    Brought,
    Came,
    Count,
    Counting,
    Decision,
    Fact,
    Facts,
    History,
    IdentityKey,
    InviteFacts,
    Kind,
    Known,
    Listed,
    Measure,
    Past,
    PreApproved,
    Request,
    State,
    ThirdPartyInvite,
    Truth,
    Verdict,
    Vouched,
    Where,
    Word,
)
from knockbot.domain.notices import because
from knockbot.domain.policy import Policy, decide, held_back, parse_policy, rehearsed
from knockbot.domain.reasons import foreign
from knockbot.domain.vouches import MOST_WORDS
from tests.domain.doors import FACTS, INVITE, KNOCK
from tests.domain.test_criteria import ONE_OF_EACH

LONGEST = 5200
"""Characters that the facts of one judgement may take."""

TEXTS = st.text(st.characters(), max_size=60).map(storable)
WHYS = st.text(st.characters(), max_size=15).map(storable).map(foreign)
"""Short enough to be kept."""
KNOWN = st.builds(Known, st.sampled_from(Truth), st.none() | WHYS)
DAY = 86_400_000
AGES = st.integers(0, 10**14)
POWERS = st.none() | st.integers(-(2**60), 2**60) | st.just(float("inf"))


def few(parts: st.SearchStrategy[object]) -> st.SearchStrategy[tuple[object, ...]]:
    """No more than are kept."""
    return st.lists(parts, max_size=AGES_KEPT).map(tuple)


INVITES = st.builds(
    InviteFacts,
    inviter=TEXTS,
    keys=st.none() | st.lists(st.builds(IdentityKey, TEXTS, st.none() | TEXTS), max_size=1).map(tuple),
    power=POWERS,
    member=KNOWN,
    earlier=st.none() | few(AGES),
    valid=KNOWN,
)
LISTED = st.one_of(
    st.builds(
        Listed, st.just(Truth.TRUE), TEXTS.filter(lambda text: len(text) < 20), TEXTS.map(lambda text: text[:20])
    ),
    st.just(Listed(Truth.FALSE)),
    st.builds(Listed, st.just(Truth.UNKNOWN), why=st.none() | TEXTS.map(foreign)),
)
LISTS = ("community", "other")
APPROVED = st.builds(
    PreApproved,
    st.sampled_from(Truth),
    by=st.just("") | TEXTS,
    until=st.none() | AGES,
    of_server=st.booleans(),
    why=st.none() | st.text("ab .", max_size=60).map(foreign),
)
REASONS = st.none() | st.text("ab .", max_size=60).map(foreign)
BROUGHT = st.builds(Brought, st.sampled_from(Truth), st.sampled_from(["", "choir", "band"]), REASONS)
ANY_WORD = st.one_of(
    st.builds(Word, TEXTS, st.just(Truth.TRUE), st.integers(-100, 100) | st.just(math.inf)),
    st.builds(Word, TEXTS, st.sampled_from([Truth.FALSE, Truth.UNKNOWN]), why=REASONS),
)
VOUCHED = st.builds(Vouched, st.lists(ANY_WORD, max_size=4).map(tuple))
ANY_FACTS = st.builds(
    Facts,
    home=TEXTS,
    at=st.none() | AGES,
    member_of=st.dictionaries(st.text("#!ab:.", max_size=30), KNOWN, max_size=5),
    in_managed=st.none() | KNOWN,
    first_seen=st.none() | AGES,
    counts=st.dictionaries(
        st.builds(Counting, st.sampled_from(sorted(COUNTED)), st.sampled_from(Where), st.sampled_from([DAY, 30 * DAY])),
        st.builds(Count, st.integers(0, 1001), st.booleans()),
    ),
    history=st.dictionaries(
        st.sampled_from(Where), st.builds(History, few(st.builds(Past, st.sampled_from(State), AGES)))
    ),
    invite=st.none() | INVITES,
    lookalike=st.none() | KNOWN,
    lists=st.dictionaries(st.sampled_from(LISTS), LISTED),
    came=st.none() | st.sampled_from(Came),
    pre_approved=st.none() | APPROVED,
    code=st.none() | BROUGHT,
    vouched=st.none() | VOUCHED,
    asked=st.none() | st.builds(Asked, st.sampled_from(Asking), st.none()),
    denied=st.booleans(),
    measure=st.none() | st.builds(Measure, st.integers(0), st.none() | st.integers(0), st.booleans()),
)


@given(ANY_FACTS)
def test_facts_are_read_back_as_they_were_stored(facts: Facts) -> None:
    assert decode(encode(facts)) == facts


MANY = 3000
HOSTILE = Facts(
    home="tulip.example",
    at=10**14,
    member_of={
        f"#{number}:" + "\U0001f600" * 100: Known(Truth.UNKNOWN, foreign("x" * 20_000)) for number in range(MANY)
    },
    counts={
        Counting(Fact.SERVER_KNOCKS, Where.MANAGED, DAY + number * 1000): Count(1000, cut=True)
        for number in range(MANY)
    },
    history=dict.fromkeys(Where, History(tuple(Past(State.WITHDRAWN, 10**14 + number) for number in range(MANY)))),
    invite=InviteFacts(
        "@" + "x" * 253 + ":a",
        tuple(IdentityKey("\x01" * 5000, "https://" + "y" * 5000) for _ in range(20)),
        power=10**10_000,
        member=Known(Truth.UNKNOWN, foreign("\u202e" * 20_000)),
        earlier=tuple(range(10**14, 10**14 + MANY)),
        valid=Known(Truth.FALSE, foreign("\x02" * 20_000)),
    ),
    lookalike=Known(Truth.TRUE, foreign("\u202e" * 20_000)),
    lists={
        "\U0001f600" * 60 + str(number): Listed(Truth.TRUE, "\U0001f600" * 120, "\u202e" * 100) for number in range(10)
    },
    came=Came.UNANSWERED,
    pre_approved=PreApproved(
        Truth.FALSE, "@" + "x" * 253 + ":a", 2**62, of_server=True, why=foreign("\u202e" * 20_000)
    ),
    code=Brought(Truth.FALSE, "\U0001f600" * 40, foreign("\u202e" * 20_000)),
    vouched=Vouched(
        tuple(Word("@" + "x" * 253, Truth.TRUE, 10**10_000) for _ in range(MOST_WORDS // 2))
        + tuple(Word("@" + "x" * 253, Truth.UNKNOWN, why=foreign("\u202e" * 20_000)) for _ in range(MOST_WORDS // 2))
    ),
    asked=Asked(Asking.UNANSWERED, dict.fromkeys(map(str, range(MANY)), "x" * 1000)),
    denied=True,
    measure=Measure(10_000, 500, avatar=True),
)


def test_facts_stay_small_whatever_strangers_did() -> None:
    stored = encode(HOSTILE)
    assert len(stored) < LONGEST
    assert encode(decode(stored)) == stored


# --- decided again ----------------------------------------------------------------------------------------------

REQUEST = Request(
    id=1,
    management_room="!mods:tulip.example",
    number=1,
    room_id=KNOCK.room_id,
    kind=Kind.KNOCK,
    user_id=KNOCK.user_id,
    event_id=KNOCK.event_id,
    reason=KNOCK.reason,
    display_name=KNOCK.display_name,
    has_avatar=KNOCK.has_avatar,
    state=State.PENDING,
    opened_at=0,
    changed_at=0,
)
PLANTED = ThirdPartyInvite(KNOCK.room_id, KNOCK.event_id, "token", INVITE.inviter, keys=INVITE.keys or ())


def request_of(kind: Kind) -> Request:
    """The base request, as one of this kind."""
    if kind is Kind.KNOCK:
        return REQUEST
    user = KNOCK.user_id if kind is Kind.REDEEMED_INVITE else ""
    return replace(REQUEST, kind=Kind.THIRD_PARTY_INVITE, user_id=user, invite=PLANTED)


def judged(policy: Policy, facts: Facts, kind: Kind = Kind.KNOCK) -> Judgement:
    """What a policy says by these facts, as it is read back."""
    facts = replace(facts, measure=KNOCK.measure) if kind is Kind.KNOCK else facts
    knock = replace(KNOCK, user_id=INVITE.inviter) if kind is Kind.THIRD_PARTY_INVITE else KNOCK
    decision = decide(knock, facts, policy, kind)
    return Judgement(kind, KNOCK.room_id, KNOCK.event_id, 1, decode(encode(facts)), decision)


def asking(key: str, kind: Kind, *, negated: bool = False) -> Policy:
    """A policy that asks just this."""
    when = {key: ONE_OF_EACH[key]}
    rule = {"name": "it", "for": kind.value, "when": {"not": when} if negated else when, "then": "reject"}
    lists = [{"room": f"#{name}:tulip.example", "then": "none"} for name in LISTS]
    policy = {"rules": [rule], "otherwise": "accept", "otherwise_third_party": "accept", "lists": lists}
    return parse_policy({**policy, "questions": [{"ask": "Why?"}]})


@pytest.mark.parametrize(("key", "kind"), [(row.key, kind) for row in CRITERIA.values() for kind in sorted(row.kinds)])
@settings(max_examples=30)
@given(facts=ANY_FACTS)
def test_each_criterion_comes_out_the_same_by_stored_facts(key: str, kind: Kind, facts: Facts) -> None:
    policy = asking(key, kind)
    before = judged(policy, facts, kind)
    assert decide_again(request_of(kind), before, policy) == before.decision


@pytest.mark.parametrize("negated", [False, True])
@pytest.mark.parametrize("key", CRITERIA)
def test_of_too_many_facts_the_same_comes_out_or_nothing(key: str, negated: bool) -> None:
    for kind in CRITERIA[key].kinds:
        policy = asking(key, kind, negated=negated)
        before = judged(policy, replace(HOSTILE, denied=False), kind)
        again = decide_again(request_of(kind), before, policy)
        left_to_people = again.verdict is Verdict.FORWARD and again.unknown is not None
        assert (again.verdict, again.rule) == (before.decision.verdict, before.decision.rule) or left_to_people


def times(most: int, within: str | None = None) -> Policy:
    """A policy that counts rejections."""
    asked = {"times": most} | ({"within": within} if within else {})
    return parse_policy({"rules": [{"when": {"rejected_before": asked}, "then": "ban"}], "otherwise": "accept"})


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (times(5), Verdict.BAN),
        (times(500), Verdict.FORWARD),
        (times(2, "1d"), Verdict.BAN),
        (times(30, "1d"), Verdict.ACCEPT),
    ],
)
def test_a_history_that_is_not_kept_whole_says_no_more_than_it_knows(policy: Policy, verdict: Verdict) -> None:
    day = 24 * 3600 * 1000
    history = tuple(Past(State.REJECTED, number * day // 4) for number in range(100, 0, -1))
    before = judged(policy, replace(FACTS, history={Where.HERE: History(history)}))
    assert decide_again(REQUEST, before, policy).verdict is verdict


WORDS = parse_policy({"rules": [{"when": {"reason_matches": "botany"}, "then": "accept"}], "otherwise": "reject"})


@pytest.mark.parametrize(
    "today",
    [
        replace(REQUEST, reason=KNOCK.reason[:5]),
        replace(REQUEST, reason=""),
        replace(REQUEST, event_id="$another"),
        replace(REQUEST, display_name="Ana"),
    ],
    ids=["cut", "redacted", "another knock", "another name"],
)
def test_what_was_written_and_is_not_kept_is_unknown(today: Request) -> None:
    before = judged(WORDS, FACTS)
    assert before.decision.verdict is Verdict.ACCEPT
    again = decide_again(today, before, WORDS)
    assert (again.verdict, again.unknown) == (Verdict.FORWARD, because("unknown.not_kept"))


def test_what_held_a_decision_back_still_does() -> None:
    """As that the author of the policy had not the power for it, which no rule asks."""
    before = judged(WORDS, FACTS)
    why = because("authority.not_joined", user=foreign("x"))
    held = replace(before, decision=held_back(before.decision, why))
    assert held.decision.held is Verdict.ACCEPT
    assert decide_again(REQUEST, held, WORDS) == held.decision
    other = decide_again(REQUEST, held, parse_policy({"otherwise": "reject"}))
    assert (other.verdict, other.rule, other.doubt) == (Verdict.REJECT, OTHERWISE, None)


def test_who_is_denied_is_rejected_by_whatever_policy() -> None:
    before = judged(WORDS, replace(FACTS, denied=True))
    assert before.decision == Decision(Verdict.REJECT, "server_acl")
    assert decide_again(REQUEST, before, parse_policy({"otherwise": "accept"})) == before.decision


@pytest.mark.parametrize("dry_then", [False, True])
@pytest.mark.parametrize("dry_now", [False, True])
def test_a_dry_run_ends_with_its_policy(dry_then: bool, dry_now: bool) -> None:
    then, now = replace(WORDS, dry_run=dry_then), replace(WORDS, dry_run=dry_now)
    before = judged(then, FACTS)
    before = replace(before, decision=rehearsed(before.decision, then, Kind.KNOCK))
    again = decide_again(REQUEST, before, now)
    assert (again.verdict, again.rehearsed) == (
        (Verdict.FORWARD, Verdict.ACCEPT) if dry_now else (Verdict.ACCEPT, None)
    )


KNOCKED = {where: {Counting(Fact.KNOCKS, where, DAY): Count(2)} for where in Where}


@pytest.mark.parametrize(
    ("there", "tells"),
    [
        (FACTS, False),
        (replace(FACTS, member_of={"#in:tulip.example": Known(Truth.TRUE)}), False),
        (replace(FACTS, counts=KNOCKED[Where.HERE], history={Where.HERE: History(())}), False),
        (replace(FACTS, counts=KNOCKED[Where.MANAGED]), True),
        (replace(FACTS, history={Where.MANAGED: History(())}), True),
        (replace(FACTS, in_managed=Known(Truth.FALSE)), True),
        (replace(FACTS, first_seen=0), True),
    ],
)
def test_what_tells_of_other_rooms_is_no_business_of_another_management_room(there: Facts, tells: bool) -> None:
    before = judged(WORDS, there)
    assert tells_of_others(before) is tells
    assert tells_of_others(replace(before, inherited={"!space:tulip.example": 3}))
