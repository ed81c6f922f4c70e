"""Which policy is in force in a room, compiled once per revision and in a thread, and what the names in it mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from knockbot.config.policies import read_known_policy
from knockbot.domain.ids import room_meant
from knockbot.domain.layers import CONFIG_FILE, Part, composed, ends, of_room
from knockbot.domain.model import Kind, Origin
from knockbot.domain.notices import Notice, Number, Room, User, notice
from knockbot.domain.policy import Policy
from knockbot.flow.context import Context
from knockbot.flow.place import Place, acting
from knockbot.store import layers, pins, policies
from knockbot.store.db import Tx
from knockbot.store.layers import LayerOnRecord
from knockbot.store.policies import Revision


@dataclass(frozen=True, slots=True)
class Layer:
    """One of the policies in force in a room, compiled: the room's own, or that of a space above it, or the default."""

    policy: Policy
    author: str | None = None
    """With whose power it acts (`authority.py`); `None` for a policy of the config file, which acts for the bot."""
    place: str = pins.DEFAULT_POLICY
    """The place of the pins that say what the names in it mean."""
    room_id: str = ""
    """The room whose policy it is; empty for the default of the config file."""
    label: str = ""
    """What people call that room."""
    revision: int | None = None

    def only(self, kind: Kind) -> Layer:
        """The same with the rules for this kind alone."""
        return replace(self, policy=self.policy.only(kind))


@dataclass(frozen=True, slots=True)
class InForce:
    """What is in force in a room: its policies, in their order, and the one that they make up."""

    room_id: str
    layers: tuple[Layer, ...]
    policy: Policy
    """All layers as one policy (`domain/layers.py`)."""

    @property
    def own(self) -> Layer | None:
        """The room's own policy; `None` where it has none."""
        return self.layers[0] if self.layers[0].room_id == self.room_id else None

    @property
    def revision(self) -> int | None:
        """The revision of the room's own policy."""
        return self.own.revision if self.own is not None else None

    @property
    def inherited(self) -> dict[str, int]:
        """The revisions of the policies of other rooms."""
        others = {layer.room_id: layer.revision for layer in self.layers if layer.room_id != self.room_id}
        return {room_id: revision for room_id, revision in others.items() if revision is not None}

    def author_of(self, origin: Origin | None) -> str | None:
        """With whose power a decision acts that is from the policy of this room; without a room, from the first."""
        found = [layer for layer in self.layers if origin is not None and layer.room_id == origin.room_id]
        return (*found, self.layers[0])[0].author

    def only(self, kind: Kind) -> InForce:
        """The same with the rules for this kind alone."""
        layers = tuple(layer.only(kind) for layer in self.layers)
        return replace(self, layers=layers, policy=self.policy.only(kind))


def source(revision: Revision | LayerOnRecord) -> Notice:
    """Which revision of a policy this is, and whose."""
    return notice("policy.written_by", revision=Number(revision.revision), by=author(revision))


def author(revision: Revision | LayerOnRecord) -> User | Notice:
    """Who wrote a policy."""
    return notice("by.config_file") if revision.author == policies.CONFIG_FILE else User(revision.author)


def origin(room_id: str, layer: LayerOnRecord | None) -> Notice:
    """Where a policy is from that is in force in a room; the default of the config file is no layer on record."""
    if layer is None:
        return notice("policy.default")
    if layer.room_id == room_id:
        return source(layer)
    return notice("policy.of_space", space=Room(layer.room_id, layer.label), source=source(layer))


async def look_up(context: Context, room_id: str, *, at_expense_of: str | None = None) -> InForce:
    """The policy in force in a protected room.

    What has to be compiled first counts for the room, unless another one is named. Raises `Busy` where that has to
    wait.
    """
    async with context.db.tx() as tx:
        decide = await layers.of(tx, room_id)
    return await _all_compiled(context, room_id, decide, at_expense_of or room_id)


async def with_own(context: Context, room_id: str, policy: Policy, *, at_expense_of: str) -> Policy:
    """What would be in force in a room with this policy as its own. Raises `Busy` where that has to wait."""
    if not policy.inherit:
        return policy
    async with context.db.tx() as tx:
        decide = await layers.of_spaces(tx, room_id)
    above = await _all_compiled(context, room_id, decide, at_expense_of)
    mine = Part(room_id, "", of_room(policy, room_id))
    return composed(room_id, [mine, *(Part(one.room_id, one.label, one.policy) for one in above.layers)])


async def if_in_space(context: Context, room_id: str, space: str | None, *, at_expense_of: str) -> Policy:
    """What would be in force in a room if it belonged to a space. Raises `Busy` where that has to wait."""
    async with context.db.tx() as tx:
        mine = await layers.own(tx, room_id)
        ends_here = mine is not None and not mine.settings.inherit
        others = () if ends_here else await layers.of_spaces(tx, room_id, space)
    decide = (*((mine,) if mine is not None else ()), *others)
    return (await _all_compiled(context, room_id, decide, at_expense_of)).policy


async def _all_compiled(context: Context, room_id: str, decide: Sequence[LayerOnRecord], expense: str) -> InForce:
    """These policies, compiled, as one."""
    async with context.db.tx() as tx:
        missing = [layer for layer in decide if context.policies.find(layer.room_id, layer.revision) is None]
        texts = [await policies.revision(tx, layer.room_id, layer.revision) for layer in missing]
    kept = {layer.room_id: context.policies.find(layer.room_id, layer.revision) for layer in decide}
    for revision in texts:
        assert revision is not None  # a revision is never removed
        kept[revision.room_id] = await _compiled(context, revision, expense)
    return _composed(context, room_id, [_layer(one, policy) for one in decide if (policy := kept[one.room_id])])


async def beyond(context: Context, room_id: str, *, at_expense_of: str) -> tuple[Layer, ...]:
    """The policies that follow where a room's own policy inherits: those of the spaces above it, and the default."""
    async with context.db.tx() as tx:
        decide = await layers.beyond(tx, room_id)
        texts = {one.room_id: await policies.revision(tx, one.room_id, one.revision) for one in decide}
    found = [
        _layer(
            one, context.policies.find(one.room_id, one.revision) or await _compiled(context, revision, at_expense_of)
        )
        for one in decide
        if (revision := texts[one.room_id]) is not None
    ]
    default = Layer(context.settings.defaults.policy.policy)
    return (*found,) if ends([layer.policy for layer in found]) else (*found, default)


async def _compiled(context: Context, revision: Revision, expense: str) -> Policy:
    room_id = revision.room_id
    policy = context.policies.expected(room_id, revision.text)
    if policy is None:
        policy = await context.workbench.work_out(expense, partial(read_known_policy, revision.text))
    policy = of_room(policy, room_id)
    context.policies.keep(room_id, revision.revision, policy)
    return policy


def compiled(context: Context, there: Place) -> InForce | None:
    """The policy in force in a protected room, if it is compiled already."""
    found = [(one, context.policies.find(one.room_id, one.revision)) for one in there.layers]
    known = [_layer(one, policy) for one, policy in found if policy is not None]
    return _composed(context, there.room_id, known) if len(known) == len(found) else None


def _layer(one: LayerOnRecord, policy: Policy) -> Layer:
    place = pins.of_revision(one.room_id, one.revision)
    return Layer(policy, acting(one.author), place, one.room_id, one.label, one.revision)


def _composed(context: Context, room_id: str, known: Sequence[Layer]) -> InForce:
    """These layers as one; the default follows where none decides all."""
    written = Layer(context.settings.defaults.policy.policy, label=CONFIG_FILE)
    default = () if ends([layer.policy for layer in known]) else (written,)
    decide = (*known, *default)
    parts = [Part(layer.room_id, layer.label, layer.policy) for layer in decide]
    return InForce(room_id, decide, composed(room_id, parts))


async def named(tx: Tx, room_id: str) -> dict[str, pins.Pin]:
    """The rooms that the names in a room's policy meant when it was set."""
    revision = await policies.latest(tx, room_id)
    return await pins.at(tx, pins.DEFAULT_POLICY if revision is None else pins.of_revision(room_id, revision))


async def meant_by(tx: Tx, layer: Layer) -> dict[str, str]:
    """The room of each name in a policy, as far as it is known."""
    names = layer.policy.rooms_named
    if not names:
        return {}
    pinned = await pins.meant(tx, layer.place)
    found = {name: room_meant(name, pinned) for name in names}
    return {name: room_id for name, room_id in found.items() if room_id is not None}


async def members_asked_of(tx: Tx, layer: Layer) -> list[str]:
    """The rooms whose members a policy asks for, as far as they are known."""
    meant = await meant_by(tx, layer)
    return [meant[name] for name in layer.policy.rooms_needed if name in meant]


async def meant_here(tx: Tx, in_force: InForce) -> dict[str, str]:
    """The room of each name in a room's own policy, or in the default policy; names of other rooms' policies are looked
    after in those rooms."""
    found: dict[str, str] = {}
    for layer in in_force.layers:
        if layer.room_id in (in_force.room_id, ""):
            found = await meant_by(tx, layer) | found
    return found
