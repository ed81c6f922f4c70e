"""The composition root: settings in, a running service out, and a clean stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from aiohttp import ClientSession, DummyCookieJar

from knockbot import __version__, logs
from knockbot.backup.recall import recall
from knockbot.chat import messages as wording
from knockbot.config.settings import SETTINGS, Settings
from knockbot.domain.reasons import in_words
from knockbot.engine.heartbeat import beat
from knockbot.engine.inbox import Inbox
from knockbot.engine.loops import Loop, after, patiently, working
from knockbot.engine.timers import Timers
from knockbot.engine.worker import Worker
from knockbot.errors import ActionError, Fault, Never
from knockbot.features.encryption import sealed
from knockbot.flow import configured, encrypted, names
from knockbot.flow.context import Context, LiveSettings
from knockbot.flow.looking import look_at_all, reconcile
from knockbot.flow.ports import Cipher, NoCipher
from knockbot.flow.reading import Reader
from knockbot.flow.working import hooks
from knockbot.identity.client import IdentityServers
from knockbot.listening import listening
from knockbot.matrix import events, watching
from knockbot.matrix.account import Account
from knockbot.matrix.acts import Acts, SealingActs
from knockbot.matrix.crypto.keyring import Keyring
from knockbot.matrix.files import Files
from knockbot.matrix.gateway import Gateway
from knockbot.matrix.history import Memory
from knockbot.matrix.homeserver import Homeserver
from knockbot.matrix.rooms import Outside
from knockbot.product import FEATURES, GAVE_UP, HANDLERS, PROMPTS, TIMERS
from knockbot.store import encryption, processes, restores
from knockbot.store.db import Database, Unusable, opened
from knockbot.web.metrics import Metrics

log = logging.getLogger("knockbot")

DRAIN = 20.0
"""Seconds that work in progress may take to end when knockbot is told to stop."""

ROUNDS = 3600.0
"""Seconds between two looks at every protected room."""

PATIENCE = 60.0
"""Seconds between two attempts to protect a room of the config file while something is missing for it."""


def now() -> int:
    """The time in milliseconds; every other part gets this function."""
    return time.time_ns() // 1_000_000


# --- run ------------------------------------------------------------------------------------------------------


async def run(settings: Settings, read_again: Callable[[], Settings]) -> None:
    """Handle join requests until SIGTERM or SIGINT, then drain and stop; on SIGHUP read the config again.

    Raises `Unavailable` if a part is missing that knockbot cannot run without.
    """
    logs.configure(settings.logging)
    stop, hang_up = asyncio.Event(), asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up.set)
    async with service(settings) as context, working(lambda: _obey_hang_ups(context, hang_up, read_again)):
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
    """Apply the changes that need no restart, and report those that do."""
    for part in SETTINGS.keys:
        if part not in LIVE and getattr(settings, part) != getattr(context.settings, part):
            log.warning("%s has changed in the config; that needs a restart", part)
    new = replace(context.settings, **{part: getattr(settings, part) for part in LIVE})
    async with context.protecting:
        await configured.look_up(context, new)  # so that every name in a policy is known
        context.live_settings.take(new)
    logs.configure(settings.logging)
    await configured.keep(context, enter=True)
    log.info("the config was read again")


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a running knockbot."""

    context: Context
    account: Account
    gateway: Gateway
    arrivals: Inbox[Context]
    worker: Worker
    keyring: Keyring | None
    """Set if encryption is allowed."""


@asynccontextmanager
async def service(settings: Settings) -> AsyncIterator[Context]:
    """A running knockbot, for as long as the block lasts: listen, ping, reconcile, then work."""
    async with opened(settings.database) as db, new_session() as session:
        parts = await _made(settings, db, session)
        recalled = await _begun(db)
        async with (
            listening(parts.gateway.app, *settings.appservice.listen),
            _metrics(settings, db, parts.gateway),
            working(lambda: beat(db, now)),
        ):
            try:
                async with working(*_loops(parts, recalled)):
                    yield parts.context
            finally:
                await _end(parts)


async def _made(settings: Settings, db: Database, session: ClientSession) -> Parts:
    """All the parts; none of them is running yet."""
    homeserver = new_homeserver(session, settings)
    live = LiveSettings(settings)
    identity = IdentityServers(session, homeserver, lambda: live.in_force.identity_servers)
    context = Context.made(
        db,
        Outside(homeserver, settings.homeserver.domain),
        live,
        now,
        acts=Acts(homeserver),
        wording=wording,
        issuer=identity,
        vouch=identity.vouch,
        cipher=_cipher(settings),
        features=FEATURES,
        prompts=PROMPTS,
    )
    keyring = await _keyring(context, homeserver, session)
    context = replace(context, files=Files(homeserver, keyring))
    if keyring is None:
        db.keep_connection()
    else:
        context = replace(context, acts=SealingActs(homeserver, keyring))
    sealed_for = context.bot if keyring is not None else None
    gateway = Gateway(settings.appservice.hs_token, db, context.wakeups, now, sealed_for=sealed_for)
    worker = Worker(context, hooks(context, keyring))
    return Parts(context, Account(homeserver, session, settings), gateway, new_inbox(context, keyring), worker, keyring)


async def _begun(db: Database) -> asyncio.Event:
    """Give the first sign of life; the returned event is set when the records are up to date."""
    recalled = asyncio.Event()
    async with db.tx() as tx:
        await processes.beat(tx, db.process, now())
        await processes.bury(tx, db.process, now(), alone=db.alone)
        if await restores.to_recall(tx) is None:
            recalled.set()
    return recalled


def _loops(parts: Parts, recalled: asyncio.Event) -> Sequence[Loop]:
    """The tasks that run in parallel; all except the start wait until the records are up to date."""
    context, homeserver, gateway = parts.context, parts.account.homeserver, parts.gateway
    at_work: Sequence[Loop] = (
        parts.arrivals.run,
        parts.worker.run,
        Timers(context, TIMERS).run,
        lambda: watching.watch(context, homeserver, gateway),
    )
    return [lambda: _start(parts, recalled), *(partial(after, recalled, loop) for loop in at_work)]


async def _end(parts: Parts) -> None:
    """Accept nothing new, and let work in progress end."""
    db = parts.context.db
    parts.gateway.ready = False
    await parts.arrivals.drain(DRAIN)
    await parts.worker.drain(DRAIN)
    await parts.context.elsewhere.close()
    if parts.keyring is not None:
        await parts.keyring.close()
    with suppress(Unusable):
        async with db.tx() as tx:
            await processes.leave(tx, db.process)


def new_inbox(context: Context, keys: Keyring | None = None) -> Inbox[Context]:
    """The worker for events in the inbox."""
    reader = Reader(context, events.parse, sealed.read, keys)
    return Inbox(context, reader, HANDLERS, reconcile, gave_up=GAVE_UP, elsewhere=context.elsewhere.waiting)


def _cipher(settings: Settings) -> Cipher:
    """Encrypts messages that are not sent yet, if encryption is allowed."""
    if not settings.encryption.allow:
        return NoCipher()
    from knockbot.matrix.crypto import secret  # noqa: PLC0415 - there only with the extra

    return secret.Cipher(settings.pickle_key)


async def _keyring(context: Context, homeserver: Homeserver, session: ClientSession) -> Keyring | None:
    """The bot's keys, if encryption is allowed."""
    if not context.settings.encryption.allow:
        return None
    from knockbot.matrix.crypto.machine import Machine  # noqa: PLC0415 - there only with the extra

    machine = Machine(context.db, context.bot, context.settings.pickle_key)
    await machine.prepare()
    return Keyring(context, homeserver, session, machine)


async def _start(parts: Parts, recalled: asyncio.Event) -> None:
    """Become ready step by step, waiting for the homeserver if it is not there yet; then check everything hourly.

    Records that come from a back-up are brought up to date before anything is handled.
    """
    context, account, gateway, keyring = parts.context, parts.account, parts.gateway, parts.keyring
    homeserver = account.homeserver
    await patiently(lambda: _introduce(context, account), "introducing myself to the homeserver")
    await patiently(lambda: recall(context, Memory(homeserver)), "reading what I said since the back-up")
    await patiently(lambda: encrypted.look_at_management_rooms(context), "looking at the management rooms")
    recalled.set()
    await patiently(lambda: watching.ping(context.settings, homeserver, gateway), "asking the homeserver to call back")
    async with working(*([keyring.run] if keyring is not None else [])):
        if keyring is not None:
            await keyring.settled.wait()
        gateway.ready = True
        log.info("knockbot %s is ready", __version__)
        looks = (protect_configured, look_at_names, look_afar)
        async with working(*(partial(look, context) for look in looks)):
            await _look_around(context, account)


async def _look_around(context: Context, account: Account) -> None:
    """On start and then hourly, check the protected rooms, the management rooms, and who else could use the account."""
    while True:
        await look_at_all(context)
        await asyncio.sleep(ROUNDS)
        await patiently(lambda: encrypted.look_at_management_rooms(context), "looking at the management rooms")
        try:
            await account.keep_others_out(await _own_device(context))
        except ActionError as error:
            log.warning("cannot see who is logged in to my account: %s", in_words(error.why))


async def look_at_names(context: Context) -> None:
    """On start and then hourly, look up where the aliases in policies and the config file lead now."""
    while True:
        await names.look_again(context)
        await asyncio.sleep(ROUNDS)


async def look_afar(context: Context) -> None:
    """On start and then hourly, find out whether the homeserver tells who is in rooms that the bot is not in."""
    while True:
        try:
            await context.outside.look_afar()
        except ActionError as error:
            log.warning("cannot see what the homeserver tells of other rooms: %s", in_words(error.why))
        await asyncio.sleep(ROUNDS)


async def protect_configured(context: Context) -> None:
    """Protect the rooms of the config file: on start, hourly, and when something missing may have changed."""
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
            pass  # an alias may lead to a room by now


async def _introduce(context: Context, account: Account) -> None:
    """Create the account, then set its name: in the other order, Synapse would refuse the account for ever.

    An account that somebody else can use is not used; a name is not required.
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
    """The device that holds the bot's keys, even while encryption is switched off."""
    async with context.db.tx() as tx:
        device = await encryption.device(tx, context.bot)
    return device.device_id if device is not None else None


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


@asynccontextmanager
async def _metrics(settings: Settings, db: Database, gateway: Gateway) -> AsyncIterator[None]:
    if not settings.metrics.enabled:
        yield
        return
    async with listening(Metrics(db, gateway).app, *settings.metrics.listen):
        yield
