"""What is said in a room beside cards, reactions, and taking either away; and what follows of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knockbot.domain.coding import Malformed
from knockbot.domain.jobs import LINE, Act, Job, React, Redact, Say, Unreact
from knockbot.domain.notices import because
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Done, Outcome, Overtaken
from knockbot.errors import Never
from knockbot.flow import answering, tables
from knockbot.flow.acts.sending import REACTION, note, send, sent_before
from knockbot.flow.context import Context
from knockbot.flow.ports import EFFECT_KEY, REQUEST_KEY
from knockbot.flow.tables import Doing
from knockbot.store import jobs, prompts, requests
from knockbot.store.db import Tx
from knockbot.store.jobs import Claimed


async def react(context: Context, claimed: Claimed[React]) -> Outcome:
    """Offer an answer on a card; the homeserver itself keeps a reaction from standing twice."""
    job, offer = claimed.job, claimed.job.payload
    if offer.card_id is not None:
        async with context.db.tx() as tx:
            shown = await requests.on_card(tx, offer.card_id, held=False)
        if not answering.offers_clicks(shown):
            return Overtaken(because("overtaken.no_clicks"))
    relation = {"rel_type": "m.annotation", "event_id": offer.event_id, "key": offer.emoji}
    content = {"m.relates_to": relation, EFFECT_KEY: job.key}
    try:
        event_id = await send(context, claimed, content, REACTION)
    except Never as error:
        if error.code == "M_DUPLICATE_ANNOTATION":
            return Done(await _reacted_before(context, job.room_id, offer))
        raise
    return Done(event_id)


async def _reacted_before(context: Context, room_id: str, offer: React) -> str | None:
    """The reaction of an earlier attempt, by which it can be taken away again."""
    try:
        there = await context.outside.reactions(room_id, offer.event_id)
    except Never:
        return None  # the offer stands, and stays
    mine = [one.event_id for one in there if (one.sender, one.key) == (context.bot, offer.emoji)]
    return mine[0] if mine else None


async def unreact(context: Context, claimed: Claimed[Unreact]) -> Outcome:
    """Take away an offer; what is redacted already stays so."""
    return await _redact(context, claimed.job, claimed.job.payload.reaction)


async def redact(context: Context, claimed: Claimed[Redact]) -> Outcome:
    """Take away what a card said."""
    return await _redact(context, claimed.job, claimed.job.payload.event_id)


async def _redact(context: Context, job: Job[Any], event_id: str) -> Outcome:
    await context.acts.redact(job.room_id, event_id, job.key)
    return Done()


async def say(context: Context, claimed: Claimed[Say]) -> Outcome:
    """Say something in a management room, once."""
    sent = await sent_before(context, claimed)
    if sent is not None:
        return Done(sent)
    try:
        line = LINE.decode(context.cipher.unlock(claimed.job.payload.line))
    except Malformed as error:
        raise Never(because("act.unreadable")) from error
    content = context.wording.message(
        line.notice,
        claimed.job.key,
        language=line.language,
        aloud=line.aloud,
        calls=line.calls,
        reply_to=line.reply_to,
        thread=line.thread,
        blocks={REQUEST_KEY: line.block} if line.block else None,
    )
    return Done(await send(context, claimed, content, in_clear=claimed.job.payload.in_clear))


async def echoed(turn: Turn, key: str, event_id: str) -> None:
    """The bot's own message came back: whatever the attempt's answer was, it got through."""
    job = await jobs.echoed(turn.tx, key, event_id)
    if job is None:
        return
    if isinstance(job.payload, React):
        await _offer_stands(turn.tx, job.payload, event_id)
    else:
        await note(turn, job, event_id)


async def _reacted(_: Context, turn: Turn, job: Job[React], came: Outcome) -> None:
    """A card offers an answer, or cannot any more, since it takes no clicks."""
    if isinstance(came, Overtaken):
        await _not_offered(turn.tx, job.payload)
    elif came.event_id is not None:
        await _offer_stands(turn.tx, job.payload, came.event_id)


async def _reaction_refused(_: Context, turn: Turn, job: Job[React], __: Never) -> None:
    await _not_offered(turn.tx, job.payload)


async def _offer_stands(tx: Tx, offer: React, reaction: str) -> None:
    if offer.card_id is not None:
        await prompts.offered(tx, offer.card_id, offer.emoji, reaction)


async def _not_offered(tx: Tx, offer: React) -> None:
    if offer.card_id is not None:
        await prompts.offer_no_more(tx, offer.card_id, offer.emoji)


async def _said(context: Context, turn: Turn, job: Job[Say], came: Outcome) -> None:
    """A line that asks something is there: from now on it can be answered by a click."""
    if isinstance(came, Done) and came.event_id is not None:
        await note(turn, job, came.event_id)
        await tables.said(context, turn, job, came.event_id)


ACTS: Mapping[Act, Doing] = {
    Act.SAY: Doing(say, ended=_said),
    Act.REACT: Doing(react, ended=_reacted, refused=_reaction_refused),
    Act.UNREACT: Doing(unreact),
    Act.REDACT: Doing(redact),
}
"""A line that cannot be said has nowhere else to be told."""
