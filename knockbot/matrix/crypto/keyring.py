"""The bot's keys in use: which process has them, the device they belong to, and the mail that comes for it.

One process of those on a database has the keys, by lease. It reads encrypted events and sends those that have to be
encrypted. Mail for the bot's device goes through the database, so any process may receive it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

from aiohttp import ClientSession

from knockbot.domain import nesting
from knockbot.domain.notices import Notice, because
from knockbot.domain.reasons import in_words
from knockbot.engine.backoff import backoff
from knockbot.errors import ActionError, Later, Never, reason
from knockbot.flow.context import Context, log
from knockbot.flow.keys import MEGOLM, SEALED, KeyMissing, Opened, Unreadable
from knockbot.matrix.account import Account
from knockbot.matrix.api import DeviceApi
from knockbot.matrix.events import mapping
from knockbot.matrix.homeserver import Homeserver
from knockbot.store import encryption, inbox, jobs, processes
from knockbot.store.db import REFUSED, Unusable
from knockbot.store.encryption import Device, Mail

LEASE = "keys"

LOOKS = 1.0
"""Seconds after which knockbot looks for mail without a signal: another process may have stored some."""

TICK = 3600.0
"""Seconds between two counts that distinguish this database from an older copy of it."""

CATCHING_UP = 600.0
"""Seconds between two looks for mail that no transaction brought, while every event can be read."""

BETWEEN_LOOKS = 0.5
"""The fewest seconds between two such looks, no matter how much cannot be read."""

ATTEMPTS = 8
"""Failures to process one piece of mail after which it is dropped: later mail must not wait for ever."""

ACCOUNT_DATA = "org.knockbot.device"
"""Where the homeserver keeps how often the device was started; this shows whether a database is a restored copy."""

OPEN_HISTORY = frozenset({"invited", "shared", "world_readable"})
"""The history visibilities with which invited users may already read what is said now."""


class Machine(Protocol):
    """What encrypts and decrypts as one device; `olm.py` has one."""

    async def begin(self, api: DeviceApi, device_id: str, *, anew: bool) -> None:
        """Use this device from now on; `anew` forgets the keys of the last one."""

    async def is_on_server(self) -> bool:
        """Whether the homeserver has this device's keys."""

    async def vouch_for_device(self, service: DeviceApi) -> str | None:
        """Have the device signed by the account's own keys; returns why that is not possible.

        `service` is the API with the service's own token, which may replace those keys when the device's token may not.
        """

    async def forget_users(self) -> None:
        """Look up everybody's devices again before they are needed."""

    async def take(self, kind: str, content: Mapping[str, Any]) -> frozenset[str]:
        """Process what arrived for the device; returns the sessions whose keys have arrived."""

    async def open(self, event: Mapping[str, Any]) -> Opened:
        """Read an encrypted event."""

    async def ask_for_key(self, event: Mapping[str, Any]) -> None:
        """Ask the sender for the key that is missing."""

    async def seal(
        self,
        room_id: str,
        event_type: str,
        content: Mapping[str, Any],
        members: set[str],
        settings: Mapping[str, Any],
    ) -> dict[str, Any]:
        """The encrypted form of a message to these members."""

    async def end(self) -> None:
        """Return once nothing is half written."""


class Lost(Exception):
    """Another process has the keys now."""


class Keyring:
    """The keys, and whether this process has them."""

    def __init__(self, context: Context, homeserver: Homeserver, session: ClientSession, machine: Machine) -> None:
        self._context = context
        self._homeserver = homeserver
        self._session = session
        self._account = Account(homeserver, session, context.settings)
        self._machine = machine
        self._here = False
        self.settled = asyncio.Event()
        """Set once it is known for the first time where the keys are: here, elsewhere, or out of reach."""
        self._key_missing = asyncio.Event()
        """Set when a message cannot be read: its key may be in mail that no transaction brought."""

    @property
    def here(self) -> bool:
        """Whether this process has them now."""
        return self._here

    # --- having them ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Have the keys whenever no other process has them, until cancelled."""
        failures = 0
        while True:
            if not await processes.lease(self._context.db, LEASE):
                self.settled.set()
                await asyncio.sleep(processes.HEARTBEAT)
                continue
            try:
                await self._begin()
                self.settled.set()
                failures = 0
                await self._keep()
            except Lost:
                log.warning("another process has taken the bot's keys over")
            except ActionError as error:
                failures += 1
                self.settled.set()
                pause = min(backoff(failures), 60.0)
                if isinstance(error, Later) and error.unreachable:
                    log.info("the bot's device waits for the homeserver: %s", in_words(error.why))
                else:
                    log.warning(
                        "the bot's device does not work: %s Trying again in %.0f s.", in_words(error.why), pause
                    )
                await asyncio.sleep(pause)
            finally:
                self._here = False

    async def close(self) -> None:
        """Return once nothing is half written."""
        await self._machine.end()

    async def _begin(self) -> None:
        """Use the bot's device: the existing one, or a new one if that is lost or this database is an old copy."""
        context, bot = self._context, self._context.bot
        async with context.db.tx() as tx:
            device = await encryption.device(tx, bot)
        left = await self._homeserver.account_data(ACCOUNT_DATA)
        if device is not None and _is_older(device, left):
            log.warning("this database is an older copy: its device's keys were used since, so it gets another device")
            device = None
        if device is None or not await self._is(device.device_id, anew=False):
            device = Device(f"KNOCKBOT{secrets.token_hex(4).upper()}", None, device.starts if device else 0)
            if not await self._is(device.device_id, anew=True):
                raise Later(because("homeserver.no_device"))
            await self._drop_others(device.device_id)
            log.info("the bot has a new device, %s", device.device_id)
        await self._count(device.device_id, max(device.starts, _starts(left)))
        async with context.db.tx() as tx:
            await encryption.share_anew(tx)
            for room_id in await encryption.allowed(tx):
                await jobs.unblock(tx, room_id, context.now())
        await self._machine.forget_users()
        address, token = context.settings.homeserver.address, context.settings.appservice.as_token
        why = await self._machine.vouch_for_device(DeviceApi(self._session, address, token, bot, None))
        if why is not None:
            log.warning("clients show the bot's device as unverified: %s docs/encryption.md says how to fix it.", why)
        self._here = True
        context.wakeups.arrivals.set()
        context.wakeups.jobs.set()

    async def _is(self, device_id: str, *, anew: bool) -> bool:
        """Use a device; false if the homeserver knows none of its keys."""
        service = self._context.settings
        name, address = service.appservice.bot_displayname, service.homeserver.address
        try:
            token = await self._homeserver.login(device_id, name)
            api = DeviceApi(self._session, address, token, None, None)
        except Never:  # devices of application services are made without a login here (MSC4190)
            await self._homeserver.make_device(device_id, name)
            api = DeviceApi(self._session, address, service.appservice.as_token, self._context.bot, device_id)
        self._api = api
        await self._machine.begin(api, device_id, anew=anew)
        return await self._machine.is_on_server()

    async def _drop_others(self, device_id: str) -> None:
        """Remove the old devices, now that there is a new one: nobody would read messages to them."""
        for other in await self._homeserver.devices():
            if other != device_id:
                try:
                    await self._account.log_out(other)
                except Never as error:
                    log.warning("the bot's old device %s stays: %s", other, in_words(error.why))

    async def _count(self, device_id: str, starts: int) -> None:
        """Increase the count, here first: otherwise this database would look like an old copy after a crash."""
        async with self._context.db.tx() as tx:
            await encryption.started(tx, self._context.bot, device_id, starts + 1)
        await self._homeserver.set_account_data(ACCOUNT_DATA, {"device_id": device_id, "starts": starts + 1})

    async def _keep(self) -> None:
        """Read the mail, for as long as the keys are ours."""
        tasks = [asyncio.create_task(loop()) for loop in (self._fetch, self._take_mail, self._stay, self._tick)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stay(self) -> None:
        while True:
            await asyncio.sleep(processes.HEARTBEAT)
            if not await processes.lease(self._context.db, LEASE):
                raise Lost

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            async with self._context.db.tx() as tx:
                device = await encryption.device(tx, self._context.bot)
            if device is not None:
                await self._count(device.device_id, device.starts)

    # --- mail -------------------------------------------------------------------------------------------------

    async def _fetch(self) -> None:
        """Get the device's mail by /sync, which needs no optional feature of the homeserver.

        If mail comes in transactions, this is only for lost mail: for as long as Synapse repeats transactions
        after an outage, it puts no mail into them, not even new mail.
        """
        by_transactions = self._context.settings.encryption.appservice
        async with self._context.db.tx() as tx:
            device = await encryption.device(tx, self._context.bot)
        since = device.since if device else None
        while True:
            try:
                news = await self._api.news(since, wait=not by_transactions)
            except Never:
                if since is None:
                    raise
                since = None  # the homeserver does not know this position any more
                await self._machine.forget_users()
                continue
            since = await self._store(news, since)
            if by_transactions:
                await self._wait_for_a_loss()

    async def _wait_for_a_loss(self) -> None:
        try:
            async with asyncio.timeout(CATCHING_UP):
                await self._key_missing.wait()
        except TimeoutError:
            pass
        await asyncio.sleep(BETWEEN_LOOKS)
        self._key_missing.clear()  # keys that go missing during the next look start one more look

    async def _store(self, news: Mapping[str, Any], since: str | None) -> str | None:
        reached = news.get("next_batch")
        async with self._context.db.tx() as tx:
            await encryption.store_mail(tx, mail_in_sync(news), self._context.now())
            if isinstance(reached, str):
                await encryption.read_up_to(tx, self._context.bot, reached)
        self._context.wakeups.mail.set()
        return reached if isinstance(reached, str) else since

    async def _take_mail(self) -> None:
        """Process what arrived, in its order."""
        waking = self._context.wakeups.mail
        while True:
            waking.clear()
            async with self._context.db.tx() as tx:
                batch = await encryption.mail_waiting(tx)
            for mail in batch:
                await self._take(mail)
            if not batch:
                try:
                    async with asyncio.timeout(LOOKS):
                        await waking.wait()
                except TimeoutError:
                    pass

    async def _take(self, mail: Mail) -> None:
        """Process one piece of mail; anything that cannot be read is skipped: the rest must not wait for it."""
        arrived = frozenset[str]()
        fault: Notice | None = None
        try:
            arrived = await self._machine.take(mail.kind, nesting.read(mail.raw))
        except Unusable:
            raise
        except (Later, *REFUSED) as error:
            log.info("mail for the bot's device is tried again: %s", in_words(reason(error)))
            async with self._context.db.tx() as tx:
                attempts = await encryption.mail_failed(tx, mail.seq)
            if (isinstance(error, Later) and error.unreachable) or attempts < ATTEMPTS:
                await asyncio.sleep(min(backoff(attempts), 60.0))
                return
            fault = reason(error)
        except Exception as error:
            log.debug("a piece of mail for the bot's device", exc_info=True)
            fault = reason(error)
        async with self._context.db.tx() as tx:
            if fault is not None and await encryption.mail_skipped(tx, mail.seq, self._context.now(), fault):
                log.warning("mail for the bot's device is skipped: %s", in_words(fault))
            elif fault is None:
                await encryption.mail_taken(tx, mail.seq, self._context.now())
            for session in arrived:
                await inbox.key_is_there(tx, session)
        if arrived:
            self._context.wakeups.arrivals.set()

    # --- reading and writing ----------------------------------------------------------------------------------

    async def open(self, event: Mapping[str, Any]) -> Opened:
        """Read an encrypted event. Raises `KeyMissing` and `Unreadable`."""
        return await self._machine.open(event)

    def look_for_mail(self) -> None:
        """Look now for mail that no transaction brought."""
        self._key_missing.set()

    async def ask_for_key(self, event: Mapping[str, Any]) -> None:
        """Ask the sender of an event for the key that is missing, and check again whether it has arrived meanwhile."""
        self.look_for_mail()
        await self._machine.ask_for_key(event)

    async def sealed(self, room_id: str, event_type: str, content: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """An event's type and content as they must be sent: encrypted if the room is."""
        settings = await self._settings(room_id)
        if settings is None:
            return event_type, content
        if not self._here:
            raise Later(because("act.no_keys_yet"), retry_after=1.0)
        members = await self._readers(room_id)
        return SEALED, await self._machine.seal(room_id, event_type, content, members, settings)

    async def is_encrypted(self, room_id: str) -> bool:
        """Whether messages in a room must be encrypted."""
        return await self._settings(room_id) is not None

    async def _settings(self, room_id: str) -> Mapping[str, Any] | None:
        """How a room is encrypted; `None` if it is not, and never was: no later state can end encryption."""
        async with self._context.db.tx() as tx:
            known = await encryption.is_encrypted(tx, room_id)
        state = await self._homeserver.state(room_id, "m.room.encryption")
        content = state.get("content") if state else None
        settings = content if isinstance(content, dict) and isinstance(content.get("algorithm"), str) else None
        if settings is not None and not known:
            async with self._context.db.tx() as tx:
                await encryption.note(tx, [room_id])
        return settings if settings is not None or not known else {"algorithm": MEGOLM}

    async def _readers(self, room_id: str) -> set[str]:
        """Who may read what is said in a room now, by its history visibility."""
        state = await self._homeserver.state(room_id, "m.room.history_visibility")
        content = state.get("content") if state else None
        rule = content.get("history_visibility", "shared") if isinstance(content, dict) else "shared"
        return await self._homeserver.members(room_id, ("join", "invite") if rule in OPEN_HISTORY else ("join",))

    async def opened(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """An event, decrypted, for code that looks for one of the bot's own; unchanged if it cannot be decrypted."""
        if event.get("type") != SEALED:
            return event
        try:
            return (await self._machine.open(event)).event
        except (KeyMissing, Unreadable):
            return event


def _starts(left: Mapping[str, Any]) -> int:
    starts = left.get("starts")
    return starts if isinstance(starts, int) else 0


def _is_older(device: Device, left: Mapping[str, Any]) -> bool:
    """Whether a device was used after this record of it was written."""
    return _starts(left) > device.starts


# --- what is for the device -----------------------------------------------------------------------------------

Letters = list[tuple[str, Mapping[str, Any]]]
"""Mail, with its kind."""


MESSAGES = ("to_device", "de.sorunome.msc2409.to_device")
LISTS = ("device_lists", "org.matrix.msc3202.device_lists")
COUNTS = ("device_one_time_keys_count", "org.matrix.msc3202.device_one_time_keys_count")
FOR_DEVICES = MESSAGES + LISTS + COUNTS
"""The parts of a transaction that are for devices, under their current and earlier names."""


def mail_in_sync(news: Mapping[str, Any]) -> Letters:
    """What a sync holds for the device (client-server API, "End-to-End Encryption")."""
    messages = mapping(news.get("to_device")).get("events")
    return _letters(messages, news.get("device_lists"), news.get("device_one_time_keys_count"))


def mail_in_transaction(body: Mapping[str, Any], bot: str, device_id: str | None) -> Letters:
    """What a transaction holds for the bot's device (MSC2409, MSC3202)."""
    messages = _first(body, MESSAGES)
    mine = [
        message
        for message in (messages if isinstance(messages, list) else [])
        if isinstance(message, dict)
        and device_id is not None
        and (message.get("to_user_id"), message.get("to_device_id")) == (bot, device_id)
    ]
    lists, counts = _first(body, LISTS), _first(body, COUNTS)
    return _letters(mine, lists, mapping(mapping(counts).get(bot)).get(device_id or ""))


def _letters(messages: Any, lists: Any, counts: Any) -> Letters:
    found: Letters = []
    if mapping(lists).get("changed"):  # first, because letters may be from a new device
        found.append((encryption.DEVICE_LISTS, lists))
    found += [
        (encryption.TO_DEVICE, one)
        for one in (messages if isinstance(messages, list) else [])
        if isinstance(one, dict) and one.get("type") == SEALED
    ]
    left = mapping(counts).get("signed_curve25519")
    if isinstance(left, int) and left < FEW:
        found.append((encryption.KEY_COUNTS, counts))
    return found


FEW = 25
"""One-time keys left, below which new ones are made; the counts come with every sync."""


def _first(body: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((body[name] for name in names if name in body), None)
