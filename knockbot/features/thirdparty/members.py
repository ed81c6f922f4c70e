"""Changes of membership that concern third-party invites: somebody uses one, or an inviter leaves or is removed."""

from __future__ import annotations

from knockbot.domain.model import MemberChange
from knockbot.engine.turn import Write
from knockbot.features.thirdparty import inviters, redeeming
from knockbot.flow.context import Context


async def member_changed(context: Context, change: MemberChange) -> Write[None] | None:
    """Handle what the change means for invites; changes of the bot itself mean nothing here."""
    if change.user_id == context.bot:
        return None
    if change.token is not None:
        return await redeeming.redeemed(context, change)
    return await inviters.member_changed(context, change)
