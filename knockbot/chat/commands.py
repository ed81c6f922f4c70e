"""Commands: what moderators can say, as one table, and how each is heard, run and replied to.

To add one: a function in `looks.py` (looks) or `orders.py` (changes), a row in `COMMANDS` with the arguments that
the function takes (`arguments.py`) and its deed (`domain/may.py`), its section in docs/commands.md.
"""

from __future__ import annotations

import difflib
from functools import partial

from knockbot.chat import (
    applicant,
    bulk,
    calling,
    claims,
    codes,
    deferring,
    lists,
    looks,
    notes,
    orders,
    preapproval,
    presets,
    questions,
    replay,
    templates,
    undo,
    vouches,
    waiting,
    waves,
)
from knockbot.chat.arguments import (
    ADDRESS,
    COMMAND,
    INVITES,
    MESSAGE,
    NEW_ROOM,
    POLICY,
    REASON,
    REQUEST_OR_USER,
    REQUESTS,
    REVISION,
    ROOM,
    ROOM_TO_UNPROTECT,
    SHOWN_REQUESTS,
    USER,
    WITH_ROOMS,
    optional,
    read_arguments,
)
from knockbot.chat.calls import TICK, Answered, Call, Misuse, Reply
from knockbot.chat.command import Command
from knockbot.chat.typed import PREFIXES, addressed, without_fallback
from knockbot.config.values import Trust
from knockbot.documents.text import NAME_LIMIT, without_variation_selector
from knockbot.domain import plan
from knockbot.domain.may import Deed
from knockbot.domain.model import Message, Reaction, Verdict
from knockbot.domain.notices import Code, Duration, Letters, Notice, Room, below, listed, notice
from knockbot.engine.turn import WAITS, Handled, Turn, Write
from knockbot.errors import Busy, Never, Refused
from knockbot.flow import answering, authority, conversations, encrypted, hints, refusals, saying
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.flow.saying import Audience, Marks
from knockbot.store import bot_memberships, interviews, prompts
from knockbot.times import HOUR

LATE = HOUR
"""Milliseconds after which a command is no longer run, because its author no longer expects it."""


async def help_(_call: Call, about: str | None) -> Notice:
    """All commands, or one."""
    if about is None:
        return below(notice("help.begin"), *map(_row, COMMANDS.values()), notice("help.end"))
    name, command, _ = find_command(about.removeprefix(PREFIXES[0]).strip())
    if command is None and (family := _family(name)):
        return below(*(_row(COMMANDS[one]) for one in family))
    if command is None:
        raise Refused(unknown_command(name))
    called, usage, example = Code(f"{PREFIXES[0]} {name}"), Code(command.full_usage), Code(command.example)
    return notice("help.one", command=called, summary=command.summary, usage=usage, example=example)


def _row(command: Command) -> Notice:
    return notice("help.row", usage=Code(command.full_usage), summary=command.summary)


def _usage(command: Command, complaint: Notice) -> Notice:
    """How a command is written, for who wrote it wrongly."""
    return notice("usage", complaint=complaint, usage=Code(command.full_usage), example=Code(command.example))


COMMANDS: dict[str, Command] = {
    row.name: row
    for row in (
        Command("help", (COMMAND,), help_, Deed.LOOK),
        Command("protect", (NEW_ROOM, WITH_ROOMS), orders.protect, Deed.PROTECT),
        Command("unprotect", (ROOM_TO_UNPROTECT, WITH_ROOMS), orders.unprotect, Deed.UNPROTECT),
        Command("rooms", (), looks.list_rooms, Deed.LOOK),
        Command("check", (ROOM,), looks.check, Deed.LOOK),
        *waiting.COMMANDS,
        Command("show", (SHOWN_REQUESTS,), looks.show, Deed.LOOK),
        Command("accept", (REQUESTS, MESSAGE), orders.answer(Verdict.ACCEPT), Deed.ACCEPT),
        Command("reject", (REQUESTS, REASON), orders.answer(Verdict.REJECT), Deed.REJECT),
        Command("ban", (REQUESTS, REASON), orders.answer(Verdict.BAN), Deed.BAN),
        *undo.COMMANDS,
        *bulk.COMMANDS,
        Command("invite", (ROOM, ADDRESS), orders.invite, Deed.INVITE),
        Command("invites", (ROOM,), looks.list_invites, Deed.LOOK),
        Command("revoke", (INVITES, REASON), orders.revoke, Deed.REVOKE),
        *notes.COMMANDS,
        *questions.COMMANDS,
        *claims.COMMANDS,
        *deferring.COMMANDS,
        *calling.COMMANDS,
        *preapproval.COMMANDS,
        *codes.COMMANDS,
        *vouches.COMMANDS,
        Command("policy show", (ROOM, optional(REVISION)), looks.policy_show, Deed.LOOK),
        Command("policy set", (ROOM, POLICY), orders.policy_set, Deed.SET_POLICY),
        Command("policy revert", (ROOM, REVISION), orders.policy_revert, Deed.SET_POLICY),
        Command("policy apply", (ROOM,), orders.policy_apply, Deed.SET_POLICY),
        *replay.COMMANDS,
        *presets.COMMANDS,
        Command("policy log", (ROOM,), looks.policy_log, Deed.LOOK),
        Command("test", (ROOM, USER, REASON), looks.test, Deed.LOOK),
        Command("log", (REQUEST_OR_USER,), looks.log, Deed.LOOK),
        *lists.COMMANDS,
        *templates.COMMANDS,
        *waves.COMMANDS,
        Command("queue", (), looks.list_queue, Deed.LOOK),
    )
}

SYNONYMS: dict[str, str] = {"approve": "accept", "deny": "reject"}
"""Other names of commands."""


CLICKS = {*plan.REACTIONS, *map(without_variation_selector, plan.NUMBERS)}
"""The emoji that are a click where a reply to a message of the bot is nothing else."""


async def hear(context: Context, message: Message) -> Handled:
    """A message in a room that is no protected one: run it if it is a command, and reply once."""
    if message.sender == context.bot:
        return None
    talk = await conversations.at(context, message.room_id)
    if talk is not None:
        return await applicant.hear(context, talk, message)
    if await _is_of_an_interview(context, message):
        return None
    spoken = addressed(message, context.bot, context.settings.appservice.bot_displayname)
    if spoken is None or message.edits is not None:
        return await _overhear(context, message, edited=spoken is not None)
    answer: Answered
    try:
        await _listen(context, message)
        answer = await _obey(context, message, spoken)
    except Refused as refused:
        answer = refused.said
    if answer is WAITS:
        return WAITS
    replying = partial(_reply_of, answer)

    async def write(turn: Turn) -> None:
        await bot_memberships.use(turn.tx, message.room_id, context.now())
        reply = await replying(turn)
        if reply is TICK:
            await turn.plan(plan.tick(message.room_id, message.event_id))
        elif isinstance(reply, Notice):
            await _reply(context, turn, message, reply)

    return write


async def _is_of_an_interview(context: Context, message: Message) -> bool:
    """Whether people talk to each other there, and not to the bot."""
    async with context.db.statement() as tx:
        return await interviews.is_room(tx, message.room_id)


async def failed(context: Context, message: Message) -> Handled:
    """A command could not be handled, however often it was tried: nothing of it was written, and its author is told."""
    talk = await conversations.at(context, message.room_id)
    if talk is not None:
        return await applicant.failed(context, talk, message)
    spoken = addressed(message, context.bot, context.settings.appservice.bot_displayname)
    if spoken is None or message.edits is not None or message.sender == context.bot:
        return None

    async def write(turn: Turn) -> None:
        await _reply(context, turn, message, notice("command_failed"))

    return write


async def _reply_of(answer: Notice | Write[Reply], turn: Turn) -> Reply:
    """What a command says once it is written; what it may not write any more by now, it says instead."""
    try:
        return answer if isinstance(answer, Notice) else await answer(turn)
    except Refused as refused:
        return refused.said


async def _reply(context: Context, turn: Turn, message: Message, reply: Notice) -> None:
    occasion = f"reply:{message.event_id}"
    await saying.say(
        context,
        turn,
        Audience(message.room_id),
        occasion,
        reply,
        reply_to=message.event_id,
        marks=Marks(thread=message.thread),
    )


async def _overhear(context: Context, message: Message, *, edited: bool) -> Handled:
    """A message that is no command: a reply to a card may be a click or nearly an answer; an edit never commands."""
    said = without_variation_selector(without_fallback(message.body).strip())
    if message.edits is None and message.in_reply_to is not None and said in CLICKS:
        return await _click(context, message, message.in_reply_to, said)
    if message.edits is None and message.in_reply_to is not None and hints.is_almost_an_answer(said):
        return await answering.reacted(context, _as_reaction(message, message.in_reply_to, said))

    async def write(turn: Turn) -> None:
        if message.edits is not None and edited:
            where = {"room_id": message.room_id, "to": message.sender, "reply_to": message.edits}
            await hints.give(context, turn, hints.Hint.EDITS, notice("edit.not_run"), **where)

    return write


async def _click(context: Context, message: Message, target: str, emoji: str) -> Handled:
    """A reply of nothing but an emoji is the click of it; where it could be one, it counts as a command does."""
    async with context.db.tx() as tx:
        on_card = await prompts.pointed_at(tx, message.room_id, target) is not None
    try:
        if on_card:
            await _listen(context, message)
    except Refused as error:
        refused = error
    else:
        return await answering.reacted(context, _as_reaction(message, target, emoji))

    async def write(turn: Turn) -> None:
        await _reply(context, turn, message, refused.said)

    return write


def _as_reaction(message: Message, target: str, said: str) -> Reaction:
    return Reaction(message.room_id, message.event_id, message.sender, message.sent_at, target, said)


async def _listen(context: Context, message: Message) -> None:
    """Raises `Refused` if the message must not be a command, whatever its text is."""
    if await _is_doubtful(context, message):
        raise Refused(notice("device.not_verified"))
    if context.now() - message.sent_at > LATE:
        raise Refused(notice("late"))


async def _is_doubtful(context: Context, message: Message) -> bool:
    """Whether a command does not count because of the device it is from: in a room that is or was encrypted."""
    if context.settings.encryption.trust is Trust.ALL or message.verified:
        return False
    return message.verified is False or await encrypted.is_encrypted(context, message.room_id)


async def _obey(context: Context, message: Message, spoken: str) -> Answered:
    first, _, below = spoken.partition("\n")
    name, command, rest = find_command(first)
    if command is None:
        raise Refused(unknown_command(name))
    call = Call(context, message, rest, below, name)
    try:
        if command.deed is Deed.LOOK:
            await authority.insist(context, Wanted(Deed.LOOK, call.actor, Room(call.room, call.room)))
        values = await read_arguments(call, command.arguments)
        return await command.run(call, *values)
    except Misuse as misuse:
        raise Refused(_usage(command, misuse.said)) from None
    except Busy as busy:
        wait = Duration(max(1, round(busy.retry_after or 0)) * 1000)
        raise Refused(notice("not_now", why=busy.why, time=wait)) from busy
    except Never as error:
        raise Refused(refusals.failed(error.why)) from error


def find_command(line: str) -> tuple[str, Command | None, str]:
    """The command at the beginning of a line, of one word or two, and the rest of the line. An empty line is `help`."""
    parts = line.split(maxsplit=2)
    for length in (2, 1):
        first, _, second = " ".join(parts[:length]).lower().partition(" ")
        name = f"{SYNONYMS.get(first, first)} {second}".strip()
        if len(parts) >= length and name in COMMANDS:
            return name, COMMANDS[name], line.split(maxsplit=length)[length].strip() if len(parts) > length else ""
    if not parts:
        return "help", COMMANDS["help"], ""
    return " ".join(parts[:2] if _family(parts[0]) else parts[:1]), None, ""


def _family(word: str) -> list[str]:
    """The commands of two words that begin with this one."""
    return [name for name in COMMANDS if name.startswith(f"{word.lower()} ")]


def unknown_command(word: str) -> Notice:
    """A word that is not a command, or only the first word of one."""
    near = nearest(word)
    commands = listed(Code(f"{PREFIXES[0]} {name}") for name in near)
    if _family(word):
        return notice("meant.half_a_command", word=Code(f"{PREFIXES[0]} {word}"), commands=commands)
    typed, help_command = Letters(word, NAME_LIMIT), Code(f"{PREFIXES[0]} help")
    if near:
        return notice("meant.nearly_a_command", word=typed, commands=commands, help=help_command)
    return notice("meant.no_command", word=typed, help=help_command)


def nearest(name: str) -> list[str]:
    """The commands that may have been meant: all that begin with the most similar word; of two words, the second where
    that is one; or if the first is right, the ones with the most similar second word, or all."""
    first, _, second = name.lower().partition(" ")
    if second in COMMANDS:
        return [second]
    if family := _family(first):
        seconds = [command.partition(" ")[2] for command in family]
        return [f"{first} {near}" for near in difflib.get_close_matches(second, seconds, n=1)] or family
    known = {command.partition(" ")[0] for command in COMMANDS} | SYNONYMS.keys()
    found = [SYNONYMS.get(word, word) for word in difflib.get_close_matches(name.lower(), known, n=1)]
    alone = [word for word in found if word in COMMANDS]
    return alone or [command for command in COMMANDS if command.partition(" ")[0] in found]
