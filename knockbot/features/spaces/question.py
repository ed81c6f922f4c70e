"""The question whether to protect rooms that were added to a space: a prompt, which rooms added together share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from knockbot.domain.compare import compare
from knockbot.domain.may import Deed
from knockbot.domain.model import Reaction
from knockbot.domain.notices import Arg, Id, Notice, Number, Room, because, listed, notice
from knockbot.domain.spaces import SpaceRoom, Stage
from knockbot.engine.prompts import Face, PromptKind, post, refresh
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.features.spaces import walking
from knockbot.features.spaces.telling import NAMED
from knockbot.flow import authority, calling, missed, place, seeing
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.ports import PROMPT_KEY
from knockbot.flow.questions import CLOSED, Question
from knockbot.store import prompts, rooms, spaces
from knockbot.store.db import Tx
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom
from knockbot.times import HOUR

YES, NO = "✅", "❌"

OPEN = frozenset({Stage.OFFERED, Stage.MISSING})
"""Rooms that a click can still answer for; those that somebody could not have protected wait for somebody who may."""

TOGETHER = HOUR
"""Milliseconds in which rooms that are added to a space share one question."""

SPACE_ROOMS: Final = "space_rooms"


async def ask(turn: Turn, above: ProtectedRoom, found: Sequence[SpaceRoom]) -> None:
    """Ask the moderators of a space about rooms that are new in it."""
    asked = await _open(turn, above.room_id)
    prompt = asked or await prompts.new(turn.tx, above.management_room, SPACE_ROOMS, above.room_id, turn.now)
    for room in found:
        await spaces.put(turn.tx, replace(room, stage=Stage.OFFERED, prompt_id=prompt.id))
    if asked is None:
        await post(turn, prompt)
    else:
        await refresh(turn, prompt.id)


async def _open(turn: Turn, space: str) -> Prompt | None:
    """The question that is asked just now."""
    asked = {room.prompt_id for room in await spaces.rooms_of(turn.tx, space) if room.stage in OPEN}
    for prompt_id in asked - {None}:
        prompt = await prompts.get(turn.tx, prompt_id or 0)
        if prompt.created_at > turn.now - TOGETHER:
            return prompt
    return None


async def changed(turn: Turn, prompt_id: int) -> None:
    """A room that a question is about was settled otherwise."""
    await refresh(turn, prompt_id)


async def look(context: Context, space: str) -> None:
    """Look for clicks that came while the bot was away, and ask again what was removed."""
    async with context.db.tx() as tx:
        asked = [room for room in await spaces.rooms_of(tx, space) if room.stage in OPEN]
        above = await rooms.find(tx, space)
    if above is None:
        return
    unasked = [room for room in asked if room.prompt_id is None and room.stage is Stage.OFFERED]
    if unasked:
        async with context.turn() as turn:
            await ask(turn, above, unasked)
    for prompt_id in sorted({room.prompt_id for room in asked if room.prompt_id is not None}):
        await _listen(context, prompt_id)


async def _listen(context: Context, prompt_id: int) -> None:
    async with context.db.tx() as tx:
        prompt = await prompts.get(tx, prompt_id, held=False)
    if prompt.event_id is None:
        async with context.turn() as turn:
            await post(turn, prompt, again=True)
        return
    await missed.on_a_prompt(context, prompt, compare(*await seeing.prompt(context, prompt)))


# --- as a prompt ----------------------------------------------------------------------------------------------


async def _face(context: Context, prompt: Prompt) -> Face:
    async with context.db.tx() as tx:
        asked = await _asked(tx, prompt)
        there = await place.find(context, tx, prompt.about)
        managed = [there] if there is not None else await place.managed_by(context, tx, prompt.room_id)
        calls = await calling.about(context, tx, [there] if there is not None else [])
    write = partial(_message, context, language=place.language_of(context, managed))
    if not asked or there is None:
        return Face(partial(write, SPACE_QUESTION.closed(prompt)), needless=because("overtaken.not_asked"))
    named: list[Arg] = [await _called(context, room.room_id) for room in asked[:NAMED]]
    more = len(asked) - len(named)
    named += [notice("list.more", count=Number(more))] if more else []
    said = notice("space.offered", space=there.called, rooms=listed(named), count=Number(len(asked)))
    block = {"kind": prompt.kind, "room_id": prompt.about, "rooms": [room.room_id for room in asked[:NAMED]]}
    return Face(partial(write, said, blocks={PROMPT_KEY: block}), (YES, NO), calls.users, quiet=calls.quiet)


async def _called(context: Context, room_id: str) -> Room | Id:
    """A room as its space names it: by its ID, unless it is protected from here already."""
    async with context.db.tx() as tx:
        known = await rooms.find(tx, room_id)
        above = [await rooms.find(tx, room.space) for room in await spaces.of_room(tx, room_id)]
    managed = {one.management_room for one in above if one is not None}
    if known is not None and managed == {known.management_room}:
        return Room(room_id, known.label)
    return Id(room_id)


def _message(context: Context, said: Notice, calls: Sequence[str], key: str, **how: Any) -> Any:
    return context.wording.message(said, key, aloud=True, calls=calls, **how)


async def _asked(tx: Tx, prompt: Prompt) -> list[SpaceRoom]:
    return [room for room in await spaces.asked_by(tx, prompt.id) if room.stage in OPEN]


async def _takes_clicks(tx: Tx, prompt: Prompt) -> bool:
    return bool(await _asked(tx, prompt))


async def _hold(tx: Tx, prompt: Prompt) -> bool:
    return await spaces.hold(tx, prompt.about)


async def _take(context: Context, _: Place, prompt: Prompt, reaction: Reaction) -> Write[None]:
    """Somebody wants the rooms protected, or left alone; whether they may is looked at room by room."""
    async with context.db.tx() as tx:
        above = await rooms.find(tx, prompt.about)
    if above is None:
        raise Refused(CLOSED)
    answer = SPACE_QUESTION.meant(reaction.key)
    await _insist(context, reaction.sender, above, for_all=answer == NO)

    async def write(turn: Turn) -> None:
        asked = await _asked(turn.tx, prompt)
        if answer == YES:
            by, cause = reaction.sender, reaction.target
            await walking.have_protected(turn, asked, reaction.event_id, by=by, cause=cause, prompt_id=prompt.id)
        else:
            for room in asked:
                await spaces.put(turn.tx, replace(room, stage=Stage.LEFT, asked_by=reaction.sender, told=True))

    return write


async def _insist(context: Context, actor: str, above: ProtectedRoom, *, for_all: bool) -> None:
    """Check what it takes to have rooms protected from here; to leave them, what it takes for the space itself, since
    that answers for everybody. Raises `Refused`."""
    room = Room(above.room_id, above.label)
    wanted = Wanted(Deed.PROTECT, actor, room, management_room=above.management_room)
    authority.insist_on_permission(context, wanted)
    await authority.insist_on_managing(context, wanted)
    if for_all:
        await authority.insist(context, wanted)


async def _removed(context: Context, turn: Turn, prompt: Prompt) -> None:
    """The question was removed: the next look asks again."""
    for room in await _asked(turn.tx, prompt):
        await spaces.put(turn.tx, replace(room, prompt_id=None))
    turn.after(partial(context.look_at, prompt.about))


SPACE_QUESTION: Final = Question((YES, NO), _takes_clicks, _take, hold=_hold)
QUESTION: Final[PromptKind[Context]] = SPACE_QUESTION.kind(_face, _removed)
"""The question whether to protect rooms that are new in a space."""
