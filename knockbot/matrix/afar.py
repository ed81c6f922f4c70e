"""Who is in rooms that the bot is not in: a homeserver tells that by MSC4502, if the registration asks for it.

Synapse does so with `msc4502_enabled` under `experimental_features`. Its `/versions` does not say so, hence a trial.
"""

from __future__ import annotations

import logging
from typing import Final

from knockbot.domain.reasons import in_words
from knockbot.errors import Later, Never
from knockbot.matrix.homeserver import Homeserver

log = logging.getLogger("knockbot.facts")

NOWHERE: Final = "!nowhere:{domain}"
"""A room to ask about in a trial; it need not exist."""


class Afar:
    """Asks the homeserver about rooms that the bot is not in, as long as it offers that."""

    def __init__(self, homeserver: Homeserver) -> None:
        self._homeserver = homeserver
        self._offered: bool | None = None

    @property
    def _domain(self) -> str:
        return self._homeserver.bot.partition(":")[2]

    async def look(self) -> bool:
        """Find out whether the homeserver offers this now. An answer that makes no sense is a no; may raise `Later`."""
        try:
            await self._homeserver.is_joined(NOWHERE.format(domain=self._domain), mxid=self._homeserver.bot)
        except Later as error:
            if error.unreachable:
                raise
            offered = False
        except Never:
            offered = False
        else:
            offered = True
        if offered is not self._offered:
            log.info("the homeserver %s who is in rooms that I am not in", "tells" if offered else "does not tell")
        self._offered = offered
        return offered

    async def is_joined(self, room_id: str, user_id: str) -> bool | None:
        """Whether a user is joined to a room now; none where the homeserver does not tell, or is not in it itself.

        Of a room that it is not in, it knows nothing of the members from elsewhere, and would say no.
        """
        if self._offered is None:
            await self.look()
        if not self._offered:
            return None
        try:
            if not await self._homeserver.is_joined(room_id, server_name=self._domain):
                return None
            return await self._homeserver.is_joined(room_id, mxid=user_id)
        except Never as error:
            log.info("the homeserver does not tell who is in %s: %s", room_id, in_words(error.why))
            return None
