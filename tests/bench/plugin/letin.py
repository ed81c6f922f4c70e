"""What an admin would hack together: a maubot plug-in that lets in whoever knocks."""

from __future__ import annotations

from maubot import Plugin
from maubot.handlers import event
from mautrix.types import EventType, Membership, MemberStateEventContent, StateEvent, UserID


class LetIn(Plugin):  # type: ignore[misc]  # maubot is not in this environment, so to mypy it is anything
    """Invites whoever knocks, at once, and remembers nothing."""

    @event.on(EventType.ROOM_MEMBER)  # type: ignore[untyped-decorator]  # maubot, the same
    async def knocked(self, change: StateEvent) -> None:
        """Somebody's membership has changed."""
        content = change.content
        if isinstance(content, MemberStateEventContent) and content.membership == Membership.KNOCK:
            await self.client.invite_user(change.room_id, UserID(change.state_key))
