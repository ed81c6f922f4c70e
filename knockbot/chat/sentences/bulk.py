"""The sentences about batches: one answer to many requests."""

from __future__ import annotations

from collections.abc import Mapping

from knockbot.chat.sentences.rows import Sentence, says
from knockbot.domain.notices import Choice, Code, Many, Number, Stranger, User
from knockbot.domain.notices import Duration as Length


def _asks(text: str, plural: str) -> Sentence:
    return says(text, plural, verdict=Choice, count=Number)


def _far(text: str) -> Sentence:
    return says(text, verdict=Choice, number=Number, done=Number, count=Number, user=User)


def _left(text: str, plural: str) -> Sentence:
    return says(text, plural, why=Choice, count=Number, requests=Many)


def _given(text: str, plural: str) -> Sentence:
    return says(text, plural, how=Choice, count=Number, requests=Many)


def _votes(text: str, plural: str) -> Sentence:
    return says(text, plural, reached=Choice, count=Number, requests=Many)


SENTENCES: Mapping[str, Sentence] = {
    "command/accept all": says("accept all who wait, or those who fit; I ask you first", name=Choice),
    "command/reject all": says("reject all who wait, or those who fit; I ask you first", name=Choice),
    "command/ban all": says("ban all who wait, or those who fit; I ask you first", name=Choice),
    "ask.because": says("Write the reason behind {word}.", word=Code),
    "ask.filter_behind": says(
        "The filter “{filter}” stands behind {word}, so it would be a part of the text for the applicants, and no filter. Write "
        "filters before {word}.",
        filter=Stranger,
        word=Code,
    ),
    "ask.all_again": says("Please leave out “{text}”: all are meant anyway.", text=Stranger),
    "ask.undo_alone": says(
        "I do not understand “{text}”. {command} alone takes back your last answer, vote or batch.",
        text=Stranger,
        command=Code,
    ),
    "bulk.asks/accept": _asks("Accept {count} request?", "Accept {count} requests?"),
    "bulk.asks/ban": _asks("Ban {count} applicant?", "Ban {count} applicants?"),
    "bulk.asks/reject": _asks("Reject {count} request?", "Reject {count} requests?"),
    "bulk.asks_votes/accept": _asks("Vote to accept {count} request?", "Vote to accept {count} requests?"),
    "bulk.asks_votes/ban": _asks("Vote to ban {count} applicant?", "Vote to ban {count} applicants?"),
    "bulk.asks_votes/reject": _asks("Vote to reject {count} request?", "Vote to reject {count} requests?"),
    "bulk.all/all": says("These are all who wait.", which=Choice),
    "bulk.all/others": says("These are all others who wait.", which=Choice),
    "bulk.selected/all": says("These are all who wait and fit {selection}.", which=Choice, selection=Code),
    "bulk.selected/others": says("These are all others who wait and fit {selection}.", which=Choice, selection=Code),
    "bulk.told_at": says("In {rooms} they are told: {reason}", rooms=Many, reason=Stranger),
    "bulk.told": says("They are told: {reason}", reason=Stranger),
    "bulk.others": says("… and {count} more", "… and {count} more", count=Number),
    "bulk.more": says(
        "{count} more request fits than one batch takes. Give the command again once this batch is done.",
        "{count} more requests fit than one batch takes. Give the command again once this batch is done.",
        count=Number,
    ),
    "bulk.nobody_left": says("There is nobody whom I could answer so."),
    "bulk.confirm": says(
        "{user}: ✅ begins, ❌ drops it. If you do neither within {time}, nothing happens. Who knocks from now on is not "
        "in it.",
        user=User,
        time=Length,
    ),
    "bulk.votes": says(
        "The policy takes several votes for this in {rooms}: there, ✅ gives your vote to each request.", rooms=Many
    ),
    "bulk.votes_reached/yes": _votes(
        "{count} has enough votes with yours, and is answered then: {requests}",
        "{count} have enough votes with yours, and are answered then: {requests}",
    ),
    "bulk.votes_reached/no": _votes(
        "{count} takes more votes after yours: {requests}", "{count} take more votes after yours: {requests}"
    ),
    "bulk.left/anew": _left(
        "Left out: {count} knocked again after I asked: {requests}",
        "Left out: {count} knocked again after I asked: {requests}",
    ),
    "bulk.left/answered": _left(
        "Left out: {count} was answered otherwise meanwhile: {requests}",
        "Left out: {count} were answered otherwise meanwhile: {requests}",
    ),
    "bulk.left/deferred": _left(
        "Left out: {count} is deferred: {requests}", "Left out: {count} are deferred: {requests}"
    ),
    "bulk.left/gone": _left(
        "Left out: {count} does not wait any more: {requests}", "Left out: {count} do not wait any more: {requests}"
    ),
    "bulk.left/invite": _left(
        "Left out: {count} unused invite to an address. Answer it by its number: {requests}",
        "Left out: {count} unused invites to addresses. Answer them by their numbers: {requests}",
    ),
    "bulk.left/listed": _left(
        "Left out: {count} may be on a policy list: {requests}", "Left out: {count} may be on a policy list: {requests}"
    ),
    "bulk.left/power": _left(
        "Left out: {count} whom you or I may not answer so there: {requests}",
        "Left out: {count} whom you or I may not answer so there: {requests}",
    ),
    "bulk.left/unvoted": _left(
        "{count} has no vote of yours any more: {requests}", "{count} have no vote of yours any more: {requests}"
    ),
    "bulk.left/voted": _left(
        "{count} has your vote now and takes more votes: {requests}",
        "{count} have your vote now and take more votes: {requests}",
    ),
    "bulk.left_unnamed": says(
        "Left out: {count} that is not managed from here any more",
        "Left out: {count} that are not managed from here any more",
        count=Number,
    ),
    "bulk.lapsed": says(
        "Batch {number}: {user} did not confirm it within {time}. Nothing was done.",
        number=Number,
        user=User,
        time=Length,
    ),
    "bulk.declined": says("Batch {number}: {user} dropped it. Nothing was done.", number=Number, user=User),
    "bulk.running/accept": _far("Batch {number} by {user}: {done} of {count} accepted so far."),
    "bulk.running/ban": _far("Batch {number} by {user}: {done} of {count} banned so far."),
    "bulk.running/reject": _far("Batch {number} by {user}: {done} of {count} rejected so far."),
    "bulk.how_to_stop": says("{sign} stops it.", sign=Code),
    "bulk.done/accept": _far("Batch {number} by {user} is done: {done} of {count} accepted."),
    "bulk.done/ban": _far("Batch {number} by {user} is done: {done} of {count} banned."),
    "bulk.done/reject": _far("Batch {number} by {user} is done: {done} of {count} rejected."),
    "bulk.stopped/accept": _far("Batch {number} was stopped by {user}: {done} of {count} accepted."),
    "bulk.stopped/ban": _far("Batch {number} was stopped by {user}: {done} of {count} banned."),
    "bulk.stopped/reject": _far("Batch {number} was stopped by {user}: {done} of {count} rejected."),
    "bulk.untouched": says("{count} was not touched.", "{count} were not touched.", count=Number),
    "bulk.given/failed": _given(
        "{count} failed, and waits for an answer again; the card says why: {requests}",
        "{count} failed, and wait for an answer again; the cards say why: {requests}",
    ),
    "bulk.given/held": _given(
        "{count} has to wait; the card says why: {requests}", "{count} have to wait; the cards say why: {requests}"
    ),
    "bulk.given/open": _given(
        "{count} still waits for an answer: {requests}", "{count} still wait for an answer: {requests}"
    ),
    "bulk.given/under_way": _given("{count} is on its way: {requests}", "{count} are on their way: {requests}"),
    "bulk.given/helped": _given(
        "{count} was answered so with your vote and those of others: {requests}",
        "{count} were answered so with your vote and those of others: {requests}",
    ),
    "bulk.undone": says(
        "{count} was undone by {by}: {requests}",
        "{count} were undone by {by}: {requests}",
        count=Number,
        by=User,
        requests=Many,
    ),
    "bulk.not_yours": says("Only {user}, who asked for this, can confirm or drop it.", user=User),
    "bulk.may_not_stop": says("Only {user}, or somebody who may give this answer there, can stop this.", user=User),
    "bulk.runs_already": says("Batch {number} runs already.", number=Number),
    "bulk.over": says("Batch {number} is over.", number=Number),
    "queue.batch": says(
        "Batch {number} by {user}: {done} of {count}", number=Number, user=User, done=Number, count=Number
    ),
}
