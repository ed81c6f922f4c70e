"""Rooms that are policy lists: entries are set and removed."""

from __future__ import annotations

from typing import Any

from knockbot.domain.lists import EntityKind
from tests.flow.world.rooms import Rooms


class Lists(Rooms):
    """What people do in rooms that are policy lists."""

    def list_entity(
        self,
        room_id: str,
        by: str,
        entity: str,
        kind: EntityKind = EntityKind.USER,
        *,
        reason: str = "spam",
        state_key: str | None = None,
        event_type: str = "m.policy.rule.",
        **content: Any,
    ) -> str:
        """Somebody puts an entity on a list; returns the event."""
        said = {"entity": entity, "recommendation": "m.ban", "reason": reason, **content}
        return self.set_rule(room_id, by, f"{event_type}{kind}", state_key or f"rule:{entity}", said)

    def unlist(self, room_id: str, by: str, entity: str, kind: EntityKind = EntityKind.USER) -> str:
        """Somebody takes an entity off a list; returns the event."""
        return self.set_rule(room_id, by, f"m.policy.rule.{kind}", f"rule:{entity}", {})

    def redact_rule(self, room_id: str, by: str, event_id: str) -> None:
        """Somebody redacts an entry of a list."""
        redaction = self._event(room_id, by, "m.room.redaction", {"redacts": event_id})
        for event in self.rooms[room_id].rules.values():
            if event["event_id"] == event_id:
                event |= {"content": {}, "unsigned": {"redacted_because": redaction}}
        self._deliver(room_id, redaction)

    def set_rule(self, room_id: str, by: str, event_type: str, state_key: str, content: dict[str, Any]) -> str:
        """Somebody sets any entry of a list; returns the event."""
        event = self._event(room_id, by, event_type, content) | {"state_key": state_key}
        self.rooms[room_id].rules[event_type, state_key] = event
        self._deliver(room_id, event)
        return str(event["event_id"])
