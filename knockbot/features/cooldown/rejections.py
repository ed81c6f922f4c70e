"""Which rejections begin a cooldown, when the applicant was last rejected, and how often moderators are told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from knockbot.domain.card import ruling
from knockbot.domain.cooldown import COOLDOWN
from knockbot.domain.model import Facts, LastRejection, Request, State, Verdict
from knockbot.engine.turn import Turn
from knockbot.flow.asking import Asked
from knockbot.flow.context import Context
from knockbot.store import requests
from knockbot.times import DAY

TOLD_AGAIN: Final = DAY
"""Milliseconds after one rejection by a cooldown within which another one of the same applicant is told in no line."""


async def last(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """When the applicant was last rejected here, unless they were accepted since."""
    context, knock = asked.context, asked.knock
    async with context.db.statement() as tx:
        since = await requests.rejected_since(tx, knock.room_id, knock.user_id)
    return replace(facts, last_rejection=LastRejection(context.now() - since if since is not None else None))


async def settled(_: Context, turn: Turn, request: Request) -> None:
    """A request has an outcome: a cooldown rejects nobody for longer, and says nothing about them. Nor does it begin
    after a rule that lets them ask again."""
    if is_by_cooldown(request) and _ended_by_its_answer(request):
        await requests.counts_for_nothing(turn.tx, request.id)
    decision = ruling(request)
    may_ask_again = decision is not None and decision.verdict is Verdict.REJECT and decision.may_ask_again
    cools = not (may_ask_again and _ended_by_its_answer(request))
    if cools != request.cools:
        await requests.cools(turn.tx, request.id, cools=cools)


def _ended_by_its_answer(request: Request) -> bool:
    """Whether its outcome comes from its answer, or the applicant was quicker; nobody else has rejected them."""
    by_answer = request.answer is not None and request.answer.by == request.by
    return request.state is State.WITHDRAWN or (request.state is State.REJECTED and by_answer)


def is_by_cooldown(request: Request) -> bool:
    """Whether the cooldown gave the answer to a request."""
    return request.answer is not None and request.answer.rule == COOLDOWN


async def unsaid(_: Context, turn: Turn, request: Request) -> bool:
    """Whether no line tells that the cooldown rejected somebody: it did so within the last day, too."""
    if not is_by_cooldown(request):
        return False
    before = await requests.settled_before(turn.tx, request)
    return before is not None and is_by_cooldown(before) and turn.now - before.changed_at < TOLD_AGAIN
