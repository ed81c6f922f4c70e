"""A change of membership, as third-party invites have a part in it: somebody comes in by one, or an inviter falls."""

from __future__ import annotations

from knockbot.domain.model import MemberChange
from knockbot.engine.turn import Write
from knockbot.features.thirdparty import inviters, redeeming
from knockbot.flow.context import Context


async def member_changed(context: Context, change: MemberChange) -> Write[None] | None:
    """Take in what it means for invites; of the bot itself, nothing."""
    if change.user_id == context.bot:
        return None
    if change.token is not None:
        return await redeeming.redeemed(context, change)
    return await inviters.member_changed(context, change)
