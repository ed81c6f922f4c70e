"""What the bot may do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from knockbot.domain.power import powers
from knockbot.domain.reasons import foreign
from knockbot.errors import Never
from tests.flow.world.looks import Looks
from tests.flow.world.people import ALICE, BOT, HOME
from tests.flow.world.rooms import Room


class AsBot(Looks):
    """The homeserver as the bot has it, which it also changes."""

    bot = BOT
    ahead = 0
    """How far its clock is ahead of ours (milliseconds)."""

    async def invite(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Let somebody in."""
        await self._call(lambda: self._act(room_id, user_id, "invite", reason), "invite", room_id, user_id)

    async def kick(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Send somebody away."""
        await self._call(lambda: self._act(room_id, user_id, "kick", reason), "kick", room_id, user_id)

    async def ban(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Keep somebody out."""
        await self._call(lambda: self._act(room_id, user_id, "ban", reason), "ban", room_id, user_id)

    async def unban(self, room_id: str, user_id: str, reason: str | None) -> None:
        """Lift a ban."""
        await self._call(lambda: self._act(room_id, user_id, "unban", reason), "unban", room_id, user_id)

    def _act(self, room_id: str, user_id: str, call: str, reason: str | None) -> None:
        """What Synapse checks, and what it answers (FACTS)."""
        room = self._seen(room_id)
        stands = room.membership(user_id)
        level = powers({"sender": ALICE, "content": {"room_version": room.version}}, room.levels)
        if call == "invite" and stands == "ban":
            raise Never(foreign("they are banned from the room."), code="M_BAD_STATE")
        if call == "invite" and stands == "join":
            raise Never(foreign("the homeserver says: already in the room"), code="M_FORBIDDEN")
        if call == "kick" and stands not in ("join", "invite", "knock"):
            raise Never(foreign("the homeserver says: not in the room"), code="M_FORBIDDEN")
        if call == "unban" and stands != "ban":
            raise Never(foreign("the homeserver says: cannot unban who was not banned"), code="M_FORBIDDEN")
        needed = max(level.levels[power] for power in {"unban": ("kick", "ban")}.get(call, (call,)))
        if level.level(BOT) < needed:
            raise Never(foreign("the homeserver says: no power"), code="M_FORBIDDEN")
        if call != "invite" and level.level(user_id) >= level.level(BOT):
            raise Never(foreign("the homeserver says: no power over them"), code="M_FORBIDDEN")
        becomes = {"invite": "invite", "kick": "leave", "ban": "ban", "unban": "leave"}[call]
        if stands != becomes:
            self.world.change(room_id, BOT, user_id, becomes, reason)

    async def put_state(self, room_id: str, event_type: str, key: str, content: Mapping[str, Any], _: float = 0) -> str:
        """Set a room's state: of a third-party invite, which it takes the power to invite for, the power levels of a
        room of its own, or invite somebody."""

        def act() -> str:
            room = self._seen(room_id)
            level = powers({"sender": ALICE, "content": {"room_version": room.version}}, room.levels)
            if level.level(BOT) < level.levels["invite"]:
                raise Never(foreign("the homeserver says: no power"), code="M_FORBIDDEN")
            if event_type == "m.room.power_levels":
                self.world.set_levels(room_id, **content)
                return "$levels"
            if event_type == "m.room.member":
                more = {name: value for name, value in content.items() if name not in ("membership", "reason")}
                return self.world._set(room, BOT, key, content["membership"], content.get("reason"), **more)
            return self.world._set_invite(room_id, BOT, key, content)

        return await self._call(act, "put_state", room_id, key)

    async def send(self, room_id: str, event_type: str, txn_id: str, content: Mapping[str, Any]) -> str:
        """Send a message event."""

        def act() -> str:
            self._seen(room_id)
            if txn_id not in self.world.txn_ids:
                if event_type == "m.reaction" and self._reacted(room_id, content["m.relates_to"]):
                    raise Never(foreign("the homeserver says: twice the same"), code="M_DUPLICATE_ANNOTATION")
                self.world.txn_ids[txn_id] = self.world._say(room_id, BOT, event_type, content)
            return self.world.txn_ids[txn_id]

        return await self._call(act, "send", room_id, event_type)

    async def upload(self, name: str, media_type: str, content: bytes) -> str:
        """Put a file into the media repository."""

        def act() -> str:
            media_id = f"media{len(self.world.media)}"
            self.world.media[media_id] = content
            return f"mxc://{HOME}/{media_id}"

        return await self._call(act, "upload", name, media_type)

    def _reacted(self, room_id: str, relation: Mapping[str, Any]) -> bool:
        return any(
            event["sender"] == BOT and event["content"].get("m.relates_to") == relation
            for event in self.world.rooms[room_id].said
            if event["type"] == "m.reaction"
        )

    async def redact(self, room_id: str, event_id: str, _: str) -> None:
        """Take a message back, or, with the power for it, a third-party invite."""

        def act() -> None:
            for token, invite in self._seen(room_id).invites.items():
                if invite["event_id"] == event_id:
                    self.world.redact_invite(room_id, BOT, token)
            for event in self._seen(room_id).said:
                if event["event_id"] == event_id:
                    event["content"] = {}

        await self._call(act, "redact", room_id, event_id)

    async def join(self, room: str, _: Sequence[str] = ()) -> str:
        """Enter a room."""

        def act() -> str:
            found = self.world.rooms.get(self.world.aliases.get(room, room))
            if found is None or (found.membership(BOT) not in ("invite", "join") and found.join_rule != "public"):
                raise Never(foreign("the homeserver says: you are not invited"), code="M_FORBIDDEN")
            if found.membership(BOT) != "join":
                self.world.change(found.id, BOT, BOT, "join")
            return found.id

        return await self._call(act, "join", room)

    async def knock(self, room: str, _: Sequence[str], reason: str) -> str:
        """Ask to be let in."""

        def act() -> str:
            found = self.world.rooms.get(room)
            if found is None or found.join_rule not in ("knock", "knock_restricted"):
                raise Never(foreign("the homeserver says: nobody may knock here"), code="M_FORBIDDEN")
            return self.world.knock(found.id, BOT, reason) and found.id

        return await self._call(act, "knock", room)

    async def leave(self, room_id: str) -> None:
        """Leave a room, decline an invite or take a knock back."""

        def act() -> None:
            found = self.world.rooms.get(room_id)
            if found is not None and found.membership(BOT) in ("join", "invite", "knock"):
                self.world.change(room_id, BOT, BOT, "leave")

        await self._call(act, "leave", room_id)

    async def forget(self, room_id: str) -> None:
        """Know nothing more of a room."""
        await self._call(lambda: None, "forget", room_id)

    async def state(self, room_id: str, event_type: str, _: str = "") -> dict[str, Any] | None:
        """A state event; only what says who made a room."""
        return await self._call(lambda: self._seen(room_id).create, "state", room_id, event_type)

    async def create_room(self, content: Mapping[str, Any]) -> str:
        """Make a room and invite people."""

        def act() -> str:
            room_id = f"!made{len(self.world.rooms)}"
            levels = {"users": {BOT: 100}, **content.get("power_level_content_override", {})}
            self.world.rooms[room_id] = Room(room_id, content["name"], join_rule="invite", levels=levels)
            self.world.rooms[room_id].create = {"sender": BOT, "content": content["creation_content"]}
            self.world.change(room_id, BOT, BOT, "join")
            for user_id in content["invite"]:
                self.world.change(room_id, BOT, user_id, "invite")
            return room_id

        return await self._call(act, "create_room", *content["invite"])
