"""A new policy can be applied to those who wait: each is judged again once, in order, and what was answered stays."""

from __future__ import annotations

import pytest

from knockbot.domain.model import Because, History, Rejudge, Request, State, Verdict, Where
from knockbot.flow import rejudging
from knockbot.store import judgements
from tests.flow.house import GARDEN, MODS, House
from tests.flow.planted import DAVE, MONA, VOUCHED, invite, move_in, planted, redeemed, stands, unheard
from tests.flow.world import ALICE, ANA, BOT, levels_for

BEA = "@bea:rose.example"
BOB = "@bob:tulip.example"
NEW = "rules: [{name: ours, when: {local: true}, then: accept}, {name: spam, when: {reason_matches: spam}, then: ban}]"
BY_INVITER = "rules: [{for: [third_party_invite, redeemed_invite], when: {inviter: '@mona:*'}, then: reject}]"


async def waiting(house: House, *users: str, reason: str = "") -> None:
    """So many knock, and wait on cards."""
    for user_id in users:
        house.world.knock(GARDEN, user_id, reason)
    await house.live()


async def set_policy(house: House, text: str) -> str:
    """Alice sets a policy; returns the reply."""
    before = len(house.spoken())
    house.tell(f"policy set {GARDEN}\n{text}")
    await house.live()
    return house.spoken()[before]


async def apply(house: House, *, by: str = ALICE) -> list[str]:
    """Somebody applies it; returns what is said of that."""
    before = len(house.spoken())
    house.tell(f"policy apply {GARDEN}", by=by)
    await house.live()
    return house.spoken()[before:]


async def judged(house: House, request: Request) -> list[tuple[str, str]]:
    """Why a request was judged each time, and by which rule it came out."""
    async with house.db.tx() as tx:
        return [(one.because.value, one.decision.rule) for one in await judgements.of_request(tx, request.id)]


async def test_a_new_policy_is_offered_to_those_who_wait_and_applied_to_them(house: House) -> None:
    await waiting(house, ANA, BEA)
    house.world.knock(GARDEN, "@cleo:far.example", "SPAM, and spam")
    await house.live()

    await set_policy(house, NEW)
    assert "3 pending requests of Garden were judged by the policy before." in house.spoken()[-1]
    assert [house.membership(user) for user in (ANA, BEA)] == ["knock", "knock"]

    said = await apply(house)
    assert said[0].startswith("I judge 3 pending requests of Garden again")
    assert (
        "I judged 3 pending requests of Garden again. Accept: 1. Reject: 0. Ban: 1. Left to the moderators: 1." in said
    )
    assert [house.membership(user) for user in (ANA, BEA, "@cleo:far.example")] == ["invite", "knock", "ban"]
    assert await judged(house, await house.request(ANA)) == [("arrived", "otherwise"), ("policy_applied", "ours")]
    assert await judged(house, await house.request(BEA)) == [("arrived", "otherwise"), ("policy_applied", "otherwise")]
    assert (BOT, "judged") in await house.history(await house.request(BEA))
    assert [card.state for card in house.cards()] == ["accepted", "pending", "banned"]
    assert house.cards()[0].block["rule"] == "ours"


async def test_the_new_revision_and_its_facts_are_on_record(house: House) -> None:
    await waiting(house, ANA)
    await set_policy(house, "rules: [{when: {rejected_before: true}, then: ban}]")
    await apply(house)

    request = await house.request(ANA)
    async with house.db.tx() as tx:
        first, again = await judgements.of_request(tx, request.id)
    assert (first.revision, first.facts.history) == (None, {})
    assert (again.revision, again.facts.history) == (1, {Where.HERE: History()})
    assert (again.kind, again.room_id, again.event_id) == (first.kind, first.room_id, first.event_id)


async def test_nothing_is_offered_where_nobody_waits(house: House) -> None:
    assert "pending" not in await set_policy(house, NEW)
    assert await apply(house) == ["No request of Garden is waiting for an answer."]


async def test_who_was_answered_meanwhile_keeps_that_answer(house: House) -> None:
    await waiting(house, ANA)
    await set_policy(house, "otherwise: ban")
    house.click("✅")
    await apply(house)

    assert house.membership(ANA) == "invite"
    assert await judged(house, await house.request(ANA)) == [("arrived", "otherwise")]


async def test_who_is_answered_while_the_judging_is_under_way_keeps_that_answer(house: House) -> None:
    await waiting(house, ANA)
    await house.set_policy("otherwise: ban")
    again = Rejudge(GARDEN, Because.POLICY_APPLIED, "$command", (await house.request(ANA)).id)
    write = await rejudging.rejudge(house.context, again)
    house.click("✅")
    await house.live()
    async with house.context.turn() as turn:
        assert callable(write)
        await write(turn)

    assert (await house.request(ANA)).state is State.ACCEPTED
    assert await judged(house, await house.request(ANA)) == [("arrived", "otherwise")]


async def test_who_knocks_again_meanwhile_is_judged_by_that_knock_alone(house: House) -> None:
    await waiting(house, ANA)
    await house.set_policy("rules: [{when: {reason_matches: please}, then: reject}]")
    again = Rejudge(GARDEN, Because.POLICY_APPLIED, "$command", (await house.request(ANA)).id)
    write = await rejudging.rejudge(house.context, again)
    house.world.knock(GARDEN, ANA, "hello again")
    await house.live()
    async with house.context.turn() as turn:
        assert callable(write)
        await write(turn)

    assert await judged(house, await house.request(ANA)) == [("arrived", "otherwise"), ("arrived", "otherwise")]


async def test_for_one_cause_a_request_is_judged_once(house: House) -> None:
    await waiting(house, ANA)
    again = Rejudge(GARDEN, Because.POLICY_APPLIED, "$command", (await house.request(ANA)).id)
    for _ in range(2):
        await house.context.turns.found(again.event_id, await rejudging.rejudge(house.context, again))
    assert len(await judged(house, await house.request(ANA))) == 2

    house.world.outbox.clear()
    house.tell(f"policy apply {GARDEN}")
    house.world.outbox *= 2
    await house.live()
    assert len(await judged(house, await house.request(ANA))) == 3
    assert len([text for text in house.spoken() if text.startswith("I judged")]) == 1


async def test_a_crowd_is_judged_a_few_at_a_time_and_its_room_goes_on(house: House) -> None:
    people = [f"@p{number}:tulip.example" for number in range(2 * rejudging.AT_ONCE + 5)]
    await waiting(house, *people)
    await set_policy(house, NEW)
    house.tell(f"policy apply {GARDEN}")
    await house.live()
    assert sum(house.membership(user) == "invite" for user in people) == rejudging.AT_ONCE

    house.world.knock(GARDEN, ANA)
    await house.live()
    assert house.membership(ANA) == "invite"
    assert sum(house.membership(user) == "invite" for user in people) == rejudging.AT_ONCE
    assert (await apply(house))[-1] == "I am still judging the pending requests of Garden again. Please wait."

    await house.later(1)
    await house.later(1)
    assert [house.membership(user) for user in people] == ["invite"] * len(people)
    assert f"I judged {len(people)} pending requests of Garden again." in house.spoken()[-1]


async def test_what_was_to_be_judged_again_is_after_sigkill(house: House) -> None:
    people = [f"@p{number}:tulip.example" for number in range(rejudging.AT_ONCE + 5)]
    await waiting(house, *people)
    await set_policy(house, NEW)
    house.tell(f"policy apply {GARDEN}")
    await house.hear()
    await house.die()
    await house.start_again()
    await house.later(2)

    assert [house.membership(user) for user in people] == ["invite"] * len(people)
    for user in people:
        assert len(await judged(house, await house.request(user))) == 2
    assert len([text for text in house.spoken() if text.startswith("I judged")]) == 1


async def test_a_third_party_invite_that_waits_is_judged_again_by_its_own_rules(house: House) -> None:
    move_in(house)
    await planted(house, MONA)
    await planted(house, ALICE, "other", **VOUCHED)
    await set_policy(
        house, f"{BY_INVITER[:-1]}, {{for: third_party_invite, when: {{inviter: '{ALICE}'}}, then: accept}}]"
    )
    await apply(house)

    assert (stands(house), stands(house, "other")) == (False, True)
    assert sorted(card.state for card in house.cards()) == ["revoked", "standing"]


async def test_who_came_in_by_an_invite_nobody_saw_is_judged_again(house: House) -> None:
    move_in(house)
    house.world.plant(GARDEN, MONA)
    unheard(house)
    await redeemed(house)
    assert (await invite(house)).state is State.PENDING

    await set_policy(house, "otherwise: accept")
    await apply(house)
    again = await invite(house)
    assert (again.state, again.decision and again.decision.verdict) == (State.PENDING, Verdict.FORWARD)

    await set_policy(house, BY_INVITER)
    await apply(house)
    assert (await invite(house)).state is State.REJECTED
    assert house.membership(DAVE) == "leave"


@pytest.mark.parametrize("who", ["a stranger", "somebody without the power"])
async def test_only_who_may_set_the_policy_may_apply_it(house: House, who: str) -> None:
    house.world.change(MODS, BOB, BOB, "join")
    if who == "somebody without the power":
        house.world.change(GARDEN, BOB, BOB, "join")
    await waiting(house, ANA)
    await house.set_policy("otherwise: accept")
    said = await apply(house, by=BOB)

    assert len(said) == 1
    assert not said[0].startswith("I judge")
    assert (house.membership(ANA), await house.waiting()) == ("knock", 0)


async def test_the_author_of_the_policy_still_needs_the_power_for_what_it_says(house: House) -> None:
    house.world.rooms[GARDEN].levels.update(levels_for() | {"users": {ALICE: 100, BOB: 100, BOT: 100}})
    house.world.change(GARDEN, BOB, BOB, "join")
    await waiting(house, ANA)
    await house.set_policy("otherwise: accept", author=BOB)
    house.world.rooms[GARDEN].levels["users"][BOB] = 0
    house.context.standings.forget(GARDEN)
    await apply(house)

    assert house.membership(ANA) == "knock"
    decision = (await house.request(ANA)).decision
    assert decision is not None
    assert (decision.held, decision.doubt and decision.doubt.code) == (Verdict.ACCEPT, "authority.powerless")


async def test_a_room_that_is_protected_no_more_judges_nobody(house: House) -> None:
    await waiting(house, ANA)
    await house.set_policy("otherwise: ban")
    async with house.context.turn() as turn:
        await rejudging.plan(house.context, turn, GARDEN, Because.POLICY_APPLIED, "$command")
        await turn.tx.execute("DELETE FROM rooms WHERE room_id = $1", GARDEN)
    await house.live()

    assert house.membership(ANA) == "knock"
    assert await house.set_aside() == []
