"""`knockbot check`: every link of the chain looked at in order, each miss with its mend.

What `knockbot run` will do is tried in earnest, and undone. What stays: the bot's account, with its name, here and with
identity servers. No schema is upgraded, no transaction taken.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession, web
from mautrix.api import Method, Path

from knockbot.app import new_homeserver, new_session, now
from knockbot.chat.catalogue import render
from knockbot.config.registration import registration_differences
from knockbot.config.settings import Metrics, Settings
from knockbot.domain.fitness import told
from knockbot.domain.ids import is_alias, server_of
from knockbot.domain.notices import Notice
from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError, Fault, Later, Never, Unavailable
from knockbot.flow import configured, fitness, names
from knockbot.flow.checkup import checklist
from knockbot.flow.context import Context
from knockbot.identity.client import IdentityServers
from knockbot.listening import listening
from knockbot.matrix.account import Account
from knockbot.matrix.gateway import PingOnly
from knockbot.matrix.homeserver import NOT_COVERED, UNWELL, Homeserver
from knockbot.matrix.rooms import Outside
from knockbot.store import encryption, rooms
from knockbot.store.db import UP_TO_DATE, Database, InUse, peeking, probe
from knockbot.store.refusals import redacted

LIMIT_PROBES = 25
"""Requests in a row that a homeserver with its usual limits would not all serve."""


class Miss(Exception):
    """Something is not as it must be, and what follows builds on it; `mend` says what to do about it."""

    mark = "❌"
    fails = stops = True

    def __init__(self, what: str | Notice, mend: str) -> None:
        self.what = what if isinstance(what, str) else in_words(what)
        super().__init__(self.what)
        self.mend = mend


class Aside(Miss):
    """Something is not as it must be; what follows can be looked at all the same."""

    stops = False


class Hint(Miss):
    """Something that knockbot works without, but not as somebody may expect."""

    mark = "⚠️"
    fails = stops = False


UNKNOWN_TOKEN = frozenset({"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"})


@dataclass(frozen=True, slots=True)
class Bench:
    """What the steps of a check work with."""

    settings: Settings
    session: ClientSession
    bot: Homeserver
    service: Homeserver
    """The application service's own user, who is not the bot."""
    account: Account


Step = Callable[[Bench], Awaitable[str]]
"""Looks at one thing and returns what it found; nothing where there was nothing to look at."""


async def check(settings: Settings, say: Callable[[str], None]) -> bool:
    """Look at one thing after the other and say what was found; true if nothing is missing.

    What builds on something missing is not tried.
    """
    logging.getLogger("knockbot").setLevel(logging.CRITICAL)  # what is wrong is said here, once
    say(f"✅ config: it is sound; the bot is {settings.bot_user_id}")
    async with new_session() as session:
        bot = new_homeserver(session, settings)
        account = Account(bot, session, settings)
        bench = Bench(settings, session, bot, new_homeserver(session, settings, None), account)
        sound = True
        for name, step in STEPS.items():
            try:
                if found := await step(bench):
                    say(f"✅ {name}: {found}")
            except Miss as miss:
                say(f"{miss.mark} {name}: {miss.what}\n   → {miss.mend}")
                if miss.stops:
                    return False
                sound = sound and not miss.fails
        sound = await _identity_servers(bench, say) and sound
        return await _rooms(bench, say) and sound


# --- the steps ------------------------------------------------------------------------------------------------


async def _database(bench: Bench) -> str:
    url = bench.settings.database
    try:
        found = await probe(url)
    except Unavailable as error:
        raise Miss(
            str(error), "see `database` in config.yaml, and whether the server runs and takes the password"
        ) from error
    return f"{redacted(url)} {found}"


async def _homeserver(bench: Bench) -> str:
    address = bench.settings.homeserver.address
    try:
        answer = await bench.service.versions()
    except ActionError as error:
        if error.code in UNKNOWN_TOKEN:
            return f"{address} answers"
        raise Miss(error.why, f"is there a homeserver at {address}? See `homeserver.address` in config.yaml") from error
    versions = [version for version in answer.get("versions", []) if isinstance(version, str)]
    return f"{address} answers, and speaks Matrix up to {versions[-1] if versions else '?'}"


LARGEST_DIFFERENCE = 60
"""Seconds that the clocks of two machines may be apart before it is worth a word."""


async def _clocks(bench: Bench) -> str:
    ahead = bench.service.clock_ahead
    if ahead is None:
        return "the homeserver does not say what its clock shows"
    if abs(ahead) <= LARGEST_DIFFERENCE:
        return "those of the homeserver and of this machine agree"
    raise Aside(
        f"the homeserver's clock is {_span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} this machine's",
        "have both machines take the time from the network (NTP)",
    )


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"


async def _registration_file(bench: Bench) -> str:
    """What `knockbot init` or `registration` wrote beside the config; the homeserver may have been given a copy."""
    file = bench.settings.registration_file
    if file is None or not await asyncio.to_thread(file.exists):
        return ""
    try:
        differences = registration_differences(bench.settings, await asyncio.to_thread(file.read_text, "utf-8"))
    except (OSError, UnicodeDecodeError, Fault) as error:
        raise Aside(f"cannot read {file}: {error}", ANEW.format(file=file)) from error
    if differences:
        raise Aside(f"{file} does not fit the config: {'; '.join(differences)}", ANEW.format(file=file))
    return f"{file} fits the config"


REGISTER = (
    "write registration.yaml anew (move the old one away, then `knockbot registration -o registration.yaml`), "
    "give it to the homeserver, and restart that"
)

ANEW = (
    "move {file} away, write it anew with `knockbot registration -o {file}`, give it to the homeserver, and restart "
    "that"
)


async def _registration(bench: Bench) -> str:
    domain = bench.settings.homeserver.domain
    try:
        me = (await bench.service.whoami()).get("user_id")
    except ActionError as error:
        if error.code in UNKNOWN_TOKEN:
            raise Miss(
                "the homeserver does not know this as_token",
                "name registration.yaml under app_service_config_files in homeserver.yaml and restart the homeserver; "
                "if you changed tokens, move it away and write it anew with `knockbot registration -c config.yaml -o "
                "registration.yaml`",
            ) from error
        raise Miss(error.why, "look at the homeserver's own log") from error
    found = server_of(me) if isinstance(me, str) else "?"
    if found != domain:
        raise Miss(
            f"the homeserver's users are on {found}, and config.yaml says {domain}",
            f"set homeserver.domain in config.yaml to {found}, and write registration.yaml anew",
        )
    return "the homeserver knows it, and the as_token and the domain are right"


async def _account(bench: Bench) -> str:
    """Have the account made as `run` does: only so does it show that another service has the name."""
    me = bench.settings.bot_user_id
    try:
        await bench.bot.whoami()
        made = ""
    except Never as error:
        if error.why.code == NOT_COVERED:
            raise Miss(
                f"the registration does not cover {me}",
                REGISTER,
            ) from error
        await _register(bench)
        made = ", newly made"
    except ActionError as error:
        raise Miss(error.why, ADMIN_API) from error
    await _may_act(bench)
    return f"{me} is there{made}, and may act"


ADMIN_API = "an admin of the homeserver can mend this, with its admin API"


async def _register(bench: Bench) -> None:
    try:
        await bench.bot.register()
    except ActionError as error:
        if error.code == "M_EXCLUSIVE":
            raise Miss(
                f"another application service has reserved {bench.settings.bot_user_id}",
                "set another appservice.bot_username and write registration.yaml anew, or narrow the namespace in the "
                "other service's registration; then restart the homeserver",
            ) from error
        raise Miss(error.why, "look at the homeserver's own log") from error


async def _may_act(bench: Bench) -> None:
    """Ask for what comes to nothing, but is refused to who is suspended."""
    try:
        await bench.bot.join(f"!{secrets.token_hex(8)}:{bench.settings.homeserver.domain}")
    except ActionError as error:
        if error.code in UNWELL:
            raise Miss(error.why, ADMIN_API) from error


async def _logins(bench: Bench) -> str:
    """Who else could act with the bot's power."""
    bot, account = bench.settings.bot_user_id, bench.account
    try:
        ways, others = await account.logins(), await account.foreign_devices(await _own_device(bench))
        addresses = await account.addresses()
    except ActionError as error:
        raise Miss(error.why, ADMIN_API if error.code in UNWELL else "look at the homeserver's own log") from error
    if ways and not bench.settings.appservice.allow_password:
        raise Miss(
            f"others can log in as {bot} ({', '.join(sorted(ways))}), and act with its power",
            "set another appservice.bot_username, which nobody has, and write registration.yaml anew; or have an admin "
            f'give {bot} a password that nobody else knows (PUT /_synapse/admin/v2/users/{bot} with {{"password": "…", '
            '"logout_devices": true}) and set appservice.allow_password: true',
        )
    if others or addresses:
        what = [f"session {device}" for device in others] + [f"address ({one.medium})" for one in addresses]
        raise Aside(
            f"somebody else has used the account {bot}: {', '.join(what)}",
            "`knockbot run` takes them away when it starts; look at what was done in the bot's name",
        )
    hidden = "; whether it has a password cannot be seen where the registration has MSC4190" if ways is None else ""
    return f"nobody but knockbot uses {bot}{hidden}"


async def _own_device(bench: Bench) -> str | None:
    """The device of the bot by the records, also while a knockbot runs on them."""
    async with peeking(bench.settings.database) as db:
        if db is None:
            return None
        async with db.statement() as tx:
            device = await encryption.device(tx, bench.settings.bot_user_id)
    return device.device_id if device is not None else None


async def _name(bench: Bench) -> str:
    wanted = bench.settings.appservice.bot_displayname
    try:
        await bench.bot.set_display_name(wanted)
    except ActionError as error:
        raise Hint(
            f"the bot cannot be called {wanted}: {in_words(error.why)}",
            "`enable_set_displayname: true` in homeserver.yaml, or an admin names it; it works without",
        ) from error
    return f"the bot is called {wanted}"


async def _round_trip(bench: Bench) -> str:
    service = bench.settings.appservice
    txn_id = f"check-{secrets.token_hex(8)}"
    async with _somebody_listens(bench) as (who, heard):
        try:
            await bench.service.ping(service.id, txn_id)
        except ActionError as error:
            raise _why_no_ping(bench.settings, error) from error
        if not await heard(txn_id):
            raise Miss(
                f"the homeserver reaches something other than {who} at {service.address}",
                f"appservice.address must lead to {service.listen} of this machine: look for a proxy or another "
                "program in between",
            )
    return f"the homeserver reaches {who} at {service.address}, and the hs_token is right"


Heard = Callable[[str], Awaitable[bool]]
"""Whether a ping has arrived."""


@asynccontextmanager
async def _somebody_listens(bench: Bench) -> AsyncIterator[tuple[str, Heard]]:
    """A running knockbot, or, where nothing listens, a stand-in that answers pings and nothing else."""
    service, figures = bench.settings.appservice, bench.settings.metrics
    stand_in = PingOnly(service.hs_token)
    try:
        async with listening(stand_in.app, *service.listen):
            await _figures(figures)
            yield "this check", stand_in.heard
            return
    except Unavailable as error:
        if not await _knockbot_says(bench, "live"):
            raise Miss(str(error), f"stop what uses port {service.port}, or set another appservice.port") from error
    yield "the running knockbot", lambda txn_id: _knockbot_says(bench, f"heard/{txn_id}")


async def _figures(figures: Metrics) -> None:
    """Try to listen where the figures are to be had."""
    if not figures.enabled:
        return
    try:
        async with listening(web.Application(), *figures.listen):
            pass
    except Unavailable as error:
        raise Miss(str(error), f"stop what uses port {figures.listen.port}, or set another metrics.listen") from error


async def _knockbot_says(bench: Bench, path: str) -> bool:
    """Whether whatever listens at our port answers this with 200."""
    service = bench.settings.appservice
    try:
        async with (
            asyncio.timeout(5),
            bench.session.get(f"http://{service.listen}/_matrix/mau/{path}") as answer,
        ):
            return answer.status == 200
    except (ClientError, OSError, TimeoutError):
        return False


def _why_no_ping(settings: Settings, error: ActionError) -> Miss:
    """What an errcode of the ping says (client-server API, "Homeserver ping")."""
    service = settings.appservice
    mends = {
        "M_CONNECTION_FAILED": (
            f"the homeserver cannot reach knockbot at {service.address}; knockbot listens on {service.listen}",
            (
                "set appservice.address to what the homeserver can reach (in a container, not localhost), write "
                "registration.yaml anew, and restart the homeserver"
            ),
        ),
        "M_CONNECTION_TIMEOUT": (
            f"the homeserver gets no answer from {service.address}",
            "look for a firewall between the two",
        ),
        "M_BAD_STATUS": (
            f"knockbot at {service.address} does not accept the homeserver's hs_token, or something else answers there",
            REGISTER,
        ),
        "M_URL_NOT_SET": ("the registration has no url", REGISTER),
        "M_FORBIDDEN": (
            f"the homeserver knows the token under another id than {service.id}",
            REGISTER,
        ),
    }
    return Miss(*mends.get(error.code or "", (error.why, "look at the homeserver's own log")))


async def _limits(bench: Bench) -> str:
    """Ask for what costs the homeserver nothing, more often than its usual limits allow."""
    nowhere = Path.v1.rooms[f"!nowhere:{bench.settings.homeserver.domain}"].hierarchy
    for _ in range(LIMIT_PROBES):
        try:
            await bench.bot.call(Method.GET, nowhere)
        except ActionError as error:
            if error.code == "M_LIMIT_EXCEEDED":
                raise Miss(
                    "the homeserver limits the bot's rate",
                    "registration.yaml must say `rate_limited: false`; restart the homeserver after changing it",
                ) from error
    return "no rate limit is in the bot's way"


TOLD_TO_SEND = (
    "its keys are to come by transactions (whether the homeserver has the flags and lines for that, which "
    "docs/encryption.md names, cannot be seen from here: without, commands are read minutes late)"
)


async def _encryption(bench: Bench) -> str:
    """The bot's device as others see it."""
    settings = bench.settings
    if not settings.encryption.allow:
        return "not allowed; whoever invites the bot to an encrypted room is offered another one"
    from knockbot.matrix.crypto.olm import master_key  # noqa: PLC0415 - there only with the extra

    bot = bench.bot.bot
    try:
        keys = await bench.bot.call(Method.POST, Path.v3.keys.query, {"device_keys": {bot: []}})
    except ActionError as error:
        if error.code == "M_FORBIDDEN":
            return "the bot has no device yet; `knockbot run` makes it"
        raise Miss(error.why, "look at the homeserver's own log") from error
    devices = sorted(keys.get("device_keys", {}).get(bot, {}))
    if not devices:
        return "the bot has no device yet; `knockbot run` makes it"
    known = keys.get("master_keys", {}).get(bot, {}).get("keys", {}).values()
    if master_key(settings.pickle_key) not in known:
        raise Miss(
            "clients show the bot's device as unverified: its account's keys were not made from this pickle_key",
            "give encryption.pickle_key the value it had; if that is lost, docs/encryption.md tells how to have the "
            "keys replaced",
        )
    way = TOLD_TO_SEND if settings.encryption.appservice else "its keys come by /sync"
    return f"the bot's device is {', '.join(devices)}, its owner vouches for it, and {way}"


STEPS: dict[str, Step] = {
    "database": _database,
    "homeserver": _homeserver,
    "clocks": _clocks,
    "registration file": _registration_file,
    "registration": _registration,
    "account": _account,
    "logins": _logins,
    "name": _name,
    "round trip": _round_trip,
    "limits": _limits,
    "encryption": _encryption,
}


# --- identity servers -----------------------------------------------------------------------------------------


async def _identity_servers(bench: Bench, say: Callable[[str], None]) -> bool:
    """Whether each identity server of the config could send invites; one that cannot stands in nobody else's way."""
    configured = bench.settings.identity_servers
    servers = IdentityServers(bench.session, bench.bot, lambda: configured)
    sound = True
    for name in configured:
        try:
            say(f"✅ identity server {name}: {await _identity_server(bench, servers, name)}")
        except Miss as miss:
            say(f"❌ identity server {name}: {miss.what}\n   → {miss.mend}")
            sound = False
    return sound


async def _identity_server(bench: Bench, servers: IdentityServers, name: str) -> str:
    try:
        await bench.bot.whoami()
    except ActionError:
        return "not asked yet, as the bot has no account to show; check again after `knockbot run`"
    try:
        return await servers.look(name)
    except Later as error:
        raise Miss(
            error.why,
            f"see identity_servers.{name} in config.yaml: is its url right, can this machine reach it, and does "
            "ca_file hold the authority of its certificate?",
        ) from error
    except Never as error:
        if error.code == "M_TERMS_NOT_SIGNED":
            raise Miss(
                error.why,
                f"read its terms, and name them under identity_servers.{name}.accept_terms in config.yaml",
            ) from error
        raise Miss(
            error.why,
            "look at its own log: it must be able to ask this homeserver, over federation, who the bot is",
        ) from error


# --- protected rooms ------------------------------------------------------------------------------------------


async def _rooms(bench: Bench, say: Callable[[str], None]) -> bool:
    """The powers in each protected room. A SQLite database in use by a running knockbot is left alone."""
    if await probe(bench.settings.database) != UP_TO_DATE:
        return True  # there is none yet, or an older one; `knockbot run` makes it current
    try:
        db = await Database.open(bench.settings.database, upgrade=False)
    except InUse:
        say("   rooms: the running knockbot tells, with `!kb check ROOM` in the management room")
        return True
    try:
        async with db.tx() as tx:
            protected = await rooms.all_rooms(tx)
        context = Context.made(db, Outside(bench.bot), bench.settings, now)
        places = {room.management_room for room in protected}
        sound = await _management_rooms(context, places, say)
        sound = await _fit_to_manage(context, places, say) and sound
        for room in protected:
            try:
                found = await checklist(context, await context.outside.room(room.room_id))
            except ActionError as error:
                why = in_words(error.why)
                say(f"❌ {room.label} ({room.room_id}): {why}\n   → invite {bench.settings.bot_user_id} there")
                sound = False
                continue
            missing = [line for line in _plain(found).split("\n") if line.startswith(("❌", "⚠️"))]
            sound = sound and not missing
            head = f"{'❌' if missing else '✅'} {room.label} ({room.room_id})"
            say("\n".join([head, *(f"   {line}" for line in missing)]))
        return await _names(context, say) and sound
    finally:
        await db.close()


async def _names(context: Context, say: Callable[[str], None]) -> bool:
    """What the config file names: what is missing for each room, and where aliases lead elsewhere than they mean."""
    sound = True
    for entry, room_id, missing in await configured.missing(context):
        why = in_words(missing) if missing is not None else None
        means = f", which means {room_id}" if room_id not in (entry, None) else ""
        say(
            f"✅ in the config file: {entry}{means}" if why is None else f"❌ in the config file: {entry}{means}: {why}"
        )
        sound = sound and why is None
    async with context.db.tx() as tx:
        pinned = [one.pin for one in await names.in_force(context, tx) if is_alias(one.pin.name)]
    leads = await names.leads(context, (pin.name for pin in pinned))
    for line in dict.fromkeys(_plain(names.said(names.seen(pin, leads))) for pin in pinned):
        say(line if line.startswith("⚠️") else f"✅ {line}")
    return sound


async def _fit_to_manage(context: Context, places: set[str], say: Callable[[str], None]) -> bool:
    """Whether each management room is still private, and the bot in it."""
    sound = True
    for place in sorted(places):
        try:
            concerns = await fitness.management_concerns(context, place)
        except ActionError:
            continue  # the homeserver does not answer, of which other lines tell
        for concern in concerns:
            say(f"❌ {place}: {_plain(told(concern))}")
            sound = False
    return sound


async def _management_rooms(context: Context, places: set[str], say: Callable[[str], None]) -> bool:
    """Whether commands can be read in each management room: it, or the config, may have changed since."""
    sound = True
    for place in [] if context.settings.encryption.allow else sorted(places):
        try:
            view = await context.outside.room(place)
        except ActionError:
            continue  # the bot is out of it, which is told where it matters
        async with context.db.tx() as tx:
            was_encrypted = await encryption.is_encrypted(tx, place)
        if view.encrypted or was_encrypted:
            say(
                f"❌ {view.label} ({place}): this management room is encrypted, and encryption is not allowed: "
                "commands there are not read, and cards and answers for it wait\n"
                "   → see docs/encryption.md for encryption.allow, or protect the rooms from an unencrypted room"
            )
            sound = False
    return sound


def _plain(said: Notice) -> str:
    """What chat would say, in English as all that the command line says."""
    return render(said).plain
