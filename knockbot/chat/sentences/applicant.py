"""The sentences about what applicants write in their conversation, to them and to the moderators."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Ago, Choice, Code, Hidden, Notice, Number, Numbered, Room, Stranger, Term, User

Text = Stranger | Hidden

SENTENCES: Mapping[str, Sentence] = {
    "own.help": says("I am a bot. The moderators do not read this conversation. You can write to me:"),
    "own.help_row": says("{usage}: {summary}", usage=Code, summary=Notice),
    "own.command/status": says("what became of your requests", name=Choice),
    "own.command/withdraw": says("withdraw a request", name=Choice),
    "own.command/appeal": says("object to a rejection: the moderators get your text, once", name=Choice),
    "own.command/language": says("choose my language: de or en", name=Choice),
    "own.command/vouch": says("give your word for somebody who asks to join a room that you are in", name=Choice),
    "own.command/unvouch": says("take your word back", name=Choice),
    "own.command/help": says("this help", name=Choice),
    "own.unknown": says("I do not understand “{text}”.", text=Stranger),
    "own.usage": says("{complaint} For example: {example}", complaint=Notice, example=Code),
    "own.ask_text": says("What do you want to tell the moderators?"),
    "own.ask_language": says("Which language? I know {known}.", known=Notice),
    "own.languages": says("{german} (German) and {english} (English)", german=Term, english=Term),
    "own.ask_which": says("Which one? Add its number to {command}.", command=Code),
    "own.no_commands": says("Commands of moderators do nothing here. Please use your management room."),
    "own.none": says("You have no requests."),
    "own.none_waits": says("None of your requests waits for an answer."),
    "own.no_number": says("You have no request {number}.", number=Number),
    "own.row": says("{number}. {room}, asked {when}: {what}", number=Number, room=Room, when=Ago, what=Notice),
    "own.is/accepted": says("accepted. You have an invite", state=Choice),
    "own.is/banned": says("you are banned", state=Choice),
    "own.is/declined": says("accepted. You have declined the invite, or left", state=Choice),
    "own.is/expired": says("nobody answered in time. You can ask again", state=Choice),
    "own.not_rejected/by_policy": says("the invite was withdrawn. You can ask again", why=Choice),
    "own.not_rejected/lift": says("you are not banned any more. You can ask again", why=Choice),
    "own.not_rejected/remove": says("accepted, and removed again later. You can ask again", why=Choice),
    "own.not_rejected/withdraw": says("accepted, but the invite was withdrawn. You can ask again", why=Choice),
    "own.invite_expired": says("accepted, but the invite has expired. You can ask again"),
    "own.is/joined": says("you have joined", state=Choice),
    "own.is/pending": says("waits for an answer", state=Choice),
    "own.is/rejected": says("rejected", state=Choice),
    "own.is/withdrawn": says("withdrawn", state=Choice),
    "own.is_withdrawn_now": says("is being withdrawn"),
    "own.withdrawn": says("I withdraw your request to join {room}. You can ask again at any time.", room=Room),
    "own.decline": says(
        "You have an invite to {room}. If you do not want to join, decline the invite in your client.", room=Room
    ),
    "own.over": says("Your request to join {room} is over already.", room=Room),
    "own.being_answered": says("Your request to join {room} is being answered just now.", room=Room),
    "own.appealed": says("The moderators of {room} have your text now.", room=Room),
    "own.appealed_before": says("You have objected to this rejection of {room} before.", room=Room),
    "own.too_many_appeals": says("You have objected often today. Please try again tomorrow."),
    "own.no_rejection": says("None of your requests was rejected within the last seven days."),
    "own.language": says("I write in English from now on."),
    "appeal.line": says(
        "⚖️ {request}: {user} objects to the rejection of their request to join {room}: “{text}” To let them in: {undo}",
        request=Numbered,
        user=User,
        room=Room,
        text=Text,
        undo=Code,
    ),
    "appeal.there": says("⚖️ appealed"),
    "appeal.remark": says("⚖️ Appeal: “{text}”", text=Text),
}
