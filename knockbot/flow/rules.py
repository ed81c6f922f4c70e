"""Which policy is in force at a door, compiled once per revision, and what the names in it mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from knockbot.config import read_known_policy
from knockbot.domain.ids import is_alias
from knockbot.domain.model import Kind
from knockbot.domain.policy import Policy, Reasons
from knockbot.flow.door import Door
from knockbot.store import pins, policies
from knockbot.store.db import Tx


@dataclass(frozen=True, slots=True)
class InForce:
    """A policy, its text as it was written, and where it comes from."""

    policy: Policy
    text: str
    source: str
    author: str | None = None
    """With whose power it acts (`authority.py`); none for a policy of the config file, which acts for the bot."""

    def only(self, kind: Kind) -> InForce:
        """The same with the rules for this kind alone."""
        return replace(self, policy=self.policy.only(kind))


@lru_cache(maxsize=1024)
def compiled(text: str) -> Policy:
    """A policy that was taken before, parsed once however often it is asked for."""
    return read_known_policy(text)


async def in_force(door: Door, tx: Tx, room_id: str) -> InForce:
    """The policy of a protected room: its newest revision, else the default of the config file."""
    revision = await policies.current(tx, room_id)
    if revision is None:
        default = door.settings.defaults.policy
        return InForce(default.policy, default.text, "the default")
    author = revision.author if revision.author != policies.CONFIG_FILE else None
    source = f"revision {revision.revision} by {revision.author}"
    return InForce(compiled(revision.text), revision.text, source, author)


async def named(tx: Tx, room_id: str) -> dict[str, pins.Pin]:
    """The rooms that the names in a room's policy meant when it was taken."""
    revision = await policies.latest(tx, room_id)
    return await pins.at(tx, pins.DEFAULT_POLICY if revision is None else pins.of_revision(room_id, revision))


async def meant(door: Door, tx: Tx, room_id: str) -> dict[str, str]:
    """The rooms that the policy of a protected room means, by the names in it, as far as they are known."""
    names = (await in_force(door, tx, room_id)).policy.rooms_needed
    if not names:
        return {}
    pinned = await named(tx, room_id)
    ids = {name: name for name in names if not is_alias(name)}
    return ids | {name: pinned[name].room_id for name in names if name in pinned}


async def hides_reasons(door: Door, tx: Tx, room_id: str) -> bool:
    """Whether the policy of a protected room has reasons hidden."""
    return (await in_force(door, tx, room_id)).policy.reasons is Reasons.HIDDEN
