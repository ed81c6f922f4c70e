"""Telling applicants of other servers that they were rejected, which no homeserver does (docs/federation.md)."""

from __future__ import annotations

from knockbot.domain import plan
from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.ids import server_of
from knockbot.domain.model import Answer, Kind, Request, State, Verdict
from knockbot.domain.policy import NotifyRemote
from knockbot.engine.turn import Turn
from knockbot.flow import rules
from knockbot.flow.context import Context
from knockbot.store import jobs
from knockbot.store.db import Tx
from knockbot.times import DAY

STAYS = 7 * DAY
"""Milliseconds that the bot stays in a room made to tell somebody, so that they can come and read."""


async def settled(context: Context, turn: Turn, request: Request) -> None:
    """Plan what tells an applicant from elsewhere that they were rejected; only once they are: an answer may fall.

    At most once per applicant and day, and so many in all: what is beyond that is dropped without a word.
    """
    answer = request.answer
    if answer is None or not _concerns(context, request, answer):
        return
    how = (await rules.in_force(context, turn.tx, request.room_id)).policy.notify_remote
    if how is not NotifyRemote.OFF and await _within_limits(context, turn.tx, request.user_id):
        await turn.plan(plan.write(request, answer, context.now() // DAY))


def _concerns(context: Context, request: Request, answer: Answer) -> bool:
    rejected = answer.verdict is Verdict.REJECT and answer.rule != SERVER_ACL
    return (
        rejected
        and request.state is State.REJECTED
        and request.kind is Kind.KNOCK
        and request.moved_from is None
        and server_of(request.user_id) != context.home
    )


async def _within_limits(context: Context, tx: Tx, user_id: str) -> bool:
    told, in_all = await jobs.told_since(tx, user_id, context.now() - DAY)
    return told == 0 and in_all < context.settings.notices.per_day
