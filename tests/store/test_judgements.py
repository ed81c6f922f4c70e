"""Judgements are only added; the newest is the request's decision, and of each request the newest few are kept."""

from __future__ import annotations

from dataclasses import replace

from knockbot.domain.judgements import MISSES_PENDING, MISSES_SETTLED
from knockbot.domain.model import Because, Decision, Facts, History, Kind, Miss, Past, State, Verdict, Where
from knockbot.domain.reasons import foreign
from knockbot.store import judgements, requests
from knockbot.store.db import Database
from knockbot.store.judgements import KEPT
from tests.store.samples import KNOCK, NOW, judgement, opened, read

FORWARD = Decision(Verdict.FORWARD, "otherwise")
ACCEPT = Decision(Verdict.ACCEPT, "ours", "welcome", author="@mod:tulip.example")


async def test_the_newest_judgement_is_the_decision_and_the_others_stay(db: Database) -> None:
    request = await opened(db)
    assert request.decision is None
    first = judgement(FORWARD)
    again = judgement(
        ACCEPT,
        because=Because.POLICY_APPLIED,
        cause="$command",
        revision=3,
        facts=Facts("tulip.example", history={Where.HERE: History((Past(State.REJECTED, 5),))}),
        kind=Kind.REDEEMED_INVITE,
    )
    for one in (first, again):
        async with db.tx() as tx:
            await judgements.add(tx, request.id, one, NOW)

    assert (await read(db, request.id)).decision == ACCEPT
    async with db.tx() as tx:
        assert await judgements.of_request(tx, request.id) == [first, again]
        assert await judgements.newest(tx, request.id) == again


async def test_it_is_known_for_which_cause_a_request_was_judged_and_what_came_of_all(db: Database) -> None:
    request, other = await opened(db), await opened(db, replace(KNOCK, user_id="@bea:tulip.example"))
    async with db.tx() as tx:
        for one, decision in ((request, ACCEPT), (other, FORWARD)):
            await judgements.add(tx, one.id, judgement(FORWARD), NOW)
            applied = judgement(decision, because=Because.POLICY_APPLIED, cause="$command")
            await judgements.add(tx, one.id, applied, NOW)
        assert await judgements.is_judged(tx, request.id, Because.POLICY_APPLIED, "$command")
        assert not await judgements.is_judged(tx, request.id, Because.POLICY_APPLIED, "$another")
        found = await judgements.decisions(tx, Because.POLICY_APPLIED, "$command")
        assert {one.verdict for one in found} == {Verdict.ACCEPT, Verdict.FORWARD}
        assert len(found) == 2
        assert not await judgements.decisions(tx, Because.ARRIVED, "")
        assert await judgements.rooms_of(tx, Because.POLICY_APPLIED, "$command") == {KNOCK.room_id}
        assert not await judgements.rooms_of(tx, Because.ARRIVED, "")


async def test_of_somebody_who_is_judged_again_and_again_the_newest_few_are_kept(db: Database) -> None:
    request = await opened(db)
    for number in range(40):
        async with db.tx() as tx:
            await judgements.add(tx, request.id, judgement(replace(FORWARD, rule=f"#{number}")), NOW)
            kept = await judgements.of_request(tx, request.id)
        assert min(number + 1, KEPT) <= len(kept) < 2 * KEPT
        assert kept[-1].decision.rule == f"#{number}"


async def test_what_is_left_to_people_says_more_than_what_is_settled(db: Database) -> None:
    request = await opened(db)
    missed = tuple(Miss(f"#{number}", foreign("no")) for number in range(200))
    async with db.tx() as tx:
        await judgements.add(tx, request.id, judgement(replace(FORWARD, missed=missed)), NOW)
    waiting = (await read(db, request.id)).decision
    assert waiting is not None
    assert (len(waiting.missed), waiting.left_out) == (MISSES_PENDING, 200 - MISSES_PENDING)

    async with db.tx() as tx:
        settled = await requests.settled(tx, request.id, State.WITHDRAWN, "@ana:tulip.example", NOW)
    assert settled == await read(db, request.id)
    assert settled.decision is not None
    assert (len(settled.decision.missed), settled.decision.left_out) == (MISSES_SETTLED, 200 - MISSES_SETTLED)

    async with db.tx() as tx:
        await judgements.add(tx, request.id, judgement(replace(ACCEPT, missed=missed)), NOW)
    at_once = (await read(db, request.id)).decision
    assert at_once is not None
    assert len(at_once.missed) == MISSES_SETTLED
