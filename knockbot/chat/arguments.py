"""The arguments of commands: each kind as one value, with how it is written, asked for, and read.

A command's row in `COMMANDS` declares them; its function gets what they mean, in the same order.
"""

# ruff: noqa: ARG001 (every argument is read in the same way, whether it looks around or not)

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from knockbot.chat import files, replies, spaces
from knockbot.chat.calls import (
    Call,
    Misuse,
    invites_meant,
    manages_rooms,
    named_room,
    only_room,
    requests_looked_at,
    requests_meant,
    unknown_room,
)
from knockbot.chat.typed import not_numbers
from knockbot.config.values import Permission
from knockbot.documents.yaml import LONGEST, unfenced
from knockbot.domain import ids
from knockbot.domain.ids import RoomReference
from knockbot.domain.invites import Address, read_address
from knockbot.domain.model import Request
from knockbot.domain.notices import Code, Letters, Notice, Number, Stranger, notice
from knockbot.errors import Refused
from knockbot.store import rooms
from knockbot.store.rooms import ProtectedRoom


@dataclass(frozen=True, slots=True)
class Argument:
    """One kind of argument."""

    word: str
    """Its placeholder in a usage."""
    question: Notice | None
    """How it is asked for where it is missing; none where it may be left out."""
    example: str
    read: Callable[[Call, str], Awaitable[tuple[Any, str] | None]]
    """What the beginning of a text means, and the rest of the text; `None` where it is not there."""
    optional: bool = False
    takes_lines: bool = False
    """Whether the lines below the command belong to it."""

    @property
    def usage(self) -> str:
        """As a usage shows it."""
        return f"[{self.word}]" if self.optional else self.word


def optional(argument: Argument) -> Argument:
    """The same argument, which may be left out: the function gets `None` then."""
    return replace(argument, optional=True)


async def read_arguments(call: Call, arguments: tuple[Argument, ...]) -> list[Any]:
    """The meaning of the text after a command, argument by argument.

    Raises `Misuse` for a missing argument and for text that belongs to none, `Refused` for what is unknown here.
    """
    values: list[Any] = []
    rest = call.rest.strip()
    for argument in arguments:
        found = await argument.read(call, rest)
        if found is None and argument.question is not None and not argument.optional:
            if values and _room_left_out(call, arguments, rest) and await _begins_with_no_room(call, argument, rest):
                raise Refused(unknown_room(rest.partition(" ")[0]))
            if argument is ROOM and not values and await _begins_with_a_room(call, rest.partition(" ")[2]):
                raise Misuse(_room_first(rest))
            raise Misuse(argument.question)
        value, rest = found or (None, rest)
        values.append(value)
    if rest and _room_left_out(call, arguments, rest):
        raise Refused(unknown_room(rest))
    if rest and arguments[:1] == (ROOM,) and await _begins_with_a_room(call, rest):
        raise Misuse(_room_first(call.rest.strip()))
    if rest:
        several = {REQUESTS, SHOWN_REQUESTS}.intersection(arguments) and re.match(r"#?[0-9]", rest)
        raise Misuse(not_numbers(call.rest, rest) if several else not_understood(rest))
    if call.below.strip() and not any(argument.takes_lines for argument in arguments):
        raise Misuse(notice("ask.one_command", text=Stranger(call.below, 60)))
    return values


def not_understood(text: str) -> Notice:
    """That a part of a command means nothing there."""
    return notice("ask.not_understood", text=Stranger(text, 60))


def _room_first(text: str) -> Notice:
    """That the room belongs before the word with which a text begins."""
    return notice("ask.room_first", text=Stranger(text.partition(" ")[0], 60))


async def _begins_with_a_room(call: Call, text: str) -> bool:
    try:
        return bool(text.strip()) and await named_room(call, text.strip()) is not None
    except Refused:
        return False


def _room_left_out(call: Call, arguments: tuple[Argument, ...], rest: str) -> bool:
    """Whether a room could come first, and no word was read as a room."""
    return arguments[:1] in ((ROOM,), (ROOM_TO_UNPROTECT,)) and rest == call.rest.strip()


async def _begins_with_no_room(call: Call, argument: Argument, text: str) -> bool:
    """Whether an argument cannot be read because of the first word, which probably means a room."""
    _, _, behind = text.partition(" ")
    return bool(behind) and await argument.read(call, behind.strip()) is not None


# --- rooms ----------------------------------------------------------------------------------------------------


async def _room(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    """A room managed from here; it may be left out where it is the only one."""
    found = await _optional_room(call, text) if not is_someone(text) else None
    if found is not None:
        return found
    only = await only_room(call)
    if only is not None:
        return only, text
    if text and not is_someone(text) and _NUMBER_OR_TIME.match(text) is None:
        raise Refused(unknown_room(text))
    if not await manages_rooms(call):
        raise Refused(replies.no_rooms())
    return None


_NUMBER_OR_TIME = re.compile(r"[-+]?#?[0-9]+[a-z]*(?=\s|$)")
"""A revision, or a time such as ``30d``: the room is left out."""


def is_someone(text: str) -> bool:
    """Whether a text begins with what is for another argument: the room is left out, and not one of that name."""
    return ids.user_reference(text.partition(" ")[0]) is not None or read_address(text) is not None


async def _optional_room(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    """A room managed from here; left out, it means all."""
    return await named_room(call, text) if text else None


async def _listed_room(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    found = await _optional_room(call, text)
    if found is None and text and not is_someone(text):
        raise Refused(unknown_room(text))
    return found


async def _room_to_unprotect(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    """A room managed from here, which has to be named, even if it is the only one; a server admin may name any by its
    ID."""
    if call.context.settings.permission_of(call.actor) is Permission.ADMIN:
        first, _, rest = text.partition(" ")
        async with call.context.db.tx() as tx:
            room = await rooms.find(tx, first)
        if room is not None:
            return room, rest.strip()
    return await spaces.let_go_before(call, text) or await _named_room(call, text)


async def _named_room(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    """A room managed from here, which has to be named even if it is the only one."""
    if not text and not await manages_rooms(call):
        raise Refused(replies.no_rooms())
    return await _listed_room(call, text) if not _says_with_rooms(text) else None


async def _reference(call: Call, text: str) -> tuple[RoomReference, str] | None:
    """Any room there is, by ID, alias or link."""
    first, _, rest = text.partition(" ")
    reference = ids.room_reference(first)
    if reference is None and first and not _says_with_rooms(text):
        named = first if first[0] in "#!" else text  # a name may have blanks
        raise Refused(notice("meant.no_room", room=Letters(named), example=Code("#room:server")))
    return (reference, rest.strip()) if reference is not None else None


def _says_with_rooms(text: str) -> bool:
    return [word.lower() for word in text.split()] == ["with", "rooms"]


async def _with_rooms(_: Call, text: str) -> tuple[bool, str] | None:
    """That the rooms of a space are meant too."""
    return (True, "") if _says_with_rooms(text) else None


# --- people and requests --------------------------------------------------------------------------------------


async def _user(call: Call, text: str) -> tuple[str, str] | None:
    first, _, rest = text.partition(" ")
    user_id = ids.user_reference(first)
    return (user_id, rest.strip()) if user_id is not None else None


async def _address(call: Call, text: str) -> tuple[tuple[Address, str], str] | None:
    """An address with the name that follows it, which is all that follows."""
    read = read_address(text)
    if read is not None and any(read_address(word) is not None for word in read[1].split()):
        raise Misuse(notice("ask.one_address"))
    return (read, "") if read is not None else None


async def _requests_or_user(call: Call, text: str) -> tuple[tuple[Request, ...] | str, str] | None:
    """One request, all that are on a card, or the user with a user ID, with or without a pending request."""
    first, _, rest = text.partition(" ")
    user_id = ids.user_reference(first)
    if user_id is not None:
        return user_id, rest.strip()
    found = await requests_looked_at(call, text)
    if found is None:
        return None
    meant, rest = found
    if len(meant.found) > 1 and not meant.of_card:
        raise Misuse(notice("ask.one_number"))
    known = tuple(one for one in meant.found if isinstance(one, Request))
    if not known:
        raise next(one for one in meant.found if isinstance(one, Refused))
    return known, rest


# --- words ----------------------------------------------------------------------------------------------------


async def _words(call: Call, text: str) -> tuple[str, str]:
    """Whatever follows, on the lines below as well."""
    return "\n".join(part for part in (text, call.below.strip()) if part), ""


_NO_YAML = re.compile(r"""[^:{\[`"'#-]+""")
"""Words before the lines of a policy that cannot be its beginning."""


def _is_fenced(text: str) -> bool:
    return text.lstrip().startswith("```")


async def _yaml(call: Call, text: str) -> tuple[str, str] | None:
    """A policy behind the command and on the lines below; else in a file, whose caption the command is, or to which it
    replies."""
    return await _typed_yaml(call, text) or await _yaml_of_file(call, text)


LARGEST_POLICY = 4 * LONGEST
"""Bytes of a file with a policy: each of its characters may take four."""


async def _yaml_of_file(call: Call, text: str) -> tuple[str, str] | None:
    file = await files.meant(call) if not text else None
    if file is None:
        return None
    try:
        too_large = notice("policy.large_file", most=Number(LARGEST_POLICY // 2**10))
        written = (await files.content(call, file, LARGEST_POLICY, too_large)).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(notice("file.not_text")) from None
    return (written, "") if written.strip() else None


async def _typed_yaml(call: Call, text: str) -> tuple[str, str] | None:
    if text != call.rest.strip() and await _begins_with_a_room(call, text):
        raise Misuse(_room_first(call.rest.strip()))
    if call.below.strip() and (_NO_YAML.fullmatch(text) or ids.room_reference(text) is not None):
        if text == call.rest.strip():
            raise Refused(unknown_room(text))
        raise Misuse(not_understood(text))
    written = unfenced("\n".join(part for part in (text, call.below) if part))
    if _is_fenced(text or call.below) and any(line.rstrip() == "```" for line in written.splitlines()):
        raise Misuse(notice("ask.below_fence"))
    return (written, "") if written.strip() else None


async def _revision(call: Call, text: str) -> tuple[int, str] | None:
    found = re.match(r"#?([0-9]{1,9})(?=\s|$)", text)
    return (int(found[1]), text[found.end() :].strip()) if found else None


async def _command(call: Call, text: str) -> tuple[str, str] | None:
    return (text, "") if text else None


A_ROOM = "#garden:example.org"

ROOM = Argument("ROOM", notice("ask.room"), A_ROOM, _room)
SOME_ROOM = optional(Argument("ROOM", notice("ask.room"), A_ROOM, _listed_room))
NAMED_ROOM = replace(ROOM, read=_named_room)
ROOM_TO_UNPROTECT = Argument("ROOM", notice("ask.room"), A_ROOM, _room_to_unprotect)
NEW_ROOM = Argument("ROOM", notice("ask.room"), A_ROOM, _reference)
WITH_ROOMS = optional(Argument("with rooms", None, "with rooms", _with_rooms))
REQUESTS = Argument("N…", notice("ask.request"), "12", requests_meant)
SHOWN_REQUESTS = replace(REQUESTS, read=requests_looked_at)
INVITES = replace(REQUESTS, read=invites_meant)
USER = Argument("@user", notice("ask.user"), "@ana:example.org", _user)
REQUEST_OR_USER = optional(
    Argument("N or @user", None, "12", _requests_or_user),
)
ADDRESS = Argument("ADDRESS [name]", notice("ask.address"), "carla@example.net", _address)
MESSAGE = optional(Argument("message", None, "Welcome!", _words, takes_lines=True))
REASON = optional(Argument("reason", None, "Not now.", _words, takes_lines=True))
POLICY = Argument("YAML", notice("ask.policy"), "\notherwise: forward", _yaml, takes_lines=True)
REVISION = Argument("REV", notice("ask.revision"), "3", _revision)
COMMAND = optional(Argument("command", None, "accept", _command))
