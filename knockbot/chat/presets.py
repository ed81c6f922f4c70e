"""Presets in chat: which there are, and using one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from knockbot.chat.arguments import NAMED_ROOM, NEW_ROOM, Argument, optional
from knockbot.chat.calls import Answered, Call, Misuse, managed_room, manages_rooms, only_room, unknown_room
from knockbot.chat.command import Command
from knockbot.chat.orders import put_in_force
from knockbot.chat.replies import no_rooms
from knockbot.documents.text import without_variation_selector
from knockbot.domain.ids import RoomReference, room_reference
from knockbot.domain.may import Deed
from knockbot.domain.notices import Code, Document, Letters, Notice, Sign, below, listed, notice
from knockbot.errors import Refused
from knockbot.features.presets import choosing
from knockbot.features.presets.choosing import PRESETS_COMMAND, summary, wanted
from knockbot.features.presets.table import BY_EMOJI, PRESETS, Preset
from knockbot.flow import place
from knockbot.store.rooms import ProtectedRoom


async def presets(call: Call, only: Preset | None) -> Notice:
    """The presets, or one with its text."""
    if only is not None:
        async with call.context.db.tx() as tx:
            managed = await place.managed_by(call.context, tx, call.room)
        text = only.written(None, place.language_of(call.context, managed))
        return below(_row(only), notice("policy.text", text=Document(text)))
    command = Code("!kb policy use NAME ROOM")
    return below(notice("preset.list"), *map(_row, PRESETS.values()), notice("preset.use", command=command))


def _row(preset: Preset) -> Notice:
    [emoji] = [emoji for emoji, one in BY_EMOJI.items() if one is preset]
    return notice("preset.row", sign=Sign(emoji), name=Code(preset.name), what=summary(preset))


async def use(call: Call, preset: Preset, room: ProtectedRoom | None, other: RoomReference | None) -> Answered:
    """Put a preset in force as the policy of a room."""
    if other is not None and not preset.needs_room:
        wrong = notice("preset.needs_no_room", name=Code(preset.name)) if room is not None else unknown_room(other.room)
        raise Refused(wrong)
    room = room or await _only(call)
    named = await _named(call, room, other) if other is not None else None
    found = await wanted(call.context, preset, named, room=room, author=call.actor, cause=call.cause)
    return await put_in_force(call, found.change, partial(choosing.put_in_force, kept=found.kept))


async def _named(call: Call, room: ProtectedRoom, other: RoomReference) -> str:
    """The other room as it was written; by its ID, if it is the same one."""
    try:
        meant = await managed_room(call, other.room)
    except Refused:
        return other.room
    return meant.room_id if meant.room_id == room.room_id else other.room


async def _only(call: Call) -> ProtectedRoom:
    """The room, where it was left out."""
    only = await only_room(call)
    if only is not None:
        return only
    raise Misuse(notice("ask.room")) if await manages_rooms(call) else Refused(no_rooms())


async def _room(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    """The room whose policy it will be. Where only one is managed from here, it may be left out: another one that
    stands alone is whose members come in."""
    alone = await only_room(call) if " " not in text and room_reference(text) is not None else None
    if not text or (alone is not None and await _is_another(call, text)):
        return None
    return await NAMED_ROOM.read(call, text)


async def _is_another(call: Call, reference: str) -> bool:
    try:
        await managed_room(call, reference)
    except Refused:
        return True
    return False


async def _preset(__: Call, text: str) -> tuple[Preset, str] | None:
    first, _, rest = text.partition(" ")
    if not first:
        return None
    found = _called(first)
    if found is not None:
        return found, rest.strip()
    if any(_called(word) is not None for word in rest.split()):
        raise Misuse(notice("ask.preset_first"))
    names = listed(map(Code, PRESETS))
    raise Refused(notice("preset.unknown", name=Letters(first, 60), names=names, command=PRESETS_COMMAND))


_QUOTES = "\"'`“”„‟‘’‚«»"


def _called(word: str) -> Preset | None:
    """The preset with this name, with or without quotes; or with this number in the list, as a figure or its emoji."""
    name = without_variation_selector(word).strip(_QUOTES).lower()
    numbers = {without_variation_selector(emoji): preset for emoji, preset in BY_EMOJI.items()}
    return PRESETS.get(name) or numbers.get(name) or numbers.get(f"{name}\u20e3")


PRESET = Argument("NAME", notice("ask.preset"), "careful", _preset)
ROOM = Argument("ROOM", None, NAMED_ROOM.example, _room)
OTHER_ROOM = optional(replace(NEW_ROOM, word="OTHER"))

COMMANDS = (
    Command("policy presets", (optional(PRESET),), presets, Deed.LOOK),
    Command("policy use", (PRESET, ROOM, OTHER_ROOM), use, Deed.SET_POLICY),
)
