"""Where the aliases in policies and the config file lead now: a changed alias changes nothing, and is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from knockbot.domain.ids import is_alias
from knockbot.domain.layers import ends
from knockbot.domain.notices import Arg, Choice, Code, Id, Many, Notice, Number, Room, listed, notice
from knockbot.errors import ActionError
from knockbot.flow import rules, saying
from knockbot.flow.context import Context, log
from knockbot.flow.rules import Layer
from knockbot.flow.saying import Audience
from knockbot.store import layers, pins, room_upgrades, rooms
from knockbot.store.db import Tx
from knockbot.store.pins import Pin
from knockbot.store.rooms import ProtectedRoom

AT_ONCE = 4
"""Aliases that are looked up at the same time: some servers take long to answer."""


@dataclass(frozen=True, slots=True)
class Named:
    """A pin in force, and the protected room that it is about; `None` for the config file's default policy."""

    pin: Pin
    room: ProtectedRoom | None


async def in_force(context: Context, tx: Tx) -> list[Named]:
    """Every pin that decides something now."""
    protected = await rooms.all_rooms(tx)
    found = {(pin.place, pin.name): Named(pin, None) for pin in (await pins.at(tx, pins.DEFAULT_POLICY)).values()}
    for room in protected:
        for pin in [*(await rules.named(tx, room.room_id)).values(), *await of_entry(context, tx, room)]:
            found.setdefault((pin.place, pin.name), Named(pin, room))
    return list(found.values())


async def of_entry(context: Context, tx: Tx, room: ProtectedRoom) -> list[Pin]:
    """The pins by which the config file names a protected room and its management room."""
    if not room.locked:
        return []
    config = await pins.of_the_config(tx)
    entries = {pins.of_entry(name) for name in context.settings.rooms}
    by_name = [pin for pin in config if pin.place in entries and pin.room_id == room.room_id]
    return [*by_name, *(pin for pin in config if pin.place == pins.of_key(room.room_id, pins.MANAGEMENT_ROOM))]


async def leads(context: Context, aliases: Iterable[str]) -> dict[str, str]:
    """The room that each alias leads to now, or `NOWHERE`; aliases that cannot be looked up are left out."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def look(alias: str) -> tuple[str, str] | None:
        async with turns:
            try:
                return alias, (await context.elsewhere.resolve(context.outside, alias))[0]
            except ActionError as error:
                return (alias, pins.NOWHERE) if error.code == "M_NOT_FOUND" else None

    with context.elsewhere.without_a_place():
        found = await asyncio.gather(*(look(alias) for alias in sorted(set(aliases))))
    return dict(one for one in found if one is not None)


async def look_again(context: Context) -> None:
    """Look up all pinned aliases, and tell once about each that leads to another room."""
    async with context.db.tx() as tx:
        named = [one for one in await in_force(context, tx) if is_alias(one.pin.name)]
    found = await leads(context, (one.pin.name for one in named))
    for one in named:
        if one.pin.name in found:
            await _note(context, one, seen(one.pin, found).leads_to)


def seen(pin: Pin, found: Mapping[str, str]) -> Pin:
    """A pin, with the room that its alias was found to lead to."""
    lead = found.get(pin.name, pin.leads_to)
    return replace(pin, leads_to=lead if lead != pin.room_id else None)


async def _note(context: Context, one: Named, leads_to: str | None) -> None:
    pin, room = one.pin, one.room
    if pin.leads_to == leads_to:
        return
    async with context.turn() as turn:
        if not await pins.seen(turn.tx, pin, leads_to):
            return
        now = (leads_to or "no room") if leads_to is not None else f"{pin.room_id} again"
        log.warning("the alias %s leads to %s now; for %s it means %s", pin.name, now, pin.place, pin.room_id)
        if leads_to and room is not None and not await _is_its_replacement(turn.tx, pin, room, leads_to):
            text = notice(
                "named.alias_moved",
                where=Choice("config" if pin.place.startswith(pins.CONFIG) else "policy"),
                room=Room(room.room_id, room.label),
                alias=Id(pin.name),
                pinned=Id(pin.room_id),
                other=Id(leads_to),
            )
            occasion = f"alias:{pin.place}:{pin.name}:{leads_to}:{turn.now}"
            await saying.say(context, turn, Audience(room.management_room), occasion, text)


async def _is_its_replacement(tx: Tx, pin: Pin, room: ProtectedRoom, leads_to: str) -> bool:
    """Whether the alias moved with a room that was replaced; the bot reports that, and asks about it, on its own."""
    known = [await room_upgrades.find(tx, pin.room_id), await room_upgrades.find(tx, pin.room_id, room.room_id)]
    return any(upgrade is not None and upgrade.replacement == leads_to for upgrade in known)


# --- for people -----------------------------------------------------------------------------------------------


async def of_policies(tx: Tx, layers: Iterable[Layer]) -> list[Notice]:
    """The room that each alias in these policies means, and those that are not known yet."""
    return [said for layer in layers for said in await of_policy(tx, layer)]


async def of_policy(tx: Tx, layer: Layer) -> list[Notice]:
    """The room that each alias in a policy means, and those that are not known yet."""
    names, pinned = layer.policy.rooms_named, await pins.at(tx, layer.place)
    return [
        said(pinned[name]) if name in pinned else notice("named.not_known_yet", name=Id(name))
        for name in names
        if name in pinned or is_alias(name)
    ]


async def of_room(context: Context, tx: Tx, room: ProtectedRoom) -> list[Notice]:
    """The names of the config file for a room, and the names in its policy that have changed."""
    decide = await layers.of(tx, room.room_id)
    places = [pins.of_revision(layer.room_id, layer.revision) for layer in decide]
    if not ends([layer.settings for layer in decide]):
        places.append(pins.DEFAULT_POLICY)
    named = [pin for place in places for pin in (await pins.at(tx, place)).values()]
    moved = [pin for pin in named if pin.leads_to is not None]
    return [said(pin) for pin in [*await of_entry(context, tx, room), *moved]]


def said(pin: Pin) -> Notice:
    """What a name means, and where its alias leads now."""
    name, room = Id(pin.name), Id(pin.room_id)
    if pin.leads_to is None:
        return notice("named.means", name=name, room=room)
    if not pin.leads_to:
        return notice("named.leads_nowhere", name=name, room=room)
    return notice("named.leads_elsewhere", name=name, room=room, other=Id(pin.leads_to))


def means(name: str, room_id: str, before: str | None) -> Notice:
    """The room that a name means in one place, and the room that it meant before."""
    if before in (None, room_id):
        return notice("named.means", name=Id(name), room=Id(room_id))
    return notice("named.means_now", name=Id(name), room=Id(room_id), before=Id(before or ""))


MOST_TO_PROTECT = 10
"""Commands that one message lists to be copied."""


def to_protect(managed: Sequence[ProtectedRoom]) -> Many:
    """The commands that protect these rooms from another management room."""
    commands: list[Arg] = [Code(f"!kb protect {room.room_id}") for room in managed[:MOST_TO_PROTECT]]
    more = len(managed) - MOST_TO_PROTECT
    return listed([*commands, notice("list.more", count=Number(more))] if more > 0 else commands)
