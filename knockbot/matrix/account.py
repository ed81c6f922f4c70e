"""The bot's own account: who else could act with the bot's power, and how they are kept out.

Somebody who registered the bot's name before knockbot was installed keeps their sessions and their password, even if
the name is now in an application service's exclusive namespace (docs/decisions/0022).
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import ClientSession
from mautrix.api import Method, Path

from knockbot.config.settings import Settings
from knockbot.domain.notices import Code, User, because, listed
from knockbot.errors import Never
from knockbot.matrix.api import DeviceApi, Stages
from knockbot.matrix.homeserver import Homeserver

log = logging.getLogger("knockbot.account")

PROBE: Final = "KNOCKBOTPROBE"
"""The device that is created and logged out again to find out how people could log in."""

OTHERS_CAN_LOG_IN: Final = "KNOCKBOT_OTHERS_CAN_LOG_IN"


@dataclass(frozen=True, slots=True)
class Address:
    """An e-mail address or phone number of the account, with which its password could be reset."""

    medium: str
    address: str


class Account:
    """The bot's account, with the application service's token. Every method may raise `Later` and `Never`."""

    def __init__(self, homeserver: Homeserver, session: ClientSession, settings: Settings) -> None:
        self.homeserver = homeserver
        self._session = session
        self._service = settings.appservice
        self._url = settings.homeserver.address

    async def foreign_devices(self, own: str | None) -> list[str]:
        """All sessions except the bot's own device, which exists if encryption is allowed."""
        return [device for device in await self.homeserver.devices() if device != own]

    async def addresses(self) -> list[Address]:
        """The addresses that somebody has added to the account; the bot adds none."""
        found = (await self.homeserver.call(Method.GET, Path.v3.account["3pid"])).get("threepids")
        return [
            Address(one["medium"], one["address"])
            for one in (found if isinstance(found, list) else [])
            if isinstance(one, dict) and isinstance(one.get("medium"), str) and isinstance(one.get("address"), str)
        ]

    async def log_out(self, device_id: str) -> None:
        """Remove a session and its token.

        Synapse lets an application service delete devices. Other homeservers may require a password for that; there a
        login of the application service on the same device ends the other session.
        """
        try:
            await self.homeserver.delete_device(device_id)
        except Never:
            token = await self.homeserver.login(device_id, self._service.bot_displayname)
            await self._with(token).request(Method.POST, Path.v3.logout)

    async def keep_others_out(self, own: str | None) -> None:
        """Log out everybody else, and remove the addresses with which a password could be reset."""
        for device in await self.foreign_devices(own):
            await self.log_out(device)
            log.warning("my account had a session that is not mine, or no longer (%r). I have logged it out.", device)
        for one in await self.addresses():
            body = {"medium": one.medium, "address": one.address}
            await self.homeserver.call(Method.POST, Path.v3.account["3pid"]["delete"], body)
            log.warning("my account had an address by which its password can be reset; I have removed it")

    async def logins(self) -> Collection[str] | None:
        """The ways in which a person can log in; `None` if that cannot be seen.

        A session of the bot requests something that needs the user's own confirmation; the answer lists the kinds of
        confirmation for this account. If the registration has MSC4190, such a session is not possible.
        """
        try:
            token = await self.homeserver.login(PROBE, self._service.bot_displayname)
        except Never:
            return None
        try:
            return await self._asked_for(token)
        finally:
            await self._with(token).request(Method.POST, Path.v3.logout)

    async def _asked_for(self, token: str) -> Collection[str] | None:
        nothing: dict[str, Any] = {"devices": []}
        try:
            await self._with(token).request(Method.POST, Path.v3.delete_devices, nothing)
        except Stages as error:
            return error.stages
        except Never:
            pass
        return None

    async def be_alone(self, own: str | None) -> None:
        """Keep others out. Raises `Never` if somebody has a password, which only an admin can remove."""
        await self.keep_others_out(own)
        if self._service.allow_password:
            return
        ways = await self.logins()
        if ways:
            raise Never(
                because(
                    "homeserver.others_log_in", bot=User(self.homeserver.bot), ways=listed(map(Code, sorted(ways)))
                ),
                code=OTHERS_CAN_LOG_IN,
            )

    def _with(self, token: str) -> DeviceApi:
        return DeviceApi(self._session, self._url, token, None, None)
