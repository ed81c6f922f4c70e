"""What the bot may look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from knockbot.domain.acl import ServerAcl, server_acl
from knockbot.domain.lists import type_and_state_key
from knockbot.domain.model import (
    File,
    ListChange,
    MemberChange,
    Membership,
    Reaction,
    Redaction,
    RoomView,
    ThirdPartyChange,
)
from knockbot.domain.notices import because
from knockbot.domain.power import Powers, powers
from knockbot.domain.spaces import SpaceChild
from knockbot.domain.state_keys import spoken
from knockbot.domain.upgrades import Tombstone
from knockbot.errors import Never
from knockbot.flow.ports import TOO_LARGE, TakeIn
from knockbot.matrix import events
from knockbot.matrix.rooms import LONGEST_LISTED
from tests.flow.world.homeserver import Called
from tests.flow.world.people import ALICE, BOT, HOME


class Looks(Called):
    """The calls that change nothing."""

    async def member(self, room_id: str, user_id: str) -> MemberChange | None:
        """The member event that stands in a room for a user."""

        def look() -> MemberChange | None:
            event = self._seen(room_id).members.get(user_id)
            return events.member_change(event) if event else None

        return await self._call(look, "member", room_id, user_id)

    async def membership_of(self, room_id: str, event_id: str) -> Membership | None:
        """The membership that one event of a room set."""

        def look() -> Membership | None:
            event = self._seen(room_id).past.get(event_id)
            return Membership(event["content"]["membership"]) if event else None

        return await self._call(look, "membership_of", room_id, event_id)

    async def past_member(self, room_id: str, event_id: str) -> MemberChange | None:
        """One membership event of a room."""

        def look() -> MemberChange | None:
            event = self._seen(room_id).past.get(event_id)
            return events.member_change(event) if event else None

        return await self._call(look, "past_member", room_id, event_id)

    async def event(self, room_id: str, event_id: str) -> dict[str, Any] | None:
        """One member event, whether or not it still stands."""
        return await self._call(lambda: self._seen(room_id).past.get(event_id), "event", room_id, event_id)

    async def knocking(self, room_id: str) -> list[MemberChange]:
        """The knocks that stand in a room."""

        def look() -> list[MemberChange]:
            standing = map(events.member_change, self._seen(room_id).members.values())
            knocks = [change for change in standing if change.membership is Membership.KNOCK]
            return [replace(c, reason="", cut=True) if len(c.reason) > LONGEST_LISTED else c for c in knocks]

        return await self._call(look, "knocking", room_id)

    async def powers(self, room_id: str) -> Powers:
        """The powers in a room now."""

        def look() -> Powers:
            room = self._seen(room_id)
            return powers({"sender": ALICE, "content": {"room_version": room.version}}, room.levels)

        return await self._call(look, "powers", room_id)

    async def third_party(self, room_id: str, token: str) -> ThirdPartyChange | None:
        """What stands under a token: an invite, or what emptied it."""

        def look() -> ThirdPartyChange | None:
            event = self._seen(room_id).invites.get(spoken(token))
            return events.third_party(event) if event else None

        return await self._call(look, "third_party", room_id, token)

    async def third_parties(self, room_id: str) -> list[ThirdPartyChange]:
        """The same for every token of a room."""

        def look() -> list[ThirdPartyChange]:
            return [events.third_party(event) for event in self._seen(room_id).invites.values()]

        return await self._call(look, "third_parties", room_id)

    async def policy_rule(self, room_id: str, key: str) -> ListChange | None:
        """What stands under the name of an entry of a policy list."""

        def look() -> ListChange | None:
            event = self._seen(room_id).rules.get(type_and_state_key(key))
            return events.list_change(event) if event else None

        return await self._call(look, "policy_rule", room_id, key)

    async def policy_rules(self, room_id: str, take_in: TakeIn) -> None:
        """Every entry of a policy list, two at a time here; it shows the room as it was at the call."""

        def look() -> list[ListChange | None]:
            return [events.list_change(event) for event in self._seen(room_id).rules.values()]

        found = [change for change in await self._call(look, "policy_rules", room_id) if change is not None]
        for start in range(0, len(found), 2):
            await self._call(lambda: None, "policy_rules_portion", room_id)
            await take_in(found[start : start + 2])

    async def redeemed(self, room_id: str, inviters: Iterable[str], since: int) -> list[MemberChange]:
        """Who came in by third-party invites of these inviters."""

        def look() -> list[MemberChange]:
            changes = map(events.member_change, self._seen(room_id).past.values())
            theirs = [change for change in changes if change.token is not None and change.sender in inviters]
            return [change for change in theirs if change.sent_at >= since]

        return await self._call(look, "redeemed", room_id)

    async def server_acl(self, room_id: str) -> ServerAcl:
        """Which servers may take part in a room now."""
        return await self._call(lambda: server_acl(self._seen(room_id).acl), "server_acl", room_id)

    async def tombstone(self, room_id: str) -> Tombstone | None:
        """What says that a room is replaced."""

        def look() -> Tombstone | None:
            event = self._seen(room_id).tombstone
            return Tombstone(event["event_id"], event["sender"], event["content"]) if event else None

        return await self._call(look, "tombstone", room_id)

    async def predecessor(self, room_id: str) -> str | None:
        """The room that this one says it replaces."""
        return await self._call(lambda: self._seen(room_id).predecessor, "predecessor", room_id)

    async def room(self, room_id: str) -> RoomView:
        """A room's name and openness now."""

        def look() -> RoomView:
            room = self._once_seen(room_id)
            return RoomView(
                room_id,
                room.label,
                room.join_rule,
                room.world_readable,
                room.encrypted,
                room.version,
                is_space=room.is_space,
            )

        return await self._call(look, "room", room_id)

    async def resolve(self, alias: str) -> tuple[str, tuple[str, ...]]:
        """The room an alias means now, and servers to reach it by."""

        def look() -> tuple[str, tuple[str, ...]]:
            if alias not in self.world.aliases:
                raise Never(because("homeserver.no_alias"), code="M_NOT_FOUND")
            return self.world.aliases[alias], (HOME,)

        return await self._call(look, "resolve", alias)

    async def space_children(self, space: str) -> list[SpaceChild]:
        """The rooms that a space names."""

        def look() -> list[SpaceChild]:
            listed = [self._child(space, key) for key in self._seen(space).children]
            return [child for child in listed if child is not None]

        return await self._call(look, "space_children", space)

    async def space_child(self, space: str, room_id: str) -> SpaceChild | None:
        """One room that a space names now."""
        return await self._call(lambda: self._child(space, room_id), "space_child", space, room_id)

    def _child(self, space: str, room_id: str) -> SpaceChild | None:
        seen = self._seen(space)
        event = {"state_key": room_id, "content": seen.children.get(room_id), "event_id": seen.naming.get(room_id)}
        return events.space_child(event, HOME)

    async def reactions(self, room_id: str, event_id: str) -> list[Reaction]:
        """The reactions on a message, newest first."""

        def look() -> list[Reaction]:
            said = reversed(self._seen(room_id).said)
            found = [events.reaction(event) for event in said if event["type"] == "m.reaction"]
            return [reaction for reaction in found if reaction is not None and reaction.target == event_id]

        return await self._call(look, "reactions", room_id, event_id)

    async def redaction(self, room_id: str, event_id: str) -> Redaction | None:
        """What redacted an event."""

        def look() -> Redaction | None:
            gone = [e for e in self._seen(room_id).said if e["event_id"] == event_id and not e["content"]]
            return events.redaction_of(gone[0], room_id, event_id) if gone else None

        return await self._call(look, "redaction", room_id, event_id)

    async def attached(self, room_id: str, event_id: str) -> File | None:
        """The file that a message holds."""

        def look() -> File | None:
            said = [event for event in self._seen(room_id).said if event["event_id"] == event_id]
            return events.file_in(said[0]["content"]) if said else None

        return await self._call(look, "attached", room_id, event_id)

    async def content(self, file: File, most: int) -> bytes:
        """What is in a file."""

        def look() -> bytes:
            if file.media_id not in self.world.media:
                raise Never(because("homeserver.not_found"), code="M_NOT_FOUND")
            content = self.world.media[file.media_id]
            if len(content) > most:
                raise Never(because("file.too_large"), code=TOO_LARGE)
            return content

        return await self._call(look, "content", file.media_id)

    async def joined(self, room_id: str) -> list[str]:
        """The users joined to a room."""

        def look() -> list[str]:
            room = self._seen(room_id)
            return sorted(user for user in room.members if room.membership(user) == "join")

        return await self._call(look, "joined", room_id)

    async def joined_rooms(self) -> list[str]:
        """The rooms the bot is in."""
        rooms = self.world.rooms.values()
        return await self._call(lambda: [r.id for r in rooms if r.membership(BOT) == "join"], "joined_rooms")

    async def is_joined_afar(self, room_id: str, user_id: str) -> bool | None:
        """Whether somebody is in a room that the bot need not be in, if the world tells that."""

        def look() -> bool | None:
            room = self.world.rooms.get(room_id)
            return None if room is None or not self.world.tells_afar else room.membership(user_id) == "join"

        return await self._call(look, "is_joined_afar", room_id, user_id)

    async def look_afar(self) -> bool:
        """Whether the world tells that."""
        return self.world.tells_afar

    async def mutual_rooms(self, user_id: str) -> list[str]:
        """The rooms that both a user and the bot are joined to."""

        def look() -> list[str]:
            mine = [room for room in self.world.rooms.values() if room.membership(BOT) == "join"]
            return [room.id for room in mine if room.membership(user_id) == "join"]

        return await self._call(look, "mutual_rooms", user_id)

    async def messages_back(self, room_id: str, since: str | None, _: str) -> tuple[list[Any], str | None]:
        """A page of the bot's own messages, newest first; ten to a page here."""

        def look() -> tuple[list[Any], str | None]:
            said = self._seen(room_id).said
            words = ("m.room.message", "m.room.encrypted")
            mine = [event for event in reversed(said) if event["sender"] == BOT and event["type"] in words]
            begin = int(since or 0)
            return mine[begin : begin + 10], str(begin + 10) if len(mine) > begin + 10 else None

        return await self._call(look, "messages_back", room_id)
