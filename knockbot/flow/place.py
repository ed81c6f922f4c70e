"""Place: a protected room as one turn sees it, read once: its settings, the author of its policy, what replaces it.

What a policy says beside its rules is stored beside its text, so that no turn waits for a policy to be compiled. Code
that judges by the rules takes them from `rules.look_up`, before the turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from knockbot.domain.languages import Language, spoken_here
from knockbot.domain.notices import Room
from knockbot.domain.policy import RoomSettings
from knockbot.engine.turn import Turn
from knockbot.flow.context import Context
from knockbot.store import places, policies
from knockbot.store.db import Tx
from knockbot.store.places import PlaceOnRecord
from knockbot.store.rooms import ProtectedRoom


@dataclass(frozen=True, slots=True)
class Place:
    """A protected room, the settings in force there, and what replaces the room."""

    room: ProtectedRoom
    settings: RoomSettings
    language: Language
    """The language in which the bot writes to its moderators."""
    revision: int | None
    """The revision of the room's own policy; `None` where the default of the config file is in force."""
    author: str | None
    """With whose power its policy acts (`authority.py`); `None` for one of the config file, which acts for the bot."""
    replaced_by: str | None
    """The room that a tombstone names, which may be empty; `None` without a tombstone."""

    @property
    def room_id(self) -> str:
        """The protected room."""
        return self.room.room_id

    @property
    def label(self) -> str:
        """What people call it."""
        return self.room.label

    @property
    def called(self) -> Room:
        """The room, as notices name it."""
        return Room(self.room_id, self.label)

    @property
    def management_room(self) -> str:
        """Where its moderators meet the bot."""
        return self.room.management_room

    @property
    def is_replaced(self) -> bool:
        """Whether a tombstone says that the room is replaced: then the bot lets nobody in any more."""
        return self.replaced_by is not None


async def find(context: Context, tx: Tx, room_id: str) -> Place | None:
    """The protected room with this id, if it is one."""
    found = await places.find(tx, room_id)
    return _place(context, found) if found is not None else None


async def is_in_dry_run(context: Context, tx: Tx, room_id: str) -> bool:
    """Whether the policy of a protected room does nothing by itself."""
    there = await find(context, tx, room_id)
    return there is not None and there.settings.dry_run


async def of(context: Context, turn: Turn, room_id: str) -> Place | None:
    """The same in a turn, which reads it once, no matter how many parts of it ask."""
    if room_id not in turn.seen:
        turn.seen[room_id] = await find(context, turn.tx, room_id)
    there = turn.seen[room_id]
    return there if isinstance(there, Place) else None


async def called(context: Context, turn: Turn, room_id: str) -> Room:
    """A protected room, as notices name it."""
    there = await of(context, turn, room_id)
    return there.called if there is not None else Room(room_id, room_id)


def changed(turn: Turn) -> None:
    """This turn has changed a room, its policy or what replaces it: the next call of `of` reads it again."""
    turn.seen.clear()


async def managed_by(context: Context, tx: Tx, management_room: str) -> list[Place]:
    """The rooms managed from a management room, by label."""
    return [_place(context, found) for found in await places.managed_by(tx, management_room)]


def _place(context: Context, found: PlaceOnRecord) -> Place:
    defaults = context.settings.defaults
    settings = found.settings if found.settings is not None else defaults.policy.policy
    language = spoken_here(settings.language or defaults.language)
    author = acting(found.author) if found.author is not None else None
    return Place(found.room, settings, language, found.revision, author, found.replacement)


def acting(author: str) -> str | None:
    """With whose power a policy acts that somebody has set; `None` for the config file."""
    return author if author != policies.CONFIG_FILE else None


def language_of(context: Context, there: Iterable[Place]) -> Language:
    """The language in which the bot writes to the moderators of these rooms: their common one, if there is one."""
    found = {one.language for one in there}
    return found.pop() if len(found) == 1 else context.settings.defaults.language
