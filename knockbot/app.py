"""The composition root: settings in, a running service out, and a clean stop."""

from __future__ import annotations

import asyncio
import errno
import logging
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from aiohttp import ClientSession, DummyCookieJar, web

from knockbot import __version__, logs
from knockbot.backup.recall import recall
from knockbot.config.settings import SETTINGS, Settings
from knockbot.config.values import Listen
from knockbot.domain.notices import Letters, because
from knockbot.domain.reasons import clause, in_words
from knockbot.engine.backoff import backoff
from knockbot.engine.inbox import Inbox
from knockbot.engine.worker import Worker
from knockbot.errors import ActionError, Fault, Later, Never, Unavailable
from knockbot.features.encryption import sealed
from knockbot.features.thirdparty import issuing
from knockbot.flow import configured, encrypted, names, protecting
from knockbot.flow.arriving import Reader
from knockbot.flow.context import Context, LiveSettings
from knockbot.flow.looking import reconcile
from knockbot.flow.ports import Cipher, NoCipher
from knockbot.identity.client import IdentityServers
from knockbot.matrix import events
from knockbot.matrix.account import Account
from knockbot.matrix.actions import Hand, actions
from knockbot.matrix.crypto.keyring import Keyring
from knockbot.matrix.gateway import Gateway
from knockbot.matrix.history import Memory
from knockbot.matrix.homeserver import Homeserver
from knockbot.matrix.rooms import Outside
from knockbot.matrix.visitors import Visitors
from knockbot.product import FEATURES, HANDLERS
from knockbot.store import encryption, inbox, jobs, messages, processes, restores, rooms
from knockbot.store.db import Database, Unusable, opened
from knockbot.web.metrics import Metrics

log = logging.getLogger("knockbot")

Loop = Callable[[], Coroutine[Any, Any, None]]

DRAIN = 20.0
"""Seconds that what is in flight may take to end when knockbot is told to stop."""

ROUNDS = 3600.0
"""Seconds between two looks at every protected room."""

PATIENCE = 60.0
"""Seconds between two tries to protect a room of the config file that something is missing for."""

WATCH = 5.0
"""Seconds between two looks whether the homeserver is there; one that restarts is hardly back sooner."""

PINGS = 20.0
"""Seconds between two looks whether it reaches us; each also has it deliver what it keeps back."""

LOOKS_IN_SILENCE = (15.0, 45.0, 105.0, 225.0, 465.0, 945.0)
"""Seconds after the homeserver was away at which all rooms are looked at, as long as nothing arrives.

Where a worker of Synapse delivers (`notify_appservices_from_worker`), a ping does not end its back-off, which grows to
eight and a half minutes.
"""


def now() -> int:
    """The time in milliseconds; every other part is handed it."""
    return time.time_ns() // 1_000_000


# --- run ------------------------------------------------------------------------------------------------------


async def run(settings: Settings, read_again: Callable[[], Settings]) -> None:
    """Keep the doors until SIGTERM or SIGINT, then drain and stop; on SIGHUP read the config again.

    Raises `Unavailable` where a part is missing that knockbot cannot run without.
    """
    logs.configure(settings.logging)
    stop, hang_up = asyncio.Event(), asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up.set)
    async with service(settings) as context, _working(lambda: _obey_hang_ups(context, hang_up, read_again)):
        await stop.wait()
        log.info("stopping")


async def _obey_hang_ups(context: Context, hang_up: asyncio.Event, read_again: Callable[[], Settings]) -> None:
    while True:
        await hang_up.wait()
        hang_up.clear()
        try:
            settings = read_again()
        except Fault as fault:
            log.error("the config was read again and is not taken; the one in force stays: %s", fault)
            continue
        await take_settings(context, settings)


LIVE = ("permissions", "defaults", "rooms", "identity_servers", "issuing", "notices", "logging")
"""The parts of the config that may change while knockbot runs."""


async def take_settings(context: Context, settings: Settings) -> None:
    """Put in force what may change without a restart, and say what may not."""
    for part in SETTINGS.keys:
        if part not in LIVE and getattr(settings, part) != getattr(context.settings, part):
            log.warning("%s has changed in the config; that takes a restart", part)
    new = replace(context.settings, **{part: getattr(settings, part) for part in LIVE})
    async with context.protecting:
        await configured.look_up(context, new)  # so that a policy meets no name that is not known yet
        context.live_settings.take(new)
    logs.configure(settings.logging)
    await configured.keep(context, enter=True)
    log.info("the config was read again")


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Context]:
    """A running knockbot, for as long as the block lasts: listen, ping, reconcile, then work."""
    async with opened(settings.database) as db, new_session() as session:
        homeserver = new_homeserver(session, settings)
        live = LiveSettings(settings)
        identity = IdentityServers(session, homeserver, lambda: live.in_force.identity_servers)
        context = Context.made(
            db, Outside(homeserver), live, now, vouch=identity.vouch, cipher=_cipher(settings), features=FEATURES
        )
        keyring = await _keyring(context, homeserver, session)
        gateway = Gateway(
            settings.appservice.hs_token,
            db,
            context.wakeups,
            now,
            sealed_for=context.bot if keyring is not None else None,
        )
        arrivals = new_inbox(context, keyring)
        worker = Worker(context, actions(Hand(context, homeserver, identity, keyring)), keyring)
        async with db.tx() as tx:
            await processes.beat(tx, db.process, now())
            await processes.bury(tx, db.process, now(), alone=db.alone)
            up_to_date = await restores.to_recall(tx) is None
        recalled = asyncio.Event()
        if up_to_date:
            recalled.set()
        async with (
            listening(gateway.app, *settings.appservice.listen),
            _metrics(settings, db, gateway),
            _working(lambda: _beat(db)),
        ):
            try:
                async with _working(
                    lambda: _after(recalled, arrivals.run),
                    lambda: _after(recalled, worker.run),
                    lambda: _start(context, Account(homeserver, session, settings), gateway, keyring, recalled),
                    lambda: _after(recalled, lambda: watch(context, homeserver, gateway)),
                ):
                    yield context
            finally:
                gateway.ready = False
                await arrivals.drain(DRAIN)
                await worker.drain(DRAIN)
                await context.elsewhere.close()
                if keyring is not None:
                    await keyring.close()
                with suppress(Unusable):
                    async with db.tx() as tx:
                        await processes.leave(tx, db.process)


def new_inbox(context: Context, keys: Keyring | None = None) -> Inbox[Context]:
    """What came in, at work."""
    reader = Reader(context, events.parse, sealed.read, keys)
    return Inbox(context, reader, HANDLERS, reconcile, elsewhere=context.elsewhere.waiting)


def _cipher(settings: Settings) -> Cipher:
    """What locks that which is yet to be said, where encryption is allowed."""
    if not settings.encryption.allow:
        return NoCipher()
    from knockbot.matrix.crypto import olm  # noqa: PLC0415 - there only with the extra

    return olm.Cipher(settings.pickle_key)


async def _keyring(context: Context, homeserver: Homeserver, session: ClientSession) -> Keyring | None:
    """The bot's keys, where encryption is allowed."""
    if not context.settings.encryption.allow:
        return None
    from knockbot.matrix.crypto.olm import Machine  # noqa: PLC0415 - there only with the extra

    machine = Machine(context.db, context.bot, context.settings.pickle_key)
    await machine.prepare()
    return Keyring(context, homeserver, session, machine)


async def _after(event: asyncio.Event, loop: Loop) -> None:
    await event.wait()
    await loop()


async def _start(
    context: Context, account: Account, gateway: Gateway, keyring: Keyring | None, recalled: asyncio.Event
) -> None:
    """Step by step to readiness, waiting for the homeserver where it is not there yet; then look around hourly.

    Records that come from a back-up are brought up to date before anything is handled.
    """
    homeserver = account.homeserver
    await _patiently(lambda: _introduce(context, account), "introducing myself to the homeserver")
    await _patiently(lambda: recall(context, Memory(homeserver)), "reading what I said since the back-up")
    await _patiently(lambda: encrypted.look_at_management_rooms(context), "looking at the management rooms")
    recalled.set()
    await _patiently(lambda: _ping(context.settings, homeserver, gateway), "asking the homeserver to call back")
    async with _working(*([keyring.run] if keyring is not None else [])):
        if keyring is not None:
            await keyring.settled.wait()
        gateway.ready = True
        log.info("knockbot %s is ready", __version__)
        async with _working(lambda: protect_configured(context), lambda: look_at_names(context)):
            await _look_around(context, account)


async def _look_around(context: Context, account: Account) -> None:
    """On start and then hourly: every protected room, and all that has to be cleared away."""
    while True:
        await _look_at_all(context)
        async with context.db.tx() as tx:
            await inbox.forget_old(tx, now())
            await jobs.forget_ended(tx, now() - jobs.KEPT)
            await messages.forget_old(tx, now() - messages.KEPT)
            await issuing.forget(tx, now(), context.settings.issuing.keep_addresses)
        await protecting.leave_unused(context)
        await asyncio.sleep(ROUNDS)
        await _patiently(lambda: encrypted.look_at_management_rooms(context), "looking at the management rooms")
        try:
            await account.keep_others_out(await _own_device(context))
        except ActionError as error:
            log.warning("cannot see who is logged in to my account: %s", in_words(error.why))


async def look_at_names(context: Context) -> None:
    """On start and then hourly: where the aliases lead by now that policies and the config file name."""
    while True:
        await names.look_again(context)
        await asyncio.sleep(ROUNDS)


async def protect_configured(context: Context) -> None:
    """The rooms of the config file: on start, hourly, and, while something is missing, when that may have changed."""
    entered = -ROUNDS
    while True:
        context.configured.clear()
        enter = time.monotonic() - entered >= ROUNDS
        complete = await configured.keep(context, enter=enter)
        if enter:
            entered = time.monotonic()
        try:
            async with asyncio.timeout(ROUNDS if complete else PATIENCE):
                await context.configured.wait()
        except TimeoutError:
            pass  # an alias may lead somewhere by now


async def _look_at_all(context: Context) -> None:
    async with context.db.tx() as tx:
        found = {room.room_id for room in await rooms.all_rooms(tx)} | {*await rooms.management_rooms(tx)}
    for room_id in found:
        context.look_at(room_id)


async def watch(context: Context, homeserver: Homeserver, gateway: Gateway) -> None:
    """Where one of the two was out of the other's reach, have the homeserver deliver, and look for what it forgot.

    What it was about to deliver when it was killed it may deliver with the next event, or never (FACTS: Synapse).
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
            await _look_at_all(context)
            log.info("the homeserver was away and is back; looking at every room")
        await silence.look()


async def _is_reached(context: Context, homeserver: Homeserver, gateway: Gateway) -> bool:
    """Whether the homeserver reaches us; said when that changes."""
    try:
        await _ping(context.settings, homeserver, gateway)
    except ActionError as error:
        if gateway.reached:
            log.error("the homeserver does not reach me: %s Nothing arrives until it does.", in_words(error.why))
        gateway.reached = False
    else:
        gateway.reached = True
    return gateway.reached


class Silence:
    """The time since the homeserver was last away, in which it may keep everything back."""

    def __init__(self, context: Context, gateway: Gateway) -> None:
        self._context = context
        self._gateway = gateway
        self._begin = time.monotonic()
        self._since = context.now()
        self._looks = list(LOOKS_IN_SILENCE)

    async def look(self) -> None:
        """Look at every room, now and then, until something has arrived."""
        if not self._looks or time.monotonic() - self._begin < self._looks[0]:
            return
        async with self._context.db.tx() as tx:
            arrived = max(await inbox.latest(tx), self._gateway.last_transaction or 0)
        if arrived > self._since:
            self._looks.clear()
            return
        self._looks.pop(0)
        log.info("nothing has arrived since the homeserver was away; looking at every room until something does")
        await _look_at_all(self._context)


async def _introduce(context: Context, account: Account) -> None:
    """Have an account, then a name: the other way round, Synapse would refuse the account for ever.

    Nothing is done with an account that somebody else can use; a name is not needed.
    """
    await account.homeserver.register()
    await account.be_alone(await _own_device(context))
    name = context.settings.appservice.bot_displayname
    try:
        await account.homeserver.set_display_name(name)
    except Never as error:
        log.warning("I cannot be called %s: %s", name, in_words(error.why))
    if context.settings.appservice.bot_avatar is not None:
        await account.homeserver.set_avatar(context.settings.appservice.bot_avatar)


async def _own_device(context: Context) -> str | None:
    """The device that holds the bot's keys, also while encryption is switched off."""
    async with context.db.tx() as tx:
        device = await encryption.device(tx, context.bot)
    return device.device_id if device is not None else None


async def _ping(settings: Settings, homeserver: Homeserver, gateway: Gateway) -> None:
    """After a pause the homeserver may hold events back for minutes; a ping makes it deliver them now.

    The homeserver is content with any answer, so that the ping has come here is looked at here.
    """
    ping = f"run-{secrets.token_hex(8)}"
    try:
        await homeserver.ping(settings.appservice.id, ping)
    except ActionError as error:
        if error.code != "M_BAD_STATUS":
            raise
        raise Later(because("homeserver.other_token", address=Letters(settings.appservice.address))) from error
    if not await gateway.heard(ping):
        raise Later(because("homeserver.something_else", address=Letters(settings.appservice.address)))


async def _patiently(step: Callable[[], Coroutine[Any, Any, None]], what: str) -> None:
    """Try until it works, and say so: beside a homeserver that starts later, waiting is right."""
    attempts = 0
    while True:
        try:
            return await step()
        except ActionError as error:
            attempts += 1
            pause = min(backoff(attempts), 60.0)
            why = f"{clause(error.why)}."
            log.warning("%s failed: %s Trying again in %.0f s; `knockbot check` says more.", what, why, pause)
            await asyncio.sleep(pause)


async def _beat(db: Database) -> None:
    """Give signs of life, take over what dead processes left, and see whether the database can be written."""
    while True:
        with suppress(Unusable, _TakenBack):
            async with db.tx() as tx:
                await processes.beat(tx, db.process, now())
                await processes.bury(tx, db.process, now(), alone=db.alone)
                if db.alone and db.trouble is None:
                    raise _TakenBack  # nobody reads it, and the disk is not to be written every few seconds
            db.written()
        await asyncio.sleep(processes.HEARTBEAT)


class _TakenBack(Exception):
    """What was written only to see whether it can be."""


# --- parts ----------------------------------------------------------------------------------------------------


def new_homeserver(session: ClientSession, settings: Settings, user_id: str | None = "") -> Homeserver:
    """The homeserver as the bot, or, for `None`, as the application service's own user."""
    acting_as = settings.bot_user_id if user_id == "" else user_id
    return Homeserver(session, settings.homeserver.address, settings.appservice.as_token, acting_as)


@asynccontextmanager
async def new_session() -> AsyncIterator[ClientSession]:
    headers = {"User-Agent": f"knockbot/{__version__}"}
    async with ClientSession(headers=headers, cookie_jar=DummyCookieJar()) as session:
        yield session


NOT_LISTENING = {
    errno.EADDRINUSE: "is another knockbot running, or the port taken?",
    errno.EACCES: "a port below 1024 takes a right that knockbot has not; choose a higher one",
    errno.EADDRNOTAVAIL: "is that an address of this machine? 0.0.0.0 and :: stand for all of them",
    errno.EAFNOSUPPORT: "this machine has no IPv6; 0.0.0.0 stands for all its other addresses",
}
"""What to do where a port cannot be listened on."""


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[None]:
    """Answer requests there for as long as the block lasts. Raises `Unavailable`."""
    where = Listen(host, port)
    visitors = Visitors(app)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    protocols, server = runner.server, None
    assert protocols is not None  # `setup` has made it
    # asyncio has `::` mean the addresses of IPv6 only.
    hosts = ("::", "0.0.0.0") if host == "::" else (host,)  # noqa: S104 - as the config says
    try:
        try:
            server = await asyncio.get_running_loop().create_server(visitors.watched(protocols), hosts, port)
        except OSError as error:
            no_name = isinstance(error, socket.gaierror)
            hint = "no such host is known" if no_name else NOT_LISTENING.get(error.errno or 0, "see the words before")
            raise Unavailable(f"cannot listen on {where}: {error.strerror}; {hint}") from error
        yield
    finally:
        if server is not None:
            server.close()
        await runner.cleanup()


@asynccontextmanager
async def _metrics(settings: Settings, db: Database, gateway: Gateway) -> AsyncIterator[None]:
    if not settings.metrics.enabled:
        yield
        return
    async with listening(Metrics(db, gateway).app, *settings.metrics.listen):
        yield


@asynccontextmanager
async def _working(*loops: Loop) -> AsyncIterator[None]:
    """Run loops beside the block, and end them with it."""
    tasks = [asyncio.create_task(_for_ever(loop)) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _for_ever(loop: Loop) -> None:
    """A loop that fails, as all do while the database is away, is said so and begun again."""
    failures = 0
    while True:
        try:
            return await loop()
        except Unusable:
            await asyncio.sleep(WATCH)
        except Exception:
            failures += 1
            log.exception("a part of knockbot failed; it begins again")
            await asyncio.sleep(min(backoff(failures), 60.0))
