"""The sentences about reason templates."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Code, Many, Numbered, Room, Sign, Stranger

SENTENCES: Mapping[str, Sentence] = {
    "command/templates": says("the texts that you can reject with by one click", name=Choice),
    "card.shortcuts": says("❌ reject with a text: {offers}", offers=Many),
    "card.shortcut": says("{sign} {name}", sign=Sign, name=Stranger),
    "answer.other_text": says(
        "This emoji stands for another text now, or for none. I did nothing. Please look at the card again."
    ),
    "templates.nearly": says(
        "{request} at {room}: I did nothing. Did you mean the template “{name}”? To send another text, write more than one word. {command} shows the templates.",
        request=Numbered,
        room=Room,
        name=Stranger,
        command=Code,
    ),
    "templates.not_here": says(
        "{request} at {room}: I did nothing, because this room has no template “{name}”. To send another text, write more than one word. {command} shows the templates.",
        request=Numbered,
        room=Room,
        name=Stranger,
        command=Code,
    ),
    "templates.none": says("No policy here has templates ({key}).", key=Code),
    "templates.of": says("Templates of {room}:", room=Room),
    "templates.row": says("{sign} {name}: {text}", sign=Sign, name=Stranger, text=Stranger),
    "templates.use": says(
        "To reject with one of these texts, click its number on a card, or type {command}.", command=Code
    ),
}
