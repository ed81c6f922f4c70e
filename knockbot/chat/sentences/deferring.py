"""The sentences about requests that are off the list for a time."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Code, Letters, Many, Moment, Number, Numbered, User

SENTENCES: Mapping[str, Sentence] = {
    "command/defer": says("take a request off the list for a time, or until a day", name=Choice),
    "ask.defer": says("Until when? For example 2d, 12h, a date such as 2026-12-24, or off."),
    "defer.line": says("⏳ Deferred by {by} until {until}.", by=User, until=Moment),
    "defer.off": says("{request} until {until}", request=Numbered, until=Moment),
    "list.deferred": says("⏳ {count} deferred: {requests}", count=Number, requests=Many),
    "defer.back": says("⏰ {request} is back on the list. {by} had deferred it until now.", request=Numbered, by=User),
    "defer.none": says("{request} is not deferred.", request=Numbered),
    "defer.no_time": says(
        "This is not a time: “{text}”. Write for example {time}, a date such as {date}, or {off}.",
        text=Letters,
        time=Code,
        date=Code,
        off=Code,
    ),
    "defer.over": says(
        "That day has begun already. Write a later one, or a length of time such as {example}.", example=Code
    ),
    "defer.bounds": says("A request can be deferred for {least} at least and {most} at most.", least=Code, most=Code),
}
