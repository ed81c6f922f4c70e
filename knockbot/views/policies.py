"""Policies as they were written: the one in force, an older one, and who changed them when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from knockbot.documents.yaml import dump, read_document
from knockbot.domain.layers import INHERIT, LISTS, ends
from knockbot.domain.notices import Notice
from knockbot.flow import names, rules
from knockbot.flow.context import Context
from knockbot.store import layers, pins, policies
from knockbot.store.db import Tx
from knockbot.store.layers import LayerOnRecord
from knockbot.store.policies import Revision


@dataclass(frozen=True, slots=True)
class Inherited:
    """What follows in a room from the policy of another one."""

    source: Notice
    """Whose policy it is, and who wrote it."""
    text: str
    """Its rules, and the settings that no policy before it sets, as YAML; empty where nothing is left of it."""


@dataclass(frozen=True, slots=True)
class Written:
    """A policy as a document."""

    source: Notice
    """Where it comes from, and who wrote it."""
    text: str
    named: tuple[Notice, ...]
    """The room that each name in it means."""
    dry_run: bool = False
    """Whether it is in force, and does nothing by itself."""
    inherited: tuple[Inherited, ...] = ()
    """What follows after it, in its order."""


async def in_force(context: Context, room_id: str, *, at_expense_of: str) -> Written:
    """The policy in force in a protected room, looked up for somebody in another one."""
    compiled = await rules.look_up(context, room_id, at_expense_of=at_expense_of)
    async with context.db.tx() as tx:
        decide = await layers.of(tx, room_id)
        written = await texts(context, tx, decide)
        named = await names.of_policies(tx, compiled.layers)
    sources = [rules.origin(room_id, layer) for layer in decide]
    if len(written) > len(sources):
        sources.append(rules.origin(room_id, None))
    said = await context.workbench.work_out(at_expense_of, partial(_left_of_each, written))
    follows = tuple(Inherited(source, text) for source, text in zip(sources[1:], said[1:], strict=True))
    return Written(sources[0], written[0], tuple(named), compiled.policy.dry_run, follows)


async def texts(context: Context, tx: Tx, decide: Sequence[LayerOnRecord]) -> list[str]:
    """The policies of these layers as they are written, and the default policy at the end, if that follows."""
    found = [await policies.revision(tx, layer.room_id, layer.revision) for layer in decide]
    written = [revision.text for revision in found if revision is not None]
    if not ends([layer.settings for layer in decide]):
        written.append(context.settings.defaults.policy.text)
    return written


def _left_of_each(texts: Sequence[str]) -> list[str]:
    """What each of these policies adds to those before it: rules and lists always, and settings that are set nowhere
    before. A mapping that says nothing is empty."""
    seen: set[str] = set()
    left = []
    for text in texts if len(texts) > 1 else []:
        value = read_document(text, longest=len(text)).value
        said = value if isinstance(value, dict) else {}
        adds = {key: held for key, held in said.items() if key not in {*seen, INHERIT} or key in ADD_UP}
        left.append(dump(adds) if adds else "")
        seen |= {*said}
    return left or [""]


ADD_UP = ("rules", LISTS)


async def revision(context: Context, room_id: str, number: int) -> Written | None:
    """A policy that was in force, by its number; none if there never was one with that number."""
    async with context.db.tx() as tx:
        old = await policies.revision(tx, room_id, number)
        meant = await pins.at(tx, pins.of_revision(room_id, number))
    if old is None:
        return None
    return Written(
        rules.source(old), old.text, tuple(names.means(pin.name, pin.room_id, None) for pin in meant.values())
    )


async def revisions(context: Context, room_id: str, most: int) -> tuple[Revision, ...]:
    """Who changed the policy of a room, and when; newest first."""
    async with context.db.tx() as tx:
        return tuple(await policies.revisions(tx, room_id, most))
