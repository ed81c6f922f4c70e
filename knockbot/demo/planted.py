"""A third-party invite with a key of one's own: whoever may invite can plant one, and no identity server is needed."""

from __future__ import annotations

import secrets
from typing import Any, Self

from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key
from signedjson.sign import sign_json

from knockbot.demo.people import Person

SIGNER = "own.test"
THIRD_PARTY_INVITE = "m.room.third_party_invite"


class Planted:
    """An invite that stands in a room, and the key that opens the door to whomever it signs for."""

    def __init__(self, room: str, inviter: Person, display_name: str = "dav...@exa...") -> None:
        self.room = room
        self.inviter = inviter
        self.token = secrets.token_hex(16)
        self.display_name = display_name
        self.key = generate_signing_key("0")
        self.event_id = ""

    @property
    def content(self) -> dict[str, Any]:
        """What the state event says; its key answers to nobody."""
        key = encode_verify_key_base64(get_verify_key(self.key))
        return {"display_name": self.display_name, "public_key": key, "public_keys": [{"public_key": key}]}

    async def plant(self, token: str | None = None, **more: Any) -> Self:
        """Put it into the room's state, under a token of its own unless another is given."""
        self.token = token if token is not None else self.token
        self.event_id = await self.inviter.put_state(self.room, THIRD_PARTY_INVITE, self.content | more, self.token)
        return self

    async def redeem(self, person: Person) -> None:
        """Come in by it."""
        signed = sign_json(
            {"mxid": person.user_id, "sender": self.inviter.user_id, "token": self.token}, SIGNER, self.key
        )
        await person.call("POST", "join", self.room, body={"third_party_signed": signed})
