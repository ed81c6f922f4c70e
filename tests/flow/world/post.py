"""An identity server."""

from __future__ import annotations

from knockbot.domain.invites import StoredInvite
from knockbot.domain.model import IdentityKey
from tests.flow.world.homeserver import World


class PostOffice:
    """An identity server: which addresses are whose, and the invites it has stored and mailed."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.owners: dict[str, str] = {}
        self.mails: list[str] = []
        """The address each mail went to."""
        self.invited: dict[str, str] = {}
        """The address of each token."""
        self.words: list[dict[str, str]] = []
        """What else it was told for each mail."""

    async def lookup(self, server: str, medium: str, address: str) -> str | None:
        """The user id that an address belongs to."""
        return await self.world.played(lambda: self.owners.get(address), "lookup", server, medium, address)

    async def store_invite(
        self, server: str, medium: str, address: str, room_id: str, sender: str, **words: str
    ) -> StoredInvite:
        """Have an address told of an invite."""

        def act() -> StoredInvite:
            self.mails.append(address)
            self.words.append(words)
            token = f"token{len(self.mails)}"
            self.invited[token] = address
            base = f"https://{server}/_matrix/identity/v2/pubkey"
            keys = (IdentityKey("long", f"{base}/isvalid"), IdentityKey(token, f"{base}/ephemeral/isvalid"))
            return StoredInvite(token, f"{address[:3]}...", keys)

        return await self.world.played(act, "store_invite", server, medium, address, room_id, sender)
