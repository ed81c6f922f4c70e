"""Rooms, and what people do in them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.flow.world.clock import Clock
from tests.flow.world.people import ALICE, BOT, HOME

OUT = frozenset({None, "leave", "knock"})
"""The memberships from which one may knock."""


@dataclass
class Room:
    """One room: its member events by user, its levels, and what was said in it, oldest first."""

    id: str
    label: str
    join_rule: str = "knock"
    world_readable: bool = False
    encrypted: bool = False
    version: str = "10"
    members: dict[str, dict[str, Any]] = field(default_factory=dict)
    levels: dict[str, Any] = field(default_factory=dict)
    said: list[dict[str, Any]] = field(default_factory=list)
    past: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Every member event there ever was, by its id."""
    create: dict[str, Any] | None = None
    tombstone: dict[str, Any] | None = None
    predecessor: str | None = None
    acl: dict[str, Any] | None = None
    """The content of its server ACL; none where it has none."""
    is_space: bool = False
    children: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The content of each m.space.child, by its state key."""
    naming: dict[str, str] = field(default_factory=dict)
    """Its event, where it has one."""
    invites: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What stands, or stood, of third-party invites, by token."""

    rules: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """The entries of a policy list that stand, or stood, by type and state key."""

    def membership(self, user_id: str) -> str | None:
        """Where somebody stands."""
        event = self.members.get(user_id)
        return event["content"]["membership"] if event else None

    def event_of(self, user_id: str) -> str:
        """The member event that stands for somebody."""
        event_id: str = self.members[user_id]["event_id"]
        return event_id


class Rooms:
    """Rooms and people; everything that happens is in `outbox` until the homeserver delivers it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.rooms: dict[str, Room] = {}
        self.aliases: dict[str, str] = {}
        self.outbox: list[dict[str, Any]] = []
        self.media: dict[str, bytes] = {}
        """The files that people have sent, by the ID of their media."""
        self.tells_afar = False
        """Whether the homeserver tells who is in rooms that the bot is not in (MSC4502)."""
        self._numbers = itertools.count(1)

    def room(self, room_id: str, label: str, *joined: str, levels: Mapping[str, Any] | None = None, **how: Any) -> Room:
        """A room with these people in it; nothing of its making is delivered."""
        room = Room(room_id, label, levels={"invite": 50, **(levels or {})}, **how)
        self.rooms[room_id] = room
        for user_id in joined:
            self._set(room, user_id, user_id, "join")
        self.outbox.clear()
        return room

    def knock(self, room_id: str, user_id: str, reason: str | None = None, **content: Any) -> str:
        """Somebody knocks, or knocks again; returns the event."""
        room = self.rooms[room_id]
        assert room.membership(user_id) in OUT, "they cannot knock"
        return self._set(room, user_id, user_id, "knock", reason, **content)

    def change(
        self, room_id: str, by: str, user_id: str, membership: str, reason: str | None = None, **content: Any
    ) -> str:
        """Any other change of membership, by whomever; returns the event."""
        return self._set(self.rooms[room_id], by, user_id, membership, reason, **content)

    def say(self, room_id: str, sender: str, body: str, **content: Any) -> str:
        """Somebody says something; returns the event."""
        return self._say(room_id, sender, "m.room.message", {"msgtype": "m.text", "body": body, **content})

    def send_file(self, room_id: str, sender: str, content: bytes, caption: str | None = None, **more: Any) -> str:
        """Somebody sends a file, perhaps with a caption; returns the event."""
        media_id = f"media{len(self.media)}"
        self.media[media_id] = content
        said = {"msgtype": "m.file", "filename": "list.csv", "body": caption or "list.csv"}
        return self._say(room_id, sender, "m.room.message", {**said, "url": f"mxc://{HOME}/{media_id}", **more})

    def react(self, room_id: str, sender: str, target: str, key: str) -> str:
        """Somebody reacts to a message; returns the event."""
        relation = {"rel_type": "m.annotation", "event_id": target, "key": key}
        return self._say(room_id, sender, "m.reaction", {"m.relates_to": relation})

    def set_levels(self, room_id: str, **levels: Any) -> None:
        """The power levels change."""
        self.rooms[room_id].levels |= levels
        self.state_changed(room_id, "m.room.power_levels")

    def set_acl(self, room_id: str, **acl: Any) -> None:
        """The server ACL changes."""
        self.rooms[room_id].acl = acl
        self.state_changed(room_id, "m.room.server_acl")

    def replace(self, room_id: str, replacement: str, by: str = ALICE) -> None:
        """Somebody says that a room is replaced by another."""
        event = self._event(room_id, by, "m.room.tombstone", {})
        self.rooms[room_id].tombstone = event | {"content": replacement}
        self._deliver(room_id, event | {"state_key": ""})

    def name_child(self, space: str, room_id: str, by: str = ALICE, **content: Any) -> None:
        """Somebody says that a room belongs to a space; with other content than `via`, or without it, perhaps not."""
        self.rooms[space].children[room_id] = content
        event = self._event(space, by, "m.space.child", content)
        self.rooms[space].naming[room_id] = event["event_id"]
        self._deliver(space, event | {"state_key": room_id})

    def redact_child(self, space: str, room_id: str, by: str = ALICE) -> None:
        """Somebody redacts the event that says that a room belongs to a space."""
        self.rooms[space].children[room_id] = {}
        self._deliver(space, self._event(space, by, "m.room.redaction", {"redacts": self.rooms[space].naming[room_id]}))

    def state_changed(self, room_id: str, event_type: str, sender: str = ALICE, **content: Any) -> None:
        """A state event that is watched came in."""
        event = self._event(room_id, sender, event_type, content)
        self._deliver(room_id, event | {"state_key": ""})

    def redact(self, room_id: str, by: str, event_id: str) -> None:
        """Somebody redacts a message, or a member event, which keeps nothing but its membership."""
        room = self.rooms[room_id]
        redaction = self._event(room_id, by, "m.room.redaction", {"redacts": event_id})
        for event in [*room.said, *room.past.values()]:
            if event["event_id"] == event_id:
                kept = {"membership": event["content"]["membership"]} if event["type"] == "m.room.member" else {}
                event |= {"content": kept, "unsigned": {"redacted_because": redaction}}
        self._deliver(room_id, redaction)

    # --- events ---------------------------------------------------------------------------------------------------

    def _set(
        self, room: Room, sender: str, user_id: str, membership: str, reason: str | None = None, **content: Any
    ) -> str:
        before = room.members.get(user_id)
        replaced = {"replaces_state": before["event_id"], "prev_content": before["content"]} if before else {}
        fields = {"membership": membership} | ({"reason": reason} if reason is not None else {}) | content
        event = self._event(room.id, sender, "m.room.member", fields)
        event |= {"state_key": user_id, "unsigned": replaced}
        room.members[user_id] = room.past[event["event_id"]] = event
        self._deliver(room.id, event)
        return str(event["event_id"])

    def _say(self, room_id: str, sender: str, event_type: str, content: Mapping[str, Any]) -> str:
        event = self._event(room_id, sender, event_type, content)
        self.rooms[room_id].said.append(event)
        self._deliver(room_id, event)
        return str(event["event_id"])

    def _event(self, room_id: str, sender: str, event_type: str, content: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "type": event_type,
            "room_id": room_id,
            "sender": sender,
            "event_id": f"${next(self._numbers)}",
            "origin_server_ts": self.clock(),
            "content": dict(content),
        }

    def _deliver(self, room_id: str, event: dict[str, Any]) -> None:
        """Application services see rooms they are joined to, and member events about themselves (FACTS)."""
        about_the_bot = event.get("state_key") == BOT
        if about_the_bot or event["sender"] == BOT or self.rooms[room_id].membership(BOT) == "join":
            self.outbox.append(event)

    def delivered(self) -> list[dict[str, Any]]:
        """What the homeserver hands over next."""
        taken, self.outbox = self.outbox, []
        return taken
