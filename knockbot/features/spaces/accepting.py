"""`also_invite`: who waits for an answer at the other room gets it there, as if that had been given by hand.

What a moderator accepted is their answer there too. What a rule accepted is a decision of that rule: what overrides an
accept by a rule overrides this one as well (`flow/overriding.py`).
"""

from __future__ import annotations

from dataclasses import replace

from knockbot.domain.card import origin_of, ruling
from knockbot.domain.card.who import answered_by
from knockbot.domain.jobs import AlsoInvite
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Answer, Because, Decision, MemberChange, Origin, Request, Verdict, Wish
from knockbot.domain.notices import Choice, Notice, Numbered, User, because, notice
from knockbot.domain.votes import Lapse
from knockbot.engine.turn import Turn
from knockbot.errors import Later
from knockbot.flow import answering, place, rules, settling
from knockbot.flow.context import Context
from knockbot.flow.judging import Case, judge
from knockbot.flow.place import Place
from knockbot.store import requests, votes


async def waiting(context: Context, room_id: str, user_id: str) -> Request | None:
    """The open request of somebody at a room. Raises `Later` where they knock there, and that is not taken in yet."""
    async with context.db.tx() as tx:
        found = await requests.latest(tx, room_id, user_id, held=False)
    if found is None or not found.open:
        raise Later(because("act.under_way"), retry_after=1, unreachable=True)
    return found


async def has_accepted(context: Context, accepted: Request, stands: MemberChange) -> bool:
    """Whether an invite is the answer to a request there that this has given."""
    async with context.db.tx() as tx:
        found = await requests.latest(tx, stands.room_id, stands.user_id, held=False)
    given = found.answer if found is not None else None
    return given is not None and given.cause in (_cause(accepted), f"{Because.ALSO_INVITED} {_cause(accepted)}")


def _cause(accepted: Request) -> str:
    return f"also {accepted.id}"


async def accept(
    context: Context, there: Place, accepted: Request, waits: Request, payload: AlsoInvite
) -> Notice | None:
    """Accept somebody who waits at another room, once; returns why that is not possible. May raise `Later` and
    `Busy`."""
    if waits.answer is not None:
        return _answered_otherwise(waits, waits.answer)
    if accepted.answer is not None and accepted.answer.rule is None:
        return await _by_hand(context, accepted.answer.by, accepted, waits)
    judged = await judge(context, await rules.look_up(context, there.room_id), Case(waits.knock))
    await _by_rule(context, accepted, waits, judged, payload)
    return None


def _answered_otherwise(waits: Request, given: Answer) -> Notice | None:
    """That somebody has answered them otherwise, which is not carried out yet."""
    if given.verdict is Verdict.ACCEPT:
        return None
    by = answered_by(waits)
    return notice("also.answered", request=Numbered(waits.number), by=by, verdict=Choice(given.verdict))


async def _by_hand(context: Context, by: str, accepted: Request, waits: Request) -> Notice | None:
    """The moderator who accepted them accepts them here too; returns that this is only a vote, where several are
    needed."""
    async with context.db.tx() as tx:
        there = await place.find(context, tx, accepted.room_id)
    label = there.label if there is not None else accepted.room_id
    wish = Wish(by, Verdict.ACCEPT, _cause(accepted), knock=waits.event_id, also_from=label)
    await answering.insist(context, wish, waits)
    async with context.turn(wish.cause) as turn:
        now = await _still_waiting(turn, waits)
        if await answering.take(context, turn, wish, now.id) is None:
            return None
        given = (await votes.on(turn.tx, [now])).get(now.id, [])
        user, number = User(by), Numbered(now.number)
        if any(vote.voter == by and vote.lapse is Lapse.AWAY for vote in given):
            return notice("also.vote_from_outside", user=user, request=number)
        return notice("also.one_vote", user=user, request=number)


async def _still_waiting(turn: Turn, waits: Request) -> Request:
    """The same request. Raises `Later` where they have knocked again, or somebody was quicker."""
    now = await requests.get(turn.tx, waits.id)
    if not now.awaits_moderators or now.event_id != waits.event_id:
        raise Later(because("act.under_way"), retry_after=1, unreachable=True)
    return now


async def _by_rule(context: Context, accepted: Request, waits: Request, judged: Judgement, payload: AlsoInvite) -> None:
    """The rule that accepted them accepts them here too, with the power of whoever set `also_invite`."""
    async with context.turn(_cause(accepted)) as turn:
        now = await _still_waiting(turn, waits)
        label = (await place.called(context, turn, accepted.room_id)).label
        decided = replace(judged, because=Because.ALSO_INVITED, cause=turn.cause)
        decided = replace(decided, decision=_decision(context, accepted, label, payload.on_behalf_of))
        await settling.apply_decision(context, turn, now, decided, also_from=label)


def _decision(context: Context, accepted: Request, label: str, author: str) -> Decision:
    """The accept of the rule that accepted them at another room."""
    rule = accepted.answer.rule if accepted.answer is not None else None
    origin = Origin(accepted.room_id, origin_of(ruling(accepted)) or label)
    return Decision(Verdict.ACCEPT, rule or "", author=author if author != context.bot else None, origin=origin)
