"""The sentences about votes on requests."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import By, Sentence, says
from knockbot.domain.notices import Choice, Code, Many, Moment, Notice, Number, Numbered, Sign, Stranger, User

SENTENCES: Mapping[str, Sentence] = {
    "vote.short": says("{sign} {votes} of {needed}", sign=Sign, votes=Number, needed=Number),
    "vote.in_short": says("Votes: {tallies}.", tallies=Many),
    "vote.takes": says("Votes needed: {tallies}.", tallies=Many),
    "vote.tally": says("{so_far}: {whom}", so_far=Notice, whom=Many),
    "vote.text": says("Text for the applicant ({sign}): {text}", sign=Sign, text=Stranger),
    "vote.lapsed/anew": says(
        "New knock: {sign} votes start again. Earlier: {whom}", lapse=Choice, sign=Sign, whom=Many
    ),
    "vote.lapsed/away": says(
        "{sign} not counted, because they left the management room: {whom}", lapse=Choice, sign=Sign, whom=Many
    ),
    "vote.lapsed/left": says(
        "{sign} not counted, because they left the room: {whom}", lapse=Choice, sign=Sign, whom=Many
    ),
    "vote.lapsed/power": says(
        "{sign} not counted, because they may not give this answer now: {whom}", lapse=Choice, sign=Sign, whom=Many
    ),
    "vote.from": says("{user} (from {request})", user=User, request=Numbered),
    "vote.given": says("{sign} vote of {by}, {moment}.", sign=Sign, by=By, moment=Moment),
    "queue.voted": says(
        "{count} of them has votes and takes more: {command}",
        "{count} of them have votes and take more: {command}",
        count=Number,
        command=Code,
    ),
    "vote.taken_back": says(
        "Your vote for {request} is taken back: {sign} {votes} of {needed}.",
        request=Numbered,
        sign=Sign,
        votes=Number,
        needed=Number,
    ),
    "vote.counted": says(
        "Your vote for {request} is noted: {sign} {votes} of {needed}.",
        request=Numbered,
        sign=Sign,
        votes=Number,
        needed=Number,
    ),
}
