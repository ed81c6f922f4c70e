"""What moderators are told of the lists that their policies use: each thing once, in each of their management rooms."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from knockbot.documents.text import storable
from knockbot.domain import writers as who_may_write
from knockbot.domain.lists import Entry
from knockbot.domain.notices import Arg, Id, Many, Notice, Number, Stranger, User, notice
from knockbot.domain.reasons import quoted
from knockbot.domain.writers import Changed, Writers
from knockbot.engine.turn import Turn
from knockbot.features.lists import using
from knockbot.features.lists.using import Used
from knockbot.flow import saying
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.saying import Audience
from knockbot.store import lists, timers
from knockbot.store.db import Tx
from knockbot.store.lists import Counts, ListRoom

MANY: Final = 20
"""Entries from which on it is told that a list has lost half of them."""

NAMED: Final = 3
"""How many examples are named."""


REPLY: Final = "list_hits"
"""The timer that tells of a list in reply to whoever has named it (`hits.py`)."""


async def without_reply(tx: Tx, users: Sequence[Used]) -> list[Used]:
    """Those uses of a list whose moderators are not about to be told of it in reply to who has named it."""
    told = [json.loads(timer.about) for timer in await timers.of_kind(tx, REPLY)]
    replied = {(one["room_id"], one["list_room"]) for one in told}
    return [used for used in users if replied.isdisjoint((one, used.room_id) for one in _decide_in(used.there))]


def _decide_in(there: Place) -> set[str]:
    """The rooms whose policies decide in a room."""
    return {there.room_id, *(layer.room_id for layer in there.layers)}


async def tell(
    context: Context, turn: Turn, users: Iterable[Used], occasion: str, said: Callable[[Used], Notice], *, aloud: bool
) -> None:
    """Tell the moderators of every room that uses a list, once in each management room."""
    told: set[str] = set()
    for used in users:
        there = used.there
        if there.management_room in told:
            continue
        told.add(there.management_room)
        if aloud:
            await saying.alarm(context, turn, there.room_id, f"{occasion}:{there.management_room}", said(used))
        else:
            to = Audience(there.management_room, place=there.room_id)
            await saying.say(context, turn, to, f"{occasion}:{there.management_room}", said(used))


async def lost(context: Context, turn: Turn, room_id: str, why: Notice, occasion: str) -> None:
    """A list cannot be followed now: alarm once. What is known of it stays in force."""
    if not await lists.set_trouble(turn.tx, room_id, why):
        return
    users = await using.of_list(context, turn.tx, room_id)
    known, bot = await lists.find(turn.tx, room_id), User(context.bot)
    read = known is not None and known.read_at is not None
    await tell(
        context,
        turn,
        users,
        f"list lost:{room_id}:{occasion}",
        lambda used: _lost(used, why, bot) if read else _never_read(used, why, bot),
        aloud=True,
    )


def _lost(used: Used, why: Notice, bot: User) -> Notice:
    return notice("policy_list.lost", name=Stranger(used.one.name), id=Id(used.room_id), why=why, bot=bot)


def _never_read(used: Used, why: Notice, bot: User) -> Notice:
    return notice("policy_list.never_read", name=Stranger(used.one.name), id=Id(used.room_id), why=why, bot=bot)


async def writers(context: Context, room_id: str) -> Writers:
    """Who can write entries of a list now, by power. May raise `Later` and `Never`."""
    found = who_may_write.writers(await context.outside.powers(room_id))
    return Writers(found.everybody, frozenset(map(storable, found.users)))


async def whose(context: Context, turn: Turn, room_id: str, now: Writers, occasion: str) -> None:
    """Others than before can write entries of a list: tell it once."""
    known = await lists.find(turn.tx, room_id)
    if known is None or known.writers == now:
        return
    await lists.set_writers(turn.tx, room_id, now)
    users = await using.of_list(context, turn.tx, room_id)
    occasion = f"list writers:{room_id}:{occasion}"
    if known.writers is None and now.everybody:
        new = await without_reply(turn.tx, users)
        await tell(context, turn, new, occasion, _open_to_all, aloud=True)
    changed = who_may_write.changed(known.writers, now) if known.writers is not None else None
    if changed is None:
        return
    await tell(context, turn, users, occasion, lambda used: _other_writers(used, changed), aloud=changed.opened)


def _open_to_all(used: Used) -> Notice:
    return notice("policy_list.opened", name=Stranger(used.one.name), id=Id(used.room_id))


def _other_writers(used: Used, changed: Changed) -> Notice:
    name = Stranger(used.one.name)
    if changed.opened:
        return _open_to_all(used)
    if changed.closed:
        return notice("policy_list.closed", name=name, users=people(sorted(changed.now.users)))
    came, went = people(sorted(changed.came)), people(sorted(changed.went))
    return notice("policy_list.other_writers", name=name, came=came, went=went)


def people(users: Sequence[str], most: int = NAMED) -> Notice:
    """Users, the first ones by name."""
    if not users:
        return notice("policy_list.nobody")
    named, more = Many(tuple(User(user) for user in users[:most])), len(users) - most
    return (
        notice("policy_list.people_more", users=named, more=Number(more))
        if more > 0
        else notice("policy_list.people", users=named)
    )


# --- what changed in it ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Changes:
    """A list as it was looked at after changes, and where it is used."""

    known: ListRoom
    counts: Counts
    users: Sequence[Used]

    @property
    def entries(self) -> int:
        """How many usable entries it has."""
        return sum(self.counts.usable.values())

    @property
    def shrunk(self) -> bool:
        """Whether it lost half of its entries or more."""
        return self.known.told_entries >= MANY and self.entries * 2 <= self.known.told_entries


async def changes(context: Context, turn: Turn, found: Changes) -> None:
    """Tell what is odd about the changes of a list: that it lost half of its entries, or names everybody."""
    known = found.known
    if found.shrunk:
        await _shrunk(context, turn, found)
    everybody = await lists.everything(turn.tx, known.room_id, known.told_version, known.version)
    if everybody:
        await _names_everybody(context, turn, found, everybody)
    await lists.told(
        turn.tx,
        known.room_id,
        version=known.version,
        entries=found.entries,
        changed_at=turn.now if known.version != known.told_version else None,
    )


def _occasion(known: ListRoom) -> str:
    return f"{known.room_id}:{known.since}:{known.version}"


async def _shrunk(context: Context, turn: Turn, found: Changes) -> None:
    before = found.known.told_entries
    gone = Number(before - found.entries)
    await tell(
        context,
        turn,
        found.users,
        f"list shrunk:{_occasion(found.known)}",
        lambda used: notice("policy_list.shrunk", name=Stranger(used.one.name), lost=gone, before=Number(before)),
        aloud=False,
    )


async def _names_everybody(context: Context, turn: Turn, found: Changes, entries: Sequence[Entry]) -> None:
    """Tell of entries that came since the last time: many that came in one go are one line."""
    users = await without_reply(turn.tx, [used for used in found.users if not used.one.allow_everything])
    occasion = f"list everybody:{_occasion(found.known)}"
    await tell(context, turn, users, occasion, lambda used: names_everybody(used.one.name, entries), aloud=False)


def names_everybody(name: str, entries: Sequence[Entry]) -> Notice:
    """That entries of a list name everybody, the first ones by name."""
    shown: list[Arg] = [quoted(entry.entity or "") for entry in entries[:NAMED]]
    more = len(entries) - NAMED
    entities = Many((*shown, *((notice("list.more", count=Number(more)),) if more > 0 else ())))
    return notice("policy_list.names_everybody", name=Stranger(name), entities=entities)
