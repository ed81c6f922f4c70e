"""Digests: one message that stands for many requests without cards of their own, updated in place as they change.

A request is in a digest as others are on a card: it names the prompt. A feature that folds requests has its `Digest` as
a row, opens it for a room, and closes it; a closed one takes no more requests, and goes on to tell of those it has.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from knockbot.domain import digest as sums
from knockbot.domain.digest import Summary
from knockbot.domain.model import Reaction
from knockbot.domain.notices import Code, Notice, because, below, notice
from knockbot.domain.plan import REACTIONS
from knockbot.domain.policy import Reasons
from knockbot.engine import prompts as prompting
from knockbot.engine.prompts import Face, PromptKind
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never
from knockbot.flow import calling, hints, place
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.ports import PROMPT_KEY
from knockbot.store import digests, prompts
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt

PACE: Final = 10_000
"""Milliseconds for which changes of a digest are gathered: it is edited no more often than that."""

Words: TypeAlias = Callable[[Context, Tx, Place, Prompt], Awaitable[Notice]]
"""Writes what stands above the requests."""


@dataclass(frozen=True, slots=True)
class Digest:
    """One kind of digest."""

    name: str
    """Its row in `product.py:PROMPTS`."""
    heading: Words

    @property
    def kind(self) -> PromptKind[Context]:
        """It as a kind of prompt."""
        return PromptKind(
            render=partial(_face, self),
            takes_clicks=_takes_no_clicks,
            clicked=_clicked,
            too_late=_clicked,
            removed=_post_anew,
            is_outdated=_is_outdated,
        )


async def opened(turn: Turn, digest: Digest, there: Place) -> Prompt:
    """The open digest of this kind about a room, in the management room of now; it is posted if there is none yet."""
    found = await find(turn.tx, digest, there)
    if found is not None:
        return found
    prompt = await prompts.new(turn.tx, there.management_room, digest.name, there.room_id, turn.now)
    await prompting.post(turn, prompt)
    return prompt


async def find(tx: Tx, digest: Digest, there: Place) -> Prompt | None:
    """The open digest of this kind about a room, in the management room of now."""
    found = await prompts.still_open(tx, digest.name, there.room_id)
    return next((one for one in found if one.room_id == there.management_room), None)


async def close(turn: Turn, digest: Digest, room_id: str) -> list[Prompt]:
    """The digests of this kind about a room take no more requests, and say so; returns those that were open."""
    found = await prompts.still_open(turn.tx, digest.name, room_id)
    for prompt in found:
        await prompts.close(turn.tx, prompt.id, turn.now)
        await prompting.refresh(turn, prompt.id, after=SOON)
    return found


SOON: Final = 1000
"""Milliseconds after which a digest that is closed says so."""


async def renew(turn: Turn, digest: Digest, room_id: str, *, after: int = PACE) -> None:
    """What the open digest of this kind about a room says has changed: it is edited once for many changes."""
    for prompt in await prompts.still_open(turn.tx, digest.name, room_id):
        await prompting.refresh(turn, prompt.id, after=after)


async def look(context: Context, digest: Digest, there: Place) -> None:
    """Post again what was not posted, or was redacted while the bot was away."""
    async with context.db.tx() as tx:
        found = await prompts.still_open(tx, digest.name, there.room_id)
    for prompt in found:
        redacted = prompt.event_id is not None and await _is_redacted(context, prompt)
        async with context.turn() as turn:
            if prompt.event_id is None:
                await prompting.post(turn, prompt, again=True)
            elif redacted:
                await prompting.removed(context, turn, prompt)


async def _is_redacted(context: Context, prompt: Prompt) -> bool:
    try:
        return await context.outside.redaction(prompt.room_id, prompt.event_id or "") is not None
    except Never:
        return False  # the bot may not look into the management room, which is told elsewhere


# --- as a prompt ----------------------------------------------------------------------------------------------


async def _face(digest: Digest, context: Context, prompt: Prompt) -> Face:
    async with context.db.tx() as tx:
        there = await place.find(context, tx, prompt.about)
        if there is None or there.management_room != prompt.room_id:
            return await _gone(context, tx, prompt)
        summary = await _summary(tx, prompt, context.now())
        said = _said(await digest.heading(context, tx, there, prompt), summary, there)
        calls = await calling.about(context, tx, [there])
    write = partial(_message, context, said, language=there.language, aloud=True, blocks=_block(prompt))
    closed = prompt.is_closed(context.now())
    needless = because("overtaken.settled") if closed and not summary.waiting else None
    details = {prompt.id: str(summary.waiting)}
    return Face(write, (), calls.users, details, needless=needless, quiet=calls.quiet)


async def _gone(context: Context, tx: Tx, prompt: Prompt) -> Face:
    """What it shows where its room is not managed from here any more."""
    language = place.language_of(context, await place.managed_by(context, tx, prompt.room_id))
    write = partial(_message, context, notice("digest.gone"), language=language)
    return Face(write, needless=because("overtaken.management_moved"))


def _said(heading: Notice, summary: Summary, there: Place) -> Notice:
    how = sums.how_to_answer(there.room_id) if summary.waiting else None
    return below(heading, *sums.told(summary, hidden=there.settings.reasons is Reasons.HIDDEN), how)


def _block(prompt: Prompt) -> Mapping[str, Any]:
    return {PROMPT_KEY: {"kind": prompt.kind, "room_id": prompt.about}}


def _message(context: Context, said: Notice, calls: Sequence[str], key: str, **how: Any) -> Mapping[str, Any]:
    return context.wording.message(said, key, calls=calls, **how)


async def _summary(tx: Tx, prompt: Prompt, now: int) -> Summary:
    waiting = await digests.waiting(tx, prompt.id, now)
    more = await digests.count_waiting(tx, prompt.id, now) - len(waiting) if len(waiting) == digests.MOST_READ else 0
    deferred = await digests.deferred(tx, prompt.id, now)
    return sums.summed_up(waiting, await digests.settled(tx, prompt.id), more=more, deferred=deferred)


async def _takes_no_clicks(_: Tx, __: Prompt) -> bool:
    return False


async def _is_outdated(turn: Turn, prompt: Prompt, details: Mapping[int, str]) -> bool:
    """Whether others came in, or were answered, while it was being posted."""
    waiting = await digests.count_waiting(turn.tx, prompt.id, turn.now)
    return prompt.closes_at is not None or details.get(prompt.id) != str(waiting)


async def _clicked(context: Context, prompt: Prompt, reaction: Reaction) -> Write[None] | None:
    """No click answers many requests at once: who means one is told how to answer."""
    if reaction.sender == context.bot:
        return None
    if reaction.key not in REACTIONS and not hints.is_almost_an_answer(reaction.key):
        return None
    text = notice("hint.digest", list=Code(f"!kb list {prompt.about}"))

    async def write(turn: Turn) -> None:
        where = {"room_id": reaction.room_id, "to": reaction.sender, "reply_to": reaction.target}
        await hints.give(context, turn, hints.Hint.NUMBERS, text, **where)

    return write


async def _post_anew(_: Context, turn: Turn, prompt: Prompt) -> None:
    """Its message was redacted: another one stands for its requests, unless it is closed and nobody waits in it."""
    now = await prompts.get(turn.tx, prompt.id)  # another message may stand for them already
    if now.closes_at is not None and not await digests.count_waiting(turn.tx, now.id, turn.now):
        return
    another = await prompts.new(turn.tx, now.room_id, now.kind, now.about, turn.now, closes_at=now.closes_at)
    await prompts.close(turn.tx, now.id, turn.now)
    await digests.move(turn.tx, now.id, another.id)
    await prompting.post(turn, another)
