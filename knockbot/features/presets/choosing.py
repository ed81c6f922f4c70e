"""The offer to begin with a preset, after a room is protected that has no policy; and how a preset is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from knockbot.domain.model import Reaction
from knockbot.domain.notices import Choice, Code, Notice, Room, Sign, below, listed, notice
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Refused
from knockbot.features.presets import keeping
from knockbot.features.presets.table import BY_EMOJI, Preset
from knockbot.flow import offers, place, rulebook
from knockbot.flow.changes import Change, Sound
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """A preset that somebody wants for a room: the change, and the settings that stay."""

    change: Change
    kept: tuple[str, ...]


async def wanted(
    context: Context, preset: Preset, other: str | None, *, room: ProtectedRoom, author: str, cause: str
) -> Wanted:
    """What puts a preset in force. Raises `Refused` where it lacks the room that it is about."""
    if preset.needs_room and other is None:
        command = Code(f"!kb policy use {preset.name} {room.room_id} #room:server")
        raise Refused(notice("preset.needs_room", command=command))
    if other == room.room_id:
        raise Refused(notice("preset.same_room", room=Room(room.room_id, room.label)))
    kept = await keeping.kept(context, room)
    async with context.db.tx() as tx:
        there = await place.find(context, tx, room.room_id)
    language = place.language_of(context, [there] if there is not None else [])
    text = keeping.with_kept(preset.written(other, language), kept, language)
    return Wanted(Change(room, author, text, cause), tuple(kept))


async def put_in_force(context: Context, turn: Turn, sound: Sound, kept: Sequence[str]) -> Notice:
    """Write the revision; the reply says which settings stayed, and how to use another preset."""
    said = await rulebook.put_in_force(context, turn, sound)
    stay = notice("preset.kept", keys=listed(map(Code, kept))) if kept else None
    command = Code(f"!kb policy use NAME {sound.change.room.room_id}")
    return below(said, stay, notice("preset.another", command=command))


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
    found = await wanted(context, preset, None, room=there.room, author=reaction.sender, cause=reaction.event_id)
    sound = await rulebook.examined(context, found.change)

    async def write(turn: Turn) -> Notice:
        return await put_in_force(context, turn, sound, found.kept)

    return write


CHOICE: Final = Offer("preset", _words, tuple(BY_EMOJI), _take, _named)
"""The offer to begin with a preset."""
