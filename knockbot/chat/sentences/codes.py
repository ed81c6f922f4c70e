"""The sentences about codes that let their holders in."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Code, Moment, Notice, Number, Room, Stranger, User

SENTENCES: Mapping[str, Sentence] = {
    "command/code new": says("make a code that lets people in", name=Choice),
    "command/code end": says("end a code: nobody else comes in by it", name=Choice),
    "command/codes": says("the codes of a room, and how often each was used", name=Choice),
    "ask.code_name": says("Which code? Write its name."),
    "codes.made": says(
        "🎟️ Code “{name}” for {room}: {code}. I show it only here, and only once. Whoever may come in by it writes it "
        "as the reason when they ask to join.",
        name=Stranger,
        room=Room,
        code=Code,
    ),
    "codes.terms": says(
        "It lets in {count} person, without an end.", "It lets in {count} people, without an end.", count=Number
    ),
    "codes.terms_until": says(
        "It lets in {count} person, until {until}.",
        "It lets in {count} people, until {until}.",
        count=Number,
        until=Moment,
    ),
    "codes.redact": says(
        "Everybody in this room can read it here: remove my message once you have passed it on. Members of {room} can "
        "read the reasons of requests in their clients, so let no more people in by one code than need to.",
        room=Room,
    ),
    "codes.no_rule": says(
        "⚠️ No rule in the policy of {room} asks for {key}, so codes have no effect there yet. Add this rule with "
        "{command}:",
        room=Room,
        key=Code,
        command=Code,
    ),
    "codes.bad_name": says(
        "A code has a name of one word, at most {most} characters, with a letter in it, and neither yes nor no: {example}",
        most=Number,
        example=Code,
    ),
    "codes.bad_uses": says("A code lets in from 1 to {most} people: {example}", most=Number, example=Code),
    "codes.not_a_member": says("Only members of {room} can make codes for it.", room=Room),
    "codes.same_name": says("{room} has a code “{name}” already. Choose another name.", room=Room, name=Stranger),
    "codes.too_many": says(
        "{room} has {most} codes already. End some of them first, with {command}.",
        room=Room,
        most=Number,
        command=Code,
    ),
    "codes.no_such": says("{room} has no code “{name}”.", room=Room, name=Stranger),
    "codes.ended": says("✅ Code “{name}” for {room} has ended: nobody else comes in by it.", name=Stranger, room=Room),
    "codes.none": says("{room} has no codes.", room=Room),
    "codes.head": says("{room} has {count} code:", "{room} has {count} codes:", room=Room, count=Number),
    "codes.row": says("{name}: used {used} of {uses}, by {by}", name=Stranger, used=Number, uses=Number, by=User),
    "codes.row_until": says(
        "{name}: used {used} of {uses}, by {by}, until {until}",
        name=Stranger,
        used=Number,
        uses=Number,
        by=User,
        until=Moment,
    ),
    "codes.void": says("⚠️ The codes of {by} have no effect now: {why}", by=User, why=Notice),
    "codes.guessing": says(
        "⚠️ {user} brings many wrong codes at {room}. None of theirs counts until {until}.",
        user=User,
        room=Room,
        until=Moment,
    ),
    "codes.remark": says("🎟️ Code: “{name}”, made by {by}.", name=Stranger, by=User),
    "codes.remark_row": says("🎟️ code “{name}”", name=Stranger),
    "codes.remark_unused": says("🎟️ Code: “{name}”. It has no effect.", name=Stranger),
    "codes.remark_void": says("🎟️ Code: “{name}”. It has no effect: {why}", name=Stranger, why=Notice),
    "own.code": says("I have your code, and look at your request again."),
    "own.code_void": says("I know this code, but it does not count now. Your request goes on waiting."),
    "own.shut_out": says("You have sent too many wrong codes. None of yours counts until {until}.", until=Moment),
    "own.wrong_code": says("I know no such code. Please look whether you typed it rightly."),
    "own.code_too_early": says(
        "None of your requests waits for an answer. Ask to join the room, and write the code as the reason, or here "
        "afterwards."
    ),
}
