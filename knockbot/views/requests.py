"""Requests, as moderators look them up: the pending ones, all about one request, and the invites of a room."""

from __future__ import annotations

from dataclasses import dataclass, replace

from knockbot.domain.model import Request
from knockbot.domain.notices import Notice
from knockbot.domain.policy import Reasons
from knockbot.domain.remarks import Extent
from knockbot.flow import place, remarks, tables
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import addressees, records, requests
from knockbot.store import waiting as store
from knockbot.store.addressees import Addressee
from knockbot.store.records import Entry


@dataclass(frozen=True, slots=True)
class Waiting:
    """A pending request, and what its room is called."""

    request: Request
    label: str
    hides_reason: bool = False
    """Whether the policy of its room hides reasons."""
    remarks: tuple[Notice, ...] = ()
    """What the moderators have made of it, in short."""
    off: Notice | None = None
    """If it is off the list for now: its number, and until when."""
    waits: bool = False
    """Whether it waits for an answer: not if it is off the list, or has one that is being carried out."""


@dataclass(frozen=True, slots=True)
class Story:
    """One request, with all that is known about it."""

    request: Request
    label: str
    history: tuple[Entry, ...] = ()
    """What is on record about it, oldest first."""
    sent_to: Addressee | None = None
    """The address that the bot's own invite was sent to."""
    remarks: tuple[Notice, ...] = ()
    """What the moderators have made of it."""


@dataclass(frozen=True, slots=True)
class Invite:
    """A third-party invite that is pending or accepted."""

    request: Request
    sent_to: Addressee | None = None


async def waiting(context: Context, management_room: str, only: str | None = None) -> tuple[Waiting, ...]:
    """The pending requests of the rooms managed from here, or of one of them; oldest first."""
    async with context.db.tx() as tx:
        managed = {there.room_id: there for there in await place.managed_by(context, tx, management_room)}
        found = [one for one in await requests.pending(tx, management_room, only) if one.room_id in managed]
        said = await remarks.of(context, tx, found, Extent.ROW)
        off = await tables.put_off(context, tx, found)
        waits = await store.ids(tx, management_room, context.now())
    each = [_waiting(one, managed[one.room_id], waits) for one in found]
    return tuple(replace(one, remarks=said.get(one.request.id, ()), off=off.get(one.request.id)) for one in each)


def _waiting(request: Request, there: Place, waits: frozenset[int]) -> Waiting:
    return Waiting(request, there.label, there.settings.reasons is Reasons.HIDDEN, waits=request.id in waits)


async def story(context: Context, request: Request) -> Story:
    """All that is known about a request."""
    async with context.db.tx() as tx:
        known = await addressees.of_room(tx, request.room_id) if request.invite is not None else {}
        history = await records.of_request(tx, request.id)
        said = await remarks.of(context, tx, [request], Extent.WHOLE)
        there = await place.find(context, tx, request.room_id)
    label = there.label if there is not None else request.room_id
    sent_to = known.get(request.invite.token) if request.invite is not None else None
    return Story(request, label, tuple(history), sent_to, said.get(request.id, ()))


async def invites(context: Context, room_id: str) -> tuple[Invite, ...]:
    """The third-party invites of a room that are pending or accepted."""
    async with context.db.tx() as tx:
        found = await requests.invites_of(tx, room_id, held=False)
        known = await addressees.of_room(tx, room_id)
    return tuple(Invite(one, known.get(one.invite.token) if one.invite is not None else None) for one in found)
