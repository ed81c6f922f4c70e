"""What a policy list says of somebody: asked of memory, which takes in what other processes have changed.

Each look asks the database for the version of the list alone. If it has moved on, the rows that came and went since are
taken in; if those are no longer there, all of them are. Only what is hit is read as a whole.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Final

from knockbot.domain.entities import Entities, Search
from knockbot.domain.lists import EntityKind, Entry, Hit, Name, Subject, names_of_room, names_of_user
from knockbot.domain.notices import because
from knockbot.errors import KnockbotError, Later
from knockbot.flow.context import Context
from knockbot.flow.listed import ListInMemory
from knockbot.store import lists
from knockbot.store.db import Tx
from knockbot.store.lists import Held, ListState, Place

AT_ONCE: Final = 2_000
"""Globs that are compared where they are asked for, and not in a thread: a few milliseconds."""

LOOKUPS_AT_ONCE: Final = 10_000
"""The same for look-ups in tables."""


ATTEMPTS: Final = 5
"""How often what memory says is looked for on record, where it went meanwhile."""


class Unread(KnockbotError):
    """Nobody knows yet what this list says: its room is not followed, or was not read as a whole yet."""


async def match(
    context: Context,
    list_room_id: str,
    user_id: str,
    *,
    allow_everything: bool = False,
    at_expense_of: str | None = None,
    known: ListState | None = None,
) -> Hit | None:
    """What a list says of a user; `None` if it says nothing. `known` is the list as it was a moment ago: that spares
    asking.

    Of several entries, one without wildcards comes first, then one about the user, then the first by the alphabet, then
    a ban. What is about everybody counts only with `allow_everything`, and comes last. What takes long is done at the
    expense of a room, or of the list itself. Raises `Unread`, and `Later`: `Busy` if that room has to wait.
    """
    names = names_of_user(user_id)
    payer = at_expense_of or list_room_id
    return await _match(context, list_room_id, names, allow_everything, payer, known=known)


async def match_room(
    context: Context, list_room_id: str, room_id: str, *, allow_everything: bool = False
) -> Hit | None:
    """The same for a room."""
    return await _match(context, list_room_id, names_of_room(room_id), allow_everything, list_room_id)


async def _match(
    context: Context,
    list_room_id: str,
    names: Sequence[Name],
    allow_everything: bool,
    payer: str,
    *,
    known: ListState | None = None,
) -> Hit | None:
    lock = context.listed.lock(list_room_id)
    known = known if not lock.locked() else None  # to wait for it may take long
    for _ in range(ATTEMPTS):
        async with lock:
            entities, known = await up_to_date(context, list_room_id, known), None
            subjects = await _found(context, entities, names, payer)
            if not subjects and allow_everything:
                subjects = _about_everybody(entities, names)
        if not subjects:
            return None
        async with context.db.statement() as tx:
            entries = await lists.about(tx, list_room_id, subjects)
        if entries:
            return _chosen(entries, subjects)
    context.listed.forget(list_room_id)  # they went a moment ago, each time; or memory is not what is on record
    raise Later(because("unknown.list_changes"), unreachable=True)


def _about_everybody(entities: Entities, names: Sequence[Name]) -> dict[Subject, str]:
    kinds = {name.kind for name in names}
    first = min((subject for subject in entities.everything if subject[0] in kinds), key=_order, default=None)
    return {first: ""} if first is not None else {}


def _order(subject: Subject) -> tuple[int, str]:
    return KINDS[subject[0]], subject[1]


KINDS: Final = {kind: place for place, kind in enumerate(EntityKind)}
"""The order of the kinds: users first."""


async def _found(context: Context, entities: Entities, names: Sequence[Name], payer: str) -> dict[Subject, str]:
    """The subjects that mean one of these names: those without wildcards, or else one glob."""
    literals = entities.literals(names)
    if literals:
        return literals
    if entities.lookups(names) > LOOKUPS_AT_ONCE:
        glob = await context.workbench.work_out(payer, lambda: entities.search(names).first())
    else:
        search = entities.search(names)
        glob = await _compared(context, search, payer)
    return {glob: ""} if glob is not None else {}


async def _compared(context: Context, search: Search, payer: str) -> Subject | None:
    return search.first() if search.left <= AT_ONCE else await context.workbench.work_out(payer, search.first)


def _chosen(entries: Sequence[Entry], subjects: Mapping[Subject, str]) -> Hit:
    """The entry that counts, by the order that `match` tells."""
    first = min(entries, key=lambda entry: (_order(entry.subject), entry.recommendation, entry.key))
    return Hit(first.entity or subjects[first.subject], first.kind, first.recommendation, first.reason, first.key)


# --- in memory --------------------------------------------------------------------------------------------------


async def up_to_date(context: Context, room_id: str, known: ListState | None = None) -> Entities:
    """The entities of a list as they are now, by a caller who holds its lock. Raises `Unread`.

    Where memory is of the version that is `known`, nothing is asked.
    """
    held = context.listed.find(room_id)
    if held is not None and known is not None and _is_of(held, known):
        return held.entities
    while True:
        async with context.db.statement() as tx:
            room = await lists.find(tx, room_id)
        if room is None or room.read_at is None:
            context.listed.forget(room_id)
            raise Unread
        held = context.listed.find(room_id)
        if held is not None and (held.since != room.since or held.relies_on < room.pruned):
            held = None
        if held is not None and held.version == room.version:
            held.relies_on = held.version
            return held.entities
        context.listed.forget(room_id)  # where taking it in fails half-way, all is read anew
        context.listed.keep(room_id, await (_read(context, room) if held is None else _caught_up(context, held, room)))


def _is_of(held: ListInMemory, room: ListState) -> bool:
    return (held.since, held.version) == (room.since, room.version) and held.relies_on >= room.pruned


async def _read(context: Context, room: ListState) -> ListInMemory:
    """A list as the database has it."""
    held = ListInMemory(room.since, room.version, relies_on=room.version)
    async for one in _rows(context, lists.came, room, since=0):
        held.entities.add(one.subject, everything=one.everything)
    return held


async def _caught_up(context: Context, held: ListInMemory, room: ListState) -> ListInMemory:
    """A list after the changes since its version."""
    async for one in _rows(context, lists.went, room, held.version):
        held.entities.remove(one.subject, everything=one.everything)
    async for one in _rows(context, lists.came, room, held.version):
        held.entities.add(one.subject, everything=one.everything)
    return ListInMemory(room.since, room.version, relies_on=held.version, entities=held.entities)


Some = Callable[[Tx, str, int, int, Place | None], Awaitable[Sequence[Held]]]
"""The next portion of the rows that came, or went, between two versions."""


async def _rows(context: Context, some: Some, room: ListState, since: int) -> AsyncIterator[Held]:
    """All of them; others have their turn in between."""
    after: Place | None = None
    while True:
        async with context.db.statement() as tx:
            rows = await some(tx, room.room_id, since, room.version, after)
        for row in rows:
            yield row
        if len(rows) < lists.PORTION:
            return
        after = rows[-1].place
