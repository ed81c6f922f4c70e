"""Third-party invites with a key of one's own: whoever may invite can plant one, and no identity server is needed."""

from __future__ import annotations

import secrets
from typing import Any

from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key
from signedjson.sign import sign_json

from knockbot.demo.people import Json, Person, until
from tests.keeper import Garden, block

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

    async def plant(self, token: str | None = None, **more: Any) -> Planted:
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


async def planted(garden: Garden, by: Person | None = None, token: str | None = None, **more: Any) -> Planted:
    """An invite in the garden's state, of alice unless somebody else is named."""
    return await Planted(garden.room, by or garden.alice).plant(token, **more)


async def standing(garden: Garden) -> set[str]:
    """The tokens under which invites stand in a garden."""
    state: Any = await garden.alice.call("GET", "rooms", garden.room, "state")
    return {event["state_key"] for event in state if event["type"] == THIRD_PARTY_INVITE and event["content"]}


async def gone(garden: Garden, *invites: Planted) -> None:
    """Wait until the room holds none of them any longer."""
    tokens = {invite.token for invite in invites}
    await until(
        lambda: standing(garden), lambda there: not there & tokens, lambda there: f"there still stands {there & tokens}"
    )


async def told(garden: Garden, invite: Planted, state: str, *, after: str | None = None, **fields: Any) -> Json:
    """What the management room is shown about an invite, once it is in this state.

    Once somebody came in by it, its event is that of whoever did: they must be named by `user_id` then.
    """
    wanted = {"kind": "third_party_invite", "state": state, "inviter": invite.inviter.user_id, **fields}
    if "user_id" not in fields or fields["user_id"] is None:
        wanted["event_id"] = invite.event_id
    return await garden.heard(
        lambda event: any(wanted.items() <= one.items() for one in _blocks(event)), f"{wanted}", after=after
    )


def _blocks(event: Json) -> list[Json]:
    return [block(event), *event["content"].get("org.knockbot.requests", [])]
