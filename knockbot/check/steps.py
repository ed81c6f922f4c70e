"""The steps of a check, in their order: each looks at one thing."""

from __future__ import annotations

import asyncio
import secrets
import time

from mautrix.api import Method, Path

from knockbot.check.bench import REGISTER, Aside, Bench, Hint, Miss, Step
from knockbot.check.reach import round_trip
from knockbot.config.registration import registration_differences
from knockbot.domain.conversations import CURRENT, Stage
from knockbot.domain.ids import server_of
from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError, Fault, Never, Unavailable
from knockbot.matrix.afar import Afar
from knockbot.matrix.api import NOT_COVERED, UNWELL
from knockbot.store import conversations, encryption
from knockbot.store.db import peeking, probe
from knockbot.store.refusals import redacted

LIMIT_PROBES = 25
"""Requests in a row that a homeserver with its usual limits would not all serve."""

UNKNOWN_TOKEN = frozenset({"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"})


async def _database(bench: Bench) -> str:
    url = bench.settings.database
    try:
        found = await probe(url)
    except Unavailable as error:
        raise Miss(
            str(error), "see `database` in config.yaml, and whether the server runs and accepts the password"
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
"""Seconds that the clocks of two machines may differ before the check reports it."""


async def _clocks(bench: Bench) -> str:
    ahead = bench.service.clock_ahead
    if ahead is None:
        return "the homeserver does not say its time"
    if abs(ahead) <= LARGEST_DIFFERENCE:
        return "the clocks of the homeserver and of this machine agree"
    raise Aside(
        f"the homeserver's clock is {_span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} this machine's",
        "let both machines take the time from the network (NTP)",
    )


def _span(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"


async def _registration_file(bench: Bench) -> str:
    """What `knockbot init` or `registration` wrote beside the config; the homeserver may have a copy of it."""
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


ANEW = (
    "move {file} away, write it again with `knockbot registration -o {file}`, give it to the homeserver, and restart "
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
                "if you changed tokens, move it away and write it again with `knockbot registration -c config.yaml -o "
                "registration.yaml`",
            ) from error
        raise Miss(error.why, "look at the homeserver's own log") from error
    found = server_of(me) if isinstance(me, str) else "?"
    if found != domain:
        raise Miss(
            f"the homeserver's users are on {found}, and config.yaml says {domain}",
            f"set homeserver.domain in config.yaml to {found}, and write registration.yaml again",
        )
    return "the homeserver knows it, and the as_token and the domain are right"


async def _account(bench: Bench) -> str:
    """Create the account as `run` does: only this shows whether another service has the name."""
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
        made = " now"
    except ActionError as error:
        raise Miss(error.why, ADMIN_API) from error
    await _may_act(bench)
    return f"{me} exists{made}, and can act"


ADMIN_API = "an admin of the homeserver can fix this with its admin API"


async def _register(bench: Bench) -> None:
    try:
        await bench.bot.register()
    except ActionError as error:
        if error.code == "M_EXCLUSIVE":
            raise Miss(
                f"another application service has reserved {bench.settings.bot_user_id}",
                "set another appservice.bot_username and write registration.yaml again, or narrow the namespace in the "
                "other service's registration; then restart the homeserver",
            ) from error
        raise Miss(error.why, "look at the homeserver's own log") from error


async def _may_act(bench: Bench) -> None:
    """Send a request that has no effect, but that is refused to a suspended user."""
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
            "set another appservice.bot_username, which nobody has, and write registration.yaml again; or let an admin "
            f'give {bot} a password that nobody else knows (PUT /_synapse/admin/v2/users/{bot} with {{"password": "…", '
            '"logout_devices": true}) and set appservice.allow_password: true',
        )
    if others or addresses:
        what = [f"session {device}" for device in others] + [f"address ({one.medium})" for one in addresses]
        raise Aside(
            f"somebody else has used the account {bot}: {', '.join(what)}",
            "`knockbot run` removes them when it starts; look at what was done in the bot's name",
        )
    hidden = "; with MSC4190 in the registration, knockbot cannot see whether it has a password" if ways is None else ""
    return f"nobody but knockbot uses {bot}{hidden}"


async def _own_device(bench: Bench) -> str | None:
    """The device of the bot according to the records, also while a knockbot uses them."""
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


async def _limits(bench: Bench) -> str:
    """Send cheap requests to the homeserver, more often than its usual limits allow."""
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
    return "no rate limit slows the bot down"


TOLD_TO_SEND = (
    "its keys come by transactions (this check cannot see whether the homeserver has the flags and lines for that "
    "in docs/encryption.md: without them, commands are read minutes late)"
)


async def _encryption(bench: Bench) -> str:
    """The bot's device as others see it."""
    settings = bench.settings
    if not settings.encryption.allow:
        return "not allowed; if somebody invites the bot to an encrypted room, it offers another room"
    from knockbot.matrix.crypto.secret import master_key  # noqa: PLC0415 - there only with the extra

    bot = bench.bot.bot
    try:
        keys = await bench.bot.call(Method.POST, Path.v3.keys.query, {"device_keys": {bot: []}})
    except ActionError as error:
        if error.code == "M_FORBIDDEN":
            return "the bot has no device yet; `knockbot run` creates it"
        raise Miss(error.why, "look at the homeserver's own log") from error
    devices = sorted(keys.get("device_keys", {}).get(bot, {}))
    if not devices:
        return "the bot has no device yet; `knockbot run` creates it"
    known = keys.get("master_keys", {}).get(bot, {}).get("keys", {}).values()
    if master_key(settings.pickle_key) not in known:
        raise Miss(
            "clients show the bot's device as unverified: its account's keys were not made from this pickle_key",
            "give encryption.pickle_key its old value; if that is lost, docs/encryption.md says how to replace the "
            "keys",
        )
    way = TOLD_TO_SEND if settings.encryption.appservice else "its keys come by /sync"
    return f"the bot's device is {', '.join(devices)}, it is signed by its account, and {way}"


async def _membership(bench: Bench) -> str:
    """Whether the homeserver tells who is in rooms that the bot is not in."""
    try:
        offered = await Afar(bench.bot).look()
    except ActionError as error:
        raise Miss(error.why, "look at the homeserver's own log") from error
    if offered:
        return "the homeserver tells who is in rooms that the bot is not in"
    if bench.settings.appservice.membership_queries:
        raise Hint(
            "the homeserver does not tell who is in rooms that the bot is not in, although membership_queries is set",
            "write `msc4502_enabled: true` under experimental_features in homeserver.yaml, give the homeserver the "
            "registration as it is now, and restart it; it works without, for rooms that the bot is in",
        )
    return "rules can ask who is in the rooms that the bot is in, and in no others"


async def _conversations(bench: Bench) -> str:
    """What the bot says to applicants, according to the records, and what it could not say today."""
    async with peeking(bench.settings.database) as db:
        if db is None:
            return "none yet"
        async with db.statement() as tx:
            stages = await conversations.counts(tx)
        async with db.statement() as tx:
            spent = await conversations.budget(tx, time.time_ns() // 1_000_000)
    going_on = sum(number for stage, number in stages.items() if stage in CURRENT)
    said = f"{going_on} go on, {stages[Stage.UNREACHABLE]} applicants cannot be reached, {spent.begun} begun today"
    most = bench.settings.notices.per_day
    if spent.unsaid and spent.begun >= most:
        raise Hint(
            f"{said}; {spent.unsaid} messages to applicants were dropped today",
            f"`notices.per_day` in config.yaml allows {most} new conversations a day; it works without",
        )
    return f"{said}; {spent.unsaid} messages dropped today"


STEPS: dict[str, Step] = {
    "database": _database,
    "homeserver": _homeserver,
    "clocks": _clocks,
    "registration file": _registration_file,
    "registration": _registration,
    "account": _account,
    "logins": _logins,
    "name": _name,
    "round trip": round_trip,
    "limits": _limits,
    "encryption": _encryption,
    "membership": _membership,
    "conversations": _conversations,
}
