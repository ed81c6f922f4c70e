"""A command as it was typed, and the rooms and requests that it names; all managed from here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from knockbot.chat.nearly import begins_nearly, is_all
from knockbot.chat.typed import MARKS, NotNumbers, after_name, are_numbers, read_numbers, with_commas
from knockbot.documents.text import NAME_LIMIT
from knockbot.domain import ids
from knockbot.domain.card import room_or_text, which_applicant
from knockbot.domain.invites import may_be_taken_back, read_address
from knockbot.domain.model import Message, Request
from knockbot.domain.notices import (
    MOST_NUMBERS,
    Arg,
    Code,
    Id,
    Letters,
    Notice,
    Number,
    Numbered,
    Room,
    Stranger,
    User,
    below,
    listed,
    notice,
)
from knockbot.engine.turn import Waits, Write
from knockbot.errors import ActionError, Refused
from knockbot.flow import answering
from knockbot.flow.context import Context
from knockbot.store import addressees, prompts, requests, rooms
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom


@dataclass(frozen=True, slots=True)
class Tick:
    """All was done, and is seen elsewhere: a tick on the command says enough."""


TICK = Tick()


@dataclass(frozen=True, slots=True)
class Awaited:
    """It is being done, and what comes of it is said then, in reply to the command."""


AWAITED = Awaited()

Reply = Notice | Tick | Awaited
Answered = Notice | Write[Reply] | Waits
"""What a command says, or what it still has to write, which then says so; or that it is worked out, and comes again."""


class Misuse(Refused):
    """The command was written wrongly: `said` says how, and the usage follows."""


@dataclass(frozen=True, slots=True)
class Call:
    """A command as it was typed: its first line after the name, the lines below, and where it came from."""

    context: Context
    message: Message
    rest: str
    below: str
    name: str = ""
    """The command of a moderator, as it stands in the table."""

    @property
    def room(self) -> str:
        """The management room it was typed in."""
        return self.message.room_id

    @property
    def actor(self) -> str:
        """Who typed it."""
        return self.message.sender

    @property
    def cause(self) -> str:
        """The event it came as."""
        return self.message.event_id


def unknown_room(reference: str) -> Notice:
    """A room that is not managed from here, whether it exists or not."""
    return notice("meant.unknown_room", room=Letters(reference), command=Code("!kb rooms"))


def no_such_revision(room: ProtectedRoom, number: int) -> Refused:
    """A revision that a policy never had."""
    called, command = Room(room.room_id, room.label), Code(f"!kb policy log {room.room_id}")
    return Refused(notice("meant.no_revision", room=called, revision=Number(number), command=command))


_NUMBER_LAST = re.compile(r"\s#?([0-9]{1,9})$")


def _no_such_applicant(text: str) -> Notice:
    """Neither a number nor anybody who is waiting; a number behind words may be one that belongs before them."""
    number = _NUMBER_LAST.search(text)
    if number is not None:
        return notice("meant.number_last", text=Letters(text, NAME_LIMIT), request=Numbered(int(number[1])))
    return notice("meant.no_applicant", text=Letters(text, NAME_LIMIT), list=Code("!kb list"))


def _no_such_invite(text: str) -> Notice:
    """Neither a number nor an address or a name that an unused invite is for."""
    return notice("meant.no_invite", text=Letters(text, NAME_LIMIT), invites=Code("!kb invites"))


# --- rooms ----------------------------------------------------------------------------------------------------


async def resolved(call: Call, reference: str) -> str | None:
    """The ID of the room that an ID, alias or link names; `None` for what names none."""
    meant = ids.room_reference(reference)
    if meant is None or not ids.is_alias(meant.room):
        return meant.room if meant is not None else None
    try:
        room_id, _ = await call.context.elsewhere.resolve(call.context.outside, meant.room, call.actor)
    except ActionError:
        return None
    return room_id


async def managed_room(call: Call, reference: str) -> ProtectedRoom:
    """The room that an ID, alias or link names, if it is managed from here; any other is unknown (`Refused`)."""
    room_id = await resolved(call, reference)
    if room_id is None:
        raise Refused(unknown_room(reference))
    async with call.context.db.tx() as tx:
        room = await rooms.find(tx, room_id)
    if room is None or room.management_room != call.room:
        raise Refused(unknown_room(reference))
    return room


async def named_room(call: Call, text: str) -> tuple[ProtectedRoom, str] | None:
    """The room that a text begins with, by reference or by its name, and what follows.

    `None` where it begins with none. Raises `Refused` for one that is not managed from here, and for a name that
    several rooms have.
    """
    first, _, rest = text.partition(" ")
    if ids.room_reference(first) is not None:
        return await managed_room(call, first), rest.strip()
    async with call.context.db.tx() as tx:
        managed = await rooms.managed_by(tx, call.room)
    named = [(room, after_name(text, room.name)) for room in managed]
    found = _longest([(room, after) for room, after in named if after is not None])
    if len(found) > 1:
        raise Refused(_rooms_of_one_name([room for room, _ in found]))
    if not found and _BEGUN_LIKE_A_ROOM.match(first):
        raise Refused(unknown_room(first))
    return found[0] if found else None


_BEGUN_LIKE_A_ROOM = re.compile(r"!.|#(?![0-9]+$).")
"""The beginning of an alias or a room ID, also of one that is not complete; ``#3`` is a number."""


async def only_room(call: Call) -> ProtectedRoom | None:
    """The room managed from here, where it is the only one."""
    async with call.context.db.tx() as tx:
        managed = await rooms.managed_by(tx, call.room)
    return managed[0] if len(managed) == 1 else None


async def manages_rooms(call: Call) -> bool:
    """Whether any room is managed from here."""
    async with call.context.db.tx() as tx:
        return bool(await rooms.managed_by(tx, call.room))


def _rooms_of_one_name(found: Sequence[ProtectedRoom]) -> Notice:
    rows = [notice("meant.room", room=Room(room.room_id, room.name), id=Id(room.room_id)) for room in found]
    return below(notice("meant.several_rooms"), *rows)


T = TypeVar("T")


def _longest(found: list[tuple[T, str]]) -> list[tuple[T, str]]:
    """Those that leave the least of the text: a room Rose Garden is not the room Rose."""
    shortest = min((len(rest) for _, rest in found), default=0)
    return [(one, rest) for one, rest in found if len(rest) == shortest]


# --- requests -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Meant:
    """The requests a command is about, or why one is none; `told` is whether the reply is to name them."""

    found: tuple[Request | Refused, ...]
    told: bool = False
    of_card: bool = False
    """Whether the command replies to a card, and means whatever that shows."""


async def requests_meant(call: Call, text: str) -> tuple[Meant, str] | None:
    """The requests that a command is about, and the text that follows.

    By number; else by the card or line that it replies to; else by the applicant. `None` if nothing says which. In a
    reply, a number or user ID has to be on the card: it is a slip otherwise, or the beginning of a text.
    """
    return await _meant(call, text, partial(_to_be_answered, call))


async def requests_looked_at(call: Call, text: str) -> tuple[Meant, str] | None:
    """The same for a command that only looks: a reply to a card is about all that the card shows."""
    return await _meant(call, text, list)


async def requests_to_undo(call: Call, text: str) -> tuple[Meant, str] | None:
    """The same for a command that undoes answers: a reply to a card is about those of its requests that have one."""
    if is_all(text) or text.partition(" ")[0].lower() in NO_APPLICANT:
        raise Misuse(notice("ask.undo_alone", text=Stranger(text, 60), command=Code("!kb undo")))
    user_id = ids.user_reference(text.rstrip(MARKS))
    if user_id is not None and call.message.in_reply_to is None and call.message.thread is None:
        return await _answered_of(call, user_id), ""
    return await _meant(call, text, partial(_to_be_undone, call))


async def _answered_of(call: Call, user_id: str) -> Meant:
    """The newest request of a user at the room where they have one, answered or not. Raises `Refused` where they have
    none, or several."""
    async with call.context.db.tx() as tx:
        managed = {room.room_id for room in await rooms.managed_by(tx, call.room)}
        newest = await requests.newest_of_applicant(tx, user_id)
        known = await requests.several(tx, newest)
        theirs = [known[one] for one in newest]
        found = [one for one in theirs if one.room_id in managed and one.management_room == call.room]
        answered = [one for one in found if one.answer is not None or not one.awaits_moderators] or found
        if len(answered) > 1:
            raise Refused(which_applicant(answered, await rooms.told_apart(tx, call.room)))
    if not answered:
        raise Refused(notice("meant.no_request_of", user=User(user_id), list=Code("!kb list")))
    return Meant((answered[0],), told=True)


NO_APPLICANT = frozenset({"because", "last", "batch", "vote", "me"})
"""Words that people write behind `undo`, and that name nobody."""


OfCard = Callable[[Sequence[Request]], list[Request]]
"""Which of the requests of a card a reply is about that names none. Raises `Refused`."""


def _to_be_answered(call: Call, shown: Sequence[Request]) -> list[Request]:
    if not answering.takes_clicks(shown):
        raise Refused(_shows_several(shown, call.name))
    return answering.meant_by(shown)


def _to_be_undone(call: Call, shown: Sequence[Request]) -> list[Request]:
    if not answering.takes_clicks(shown):
        raise Refused(_shows_several(shown, call.name))
    return [one for one in shown if not one.awaits_moderators] or list(shown)


async def _meant(call: Call, text: str, of_card: OfCard) -> tuple[Meant, str] | None:
    referred = await _referred_to(call, text)
    async with call.context.db.tx() as tx:
        shown = await _replied_to(tx, call)
        if shown is not None:
            return await _of_reply(tx, call, shown, (text, referred), of_card)
        numbers, rest = _numbers(text)
        if numbers:
            return await _numbered(tx, call, numbers), rest
        return await _by_applicant(tx, call, text) if text else None


async def _referred_to(call: Call, text: str) -> str | None:
    """The ID of the room that a reply refers to first, or behind a user ID; it may be none that is known here."""
    if call.message.in_reply_to is None and call.message.thread is None:
        return None
    first, _, behind = text.partition(" ")
    return await resolved(call, first if ids.user_reference(first) is None else behind.strip().partition(" ")[0])


async def _of_reply(
    tx: Tx, call: Call, shown: Sequence[Request], said: tuple[str, str | None], of_card: OfCard
) -> tuple[Meant, str]:
    """The requests that a command is about which replies to a card or line with these; `said` is its text, and the
    room that this refers to."""
    text, referred = said
    numbers, rest = _numbers(text, alone=True)
    if numbers:
        _insist_on_shown([Numbered(number) for number in numbers if number not in {one.number for one in shown}])
        return await _numbered(tx, call, numbers), rest
    first, _, behind = text.partition(" ")
    user_id = ids.user_reference(first)
    if user_id is not None:
        shown, text = [one for one in shown if one.subject == user_id], behind.strip()
        _insist_on_shown([User(user_id)] if not shown else [])
    if text:
        await _insist_on_no_room_that_left(tx, call, shown, text)
    of_several = len({one.room_id for one in shown}) > 1
    if text and (of_several or referred is not None):
        shown, text = await _at_one_room(tx, call, shown, text, referred)
    found = [await _managed_request(tx, call.room, one.number) for one in of_card(shown)]
    return Meant(tuple(found), told=len(found) > 1, of_card=True), text


async def _insist_on_no_room_that_left(tx: Tx, call: Call, shown: Sequence[Request], text: str) -> None:
    """Raises `Refused` where a text begins with the name of a room that was managed from here, and may have stood on
    this card: it is not meant as a text for the applicants of the others."""
    managed = await rooms.managed_by(tx, call.room)
    names = {name for name in await rooms.managed_before(tx, call.room) if name not in {one.name for one in managed}}
    if any(after_name(text, name) is not None for name in names):
        raise Refused(room_or_text(shown, text, await rooms.told_apart(tx, call.room)))


async def _at_one_room(
    tx: Tx, call: Call, shown: Sequence[Request], text: str, referred: str | None
) -> tuple[Sequence[Request], str]:
    """Those requests of a card of several rooms that are at the room with which a text begins, and what follows; all
    where it is only a text. Raises `Refused` where it may be either: what is done cannot be taken back everywhere."""
    managed = await rooms.managed_by(tx, call.room)
    named = [(room, _after_room(text, room, referred)) for room in managed]
    found = _longest([(room, after) for room, after in named if after is not None])
    on_card = [room for room in managed if room.room_id in {one.room_id for one in shown}]
    rest = found[0][1] if found else text
    if len(found) > 1 or is_all(text) or any(begins_nearly(rest, room.name) for room in on_card):
        raise Refused(room_or_text(shown, text, await rooms.told_apart(tx, call.room)))
    if not found:
        if _BEGUN_LIKE_A_ROOM.match(text) or referred is not None:
            raise Refused(unknown_room(text.partition(" ")[0]))
        return shown, text
    at_room = [one for one in shown if one.room_id == found[0][0].room_id]
    _insist_on_shown([Room(found[0][0].room_id, found[0][0].label)] if not at_room else [])
    return at_room, rest


def _after_room(text: str, room: ProtectedRoom, referred: str | None) -> str | None:
    """What follows a room that a text begins with: its ID, what refers to it, or its name."""
    return text.partition(" ")[2].strip() if referred == room.room_id else after_name(text, room.name)


def _insist_on_shown(missing: Sequence[Arg]) -> None:
    """Raises `Refused` if what a reply names is not on the card."""
    if missing:
        raise Refused(notice("meant.not_on_card", what=listed(missing[:MOST_NUMBERS])))


def _numbers(text: str, *, alone: bool = False) -> tuple[list[int], str]:
    """The numbers that a text begins with, and what follows; `alone`: blanks between nothing but numbers are enough."""
    try:
        numbers, rest = read_numbers(text)
        if alone and are_numbers(rest):
            return read_numbers(with_commas(text))
    except NotNumbers as error:
        raise Misuse(error.said) from None
    return numbers, rest


async def _numbered(tx: Tx, call: Call, numbers: Sequence[int]) -> Meant:
    named = [await _managed_request(tx, call.room, number) for number in numbers]
    return Meant(tuple(named), told=len(named) > 1)


def _shows_several(shown: Sequence[Request], command: str) -> Notice:
    """A reply to a card means the card, and this one has many."""
    waiting = [request.number for request in shown if request.awaits_moderators]
    number = waiting[0] if waiting else shown[-1].number
    return notice("meant.card_shows_several", command=Code(f"!kb {command} {number}"))


async def replied_to(call: Call) -> list[Request]:
    """The requests on the card or line that a command replies to; none where it replies to something else."""
    async with call.context.db.tx() as tx:
        return await _replied_to(tx, call) or []


async def _replied_to(tx: Tx, call: Call) -> list[Request] | None:
    """What the card or line shows that a command replies to, or in whose thread it is; `None` if it shows nothing."""
    for event_id in filter(None, (call.message.in_reply_to, call.message.thread)):
        card = await prompts.pointed_at(tx, call.room, event_id)
        on_card = await requests.on_card(tx, card.id, held=False) if card is not None else []
        shown = on_card or await requests.of_line(tx, call.room, event_id)
        if shown:
            return shown
    return None


ALL = "all"
"""Not a name, unless it is in quotes: a user with this name must not get an answer that was meant for all."""


async def _by_applicant(tx: Tx, call: Call, text: str) -> tuple[Meant, str]:
    """The pending request of the user, by id or name, that a text begins with."""
    first, _, rest = text.partition(" ")
    named = {ids.user_reference(first), ids.user_reference(first.rstrip(MARKS))} - {None}
    by_name = not named and first.rstrip(MARKS).casefold() != ALL
    managed = {room.room_id for room in await rooms.managed_by(tx, call.room)}
    found: list[tuple[Request, str]] = []
    for request in await requests.pending(tx, call.room):
        if not request.user_id or request.room_id not in managed:
            continue
        after = after_name(text, request.display_name or "") if by_name else None
        if request.user_id in named:
            found.append((request, rest.strip()))
        elif after is not None:
            found.append((request, after))
    if not found:
        raise Refused(_no_such_applicant(first if named else text))
    # Applicants choose their names: a name that is another one plus some words must not get the other one's answer.
    if len(found) > 1:
        raise Refused(which_applicant([request for request, _ in found], await rooms.told_apart(tx, call.room)))
    request, rest = found[0]
    return Meant((request,), told=True), rest


async def invites_meant(call: Call, text: str) -> tuple[Meant, str] | None:
    """The third-party invites that a command is about: as any request, or by the address or the name they are for."""
    async with call.context.db.tx() as tx:
        numbered = read_address(text) is None and re.match("#?[0-9]", text) is not None
        if text and not numbered and await _replied_to(tx, call) is None:
            return await _by_addressee(tx, call, text)
    return await requests_meant(call, text)


async def _by_addressee(tx: Tx, call: Call, text: str) -> tuple[Meant, str]:
    """The one unused invite to the address that a text begins with, or to the name; never one of several."""
    read = read_address(text)
    found: list[tuple[Request, str]] = []
    sending = False
    for room in await rooms.managed_by(tx, call.room):
        sent_to = await addressees.of_room(tx, room.room_id)
        sending = sending or (read is not None and await addressees.is_asked_for(tx, room.room_id, read[0]))
        for request in await requests.invites_of(tx, room.room_id, held=False):
            if request.invite is None or request.management_room != call.room or not may_be_taken_back(request):
                continue
            addressee = sent_to.get(request.invite.token)
            after = after_name(text, request.invite.display_name)
            if read is not None and addressee is not None and addressee.address == read[0]:
                found.append((request, read[1]))
            elif after is not None:
                found.append((request, after))
    if not found:
        raise Refused(notice("issue.being_invited") if sending else _no_such_invite(text))
    if len(found) > 1:
        raise Refused(which_applicant([request for request, _ in found], await rooms.told_apart(tx, call.room)))
    request, rest = found[0]
    return Meant((request,), told=True), rest


async def _managed_request(tx: Tx, management_room: str, number: int) -> Request | Refused:
    """The request with this number, if its room is managed from here; of several, the others may be."""
    request = await requests.by_number(tx, management_room, number, held=False)
    room = await rooms.find(tx, request.room_id) if request is not None else None
    if request is None or room is None or room.management_room != management_room:
        commands = Code("!kb list"), Code("!kb invites")
        return Refused(notice("meant.no_request", request=Numbered(number), list=commands[0], invites=commands[1]))
    return request
