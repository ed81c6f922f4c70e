"""Commands: what moderators type, the table of what they can say, and what each does.

To add one: a row in `COMMANDS`, a function that runs it, its line in docs/commands.md.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from html.parser import HTMLParser

from knockbot.documents import unfenced
from knockbot.domain import ids, wording
from knockbot.domain.model import Message, Request, Verdict
from knockbot.domain.wording import Words
from knockbot.errors import ActionError, Fault
from knockbot.flow import entry, review, rulebook, rules, settle
from knockbot.flow.door import Door
from knockbot.flow.judge import locate
from knockbot.flow.review import Wish
from knockbot.store import audit, cards, requests, rooms, visits
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom

PREFIXES = ("!kb", "!knockbot")
LATE = 60 * 60 * 1000
"""Milliseconds after which a command is not run any more: whoever typed it has long gone on."""

REASON_LIMIT = 1000
"""Characters of a message for an applicant."""

MANY = 50
"""Requests that one command may answer."""

Reply = Words | Callable[[Tx], Awaitable[Words]]
"""Words to reply with, or what is still to be done in the transaction that ends the command, and then says them."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command as it was typed: its first line after the name, the lines below, and where it came from."""

    door: Door
    message: Message
    rest: str
    below: str

    @property
    def room(self) -> str:
        """The management room it was typed in."""
        return self.message.room_id

    @property
    def actor(self) -> str:
        """Who typed it."""
        return self.message.sender


@dataclass(frozen=True, slots=True)
class Command:
    """One row of the table: how it is written, what it does in a sentence, and the function that does it."""

    usage: str
    summary: str
    run: Callable[[Call], Awaitable[Reply]]

    @property
    def full_usage(self) -> str:
        """As it is typed."""
        return f"{PREFIXES[0]} {self.usage}"


class Misuse(Exception):
    """The command was written wrongly; the text says how, and the usage follows."""


# --- hearing --------------------------------------------------------------------------------------------------


async def hear(door: Door, message: Message, seq: int) -> None:
    """A message in a room that is no protected one: run it if it is a command, and reply once."""
    spoken = addressed(message, door.bot, door.settings.appservice.bot_displayname)
    if spoken is None or message.sender == door.bot:
        async with door.closing(seq):
            return
    reply = await _obey(door, message, spoken)
    async with door.closing(seq) as tx:
        await visits.use(tx, message.room_id, door.now())
        text = reply if isinstance(reply, Words) else await reply(tx)
        await settle.say(door, tx, message.room_id, f"reply:{message.event_id}", text, reply_to=message.event_id)


async def _obey(door: Door, message: Message, spoken: str) -> Reply:
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


def find_command(line: str) -> tuple[str, Command | None, str]:
    """The command a line begins with, of one word or two, and the rest of the line. Nothing at all is `help`."""
    parts = line.split(maxsplit=2)
    for length in (2, 1):
        name = " ".join(parts[:length]).lower()
        if len(parts) >= length and name in COMMANDS:
            return name, COMMANDS[name], line.split(maxsplit=length)[length] if len(parts) > length else ""
    return (parts[0], None, "") if parts else ("help", COMMANDS["help"], "")


def nearest(name: str) -> str | None:
    """The command somebody may have meant."""
    first_words = {command.partition(" ")[0]: command for command in COMMANDS}
    found = difflib.get_close_matches(name.lower(), first_words, n=1)
    return first_words[found[0]] if found else None


# --- reading what was typed -----------------------------------------------------------------------------------


def addressed(message: Message, bot: str, display_name: str) -> str | None:
    """What follows the prefix, or the bot's id, name or pill, at the beginning of a message; `None` if none does."""
    candidates = [without_fallback(message.body)]
    if message.formatted_body is not None and "matrix.to" in message.formatted_body:
        # A pill hides whom it means behind a name that anyone can choose; its link says it.
        candidates.insert(0, _read_pills(message.formatted_body))
    for text in candidates:
        said = text.lstrip()
        for name in (*PREFIXES[::-1], bot, display_name):
            if said[: len(name)].casefold() == name.casefold() and re.match(r"[:,\s]|$", said[len(name) :]):
                return said[len(name) :].lstrip(":, \t")
    return None


def without_fallback(body: str) -> str:
    """A message's body without the quote that older clients put before a reply."""
    lines = body.split("\n")
    quoted = 0
    while quoted < len(lines) and lines[quoted].startswith("> "):
        quoted += 1
    return "\n".join(lines[quoted:]).lstrip("\n") if quoted else body


class _Pills(HTMLParser):
    """Text of a formatted body, with every matrix.to link replaced by what it links to."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text: list[str] = []
        self._hidden = 0
        self._quoted = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href") or ""
        if tag == "mx-reply":
            self._quoted = True
        elif tag == "a" and href.startswith("https://matrix.to/#/") and not self._hidden:
            self.text.append(_linked(href))
            self._hidden = 1
        elif tag in ("br", "p", "pre", "div"):
            self.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "mx-reply":
            self._quoted = False
            self.text.clear()
        elif tag == "a":
            self._hidden = 0

    def handle_data(self, data: str) -> None:
        if not self._hidden and not self._quoted:
            self.text.append(data)


def _linked(href: str) -> str:
    """What a link leads to: the user, or the link itself, which names the servers a room is reached by."""
    return ids.user_reference(href) or href


def _read_pills(html: str) -> str:
    reader = _Pills()
    reader.feed(html)
    reader.close()
    return "".join(reader.text).strip()


async def _room(call: Call, reference: str) -> ProtectedRoom | Words:
    """The protected room that somebody names, if it is looked after from here; any other is unknown."""
    meant = ids.room_reference(reference)
    async with call.door.db.tx() as tx:
        managed = await rooms.managed_by(tx, call.room)
    if meant is not None:
        try:
            room_id = await locate(call.door, meant.room)
        except ActionError:
            room_id = ""
        for room in managed:
            if room.room_id == room_id:
                return room
    return wording.unknown_room(reference)


async def _named_room(call: Call) -> tuple[ProtectedRoom | Words, str]:
    """The room named first in a command, or the only one there is; and what follows it."""
    first, _, rest = call.rest.partition(" ")
    if first:
        return await _room(call, first), rest.strip()
    async with call.door.db.tx() as tx:
        managed = await rooms.managed_by(tx, call.room)
    if len(managed) == 1:
        return managed[0], ""
    raise Misuse("Which room?")


def read_numbers(text: str) -> tuple[list[int], str]:
    """The numbers a text begins with (`12 #13, 14`), each once, and what follows them."""
    numbers: list[int] = []
    rest = text.strip()
    while found := re.match(r"#?([0-9]{1,9})(?:,|\s|$)\s*,?\s*", rest):
        numbers.append(int(found[1]))
        rest = rest[found.end() :]
    return list(dict.fromkeys(numbers)), rest


async def _requests_meant(call: Call) -> tuple[list[Request | Words], str]:
    """The requests a command is about, by number, or by the card it replies to; and what follows the numbers."""
    numbers, rest = read_numbers(call.rest)
    if len(numbers) > MANY:
        raise Misuse(f"At most {MANY} at once.")
    async with call.door.db.tx() as tx:
        if not numbers and call.message.in_reply_to is not None:
            card = await cards.by_event(tx, call.room, call.message.in_reply_to)
            shown = await requests.on_card(tx, card.id) if card else []
            if len({request.user_id for request in shown}) == 1:
                numbers = [shown[-1].number]
        found = [await _managed_request(tx, call.room, number) for number in numbers]
    if not numbers:
        raise Misuse("Which request? Give its number, or reply to its card.")
    return found, rest


async def _managed_request(tx: Tx, management_room: str, number: int) -> Request | Words:
    request = await requests.by_number(tx, management_room, number)
    if request is None:
        return wording.no_such_request(number)
    room = await rooms.find(tx, request.room_id)
    if room is None or room.management_room != management_room:
        return wording.no_such_request(number)
    return request


# --- what each does -------------------------------------------------------------------------------------------


async def help_(call: Call) -> Reply:
    """All commands, or one."""
    if not call.rest:
        return wording.help_screen([(command.full_usage, command.summary) for command in COMMANDS.values()])
    name, command, _ = find_command(call.rest.removeprefix(PREFIXES[0]).strip())
    if command is None:
        return wording.unknown_command(name, nearest(name))
    return wording.lines([wording.words("{}", wording.code(command.full_usage)), wording.words("{}", command.summary)])


async def protect(call: Call) -> Reply:
    """Have a room protected."""
    if not call.rest:
        raise Misuse("Which room?")
    reference = ids.room_reference(call.rest)
    if reference is None:
        return wording.unreadable_room(call.rest)
    promise = await entry.protect(call.door, entry.Ask(call.actor, call.room, reference, call.message.event_id))
    return lambda tx: promise.keep(call.door, tx)


async def list_rooms(call: Call) -> Reply:
    """The rooms looked after from here."""
    rows = []
    async with call.door.db.tx() as tx:
        for room in await rooms.managed_by(tx, call.room):
            pending = len(await requests.pending(tx, call.room, room.room_id))
            rows.append(wording.room_row(room.label, room.room_id, pending, room.trouble))
    return wording.room_list(rows)


async def list_pending(call: Call) -> Reply:
    """Who is waiting, in all rooms or in one."""
    only = await _room(call, call.rest) if call.rest else None
    if isinstance(only, Words):
        return only
    async with call.door.db.tx() as tx:
        labels = {room.room_id: room.label for room in await rooms.managed_by(tx, call.room)}
        found = await requests.pending(tx, call.room, only.room_id if only else None)
    waiting = [request for request in found if request.room_id in labels]
    return wording.pending_list(waiting, labels, call.door.now())


async def show(call: Call) -> Reply:
    """One request, or several, with all there is to know."""
    found, rest = await _requests_meant(call)
    if rest:
        raise Misuse("Only numbers, please.")
    shown = []
    async with call.door.db.tx() as tx:
        for request in found:
            if isinstance(request, Words):
                shown.append(request)
                continue
            history = [
                wording.history_line(line.at, wording.actor(line.actor, line.detail.get("rule")), line.what)
                for line in await audit.of_request(tx, request.id)
            ]
            shown.append(wording.shown_request(request, await settle.label_of(tx, request.room_id), history))
    return wording.lines(shown)


def answer(verdict: Verdict) -> Callable[[Call], Awaitable[Reply]]:
    """The command that gives this answer to one or several requests."""

    async def run(call: Call) -> Reply:
        found, reason = await _requests_meant(call)
        wish = Wish(call.actor, verdict, call.message.event_id, reason[:REASON_LIMIT])
        objections = [
            request if isinstance(request, Words) else await review.objection(call.door, wish, request)
            for request in found
        ]

        async def take(tx: Tx) -> Words:
            replies = []
            for request, objection in zip(found, objections, strict=True):
                if objection is not None:
                    replies.append(objection)
                elif isinstance(request, Request):
                    replies.append(await review.take(call.door, tx, wish, request.id))
            return wording.lines(dict.fromkeys(replies))

        return take

    return run


async def policy_show(call: Call) -> Reply:
    """The policy in force, as it was written."""
    room, _ = await _named_room(call)
    if isinstance(room, Words):
        return room
    async with call.door.db.tx() as tx:
        found = await rules.in_force(call.door, tx, room.room_id)
    return wording.policy_shown(room.label, found.source, found.text)


async def policy_set(call: Call) -> Reply:
    """Put another policy in force."""
    room, rest = await _named_room(call)
    if isinstance(room, Words):
        return room
    text = unfenced("\n".join(part for part in (rest, call.below) if part))
    if not text.strip():
        raise Misuse("Write the policy on the lines below.")
    change = rulebook.Change(room, call.actor, text, call.message.event_id)
    try:
        refusal = await rulebook.objection(call.door, change)
    except Fault as fault:
        return wording.policy_refused(str(fault))
    return refusal if refusal is not None else lambda tx: rulebook.put_in_force(call.door, tx, change)


COMMANDS: dict[str, Command] = {
    "help": Command("help [command]", "this, or one command", help_),
    "protect": Command("protect ROOM", "keep the door of a room, with this room as its management room", protect),
    "rooms": Command("rooms", "the rooms looked after from here", list_rooms),
    "list": Command("list [ROOM]", "who is waiting", list_pending),
    "show": Command("show N…", "one request: facts, history, and why the policy said what it said", show),
    "accept": Command("accept N… [message]", "let them in", answer(Verdict.ACCEPT)),
    "reject": Command("reject N… [reason]", "turn them away; they may knock again", answer(Verdict.REJECT)),
    "ban": Command("ban N… [reason]", "turn them away for good", answer(Verdict.BAN)),
    "policy show": Command("policy show ROOM", "the policy in force", policy_show),
    "policy set": Command("policy set ROOM", "another policy, as YAML on the lines below", policy_set),
}
