"""The sentences about notes."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Day, Number, Numbered, Stranger, User

SENTENCES: Mapping[str, Sentence] = {
    "command/note": says("write down something about a request for the other moderators", name=Choice),
    "ask.note": says("Please write the text of the note after the number, or - to remove your newest note."),
    "note.line": says("📝 {by}, {day}: {text}", by=User, day=Day, text=Stranger),
    "note.count": says("📝 {count} note", "📝 {count} notes", count=Number),
    "note.earlier": says("📝 {count} earlier note", "📝 {count} earlier notes", count=Number),
    "dossier.note": says("📝 Note about an earlier request, by {by} ({day}): {text}", by=User, day=Day, text=Stranger),
    "note.too_long": says(
        "A note has at most {most} characters, and this one has {length}. Nothing is written down.",
        most=Number,
        length=Number,
    ),
    "note.too_many": says(
        "{request} has {most} notes already. Remove one of yours first.", request=Numbered, most=Number
    ),
    "note.none_of_yours": says("You have no note on {request}.", request=Numbered),
    "remark.moved": says("{request} is not managed from here any more.", request=Numbered),
}
