"""A policy names lists: which it may name, the rooms that they are, and that they are followed from then on.

A list says whom others do not want, so a policy may use only a list that its author can read: one that the author has
joined, or that is public. The bot has to join the room of the list, because only there it hears of changes.
"""

from __future__ import annotations

from knockbot.documents.reading import Path
from knockbot.domain import mistakes
from knockbot.domain.ids import room_meant
from knockbot.domain.listed import PolicyList
from knockbot.domain.model import Membership
from knockbot.domain.notices import Letters, Notice, Stranger, User, below, notice
from knockbot.engine.turn import Turn
from knockbot.errors import ActionError, Later, Never, Refused
from knockbot.features.lists import following, hits, showing, visiting
from knockbot.flow import refusals, rulebook
from knockbot.flow.changes import Sound
from knockbot.flow.context import Context
from knockbot.flow.rooms import is_in, is_joined
from knockbot.store import pins, policies

OPEN = frozenset({"public"})


# --- when a policy is set -------------------------------------------------------------------------------------


async def examine(context: Context, sound: Sound) -> None:
    """Look whether the author of a policy may use its lists, and have the bot join their rooms. Raises `Refused`."""
    rooms: dict[str, str] = {}
    for place, one in enumerate(sound.policy.lists):
        room_id = sound.meant.get(one.room, one.room)
        if rooms.setdefault(room_id, one.name) != one.name and one.room not in sound.change.meant:
            raise await _named_twice(sound, place, one, rooms[room_id])
        await _insist_on_a_room_of_its_own(sound, place, one, room_id)
        if not await _may_use(context, sound.change.author, one, room_id):
            raise await _not_usable(context, sound, place, one, room_id)
        await _insist_on_current(context, sound, place, one, room_id)


async def _may_use(context: Context, author: str, one: PolicyList, room_id: str) -> bool:
    was_in = await is_in(context, room_id)
    try:
        if not was_in:
            await _enter(context, author, one, room_id)
        if await can_read(context, room_id, author):
            return True
    except Later as error:
        raise _refused(notice("policy_list.cannot_enter", name=Stranger(one.name), why=error.why)) from error
    except Never:
        return False
    if not was_in:
        await context.acts.leave(room_id)
    return False


async def _enter(context: Context, author: str, one: PolicyList, room_id: str) -> None:
    via = following.servers_of(one)
    await visiting.begin(context, room_id)
    async with context.elsewhere.asking(via[0] if via else "", author):
        await context.acts.join(room_id, via)


async def can_read(context: Context, room_id: str, user_id: str) -> bool:
    """Whether somebody can read a list that the bot has joined: they have joined it, or it is public."""
    if await is_joined(context, room_id, user_id):
        return True
    view = await context.outside.room(room_id)
    return view.join_rule in OPEN or view.world_readable


async def _insist_on_current(context: Context, sound: Sound, place: int, one: PolicyList, room_id: str) -> None:
    if one.room in sound.change.meant:
        return  # its meaning stays, and the bot asks on its own about a replacement
    tombstone = await context.outside.tombstone(room_id)
    if tombstone is not None:
        where = mistakes.place(await _where(sound, place))
        new = Letters(tombstone.replacement)
        raise _refused(notice("policy.names_replaced_room", place=where, room=Letters(one.room), new=new))


async def _insist_on_a_room_of_its_own(sound: Sound, place: int, one: PolicyList, room_id: str) -> None:
    room = sound.change.room
    if room_id not in (room.room_id, room.management_room):
        return
    where, named = mistakes.place(await _where(sound, place)), Letters(one.room)
    if room_id == room.room_id:
        raise _refused(notice("policy.names_own_room_as_list", place=where, room=named))
    raise _refused(notice("policy.names_management_room_as_list", place=where, room=named))


async def _not_usable(context: Context, sound: Sound, place: int, one: PolicyList, room_id: str) -> Refused:
    """The reply is the same whether the room is not there, or the bot or the author is not in it. Only whoever is
    invited there learns more."""
    where = mistakes.place(await _where(sound, place))
    if await _is_invited(context, room_id, sound.change.author):
        return _refused(notice("policy.names_unjoined_list", place=where, room=Letters(one.room)))
    return _refused(notice("policy.names_closed_list", place=where, room=Letters(one.room), bot=User(context.bot)))


async def _is_invited(context: Context, room_id: str, user_id: str) -> bool:
    """Whether somebody is invited to a room, as far as the bot can see that."""
    try:
        member = await context.outside.member(room_id, user_id)
    except ActionError:
        return False
    return member is not None and member.membership is Membership.INVITE


def _refused(why: Notice) -> Refused:
    return Refused(refusals.policy_not_changed(why))


async def _named_twice(sound: Sound, place: int, one: PolicyList, other: str) -> Refused:
    where = mistakes.place(await _where(sound, place))
    return _refused(notice("policy.names_list_twice", place=where, room=Letters(one.room), name=Stranger(other)))


async def _where(sound: Sound, place: int) -> str:
    path: Path = ("lists", place, "room")
    return await rulebook.where(sound.change, lambda _: path)


async def _meant_before(turn: Turn, sound: Sound) -> dict[str, str]:
    """What the names in the room's policy meant until now: the same name may mean the room that replaces another."""
    room_id = sound.change.room.room_id
    revision = await policies.latest(turn.tx, room_id)
    return await pins.meant(turn.tx, pins.of_revision(room_id, revision - 1)) if revision is not None else {}


async def enforced(context: Context, turn: Turn, sound: Sound) -> Notice | None:
    """A policy is in force: its lists are followed from now on, and it is told soon whom the new ones hit."""
    named = {one.room for one in sound.before.lists}
    before = await _meant_before(turn, sound)
    if sound.before.lists:
        await visiting.named_no_more(context, turn)
    untold = await hits.drop(turn, sound.change.room.room_id)
    for one in sound.policy.lists:
        room_id = sound.meant.get(one.room, one.room)
        await following.follow(context, turn, room_id, one, sound.change.cause)
        is_new = one.room not in named or room_meant(one.room, before) not in (None, room_id)
        if is_new or room_id in untold:
            await hits.plan(context, turn, sound, one)
    return below(*await showing.twice(context, turn.tx, sound.change.room.room_id))
