"""Prompts at work: what each kind of message that can be answered shows, and where a click on it goes.

Jobs post and edit a prompt, and the bot offers the possible answers by its own reactions. A reaction of somebody is
looked up once, here, and goes to the kind of its prompt. To add a kind: a `PromptKind`, and its row in the table of
kinds (`product.PROMPTS`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from knockbot.domain import plan
from knockbot.domain.jobs import Job, React, Unreact
from knockbot.domain.model import Reaction, Redaction
from knockbot.domain.notices import Notice
from knockbot.engine.turn import Handled, Turn, Write
from knockbot.store import jobs, prompts
from knockbot.store.db import Database, Tx
from knockbot.store.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Face:
    """What a prompt is to show now."""

    message: Callable[[Sequence[str], str], Mapping[str, Any]]
    """Its content, if it mentions these people and the job with this key sends it."""
    offers: tuple[str, ...] | None = ()
    """The answers to offer, by their emoji, and no others; its text names them already. None if they shall stay as they
    are."""
    calls: tuple[str, ...] = ()
    """The people that it mentions when it is posted."""
    details: Mapping[int, str] = field(default_factory=dict)
    """What its kind has to know later about what was shown."""
    meanings: Mapping[str, str] = field(default_factory=dict)
    """What offered answers say, by emoji, where that may change: a click gives the answer that was shown."""
    needless: Notice | None = None
    """Why it need not be posted any more; an edit is made all the same."""
    quiet: tuple[str, ...] = ()
    """The rooms about which it mentions nobody, because it is quiet there."""


C_contra = TypeVar("C_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class PromptKind(Generic[C_contra]):
    """A kind of prompt."""

    render: Callable[[C_contra, Prompt], Awaitable[Face]]
    """What it shows. May raise `Later`."""
    takes_clicks: Callable[[Tx, Prompt], Awaitable[bool]]
    """Whether it can be answered by a click now."""
    clicked: Callable[[C_contra, Prompt, Reaction], Awaitable[Write[None] | None]]
    """What a reaction of somebody leads to; none if it is no answer. People who may not give the answer are told so."""
    too_late: Callable[[C_contra, Prompt, Reaction], Awaitable[Write[None] | None]]
    """What a reaction of somebody leads to while it takes no click: people are told why."""
    removed: Callable[[C_contra, Turn, Prompt], Awaitable[None]]
    """Its message was redacted."""
    shown: Callable[[C_contra, Turn, Prompt, Mapping[int, str], str | None], Awaitable[None]] | None = None
    """It was posted or edited, and shows these details since this message; none where it is not known by which."""
    is_outdated: Callable[[Turn, Prompt, Mapping[int, str]], Awaitable[bool]] | None = None
    """Whether it would show other details than these by now: a change during the posting does not lead to an edit."""
    unclicked: Callable[[C_contra, Redaction], Awaitable[Handled]] | None = None
    """Something was redacted in a room: it may be a click that gave an answer."""


class Needs(Protocol):
    """What a context must have to find the prompt that somebody means."""

    @property
    def db(self) -> Database:
        """The database that has the prompts."""

    @property
    def bot(self) -> str:
        """The user ID of the bot, whose own reactions are offers and no answers."""

    @property
    def now(self) -> Callable[[], int]:
        """The time, in milliseconds since the epoch."""

    @property
    def prompts(self) -> Mapping[str, PromptKind[Any]]:
        """The table of kinds."""


# --- answered -------------------------------------------------------------------------------------------------


async def clicked(context: Needs, reaction: Reaction) -> Write[None] | None:
    """What a reaction leads to: if it is on a prompt that takes answers, the kind of that prompt decides."""
    if reaction.sender == context.bot:
        return None
    async with context.db.tx() as tx:
        prompt = await prompts.pointed_at(tx, reaction.room_id, reaction.target)
        kind = context.prompts.get(prompt.kind) if prompt is not None else None
        if prompt is None or kind is None:  # with several processes, only a newer version may know this kind
            return None
        is_open = not prompt.is_closed(context.now()) and await kind.takes_clicks(tx, prompt)
    return await (kind.clicked if is_open else kind.too_late)(context, prompt, reaction)


async def unclicked(context: Needs, redaction: Redaction) -> Handled:
    """What follows if a click was removed: each kind is asked whether the click was on one of its prompts."""
    for kind in context.prompts.values():
        handled = await kind.unclicked(context, redaction) if kind.unclicked is not None else None
        if handled is not None:
            return handled
    return None


async def removed(context: Needs, turn: Turn, prompt: Prompt) -> None:
    """The message of a prompt was redacted."""
    kind = context.prompts.get(prompt.kind)
    if kind is not None:
        await kind.removed(context, turn, prompt)


# --- posted, edited, offering ---------------------------------------------------------------------------------


async def post(turn: Turn, prompt: Prompt, *, again: bool = False) -> None:
    """Have a prompt posted; only once, even if this is called again. `again`: also if the job was given up before."""
    job = plan.post_prompt(prompt.room_id, prompt.kind, prompt.id)
    await turn.plan(job)
    if again:
        await jobs.revive(turn.tx, job.key, turn.now)


async def refresh(turn: Turn, prompt_id: int, *, after: int = 0, unposted: bool = False) -> None:
    """Have a posted prompt edited, `after` this many milliseconds at the latest.

    Several waiting edits become one edit, because it shows what is true when it is made. `unposted`: also one that is
    yet to be posted, as it may be under way with what was true before.
    """
    prompt = await prompts.get(turn.tx, prompt_id)
    if (prompt.event_id is None and not unposted) or await jobs.hurry_edit(turn.tx, prompt_id, turn.now + after):
        return
    number = await prompts.count_edit(turn.tx, prompt_id)
    await turn.plan(plan.edit_prompt(prompt.room_id, prompt.kind, prompt_id, number), due_at=turn.now + after)


async def offer(turn: Turn, prompt_id: int, wanted: Collection[str], *, named: bool = False) -> None:
    """Make sure that a posted prompt offers just these answers, by the bot's own reactions.

    `named` says that its text names them already.
    """
    prompt = await prompts.get(turn.tx, prompt_id)
    if prompt.event_id is None:
        return
    there = await prompts.offers_on(turn.tx, prompt_id)
    changes: list[Job[React | Unreact]] = []
    offered: list[str] = []
    for emoji in dict.fromkeys([*wanted, *there]):
        now = there.get(emoji, prompts.Offer(emoji, None, 0))
        if emoji in wanted and now.reaction is None:
            reaction = React(prompt.event_id, emoji, prompt_id)
            changes.append(plan.react(prompt.room_id, prompt.kind, reaction, now.turns))
            offered.append(emoji)
        elif emoji not in wanted and now.reaction:
            changes.append(plan.unreact(prompt.room_id, prompt_id, now.reaction, emoji))
            await prompts.offer_no_more(turn.tx, prompt_id, emoji)
    await prompts.offer(turn.tx, prompt_id, offered)
    await turn.plan(*changes)
    if changes and not named:
        await refresh(turn, prompt_id)
