"""The question whether to use the new room of a room upgrade in place of the old one: a prompt with one answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias

from knockbot.domain.compare import compare
from knockbot.domain.model import Reaction, Verdict
from knockbot.domain.notices import Notice, Room, because, notice
from knockbot.domain.plan import REACTIONS
from knockbot.domain.upgrades import RoomUpgrade, Stage
from knockbot.engine.prompts import Face, PromptKind, post
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never, Refused
from knockbot.flow import missed, place, refusals, saying, seeing
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.ports import PROMPT_KEY
from knockbot.flow.saying import Audience
from knockbot.store import prompts, room_upgrades, rooms
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom

YES = "✅"

Words: TypeAlias = Callable[[Context, Place, RoomUpgrade, Room], Awaitable[Notice]]
"""Writes the question: it gets the place of the protected room, the upgrade, and the new room with its name."""

Take: TypeAlias = Callable[[Context, Reaction, ProtectedRoom, RoomUpgrade], Awaitable[Write[None] | None]]
"""Handles the answer that a moderator wants it. Raises `Refused` and `Never`."""


def kind(words: Words, take: Take) -> PromptKind[Context]:
    """A kind of this question: about a protected room, or about a room that its policy names."""
    return PromptKind(
        render=partial(_face, words), takes_clicks=_takes_clicks, clicked=partial(_clicked, take), removed=_removed
    )


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


async def _face(words: Words, context: Context, prompt: Prompt) -> Face:
    async with context.db.tx() as tx:
        upgrade = await room_upgrades.asked_by(tx, prompt.id)
        there = await place.find(context, tx, prompt.about)
        managed = [there] if there is not None else await place.managed_by(context, tx, prompt.room_id)
    write = partial(_message, context, language=place.language_of(context, managed))
    if upgrade is None or upgrade.stage is not Stage.OFFERED or there is None:
        return Face(partial(write, notice("upgrade.not_asked")), needless=because("overtaken.not_asked"))
    said = await words(context, there, upgrade, await _called(context, upgrade.replacement))
    block = {"kind": prompt.kind, "room_id": upgrade.room_id, "replacement": upgrade.replacement}
    return Face(partial(write, said, blocks={PROMPT_KEY: block}), (YES,), there.settings.call)


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


async def _clicked(take: Take, context: Context, prompt: Prompt, reaction: Reaction) -> Write[None] | None:
    """Handle a click; tell people once if they may not give this answer."""
    async with context.db.tx() as tx:
        upgrade = await room_upgrades.asked_by(tx, prompt.id)
        room = await rooms.find(tx, prompt.about)
    if upgrade is None or room is None or REACTIONS.get(reaction.key) is not Verdict.ACCEPT:
        return None
    try:
        return await take(context, reaction, room, upgrade)
    except (Refused, Never) as error:
        return _refusing(context, reaction, upgrade, room, refusals.why_not(error))


def _refusing(
    context: Context, reaction: Reaction, upgrade: RoomUpgrade, room: ProtectedRoom, why: Notice
) -> Write[None]:
    async def write(turn: Turn) -> None:
        if await still_asked(turn.tx, upgrade) is not None:
            to, occasion = Audience(reaction.room_id, place=room.room_id), f"{upgrade.prompt_id}:{reaction.sender}"
            await saying.say(context, turn, to, f"refused:prompt:{occasion}", why, reply_to=reaction.target)

    return write


async def _removed(context: Context, turn: Turn, prompt: Prompt) -> None:
    """The question was removed: the next look asks it again."""
    upgrade = await room_upgrades.asked_by(turn.tx, prompt.id)
    if upgrade is not None and upgrade.stage is Stage.OFFERED:
        await room_upgrades.ask_again(turn.tx, upgrade)
        turn.after(partial(context.look_at, prompt.about))
