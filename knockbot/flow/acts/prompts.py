"""Posting and editing prompts, and offering answers on them: each shows what is true at that moment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from knockbot.documents.text import without_variation_selector
from knockbot.domain.jobs import Act, EditPrompt, Job, PostPrompt, React
from knockbot.domain.notices import because
from knockbot.engine.prompts import Face, PromptKind, offer, refresh
from knockbot.engine.turn import Turn
from knockbot.engine.worker import Done, Outcome, Overtaken
from knockbot.errors import Never
from knockbot.flow import calling, tables
from knockbot.flow.acts.sending import REACTION, digest, edit, note, send, sent_before
from knockbot.flow.context import Context
from knockbot.flow.ports import EFFECT_KEY
from knockbot.flow.tables import Doing
from knockbot.store import messages, prompts
from knockbot.store.db import Tx
from knockbot.store.jobs import Claimed
from knockbot.store.prompts import Prompt
from knockbot.times import MINUTE


@dataclass(frozen=True, slots=True)
class Shown(Done):
    """A prompt shows what is true."""

    offers: tuple[str, ...] | None = None
    """As in `Face`."""
    details: Mapping[int, str] = field(default_factory=dict)
    """As in `Face`."""
    digest: str | None = None
    """The digest of what it shows."""
    meanings: Mapping[str, str] = field(default_factory=dict)
    """As in `Face`."""
    quiet: tuple[str, ...] = ()
    """As in `Face`."""


async def post(context: Context, claimed: Claimed[PostPrompt]) -> Outcome:
    """Post a prompt, unless what it asks was settled before anybody saw it."""
    sent = await sent_before(context, claimed)
    prompt, face = await _now(context, claimed.job.payload.prompt_id)
    if sent is not None:
        return Shown(sent, face.offers, quiet=face.quiet)
    if face.needless is not None:
        return Overtaken(face.needless)
    calls = face.calls if face.calls and await _is_to_call(context, prompt) else ()
    content = face.message(calls, claimed.job.key)
    event_id = await send(context, claimed, content)
    return Shown(event_id, face.offers, face.details, digest(content), face.meanings, face.quiet)


async def _now(context: Context, prompt_id: int) -> tuple[Prompt, Face]:
    async with context.db.tx() as tx:
        prompt = await prompts.get(tx, prompt_id, held=False)
    return prompt, await context.prompts[prompt.kind].render(context, prompt)


async def _is_to_call(context: Context, prompt: Prompt) -> bool:
    """Whether a prompt notifies people: several that are posted within a minute do so once."""
    async with context.db.tx() as tx:
        now = context.now()
        if await tables.is_hushed(context, tx, prompt):
            return False
        return await prompts.calls(tx, prompt.id, now, now - MINUTE)


async def edit_again(context: Context, claimed: Claimed[EditPrompt]) -> Outcome:
    """Make a prompt show what is true now; one that shows it already is not edited."""
    prompt, face = await _now(context, claimed.job.payload.prompt_id)
    if prompt.event_id is None:
        return Overtaken(because("overtaken.no_card"))
    new = face.message(face.calls, claimed.job.key)
    if prompt.digest == digest(new):
        async with context.db.tx() as tx:
            last = await messages.last_of_prompt(tx, prompt.id)
        return Shown(last.event_id if last else None, face.offers, face.details, prompt.digest, face.meanings)
    if prompt.digest is not None:
        async with context.db.tx() as tx:  # until the result of this is known, here or at the next attempt
            await prompts.shows(tx, prompt.id, None)
    content = edit(new, prompt.event_id, claimed.job.key)
    # An attempt that shows something else than the last one must not count as a repeat of it.
    event_id = await send(context, claimed, content, unique=json.dumps(content))
    return Shown(event_id, face.offers, face.details, digest(new), face.meanings)


async def _posted(context: Context, turn: Turn, job: Job[PostPrompt], came: Outcome) -> None:
    if isinstance(came, Shown) and came.event_id is not None:
        await prompts.posted(turn.tx, job.payload.prompt_id, came.event_id, came.digest)
        prompt, kind = await _follow(context, turn, job, came)
        if kind.is_outdated is not None and await kind.is_outdated(turn, prompt, came.details):
            await refresh(turn, prompt.id)
        await calling.silenced(context, turn, came.quiet, alarm=False)


async def _edited(context: Context, turn: Turn, job: Job[EditPrompt], came: Outcome) -> None:
    if isinstance(came, Shown):
        await prompts.shows(turn.tx, job.payload.prompt_id, came.digest)
        await _follow(context, turn, job, came)


async def _follow(
    context: Context, turn: Turn, job: Job[PostPrompt | EditPrompt], came: Shown
) -> tuple[Prompt, PromptKind[Context]]:
    """Offer the answers, unless the prompt takes none any more, and tell its kind what was shown."""
    await note(turn, job, came.event_id)
    prompt = await prompts.get(turn.tx, job.payload.prompt_id)
    kind = context.prompts[prompt.kind]
    if came.offers is not None:
        takes = bool(came.offers) and await kind.takes_clicks(turn.tx, prompt)
        await offer(turn, prompt.id, came.offers if takes else (), named=True)
        await prompts.mean(turn.tx, prompt.id, came.meanings)
    if kind.shown is not None:
        await kind.shown(context, turn, prompt, came.details, came.event_id)
    return prompt, kind


# --- offers ---------------------------------------------------------------------------------------------------


async def react(context: Context, claimed: Claimed[React]) -> Outcome:
    """Offer an answer, or acknowledge a command; the homeserver itself refuses the same reaction twice."""
    job, reaction = claimed.job, claimed.job.payload
    if reaction.prompt_id is not None and not await _takes_clicks(context, reaction.prompt_id):
        return Overtaken(because("overtaken.no_clicks"))
    relation = {"rel_type": "m.annotation", "event_id": reaction.event_id, "key": reaction.emoji}
    content = {"m.relates_to": relation, EFFECT_KEY: job.key}
    try:
        event_id = await send(context, claimed, content, REACTION)
    except Never as error:
        if error.code == "M_DUPLICATE_ANNOTATION":
            return Done(await _reacted_before(context, job.room_id, reaction))
        raise
    return Done(event_id)


async def _takes_clicks(context: Context, prompt_id: int) -> bool:
    async with context.db.tx() as tx:
        prompt = await prompts.get(tx, prompt_id, held=False)
        return await context.prompts[prompt.kind].takes_clicks(tx, prompt)


async def _reacted_before(context: Context, room_id: str, reaction: React) -> str | None:
    """The reaction of an earlier attempt, so that it can be redacted later."""
    try:
        there = await context.outside.reactions(room_id, reaction.event_id)
    except Never:
        return None  # the offer is there, and stays
    key = without_variation_selector(reaction.emoji)
    mine = [one.event_id for one in there if (one.sender, one.key) == (context.bot, key)]
    return mine[0] if mine else None


async def _reacted(_: Context, turn: Turn, job: Job[React], came: Outcome) -> None:
    """Note that a prompt offers an answer, or does not because it takes no clicks any more."""
    if isinstance(came, Overtaken):
        await _not_offered(turn.tx, job.payload)
    elif came.event_id is not None:
        await offer_stands(turn.tx, job.payload, came.event_id)


async def _reaction_refused(_: Context, turn: Turn, job: Job[React], __: Never) -> None:
    await _not_offered(turn.tx, job.payload)


async def offer_stands(tx: Tx, reaction: React, event_id: str) -> None:
    """Note the event by which a prompt offers an answer."""
    if reaction.prompt_id is not None:
        await prompts.offered(tx, reaction.prompt_id, reaction.emoji, event_id)


async def _not_offered(tx: Tx, reaction: React) -> None:
    if reaction.prompt_id is not None:
        await prompts.offer_no_more(tx, reaction.prompt_id, reaction.emoji)


ACTS: Mapping[Act, Doing] = {
    Act.POST_PROMPT: Doing(post, ended=_posted),
    Act.EDIT_PROMPT: Doing(edit_again, ended=_edited),
    Act.REACT: Doing(react, ended=_reacted, refused=_reaction_refused),
}
"""A prompt that cannot be sent has no other place to go."""
