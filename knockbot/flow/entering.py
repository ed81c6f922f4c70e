"""The bot's own membership: invited, joined, removed, and the rooms that it leaves because nobody uses them."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from knockbot.domain import plan
from knockbot.domain.ids import RoomReference
from knockbot.domain.model import MemberChange, Membership
from knockbot.domain.notices import (
    Code,
    Id,
    Notice,
    Room,
    Stranger,
    Term,
    User,
    because,
    notice,
)
from knockbot.domain.upgrades import Stage
from knockbot.engine.turn import Turn, Write
from knockbot.errors import Never, Refused
from knockbot.flow import cards, checkup, conversations, encrypted, names, place, refusals, saying, tables
from knockbot.flow.context import Context, log
from knockbot.flow.conversations import ToTell
from knockbot.flow.protecting import Ask, Grant, granted, leave_unless_needed
from knockbot.flow.rooms import is_in
from knockbot.flow.saying import Audience, Urgency
from knockbot.store import bot_memberships, jobs, pending_protects, pins, room_upgrades, rooms
from knockbot.store.db import Tx
from knockbot.store.pending_protects import PendingProtect
from knockbot.times import DAY


async def bot_moved(context: Context, change: MemberChange) -> Write[None] | None:
    """The bot was invited, joined, left or was removed."""
    if change.membership is Membership.INVITE:
        return _invited(context, change, await conversations.asked_for(context, change) if change.direct else None)
    if change.membership is Membership.JOIN:
        return await _entered(context, change)
    return _is_out(context, change)


def _invited(context: Context, change: MemberChange, asked: ToTell | None) -> Write[None]:
    """Accept an invite from somebody who is permitted, or one that the bot asked for; decline others silently. Members
    of protected rooms who want to chat get their conversation."""

    async def write(turn: Turn) -> None:
        await bot_memberships.note(turn.tx, change.room_id, change.membership, turn.now, inviter=change.sender)
        welcome = (
            context.settings.permission_of(change.sender) is not None
            or await pending_protects.of_room(turn.tx, change.room_id)
            or await rooms.find(turn.tx, change.room_id) is not None
            or await _is_expected(context, turn.tx, change.room_id)
        )
        go = plan.enter if welcome else plan.leave
        await jobs.overtake_going(turn.tx, change.room_id, because("overtaken.invited_again"), turn.now)
        await turn.plan(go(change.room_id, change.event_id))
        if asked is not None and not welcome:
            conversations.tell(context, turn, asked)

    return write


async def _is_expected(context: Context, tx: Tx, room_id: str) -> bool:
    """Whether the config file names this room, a feature waits for it, or it replaces one that the bot knows: then
    anybody may invite it."""
    if any(room_id in (name, room.management_room) for name, room in context.settings.rooms.items()):
        return True
    if any(pin.room_id == room_id for pin in await pins.of_the_config(tx)):
        return True
    if await tables.expects(context, tx, room_id):
        return True
    return any(upgrade.stage is Stage.WAITING for upgrade in await room_upgrades.leading_to(tx, room_id))


async def _entered(context: Context, change: MemberChange) -> Write[None] | None:
    if not await is_in(context, change.room_id):  # the bot is out again, as the next event will tell
        return None
    async with context.db.tx() as tx:
        waiting = await pending_protects.of_room(tx, change.room_id)
    asked = [await _granted_or_not(context, _ask_of(pending)) for pending in waiting]
    if waiting and not any(isinstance(one, Grant) for one in asked):
        await leave_unless_needed(context, change.room_id)
    unreadable = not waiting and await _cannot_be_read(context, change.room_id)
    with suppress(Never):  # the bot was removed again
        await encrypted.is_encrypted(context, change.room_id)
    replaced = await _replaced_management_room(context, change.room_id)

    async def write(turn: Turn) -> None:
        await bot_memberships.note(turn.tx, change.room_id, change.membership, turn.now)
        inviter = await bot_memberships.inviter(turn.tx, change.room_id)
        if unreadable and inviter is not None:
            await turn.plan(plan.meet(change.room_id, inviter))
        elif inviter is not None and await _is_new_here(context, turn.tx, change.room_id, inviter):
            said = notice("room.greeting", protect=Code("!kb protect #room:server"), help=Code("!kb help"))
            await saying.say(context, turn, Audience(change.room_id), f"greeting:{change.room_id}", said)
        if replaced is not None:
            occasion = f"replaces:{change.room_id}"
            managed = await rooms.managed_by(turn.tx, replaced)
            said = notice("room.replaces_management", commands=names.to_protect(managed))
            await saying.say(context, turn, Audience(change.room_id), occasion, said, urgency=Urgency.ALOUD)
        await pending_protects.clear(turn.tx, change.room_id)
        for pending, one in zip(waiting, asked, strict=True):
            reply = await one.write(context, turn) if isinstance(one, Grant) else one.said
            occasion = f"protect:{pending.room_id}:{change.event_id}:{pending.requester}"
            await saying.say(context, turn, Audience(pending.management_room), occasion, reply, reply_to=pending.cause)
        await cards.unblock(turn, change.room_id)
        await encrypted.tell_if_silent(context, turn, change.room_id)
        turn.after(partial(context.look_at, change.room_id))
        turn.after(context.configured.set)

    return write


async def _granted_or_not(context: Context, ask: Ask) -> Grant | Refused:
    """The result of an ask that waited until the bot was let in: if there are several, each gets one."""
    try:
        return await granted(context, ask, ask.reference.room)
    except Never as error:
        return Refused(refusals.failed(error.why))
    except Refused as refused:
        return refused


async def _replaced_management_room(context: Context, room_id: str) -> str | None:
    """The management room that was upgraded to this one: there the bot may not be allowed to speak any more.

    Both rooms have to say it: a room can name any other as the one before it.
    """
    with suppress(Never):
        before = await context.outside.predecessor(room_id)
        if before is None:
            return None
        async with context.db.tx() as tx:
            managed = await rooms.is_management_room(tx, before)
        tombstone = await context.outside.tombstone(before) if managed else None
        return before if tombstone is not None and tombstone.replacement == room_id else None
    return None


async def _is_new_here(context: Context, tx: Tx, room_id: str, inviter: str) -> bool:
    """Whether somebody who may use the bot invited it, and the bot had no other reason to come to this room."""
    if context.settings.permission_of(inviter) is None or await pending_protects.of_room(tx, room_id):
        return False
    known = await rooms.find(tx, room_id) is not None or await rooms.is_management_room(tx, room_id)
    return not known and not await _is_expected(context, tx, room_id)


def _ask_of(pending: PendingProtect) -> Ask:
    reference = RoomReference(pending.room_id)
    return Ask(pending.requester, pending.management_room, reference, pending.cause, pending.with_rooms)


async def _cannot_be_read(context: Context, room_id: str) -> bool:
    """Whether this is a private room for talking in which the bot could read nothing.

    A room that takes knocks is there to be protected, and encryption does not prevent that.
    """
    if context.settings.encryption.allow:
        return False
    async with context.db.tx() as tx:
        if await rooms.find(tx, room_id) is not None:
            return False
    view = await context.outside.room(room_id)
    return view.encrypted and view.join_rule == "invite"


def _is_out(context: Context, change: MemberChange) -> Write[None]:
    async def write(turn: Turn) -> None:
        known = await bot_memberships.is_out(turn.tx, change.room_id)
        await bot_memberships.note(turn.tx, change.room_id, change.membership, turn.now)
        await jobs.overtake_gone(
            turn.tx, change.room_id, because("overtaken.bot_membership", membership=Term(change.membership)), turn.now
        )
        for pending in [] if change.of_their_own else await pending_protects.of_room(turn.tx, change.room_id):
            occasion = f"protect:{change.room_id}:{change.event_id}:{pending.requester}"
            text = _turned_away(change)
            await saying.say(context, turn, Audience(pending.management_room), occasion, text, reply_to=pending.cause)
        if not change.of_their_own:
            await pending_protects.clear(turn.tx, change.room_id)
        if await rooms.is_management_room(turn.tx, change.room_id):
            turn.after(partial(context.look_at, change.room_id))
        there = await place.of(context, turn, change.room_id)
        if there is not None and (await rooms.set_trouble(turn.tx, change.room_id, checkup.NOT_THERE) or not known):
            # A look may have found that the bot is out; only this event says who has removed it. The bot leaves no
            # protected room: where an admin deletes one, the homeserver leaves it in the bot's name.
            said = _removed(there.called, change)
            await saying.alarm(context, turn, change.room_id, f"removed:{change.event_id}", said)

    return write


def _removed(room: Room, change: MemberChange) -> Notice:
    """The bot was removed from a protected room; a homeserver that deletes a room does this in the bot's own name."""
    if change.of_their_own:
        return notice("room.deleted", room=room)
    user = User(change.sender)
    if change.reason:
        return notice("room.removed_because", user=user, room=room, reason=Stranger(change.reason))
    return notice("room.removed", user=user, room=room)


def _turned_away(change: MemberChange) -> Notice:
    """The bot knocked at a room it was to protect, and was not let in."""
    user, room = User(change.sender), Id(change.room_id)
    if change.reason:
        return notice("protect.turned_away_because", user=user, room=room, reason=Stranger(change.reason))
    return notice("protect.turned_away", user=user, room=room)


async def leave_unused(_: Context, turn: Turn) -> None:
    """Leave the rooms that nobody has used within a day."""
    for room_id in await bot_memberships.unused(turn.tx, turn.now - DAY):
        log.info("leaving %s: nobody has used me there for a day", room_id)
        await turn.plan(plan.leave(room_id, f"unused:{turn.now}"))
