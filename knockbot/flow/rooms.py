"""Rooms: who is in a room at this moment, whether it takes anything from their server, and which room is meant.

After the bot has left a room, the homeserver still shows it the state of that day. So what it shows of a room is true
only where the bot is in that room.
"""

from __future__ import annotations

from knockbot.domain.ids import RoomReference, server_of
from knockbot.domain.model import Known, Membership, Truth
from knockbot.domain.notices import Letters, Notice, because
from knockbot.errors import ActionError, Never
from knockbot.flow.context import Context


async def is_joined(context: Context, room_id: str, user_id: str) -> bool:
    """Whether a user is joined to a room at this moment. Raises `Never` where the bot may not look."""
    member = await context.outside.member(room_id, user_id)
    return member is not None and member.membership is Membership.JOIN


async def is_in(context: Context, room_id: str) -> bool:
    """Whether the bot itself is joined to a room at this moment, so that it sees the true state there."""
    try:
        return await is_joined(context, room_id, context.bot)
    except Never:  # the bot may not even look
        return False


async def is_member(context: Context, room_id: str, user_id: str, *, called: str = "") -> Known:
    """Whether a user is joined to a room, as a fact for a policy: unknown where the bot does not see the true state.

    `called` is what the policy calls the room.
    """
    called = called or room_id
    refused: Notice | None = None
    try:
        joined = await _sees_joined(context, room_id, user_id)
    except Never as error:
        joined, refused = None, error.why
    except ActionError as error:
        return Known(Truth.UNKNOWN, because("unknown.room", room=Letters(called), why=error.why))
    if joined is None:
        joined = await _told_joined(context, room_id, user_id)
    if joined is None:
        return Known(Truth.UNKNOWN, await _unseen(context, room_id, called, refused))
    return Known(Truth.TRUE if joined else Truth.FALSE)


async def _unseen(context: Context, room_id: str, called: str, refused: Notice | None) -> Notice:
    """Why the bot does not see who is in a room: it is not in there, or the homeserver says why."""
    room = Letters(await last_called(context, room_id) if called == room_id else called)
    return (
        because("unknown.not_there", room=room) if refused is None else because("unknown.room", room=room, why=refused)
    )


async def _sees_joined(context: Context, room_id: str, user_id: str) -> bool | None:
    """Whether a user is joined to a room; `None` where the bot is not in it."""
    if not await is_joined(context, room_id, context.bot):
        return None
    return await is_joined(context, room_id, user_id)


async def _told_joined(context: Context, room_id: str, user_id: str) -> bool | None:
    """The same of a room that the bot is not in, if the homeserver tells that."""
    try:
        return await context.outside.is_joined_afar(room_id, user_id)
    except ActionError:
        return None


async def may_learn_of(context: Context, room_id: str, who: str) -> bool:
    """Whether somebody may learn who is in a room: only those who are in there, as far as the bot sees that."""
    return (await is_member(context, room_id, who)).truth is Truth.TRUE


async def last_called(context: Context, room_id: str) -> str:
    """The name of a room that the bot is not in any more, as it was when the bot was there; else its ID."""
    try:
        label = (await context.outside.room(room_id)).label
    except ActionError:
        return room_id
    return f"“{label}” ({room_id})" if label != room_id else room_id


async def is_denied(context: Context, room_id: str, user_id: str) -> bool:
    """Whether a room takes nothing from a user's server at this moment; our own is not asked about."""
    if server_of(user_id) in ("", context.home):
        return False
    return (await context.outside.server_acl(room_id)).denies_user(user_id, home=context.home)


async def locate(context: Context, reference: RoomReference, by: str | None = None) -> tuple[str, tuple[str, ...]]:
    """The room that is meant now, and servers to reach it by. Raises `ActionError`.

    What aliases mean in policies stays as it was pinned: nobody can change that by asking for protection.
    """
    if not reference.room.startswith("#"):
        return reference.room, reference.via
    room_id, servers = await context.elsewhere.resolve(context.outside, reference.room, by, afresh=True)
    return room_id, (server_of(reference.room), *servers, *reference.via)
