"""The sentences about members who vouch for others."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Code, Letters, Many, Moment, Notice, Number, Room, Stranger, User

SENTENCES: Mapping[str, Sentence] = {
    "command/vouch": says("vouch for somebody who wants to join a room that you are in", name=Choice),
    "command/unvouch": says("take your word for somebody back", name=Choice),
    "vouches.given": says("🤝 You vouch for {user} at {room}, until {until}.", user=User, room=Room, until=Moment),
    "vouches.again": says(
        "🤝 You vouched for {user} at {room} already. That counts once, and now until {until}.",
        user=User,
        room=Room,
        until=Moment,
    ),
    "vouches.judged_again": says("Their request is waiting: I look at it again."),
    "vouches.no_rule": says(
        "⚠️ No rule in the policy of {room} asks for {key}, so this accepts nobody. The card shows it. Moderators can "
        "add a rule with {command}.",
        room=Room,
        key=Code,
        command=Code,
    ),
    "vouches.taken_back": says("✅ You no longer vouch for {user} at {room}.", user=User, room=Room),
    "vouches.none": says("You do not vouch for {user} at {room}.", user=User, room=Room),
    "vouches.oneself": says("You cannot vouch for yourself."),
    "vouches.bot": says("{bot} is my own name. Vouch for a person.", bot=User),
    "vouches.joined": says("{user} is in {room} already.", user=User, room=Room),
    "vouches.too_long": says(
        "Your text has {length} characters, and at most {most} are possible.", most=Number, length=Number
    ),
    "vouches.too_many_today": says(
        "You have vouched {most} times within a day. Please try again tomorrow.", most=Number
    ),
    "vouches.too_many": says(
        "You vouch for {most} people at {room}. Take your word for some of them back first.", most=Number, room=Room
    ),
    "vouches.not_a_member": says("Only members of {room} can vouch for others there.", room=Room),
    "vouches.room_gone": says("I do not protect that room any more."),
    "vouches.remark": says("🤝 {by} vouches for them.", by=User),
    "vouches.remark_why": says("🤝 {by} vouches for them: {why}", by=User, why=Stranger),
    "vouches.remark_void": says("🤝 The word of {by} does not count: {why}.", by=User, why=Notice),
    "vouches.remark_void_stays": says(
        "🤝 The word of {by} no longer counts: {why}. Who has joined stays.", by=User, why=Notice
    ),
    "vouches.remark_row": says("🤝 vouched for by {named}", named=Many),
    "own.vouch_no_room": says("You are in no room {room} that I protect.", room=Letters),
    "own.vouch_several": says("You are in several rooms of that name. Write the address of the one that you mean."),
    "own.ask_whom": says("For whom? Write their user ID."),
    "own.ask_vouch_room": says("For which room? Write its name or its address."),
}
