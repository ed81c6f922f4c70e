"""What applicants can write in their conversation, without a prefix and in any language that the bot knows.

To add a command: a function, and a row in `SPOKEN`; its words are of all languages at once. Only the applicant is heard
there, and what moderators can say means nothing.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from knockbot.chat import vouches
from knockbot.chat.arguments import Argument, optional, read_arguments
from knockbot.chat.calls import Call, Misuse
from knockbot.chat.typed import PREFIXES, addressed, with_links, without_fallback
from knockbot.documents.text import NAME_LIMIT
from knockbot.domain import ids
from knockbot.domain.card import no_rejection
from knockbot.domain.codes import found_in, masked
from knockbot.domain.conversations import Conversation
from knockbot.domain.languages import Language
from knockbot.domain.model import Message, Request, State
from knockbot.domain.notices import Ago, Choice, Code, Notice, Number, Stranger, Term, below, notice
from knockbot.engine.turn import Handled, Turn, Write
from knockbot.errors import Never, Refused
from knockbot.features.codes import bringing
from knockbot.features.letters import appealing, own, withdrawing
from knockbot.features.letters.own import Own
from knockbot.features.questions import answers
from knockbot.flow import conversations, refusals
from knockbot.flow.context import Context
from knockbot.store import conversations as stored
from knockbot.times import HOUR

LONGEST: Final = 4000
"""Characters that are read of what an applicant writes."""

LATE: Final = HOUR
"""Milliseconds after which a command is no longer run, because its author no longer expects it."""

Answered = Notice | Write[Notice] | Write[Notice | None]


@dataclass(frozen=True, slots=True)
class Spoken:
    """One row of the table: what it is called in each language, its arguments, and the function that does it."""

    name: str
    words: Mapping[Language, str]
    arguments: tuple[Argument, ...]
    run: Callable[..., Awaitable[Answered]]

    def usage(self, language: Language) -> str:
        """As it is typed."""
        words = PLACEHOLDERS.get(language, {})
        arguments = [replace(one, word=words.get(one.word, one.word)) for one in self.arguments]
        return " ".join([self.words[language], *(argument.usage for argument in arguments)])

    def example(self, language: Language) -> str:
        """It with all that it needs, typed out."""
        needed = [argument.example for argument in self.arguments if not argument.optional]
        return " ".join([self.words[language], *needed])


PLACEHOLDERS: Final[Mapping[Language, Mapping[str, str]]] = {
    Language.DE: {"@user": "@person", "ROOM": "RAUM", "why": "warum"},
}
"""What stands for arguments in other languages."""


# --- arguments --------------------------------------------------------------------------------------------------


async def _number(_call: Call, text: str) -> tuple[int, str] | None:
    found = re.match(r"#?([0-9]{1,4})(?=[\s.,:]|$)", text)
    return (int(found[1]), text[found.end() :].lstrip(" .,:")) if found else None


async def _text(call: Call, text: str) -> tuple[str, str] | None:
    said = "\n".join(part for part in (text, call.below.strip()) if part)
    return (said, "") if said else None


async def _language(_call: Call, text: str) -> tuple[Language, str] | None:
    first, _, rest = text.partition(" ")
    named = NAMES.get(first.casefold().strip(".!"))
    return (named, rest.strip()) if named is not None else None


NAMES: Final[Mapping[str, Language]] = {
    **dict.fromkeys(("de", "deutsch", "german"), Language.DE),
    **dict.fromkeys(("en", "englisch", "english"), Language.EN),
}
"""What people call the languages."""

KNOWN = notice("own.languages", german=Term("de"), english=Term("en"))

N = optional(Argument("N", None, "2", _number))
TEXT = Argument("…", notice("own.ask_text"), "…", _text, takes_lines=True)
LANGUAGE = Argument("de|en", notice("own.ask_language", known=KNOWN), "de", _language)


# --- commands ---------------------------------------------------------------------------------------------------


async def status(call: Call) -> Notice:
    """What became of each of their requests."""
    found = await _own(call)
    if not found:
        return notice("own.none")
    return below(*(_row(one, call.context.now()) for one in found))


async def _own(call: Call) -> list[Own]:
    async with call.context.db.tx() as tx:
        return await own.of(call.context, tx, call.actor)


def _row(one: Own, now: int) -> Notice:
    when, what = Ago(now - one.request.opened_at), _became(one.request)
    return notice("own.row", number=Number(one.number), room=one.there.called, when=when, what=what)


def _became(request: Request) -> Notice:
    """What has become of a request, as its applicant is told."""
    if request.open and request.taken_back:
        return notice("own.is_withdrawn_now")
    if request.state is State.EXPIRED and request.undone is not None:
        return notice("own.invite_expired")
    unrejected = no_rejection(request)
    if unrejected is not None:
        return notice("own.not_rejected", why=Choice(unrejected))
    return notice("own.is", state=Choice(request.state))


async def withdraw(call: Call, number: int | None) -> Answered:
    """Take a request back."""
    found = await _own(call)
    waiting = [one for one in found if one.request.open] if number is None else own.chosen(found, number)
    one = _the_only(call, waiting, number, notice("own.none_waits"))
    withdrawing.insist_on_waiting(one)

    async def write(turn: Turn) -> Notice:
        await withdrawing.withdraw(call.context, turn, one, call.cause)
        return notice("own.withdrawn", room=one.there.called)

    return write


def _the_only(call: Call, found: Sequence[Own], number: int | None, none: Notice) -> Own:
    """The request that is meant. Raises `Refused` where that is none, or not clear."""
    if not found and number is not None:
        raise Refused(notice("own.no_number", number=Number(number)))
    if not found:
        raise Refused(none)
    if len(found) > 1:
        which = Code(call.message.body.split()[0][:NAME_LIMIT])
        rows = (_row(one, call.context.now()) for one in found)
        raise Refused(below(notice("own.ask_which", command=which), *rows))
    return found[0]


async def appeal(call: Call, text: str) -> Answered:
    """Object to a rejection: to the one whose number the text begins with, else to the newest."""
    now = call.context.now()
    rejected = [one for one in await _own(call) if appealing.may_be_appealed(one, now)]
    if not rejected:
        raise Refused(notice("own.no_rejection"))
    one, said = await _meant(call, rejected, text)

    async def write(turn: Turn) -> Notice:
        await appealing.appeal(call.context, turn, one, said)
        return notice("own.appealed", room=one.there.called)

    return write


async def _meant(call: Call, rejected: Sequence[Own], text: str) -> tuple[Own, str]:
    read = await _number(call, text)
    for one in rejected if read is not None else ():
        if read is not None and one.number == read[0] and read[1]:
            return one, read[1]
    return rejected[-1], text


async def language(call: Call, chosen: Language) -> Answered:
    """Choose the language in which the bot writes to them."""

    async def write(turn: Turn) -> Notice:
        await stored.choose_language(turn.tx, call.actor, chosen, turn.now)
        return notice("own.language")

    return write


async def help_(call: Call) -> Notice:
    """What they can write."""
    async with call.context.db.tx() as tx:
        talk = await stored.in_room(tx, call.room)
        tongue = await conversations.language_in(call.context, tx, talk) if talk is not None else Language.EN
    return _help(tongue)


def _help(tongue: Language) -> Notice:
    rows = (
        notice("own.help_row", usage=Code(row.usage(tongue)), summary=notice("own.command", name=Choice(row.name)))
        for row in SPOKEN
    )
    return below(notice("own.help"), *rows)


def without_umlauts(word: str) -> tuple[str, str]:
    """A German word as people type it on other keyboards: `zurueckziehen`, `zuruckziehen`."""
    return word.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue"), word.translate(str.maketrans("äöü", "aou"))


SPOKEN: Final = (
    Spoken("status", {Language.EN: "status", Language.DE: "stand"}, (), status),
    Spoken("withdraw", {Language.EN: "withdraw", Language.DE: "zurückziehen"}, (N,), withdraw),
    Spoken("appeal", {Language.EN: "appeal", Language.DE: "einspruch"}, (TEXT,), appeal),
    Spoken(
        "vouch",
        {Language.EN: "vouch", Language.DE: "bürgen"},
        (vouches.WHOM, vouches.OWN_ROOM, vouches.WHY),
        vouches.vouch_here,
    ),
    Spoken(
        "unvouch",
        {Language.EN: "unvouch", Language.DE: "rücknahme"},
        (vouches.WHOM, vouches.OWN_ROOM),
        vouches.unvouch_here,
    ),
    Spoken("language", {Language.EN: "language", Language.DE: "sprache"}, (LANGUAGE,), language),
    Spoken("help", {Language.EN: "help", Language.DE: "hilfe"}, (), help_),
)
"""What applicants can write."""

WORDS: Final[Mapping[str, Spoken]] = {
    typed: row for row in SPOKEN for word in row.words.values() for typed in (word, *without_umlauts(word))
}
"""The rows by their words, as people type them."""


# --- heard ------------------------------------------------------------------------------------------------------


async def hear(context: Context, talk: Conversation, message: Message) -> Handled:
    """A message in a conversation: what its applicant wrote is done if it is a command, and answered."""
    if message.sender != talk.user_id or not talk.goes_on:
        return None
    if message.edits is not None:
        text = masked(without_fallback(message.body).strip(), {})
        return await answers.edited(context, talk, message, text[:LONGEST])
    occasion = ""
    try:
        if _is_for_moderators(message):
            occasion = f"no_commands:{talk.id}"
            raise Refused(notice("own.no_commands"))
        answer = await _answer(context, talk, message)
    except Refused as refused:
        answer = refused.said

    async def write(turn: Turn) -> None:
        try:
            said = answer if isinstance(answer, Notice) else await answer(turn)
        except Refused as refused:
            said = refused.said
        # Not before: the answer may hold a request, and whoever holds both holds the conversation last.
        await stored.touch(turn.tx, talk.id, turn.now)
        if said is not None:
            await conversations.reply(context, turn, message, said, occasion=occasion)

    return write


async def failed(context: Context, talk: Conversation, message: Message) -> Handled:
    """What they wrote could not be handled, however often it was tried: nothing of it is done, and they are told."""
    if message.sender != talk.user_id or message.edits is not None:
        return None

    async def write(turn: Turn) -> None:
        await conversations.reply(context, turn, message, notice("command_failed"))

    return write


async def _code(context: Context, talk: Conversation, message: Message, text: str) -> Answered | None:
    """What follows from a code in what they wrote; `None` where there is none."""
    if not found_in(text):
        return None
    async with context.db.tx() as tx:
        waiting = [one.request for one in await own.of(context, tx, talk.user_id) if one.request.awaits_moderators]
    said = [bringing.Said(one, await bringing.look(context, one.room_id, text)) for one in waiting]

    async def write(turn: Turn) -> Notice:
        if not said:
            return notice("own.code_too_early")
        return await bringing.typed(context, turn, said, message.event_id)

    return write


def _is_for_moderators(message: Message) -> bool:
    said = without_fallback(message.body).lstrip()[:NAME_LIMIT].casefold()
    return any(re.match(rf"{prefix}\b", said) for prefix in PREFIXES)


def _is_command(row: Spoken, rest: str, lines: str) -> bool:
    """Whether a message that begins with the word of a command is surely no answer to a question."""
    if row.arguments[:1] == (vouches.WHOM,):
        return ids.user_reference(rest.partition(" ")[0]) is not None  # “Bürgen kann Alice.” is an answer
    takes_text = any(argument.takes_lines for argument in row.arguments)
    return takes_text or (not lines and len(rest.split()) <= len(row.arguments))


async def _answer(context: Context, talk: Conversation, message: Message) -> Answered:
    said = addressed(message, context.bot, context.settings.appservice.bot_displayname)
    typed = (said if said is not None else without_fallback(message.body)).strip()
    text = masked(typed, {})[:LONGEST]  # no code is in anything that comes of it
    line, _, lines = text.partition("\n")
    first, _, rest = line.partition(" ")
    async with context.db.tx() as tx:
        tongue = await conversations.language_in(context, tx, talk)
    row = WORDS.get(first.casefold().strip(".!?:/"))
    if said is None and row is not None:
        word, _, linked = masked(with_links(message), {})[:LONGEST].partition("\n")[0].partition(" ")
        rest = linked.strip() if word == first else rest
    if row is None or not _is_command(row, rest, lines) or await answers.is_reply(context, talk, message):
        by_code = await _code(context, talk, message, typed)
        if by_code is not None:
            return by_code  # before all answers to questions: moderators read those
        meant = await answers.meant(context, talk, message) if text else None
        if meant is not None:
            return answers.give(context, message, meant, text)  # however late: it is asked for until it is there
    if context.now() - message.sent_at > LATE:
        raise Refused(notice("late"))
    if row is None:
        unknown = notice("own.unknown", text=Stranger(line, 60))
        raise Refused(below(unknown, _help(tongue)) if line else _help(tongue))
    call = Call(context, message, rest.strip(), lines)
    try:
        return await row.run(call, *await read_arguments(call, row.arguments))
    except Misuse as misuse:
        raise Refused(notice("own.usage", complaint=misuse.said, example=Code(row.example(tongue)))) from None
    except Never as error:
        raise Refused(refusals.failed(error.why)) from error
