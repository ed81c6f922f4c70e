"""Third-party invites in the small world: somebody who plants them, and what came of each."""

from __future__ import annotations

from typing import Any

from knockbot.domain.model import Request
from knockbot.store import requests
from tests.flow.house import GARDEN, House
from tests.flow.world import ALICE

MONA = "@mona:tulip.example"
DAVE = "@dave:tulip.example"
EVE = "@eve:spam.example"

STAND = "{rules: [], otherwise_third_party: accept}"
"""A policy by which every invite may stand."""

VOUCHED: dict[str, Any] = {
    "public_key": "long",
    "key_validity_url": "https://id.example/_matrix/identity/v2/pubkey/isvalid",
    "public_keys": [
        {"public_key": "long", "key_validity_url": "https://id.example/_matrix/identity/v2/pubkey/isvalid"},
        {"public_key": "short", "key_validity_url": "https://id.example/_matrix/identity/v2/pubkey/ephemeral/isvalid"},
    ],
}
"""The keys of an invite that an identity server made."""


def move_in(house: House, user_id: str = MONA, level: int = 50) -> None:
    """Somebody is in the garden, with this level; nothing of that is delivered."""
    house.world.change(GARDEN, ALICE, user_id, "invite")
    house.world.change(GARDEN, user_id, user_id, "join")
    house.world.rooms[GARDEN].levels["users"][user_id] = level
    house.world.outbox.clear()


async def planted(house: House, by: str = ALICE, token: str = "t", **content: Any) -> str:
    """Somebody invites an address, and the bot has dealt with it for now; returns the event."""
    event_id = house.world.plant(GARDEN, by, token, **content)
    await house.live()
    return event_id


async def redeemed(house: House, user_id: str = DAVE, token: str = "t", *, join: bool = True) -> str:
    """Somebody comes in by it, and the bot has dealt with that; returns the event they were invited by."""
    event_id = house.world.redeem(GARDEN, user_id, token, join=join)
    await house.live()
    return event_id


async def invites(house: House) -> list[Request]:
    """All requests about third-party invites, oldest first."""
    async with house.db.tx() as tx:
        rows = await tx.fetch("SELECT id FROM requests WHERE kind = 'third_party_invite' ORDER BY id")
        return [await requests.get(tx, row["id"]) for row in rows]


async def invite(house: House) -> Request:
    """The only one."""
    [only] = await invites(house)
    return only


async def states(house: House) -> list[str]:
    """Where each of them stands."""
    return [request.state.value for request in await invites(house)]


def stands(house: House, token: str = "t") -> bool:
    """Whether the room holds an invite under a token."""
    return bool(house.world.rooms[GARDEN].invites[token]["content"])


def acts(house: House) -> list[tuple[str, ...]]:
    """What the bot did in the garden: to people, and to third-party invites."""
    return [call for call in house.world.asked("invite", "kick", "ban", "put_state", "redact") if call[1] == GARDEN]


def unheard(house: House) -> None:
    """What has happened so far is never delivered."""
    house.world.outbox.clear()


async def look(house: House) -> None:
    """Every protected room is compared with the records."""
    await house.look_everywhere()
    await house.live()
