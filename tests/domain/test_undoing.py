"""How an outcome is undone, by where its applicant is: every state with every membership, and what each step takes."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from knockbot.domain import undoing
from knockbot.domain.jobs import Act, OnMember
from knockbot.domain.may import DONE_BY, Deed
from knockbot.domain.model import Answer, Kind, MemberChange, Membership, Request, State, Step, Undone, Verdict
from knockbot.domain.outcomes import outcome
from knockbot.domain.plan import plan

HOME = "tulip.example"
ANA = f"@ana:{HOME}"
ALICE = f"@alice:{HOME}"
BOT = f"@knockbot:{HOME}"

REQUEST = Request(
    id=7,
    management_room="!mods:tulip.example",
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

TABLE = {
    State.ACCEPTED: {Membership.INVITE: Step.WITHDRAW, Membership.JOIN: Step.REMOVE},
    State.JOINED: {Membership.JOIN: Step.REMOVE},
    State.REDEEMED: {Membership.INVITE: Step.WITHDRAW, Membership.JOIN: Step.REMOVE},
    State.REJECTED: {Membership.LEAVE: Step.INVITE},
    State.BANNED: {Membership.BAN: Step.LIFT},
}


@pytest.mark.parametrize(("state", "membership"), list(product(State, Membership)))
def test_an_outcome_is_undone_as_the_table_says_and_not_otherwise(state: State, membership: Membership) -> None:
    assert undoing.STEPS.get((state, membership)) is TABLE.get(state, {}).get(membership)


def being_undone(state: State, step: Step) -> Request:
    """A request whose outcome Alice wants undone."""
    answer = Answer(undoing.VERDICTS[step], ALICE, 0, "$knock", cause="$undo")
    return replace(REQUEST, state=state, answer=answer, undone=Undone(state, step))


@pytest.mark.parametrize(
    ("step", "act", "while_in"),
    [
        (Step.WITHDRAW, Act.KICK, Membership.INVITE),
        (Step.REMOVE, Act.KICK, Membership.JOIN),
        (Step.INVITE, Act.INVITE, Membership.LEAVE),
        (Step.LIFT, Act.UNBAN, Membership.BAN),
    ],
)
def test_each_step_is_one_act_on_who_is_still_there_with_the_power_of_who_wants_it(
    step: Step, act: Act, while_in: Membership
) -> None:
    state = next(state for (state, _), found in undoing.STEPS.items() if found is step)
    request = being_undone(state, step)
    assert request.answer is not None
    [job] = plan(request, request.answer, HOME)
    assert isinstance(job.payload, OnMember)
    assert (job.act, job.payload.while_in, job.on_behalf_of, job.key) == (act, (while_in,), ALICE, "undo:7:$undo")
    assert DONE_BY[act] is undoing.DEEDS[step], "it is looked at again right before the act"


@pytest.mark.parametrize(
    ("state", "step", "becomes", "then"),
    [
        (State.ACCEPTED, Step.WITHDRAW, Membership.LEAVE, State.REJECTED),
        (State.JOINED, Step.REMOVE, Membership.LEAVE, State.REJECTED),
        (State.REJECTED, Step.INVITE, Membership.INVITE, State.ACCEPTED),
        (State.BANNED, Step.LIFT, Membership.LEAVE, State.REJECTED),
    ],
)
def test_the_room_moves_what_is_being_undone_and_nothing_else_that_is_over(
    state: State, step: Step, becomes: Membership, then: State
) -> None:
    request = being_undone(state, step)
    change = MemberChange(REQUEST.room_id, "$event", ANA, BOT, becomes)

    assert (outcome(request, change), undoing.aim(request, step)) == (then, then)
    assert state is State.ACCEPTED or outcome(replace(request, undone=None), change) is None


def test_what_somebody_did_who_let_themselves_in_is_no_answer() -> None:
    assert undoing.given(replace(REQUEST, state=State.JOINED, by=ANA)) is None
    assert undoing.given(replace(REQUEST, state=State.JOINED, by=ALICE)) is Verdict.ACCEPT


@pytest.mark.parametrize(
    ("verdict", "deed"),
    [(Verdict.ACCEPT, Deed.REJECT), (Verdict.REJECT, Deed.ACCEPT), (Verdict.BAN, Deed.LIFT_BAN)],
)
def test_to_take_back_what_somebody_else_has_said_takes_the_opposite(verdict: Verdict, deed: Deed) -> None:
    assert undoing.opposite(REQUEST, Answer(verdict, ALICE, 0, "$knock")) is deed
