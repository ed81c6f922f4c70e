"""Place: a protected room as one turn sees it, read once: its settings, the author of its policy, what replaces it.

What a policy says beside its rules is stored beside its text, so that no turn waits for a policy to be compiled. Code
that judges by the rules takes them from `rules.look_up`, before the turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from knockbot.domain.languages import Language, spoken_here
from knockbot.domain.layers import composed_settings, ends
from knockbot.domain.notices import Room
from knockbot.domain.policy import RoomSettings
from knockbot.engine.turn import Turn
from knockbot.flow.context import Context
from knockbot.store import places, policies
from knockbot.store.db import Tx
from knockbot.store.layers import LayerOnRecord
from knockbot.store.places import PlaceOnRecord
from knockbot.store.rooms import ProtectedRoom


@dataclass(frozen=True, slots=True)
class Place:
    """A protected room, the settings in force there, and what replaces the room."""

    room: ProtectedRoom
    settings: RoomSettings
    """Those in force: of the room's own policy, of its space's, or of the default."""
    language: Language
    """The language in which the bot writes to its moderators."""
    layers: tuple[LayerOnRecord, ...]
    """The policies that decide there, its own first; after them the default decides, if the last one inherits."""
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
    def revision(self) -> int | None:
        """The revision of the room's own policy; `None` where it has none."""
        return self.layers[0].revision if self.layers and self.layers[0].room_id == self.room_id else None

    @property
    def policies(self) -> tuple[int | None, Mapping[str, int]]:
        """The policies that decide there, as a judgement names those by which it was made (`Judgement.policies`)."""
        return self.revision, {one.room_id: one.revision for one in self.layers if one.room_id != self.room_id}

    @property
    def author(self) -> str | None:
        """With whose power the bot acts where no rule and no setting decides: the author of the first policy."""
        return acting(self.layers[0].author) if self.layers else None

    def setter(self, key: str) -> LayerOnRecord | None:
        """The policy whose value of a setting applies; `None` for the default of the config file."""
        setting = [layer for layer in self.layers if key in layer.settings.said]
        by_default = bool(self.layers) and self.layers[-1].settings.inherit
        return next(iter(setting or ([] if by_default else self.layers[-1:])), None)

    def author_of(self, key: str) -> str | None:
        """With whose power a setting acts (`authority.py`): the author of the policy that sets it. `None` for a policy
        of the config file, which acts for the bot."""
        setter = self.setter(key)
        return acting(setter.author) if setter is not None else None

    @property
    def is_replaced(self) -> bool:
        """Whether a tombstone says that the room is replaced: then the bot lets nobody in any more."""
        return self.replaced_by is not None


async def find(context: Context, tx: Tx, room_id: str) -> Place | None:
    """The protected room with this id, if it is one."""
    found = await places.find(tx, room_id)
    return _place(context, found) if found is not None else None


async def of_rooms(context: Context, tx: Tx, room_ids: Iterable[str]) -> dict[str, Place]:
    """Those of these rooms that are protected, by ID."""
    found = {room_id: await find(context, tx, room_id) for room_id in set(room_ids)}
    return {room_id: there for room_id, there in found.items() if there is not None}


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
    settings = settings_of(context, found.layers)
    language = spoken_here(settings.language or defaults.language)
    return Place(found.room, settings, language, found.layers, found.replacement)


def settings_of(context: Context, decide: tuple[LayerOnRecord, ...]) -> RoomSettings:
    """The settings in force where these policies decide."""
    each = [layer.settings for layer in decide]
    return composed_settings(each if ends(each) else [*each, context.settings.defaults.policy.policy])


def acting(author: str) -> str | None:
    """With whose power a policy acts that somebody has set; `None` for the config file."""
    return author if author != policies.CONFIG_FILE else None


def language_of(context: Context, there: Iterable[Place]) -> Language:
    """The language in which the bot writes to the moderators of these rooms: their common one, if there is one."""
    found = {one.language for one in there}
    return found.pop() if len(found) == 1 else context.settings.defaults.language
