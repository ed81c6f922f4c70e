"""Commands: what moderators can say, as one table, and how each is heard, run and replied to.

To add one: a function in `lookups.py` (looks) or `orders.py` (changes), a row in `COMMANDS` with the arguments that
the function takes (`arguments.py`), its section in docs/commands.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from knockbot.config.values import Trust
from knockbot.documents.text import without_variation_selector
from knockbot.domain import plan, wording
from knockbot.domain.model import Message, Reaction, Verdict
from knockbot.domain.notices import notice
from knockbot.domain.words import Said, Words
from knockbot.engine.turn import Handled, Turn
from knockbot.errors import Busy, Never
from knockbot.flow import hints, refusals, review, saying, sealed, successors
from knockbot.flow.context import Context
from knockbot.flow.elsewhere import A_MINUTE, TooMany
from knockbot.flow.saying import Audience, Marks
from knockbot.matrix import lookups, orders
from knockbot.matrix.arguments import (
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
    SOME_ROOM,
    USER,
    Argument,
    optional,
    read_arguments,
)
from knockbot.matrix.calls import TICK, Answered, Call, Misuse, NotMeant
from knockbot.matrix.typed import PREFIXES, addressed, without_fallback
from knockbot.store import bot_memberships, cards
from knockbot.times import HOUR

LATE = HOUR
"""Milliseconds after which a command is not run any more: whoever typed it has long gone on."""


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table: what it is called, its arguments, what it does in a sentence, and the function that does
    it, which gets what the arguments mean."""

    name: str
    arguments: tuple[Argument, ...]
    summary: str
    run: Callable[..., Awaitable[Answered]]

    @property
    def usage(self) -> str:
        """As it is typed after the prefix."""
        return " ".join([self.name, *(argument.usage for argument in self.arguments)])

    @property
    def full_usage(self) -> str:
        """As it is typed."""
        return f"{PREFIXES[0]} {self.usage}"

    @property
    def example(self) -> str:
        """It with all that it needs, typed out."""
        needed = [argument.example for argument in self.arguments if not argument.optional]
        return " ".join([PREFIXES[0], self.name, *needed])


async def help_(_call: Call, about: str | None) -> Words:
    """All commands, or one."""
    if about is None:
        return wording.help_screen([(command.full_usage, command.summary) for command in COMMANDS.values()])
    name, command, _ = find_command(about.removeprefix(PREFIXES[0]).strip())
    if command is None:
        return wording.unknown_command(name, nearest(name))
    return _usage(command, f"{command.summary[0].upper()}{command.summary[1:]}.")


def _usage(command: Command, complaint: str) -> Words:
    return wording.usage(command.full_usage, command.example, complaint)


COMMANDS: dict[str, Command] = {
    row.name: row
    for row in (
        Command("help", (COMMAND,), "this list, or help for one command", help_),
        Command("protect", (NEW_ROOM,), "protect a room: its join requests are answered from here", orders.protect),
        Command("unprotect", (ROOM_TO_UNPROTECT,), "no longer protect a room", orders.unprotect),
        Command("rooms", (), "the rooms that are managed from here", lookups.list_rooms),
        Command("check", (ROOM,), "what I need in a room, and how to get what is missing", lookups.check),
        Command("list", (SOME_ROOM,), "who is waiting", lookups.list_pending),
        Command("show", (REQUESTS,), "all about a request, and what each rule said", lookups.show),
        Command(
            "accept", (REQUESTS, MESSAGE), "accept requests: the applicants are invited", orders.answer(Verdict.ACCEPT)
        ),
        Command(
            "reject",
            (REQUESTS, REASON),
            "reject requests; the applicants may knock again",
            orders.answer(Verdict.REJECT),
        ),
        Command("ban", (REQUESTS, REASON), "ban the applicants", orders.answer(Verdict.BAN)),
        Command("invite", (ROOM, ADDRESS), "invite an e-mail address or a phone number", orders.invite),
        Command("invites", (ROOM,), "the third-party invites of a room", lookups.list_invites),
        Command("revoke", (INVITES, REASON), "revoke third-party invites", orders.revoke),
        Command("policy show", (ROOM, optional(REVISION)), "the policy in force, or an old one", lookups.policy_show),
        Command("policy set", (ROOM, POLICY), "set another policy, as YAML on the lines below", orders.policy_set),
        Command("policy revert", (ROOM, REVISION), "use an old policy again", orders.policy_revert),
        Command("policy log", (ROOM,), "who changed the policy, and when", lookups.policy_log),
        Command("test", (ROOM, USER, REASON), "what the policy would decide; nothing is done", lookups.test),
        Command("log", (REQUEST_OR_USER,), "who decided what, when, by which rule", lookups.log),
        Command("queue", (), "what is pending, due and failing", lookups.queue),
    )
}

SYNONYMS: dict[str, str] = {"approve": "accept", "deny": "reject"}
"""Other words for commands."""


async def hear(context: Context, message: Message) -> Handled:
    """A message in a room that is no protected one: run it if it is a command, and reply once."""
    spoken = addressed(message, context.bot, context.settings.appservice.bot_displayname)
    if message.sender == context.bot:
        return None
    if spoken is None or message.edits is not None:
        return await _overhear(context, message, edited=spoken is not None)
    answer = await _not_heard(context, message) or await _obey(context, message, spoken)

    async def write(turn: Turn) -> None:
        await bot_memberships.use(turn.tx, message.room_id, turn.now)
        reply = answer if isinstance(answer, Said) else await answer(turn)
        if reply is TICK:
            await turn.plan(plan.tick(message.room_id, message.event_id))
        elif isinstance(reply, Said):
            await _reply(context, turn, message, reply)

    return write


async def _reply(context: Context, turn: Turn, message: Message, reply: Said) -> None:
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
    if message.edits is None and message.in_reply_to is not None and said in plan.REACTIONS:
        return await _click(context, message, message.in_reply_to, said)

    async def write(turn: Turn) -> None:
        if message.edits is not None and edited:
            where = {"room_id": message.room_id, "to": message.sender, "reply_to": message.edits}
            await hints.give(context, turn, hints.Hint.EDITS, notice("edit.not_run"), **where)
        elif message.edits is None and message.in_reply_to is not None and hints.is_almost_an_answer(said):
            await review.hint(context, turn, message.room_id, message.in_reply_to, message.sender)

    return write


async def _click(context: Context, message: Message, target: str, emoji: str) -> Handled:
    """A reply of nothing but an emoji is the click of it; where it could be one, it counts as a command does."""
    async with context.db.tx() as tx:
        on_card = await cards.pointed_at(tx, message.room_id, target) is not None
    refusal = await _not_heard(context, message) if on_card else None
    if refusal is None:
        click = Reaction(message.room_id, message.event_id, message.sender, message.sent_at, target, emoji)
        return await successors.reacted(context, click)
    why = refusal

    async def write(turn: Turn) -> None:
        await _reply(context, turn, message, why)

    return write


async def _not_heard(context: Context, message: Message) -> Said | None:
    """Why a message does not count, whatever it says; `None` where it does."""
    if await _is_doubtful(context, message):
        return notice("device.not_verified")
    return notice("late") if context.now() - message.sent_at > LATE else None


async def _is_doubtful(context: Context, message: Message) -> bool:
    """Whether a command does not count because of the device it is from: in a room that is or was encrypted."""
    if context.settings.encryption.trust is Trust.ALL or message.verified:
        return False
    return message.verified is False or await sealed.is_encrypted(context, message.room_id)


async def _obey(context: Context, message: Message, spoken: str) -> Answered:
    first, _, below = spoken.partition("\n")
    name, command, rest = find_command(first)
    if command is None:
        return wording.unknown_command(name, nearest(name))
    call = Call(context, message, rest, below)
    try:
        values = await read_arguments(call, command.arguments)
        return await command.run(call, *values)
    except Misuse as misuse:
        return _usage(command, str(misuse))
    except NotMeant as unknown:
        return unknown.said
    except Busy as busy:
        return wording.busy(busy.why, round(busy.retry_after or 0))
    except (Never, TooMany) as refusal:
        return _refused(refusal)


def _refused(refusal: Never | TooMany) -> Said:
    if isinstance(refusal, TooMany):
        return wording.too_many_questions(A_MINUTE, refusal.at)
    return refusals.failed(refusal.why)


def find_command(line: str) -> tuple[str, Command | None, str]:
    """The command a line begins with, of one word or two, and the rest of the line. Nothing at all is `help`."""
    parts = line.split(maxsplit=2)
    for length in (2, 1):
        name = " ".join(parts[:length]).lower()
        name = SYNONYMS.get(name, name)
        if len(parts) >= length and name in COMMANDS:
            return name, COMMANDS[name], line.split(maxsplit=length)[length].strip() if len(parts) > length else ""
    return (parts[0], None, "") if parts else ("help", COMMANDS["help"], "")


def nearest(name: str) -> list[str]:
    """The commands somebody may have meant: all that begin with the nearest word."""
    known = {command.partition(" ")[0] for command in COMMANDS} | SYNONYMS.keys()
    found = [SYNONYMS.get(word, word) for word in difflib.get_close_matches(name.lower(), known, n=1)]
    return [command for command in COMMANDS if command.partition(" ")[0] in found]
