"""Overriding: a rule has answered a request, and then a fact has changed by which it was judged.

What is not carried out yet is withdrawn. So is an invite that was not taken yet, and a third-party invite that nobody
has used. Who joined stays: to remove members is for moderators. So are the answers that moderators gave themselves.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Answer, Membership, Request, State, Verdict
from knockbot.domain.notices import because
from knockbot.domain.records import Recorded
from knockbot.engine.turn import Turn
from knockbot.errors import Never
from knockbot.flow import settling
from knockbot.flow.context import Context
from knockbot.flow.records import record
from knockbot.store import requests

NOT_TAKEN: Final = frozenset({State.ACCEPTED, State.STANDING, State.REDEEMED})
"""The outcomes of an accept that can still be taken back, as far as the records say."""


def may_override(request: Request) -> bool:
    """Whether a rule has answered this request, and its answer can still be taken back, as far as the records say."""
    answer = request.answer
    if answer is None or answer.rule is None:
        return False
    return request.open or (request.state in NOT_TAKEN and answer.verdict is Verdict.ACCEPT)


async def is_taken(context: Context, request: Request) -> bool:
    """Whether somebody has joined by the invite, or has declined it: then it is too late."""
    if request.open or request.state is State.STANDING:
        return False
    try:
        member = await context.outside.member(request.room_id, request.user_id)
    except Never:
        return True  # the bot cannot look, and cannot act either
    return member is None or member.membership is not Membership.INVITE


async def override(context: Context, turn: Turn, request: Request, judged: Judgement) -> None:
    """Withdraw the answer of a rule, and do what the policy says now instead."""
    was_invited = request.state is State.ACCEPTED
    await settling.withdraw_answer(turn, request, because("overtaken.facts_changed"))
    if not request.open:
        await requests.reopened(turn.tx, request.id, turn.now)
        await record(turn, request, context.bot, Recorded.OVERRIDDEN)
    now = await requests.get(turn.tx, request.id)
    word = _withdrawing(context, turn, now, judged, request.answer) if was_invited else None
    await settling.apply_decision(context, turn, now, judged, word=word)


def _withdrawing(context: Context, turn: Turn, request: Request, judged: Judgement, before: Answer | None) -> Answer:
    """The answer that takes an invite back. To ask the moderators while somebody is invited would leave it to them, so
    they are told to ask again.

    Where the author of what decides now lacks the power, the answer is taken back with the power by which it was given.
    """
    decision = judged.decision
    author = before.author if before is not None and decision.doubt is not None else decision.author
    forwarded = decision.verdict is Verdict.FORWARD
    told = because("told.invite_withdrawn") if forwarded else decision.told
    word = Answer(
        Verdict.REJECT if forwarded else decision.verdict,
        context.bot,
        turn.now,
        request.event_id,
        rule=decision.rule,
        reason=decision.reason,
        cause=f"{judged.because} {judged.cause}",
        author=author,
        instead=True,
    )
    return replace(word, told=told)
