"""Presets in chat: which there are, and using one."""

from __future__ import annotations

from dataclasses import replace

from knockbot.chat.arguments import NAMED_ROOM, NEW_ROOM, Argument, optional
from knockbot.chat.calls import Answered, Call
from knockbot.chat.command import Command
from knockbot.chat.orders import put_in_force
from knockbot.domain.ids import RoomReference
from knockbot.domain.may import Deed
from knockbot.domain.notices import Code, Document, Letters, Notice, Sign, below, listed, notice
from knockbot.errors import Refused
from knockbot.features.presets.choosing import PRESETS_COMMAND, change, summary
from knockbot.features.presets.table import BY_EMOJI, PRESETS, Preset
from knockbot.store.rooms import ProtectedRoom


async def presets(_: Call, only: Preset | None) -> Notice:
    """The presets, or one with its text."""
    if only is not None:
        return below(_row(only), notice("policy.text", text=Document(only.text)))
    command = Code("!kb policy use NAME ROOM")
    return below(notice("preset.list"), *map(_row, PRESETS.values()), notice("preset.use", command=command))


def _row(preset: Preset) -> Notice:
    [emoji] = [emoji for emoji, one in BY_EMOJI.items() if one is preset]
    return notice("preset.row", sign=Sign(emoji), name=Code(preset.name), what=summary(preset))


async def use(call: Call, preset: Preset, room: ProtectedRoom, other: RoomReference | None) -> Answered:
    """Put a preset in force as the policy of a room."""
    if other is not None and not preset.needs_room:
        raise Refused(notice("preset.needs_no_room", name=Code(preset.name)))
    named = other.room if other is not None else None
    return await put_in_force(call, change(preset, room, call.actor, named, call.cause))


async def _preset(__: Call, text: str) -> tuple[Preset, str] | None:
    first, _, rest = text.partition(" ")
    if not first:
        return None
    found = PRESETS.get(first.lower())
    if found is None:
        names = listed(map(Code, PRESETS))
        raise Refused(notice("preset.unknown", name=Letters(first, 60), names=names, command=PRESETS_COMMAND))
    return found, rest.strip()


PRESET = Argument("NAME", notice("ask.preset"), "careful", _preset)
OTHER_ROOM = optional(replace(NEW_ROOM, word="OTHER"))

COMMANDS = (
    Command("policy presets", (optional(PRESET),), presets, Deed.LOOK),
    Command("policy use", (PRESET, NAMED_ROOM, OTHER_ROOM), use, Deed.SET_POLICY),
)
