"""What `knockbot init` asks, guesses and writes."""

from __future__ import annotations

import ipaddress
import re
import secrets
import shlex
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import click

from knockbot.config.registration import quoted
from knockbot.config.settings import AppService, can_encrypt
from knockbot.config.values import Listen, is_ip_address, read_listen, read_server_name, read_url, read_user_id
from knockbot.documents.schema import keys_of
from knockbot.errors import Fault

# --- what init asks and guesses -----------------------------------------------------------------------------------


def ask_homeserver(asked: bool) -> str:
    """The homeserver, as knockbot reaches it; the usual one if nobody can be `asked`."""
    default = "http://localhost:8008"
    return _answer("URL of the homeserver", read_url, default) if asked else default


def ask_domain(homeserver: str, asked: bool) -> str:
    """Its server name, if its URL shows it. Raises `click.UsageError` if nobody can be `asked`."""
    likely = _likely_domain(homeserver)
    if asked:
        return _answer("Its server name, as in @user:NAME", read_server_name, likely)
    if likely is None:
        raise click.UsageError(f"--domain is needed: {homeserver} does not show the server name.")
    return likely


def ask_admin(asked: bool) -> str | None:
    """Who administers knockbot; empty if nobody can be `asked`."""
    if not asked:
        return None
    return _answer("Your user ID, to administer knockbot (empty: nobody)", _user_or_nobody, "") or None


def _user_or_nobody(value: object) -> str:
    return read_user_id(value) if value else ""


def _answer(question: str, read: Callable[[object], str], default: str | None) -> str:
    def proc(value: str) -> str:
        try:
            return read(value)
        except Fault as fault:
            raise click.UsageError(fault.message) from None

    answer: str = click.prompt(question, default=default, value_proc=proc, show_default=bool(default))
    return answer


_SERVICE_NAMES = frozenset({"chat", "homeserver", "hs", "matrix", "synapse"})


def _likely_domain(homeserver: str) -> str | None:
    """The host of the URL, if that can be a server name; not an IP, a name without dots, or ``matrix.example.org``."""
    host = urlsplit(homeserver).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        first, dot, _ = host.partition(".")
        return host if dot and first not in _SERVICE_NAMES else None
    return None


def read_where(value: str) -> Listen:
    """Where to listen, with the usual port if none is given. Raises `Fault`."""
    if is_ip_address(value) and ":" in value:
        value = f"[{value}]"  # in an IPv6 address alone, the part after the last ":" is no port
    has_port = value.rpartition(":")[2].isdecimal() and ":" in value
    return read_listen(value if has_port else f"{value}:{keys_of(AppService)['port'].default}")


def address_of(listen: Listen) -> str:
    """How a homeserver reaches us: on the same machine, or on another one if we listen on a name or address."""
    nearby = listen.host in ("127.0.0.1", "::1", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
    return f"http://localhost:{listen.port}" if nearby else f"http://{listen}"


# --- what init writes ---------------------------------------------------------------------------------------------

CONFIG = """\
# The settings of knockbot. config.example.yaml explains every key and its default.

homeserver:
  address: {homeserver}  # as knockbot reaches it
  domain: {domain}

appservice:
  address: {address}  # this process, as the homeserver reaches it
  hostname: {hostname}
  port: {port}
  # Secrets shared with the homeserver; after a change, write the registration again and restart Synapse.
  as_token: {as_token}
  hs_token: {hs_token}
{membership}
database: sqlite:knockbot.db  # next to this file

encryption:  # needs the extra: pip install knockbot[e2ee]
  allow: {encryption}
  # Encrypts the keys in the database. The recovery key is made from it. Keep it, apart from backups of the database.
  pickle_key: {pickle_key}

permissions:  # who may invite the bot and protect rooms: a user, a server or "*"
  {domain}: user
  {admin}: admin  # may also see all protected rooms and unprotect any
"""

_NO_ADMIN = "# '@you:example.org'"

_MEMBERSHIP = """\
  # The registration asks for the right to query who is in rooms that the bot is not in (MSC4502).
  membership_queries: true
"""


def config_text(
    homeserver: str,
    domain: str,
    admin: str | None,
    address: str,
    listen: Listen,
    *,
    membership_queries: bool,
) -> str:
    """A config file with fresh secrets."""
    return CONFIG.format(
        homeserver=quoted(homeserver),
        domain=quoted(domain),
        admin=quoted(admin) if admin else _NO_ADMIN,
        address=quoted(address),
        hostname=quoted(listen.host),
        port=listen.port,
        as_token=quoted(secrets.token_urlsafe(48)),
        hs_token=quoted(secrets.token_urlsafe(48)),
        membership=_MEMBERSHIP if membership_queries else "",
        encryption="true" if can_encrypt() else "false",
        pickle_key=quoted(secrets.token_urlsafe(48)),
    )


_FLAG = """
   So that it tells memberships, add these two lines as well (only the second, if the first is there already):

experimental_features:
  msc4502_enabled: true
"""


def next_steps(config: Path, registered: Path, *, membership_queries: bool) -> str:
    """What to do after both files are written."""
    in_yaml = str(registered) if re.fullmatch(r"[\w./-]+", str(registered)) else quoted(str(registered))
    return f"""\
Wrote {config}
  and {registered}; both contain secrets, and only you can read them.

1. Put these two lines into homeserver.yaml (only the second, if the first is there already):

app_service_config_files:
  - {in_yaml}
{_FLAG if membership_queries else ""}
2. If Synapse runs as another user, it cannot read the file there: copy it, and name the copy in these lines, as in
   sudo install --owner=matrix-synapse --mode=0400 {shlex.quote(str(registered))} /etc/matrix-synapse/knockbot.yaml
   Then restart Synapse.
3. knockbot check -c {shlex.quote(str(config))}
4. knockbot run -c {shlex.quote(str(config))}"""
