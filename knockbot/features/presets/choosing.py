"""The offer to begin with a preset, after a room is protected that has no policy; and how a preset is used."""

from __future__ import annotations

from typing import Final

from knockbot.domain.model import Reaction
from knockbot.domain.notices import Choice, Code, Notice, Room, Sign, below, notice
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.features.presets.table import BY_EMOJI, Preset
from knockbot.flow import offers, place, rulebook
from knockbot.flow.changes import Change
from knockbot.flow.context import Context
from knockbot.flow.offers import Offer
from knockbot.flow.place import Place
from knockbot.flow.tables import Granted
from knockbot.store import prompts, rooms
from knockbot.store.prompts import Prompt
from knockbot.store.rooms import ProtectedRoom


async def granted(context: Context, turn: Turn, what: Granted) -> None:
    """A room was protected for somebody: offer the presets, unless it has a policy or they are offered already."""
    room_id = what.view.room_id
    there, room = await place.find(context, turn.tx, room_id), await rooms.find(turn.tx, room_id)
    if there is None or room is None or there.layers or room.locked or room.space is not None:
        return
    if not await prompts.still_open(turn.tx, CHOICE.name, room_id):
        await offers.make(context, turn, CHOICE, room_id)


async def revised(_: Context, turn: Turn, room_id: str) -> None:
    """The room has a policy of its own now."""
    await offers.close(turn, CHOICE, room_id)


def change(preset: Preset, room: ProtectedRoom, author: str, other: str | None, cause: str) -> Change:
    """The change that puts a preset in force. Raises `Refused` where it lacks the room that it is about."""
    if preset.needs_room and other is None:
        command = Code(f"!kb policy use {preset.name} {room.room_id} #room:server")
        raise Refused(notice("preset.needs_room", command=command))
    if other == room.room_id:
        raise Refused(notice("preset.same_room", room=Room(room.room_id, room.label)))
    return Change(room, author, preset.written(other), cause)


async def _words(_: Context, there: Place) -> Notice:
    rows = [
        notice("preset.row", sign=Sign(emoji), name=Code(preset.name), what=summary(preset))
        for emoji, preset in BY_EMOJI.items()
    ]
    return below(notice("preset.choose", room=there.called), *rows, notice("preset.more", command=PRESETS_COMMAND))


PRESETS_COMMAND = Code("!kb policy presets")


def summary(preset: Preset) -> Notice:
    """What a preset does, in a few words."""
    return notice("preset.what", name=Choice(preset.name))


def _named(emoji: str) -> Notice:
    return notice("preset.chosen", sign=Sign(emoji), name=Code(BY_EMOJI[emoji].name))


async def _take(context: Context, there: Place, _: Prompt, reaction: Reaction) -> Write[Notice]:
    preset = BY_EMOJI[CHOICE.meant(reaction.key) or ""]
    wanted = change(preset, there.room, reaction.sender, None, reaction.event_id)
    sound = await rulebook.examined(context, wanted)

    async def put_in_force(turn: Turn) -> Notice:
        return await rulebook.put_in_force(context, turn, sound)

    return put_in_force


CHOICE: Final = Offer("preset", _words, tuple(BY_EMOJI), _take, _named)
"""The offer to begin with a preset."""
