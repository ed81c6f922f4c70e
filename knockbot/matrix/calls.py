"""A command as it was typed, and what the words in it mean: rooms and requests looked after from here, users."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from knockbot.domain import ids, wording
from knockbot.domain.model import Message, Request
from knockbot.domain.words import Words
from knockbot.errors import ActionError
from knockbot.flow import review
from knockbot.flow.door import Door
from knockbot.matrix.typed import read_numbers
from knockbot.store import cards, requests, rooms
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom

MANY = 50
"""Requests that one command may be about."""


@dataclass(frozen=True, slots=True)
class Tick:
    """All was done, and is seen elsewhere: a tick on the command says enough."""


TICK = Tick()


@dataclass(frozen=True, slots=True)
class Awaited:
    """It is being done, and what comes of it is said then, in reply to the command."""


AWAITED = Awaited()

Reply = Words | Tick | Awaited
Promise = Callable[[Tx], Awaitable[Reply]]
"""What is still to be done in the transaction that ends the command, and then says so."""


class Misuse(Exception):
    """The command was written wrongly; the text says how, and the usage follows."""


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

    @property
    def cause(self) -> str:
        """The event it came as."""
        return self.message.event_id


# --- rooms ----------------------------------------------------------------------------------------------------


async def managed_room(call: Call, reference: str) -> ProtectedRoom | Words:
    """The protected room that somebody names, if it is looked after from here; any other is unknown."""
    meant = ids.room_reference(reference)
    if meant is None:
        return wording.unknown_room(reference)
    room_id = meant.room
    if ids.is_alias(room_id):
        try:
            room_id, _ = await call.door.outside.resolve(room_id)
        except ActionError:
            return wording.unknown_room(reference)
    async with call.door.db.tx() as tx:
        room = await rooms.find(tx, room_id)
    return room if room is not None and room.management_room == call.room else wording.unknown_room(reference)


async def named_room(call: Call) -> tuple[ProtectedRoom | Words, str]:
    """The room named first in a command, or the only one there is; and what follows it."""
    first, _, rest = call.rest.partition(" ")
    if ids.room_reference(first) is not None:
        return await managed_room(call, first), rest.strip()
    async with call.door.db.tx() as tx:
        managed = await rooms.managed_by(tx, call.room)
    if len(managed) == 1:
        return managed[0], call.rest.strip()
    if first:
        return wording.unknown_room(first), ""
    raise Misuse("Which room?")


# --- requests -------------------------------------------------------------------------------------------------


async def requests_meant(call: Call) -> tuple[list[Request | Words], str]:
    """The requests a command is about, by number, or by the card it replies to; and what follows the numbers."""
    numbers, rest = read_numbers(call.rest)
    if len(numbers) > MANY:
        raise Misuse(f"At most {MANY} at once.")
    async with call.door.db.tx() as tx:
        if not numbers and call.message.in_reply_to is not None:
            numbers = await _numbers_on_card(tx, call.room, call.message.in_reply_to)
        found = [await managed_request(tx, call.room, number) for number in numbers]
    if not numbers:
        raise Misuse("Which request? Give its number, or reply to its card.")
    return found, rest


async def _numbers_on_card(tx: Tx, management_room: str, event_id: str) -> list[int]:
    """The request a card is about; none where several applicants share it."""
    card = await cards.by_event(tx, management_room, event_id)
    shown = await requests.on_card(tx, card.id) if card else []
    return [shown[-1].number] if review.takes_clicks(shown) else []


async def managed_request(tx: Tx, management_room: str, number: int) -> Request | Words:
    """The request with this number, if its room is looked after from here."""
    request = await requests.by_number(tx, management_room, number)
    room = await rooms.find(tx, request.room_id) if request is not None else None
    if request is None or room is None or room.management_room != management_room:
        return wording.no_such_request(number)
    return request
