"""The sentences about presets."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Code, Letters, Many, Notice, Room, Sign


def _what(text: str) -> Sentence:
    return says(text, name=Choice)


SENTENCES: Mapping[str, Sentence] = {
    "preset.choose": says("Who may come into {room}? Click a policy to begin with:", room=Room),
    "preset.list": says("Policies to begin with:"),
    "preset.row": says("{sign} {name}: {what}", sign=Sign, name=Code, what=Notice),
    "preset.chosen": says("{sign} {name}", sign=Sign, name=Code),
    "preset.what/moderators": _what("the moderators decide about everyone"),
    "preset.what/server": _what("users of our own server come in"),
    "preset.what/members": _what("members of another room or space come in"),
    "preset.what/careful": _what("whoever gives no reason, or a very short one, is asked to try again"),
    "preset.what/open": _what("whoever gives a reason comes in"),
    "preset.what/strict": _what("third-party invites are revoked, unless a moderator sent them"),
    "preset.more": says(
        "Until then, and wherever none of this applies, the moderators decide. {command} says more.", command=Code
    ),
    "preset.use": says("Use one: {command}", command=Code),
    "preset.kept": says("These settings stay as they were: {keys}.", keys=Many),
    "preset.another": says("To use another preset: {command}", command=Code),
    "preset.needs_room": says("Members of which room? Please type it: {command}", command=Code),
    "preset.same_room": says(
        "Members of {room} need not ask to join it. Please name another room whose members come in.", room=Room
    ),
    "preset.needs_no_room": says("The policy {name} is not about another room. Please leave that room out.", name=Code),
    "ask.preset_first": says("Write the name first, then the room."),
    "preset.unknown": says(
        "There is no policy {name} to begin with. These are known: {names}. {command} says what they do.",
        name=Letters,
        names=Many,
        command=Code,
    ),
}
