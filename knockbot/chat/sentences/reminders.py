"""The sentences that remind moderators of requests."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Many, Moment, Number, Numbered, Room, User

SENTENCES: Mapping[str, Sentence] = {
    "daily.heading": says("📬 Requests for {room} that wait for an answer.", room=Room),
    "remind.one": says(
        "🔔 {request} of {user} still waits for an answer, since {since}.", request=Numbered, user=User, since=Moment
    ),
    "remind.many": says(
        "🔔 {room}: {count} request still waits for an answer, since {since}: {numbers}",
        "🔔 {room}: {count} requests still wait for an answer, the first one since {since}: {numbers}",
        room=Room,
        count=Number,
        since=Moment,
        numbers=Many,
    ),
    "remind.daily": says(
        "📋 {room}: {count} request has waited for long: {numbers}",
        "📋 {room}: {count} requests have waited for long: {numbers}",
        room=Room,
        count=Number,
        numbers=Many,
    ),
}
