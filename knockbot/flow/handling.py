"""What has happened, handed to those who handle it: the common way of requests first, and then the features."""

from __future__ import annotations

from knockbot.domain.model import Echo, ListChange, MemberChange, Membership, RoomChange
from knockbot.engine.turn import WAITS, Handled, Turn, Write
from knockbot.flow import conversations, entering, membership, rejudging, tables
from knockbot.flow.acts import lines
from knockbot.flow.context import Context
from knockbot.store import jobs, rooms


async def member_changed(context: Context, change: MemberChange) -> Handled:
    """Somebody's membership changed, or the bot's own."""
    if change.user_id != context.bot:
        context.standings.forget(change.room_id, change.user_id)
        handled = await membership.member_changed(context, change)
        if handled is WAITS:
            return WAITS
        joined = _withdrawing_again(context, change) if change.membership is Membership.JOIN else None
        talk = await conversations.member_changed(context, change)
        return tables.together(handled, await tables.sees(context, change), joined, talk)
    context.standings.forget(change.room_id)
    talk = await conversations.member_changed(context, change)
    return tables.together(await entering.bot_moved(context, change), await tables.heard(context, change), talk)


async def room_changed(context: Context, change: RoomChange) -> Handled:
    """Something in a room changed that is no membership: its powers, its name, its rules."""
    context.standings.forget(change.room_id)
    theirs = await tables.heard(context, change)

    async def write(turn: Turn) -> None:
        if await rooms.find(turn.tx, change.room_id) is None:
            await jobs.unblock(turn.tx, change.room_id, turn.now)  # perhaps the bot may speak there again
        turn.after(context.configured.set)
        turn.after(lambda: context.look_at(change.room_id))

    has_powers = change.type == "m.room.power_levels"
    return tables.together(write, theirs, _withdrawing_again(context, change) if has_powers else None)


def _withdrawing_again(context: Context, change: MemberChange | RoomChange) -> Write[None]:
    async def write(turn: Turn) -> None:
        await rejudging.plan_withdrawals(context, turn, change.room_id, change.event_id)

    return write


async def list_changed(context: Context, change: ListChange) -> Handled:
    """An entry of a policy list was set or removed."""
    return await tables.heard(context, change)


async def echoed(context: Context, heard: Echo) -> Handled:
    """A message of the bot's own came back."""

    async def write(turn: Turn) -> None:
        await lines.echoed(context, turn, heard.job_key, heard.event_id)

    return write
