"""Commands: what moderators can say, as one table, and how each is heard, run and replied to.

To add one: a function in `lookups.py` (looks) or `orders.py` (changes), a row in `COMMANDS`, its line in
docs/commands.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from knockbot.config import Trust
from knockbot.domain import plan, wording
from knockbot.domain.model import Message, Verdict
from knockbot.domain.words import Words
from knockbot.errors import Never
from knockbot.flow import sealed, settle
from knockbot.flow.door import Door
from knockbot.matrix import lookups, orders
from knockbot.matrix.calls import TICK, Call, Misuse, Promise
from knockbot.matrix.typed import PREFIXES, addressed
from knockbot.store import effects, visits

LATE = 60 * 60 * 1000
"""Milliseconds after which a command is not run any more: whoever typed it has long gone on."""


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table: how it is written, what it does in a sentence, and the function that does it."""

    usage: str
    summary: str
    run: Callable[[Call], Awaitable[Words | Promise]]

    @property
    def full_usage(self) -> str:
        """As it is typed."""
        return f"{PREFIXES[0]} {self.usage}"


async def help_(call: Call) -> Words:
    """All commands, or one."""
    if not call.rest:
        return wording.help_screen([(command.full_usage, command.summary) for command in COMMANDS.values()])
    name, command, _ = find_command(call.rest.removeprefix(PREFIXES[0]).strip())
    if command is None:
        return wording.unknown_command(name, nearest(name))
    return wording.usage(command.full_usage, f"{command.summary[0].upper()}{command.summary[1:]}.")


COMMANDS: dict[str, Command] = {
    "help": Command("help [command]", "this, or one command", help_),
    "protect": Command("protect ROOM", "keep the door of a room from here", orders.protect),
    "unprotect": Command("unprotect ROOM", "keep it no longer", orders.unprotect),
    "rooms": Command("rooms", "the rooms whose doors are kept from here", lookups.list_rooms),
    "check": Command("check ROOM", "what I have and need there, each miss with its mend", lookups.check),
    "list": Command("list [ROOM]", "who is waiting", lookups.list_pending),
    "show": Command("show N…", "all about a request, and why the policy said what it said", lookups.show),
    "accept": Command("accept N… [message]", "let them in", orders.answer(Verdict.ACCEPT)),
    "reject": Command("reject N… [reason]", "turn them away; they may knock again", orders.answer(Verdict.REJECT)),
    "ban": Command("ban N… [reason]", "turn them away for good", orders.answer(Verdict.BAN)),
    "invite": Command("invite ROOM ADDRESS [name]", "invite an e-mail address or a phone number", orders.invite),
    "invites": Command("invites [ROOM]", "the third-party invites that stand or wait there", lookups.list_invites),
    "revoke": Command("revoke N… [reason]", "take third-party invites back", orders.revoke),
    "policy show": Command("policy show ROOM", "the policy in force", lookups.policy_show),
    "policy set": Command("policy set ROOM", "another policy, as YAML on the lines below", orders.policy_set),
    "policy log": Command("policy log ROOM", "who changed the policy, and when", lookups.policy_log),
    "test": Command("test ROOM @user [reason]", "what the policy would do, and why; nothing is done", lookups.test),
    "log": Command("log [N or @user]", "who decided what, when, by which rule", lookups.log),
    "queue": Command("queue", "what is pending, due and failing", lookups.queue),
}


async def hear(door: Door, message: Message, seq: int) -> None:
    """A message in a room that is no protected one: run it if it is a command, and reply once."""
    spoken = addressed(message, door.bot, door.settings.appservice.bot_displayname)
    if spoken is None or message.sender == door.bot:
        async with door.closing(seq):
            return
    answer = wording.NOT_VERIFIED if await _is_doubtful(door, message) else await _obey(door, message, spoken)
    async with door.closing(seq) as tx:
        await visits.use(tx, message.room_id, door.now())
        reply = answer if isinstance(answer, Words) else await answer(tx)
        if reply is TICK:
            await effects.add(tx, [plan.tick(message.room_id, message.event_id)], door.now())
        elif isinstance(reply, Words):
            await settle.say(door, tx, message.room_id, f"reply:{message.event_id}", reply, reply_to=message.event_id)


async def _is_doubtful(door: Door, message: Message) -> bool:
    """Whether a command does not count because of the device it is from: in a room that is or was encrypted."""
    if door.settings.encryption.trust is Trust.ALL or message.verified:
        return False
    return message.verified is False or await sealed.is_encrypted(door, message.room_id)


async def _obey(door: Door, message: Message, spoken: str) -> Words | Promise:
    if door.now() - message.sent_at > LATE:
        return wording.LATE
    first, _, below = spoken.partition("\n")
    name, command, rest = find_command(first)
    if command is None:
        return wording.unknown_command(name, nearest(name))
    try:
        return await command.run(Call(door, message, rest, below))
    except Misuse as misuse:
        return wording.usage(command.full_usage, str(misuse))
    except Never as refusal:
        return wording.failed(refusal.why)


def find_command(line: str) -> tuple[str, Command | None, str]:
    """The command a line begins with, of one word or two, and the rest of the line. Nothing at all is `help`."""
    parts = line.split(maxsplit=2)
    for length in (2, 1):
        name = " ".join(parts[:length]).lower()
        if len(parts) >= length and name in COMMANDS:
            return name, COMMANDS[name], line.split(maxsplit=length)[length].strip() if len(parts) > length else ""
    return (parts[0], None, "") if parts else ("help", COMMANDS["help"], "")


def nearest(name: str) -> list[str]:
    """The commands somebody may have meant: all that begin with the nearest word."""
    found = difflib.get_close_matches(name.lower(), {command.partition(" ")[0] for command in COMMANDS}, n=1)
    return [command for command in COMMANDS if command.partition(" ")[0] in found]
