"""A room that a policy names is upgraded: the moderators are asked whether the policy shall mean the new room.

Nobody looks after the members of the old room any more, so from its tombstone on they are unknown (`judging.py`).
The new room is used in its place when a moderator who could set the policy says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from knockbot.domain.may import Deed
from knockbot.domain.model import Reaction, RoomChange
from knockbot.domain.notices import Code, Id, Letters, Notice, Room, User, notice
from knockbot.domain.upgrades import RoomUpgrade, Stage, Step, Tombstone, next_step
from knockbot.engine.turn import Turn, Write
from knockbot.errors import ActionError, Busy, Never, Refused
from knockbot.features.upgrades import question, upgrading
from knockbot.flow import authority, rulebook, rules, saying
from knockbot.flow.authority import Wanted
from knockbot.flow.changes import Change, Sound
from knockbot.flow.context import Context
from knockbot.flow.place import Place
from knockbot.flow.questions import CLOSED
from knockbot.flow.rooms import is_in
from knockbot.flow.saying import Audience
from knockbot.store import bot_memberships, policies, room_upgrades, rooms
from knockbot.store.rooms import ProtectedRoom


async def look(context: Context, there: Place) -> None:
    """Look whether a protected room was replaced, or a room that its policy names. May raise `Later`."""
    await upgrading.look(context, there.room)
    await _look_at_named(context, there.room)


async def _look_at_named(context: Context, room: ProtectedRoom) -> None:
    in_force = await rules.look_up(context, room.room_id)
    async with context.db.tx() as tx:
        meant = await rules.meant_here(tx, in_force)
        outdated = [
            upgrade
            for upgrade in await room_upgrades.in_policy_of(tx, room.room_id)
            if upgrade.room_id not in meant.values()
        ]
    for upgrade in outdated:
        async with context.turn() as turn:
            await room_upgrades.forget(turn.tx, upgrade.room_id, room.room_id)
    for room_id, name in {room_id: name for name, room_id in meant.items()}.items():
        try:
            await _look_at(context, room, name, room_id)
        except Never:
            continue  # the bot may not look, so the members of this room are unknown anyway


async def _look_at(context: Context, room: ProtectedRoom, name: str, room_id: str) -> None:
    tombstone = await context.outside.tombstone(room_id)
    async with context.db.tx() as tx:
        known = await room_upgrades.find(tx, room_id, room.room_id)
    step = next_step(tombstone, known)
    if step is Step.FORGET:
        async with context.turn() as turn:
            await room_upgrades.forget(turn.tx, room_id, room.room_id)
    elif step is Step.LISTEN and known is not None:
        await question.look(context, known)
    elif step is Step.FOLLOW and tombstone is not None:
        await _follow(context, room, name, room_id, tombstone)


async def _follow(context: Context, room: ProtectedRoom, name: str, room_id: str, tombstone: Tombstone) -> None:
    """Ask the moderators whether the policy shall mean the new room. The bot enters it before to see what it replaces.

    It does not enter the new room of a policy list: the people of a list are strangers, and it need not know who is in
    there. So that is seen after the click.
    """
    upgrade = RoomUpgrade(room_id, tombstone.event_id, tombstone.replacement, Stage.WAITING, policy_of=room.room_id)
    fault = upgrading.fault_of_name(room_id, tombstone) or await _fault_of_place(context, room)
    if fault is not None:
        await _tell(context, room, name, replace(upgrade, stage=Stage.REFUSED), fault)
        return
    is_list = _is_list(await rules.look_up(context, room.room_id), name)
    inside = await (is_in(context, tombstone.replacement) if is_list else _get_in(context, room, tombstone))
    if inside is None:
        return
    if not inside and not is_list:
        await _tell(context, room, name, upgrade, notice("named.let_me_in", bot=User(context.bot)))
    elif inside and await context.outside.predecessor(tombstone.replacement) != room_id:
        await _tell(context, room, name, replace(upgrade, stage=Stage.REFUSED), notice("upgrade.no_predecessor"))
        await upgrading.leave_again(context, tombstone)
    else:
        async with context.turn() as turn:
            if inside:
                await bot_memberships.use(turn.tx, tombstone.replacement, turn.now)
            await question.ask(turn, room, upgrade, NAMED_ROOM_UPGRADE)


async def _get_in(context: Context, room: ProtectedRoom, tombstone: Tombstone) -> bool | None:
    return await upgrading.get_in(context, room.room_id, tombstone)


async def _fault_of_place(context: Context, room: ProtectedRoom) -> Notice | None:
    """Why no moderator can have the new room used; `None` if one can."""
    async with context.db.tx() as tx:
        own = await policies.latest(tx, room.room_id)
    return notice("named.by_config") if room.locked or own is None else None


def _is_list(in_force: rules.InForce, name: str) -> bool:
    """Whether a policy uses a room only as a policy list: what that said last stays in force."""
    return name in {one.room for one in in_force.policy.lists} and name not in in_force.policy.rooms_needed


async def _tell(context: Context, room: ProtectedRoom, name: str, upgrade: RoomUpgrade, why: Notice) -> None:
    is_list = _is_list(await rules.look_up(context, room.room_id), name)
    async with context.turn() as turn:
        await room_upgrades.put(turn.tx, upgrade)
        called, new = Room(room.room_id, room.label), Letters(upgrade.replacement)
        if is_list:
            said = notice("named.list_lost", room=called, name=Id(name), new=new, why=why)
        else:
            said = notice("named.lost", room=called, name=Id(name), new=new, why=why)
        await saying.alarm(
            context, turn, room.room_id, f"named:{upgrade.tombstone}:{room.room_id}:{upgrade.stage}", said
        )


async def _words(context: Context, there: Place, upgrade: RoomUpgrade, new: Room) -> Notice:
    in_force = await rules.look_up(context, there.room_id)
    async with context.db.tx() as tx:
        meant = await rules.meant_here(tx, in_force)
    named = [name for name, room_id in meant.items() if room_id == upgrade.room_id]
    name, room = named[-1] if named else upgrade.room_id, Room(there.room_id, there.label)
    new_id, command = Id(upgrade.replacement), Code(f"!kb policy set {there.room_id}")
    if _is_list(in_force, name) and new.label == new.room_id:
        return notice("named.list_replaced_unseen", room=room, name=Id(name), id=new_id, command=command)
    if _is_list(in_force, name):
        return notice("named.list_replaced", room=room, name=Id(name), new=new, id=new_id, command=command)
    return notice("named.replaced", room=room, name=Id(name), new=new, id=new_id, command=command)


async def room_changed(context: Context, change: RoomChange) -> Write[None] | None:
    """If a room was replaced, look at the protected rooms whose policy names it."""
    if change.type != "m.room.tombstone":
        return None

    async with context.db.tx() as tx:
        protected = await rooms.all_rooms(tx)
    naming = [room.room_id for room in protected if await _may_name(context, room.room_id, change.room_id)]

    async def write(turn: Turn) -> None:
        for room_id in naming:
            turn.after(partial(context.look_at, room_id))

    return write


async def _may_name(context: Context, room_id: str, named: str) -> bool:
    """Whether the policy of a protected room names another room; if that takes long to find out, a look does it."""
    try:
        in_force = await rules.look_up(context, room_id)
    except Busy:
        return True
    async with context.db.tx() as tx:
        return named in (await rules.meant_here(tx, in_force)).values()


# --- the answer -----------------------------------------------------------------------------------------------


async def _answered(context: Context, reaction: Reaction, room: ProtectedRoom, upgrade: RoomUpgrade) -> Write[None]:
    """A moderator wants the policy to mean the new room: the same text becomes a new revision, with them as author."""
    in_force = await rules.look_up(context, room.room_id, at_expense_of=room.management_room)
    async with context.db.tx() as tx:
        current = await policies.current(tx, room.room_id)
        meant = await rules.meant_here(tx, in_force)
    if current is None:
        raise Refused(CLOSED)
    change = Change(room, reaction.sender, current.text, reaction.event_id, _with_the_new_room(meant, upgrade))
    sound = await _examined(context, change, upgrade)

    async def write(turn: Turn) -> None:
        if await question.still_asked(turn.tx, upgrade) is None:
            raise Refused(CLOSED)
        if await policies.latest(turn.tx, room.room_id) != current.revision:
            # If the other policy needs it, the question stays.
            raise Refused(notice("named.policy_changed", room=Room(room.room_id, room.label)))
        text = await rulebook.put_in_force(context, turn, sound)
        await room_upgrades.forget(turn.tx, upgrade.room_id, room.room_id)
        occasion = f"named:{upgrade.tombstone}:{room.room_id}:taken"
        await saying.say(context, turn, Audience(reaction.room_id), occasion, text, reply_to=reaction.target)

    return write


async def _examined(context: Context, change: Change, upgrade: RoomUpgrade) -> Sound:
    """The policy with the new room, which the bot enters now if it is that of a list. Raises `Refused` and `Never`."""
    entered = not await is_in(context, upgrade.replacement)
    if entered:
        await _enter(context, change, upgrade)
    try:
        if await context.outside.predecessor(upgrade.replacement) != upgrade.room_id:
            raise Refused(notice("named.not_used", new=Id(upgrade.replacement), why=notice("upgrade.no_predecessor")))
        return await rulebook.examined(context, change)
    except (Refused, Never):
        if entered:
            await context.acts.leave(upgrade.replacement)
        raise


async def _enter(context: Context, change: Change, upgrade: RoomUpgrade) -> None:
    """Enter the new room for somebody who could set the policy. Raises `Refused`."""
    called = Room(change.room.room_id, change.room.label)
    await authority.insist(context, Wanted(Deed.SET_POLICY, change.author, called, locked=change.room.locked))
    try:
        tombstone = await context.outside.tombstone(upgrade.room_id)
        via = upgrading.servers_of(context, tombstone) if tombstone is not None else (context.home,)
        async with context.elsewhere.asking(via[0], change.author):
            await context.acts.join(upgrade.replacement, via)
    except ActionError as error:
        new, bot = Id(upgrade.replacement), User(context.bot)
        raise Refused(notice("named.cannot_enter", new=new, why=error.why, bot=bot)) from error


def _with_the_new_room(meant: Mapping[str, str], upgrade: RoomUpgrade) -> dict[str, str]:
    return {name: upgrade.replacement if room_id == upgrade.room_id else room_id for name, room_id in meant.items()}


NAMED_ROOM_UPGRADE: Final = "named_room_upgrade"
QUESTION: Final = question.kind(_words, _answered)
"""The question whether a policy shall mean the new room."""
