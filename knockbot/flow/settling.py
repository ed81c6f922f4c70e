"""What follows when a request moves on: the record, the card or the line, and acts that are no longer needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Unpack

from knockbot.domain import plan
from knockbot.domain.card import EMOJI, decision_line, machine_block, policy_key
from knockbot.domain.model import Answer, Decision, Kind, Request, State, Verdict
from knockbot.domain.notices import Notice, Numbered, Room, Term, User, because, notice
from knockbot.domain.policy import OTHERWISE, Announce, held_back
from knockbot.domain.records import Detail, Recorded
from knockbot.engine.turn import Turn
from knockbot.features.remote import notify
from knockbot.flow import journal, saying
from knockbot.flow.context import Context
from knockbot.flow.place import find as find_place
from knockbot.flow.saying import Audience, Marks
from knockbot.store import cards, jobs, records, requests, room_upgrades, rooms
from knockbot.store.db import Tx
from knockbot.times import HOUR, MINUTE

UNDER_WAY = 2000
"""Milliseconds after which a card says that an answer is on its way, if it has not arrived by then."""

CROWDED = 5
"""More requests than this, of one applicant in an hour or found standing on arrival, share a card."""

CROWD = 10
"""Applicants who were shown on cards at one door within a minute; whoever comes after them shares a card."""

MOST_SHARING = 50
"""Requests of a crowd that one card shows; the next get another."""

TOGETHER = 5000
"""Milliseconds for which a card that a crowd shares waits for more of them before it is edited."""

ANNOUNCED = frozenset({State.ACCEPTED, State.REJECTED, State.BANNED, State.STANDING, State.REVOKED, State.REDEEMED})
"""The outcomes that are told in a line where there is no card: of a rule, and of a word on an invite that stood."""


async def apply_decision(
    context: Context,
    turn: Turn,
    request: Request,
    decision: Decision,
    *,
    card_id: int | None = None,
    word: Answer | None = None,
) -> None:
    """Write a policy's decision down, and what it leads to: acts of its own, or a card for the moderators.

    `card_id` names a card that is already there to be shared. `word` is an answer given before that the decision only
    follows: it stays the word of whoever gave it.
    """
    replaced = request.kind is Kind.KNOCK and await room_upgrades.find(turn.tx, request.room_id) is not None
    if replaced and decision.verdict is Verdict.ACCEPT:
        decision = held_back(decision, because("doubt.room_replaced"))
    await requests.judged(turn.tx, request.id, decision)
    # Whoever redeems is judged by what was said of the invite, where no rule matches: no key of the policy says that.
    by_invite = request.redeemed and decision.rule == OTHERWISE
    key = "" if by_invite else policy_key(request, decision.rule, decision.verdict)
    await record(turn, request, context.bot, Recorded.JUDGED, verdict=decision.verdict, rule=key)
    if decision.verdict is Verdict.FORWARD:
        await show(context, turn, request.id, card_id=card_id)
        return
    ruled = Answer(
        decision.verdict,
        context.bot,
        turn.now,
        request.event_id,
        rule=decision.rule,
        reason=decision.reason,
        told=decision.told,
        author=decision.author,
    )
    await _bind(context, turn, request, word or ruled)


async def apply_answer(context: Context, turn: Turn, request: Request, answer: Answer) -> None:
    """Bind a request to a word, and plan the act that carries it out."""
    if answer.rule is None:  # what a rule says is on record as the decision
        await record(turn, request, answer.by, Recorded(answer.verdict), reason=answer.reason)
    await _bind(context, turn, request, answer)


async def _bind(context: Context, turn: Turn, request: Request, answer: Answer) -> None:
    await requests.answered(turn.tx, request.id, answer)
    await turn.plan(*plan.plan(request, answer, context.home))
    if request.card_id is not None:
        # Most acts are done in less time than this, and then the card is edited once, not twice.
        await refresh(turn, request.card_id, after=UNDER_WAY)
    if request.moved_from is not None and answer.verdict is Verdict.REJECT:
        # There is no knock in this room to reject.
        await record_outcome(context, turn, await requests.get(turn.tx, request.id), State.REJECTED, answer.by)


async def withdraw_answer(turn: Turn, request: Request, why: Notice) -> None:
    """The word no longer fits: the request is open again."""
    await requests.answered(turn.tx, request.id, None)
    await jobs.overtake(turn.tx, request.id, why, turn.now)


async def record_outcome(context: Context, turn: Turn, request: Request, state: State, by: str) -> None:
    """The room has moved on: record the outcome, and tell it where it is shown."""
    request = await requests.settled(turn.tx, request.id, state, by, turn.now)
    await jobs.overtake(turn.tx, request.id, because("overtaken.state", state=Term(state)), turn.now)
    if state is State.REJECTED and request.answer is not None:
        await turn.plan(*await notify.planned(context, turn.tx, request, request.answer))
    answer = request.answer if request.answer is not None and request.answer.by == by else None
    rule = policy_key(request, answer.rule, answer.verdict) if answer is not None else None
    await record(turn, request, by, Recorded(state), rule=rule)
    if request.card_id is not None:
        await show(context, turn, request.id)
    elif state in ANNOUNCED and request.answer is not None and not request.answer.quiet:
        by_rule = request.answer.rule is not None
        if by_rule or request.invite is not None:
            await _announce(context, turn, request, by_rule=by_rule)


async def _announce(context: Context, turn: Turn, request: Request, *, by_rule: bool) -> None:
    there = await find_place(context, turn.tx, request.room_id)
    if there is not None and by_rule and there.policy.announce is Announce.NONE:
        return
    line = decision_line(request, there.label if there is not None else request.room_id)
    asked = request.answer.cause if request.answer is not None and request.issued_by == request.answer.by else None
    reply_to = asked if request.state is State.STANDING else None  # this is what came of the command
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


# --- cards ----------------------------------------------------------------------------------------------------


async def show(context: Context, turn: Turn, request_id: int, *, card_id: int | None = None) -> None:
    """See to it that the moderators' card shows this request as it is now, on a card that exists or on a new one."""
    request = await requests.get(turn.tx, request_id)
    shared = request.card_id or card_id or await _crowded_card(context, turn.tx, request)
    crowd = await _card_of_the_crowd(context, turn.tx, request) if shared is None else None
    shared = shared or crowd
    if shared is None:
        card = await cards.new(turn.tx, request.management_room, request.room_id, turn.now)
        await requests.put_on_card(turn.tx, request.id, card.id)
        await turn.plan(plan.post_card(card.management_room, card.id))
        return
    await requests.put_on_card(turn.tx, request.id, shared)
    if request.card_id is None and (
        request.invite is not None or await requests.others_on_card(turn.tx, request, shared)
    ):
        await offer(turn, shared, [])  # a click on it could mean any of them
    await refresh(turn, shared, after=0 if crowd is None else TOGETHER)


async def refresh(turn: Turn, card_id: int, *, after: int = 0) -> None:
    """Have a posted card edited, `after` so many milliseconds at the latest.

    Edits that wait their turn are one edit, for it shows what is true by then.
    """
    card = await cards.get(turn.tx, card_id)
    if card.event_id is None or await jobs.hurry_edit(turn.tx, card_id, turn.now + after):
        return
    number = await cards.count_edit(turn.tx, card_id)
    await turn.plan(plan.edit_card(card.management_room, card_id, number), due_at=turn.now + after)


async def offer(turn: Turn, card_id: int, verdicts: Iterable[Verdict], *, named: bool = False) -> None:
    """See to it that a posted card offers just these answers, by reactions of the bot's own.

    `named` says that its text names them already.
    """
    card = await cards.get(turn.tx, card_id)
    if card.event_id is None:
        return
    there = await cards.offers_on(turn.tx, card_id)
    changes, offered = [], []
    wanted = {EMOJI[verdict] for verdict in verdicts}
    for emoji in EMOJI.values():
        now = there.get(emoji, cards.Offer(emoji, None, 0))
        if emoji in wanted and now.reaction is None:
            changes.append(plan.react(card.management_room, card_id, card.event_id, emoji, now.turns))
            offered.append(emoji)
        elif emoji not in wanted and now.reaction:
            changes.append(plan.unreact(card.management_room, card_id, now.reaction, emoji))
            await cards.offer_no_more(turn.tx, card_id, emoji)
    await cards.offer(turn.tx, card_id, offered)
    await turn.plan(*changes)
    if changes and not named:
        await refresh(turn, card_id)


async def post_missing(turn: Turn, room_id: str) -> None:
    """See to it that every card with an open request gets posted; for those that are, this changes nothing."""
    for card in await cards.unposted(turn.tx, room_id):
        job = plan.post_card(card.management_room, card.id)
        await turn.plan(job)
        await jobs.revive(turn.tx, job.key, turn.now)


async def _crowded_card(context: Context, tx: Tx, request: Request) -> int | None:
    """The card to share, when one applicant, or inviter, has been at the same door too often within the hour."""
    recent = await requests.recent_of(tx, request, context.now() - HOUR)
    if len(recent) <= CROWDED:
        return None
    carded = {card for room, card, _ in recent if card is not None and room == request.management_room}
    # One that shows nothing open and was not posted may never be.
    alive = {card for _, card, is_open in recent if is_open}
    shown = [c for c in carded if c in alive or (await cards.get(tx, c)).event_id is not None]
    return max(shown, default=None)


async def _card_of_the_crowd(context: Context, tx: Tx, request: Request) -> int | None:
    """The card to share, when many have been at the same door within a minute."""
    if request.redeemed:
        return None
    recent = await requests.carded_since(tx, request, context.now() - MINUTE, MOST_SHARING)
    if len({who for who, _, _ in recent}) < CROWD:
        return None
    newest = max(card_id for _, card_id, _ in recent)
    # One that shows nothing open and was not posted may never be.
    alive = any(card_id == newest and open_ for _, card_id, open_ in recent)
    if not alive and (await cards.get(tx, newest)).event_id is None:
        return None
    return newest if await requests.count_on_card(tx, newest) < MOST_SHARING else None


# --- the record ---------------------------------------------------------------------------------------------


def changed_anew(request: Request) -> Notice:
    """The answer was given to something that has been replaced since."""
    number = Numbered(request.number)
    if request.invite is not None:
        return notice("answer.other_invite", request=number)
    return notice("answer.other_knock", user=User(request.user_id), request=number)


async def called(tx: Tx, room_id: str) -> Room:
    """A protected room, as notices name it."""
    return Room(room_id, await label_of(tx, room_id))


async def label_of(tx: Tx, room_id: str) -> str:
    """What people call a protected room."""
    room = await rooms.find(tx, room_id)
    return room.label if room else room_id


async def record(turn: Turn, request: Request, actor: str, kind: Recorded, **detail: Unpack[Detail]) -> None:
    """Add a line about a request to the record, and to the log."""
    await records.add(turn.tx, records.Entry(turn.now, request.room_id, request.id, actor, kind, detail))
    journal.decided(request, await label_of(turn.tx, request.room_id), kind, actor, detail)


async def record_of_room(turn: Turn, room_id: str, actor: str, kind: Recorded, **detail: Unpack[Detail]) -> None:
    """Add a line about a protected room to the record, and to the log."""
    await records.add(turn.tx, records.Entry(turn.now, room_id, None, actor, kind, detail))
    journal.changed(room_id, await label_of(turn.tx, room_id), kind, actor, detail)
