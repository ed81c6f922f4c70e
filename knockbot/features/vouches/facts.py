"""Whose word counts for an applicant at this moment, and what follows where one does not count any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Facts, Request, State, Truth, Verdict, Vouched, Word
from knockbot.domain.notices import Notice, because
from knockbot.domain.vouches import FARTHEST, MOST_WORDS, Fell
from knockbot.engine.turn import Turn
from knockbot.errors import Never
from knockbot.flow import authority
from knockbot.flow.asking import Asked
from knockbot.flow.authority import Remembered
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.standings import Standing
from knockbot.store import judgements, requests, vouches
from knockbot.store.db import Tx


async def vouched(asked: Asked, facts: Facts, _: Sequence[str]) -> Facts:
    """Who vouches for the applicant, and whose word counts."""
    context, knock = asked.context, asked.knock
    remembered = context.standings.as_heard if context.db.alone else None
    return replace(facts, vouched=await _look_up(context, knock.room_id, knock.user_id, remembered))


async def _look_up(context: Context, room_id: str, user_id: str, remembered: Remembered | None) -> Vouched:
    async with context.db.tx() as tx:
        found = await vouches.standing_for(tx, room_id, user_id, context.now(), MOST_WORDS)
        givers = [vouch.given_by for vouch in found]
        circle = await _came_in_by(tx, room_id, givers, user_id) if givers else frozenset[str]()
    try:
        seen = await authority.standings(context, room_id, givers, remembered)
    except Never as error:
        return Vouched(tuple(Word(by, Truth.UNKNOWN, why=error.why) for by in givers))
    return Vouched(tuple(_word(by, seen[by], in_circle=by in circle) for by in givers))


def _word(by: str, standing: Standing, *, in_circle: bool) -> Word:
    if not standing.joined:
        return Word(by, Truth.FALSE, why=because("vouch.no_member"))
    if in_circle:
        return Word(by, Truth.FALSE, why=because("vouch.circle"))
    return Word(by, Truth.TRUE, standing.powers.level(by))


async def _came_in_by(tx: Tx, room_id: str, givers: Sequence[str], user_id: str) -> frozenset[str]:
    """Those of these who came in by the word of somebody, or of somebody who came in by theirs, and so on."""
    led_to: dict[str, set[str]] = {}
    """Who came in by the word of each."""
    looked_at, ahead = {*givers}, {*givers}
    for _ in range(FARTHEST):
        pairs = await vouches.came_in_by(tx, room_id, sorted(ahead)) if ahead else []
        for came_in, by in pairs:
            led_to.setdefault(by, set()).add(came_in)
        ahead = {by for _, by in pairs} - looked_at
        looked_at |= ahead
    reached, next_ones = set[str](), {user_id}
    while next_ones:
        next_ones = {one for by in next_ones for one in led_to.get(by, ())} - reached
        reached |= next_ones
    return frozenset(reached.intersection(givers))


# --- what counted in a judgement --------------------------------------------------------------------------------


def _known(facts: Facts) -> Vouched | None:
    """Who vouches, whichever policy asked for it."""
    seen = [facts, *(facts.seen_from(origin) for origin in facts.elsewhere)]
    return next((one.vouched for one in seen if one.vouched is not None), None)


def words(judgement: Judgement) -> tuple[Word, ...]:
    """The words that were known when this was judged."""
    known = _known(judgement.facts)
    return known.words if known is not None else ()


def counting(judgement: Judgement) -> dict[str, float]:
    """Whose words counted when this was judged, with their power levels."""
    return {word.by: word.level for word in words(judgement) if word.truth is Truth.TRUE}


async def outdates(context: Context, turn: Turn, request: Request, judgement: Judgement) -> bool:
    """Whether somebody has vouched since this was judged, or a word has fallen."""
    if _known(judgement.facts) is None:
        return False
    stand = await vouches.standing_for(turn.tx, request.room_id, request.user_id, context.now(), MOST_WORDS)
    return {vouch.given_by for vouch in stand} != {word.by for word in words(judgement)}


async def decided(_: Context, turn: Turn, request: Request, judgement: Judgement) -> None:
    """A judgement is stored: note whether a word counted."""
    counted = bool(counting(judgement))
    if counted is not request.vouched:
        await requests.note_vouched(turn.tx, request.id, vouched=counted)


def at_once(_: Judgement | None, judgement: Judgement) -> bool:
    """Whether a word counts for somebody who waits, before the policy in force is applied: that accepts them."""
    decision = judgement.decision
    return Verdict.ACCEPT in (decision.verdict, decision.held) and bool(counting(judgement))


async def bars(context: Context, there: Place, request: Request) -> Notice | None:
    """Why a rule must not accept somebody any more for whom a word counted when it decided: one does not count now, or
    its giver has less power. May raise `Later`."""
    if not request.vouched:
        return None
    async with context.db.statement() as tx:
        before = await judgements.newest(tx, request.id)
    counted = counting(before) if before is not None else {}
    if not counted:
        return None
    now = await _look_up(context, there.room_id, request.user_id, context.standings.a_moment_ago)
    levels = {word.by: word.level for word in now.words if word.truth is Truth.TRUE}
    fell = any(by not in levels or levels[by] < level for by, level in counted.items())
    return because("vouch.counts_no_more") if fell else None


def overrides(before: Judgement | None, judgement: Judgement) -> bool:
    """Whether a rule had accepted somebody by words of which one fell, and the policy does not accept them now."""
    if before is None or before.decision.verdict is not Verdict.ACCEPT or before.policies != judgement.policies:
        return False
    decision = judgement.decision
    holds = {word.by for word in words(judgement) if word.truth is not Truth.FALSE}
    return Verdict.ACCEPT not in (decision.verdict, decision.held) and not counting(before).keys() <= holds


# --- outcomes ---------------------------------------------------------------------------------------------------


async def settled(_: Context, turn: Turn, request: Request) -> None:
    """A request has an outcome: whoever joined came in by the words that counted; a moderator's rejection ends all that
    were given, whether or not the policy asked for them."""
    if request.state is State.JOINED and request.vouched:
        judgement = await judgements.newest(turn.tx, request.id)
        givers = sorted(counting(judgement)) if judgement is not None else []
        if givers:
            await vouches.use(turn.tx, request.room_id, request.user_id, givers, request.id)
    elif request.state in (State.REJECTED, State.BANNED) and not _is_by_rule(request):
        await vouches.fall_for(turn.tx, request.room_id, request.user_id, Fell.REJECTED)


def _is_by_rule(request: Request) -> bool:
    return request.answer is not None and request.answer.rule is not None and request.answer.by == request.by
