"""Watches the homeserver: whether it is there and reaches us, and what it forgot to deliver after it was away."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time

from knockbot.config.settings import Settings
from knockbot.domain.notices import Letters, because
from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError, Later
from knockbot.flow import encrypted
from knockbot.flow.context import Context
from knockbot.flow.looking import look_at_all
from knockbot.matrix.gateway import Gateway
from knockbot.matrix.homeserver import Homeserver
from knockbot.store import inbox

log = logging.getLogger("knockbot")

WATCH = 5.0
"""Seconds between two checks whether the homeserver is there; a restart rarely takes less."""

PINGS = 20.0
"""Seconds between two checks whether it reaches us; each check also makes it deliver what it holds back."""

LOOKS_IN_SILENCE = (15.0, 45.0, 105.0, 225.0, 465.0, 945.0)
"""Seconds after the homeserver was away at which all rooms are checked, as long as nothing arrives.

If a worker of Synapse delivers (`notify_appservices_from_worker`), a ping does not end its back-off, which grows to
eight and a half minutes.
"""


async def watch(context: Context, homeserver: Homeserver, gateway: Gateway) -> None:
    """After one of the two could not reach the other, make the homeserver deliver, and look for what it forgot.

    Events that it was about to deliver when it was killed may arrive with the next event, or never (FACTS: Synapse).
    """
    absences, pinged, silence, missed = homeserver.absences, time.monotonic(), Silence(context, gateway), False
    while True:
        await asyncio.sleep(WATCH)
        try:
            await homeserver.versions()
            seen = homeserver.absences
            missed = missed or seen != absences or not gateway.reached
            if missed or time.monotonic() - pinged >= PINGS:
                if not await _is_reached(context, homeserver, gateway):
                    continue
                pinged = time.monotonic()
            if missed:
                await encrypted.look_at_management_rooms(context)
        except ActionError as error:
            log.debug("the homeserver is not there: %s", in_words(error.why))
            continue
        absences = seen
        if missed:
            missed, silence = False, Silence(context, gateway)
            await look_at_all(context)
            log.info("the homeserver was away and is back; looking at every room")
        await silence.look()


async def _is_reached(context: Context, homeserver: Homeserver, gateway: Gateway) -> bool:
    """Whether the homeserver reaches us; it is reported when that changes."""
    try:
        await ping(context.settings, homeserver, gateway)
    except ActionError as error:
        if gateway.reached:
            log.error("the homeserver does not reach me: %s Nothing arrives until it does.", in_words(error.why))
        gateway.reached = False
    else:
        gateway.reached = True
    return gateway.reached


class Silence:
    """The time since the homeserver was last away, in which it may hold everything back."""

    def __init__(self, context: Context, gateway: Gateway) -> None:
        self._context = context
        self._gateway = gateway
        self._begin = time.monotonic()
        self._since = context.now()
        self._looks = list(LOOKS_IN_SILENCE)

    async def look(self) -> None:
        """Check every room from time to time, until something has arrived."""
        if not self._looks or time.monotonic() - self._begin < self._looks[0]:
            return
        async with self._context.db.tx() as tx:
            arrived = max(await inbox.latest(tx), self._gateway.last_transaction or 0)
        if arrived > self._since:
            self._looks.clear()
            return
        self._looks.pop(0)
        log.info("nothing has arrived since the homeserver was away; looking at every room until something does")
        await look_at_all(self._context)


async def ping(settings: Settings, homeserver: Homeserver, gateway: Gateway) -> None:
    """After a pause the homeserver may hold events back for minutes; a ping makes it deliver them now.

    The homeserver accepts any answer, so this process checks itself that the ping arrived here.
    """
    called = f"run-{secrets.token_hex(8)}"
    try:
        await homeserver.ping(settings.appservice.id, called)
    except ActionError as error:
        if error.code != "M_BAD_STATUS":
            raise
        raise Later(because("homeserver.other_token", address=Letters(settings.appservice.address))) from error
    if not await gateway.heard(called):
        raise Later(because("homeserver.something_else", address=Letters(settings.appservice.address)))
