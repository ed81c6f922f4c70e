"""What rules ask about answers: what the applicant has answered so far, and whether more will come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Asked as HasBeenAsked
from knockbot.domain.model import Asking, Facts, Kind, Request, Verdict
from knockbot.engine.turn import Turn
from knockbot.flow.asking import Asked
from knockbot.flow.context import Context
from knockbot.store import questions, requests
from knockbot.store.db import Tx
from knockbot.store.questions import Stage


async def answers(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """The answers to the questions of the policy about the request that is judged; none for somebody who is only asked
    about."""
    if asked.by is not None or asked.on_record is not None:
        return facts
    async with asked.context.db.tx() as tx:
        request = await requests.latest(tx, asked.knock.room_id, asked.knock.user_id, held=False)
        if request is None or request.kind is not Kind.KNOCK or not request.open:
            return facts
        return replace(facts, asked=await _known(tx, request))


async def _known(tx: Tx, request: Request) -> HasBeenAsked | None:
    begun = await questions.round_of(tx, request)
    if begun is None or begun.stage is Stage.OVER:
        return None
    known = await questions.of(tx, request)
    given = {one.key: one.answer for one in known if one.answer is not None and one.asked_by is None}
    return HasBeenAsked(Asking(begun.stage), given)


async def outdates(_: Context, turn: Turn, request: Request, judgement: Judgement) -> bool:
    """Whether the applicant has answered since, or will not any more."""
    before = judgement.facts.asked
    if before is None and judgement.decision.verdict is not Verdict.ASK:
        return False
    return await _known(turn.tx, request) != before
