"""Which policy is in force in a room, compiled once per revision and in a thread, and what the names in it mean."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from knockbot.config.policies import read_known_policy
from knockbot.domain.ids import is_alias
from knockbot.domain.model import Kind
from knockbot.domain.notices import Notice, Number, User, notice
from knockbot.domain.policy import Policy
from knockbot.flow.context import Context
from knockbot.flow.place import Place, acting
from knockbot.store import pins, policies
from knockbot.store.db import Tx
from knockbot.store.policies import Revision


@dataclass(frozen=True, slots=True)
class Written:
    """A policy in force as it was written, and where it comes from."""

    text: str
    source: Notice


@dataclass(frozen=True, slots=True)
class InForce:
    """A policy in force, compiled."""

    policy: Policy
    author: str | None = None
    """With whose power it acts (`authority.py`); `None` for a policy of the config file, which acts for the bot."""

    place: str = pins.DEFAULT_POLICY
    """The place of the pins that say what the names in it mean."""

    revision: int | None = None
    """The revision of the room's own policy; `None` for the default of the config file."""

    def only(self, kind: Kind) -> InForce:
        """The same with the rules for this kind alone."""
        return replace(self, policy=self.policy.only(kind))


async def written(context: Context, tx: Tx, room_id: str) -> Written:
    """The text of the policy of a protected room: its newest revision, else the default of the config file."""
    revision = await policies.current(tx, room_id)
    if revision is None:
        return Written(context.settings.defaults.policy.text, notice("policy.default"))
    return Written(revision.text, source(revision))


def source(revision: Revision) -> Notice:
    """Which revision of a policy this is, and whose."""
    return notice("policy.written_by", revision=Number(revision.revision), by=author(revision))


def author(revision: Revision) -> User | Notice:
    """Who wrote a policy."""
    return notice("by.config_file") if revision.author == policies.CONFIG_FILE else User(revision.author)


async def look_up(context: Context, room_id: str, *, at_expense_of: str | None = None) -> InForce:
    """The policy in force in a protected room.

    If it has to be compiled first, the time counts for the room, unless another one is named. Raises `Busy` where that
    has to wait.
    """
    async with context.db.tx() as tx:
        newest = await policies.newest(tx, room_id)
        number, by = newest if newest is not None else (None, policies.CONFIG_FILE)
        found = _known(context, room_id, number, acting(by))
        revision = await policies.current(tx, room_id) if found is None else None
    if found is not None:
        return found
    assert revision is not None  # without one the default is in force, and that is known
    policy = context.policies.expected(room_id, revision.text)
    if policy is None:
        expense = at_expense_of or room_id
        policy = await context.workbench.work_out(expense, partial(read_known_policy, revision.text))
    return _keep(context, revision, policy)


def compiled(context: Context, there: Place) -> InForce | None:
    """The policy in force in a protected room, if it is compiled already."""
    return _known(context, there.room_id, there.revision, there.author)


def _known(context: Context, room_id: str, revision: int | None, acting_for: str | None) -> InForce | None:
    if revision is None:
        return InForce(context.settings.defaults.policy.policy)
    policy = context.policies.find(room_id, revision)
    place = pins.of_revision(room_id, revision)
    return InForce(policy, acting_for, place, revision) if policy is not None else None


def _keep(context: Context, revision: Revision, policy: Policy) -> InForce:
    context.policies.keep(revision.room_id, revision.revision, policy)
    place = pins.of_revision(revision.room_id, revision.revision)
    return InForce(policy, acting(revision.author), place, revision.revision)


async def named(tx: Tx, room_id: str) -> dict[str, pins.Pin]:
    """The rooms that the names in a room's policy meant when it was set."""
    revision = await policies.latest(tx, room_id)
    return await pins.at(tx, pins.DEFAULT_POLICY if revision is None else pins.of_revision(room_id, revision))


async def meant_by(tx: Tx, policy: InForce) -> dict[str, str]:
    """The room of each name in a policy, as far as it is known."""
    names = policy.policy.rooms_needed
    if not names:
        return {}
    pinned = await pins.at(tx, policy.place)
    ids = {name: name for name in names if not is_alias(name)}
    return ids | {name: pinned[name].room_id for name in names if name in pinned}
