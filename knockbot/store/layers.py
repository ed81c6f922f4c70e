"""Layers on record: which policies decide in a room, its own and those of the spaces above it, without their texts.

What they set beside their rules is stored beside their texts, so no text has to be read, and no policy compiled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from knockbot.domain.layers import MOST
from knockbot.domain.policy import RoomSettings
from knockbot.store.db import Tx
from knockbot.store.policies import settings_read
from knockbot.store.rows import Column, Row, optional


@dataclass(frozen=True, slots=True)
class LayerOnRecord:
    """The policy of a room: the revision in force, its author, and what it sets beside its rules."""

    room_id: str
    label: str
    """What people call the room."""
    revision: int
    author: str
    settings: RoomSettings


@dataclass(frozen=True, slots=True)
class Step:
    """A protected room on the way up from a room to its space: its own policy, if it has one, and its own space."""

    room_id: str
    label: str
    space: str | None
    revision: int | None
    author: str | None
    settings: RoomSettings | None

    @property
    def own(self) -> LayerOnRecord | None:
        """Its own policy."""
        if self.revision is None or self.author is None or self.settings is None:
            return None
        return LayerOnRecord(self.room_id, self.label, self.revision, self.author, self.settings)


NEWEST = (
    "policies ON policies.room_id = rooms.room_id "
    "AND policies.revision = (SELECT max(revision) FROM policies WHERE room_id = rooms.room_id)"
)
"""A room's policy in force, to be joined with the room."""

STEP = Row(
    Step,
    "rooms",
    room_id="rooms.room_id",
    revision="policies.revision",
    author="policies.author",
    settings=Column("policies.settings_json", optional(settings_read)),
)
_FROM = f"{STEP.select} LEFT JOIN {NEWEST}"

_OWN = Row(
    LayerOnRecord,
    "policies",
    room_id="policies.room_id",
    label=Column("coalesce(rooms.label, policies.room_id) AS label"),
    settings=Column("settings_json", settings_read),
)


async def own(tx: Tx, room_id: str) -> LayerOnRecord | None:
    """The room's own policy in force, whether the room is protected or not."""
    row = await tx.fetchrow(
        f"{_OWN.select} LEFT JOIN rooms ON rooms.room_id = policies.room_id "
        "WHERE policies.room_id = $1 ORDER BY revision DESC LIMIT 1",
        room_id,
    )
    return _OWN.maybe(row)


async def of(tx: Tx, room_id: str) -> tuple[LayerOnRecord, ...]:
    """The policies that decide in a room, in their order. Without any, or if the last one inherits, the default policy
    of the config file decides at the end."""
    mine = await own(tx, room_id)
    if mine is not None and not mine.settings.inherit:
        return (mine,)
    return ((mine,) if mine is not None else ()) + await of_spaces(tx, room_id)


async def of_spaces(tx: Tx, room_id: str, space: str | None = None) -> tuple[LayerOnRecord, ...]:
    """The policies of the spaces above a room that decide there if its own does not decide all.

    `space` is the one that it is about to belong to, if it belongs to none yet.
    """
    step = STEP.maybe(await tx.fetchrow(f"{_FROM} WHERE rooms.room_id = $1", room_id))
    space = step.space if step is not None and step.space is not None else space
    if space is None:
        return ()
    look = space_of(tx, room_id if step is not None and step.space is not None else space)
    return await above(Step(room_id, "", space, None, None, None), look)


async def beyond(tx: Tx, room_id: str) -> tuple[LayerOnRecord, ...]:
    """The policies of the spaces above a room that decide there where its own policy inherits."""
    step = STEP.maybe(await tx.fetchrow(f"{_FROM} WHERE rooms.room_id = $1", room_id))
    return await above(replace(step, revision=None), space_of(tx, room_id)) if step is not None else ()


def space_of(tx: Tx, room_id: str) -> LookUp:
    """Looks up the spaces above a room; those that are managed from another room are not found."""

    async def look(space: str) -> Step | None:
        same = "management_room = (SELECT management_room FROM rooms AS below WHERE below.room_id = $2)"
        return STEP.maybe(await tx.fetchrow(f"{_FROM} WHERE rooms.room_id = $1 AND {same}", space, room_id))

    return look


LookUp: TypeAlias = Callable[[str], Awaitable[Step | None]]


async def above(room: Step, look: LookUp) -> tuple[LayerOnRecord, ...]:
    """A room's own policy, and the policies of the spaces above it as far as they decide there.

    A space without a policy of its own takes that of its space. Spaces in a circle end the search.
    """
    layers, passed, step = [], set[str](), room
    while True:
        passed.add(step.room_id)
        layers += [step.own] if step.own is not None else []
        goes_on = step.own is None or step.own.settings.inherit
        if not goes_on or step.space is None or step.space in passed or len(passed) > MOST:
            return tuple(layers)
        found = await look(step.space)
        if found is None:
            return tuple(layers)
        step = found
