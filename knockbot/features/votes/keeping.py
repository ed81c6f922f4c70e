"""Votes to reject or ban are about the person: they stand on the next request, too, if nobody answered the last one.

Without that, an applicant would be rid of such votes by leaving and knocking again.
"""

from __future__ import annotations

from itertools import groupby

from knockbot.domain.model import Request, Verdict
from knockbot.domain.records import Detail, Recorded
from knockbot.domain.votes import Vote, carried_over
from knockbot.engine.turn import Turn
from knockbot.features.votes import recount
from knockbot.flow.context import Context
from knockbot.flow.records import record
from knockbot.store import votes


async def asks_again(context: Context, turn: Turn, before: Request, request: Request) -> None:
    """Carry votes over, and count them: by now they may be enough, and their voters are looked at."""
    given = (await votes.on(turn.tx, [before])).get(before.id, [])
    kept = sorted(carried_over(given, before, request), key=_origin)
    for vote in kept:
        await votes.put(turn.tx, vote)
    for (number, verdict), alike in groupby(kept, key=_origin):
        whom = [vote.voter for vote in alike]
        detail = Detail(verdict=verdict, earlier=number, whom=whom, people=len(whom))
        await record(turn, request, context.bot, Recorded.VOTES_KEPT, **detail)
    if kept:
        await recount.plan(context, turn, request.id)


def _origin(vote: Vote) -> tuple[int, Verdict]:
    return vote.from_number or 0, vote.verdict
