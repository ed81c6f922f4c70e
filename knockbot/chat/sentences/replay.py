"""The sentences about trying a policy."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, Who, says
from knockbot.domain.notices import Choice, Code, Notice, Number, Numbered, Room, Stranger


def _span(text: str, plural: str) -> Sentence:
    return says(text, plural, unit=Choice, count=Number)


SENTENCES: Mapping[str, Sentence] = {
    "try.not_tried": says("I could not try this policy: {why}", why=Notice),
    "try.refused": says("I could not try this policy: {fault}", fault=Notice),
    "try.no_time": says(
        "I could not try this policy: this is not a time: “{text}”. Write it like this: {example}.",
        text=Stranger,
        example=Code,
    ),
    "try.nothing": says("No decision about {room} is on record from {span}.", room=Room, span=Notice),
    "try.head": says(
        "I tried this policy on {count} decision about {room}, from {span}. Nothing was changed.",
        "I tried this policy on {count} decisions about {room}, from {span}. Nothing was changed.",
        room=Room,
        span=Notice,
        count=Number,
    ),
    "try.span/day": _span("the last {count} day", "the last {count} days"),
    "try.span_of_one/day": says("the last day", unit=Choice),
    "try.span/hour": _span("the last {count} hour", "the last {count} hours"),
    "try.span_of_one/hour": says("the last hour", unit=Choice),
    "try.span/minute": _span("the last {count} minute", "the last {count} minutes"),
    "try.span_of_one/minute": says("the last minute", unit=Choice),
    "try.span/second": _span("the last {count} second", "the last {count} seconds"),
    "try.span_of_one/second": says("the last second", unit=Choice),
    "try.cut": says(
        "I looked only at the newest decisions, because this room has used its share of computing time for now."
    ),
    "try.differ": says(
        "{count} decision would be different.",
        "{count} decisions would be different.",
        count=Number,
    ),
    "try.in_rooms": says(
        "These are all rooms in which the policy of {room} decides: {rooms}.", room=Room, rooms=Number
    ),
    "try.row_at": says(
        "{request} {who} at {room}: {was} → {would}", request=Numbered, who=Who, room=Room, was=Notice, would=Notice
    ),
    "try.row": says("{request} {who}: {was} → {would}", request=Numbered, who=Who, was=Notice, would=Notice),
    "try.unknown": says(
        "{count} decision cannot be known: something was not looked up then, or is no longer stored.",
        "{count} decisions cannot be known: something was not looked up then, or is no longer stored.",
        count=Number,
    ),
}
