"""Third-party invites with a key of one's own in a garden: planted, looked for, and heard of."""

from __future__ import annotations

from typing import Any

from knockbot.demo.people import Json, Person, until
from knockbot.demo.planted import THIRD_PARTY_INVITE, Planted
from tests.keeper import Garden, block


async def planted(garden: Garden, by: Person | None = None, token: str | None = None, **more: Any) -> Planted:
    """An invite in the garden's state, of alice unless somebody else is named."""
    return await Planted(garden.room, by or garden.alice).plant(token, **more)


async def member(garden: Garden, name: str = "mona") -> Person:
    """Somebody new in the garden; where nothing else was said, that is enough to invite.

    In a garden that is shared, it is they who plant: what one person plants too much of shares a card.
    """
    person = await garden.person(name)
    await garden.bring(person, garden.room)
    return person


async def standing(garden: Garden) -> set[str]:
    """The tokens under which invites stand in a garden."""
    state: Any = await garden.alice.call("GET", "rooms", garden.room, "state")
    return {event["state_key"] for event in state if event["type"] == THIRD_PARTY_INVITE and event["content"]}


async def gone(garden: Garden, *invites: Planted) -> None:
    """Wait until the room holds none of them any longer."""

    async def look() -> list[Json | None]:
        return [await garden.alice.state(garden.room, THIRD_PARTY_INVITE, invite.token) for invite in invites]

    await until(look, lambda there: not any(there), lambda there: f"there still stands {there}")


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
