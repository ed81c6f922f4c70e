"""The command that shows the policy lists of the rooms managed from here."""

from __future__ import annotations

from knockbot.chat.arguments import SOME_ROOM
from knockbot.chat.calls import Call
from knockbot.chat.command import Command
from knockbot.domain.lists import EntityKind
from knockbot.domain.may import Deed
from knockbot.domain.notices import (
    Ago,
    Code,
    Id,
    Letters,
    Many,
    Notice,
    Number,
    Room,
    Stranger,
    below,
    notice,
)
from knockbot.domain.reasons import quoted
from knockbot.domain.upgrades import RoomUpgrade, Stage
from knockbot.features.lists import showing
from knockbot.features.lists.showing import Shown, Use
from knockbot.store.rooms import ProtectedRoom


async def show_lists(call: Call, only: ProtectedRoom | None) -> Notice:
    """The policy lists that are used here, in all rooms or in one."""
    found = await showing.managed(call.context, call.room, only.room_id if only else None)
    if not found:
        return notice("policy_list.none", key=Code("lists"))
    now = call.context.now()
    return below(*(line for one in found for line in _shown(one, now)))


def _shown(one: Shown, now: int) -> list[Notice | None]:
    return [_head(one, now), *(_used(one)), *_odd(one)]


def _head(one: Shown, now: int) -> Notice:
    name, room = Stranger(one.name), Id(one.room_id or one.uses[0].one.room)
    known, counts = one.known, one.counts
    if known is None or counts is None or known.read_at is None:
        return notice("policy_list.unread", name=name, id=room)
    usable = {kind: Number(counts.usable.get(kind, 0)) for kind in EntityKind}
    users, servers, rooms = usable[EntityKind.USER], usable[EntityKind.SERVER], usable[EntityKind.ROOM]
    read = Ago(now - known.read_at)
    if known.changed_at is None:
        return notice(
            "policy_list.row_unchanged", name=name, id=room, users=users, servers=servers, rooms=rooms, read=read
        )
    changed = Ago(now - known.changed_at)
    return notice(
        "policy_list.row", name=name, id=room, users=users, servers=servers, rooms=rooms, read=read, changed=changed
    )


def _used(one: Shown) -> list[Notice]:
    return [line for use in one.uses for line in _use(use)]


def _use(use: Use) -> list[Notice]:
    room, moved = Room(use.there.room_id, use.there.label), use.moved
    if use.one.same_as:
        name, first = Stranger(use.one.name), Stranger(use.one.same_as)
        return [notice("policy_list.used_twice", room=room, name=name, first=first)]
    used = notice("policy_list.used", room=room, then=Code(use.one.then))
    return [used, _moved(moved)] if moved is not None else [used]


def _moved(upgrade: RoomUpgrade) -> Notice:
    """What is said of a list whose room was replaced, by how far the bot has followed that."""
    new = Letters(upgrade.replacement)
    if upgrade.stage is Stage.OFFERED:
        return notice("policy_list.moved_offered", new=new)
    if upgrade.stage is Stage.WAITING:
        return notice("policy_list.moved_waiting", new=new)
    return notice("policy_list.moved_refused", new=new)


def _odd(one: Shown) -> list[Notice | None]:
    """What does nothing on it, and what is amiss."""
    known, counts = one.known, one.counts
    if known is None or counts is None:
        return []
    everybody = Many(tuple(quoted(entry.entity or "") for entry in one.everybody))
    return [
        *_useless(one, counts.unusable),
        notice("policy_list.everybody", entities=everybody) if one.everybody else None,
        notice("policy_list.row_behind") if one.behind else None,
        notice("policy_list.row_open") if known.writers is not None and known.writers.everybody else None,
        notice("policy_list.trouble", why=known.trouble) if known.trouble is not None else None,
    ]


def _useless(one: Shown, count: int) -> list[Notice]:
    """The entries that do nothing, by reason."""
    more = count - sum(many for _, many in one.unusable)
    rows = [notice("policy_list.unusable", count=Number(many), why=why) for why, many in one.unusable]
    return [*rows, *([notice("policy_list.unusable_too", count=Number(more))] if more > 0 else [])]


COMMANDS = (Command("lists", (SOME_ROOM,), show_lists, Deed.LOOK),)
