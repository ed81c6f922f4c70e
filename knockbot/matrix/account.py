"""The bot's own account: who else could act with the bot's power, and how they are kept out.

Whoever registered the bot's name before knockbot came keeps their sessions and their password, even where the name is
in an application service's exclusive namespace by now (docs/decisions/0022).
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
"""The device that is made and logged out again to ask how one could log in."""

OTHERS_CAN_LOG_IN: Final = "KNOCKBOT_OTHERS_CAN_LOG_IN"


@dataclass(frozen=True, slots=True)
class Address:
    """An e-mail address or phone number of the account, by which its password could be reset."""

    medium: str
    address: str


class Account:
    """The bot's account, by the application service's token. Every method may raise `Later` and `Never`."""

    def __init__(self, homeserver: Homeserver, session: ClientSession, settings: Settings) -> None:
        self.homeserver = homeserver
        self._session = session
        self._service = settings.appservice
        self._url = settings.homeserver.address

    async def foreign_devices(self, own: str | None) -> list[str]:
        """All sessions but the bot's own device, which it has where encryption is allowed."""
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
        """Away with a session and its token.

        Synapse lets an application service delete devices. Elsewhere that may take a password, and a session of the
        application service's own on the same device takes the other one with it.
        """
        try:
            await self.homeserver.delete_device(device_id)
        except Never:
            token = await self.homeserver.login(device_id, self._service.bot_displayname)
            await self._with(token).request(Method.POST, Path.v3.logout)

    async def keep_others_out(self, own: str | None) -> None:
        """Log out everybody else, and take away the addresses by which a password could be reset."""
        for device in await self.foreign_devices(own):
            await self.log_out(device)
            log.warning("my account had a session that is not mine, or no longer (%r). I have logged it out.", device)
        for one in await self.addresses():
            body = {"medium": one.medium, "address": one.address}
            await self.homeserver.call(Method.POST, Path.v3.account["3pid"]["delete"], body)
            log.warning("my account had an address by which its password can be reset; I have removed it")

    async def logins(self) -> Collection[str] | None:
        """The ways in which a person can log in; `None` where that cannot be seen.

        A session of the bot's own asks for something that takes the user's own confirmation, and is told which kinds
        of it there are for this account. Where registrations have MSC4190, no such session can be had.
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
        """Keep others out. Raises `Never` where somebody has a password, which only an admin can take away."""
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
