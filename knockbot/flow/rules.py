"""Which policy is in force at a door, compiled once per revision."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from knockbot.config import read_policy
from knockbot.domain.policy import Policy
from knockbot.flow.door import Door
from knockbot.store import policies
from knockbot.store.db import Tx


@dataclass(frozen=True, slots=True)
class InForce:
    """A policy, its text as it was written, and where it comes from."""

    policy: Policy
    text: str
    source: str


@lru_cache(maxsize=1024)
def compiled(text: str) -> Policy:
    """A policy that was taken before, parsed once however often it is asked for."""
    return read_policy(text, longest=len(text))  # it was taken once: a config file may be longer than a command


async def in_force(door: Door, tx: Tx, room_id: str) -> InForce:
    """The policy of a protected room: its newest revision, else the default of the config file."""
    revision = await policies.current(tx, room_id)
    if revision is None:
        default = door.settings.defaults.policy
        return InForce(default.policy, default.text, "the default")
    return InForce(compiled(revision.text), revision.text, f"revision {revision.revision} by {revision.author}")
