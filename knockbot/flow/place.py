"""Place: a protected room as one turn sees it, read once, so that all of the turn goes by the same policy."""

from __future__ import annotations

from dataclasses import dataclass

from knockbot.domain.policy import Policy
from knockbot.flow import rules
from knockbot.flow.context import Context
from knockbot.flow.rules import InForce
from knockbot.store import places
from knockbot.store.db import Tx
from knockbot.store.rooms import ProtectedRoom


@dataclass(frozen=True, slots=True)
class Place:
    """A protected room, the policy in force there, and what replaces the room."""

    room: ProtectedRoom
    in_force: InForce
    revision: int | None
    """Of the room's own policy; none where the default of the config file is in force."""
    replaced_by: str | None
    """What a tombstone names, which may be nothing at all; none without a tombstone."""

    @property
    def room_id(self) -> str:
        """The protected room."""
        return self.room.room_id

    @property
    def label(self) -> str:
        """What people call it."""
        return self.room.label

    @property
    def management_room(self) -> str:
        """Where its moderators meet the bot."""
        return self.room.management_room

    @property
    def policy(self) -> Policy:
        """The rules and settings in force."""
        return self.in_force.policy

    @property
    def is_replaced(self) -> bool:
        """Whether a tombstone says that the room is replaced: then nobody is let in any more."""
        return self.replaced_by is not None


async def find(context: Context, tx: Tx, room_id: str) -> Place | None:
    """The protected room with this id, if it is one."""
    found = await places.find(tx, room_id)
    if found is None:
        return None
    in_force = await rules.of_revision(context, tx, room_id, found.newest)
    return Place(found.room, in_force, found.revision, found.replacement)
