"""The question whether to use the new room of a room upgrade in place of the old one: a prompt with one answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from knockbot.domain.compare import compare
from knockbot.domain.model import Reaction
from knockbot.domain.notices import Notice, Room, because
from knockbot.domain.upgrades import RoomUpgrade, Stage
from knockbot.engine.prompts import Face, PromptKind, post
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never, Refused
from knockbot.flow import calling, missed, place, seeing
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.ports import PROMPT_KEY
from knockbot.flow.questions import CLOSED, Question
from knockbot.store import prompts, room_upgrades, rooms
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom

YES = "✅"

Words: TypeAlias = Callable[[Context, Place, RoomUpgrade, Room], Awaitable[Notice]]
"""Writes the question: it gets the place of the protected room, the upgrade, and the new room with its name."""

Take: TypeAlias = Callable[[Context, Reaction, ProtectedRoom, RoomUpgrade], Awaitable[Write[None]]]
"""Handles the answer that a moderator wants it. Raises `Refused` and `Never`."""


def kind(words: Words, take: Take) -> PromptKind[Context]:
    """A kind of this question: about a protected room, or about a room that its policy names."""
    asked = Question((YES,), _takes_clicks, partial(_taken, take))
    return asked.kind(partial(_face, words, asked), _removed)


async def ask(turn: Turn, room: ProtectedRoom, upgrade: RoomUpgrade, name: str) -> None:
    """Ask the moderators of a protected room; `name` is the kind of the question."""
    prompt = await prompts.new(turn.tx, room.management_room, name, room.room_id, turn.now)
    await room_upgrades.put(turn.tx, replace(upgrade, stage=Stage.OFFERED, prompt_id=prompt.id))
    await post(turn, prompt)


async def still_asked(tx: Tx, upgrade: RoomUpgrade) -> RoomUpgrade | None:
    """The room upgrade as it is on record now, if it is still the one that was asked about."""
    now = await room_upgrades.find(tx, upgrade.room_id, upgrade.policy_of)
    return now if now is not None and now.stage is Stage.OFFERED and now.tombstone == upgrade.tombstone else None


async def look(context: Context, upgrade: RoomUpgrade) -> None:
    """Look for clicks that came while the bot was away; if the question was removed, ask it again."""
    if upgrade.stage is not Stage.OFFERED or upgrade.prompt_id is None:
        return
    async with context.db.tx() as tx:
        prompt = await prompts.get(tx, upgrade.prompt_id, held=False)
    if prompt.event_id is None:
        async with context.turn() as turn:
            await post(turn, prompt, again=True)
        return
    await missed.on_a_prompt(context, prompt, compare(*await seeing.prompt(context, prompt)))


# --- as a prompt ----------------------------------------------------------------------------------------------


async def _face(words: Words, question: Question, context: Context, prompt: Prompt) -> Face:
    async with context.db.tx() as tx:
        upgrade = await room_upgrades.asked_by(tx, prompt.id)
        there = await place.find(context, tx, prompt.about)
        managed = [there] if there is not None else await place.managed_by(context, tx, prompt.room_id)
        calls = await calling.about(context, tx, [there] if there is not None else [])
    write = partial(_message, context, language=place.language_of(context, managed))
    if upgrade is None or upgrade.stage is not Stage.OFFERED or there is None:
        return Face(partial(write, question.closed(prompt)), needless=because("overtaken.not_asked"))
    said = await words(context, there, upgrade, await _called(context, upgrade.replacement))
    block = {"kind": prompt.kind, "room_id": upgrade.room_id, "replacement": upgrade.replacement}
    return Face(partial(write, said, blocks={PROMPT_KEY: block}), (YES,), calls.users, quiet=calls.quiet)


def _message(context: Context, said: Notice, calls: Sequence[str], key: str, **how: Any) -> Mapping[str, Any]:
    return context.wording.message(said, key, aloud=True, calls=calls, **how)


async def _called(context: Context, room_id: str) -> Room:
    """The new room with its name, if the bot may read it."""
    try:
        return Room(room_id, (await context.outside.room(room_id)).label)
    except Never:
        return Room(room_id, room_id)


async def _takes_clicks(tx: Tx, prompt: Prompt) -> bool:
    upgrade = await room_upgrades.asked_by(tx, prompt.id)
    return upgrade is not None and upgrade.stage is Stage.OFFERED


async def _taken(take: Take, context: Context, _: Place, prompt: Prompt, reaction: Reaction) -> Write[None]:
    async with context.db.tx() as tx:
        upgrade = await room_upgrades.asked_by(tx, prompt.id)
        room = await rooms.find(tx, prompt.about)
    if upgrade is None or room is None:
        raise Refused(CLOSED)
    return await take(context, reaction, room, upgrade)


async def _removed(context: Context, turn: Turn, prompt: Prompt) -> None:
    """The question was removed: the next look asks it again."""
    upgrade = await room_upgrades.asked_by(turn.tx, prompt.id)
    if upgrade is not None and upgrade.stage is Stage.OFFERED:
        await room_upgrades.ask_again(turn.tx, upgrade)
        turn.after(partial(context.look_at, prompt.about))
