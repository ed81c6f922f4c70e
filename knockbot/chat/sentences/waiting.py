"""The sentences about the list of those who wait, and the filters that it takes."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, Who, says
from knockbot.domain.notices import Ago, Choice, Code, Number, Numbered, Room, Stranger

SENTENCES: Mapping[str, Sentence] = {
    "command/list": says("who is waiting, the longest wait first", name=Choice),
    "list.nobody": says("Nobody is waiting."),
    "list.none_fit": says("Nobody is waiting who fits {filters}.", filters=Code),
    "list.no_page": says(
        "There is no page {page}. The list has {count} page.",
        "There is no page {page}. The list has {count} pages.",
        page=Number,
        count=Number,
    ),
    "list.page": says(
        "{count} request is waiting. This is page {page} of {pages}, the longest wait first.",
        "{count} requests are waiting. This is page {page} of {pages}, the longest wait first.",
        count=Number,
        page=Number,
        pages=Number,
    ),
    "list.next": says("Next page: {command}", command=Code),
    "list.row": says("{request} {who} at {room}, {when}", request=Numbered, who=Who, room=Room, when=Ago),
    "ask.filter_unknown": says("I know no filter “{text}”. There are: {filters}.", text=Stranger, filters=Code),
    "ask.filter_twice": says("{filter} is given twice; give it once.", filter=Code),
    "ask.filter_empty": says("Write the filter and what it looks for without a blank, as {filter}.", filter=Code),
    "ask.filter_long": says("What follows {filter} is too long: at most {most} characters.", filter=Code, most=Number),
    "ask.filter_time": says(
        "This is not a time: “{text}”. Write it like this: {example}.", text=Stranger, example=Code
    ),
}
