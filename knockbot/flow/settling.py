"""How a request moves on, and what follows: decision, answer and outcome, each with its record, its card or line."""

from __future__ import annotations

from dataclasses import replace

from knockbot.domain import plan
from knockbot.domain.card import (
    NO_REJECTION_ON_RECORD,
    NoRejection,
    decision_line,
    is_withdrawn_accept,
    machine_block,
    no_rejection,
    origin_of,
    policy_key,
    ruling,
)
from knockbot.domain.judgements import Judgement, tells_of_others
from knockbot.domain.kinds import OTHERWISE, kind_of
from knockbot.domain.model import UNANSWERED, UNREACHABLE, Answer, Decision, Request, State, Step, Verdict
from knockbot.domain.notices import Notice, Numbered, User, because, notice
from knockbot.domain.policy import Announce, held_back, rehearsed
from knockbot.domain.records import Detail, Recorded
from knockbot.domain.remarks import Extent
from knockbot.domain.undoing import carried_out
from knockbot.engine.turn import Turn
from knockbot.errors import Later
from knockbot.flow import cards, place, remarks, saying, tables, undoing
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.records import record
from knockbot.flow.saying import Audience, Marks
from knockbot.store import jobs, judgements, requests

ANNOUNCED = frozenset({State.ACCEPTED, State.REJECTED, State.BANNED, State.STANDING, State.REVOKED, State.REDEEMED})
"""The outcomes that a line tells where there is no card: those of a rule, and of an answer on a current invite."""


SOON = 0.25
"""Seconds after which something is judged again, because a fact has changed meanwhile."""


async def apply_decision(
    context: Context,
    turn: Turn,
    request: Request,
    judgement: Judgement,
    *,
    card_id: int | None = None,
    word: Answer | None = None,
    also_from: str = "",
) -> None:
    """Store a judgement and what its decision leads to: acts of its own, or a card for the moderators.

    `card_id` names a card that exists already, to be shared. `word` is an earlier answer that the decision only
    follows: it stays the answer of the person who gave it. `also_from` is what people call the room that was the first
    to accept them (`Answer.also_from`). Raises `Later` where a fact has changed since.
    """
    decision, there = judgement.decision, await place.of(context, turn, request.room_id)
    if _is_of_another_place(there, judgement) or await tables.is_outdated(context, turn, request, judgement):
        raise Later(because("facts.changed"), retry_after=SOON, unreachable=True)
    if decision.verdict is Verdict.ACCEPT and leads_nowhere(request, there):
        decision = held_back(decision, because("doubt.room_replaced"))
    if there is not None:
        decision = rehearsed(decision, there.settings, judgement.kind)  # its policy may have been set since
        why = await tables.held(context, turn, there, request) if decision.verdict is Verdict.ACCEPT else None
        decision = held_back(decision, why) if why is not None else decision
    judgement = replace(judgement, decision=decision)
    await judgements.add(turn.tx, request.id, judgement, turn.now)
    await tables.decided(context, turn, request, judgement)
    if decision.verdict is Verdict.ASK and word is None:
        await _ask(context, turn, request, decision)
        return
    rule = kind_of(request).otherwise if decision.rule == OTHERWISE else decision.rule
    kind, verdict = _as_recorded(decision)
    await record(turn, request, context.bot, kind, **(Detail(verdict=verdict, rule=rule) | _from(decision)))
    if decision.verdict is Verdict.FORWARD and (word is None or word.verdict is Verdict.FORWARD):
        await cards.show(context, turn, request.id, card_id=card_id)
        await tables.left_open(context, turn, request)
        return
    ruled = Answer(
        decision.verdict,
        context.bot,
        turn.now,
        request.event_id,
        rule=decision.rule,
        reason=decision.reason,
        told=decision.told,
        cause=f"{judgement.because} {judgement.cause}" if judgement.cause else None,
        author=decision.author,
        also_from=also_from,
    )
    await _bind(context, turn, request, word or ruled)


def _as_recorded(decision: Decision) -> tuple[Recorded, Verdict]:
    """How a decision is put on record: also the verdict of a rule that is not carried out."""
    if decision.rehearsed is not None:
        return Recorded.WOULD, decision.rehearsed
    if decision.held is not None:
        return Recorded.HELD, decision.held
    without = decision.without_answers
    return _WITHOUT_ANSWERS[without.code] if without is not None else Recorded.JUDGED, decision.verdict


_WITHOUT_ANSWERS = {UNANSWERED: Recorded.JUDGED_UNANSWERED, UNREACHABLE: Recorded.JUDGED_UNREACHABLE}


async def _ask(context: Context, turn: Turn, request: Request, decision: Decision) -> None:
    """The applicant is asked; that is on record once, however often they are judged while they answer."""
    before = request.decision
    if before is None or before.verdict is not Verdict.ASK:
        rule = kind_of(request).otherwise if decision.rule == OTHERWISE else decision.rule
        detail = Detail(verdict=decision.verdict, rule=rule) | _from(decision)
        await record(turn, request, context.bot, Recorded.JUDGED, **detail)
    await tables.asks(context, turn, request)
    if request.card_id is not None:
        await cards.refresh(turn, request.card_id)


def _is_of_another_place(there: Place | None, judgement: Judgement) -> bool:
    """Whether the room has come under another management room since it was judged, or has left the space whose policy
    decided: what was found out there must not be told here."""
    if there is None:
        return False
    gone = judgement.inherited.keys() - {layer.room_id for layer in there.layers}
    asked = judgement.facts.managed_from
    return bool(gone) or (asked not in ("", there.management_room) and tells_of_others(judgement))


def _from(decision: Decision | None) -> Detail:
    """The room whose policy decided, if that is another room."""
    origin = origin_of(decision)
    return Detail(origin=origin) if origin else Detail()


def _also(answer: Answer | None) -> Detail:
    """The room that was the first to accept them, if that is why they are accepted here."""
    return Detail(also_from=answer.also_from) if answer is not None and answer.also_from else Detail()


def leads_nowhere(request: Request, there: Place | None) -> bool:
    """Whether the applicant waits outside of a room that was replaced, where the bot lets nobody in any more."""
    return kind_of(request).waits_outside and there is not None and there.is_replaced


async def apply_answer(context: Context, turn: Turn, request: Request, answer: Answer) -> None:
    """Store the answer on the request, and plan the jobs that carry it out."""
    if answer.rule is None:  # the answer of a rule is on record as the decision
        detail = Detail(reason=answer.reason) | _also(answer)
        await record(turn, request, answer.by, Recorded(answer.verdict), **detail)
    await _bind(context, turn, request, answer)


async def take_back(context: Context, turn: Turn, request: Request, answer: Answer) -> None:
    """The applicant takes their request back by the bot: it ends as withdrawn once their knock is removed."""
    await _bind(context, turn, request, answer)


async def _bind(context: Context, turn: Turn, request: Request, answer: Answer) -> None:
    await requests.answered(turn.tx, request.id, answer)
    await turn.plan(*plan.plan(request, answer, context.home))
    if request.card_id is not None:
        # Most acts are done in less time than this, and then the card is edited once, not twice.
        later = cards.refresh_in_turn if answer.quiet else cards.refresh
        await later(turn, request.card_id, after=cards.UNDER_WAY)
    if request.moved_from is not None and answer.verdict is Verdict.REJECT:
        # There is no knock in this room to reject.
        await record_outcome(context, turn, await requests.get(turn.tx, request.id), State.REJECTED, answer.by)
    await tables.answered(context, turn, request)


async def withdraw_answer(turn: Turn, request: Request, why: Notice, *, inviter_too: bool = False) -> None:
    """Remove an answer that no longer fits: the request is open again.

    `inviter_too` drops the planned acts on the inviter of a third-party invite as well.
    """
    await requests.answered(turn.tx, request.id, None)
    await jobs.overtake(turn.tx, request.id, why, turn.now, inviter_too=inviter_too)


async def record_outcome(context: Context, turn: Turn, request: Request, state: State, by: str) -> None:
    """The room has changed: record the outcome, and update what shows it."""
    if state is State.JOINED and _was_let_in(request, by):
        await record_outcome(context, turn, request, State.ACCEPTED, by)
        request = await requests.get(turn.tx, request.id)
    before, request = request, await requests.settled(turn.tx, request.id, state, by, turn.now)
    if before.undone is not None and before.undone.step is Step.EXPIRE and state is State.ACCEPTED:
        await requests.answered(turn.tx, request.id, None)  # they are invited anew, by hand
        request = await requests.get(turn.tx, request.id)
    if before.being_undone and not await undoing.is_done(turn, before, state):
        await undoing.fell(context, turn, before, because("overtaken.state", state=because(f"record.{state}")))
        request = await requests.get(turn.tx, request.id)
    await jobs.overtake(turn.tx, request.id, because("overtaken.state", state=because(f"record.{state}")), turn.now)
    await tables.settled(context, turn, request)
    unrejected = no_rejection(request)
    if unrejected is not None:
        await requests.counts_for_nothing(turn.tx, request.id)
    answer = request.answer if request.answer is not None and request.answer.by == by else None
    by_rule = answer is not None and (unrejected is NoRejection.BY_POLICY or not is_withdrawn_accept(request))
    rule = policy_key(request, answer.rule, answer.verdict) if answer is not None and by_rule else None
    kind = Recorded(state) if unrejected is None else NO_REJECTION_ON_RECORD[unrejected]
    expires = carried_out(request) is Step.EXPIRE
    if expires:
        kind = Recorded.INVITE_WITHDRAWN
    detail = Detail(rule=rule) | _from(ruling(request) if by_rule else None) | _also(answer)
    await record(turn, request, by, kind, **detail)
    if request.card_id is not None and answer is not None and answer.quiet:
        await cards.refresh_in_turn(turn, request.card_id)
    elif request.card_id is not None:
        await cards.show(context, turn, request.id)
    elif (state in ANNOUNCED or expires) and await _is_announced(context, turn, request):
        await _announce(context, turn, request)


def _was_let_in(request: Request, by: str) -> bool:
    """Whether they joined by an accept before anybody saw the invite: some clients join in the same moment (MSC4509).
    Then the accept is told as it always is."""
    answer = request.answer
    return request.state is State.PENDING and answer is not None and (answer.verdict, answer.by) == (Verdict.ACCEPT, by)


async def _is_announced(context: Context, turn: Turn, request: Request) -> bool:
    """Whether a line tells the outcome of a request that has no card."""
    if request.answer is None or request.answer.quiet:
        return False
    if request.answer.rule is None:
        return kind_of(request).answers_are_told
    there = await place.of(context, turn, request.room_id)
    if there is not None and there.settings.announce is Announce.NONE:
        return False
    return not await tables.is_unsaid(context, turn, request)


async def show_inviter_banned(context: Context, turn: Turn, request: Request) -> None:
    """The inviter of an invite was banned with it: its card is edited, or a line follows the one on the outcome."""
    if request.card_id is not None:
        await cards.refresh(turn, request.card_id)
    elif not request.open and await _is_announced(context, turn, request):
        inviter, number = User(request.subject), Numbered(request.number)
        room = await place.called(context, turn, request.room_id)
        said = notice("invite.inviter_banned", request=number, inviter=inviter, room=room)
        audience = Audience(request.management_room, about=request)
        await saying.say(context, turn, audience, f"inviter_banned:{request.id}:{request.event_id}", said)


async def _announce(context: Context, turn: Turn, request: Request) -> None:
    there = await place.of(context, turn, request.room_id)
    if request.answer is not None and request.answer.rule is not None and await cards.fold(context, turn, request):
        return
    said = await remarks.of(context, turn.tx, [request], Extent.ROW)
    line = decision_line(request, there.label if there is not None else request.room_id, said.get(request.id, ()))
    asked = request.answer.cause if request.answer is not None and request.issued_by == request.answer.by else None
    reply_to = asked if request.state is State.STANDING else None  # the line is the result of the command
    occasion = f"line:{request.id}:{request.state}"
    block = machine_block(request)
    await saying.say(
        context,
        turn,
        Audience(request.management_room, about=request),
        occasion,
        line,
        reply_to=reply_to,
        marks=Marks(block=block),
    )
