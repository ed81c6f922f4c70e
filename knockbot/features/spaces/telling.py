"""What the moderators are told of a space with its rooms, once all rooms that were asked for are looked at."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from knockbot.domain.notices import Code, Notice, Number, Room, User, below, notice
from knockbot.domain.spaces import SpaceRoom, Stage
from knockbot.engine.prompts import refresh
from knockbot.engine.turn import Turn
from knockbot.flow import inheriting, saying
from knockbot.flow.context import Context
from knockbot.flow.saying import Audience
from knockbot.store import rooms, spaces
from knockbot.store.rooms import ProtectedRoom

NAMED = 10
"""Rooms that one message names."""


async def tell_if_done(context: Context, turn: Turn, space: str) -> None:
    """Say how far the rooms of a space are that nobody was told of, once nothing is left to look at."""
    above = await rooms.find(turn.tx, space)
    if above is None or await spaces.is_under_way(turn.tx, space):
        return
    found = await spaces.rooms_of(turn.tx, space)
    news = [room for room in found if not room.told and room.stage in (Stage.PROTECTED, Stage.MISSING)]
    if not news:
        return
    called = Room(space, above.label)
    taken = await inheriting.taken_by(turn.tx, above) if any(room.stage is Stage.PROTECTED for room in news) else []
    ours = {room.room_id for room in await rooms.managed_by(turn.tx, above.management_room)}
    said = below(*_protected(called, news), *_missing(called, news, ours), *taken)
    causes = [room.cause for room in news if room.cause is not None]
    occasion = f"space:{space}:{turn.cause}:{turn.now}"
    to = Audience(above.management_room, place=space)
    await saying.say(context, turn, to, occasion, said, reply_to=causes[0] if causes else None)
    await spaces.told(turn.tx, space)
    for prompt_id in {room.prompt_id for room in news if room.prompt_id is not None}:
        await refresh(turn, prompt_id)


def _protected(called: Room, news: Sequence[SpaceRoom]) -> list[Notice]:
    """How many rooms are protected now; nothing where something is missing for all that were asked for."""
    done = [room for room in news if room.stage is Stage.PROTECTED]
    count = Number(sum(room.room_id != room.space for room in done))
    return [notice("space.protected", space=called, count=count)] if done else []


def _missing(called: Room, news: Sequence[SpaceRoom], ours: Collection[str]) -> list[Notice]:
    """What is missing for rooms, each with its mend; `ours` are those that are protected anyway."""
    missing = [room for room in news if room.stage is Stage.MISSING]
    lacking = [room for room in missing if room.room_id not in ours]
    apart = [room for room in missing if room.room_id in ours]
    asked = [room for room in lacking if room.prompt_id is not None]
    wanted = [room for room in lacking if room.prompt_id is None]
    command = Code(f"!kb protect {called.room_id} with rooms")
    return [
        *_rows(called, notice("space.not_protected", count=Number(len(wanted)), command=command), wanted),
        *_rows(called, notice("space.still_asked", count=Number(len(asked)), user=User(_asker(asked))), asked),
        *_rows(called, notice("space.apart", count=Number(len(apart)), space=called), apart),
    ]


def _asker(asked: Sequence[SpaceRoom]) -> str:
    """Whoever clicked last."""
    return next((room.asked_by for room in asked if room.asked_by is not None), "")


def _rows(called: Room, heading: Notice, missing: Sequence[SpaceRoom]) -> list[Notice]:
    """The first rooms below a heading, each with what is missing, and how many more there are."""
    found = [room.why for room in missing if room.why is not None]
    if not found:
        return []
    more, command = len(found) - NAMED, Code(f"!kb check {called.room_id}")
    last = [notice("space.more", count=Number(more), space=called, command=command)] if more > 0 else []
    return [heading, *(notice("space.missing", why=why) for why in found[:NAMED]), *last]


async def tell_removed(context: Context, turn: Turn, space: str, gone: Sequence[str]) -> None:
    """Say that protected rooms are not in a space any more, and which policy decides there now."""
    above = await rooms.find(turn.tx, space)
    found = [await rooms.find(turn.tx, room_id) for room_id in gone]
    left = [room for room in found if room is not None]
    if above is None or not left:
        return
    said = notice("space.removed", space=Room(space, above.label), count=Number(len(left)))
    occasion = f"left:{space}:{turn.cause}:{turn.now}"
    to = Audience(above.management_room, place=space)
    await saying.say(context, turn, to, occasion, below(said, *await inheriting.decide_now(turn.tx, left)))


async def tell_there_already(context: Context, turn: Turn, above: ProtectedRoom, new: Sequence[ProtectedRoom]) -> None:
    """Say that a space has rooms now that were protected already: nothing changes there, unless somebody wants that."""
    if not new:
        return
    space, count = Room(above.room_id, above.label), Number(len(new))
    wanted = f"!kb protect {new[0].room_id}" if len(new) == 1 else f"!kb protect {above.room_id} with rooms"
    said = notice("space.there_already", count=count, space=space, command=Code(wanted))
    occasion = f"there already:{above.room_id}:{turn.cause}:{turn.now}"
    to = Audience(above.management_room, place=above.room_id)
    await saying.say(context, turn, to, occasion, below(said, *await inheriting.decide_now(turn.tx, new)))
