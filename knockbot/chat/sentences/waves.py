"""The sentences about waves and digests."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Code, Duration, Letters, Many, Moment, Notice, Number, Room, Stranger, User

SENTENCES: Mapping[str, Sentence] = {
    "command/wave on": says("treat a room as in a wave: rules accept nobody there", name=Choice),
    "command/wave off": says("end a wave", name=Choice),
    # --- a digest
    "digest.waiting": says(
        "{count} knock waits for an answer.",
        "{count} knocks wait for an answer.",
        count=Number,
    ),
    "digest.nobody": says("No knock in this message waits for an answer."),
    "digest.deferred": says("Deferred: {numbers}", numbers=Many),
    "digest.servers": says("From: {servers}", servers=Many),
    "digest.server": says("{server} ({number})", server=Letters, number=Number),
    "digest.other_servers": says(
        "{count} other server ({number})", "{count} other servers ({number})", count=Number, number=Number
    ),
    "digest.reasons": says("The same reason: {reasons}", reasons=Many),
    "digest.reason": says("“{reason}” ({number})", reason=Stranger, number=Number),
    "digest.numbers": says("Their numbers: {numbers}", numbers=Many),
    "digest.settled": says("Over: {outcomes}", outcomes=Many),
    "digest.outcome": says("{number} {outcome}", number=Number, outcome=Notice),
    "digest.answer": says(
        "To see them, type {list}. To answer one, type {one}; all at this room, {many}.", list=Code, one=Code, many=Code
    ),
    "digest.gone": says("The room of these knocks is not managed from here any more."),
    "hint.digest": says(
        "You cannot answer with a click here, because this message is about many knocks. To see them, type {list}.",
        list=Code,
    ),
    # --- a wave
    "wave.by_knocks": says("🌊 A wave of knocks at {room}, since {moment}.", room=Room, moment=Moment),
    "wave.by_hand": says(
        "🌊 {user} treats {room} as in a wave of knocks, since {moment}.", user=User, room=Room, moment=Moment
    ),
    "wave.means": says(
        "Rules accept nobody there while it goes on: they leave that to you. They reject and ban as before. I post no cards for these knocks; this message counts them."
    ),
    "wave.ends": says(
        "It ends by itself after {time} in which no {count} people knock within {within}, or with {command}.",
        time=Duration,
        count=Number,
        within=Duration,
        command=Code,
    ),
    "wave.ends_not_before": says(
        "It ends by itself after {time} in which no {count} people knock within {within}, but not before {moment}. Or with {command}.",
        time=Duration,
        count=Number,
        within=Duration,
        moment=Moment,
        command=Code,
    ),
    "wave.ends_at": says("It ends at {moment}, or with {command}.", moment=Moment, command=Code),
    "wave.others": says(
        "{count} more request waits at this room, with a card of its own.",
        "{count} more requests wait at this room, with cards of their own.",
        count=Number,
    ),
    "wave.was": says("🌊 The wave of knocks at {room} is over.", room=Room),
    "wave.over": says("🌊 The wave of knocks at {room} is over. Rules accept people again.", room=Room),
    "wave.over_waiting": says(
        "🌊 The wave of knocks at {room} is over. Rules accept people again, but not those who knocked before: {count} request waits for you. To have it judged by the policy, click ✅ or type {command}.",
        "🌊 The wave of knocks at {room} is over. Rules accept people again, but not those who knocked before: {count} requests wait for you. To have them judged by the policy, click ✅ or type {command}.",
        room=Room,
        count=Number,
        command=Code,
    ),
    "wave.over_in_digest": says(
        "{count} of them is counted in the message about the wave; the others have cards of their own.",
        "{count} of them are counted in the message about the wave; the others have cards of their own.",
        count=Number,
    ),
    "wave.over_moved": says(
        "{count} of them came over from another room, and the policy does not judge it.",
        "{count} of them came over from another room, and the policy does not judge them.",
        count=Number,
    ),
    "wave.begun": says("Rules accept nobody at {room} from now on, until {moment} at least.", room=Room, moment=Moment),
    "wave.lasts": says("A wave goes on at {room} already. It lasts until {moment} at least.", room=Room, moment=Moment),
    "wave.none": says("No wave goes on at {room}.", room=Room),
    "wave.no_time": says("This is not a time: “{text}”. Write it like this: {example}.", text=Stranger, example=Code),
    "wave.too_long": says("A wave by hand can last {most} at most.", most=Duration),
    "wave.shown": says("🌊 A wave since {moment}: rules accept nobody.", moment=Moment),
    "wave.shown_at": says("🌊 A wave at {room} since {moment}: rules accept nobody.", room=Room, moment=Moment),
}
