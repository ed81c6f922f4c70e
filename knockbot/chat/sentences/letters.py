"""The sentences that applicants read in their conversation with the bot."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Notice, Room, Stranger

Reason = Stranger | Notice

SENTENCES: Mapping[str, Sentence] = {
    "letter.room_of_member": says("Knockbot for members of {room}", room=Room),
    "letter.asked_for": says(
        "You invited me to a chat. I write only in a room that I have made: here. Write help, and I say what you can do."
    ),
    "letter.room_name": says("Your request to join {room}", room=Room),
    "letter.received": says(
        "Your request to join {room} was received. The moderators of the room decide about it.", room=Room
    ),
    "letter.help": says("Write “help” here to see what you can do."),
    "letter.how_to_appeal": says("If you want to object, write “appeal” here, and your reasons after it."),
    "letter.waiting": says("Your request to join {room} still waits for an answer.", room=Room),
    "letter.accepted": says("You are accepted. You have an invite to {room}, and can join it now.", room=Room),
    "letter.accepted_because": says(
        "You are accepted. You have an invite to {room}, and can join it now. Message: “{reason}”",
        room=Room,
        reason=Reason,
    ),
    "letter.invited": says("You have an invite to {room}, and have not joined yet.", room=Room),
    "letter.invite_expired": says(
        "Your invite to {room} has expired, because you have not joined. You can ask again.", room=Room
    ),
    "letter.expired": says("Nobody answered your request to join {room} in time. You can ask again.", room=Room),
    "letter.invite_withdrawn": says("Your invite to {room} was withdrawn.", room=Room),
    "letter.rejected": says("Your request to join {room} was rejected.", room=Room),
    "letter.rejected_because": says(
        "Your request to join {room} was rejected. Reason: “{reason}”", room=Room, reason=Reason
    ),
}
