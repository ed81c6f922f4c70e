"""The sentences about who is called, and about quiet hours."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Code, Letters, Many, Number, Room

SENTENCES: Mapping[str, Sentence] = {
    "command/call": says("who is called about new requests", name=Choice),
    "command/call me": says("be called about new requests of a room", name=Choice),
    "command/call off": says("be called no more, about one room or about all", name=Choice),
    "call.row": says("{room}: {users}", room=Room, users=Many),
    "call.nobody": says("{room}: nobody", room=Room),
    "call.quiet": says("Quiet hours: {hours} ({zone})", hours=Letters, zone=Letters),
    "call.how": says("To be called, type {me}. To be called no more: {off}.", me=Code, off=Code),
    "call.too_many": says("No more than {most} people can be called about {room}.", most=Number, room=Room),
    "call.was_not": says("You are not called here."),
    "call.by_policy": says(
        "The policy of {room} calls you. To change that, change {key} in the policy.", room=Room, key=Code
    ),
    "quiet.over": says("\N{SUNRISE} The quiet hours are over."),
    "quiet.came": says(
        "{room}: {count} new request waits for an answer: {numbers}",
        "{room}: {count} new requests wait for an answer: {numbers}",
        room=Room,
        count=Number,
        numbers=Many,
    ),
    "quiet.alarms": says(
        "{room}: {count} message called nobody. Please read it.",
        "{room}: {count} messages called nobody. Please read them.",
        room=Room,
        count=Number,
    ),
}
