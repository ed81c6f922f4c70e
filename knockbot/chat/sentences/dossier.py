"""The lines of a card that help to decide."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Letters, Many, Notice, Number, Room


def _decided(text: str) -> Sentence:
    return says(text, state=Choice, counts=Many, room=Room, when=Notice)


SENTENCES: Mapping[str, Sentence] = {
    "card.alike": says("What the rule found: {why}.", why=Notice),
    "dossier.lookalike": says("⚠️ Take care: {why}.", why=Notice),
    "dossier.rooms": says("They are in {rooms}.", rooms=Many),
    "dossier.counted": says("Earlier decisions: {counts}.", counts=Many),
    "dossier.decided/accepted": _decided("Earlier decisions: {counts}. The last one: accepted at {room}, {when}."),
    "dossier.decided/rejected": _decided("Earlier decisions: {counts}. The last one: rejected at {room}, {when}."),
    "dossier.decided/banned": _decided("Earlier decisions: {counts}. The last one: banned from {room}, {when}."),
    "dossier.count/accepted": says("{count} accepted", state=Choice, count=Number),
    "dossier.count/rejected": says("{count} rejected", state=Choice, count=Number),
    "dossier.count/banned": says("{count} banned", state=Choice, count=Number),
    "dossier.server": says(
        "{count} join request from {server} in the last 24 hours.",
        "{count} join requests from {server} in the last 24 hours.",
        count=Number,
        server=Letters,
    ),
    "dossier.server_at_least": says(
        "At least {count} join requests from {server} in the last 24 hours.", count=Number, server=Letters
    ),
}
