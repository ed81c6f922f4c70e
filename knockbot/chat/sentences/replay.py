"""The sentences about trying a policy."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, Who, says
from knockbot.domain.notices import Code, Duration, Foreign, Number, Numbered, Room, Stranger, Term

SENTENCES: Mapping[str, Sentence] = {
    "try.refused": says("I could not try this policy: {fault}", fault=Foreign),
    "try.no_time": says(
        "I could not try this policy: {text} is no time. Write it like {example}.", text=Stranger, example=Code
    ),
    "try.nothing": says("No decision about {room} is on record from the last {time}.", room=Room, time=Duration),
    "try.head": says(
        "I tried this policy on {count} decision about {room}, from the last {time}. Nothing was changed.",
        "I tried this policy on {count} decisions about {room}, from the last {time}. Nothing was changed.",
        room=Room,
        time=Duration,
        count=Number,
    ),
    "try.cut": says("These are the newest decisions only, because the share of computing time is used up."),
    "try.differ": says(
        "{count} decision would be different.",
        "{count} decisions would be different.",
        count=Number,
    ),
    "try.row": says("{request} {who}: {was} → {would}", request=Numbered, who=Who, was=Term, would=Term),
    "try.unknown": says(
        "{count} decision cannot be known: something was not looked up then, or is no longer stored.",
        "{count} decisions cannot be known: something was not looked up then, or is no longer stored.",
        count=Number,
    ),
}
