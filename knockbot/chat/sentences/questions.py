"""The sentences about questions to applicants and their answers, for applicants and for moderators."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Code, Hidden, Many, Notice, Number, Numbered, Room, Sign, Stranger, User

Text = Stranger | Hidden

SENTENCES: Mapping[str, Sentence] = {
    "policy.applied_asks": says(
        "The applicant of {count} request is asked.", "The applicants of {count} requests are asked.", count=Number
    ),
    "question.head": says(
        "About your request to join {room}, question {number} of {count}:", room=Room, number=Number, count=Number
    ),
    "question.only_one": says("About your request to join {room}, one question:", room=Room),
    "question.by_moderators": says("The moderators of {room} ask you about your request to join:", room=Room),
    "question.words": says("{text}", text=Stranger),
    "question.how_text": says("Please write your answer here. Edit your message to correct it."),
    "question.how_choice": says("Please answer with one of these, or click on its number: {choices}", choices=Many),
    "question.choice": says("{sign} {label}", sign=Sign, label=Stranger),
    "question.taken": says(
        "I took this as your answer to “{ask}” ({room}). To answer another question, reply to its message.",
        ask=Stranger,
        room=Room,
    ),
    "question.forgotten/yes": says(
        "I have forgotten your answer to “{ask}”. The question waits for an answer again: reply to its message.",
        waits=Choice,
        ask=Stranger,
    ),
    "question.forgotten/no": says(
        "I have forgotten your answer to “{ask}”. The moderators do not see it any more. Nothing else changes by that.",
        waits=Choice,
        ask=Stranger,
    ),
    "question.taken_away": says("(the applicant removed the answer)"),
    "question.more": says(
        "💬 … and {count} more question. {command} shows all.",
        "💬 … and {count} more questions. {command} shows all.",
        count=Number,
        command=Code,
    ),
    "question.empty": says("I cannot read an answer in this. Please write some text."),
    "question.too_long": says(
        "Your answer is longer than {most} characters, so I did not take it. Please write less.", most=Number
    ),
    "question.decided": says(
        "Your request to join {room} is decided already, so your answer changes nothing.", room=Room
    ),
    "question.withdrawn": says(
        "You have withdrawn your request to join {room}, so your answer changes nothing. You can ask again at any time.",
        room=Room,
    ),
    "question.asked_no_more": says("Your answer is not needed any more."),
    "question.thanks": says(
        "Thank you, these were all questions. The moderators of {room} decide about your request now.", room=Room
    ),
    "question.line": says(
        "💬 {request}: {user} wants to join {room} and is asked {count} question. You can answer the request at any time.",
        "💬 {request}: {user} wants to join {room} and is asked {count} questions. You can answer the request at any "
        "time.",
        request=Numbered,
        user=User,
        room=Room,
        count=Number,
    ),
    "question.is_asked": says("💬 is being asked ({answered} of {count} answered)", answered=Number, count=Number),
    "question.answered": says("💬 {answered} of {count} questions answered", answered=Number, count=Number),
    "question.line_of_policy": says("💬 {ask} {answer}", ask=Stranger, answer=Text | Notice),
    "question.line_by_hand": says("💬 {by} asked: {ask} {answer}", by=User, ask=Stranger, answer=Text | Notice),
    "question.no_answer_yet": says("(no answer yet)"),
    "question.no_answer": says("(no answer)"),
    "question.was_answered": says(
        "💬 {request}: {user} answers “{ask}”: {text}", request=Numbered, user=User, ask=Stranger, text=Text
    ),
    "command/ask": says("ask the applicant something, as from the moderators", name=Choice),
    "ask.question": says("Please write your question after the number."),
    "asked.too_long": says(
        "A question has at most {most} characters, and this one has {length}. Nothing is asked.",
        most=Number,
        length=Number,
    ),
    "asked.no_applicant": says("{request} has no applicant yet whom I could ask.", request=Numbered),
    "command/interview": says("talk to the applicant in a private room", name=Choice),
    "interview.room_name": says("Interview: {room}", room=Room),
    "interview.ask": says(
        "🎤 {request}: interview with {user}, who wants to join {room}. I invite them to a private room, and everybody "
        "who clicks ✋. So far: {people}.",
        request=Numbered,
        user=User,
        room=Room,
        people=Many,
    ),
    "interview.closed": says(
        "🎤 {request}: nobody can come to the interview with {user} any more. Invited were: {people}.",
        request=Numbered,
        user=User,
        people=Many,
    ),
    "interview.failed": says(
        "🎤 {request}: I could not invite {user} to the interview: {why}", request=Numbered, user=User, why=Notice
    ),
    "interview.there": says(
        "There is an interview about {request} already. Click ✋ on its message to take part.", request=Numbered
    ),
    "interview.no_more_today": says(
        "No more private rooms can be made today: {most} are allowed a day. Nobody is invited.", most=Number
    ),
    "interview.full": says("No more than {most} moderators can take part.", most=Number),
    "asked.unreachable": says(
        "💬 {request}: I cannot ask {user}. They refuse invites, have left the conversation, or cannot be reached. "
        "{count} question of yours stays without an answer.",
        "💬 {request}: I cannot ask {user}. They refuse invites, have left the conversation, or cannot be reached. "
        "{count} questions of yours stay without an answer.",
        request=Numbered,
        user=User,
        count=Number,
    ),
    "asked.too_many": says(
        "{request} has {most} questions of moderators already, and cannot get more.", request=Numbered, most=Number
    ),
}
