"""What the records say of an applicant: what was decided about them before, and how many knock from their server."""

from __future__ import annotations

from knockbot.domain import dossier
from knockbot.domain.ids import server_of
from knockbot.domain.model import Counting, Fact, Request, Where
from knockbot.domain.notices import Notice, Room
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import dossiers, knocks, requests, rooms
from knockbot.store.db import Tx
from knockbot.times import DAY


async def decided(context: Context, there: Place, request: Request) -> Notice | None:
    """What was decided before about the applicant, in the rooms managed from here.

    One decision that the card shows anyway, as the result of the request before this one, is not repeated.
    """
    async with context.db.tx() as tx:
        found = await dossiers.decided(tx, there.management_room, request, dossier.MOST_DECIDED)
        if not found:
            return None
        shown = await requests.settled_before(tx, request) if await _is_alone(tx, request) else None
        managed = await rooms.managed_by(tx, there.management_room)
    if shown is not None and [one.request_id for one in found] == [shown.id]:
        return None
    called = {one.room_id: Room(one.room_id, one.label) for one in managed}
    return dossier.decided_before(found, called, request, shown.id if shown is not None else None)


async def _is_alone(tx: Tx, request: Request) -> bool:
    """Whether the card of a request shows it alone: one that several share does not say what came before."""
    return request.card_id is None or await requests.count_on_card(tx, request.card_id) == 1


async def server(context: Context, _: Place, request: Request) -> Notice | None:
    """How many knocks came from the applicant's server within a day, at the rooms managed from here; of our own server,
    where most applicants may be, it says nothing."""
    name = server_of(request.user_id)
    if name == context.home:
        return None
    async with context.db.tx() as tx:
        others = await knocks.others(tx, TODAY, request.knock, None, until=context.now(), most=dossier.MOST_COUNTED - 1)
    return dossier.from_server(name, 1 + others)


TODAY = Counting(Fact.SERVER_KNOCKS, Where.MANAGED, DAY)
