"""The lists that the rooms managed from one management room use: what is on them, how old that is, what is amiss."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from knockbot.domain.listed import PolicyList
from knockbot.domain.lists import Entry
from knockbot.domain.notices import Id, Notice, Stranger, notice
from knockbot.domain.upgrades import RoomUpgrade
from knockbot.features.lists import behind, using
from knockbot.flow import place
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.store import lists, room_upgrades
from knockbot.store.db import Tx
from knockbot.store.lists import Counts, ListRoom

EXAMPLES = 3
"""Entries that are shown of those that name everybody."""

REASONS = 5
"""Reasons that are shown of those for which entries do nothing."""


@dataclass(frozen=True, slots=True)
class Use:
    """A protected room that uses a list, and what its policy says of it."""

    there: Place
    one: PolicyList
    moved: RoomUpgrade | None = None
    """Where its room has moved to, if the policy does not use the new one."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One list."""

    room_id: str | None
    """None where it is not known which room it is."""
    uses: tuple[Use, ...]
    known: ListRoom | None
    """None where it is not followed yet."""
    counts: Counts | None
    unusable: tuple[tuple[Notice, int], ...] = ()
    """Why entries do nothing, and how many each time."""
    everybody: tuple[Entry, ...] = ()
    behind: bool = False
    """Whether something of it is not taken in yet."""

    @property
    def name(self) -> str:
        """What the first policy calls it."""
        return self.uses[0].one.name


async def managed(context: Context, management_room: str, only: str | None = None) -> list[Shown]:
    """The lists of all rooms managed from here, or of one of them."""
    async with context.db.tx() as tx:
        uses: dict[str, tuple[str | None, list[Use]]] = {}
        for there in await place.managed_by(context, tx, management_room):
            if only not in (None, there.room_id):
                continue
            for origin, named in (await using.of_place(context, tx, there)).items():
                for one, room_id in named:
                    moved = await _moved(tx, there, origin, room_id) if room_id is not None else None
                    uses.setdefault(room_id or one.room, (room_id, []))[1].append(Use(there, one, moved))
        found = []
        for room_id, used in uses.values():
            known = await lists.find(tx, room_id) if room_id is not None else None
            if room_id is None or known is None:
                found.append(Shown(room_id, tuple(used), None, None))
                continue
            counts = await lists.counts(tx, room_id)
            unusable = await lists.unusable(tx, room_id, REASONS)
            everybody = (await lists.everything(tx, room_id, 0, known.version))[:EXAMPLES]
            is_behind = await behind.looked_up(context, tx, room_id) is not None
            found.append(Shown(room_id, tuple(used), known, counts, tuple(unusable), tuple(everybody), is_behind))
        return found


async def _moved(tx: Tx, there: Place, origin: str | None, room_id: str) -> RoomUpgrade | None:
    """What is known of the replacement of a list's room; `origin` is the room whose policy names the list."""
    by = there.layers[0].room_id if origin is using.FIRST and there.layers else origin
    return await room_upgrades.find(tx, room_id, by or there.room_id)


async def twice(context: Context, tx: Tx, room_id: str) -> list[Notice]:
    """The lists that decide in a protected room and have a second name."""
    return _twice(await _used(context, tx, room_id))


async def amiss(context: Context, tx: Tx, room_id: str) -> list[Notice]:
    """What is amiss with the lists of a protected room: a second name, and why one cannot be followed now."""
    used = await _used(context, tx, room_id)
    called = {one.room_id: one.one.name for one in reversed(used)}
    known = [await lists.find(tx, one) for one in called]
    return [
        *_twice(used),
        *(
            notice("policy_list.not_followed", name=Stranger(called[one.room_id]), id=Id(one.room_id), why=one.trouble)
            for one in known
            if one is not None and one.trouble is not None
        ),
    ]


async def _used(context: Context, tx: Tx, room_id: str) -> list[using.Used]:
    there = await place.find(context, tx, room_id)
    return await using.in_room(context, tx, there) if there is not None else []


def _twice(used: Iterable[using.Used]) -> list[Notice]:
    return [
        notice("policy_list.twice", name=Stranger(one.name), first=Stranger(one.same_as), id=Id(used_in))
        for one, used_in in ((one.one, one.room_id) for one in used)
        if one.same_as
    ]
