"""Offers: messages about a protected room that a click takes, until one is taken or it is of no use any more.

There is at most one open offer of a kind about a room. A feature that makes offers has its `Offer` as a row, and closes
it where another way has led to the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from knockbot.domain.compare import compare
from knockbot.domain.notices import Notice, because
from knockbot.engine.prompts import Face, PromptKind, post, refresh
from knockbot.engine.turn import Turn
from knockbot.errors import Never
from knockbot.flow import missed, place, seeing
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.ports import PROMPT_KEY
from knockbot.flow.questions import Question, Take, by_its_sign
from knockbot.store import prompts
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom

Words: TypeAlias = Callable[[Context, Place], Awaitable[Notice]]
"""Writes the question about a room."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One kind of offer."""

    name: str
    """Its row in `product.py:PROMPTS`."""
    words: Words
    emojis: tuple[str, ...]
    """The possible answers, as they are shown."""
    take: Take
    named: Callable[[str], Notice] = by_its_sign
    """The answer that an emoji stands for, as people are told which one was chosen."""

    @property
    def question(self) -> Question:
        """It as a question."""
        return Question(self.emojis, _takes_clicks, self.take, self.named)

    def meant(self, key: str) -> str | None:
        """The answer that a reaction gives, if it is one."""
        return self.question.meant(key)

    @property
    def kind(self) -> PromptKind[Context]:
        """It as a kind of prompt."""
        return self.question.kind(partial(_face, self), partial(_removed, self))

    async def let_go(self, _: Context, turn: Turn, room: ProtectedRoom) -> None:
        """The room is no longer protected, or from another management room: the offer is of no use any more."""
        await close(turn, self, room.room_id)

    async def look(self, context: Context, there: Place) -> None:
        """Look for clicks that came while the bot was away, and post again what was not posted."""
        async with context.db.tx() as tx:
            found = await prompts.still_open(tx, self.name, there.room_id)
        for prompt in found:
            await look_at(context, prompt)


async def make(context: Context, turn: Turn, offer: Offer, room_id: str) -> None:
    """Ask the moderators of a room, after what the turn has to say; another open offer of the kind is closed."""
    await close(turn, offer, room_id)
    there = await place.of(context, turn, room_id)
    if there is not None:
        prompt = await prompts.new(turn.tx, there.management_room, offer.name, room_id, turn.now)
        turn.at_last(partial(post, turn, prompt))


async def close(turn: Turn, offer: Offer, room_id: str) -> None:
    """The offer of this kind about a room takes no clicks any more, and says so."""
    for prompt in await prompts.still_open(turn.tx, offer.name, room_id):
        await prompts.close(turn.tx, prompt.id, turn.now)
        await refresh(turn, prompt.id)


async def are_open(turn: Turn, offer: Offer, room_id: str) -> bool:
    """Whether there is an open offer of this kind about a room."""
    return bool(await prompts.still_open(turn.tx, offer.name, room_id))


SOON = 2000
"""Milliseconds for which changes of what an offer says are gathered."""


async def renew(turn: Turn, offer: Offer, room_id: str) -> None:
    """What the open offer of this kind about a room says has changed: it is edited soon, once for many changes."""
    for prompt in await prompts.still_open(turn.tx, offer.name, room_id):
        await refresh(turn, prompt.id, after=SOON)


async def is_open(turn: Turn, prompt: Prompt) -> bool:
    """Whether an offer can still be taken: somebody else may have been quicker."""
    return not (await prompts.get(turn.tx, prompt.id)).is_closed(turn.now)


async def look_at(context: Context, prompt: Prompt) -> None:
    """Look for clicks on a prompt that came while the bot was away, and post it if it was not posted."""
    if prompt.event_id is None:
        async with context.turn() as turn:
            await post(turn, prompt, again=True)
        return
    try:
        seen = await seeing.prompt(context, prompt)
    except Never:
        return  # the bot may not look into the management room, which is told elsewhere
    await missed.on_a_prompt(context, prompt, compare(*seen))


# --- as a prompt ----------------------------------------------------------------------------------------------


async def _face(offer: Offer, context: Context, prompt: Prompt) -> Face:
    async with context.db.tx() as tx:
        there = await place.find(context, tx, prompt.about)
        managed = [there] if there is not None else await place.managed_by(context, tx, prompt.room_id)
    write = partial(_message, context, language=place.language_of(context, managed))
    if there is None or prompt.is_closed(context.now()):
        return Face(partial(write, offer.question.closed(prompt)), needless=because("overtaken.not_asked"))
    block = {"kind": prompt.kind, "room_id": prompt.about}
    said = await offer.words(context, there)
    return Face(partial(write, said, blocks={PROMPT_KEY: block}), offer.emojis)


def _message(context: Context, said: Notice, calls: Sequence[str], key: str, **how: Any) -> Mapping[str, Any]:
    return context.wording.message(said, key, calls=calls, **how)


async def _takes_clicks(_: Tx, prompt: Prompt) -> bool:
    return prompt.closes_at is None


async def _removed(offer: Offer, context: Context, turn: Turn, prompt: Prompt) -> None:
    """The message was redacted: an offer that is still open is made again."""
    if await is_open(turn, prompt):
        await make(context, turn, offer, prompt.about)
