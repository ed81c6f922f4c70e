"""`knockbot check`: every link of the chain looked at in order, each miss with its mend.

It changes nothing: no schema is upgraded, no account made (but the bot's with identity servers), no transaction taken.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import ClientError, ClientSession
from mautrix.api import Method, Path

from knockbot.app import listening, new_homeserver, new_session, now
from knockbot.config import Settings
from knockbot.domain import wording
from knockbot.domain.ids import is_alias, server_of
from knockbot.errors import ActionError, Later, Never, Unavailable
from knockbot.flow import configured, fitness, names
from knockbot.flow.checkup import checklist
from knockbot.flow.door import Door
from knockbot.matrix.facts import Outside
from knockbot.matrix.gateway import PingOnly
from knockbot.matrix.homeserver import Homeserver
from knockbot.matrix.identity import IdentityServers
from knockbot.store import encryption, rooms
from knockbot.store.db import UP_TO_DATE, Database, InUse, probe, redacted

LIMIT_PROBES = 25
"""Requests in a row that a homeserver with its usual limits would not all serve."""


class Miss(Exception):
    """Something is not as it must be; `mend` says what to do about it."""

    def __init__(self, what: str, mend: str) -> None:
        super().__init__(what)
        self.what = what
        self.mend = mend


UNKNOWN_TOKEN = frozenset({"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"})


@dataclass(frozen=True, slots=True)
class Bench:
    """What the steps of a check work with."""

    settings: Settings
    session: ClientSession
    bot: Homeserver
    service: Homeserver
    """The application service's own user, who is not the bot."""


Step = Callable[[Bench], Awaitable[str]]


async def check(settings: Settings, say: Callable[[str], None]) -> bool:
    """Look at one thing after the other and say what was found; true if nothing is missing.

    What builds on something missing is not tried.
    """
    logging.getLogger("knockbot").setLevel(logging.CRITICAL)  # what is wrong is said here, once
    say(f"✅ config: it is sound; the bot is {settings.bot_user_id}")
    async with new_session() as session:
        bench = Bench(settings, session, new_homeserver(session, settings), new_homeserver(session, settings, None))
        for name, step in STEPS.items():
            try:
                say(f"✅ {name}: {await step(bench)}")
            except Miss as miss:
                say(f"❌ {name}: {miss.what}\n   → {miss.mend}")
                return False
        trusted = await _identity_servers(bench, say)
        return await _rooms(bench, say) and trusted


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
    try:
        await bench.bot.whoami()
    except Never as error:
        if "masquerade" in error.why:
            raise Miss(
                f"the registration does not cover {bench.settings.bot_user_id}",
                "write registration.yaml anew with `knockbot registration`, and restart the homeserver",
            ) from error
        return f"{bench.settings.bot_user_id} has no account yet; `knockbot run` makes it"
    except ActionError as error:
        raise Miss(error.why, "an admin of the homeserver can mend this, with its admin API") from error
    profile = await _profile(bench)
    return f"{bench.settings.bot_user_id} is there{profile}"


async def _profile(bench: Bench) -> str:
    wanted = bench.settings.appservice.bot_displayname
    try:
        found = (await bench.bot.call(Method.GET, Path.v3.profile[bench.bot.bot])).get("displayname")
    except ActionError:
        found = None
    return f", and is called {wanted}" if found == wanted else f"; `knockbot run` will call it {wanted}"


async def _round_trip(bench: Bench) -> str:
    service = bench.settings.appservice
    async with _somebody_listens(bench) as who:
        try:
            await bench.service.ping(service.id, f"check-{secrets.token_hex(8)}")
        except ActionError as error:
            raise _why_no_ping(bench.settings, error) from error
    return f"the homeserver reaches {who} at {service.address}, and the hs_token is right"


@asynccontextmanager
async def _somebody_listens(bench: Bench) -> AsyncIterator[str]:
    """A running knockbot, or, where nothing listens, a stand-in that answers pings and nothing else."""
    service = bench.settings.appservice
    try:
        async with listening(PingOnly(service.hs_token).app, *service.listen):
            yield "this check"
            return
    except Unavailable as error:
        if not await _knockbot_runs(bench):
            raise Miss(str(error), f"stop what uses port {service.port}, or set another appservice.port") from error
    yield "the running knockbot"


async def _knockbot_runs(bench: Bench) -> bool:
    service = bench.settings.appservice
    try:
        async with (
            asyncio.timeout(5),
            bench.session.get(f"http://{service.listen}/_matrix/mau/live") as answer,
        ):
            return answer.status == 200
    except (ClientError, OSError, TimeoutError):
        return False


def _why_no_ping(settings: Settings, error: ActionError) -> Miss:
    """What an errcode of the ping says (client-server API, "Homeserver ping")."""
    service = settings.appservice
    mends = {
        "M_CONNECTION_FAILED": (
            f"the homeserver cannot reach knockbot at {service.address}",
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
            "write registration.yaml anew with `knockbot registration`, and restart the homeserver",
        ),
        "M_URL_NOT_SET": ("the registration has no url", "write registration.yaml anew, and restart the homeserver"),
        "M_FORBIDDEN": (
            f"the homeserver knows the token under another id than {service.id}",
            "write registration.yaml anew with `knockbot registration`, and restart the homeserver",
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
    from knockbot.matrix.crypto import master_key  # noqa: PLC0415 - there only with the extra

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
    "registration": _registration,
    "account": _account,
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
                error.why, f"read its terms, and name them under identity_servers.{name}.accept_terms in config.yaml"
            ) from error
        raise Miss(
            error.why, "look at its own log: it must be able to ask this homeserver, over federation, who the bot is"
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
        door = Door(db, Outside(bench.bot), bench.settings, now)
        places = {room.management_room for room in protected}
        sound = await _management_rooms(door, places, say)
        sound = await _fit_to_manage(door, places, say) and sound
        for room in protected:
            try:
                found = await checklist(door, await door.outside.room(room.room_id))
            except ActionError as error:
                say(f"❌ {room.label} ({room.room_id}): {error.why}\n   → invite {bench.settings.bot_user_id} there")
                sound = False
                continue
            missing = [line for line in found.plain.split("\n") if line.startswith(("❌", "⚠️"))]
            sound = sound and not missing
            head = f"{'❌' if missing else '✅'} {room.label} ({room.room_id})"
            say("\n".join([head, *(f"   {line}" for line in missing)]))
        return await _names(door, say) and sound
    finally:
        await db.close()


async def _names(door: Door, say: Callable[[str], None]) -> bool:
    """What the config file names: what is missing for each room, and where aliases lead elsewhere than they mean."""
    sound = True
    for entry, room_id, why in await configured.missing(door):
        means = f", which means {room_id}" if room_id not in (entry, None) else ""
        say(
            f"✅ in the config file: {entry}{means}" if why is None else f"❌ in the config file: {entry}{means}: {why}"
        )
        sound = sound and why is None
    async with door.db.tx() as tx:
        pinned = [one.pin for one in await names.in_force(door, tx) if is_alias(one.pin.name)]
    leads = await names.leads(door, (pin.name for pin in pinned))
    for line in dict.fromkeys(names.said(names.seen(pin, leads)).plain for pin in pinned):
        say(line if line.startswith("⚠️") else f"✅ {line}")
    return sound


async def _fit_to_manage(door: Door, places: set[str], say: Callable[[str], None]) -> bool:
    """Whether each management room is still private, and the bot in it."""
    sound = True
    for place in sorted(places):
        try:
            concerns = await fitness.management_concerns(door, place)
        except ActionError:
            continue  # the homeserver does not answer, of which other lines tell
        for concern in concerns:
            say(f"❌ {place}: {wording.CONCERNS[concern].plain}")
            sound = False
    return sound


async def _management_rooms(door: Door, places: set[str], say: Callable[[str], None]) -> bool:
    """Whether commands can be read in each management room: it, or the config, may have changed since."""
    sound = True
    for place in [] if door.settings.encryption.allow else sorted(places):
        try:
            view = await door.outside.room(place)
        except ActionError:
            continue  # the bot is out of it, which is told where it matters
        async with door.db.tx() as tx:
            was_encrypted = await encryption.is_encrypted(tx, place)
        if view.encrypted or was_encrypted:
            say(
                f"❌ {view.label} ({place}): this management room is encrypted, and encryption is not allowed: "
                "commands there are not read, and cards and answers for it wait\n"
                "   → see docs/encryption.md for encryption.allow, or protect the rooms from an unencrypted room"
            )
            sound = False
    return sound
