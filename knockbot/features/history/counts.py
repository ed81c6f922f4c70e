"""Knocks, written down as they are made, and counted for rules."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from knockbot.documents.text import gist
from knockbot.domain.criteria.counts import COUNTED, KNOCKS_KEPT, asked_for
from knockbot.domain.judgements import Judgement
from knockbot.domain.model import Count, Counting, Fact, Facts, MemberChange, Request, Where
from knockbot.engine.turn import Turn
from knockbot.features.history import acquaintance
from knockbot.flow.asking import Asked
from knockbot.flow.context import Context
from knockbot.store import knocks


async def knocked(context: Context, turn: Turn, change: MemberChange, at: int) -> None:
    """Keep a knock, so that it can be counted. A reason that is cut comes whole later, with the same knock."""
    await acquaintance.knocked(turn, change)
    reason = None if change.cut else _fingerprint(context, change.reason)
    await knocks.add(turn.tx, change.as_knock(), reason, at)


async def _counted(fact: Fact, asked: Asked, facts: Facts, needs: Sequence[str]) -> Facts:
    """How many there were up to this knock, which counts itself; a reason of no words is like no other."""
    knock, found = asked.knock, dict(facts.counts)
    same = _fingerprint(asked.context, knock.reason) if fact is Fact.SAME_REASON else None
    async with asked.context.db.tx() as tx:
        until = await knocks.moment(tx, knock) or asked.context.now()
        for counting, most in asked_for(fact, needs).items():
            if fact is Fact.SAME_REASON and same is None:
                found[counting] = Count(0)
                continue
            number = 1 + await knocks.others(tx, counting, knock, same, until=until, most=most - 1)
            found[counting] = Count(number, cut=number == most)
    return replace(facts, counts=found)


async def outdates(context: Context, turn: Turn, request: Request, judgement: Judgement) -> bool:
    """Whether a knock at another room managed from here was written down since this one was counted.

    Knocks at one room are judged one after another, those at several at the same time. New requests of one management
    room are written one after another, for the sake of their numbers; so the later one finds the earlier one here.
    """
    knock, facts = request.knock, judgement.facts
    wide = [*_wide(facts)] if judgement.event_id == knock.event_id else []
    until = await knocks.moment(turn.tx, knock) or turn.now if wide else 0
    for counting, counted in wide:
        same = _fingerprint(context, knock.reason) if counting.fact is Fact.SAME_REASON else None
        if counting.fact is Fact.SAME_REASON and (same is None or facts.measure != knock.measure):
            continue  # the reason that was judged is not the one on record
        others = await knocks.others(turn.tx, counting, knock, same, until=until, most=counted.number)
        if 1 + others > counted.number:
            return True
    return False


def _wide(facts: Facts) -> Iterator[tuple[Counting, Count]]:
    """What was counted in several rooms, and can still become more."""
    for counting, counted in facts.counts.items():
        if counting.where is Where.MANAGED and not counted.cut:
            yield counting, counted


GATHERS = {fact: partial(_counted, fact) for fact in COUNTED}
"""How each number is looked up."""


FINGERPRINT = 12
"""Bytes that stand for a reason: too few to hold it, and enough that no two of a month are taken for one."""


def _fingerprint(context: Context, reason: str) -> str | None:
    """What stands for a reason in the records; none for one without words.

    It is made with a secret that is in the config and in no back-up: whoever has the records alone cannot try out
    likely reasons. With another secret, reasons of before are like no other.
    """
    words = gist(reason)
    if not words:
        return None
    key = hashlib.sha256(b"knockbot reasons " + context.settings.pickle_key.encode()).digest()
    return hashlib.blake2b(words.encode(), digest_size=FINGERPRINT, key=key).hexdigest()


async def forget(_: Context, turn: Turn) -> None:
    """Forget the knocks that no rule can count any more."""
    await knocks.forget_old(turn.tx, turn.now - KNOCKS_KEPT)
