"""Telling applicants of other servers that they were rejected, which no homeserver does (docs/federation.md)."""

from __future__ import annotations

from knockbot.domain import plan
from knockbot.domain.acl import SERVER_ACL
from knockbot.domain.ids import server_of
from knockbot.domain.model import Answer, Job, Kind, Request, Verdict
from knockbot.domain.policy import NotifyRemote
from knockbot.flow import rules
from knockbot.flow.context import Context
from knockbot.store import jobs
from knockbot.store.db import Tx
from knockbot.times import DAY

STAYS = 7 * DAY
"""Milliseconds that the bot stays in a room made to tell somebody, so that they can come and read."""


async def planned(context: Context, tx: Tx, request: Request, answer: Answer) -> tuple[Job, ...]:
    """What tells an applicant from elsewhere that they were rejected; only once they are, since an answer may fall.

    At most once per applicant and day, and so many in all: what is beyond that is dropped without a word.
    """
    if not _concerns(context, request, answer):
        return ()
    how = (await rules.in_force(context, tx, request.room_id)).policy.notify_remote
    if how is NotifyRemote.OFF or not await _within_limits(context, tx, request.user_id):
        return ()
    return (plan.write(request, answer, context.now() // DAY),)


def _concerns(context: Context, request: Request, answer: Answer) -> bool:
    rejected = answer.verdict is Verdict.REJECT and answer.rule != SERVER_ACL
    return (
        rejected
        and request.kind is Kind.KNOCK
        and request.moved_from is None
        and server_of(request.user_id) != context.home
    )


async def _within_limits(context: Context, tx: Tx, user_id: str) -> bool:
    told, in_all = await jobs.told_since(tx, user_id, context.now() - DAY)
    return told == 0 and in_all < context.settings.notices.per_day
