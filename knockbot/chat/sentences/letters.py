"""The sentences that applicants read in their conversation with the bot."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Notice, Room, Stranger

Reason = Stranger | Notice

SENTENCES: Mapping[str, Sentence] = {
    "letter.room_name": says("Your request to join {room}", room=Room),
    "letter.rejected": says("Your request to join {room} was rejected.", room=Room),
    "letter.rejected_because": says(
        "Your request to join {room} was rejected. Reason: “{reason}”.", room=Room, reason=Reason
    ),
}
