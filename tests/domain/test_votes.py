"""Votes: how many an answer takes, which of them count, and what they reach."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.config.policies import read_known_policy
from knockbot.domain.model import Answer, Kind, Request, State, Verdict
from knockbot.domain.votes import Lapse, Vote, VoteRule, carried_over, reached, tally, with_vote
from knockbot.errors import Fault

ANA, EVE = "@ana:tulip.example", "@eve:tulip.example"
MODS, OTHERS = "!mods:tulip.example", "!others:tulip.example"
A, B, C = (f"@{name}:tulip.example" for name in "abc")

REQUEST = Request(
    id=7,
    management_room=MODS,
    number=1,
    room_id="!garden:tulip.example",
    kind=Kind.KNOCK,
    user_id=ANA,
    event_id="$knock",
    reason="",
    display_name=None,
    has_avatar=False,
    state=State.PENDING,
    opened_at=0,
    changed_at=0,
)
VOTE = Vote(7, MODS, A, Verdict.ACCEPT, "$click", 1, "$knock", ANA)
TWO = VoteRule(accept=2, reject=2, ban=2)


# --- in a policy --------------------------------------------------------------------------------------------------


def test_a_policy_says_how_many_votes_each_answer_takes_and_one_is_enough_for_the_others() -> None:
    rule = read_known_policy("votes: {accept: 2, ban: 20}").votes
    assert rule == VoteRule(accept=2, reject=1, ban=20)
    assert (str(rule), rule.several) == ("{accept: 2, reject: 1, ban: 20}", (Verdict.ACCEPT, Verdict.BAN))
    assert read_known_policy("rules: []").votes == VoteRule(1, 1, 1)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("votes: {accept: 0}", "expected a whole number from 1 to 20, found 0"),
        ("votes: {ban: 21}", "expected a whole number from 1 to 20, found 21"),
        ("votes: {accept: two}", 'expected a whole number from 1 to 20, found "two"'),
        ("votes: {accept: true}", "expected a whole number from 1 to 20, found true"),
        ("votes: {forward: 2}", "unknown"),
        ("votes: 2", "expected"),
    ],
)
def test_what_is_no_number_of_votes_is_refused(text: str, fault: str) -> None:
    with pytest.raises(Fault, match=fault):
        read_known_policy(text)


# --- what counts --------------------------------------------------------------------------------------------------

KNOCKED_AGAIN = replace(REQUEST, event_id="$again")
REDEEMED_BY_EVE = replace(REQUEST, user_id=EVE)
MOVED = replace(REQUEST, management_room=OTHERS)


@pytest.mark.parametrize(
    ("vote", "request_", "counts"),
    [
        (VOTE, REQUEST, True),
        (replace(VOTE, verdict=Verdict.BAN), REQUEST, True),
        (VOTE, KNOCKED_AGAIN, Lapse.ANEW),
        (replace(VOTE, verdict=Verdict.REJECT), KNOCKED_AGAIN, True),
        (replace(VOTE, verdict=Verdict.BAN), KNOCKED_AGAIN, True),
        (VOTE, MOVED, None),
        (replace(VOTE, verdict=Verdict.REJECT), MOVED, None),
        (VOTE, REDEEMED_BY_EVE, None),
        (replace(VOTE, verdict=Verdict.BAN), REDEEMED_BY_EVE, None),
        *((replace(VOTE, lapse=why), REQUEST, why) for why in Lapse),
    ],
)
def test_a_vote_counts_for_what_it_was_given_for(vote: Vote, request_: Request, counts: bool | Lapse | None) -> None:
    """`None` where it is not even told any more."""
    found = tally([vote], request_, vote.verdict, TWO)
    lapsed = found.lapsed[0].lapse if found.lapsed else None
    assert (bool(found.counted), lapsed) == (counts is True, counts if isinstance(counts, Lapse) else None)


def test_what_is_seen_now_counts_before_what_was_seen_last() -> None:
    lapsed, fine = replace(VOTE, lapse=Lapse.POWER), replace(VOTE, voter=B)
    found = tally([lapsed, fine], REQUEST, Verdict.ACCEPT, TWO, {A: None, B: Lapse.LEFT})
    assert [one.voter for one in found.counted] == [A]
    assert [(one.voter, one.lapse) for one in found.lapsed] == [(B, Lapse.LEFT)]


def test_another_vote_of_the_same_moderator_takes_the_place_of_the_first() -> None:
    votes = with_vote([VOTE, replace(VOTE, voter=B)], replace(VOTE, verdict=Verdict.REJECT, given_at=2))
    assert [(one.voter, one.verdict) for one in votes] == [(B, Verdict.ACCEPT), (A, Verdict.REJECT)]


@pytest.mark.parametrize(("texts", "told"), [((None, None), None), (("one", None), "one"), (("one", "two"), "two")])
def test_the_newest_text_that_came_with_a_vote_is_told(texts: tuple[str | None, str | None], told: str | None) -> None:
    votes = [replace(VOTE, voter=who, given_at=at, reason=texts[at]) for at, who in enumerate((A, B))]
    assert tally(votes, REQUEST, Verdict.ACCEPT, TWO).text == told


def test_of_several_answers_with_enough_votes_the_one_comes_first_whose_last_vote_came_first() -> None:
    votes = [
        replace(VOTE, voter="@1:t", verdict=Verdict.ACCEPT, given_at=1),
        replace(VOTE, voter="@2:t", verdict=Verdict.BAN, given_at=2),
        replace(VOTE, voter="@3:t", verdict=Verdict.BAN, given_at=3),
        replace(VOTE, voter="@4:t", verdict=Verdict.ACCEPT, given_at=4),
        replace(VOTE, voter="@5:t", verdict=Verdict.REJECT, given_at=5),
    ]
    assert [one.verdict for one in reached(votes, REQUEST, TWO)] == [Verdict.BAN, Verdict.ACCEPT]


# --- compared with a slow count of the whole story ----------------------------------------------------------------


@dataclass(frozen=True)
class Act:
    """Somebody votes, takes a vote back, loses or gets back the power; or the applicant knocks again."""

    what: str
    who: str
    verdict: Verdict = Verdict.ACCEPT


@dataclass
class Kept:
    """What the bot keeps: one row of each voter; what it has seen of them is in the row."""

    request: Request = REQUEST
    votes: tuple[Vote, ...] = ()
    powerless: set[str] = field(default_factory=set)

    def take(self, at: int, act: Act) -> None:
        match act.what:
            case "vote":
                vote = Vote(7, MODS, act.who, act.verdict, f"${at}", at, self.request.event_id, ANA)
                self.votes = with_vote(self.votes, vote)
            case "take back":
                self.votes = tuple(one for one in self.votes if one.voter != act.who)
            case "lose":
                self.powerless.add(act.who)
            case "get back":
                self.powerless.discard(act.who)
            case "knock":
                self.request = replace(self.request, event_id=f"$knock{at}")
            case "die":  # what is kept is all there is
                self.votes = tuple(replace(one) for one in self.votes)

    def counted(self, verdict: Verdict) -> list[str]:
        seen = {vote.voter: Lapse.POWER if vote.voter in self.powerless else None for vote in self.votes}
        return [one.voter for one in tally(self.votes, self.request, verdict, TWO, seen).counted]


def slowly(story: list[Act], verdict: Verdict) -> set[str]:
    """Who has a vote for a verdict at the end of a story, by going back from its end for each."""
    found = set()
    for who in (A, B, C):
        of_theirs = [(at, act) for at, act in enumerate(story) if act.who == who and act.what in ("vote", "take back")]
        if not of_theirs or of_theirs[-1][1].what == "take back" or of_theirs[-1][1].verdict is not verdict:
            continue
        since = story[of_theirs[-1][0] :]
        if verdict is Verdict.ACCEPT and any(act.what == "knock" for act in since):
            continue
        powers = [act.what for act in story if act.who == who and act.what in ("lose", "get back")]
        if not powers or powers[-1] == "get back":
            found.add(who)
    return found


ACTS = st.builds(
    Act,
    st.sampled_from(["vote", "vote", "vote", "take back", "lose", "get back", "knock", "die"]),
    st.sampled_from([A, B, C]),
    st.sampled_from([Verdict.ACCEPT, Verdict.REJECT, Verdict.BAN]),
)


@given(st.lists(ACTS, max_size=25))
def test_however_votes_powers_and_knocks_come_those_count_that_a_slow_count_finds(story: list[Act]) -> None:
    kept = Kept()
    for at, act in enumerate(story):
        kept.take(at, act)
        for verdict in (Verdict.ACCEPT, Verdict.REJECT, Verdict.BAN):
            counted = kept.counted(verdict)
            assert len(counted) == len(set(counted))
            assert set(counted) == slowly(story[: at + 1], verdict)


# --- the next request of the same person --------------------------------------------------------------------------

AGAIN = replace(REQUEST, id=8, number=2, event_id="$again")


def over(state: State, verdict: Verdict | None = None, *, by: str = A) -> Request:
    answer = Answer(verdict, by, 1, REQUEST.event_id) if verdict is not None else None
    return replace(REQUEST, state=state, answer=answer)


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (over(State.WITHDRAWN), True),
        (over(State.EXPIRED), True),
        (over(State.WITHDRAWN, Verdict.REJECT, by=REQUEST.user_id), True),
        (over(State.WITHDRAWN, Verdict.REJECT), False),
        (over(State.WITHDRAWN, Verdict.ACCEPT), False),
        (over(State.REJECTED, Verdict.REJECT), False),
        (over(State.REJECTED), False),
        (over(State.BANNED, Verdict.BAN), False),
        (over(State.JOINED), False),
        (over(State.JOINED, Verdict.ACCEPT), False),
        (over(State.DECLINED, Verdict.ACCEPT), False),
        (over(State.ACCEPTED, Verdict.ACCEPT), False),
        (over(State.PENDING), False),
    ],
)
def test_votes_go_along_only_if_nothing_was_decided(before: Request, kept: bool) -> None:
    votes = [
        replace(VOTE, voter=who, verdict=verdict)
        for who, verdict in zip((A, B), (Verdict.REJECT, Verdict.BAN), strict=True)
    ]
    moved = carried_over(votes, before, AGAIN)
    assert [(one.voter, one.request_id, one.from_number) for one in moved] == (
        [(A, 8, REQUEST.number), (B, 8, REQUEST.number)] if kept else []
    )


def test_a_vote_to_accept_or_of_another_management_room_stays_behind() -> None:
    elsewhere = replace(VOTE, verdict=Verdict.BAN, management_room="!elsewhere:tulip.example")
    assert carried_over([VOTE, elsewhere], over(State.WITHDRAWN), AGAIN) == []
    moved = replace(AGAIN, management_room="!elsewhere:tulip.example")
    assert carried_over([replace(VOTE, verdict=Verdict.BAN)], over(State.WITHDRAWN), moved) == []


def test_a_vote_says_where_it_was_given_however_often_it_goes_along() -> None:
    first = carried_over([replace(VOTE, verdict=Verdict.BAN)], over(State.WITHDRAWN), AGAIN)
    third = replace(AGAIN, id=9, number=3)
    assert [one.from_number for one in carried_over(first, replace(AGAIN, state=State.WITHDRAWN), third)] == [1]
