"""The rooms that names meant when they were pinned: each place that names rooms has its own pins.

A place is a revision of a room's policy, or an entry of the config file. What a name means elsewhere, or later, changes
nothing there (docs/decisions/0020).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from knockbot.store.db import Tx
from knockbot.store.rows import Row

CONFIG = "config "
"""What the places of the config file begin with."""

DEFAULT_POLICY = f"{CONFIG}defaults.policy"

MANAGEMENT_ROOM, POLICY = "management_room", "policy"
"""The keys of an entry that name rooms."""

NOWHERE = ""


@dataclass(frozen=True, slots=True)
class Pin:
    """The room that a name means in one place."""

    place: str
    name: str
    room_id: str
    leads_to: str | None = None
    """Where the alias led when it was last looked up, if that was elsewhere: another room, or `NOWHERE`."""


def of_revision(room_id: str, revision: int) -> str:
    """The place of one revision of a room's policy."""
    return f"policy {room_id} {revision}"


def of_entry(name: str) -> str:
    """The place of the name of an entry under `rooms:` of the config file."""
    return f"{CONFIG}rooms {name}"


def of_key(room_id: str, key: str) -> str:
    """The place of a key of the entry for a room: the same for every name that the entry gives that room."""
    return f"{CONFIG}rooms {room_id} {key}"


_PIN = Row(Pin, "pins")


async def at(tx: Tx, place: str) -> dict[str, Pin]:
    """The pins of one place, by name."""
    rows = await tx.fetch(f"{_PIN.select} WHERE place = $1 ORDER BY name", place)
    return {pin.name: pin for pin in _PIN.all(rows)}


async def meant(tx: Tx, place: str) -> dict[str, str]:
    """The rooms of the names that are pinned in one place; for all other names see `ids.room_meant`."""
    return {name: pin.room_id for name, pin in (await at(tx, place)).items()}


async def of_the_config(tx: Tx) -> list[Pin]:
    """All pins of the config file."""
    return _PIN.all(await tx.fetch(f"{_PIN.select} WHERE place LIKE '{CONFIG}%' ORDER BY place"))


async def take(tx: Tx, place: str, meant: Mapping[str, str]) -> None:
    """Pin names in a place; a name that is pinned there already keeps its room."""
    await tx.executemany(
        "INSERT INTO pins (place, name, room_id) VALUES ($1, $2, $3) ON CONFLICT (place, name) DO NOTHING",
        [(place, name, room_id) for name, room_id in meant.items()],
    )


async def drop(tx: Tx, gone: Iterable[Pin]) -> None:
    """Forget pins whose place does not name them any more."""
    await tx.executemany("DELETE FROM pins WHERE place = $1 AND name = $2", [(pin.place, pin.name) for pin in gone])


async def seen(tx: Tx, pin: Pin, leads_to: str | None) -> bool:
    """Note where an alias leads now; true if that is news."""
    row = await tx.fetchrow(
        "UPDATE pins SET leads_to = $3 WHERE place = $1 AND name = $2 AND coalesce(leads_to, '-') <> coalesce($3, '-') "
        "RETURNING name",
        pin.place,
        pin.name,
        leads_to,
    )
    return row is not None
