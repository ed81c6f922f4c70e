"""What has happened, handed to those who handle it: the common way of requests first, and then the features."""

from __future__ import annotations

from knockbot.domain.model import Echo, ListChange, MemberChange, RoomChange
from knockbot.engine.turn import WAITS, Handled, Turn
from knockbot.flow import entering, membership, tables
from knockbot.flow.acts import lines
from knockbot.flow.context import Context
from knockbot.store import jobs, rooms


async def member_changed(context: Context, change: MemberChange) -> Handled:
    """Somebody's membership changed, or the bot's own."""
    if change.user_id != context.bot:
        context.standings.forget(change.room_id, change.user_id)
        handled = await membership.member_changed(context, change)
        return handled if handled is WAITS else tables.together(handled, await tables.sees(context, change))
    context.standings.forget(change.room_id)
    return tables.together(await entering.bot_moved(context, change), await tables.heard(context, change))


async def room_changed(context: Context, change: RoomChange) -> Handled:
    """Something in a room changed that is no membership: its powers, its name, its rules."""
    context.standings.forget(change.room_id)
    theirs = await tables.heard(context, change)

    async def write(turn: Turn) -> None:
        if await rooms.find(turn.tx, change.room_id) is None:
            await jobs.unblock(turn.tx, change.room_id, turn.now)  # perhaps the bot may speak there again
        turn.after(context.configured.set)
        turn.after(lambda: context.look_at(change.room_id))

    return tables.together(write, theirs)


async def list_changed(context: Context, change: ListChange) -> Handled:
    """An entry of a policy list was set or removed."""
    return await tables.heard(context, change)


async def echoed(_: Context, heard: Echo) -> Handled:
    """A message of the bot's own came back."""

    async def write(turn: Turn) -> None:
        await lines.echoed(turn, heard.job_key, heard.event_id)

    return write
