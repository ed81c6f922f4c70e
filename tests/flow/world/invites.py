"""Third-party invites: planted, taken back and redeemed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knockbot.domain.power import powers
from tests.flow.world.people import ALICE
from tests.flow.world.rooms import Rooms

OWN_KEY: Mapping[str, Any] = {"display_name": "dav...@exa...", "public_key": "key", "public_keys": []}
"""A third-party invite with a key that answers to nobody."""


class Invites(Rooms):
    """What people do with third-party invites in rooms."""

    def plant(self, room_id: str, inviter: str, token: str = "t", **content: Any) -> str:
        """Somebody invites an address, under a token; returns the event."""
        return self._set_invite(room_id, inviter, token, {**OWN_KEY, **content})

    def empty(self, room_id: str, by: str, token: str = "t") -> str:
        """Somebody takes a third-party invite back; returns the event."""
        return self._set_invite(room_id, by, token, {})

    def redact_invite(self, room_id: str, by: str, token: str = "t") -> None:
        """Somebody takes the content of a third-party invite away."""
        event = self.rooms[room_id].invites[token]
        redaction = self._event(room_id, by, "m.room.redaction", {"redacts": event["event_id"]})
        event |= {"content": {}, "unsigned": {"redacted_because": redaction}}
        self._deliver(room_id, redaction)

    def redeem(self, room_id: str, user_id: str, token: str = "t", *, join: bool = True) -> str:
        """Somebody comes in by a third-party invite, as its inviter's guest; returns the event they are invited by."""
        room, event = self.rooms[room_id], self.rooms[room_id].invites[token]
        assert event["content"], "it was taken back"
        assert room.membership(user_id) != "ban", "they are banned"
        signed = {"signed": {"mxid": user_id, "token": token}}
        came = self._set(room, event["sender"], user_id, "invite", third_party_invite=signed)
        if join:
            self._set(room, user_id, user_id, "join")
        return came

    def _set_invite(self, room_id: str, sender: str, token: str, content: Mapping[str, Any]) -> str:
        room = self.rooms[room_id]
        level = powers({"sender": ALICE, "content": {"room_version": room.version}}, room.levels)
        assert room.membership(sender) == "join", "they are not in the room"
        assert level.level(sender) >= level.levels["invite"], "they may not invite"
        event = self._event(room_id, sender, "m.room.third_party_invite", content) | {"state_key": token}
        room.invites[token] = event
        self._deliver(room_id, event)
        return str(event["event_id"])
