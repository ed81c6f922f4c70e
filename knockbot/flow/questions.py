"""Questions: prompts that are no cards, and what all of them say to a click: it is taken, refused, no answer, or late.

Each kind of question says which answers it has, whether it is still open, and what an answer leads to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from knockbot.documents.text import without_variation_selector
from knockbot.domain.model import Reaction
from knockbot.domain.notices import Code, Notice, Sign, User, listed, notice
from knockbot.domain.plan import REACTIONS
from knockbot.engine.prompts import Face, PromptKind, refresh
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never, Refused
from knockbot.flow import hints, place, refusals, saying
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.saying import Audience
from knockbot.store import prompts
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt

Take: TypeAlias = Callable[[Context, Place, Prompt, Reaction], Awaitable[Write[Notice | None]]]
"""What follows from an answer, and what is said of it, if anything. Raises `Refused`, `Never` and `Later`; what it
returns may raise `Refused`."""

CLOSED = notice("prompt.closed")


def by_its_sign(emoji: str) -> Notice:
    """An answer that its emoji alone says well enough."""
    return notice("prompt.answer", sign=Sign(emoji))


async def hold_prompt(tx: Tx, prompt: Prompt) -> None:
    """Hold the row of a prompt until the transaction ends."""
    await prompts.get(tx, prompt.id)


@dataclass(frozen=True, slots=True)
class Question:
    """What is different about one kind of question."""

    emojis: tuple[str, ...]
    """The possible answers, as they are shown."""
    is_open: Callable[[Tx, Prompt], Awaitable[bool]]
    """Whether it still asks anything."""
    take: Take
    named: Callable[[str], Notice] = by_its_sign
    """The answer that an emoji stands for, as people are told which one was chosen."""
    hold: Callable[[Tx, Prompt], Awaitable[object]] = hold_prompt
    """Holds what decides whether it is open, before it is looked at."""

    def meant(self, key: str) -> str | None:
        """The answer that a reaction gives, if it is one."""
        return next((emoji for emoji in self.emojis if without_variation_selector(emoji) == key), None)

    def closed(self, prompt: Prompt) -> Notice:
        """Why it takes no click any more: whose click it took, and what that chose."""
        if prompt.taken_by is None or prompt.taken_as is None:
            return CLOSED
        return notice("prompt.taken", user=User(prompt.taken_by), what=self.named(prompt.taken_as))

    def kind(
        self,
        render: Callable[[Context, Prompt], Awaitable[Face]],
        removed: Callable[[Context, Turn, Prompt], Awaitable[None]],
    ) -> PromptKind[Context]:
        """It as a kind of prompt."""
        return PromptKind(
            render=render,
            takes_clicks=self.is_open,
            clicked=partial(_clicked, self),
            too_late=partial(_too_late, self),
            removed=removed,
        )


async def _clicked(question: Question, context: Context, prompt: Prompt, reaction: Reaction) -> Write[None] | None:
    emoji, there = question.meant(reaction.key), await _place(context, prompt)
    if there is None:
        return await _too_late(question, context, prompt, reaction)
    if emoji is None:
        return hinting(question.emojis, context, reaction)
    try:
        take = await question.take(context, there, prompt, reaction)
    except (Refused, Never) as error:
        take = _refusing(refusals.why_not(error))
    replying = _Replying(context, prompt, reaction)

    async def write(turn: Turn) -> None:
        if not await _is_open(question, turn, prompt):
            await replying.say_closed(turn, question)
            return
        try:
            said = await take(turn)
        except Refused as refused:
            await replying.say_why_not(turn, refused.said)
            return
        if not await _is_open(question, turn, prompt):
            await prompts.taken(turn.tx, prompt.id, reaction.sender, emoji)
            await refresh(turn, prompt.id)
        if said is not None:
            await replying.say(turn, f"reply:{reaction.event_id}", said)

    return write


def _refusing(why: Notice) -> Write[Notice | None]:
    async def refuse(_: Turn) -> Notice | None:
        raise Refused(why)

    return refuse


async def _too_late(question: Question, context: Context, prompt: Prompt, reaction: Reaction) -> Write[None] | None:
    """Somebody or something was faster than this click: it gets that as its reply."""
    meant = question.meant(reaction.key)
    if meant is None and reaction.key not in REACTIONS:
        return None
    if meant is not None and (prompt.taken_by, prompt.taken_as) == (reaction.sender, meant):
        return None  # the same click once more

    async def write(turn: Turn) -> None:
        await _Replying(context, prompt, reaction).say_closed(turn, question)

    return write


def hinting(emojis: Sequence[str], context: Context, reaction: Reaction) -> Write[None] | None:
    """A hint for somebody whose click means an answer that a question with these does not have."""
    if reaction.key not in REACTIONS and not hints.is_almost_an_answer(reaction.key):
        return None
    text = notice("hint.question", answers=listed(Code(emoji) for emoji in emojis))

    async def write(turn: Turn) -> None:
        where = {"room_id": reaction.room_id, "to": reaction.sender, "reply_to": reaction.target}
        await hints.give(context, turn, hints.Hint.QUESTION, text, **where)

    return write


@dataclass(frozen=True, slots=True)
class _Replying:
    """A click that is replied to."""

    context: Context
    prompt: Prompt
    reaction: Reaction

    async def say(self, turn: Turn, occasion: str, said: Notice) -> None:
        """In the language of the room that it is about, while that is managed from here."""
        there = await place.of(self.context, turn, self.prompt.about)
        here = there is not None and there.management_room == self.prompt.room_id
        to = Audience(self.reaction.room_id, place=self.prompt.about if here else None)
        await saying.say(self.context, turn, to, occasion, said, reply_to=self.reaction.target)

    async def say_closed(self, turn: Turn, question: Question) -> None:
        """However often they click, they are told once that it is closed."""
        now = await prompts.get(turn.tx, self.prompt.id, held=False)
        await self.say(turn, f"closed:prompt:{now.id}:{self.reaction.sender}", question.closed(now))

    async def say_why_not(self, turn: Turn, why: Notice) -> None:
        """However often they click, they are told this once."""
        answer = f"{self.prompt.id}:{self.reaction.sender}:{self.reaction.key}"
        await self.say(turn, f"refused:prompt:{answer}:{why.code}", why)


async def _is_open(question: Question, turn: Turn, prompt: Prompt) -> bool:
    await question.hold(turn.tx, prompt)
    now = await prompts.get(turn.tx, prompt.id, held=False)
    return not now.is_closed(turn.now) and await question.is_open(turn.tx, now)


async def _place(context: Context, prompt: Prompt) -> Place | None:
    """The room that it is about, while that is managed from where it was asked."""
    async with context.db.tx() as tx:
        there = await place.find(context, tx, prompt.about)
    return there if there is not None and there.management_room == prompt.room_id else None
