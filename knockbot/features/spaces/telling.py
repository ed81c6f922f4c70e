"""What the moderators are told of a space with its rooms, once all rooms that were asked for are looked at."""

from __future__ import annotations

from collections.abc import Sequence

from knockbot.domain.notices import Code, Notice, Number, Room, below, listed, notice
from knockbot.domain.spaces import SpaceRoom, Stage
from knockbot.engine.turn import Turn
from knockbot.flow import inheriting, place, saying
from knockbot.flow.context import Context
from knockbot.flow.saying import Audience
from knockbot.store import rooms, spaces

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
    said = below(_protected(called, news), *_missing(called, news), *taken)
    causes = [room.cause for room in news if room.cause is not None]
    occasion = f"space:{space}:{turn.cause}:{turn.now}"
    to = Audience(above.management_room, place=space)
    await saying.say(context, turn, to, occasion, said, reply_to=causes[0] if causes else None)
    await spaces.told(turn.tx, space)


def _protected(called: Room, news: Sequence[SpaceRoom]) -> Notice:
    """How many rooms are protected now."""
    count = sum(room.stage is Stage.PROTECTED and room.room_id != room.space for room in news)
    return notice("space.protected", space=called, count=Number(count))


def _missing(called: Room, news: Sequence[SpaceRoom]) -> list[Notice]:
    """The first rooms that something is missing for, each with its mend, and how many more there are."""
    missing = [room.why for room in news if room.stage is Stage.MISSING and room.why is not None]
    if not missing:
        return []
    lines = [notice("space.missing", why=why) for why in missing[:NAMED]]
    more = len(missing) - NAMED
    command = Code(f"!kb check {called.room_id}")
    return [
        notice(
            "space.not_protected", count=Number(len(missing)), command=Code(f"!kb protect {called.room_id} with rooms")
        ),
        *lines,
        *([notice("space.more", count=Number(more), space=called, command=command)] if more > 0 else []),
    ]


async def tell_removed(context: Context, turn: Turn, space: str, gone: Sequence[str]) -> None:
    """Say that protected rooms are not in a space any more."""
    above = await rooms.find(turn.tx, space)
    if above is None or not gone:
        return
    named = [await place.called(context, turn, room_id) for room_id in gone[:NAMED]]
    said = notice("space.removed", space=Room(space, above.label), rooms=listed(named), count=Number(len(gone)))
    occasion = f"left:{space}:{turn.cause}:{turn.now}"
    await saying.say(context, turn, Audience(above.management_room, place=space), occasion, said)
