"""What the bot does on a real homeserver: each call is one act, and does not know its reason."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from typing import Any

from knockbot.errors import Never
from knockbot.flow.keys import SEALED
from knockbot.flow.ports import EFFECT_KEY
from knockbot.matrix.crypto.keyring import Keyring
from knockbot.matrix.events import is_event_id, mapping
from knockbot.matrix.files import encrypted
from knockbot.matrix.homeserver import Homeserver
from knockbot.times import MINUTE

CLOCKS_APART = 10 * MINUTE
"""Milliseconds by which the homeserver's clock may have been behind our estimate, for our own messages."""

PAGES = 50
"""The most pages of a hundred messages of ours to search."""


class Acts:
    """Implements `flow.ports.Acts` if encryption is not allowed."""

    encrypts = False
    kinds: tuple[str, ...] = ("m.room.message",)
    """The types of events in which the bot's own messages are found."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self.invite = homeserver.invite
        self.kick = homeserver.kick
        self.ban = homeserver.ban
        self.unban = homeserver.unban
        self.put_state = homeserver.put_state
        self.join = homeserver.join
        self.knock = homeserver.knock
        self.leave = homeserver.leave
        self.forget = homeserver.forget
        self.create_room = homeserver.create_room

    async def send(self, room_id: str, event_type: str, key: str, content: Mapping[str, Any]) -> str:
        """Send a message event; returns its id."""
        return await self._homeserver.send(room_id, event_type, transaction_id(key), content)

    async def upload(self, _: str, name: str, media_type: str, content: bytes) -> Mapping[str, Any]:
        """Put a file into the media repository."""
        return {"url": await self._homeserver.upload(name, media_type, content)}

    async def redact(self, room_id: str, event_id: str, key: str) -> None:
        """Redact an event."""
        await self._homeserver.redact(room_id, event_id, transaction_id(key))

    async def find_sent(self, room_id: str, key: str, since: int) -> str | None:
        """The message that was sent with this key after a given time, if it is in the room."""
        begin = since - CLOCKS_APART + self._homeserver.ahead
        mine = json.dumps({"types": list(self.kinds), "senders": [self._homeserver.bot]})
        token: str | None = None
        for _ in range(PAGES):
            page, token = await self._homeserver.messages_back(room_id, token, mine)
            for event in page:
                fields = await self.opened(room_id, mapping(event))
                content, event_id, at = fields.get("content"), fields.get("event_id"), fields.get("origin_server_ts")
                if isinstance(content, dict) and content.get(EFFECT_KEY) == key and is_event_id(event_id):
                    return event_id
                if isinstance(at, int) and at < begin:
                    return None
            if token is None:
                return None
        return None

    async def opened(self, _: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """An event of the bot, decrypted."""
        return event

    async def find_made(self, key: str) -> str | None:
        """The room that was made with this key, if the bot is in one."""
        for room_id in await self._homeserver.joined_rooms():
            content = await self.made_with(room_id)
            if content is not None and content.get(EFFECT_KEY) == key:
                return room_id
        return None

    async def made_with(self, room_id: str) -> Mapping[str, Any] | None:
        """What the bot wrote into a room when it made it; `None` for a room of somebody else, or one it cannot see."""
        try:
            create = await self._homeserver.state(room_id, "m.room.create") or {}
        except Never:
            return None
        content = create.get("content")
        # Anybody can write a key into their own room.
        mine = create.get("sender") == self._homeserver.bot
        return content if mine and isinstance(content, dict) else None


class SealingActs(Acts):
    """The same if encryption is allowed: messages in an encrypted room are encrypted."""

    encrypts = True
    kinds = ("m.room.message", SEALED)

    def __init__(self, homeserver: Homeserver, keyring: Keyring) -> None:
        super().__init__(homeserver)
        self._keyring = keyring

    async def send(self, room_id: str, event_type: str, key: str, content: Mapping[str, Any]) -> str:
        """Send a message event; reactions are encrypted by no client."""
        if event_type != "m.reaction":
            event_type, content = await self._keyring.sealed(room_id, event_type, content)
        return await super().send(room_id, event_type, key, content)

    async def upload(self, room_id: str, name: str, media_type: str, content: bytes) -> Mapping[str, Any]:
        """Put a file into the media repository, which cannot read it where the room is encrypted."""
        if not await self._keyring.is_encrypted(room_id):
            return await super().upload(room_id, name, media_type, content)
        ciphertext, key = await asyncio.to_thread(encrypted, content)
        return {"file": {**key, "url": await self._homeserver.upload("", "application/octet-stream", ciphertext)}}

    async def opened(self, room_id: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """An event of the bot, decrypted; unchanged if it cannot be decrypted."""
        return await self._keyring.opened({**event, "room_id": room_id})


def transaction_id(key: str) -> str:
    """The same for the same job, so that the homeserver drops a repeat as long as it remembers."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]
