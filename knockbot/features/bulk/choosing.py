"""Choosing the requests of a batch, and who is left out: before it is confirmed, and again at the moment of each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from knockbot.domain import may
from knockbot.domain.acl import ServerAcl
from knockbot.domain.batches import Batch, Item, Left, left_out
from knockbot.domain.may import ANSWERS
from knockbot.domain.model import Request, Verdict, Wish
from knockbot.domain.power import Powers
from knockbot.domain.votes import Vote
from knockbot.errors import Never, Refused
from knockbot.flow import answering, authority, settling, tables
from knockbot.flow.authority import Wanted
from knockbot.flow.context import Context
from knockbot.flow.place import Place


@dataclass(frozen=True, slots=True)
class _Door:
    """What one room allows, looked up once."""

    powers: Powers
    acl: ServerAcl | None


@dataclass(slots=True)
class Rights:
    """What somebody and the bot may do at the rooms of a batch, as it is when it is asked about: each room is looked at
    once. Whether an answer may be given is looked at again at its moment."""

    context: Context
    by: str
    verdict: Verdict
    _doors: dict[tuple[str, may.Deed], _Door | None] = field(default_factory=dict)

    async def allow(self, there: Place, request: Request) -> bool:
        """Whether this request may get the answer."""
        deed = ANSWERS[request.judged_as][self.verdict]
        key = there.room_id, deed
        if key not in self._doors:
            self._doors[key] = await self._look(there, deed)
        door = self._doors[key]
        if door is None:
            return False
        who = (self.by, self.context.bot)
        if any(may.shortfall(door.powers, deed, one, request.subject) is not None for one in who):
            return False
        return self.verdict is not Verdict.ACCEPT or not self._is_kept_out(there, door, request)

    def _is_kept_out(self, there: Place, door: _Door, request: Request) -> bool:
        denied = door.acl is not None and door.acl.denies_user(request.user_id, home=self.context.home)
        return denied or settling.leads_nowhere(request, there)

    async def _look(self, there: Place, deed: may.Deed) -> _Door | None:
        outside = self.context.outside
        try:
            await authority.insist(self.context, Wanted(deed, self.by, there.called))
            acl = await outside.server_acl(there.room_id) if self.verdict is Verdict.ACCEPT else None
            return _Door(await outside.powers(there.room_id), acl)
        except (Refused, Never):
            return None


async def left_at_first(context: Context, rights: Rights, there: Place, request: Request) -> Left | None:
    """Why a request that fits is left out before it is asked about; `None` if it is not. May raise `Later`."""
    known = left_out(rights.verdict, there.management_room, request.event_id, request)
    if known is not None:
        return known
    if not await rights.allow(there, request):
        return Left.POWER
    return await _spared(context, rights.verdict, request)


async def left_now(context: Context, batch: Batch, item: Item, request: Request) -> Left | None:
    """Why a request of a batch gets no answer now, when it is its turn; `None` if it gets one. May raise `Later`."""
    known = left_out(batch.verdict, batch.management_room, item.event_id, request)
    if known is not None:
        return known
    async with context.db.tx() as tx:
        if not await answering.is_managed(tx, request, batch.management_room):
            return Left.GONE
    try:
        await answering.insist(context, wish(batch, item), request)
    except (Refused, Never):
        return Left.POWER
    return await _spared(context, batch.verdict, request)


def wish(batch: Batch, item: Item) -> Wish:
    """What whoever asked for a batch wants for one of its requests."""
    return Wish(batch.given_by, batch.verdict, batch.answer_cause, batch.reason, knock=item.event_id, quiet=True)


def vote(batch: Batch, request: Request) -> Vote:
    """The vote that a batch would be on a request, where its answer takes several."""
    room, by, cause = batch.management_room, batch.given_by, batch.answer_cause
    return Vote(request.id, room, by, batch.verdict, cause, LAST, request.event_id, request.subject)


LAST: Final = 2**62
"""After every other vote."""


async def _spared(context: Context, verdict: Verdict, request: Request) -> Left | None:
    async with context.db.tx() as tx:
        if await tables.put_off(context, tx, [request]):
            return Left.DEFERRED
    if verdict is not Verdict.ACCEPT:
        return None
    why = await tables.kept_out(context, request.room_id, request.user_id, f"batch {request.id}")
    return Left.LISTED if why is not None else None
