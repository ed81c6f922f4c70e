"""The command line: init, registration, check, run, export, import, demo; a fault is one line a person can act on."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import secrets
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import click

import knockbot
from knockbot.config.registration import quoted, registration
from knockbot.config.settings import WITHOUT_EXTRA, AppService, Settings, can_encrypt, read_settings
from knockbot.config.sources import EXAMPLE_TOKENS, load
from knockbot.config.values import Listen, is_ip_address, read_listen, read_server_name, read_url, read_user_id
from knockbot.documents.schema import keys_of
from knockbot.documents.text import shown
from knockbot.documents.yaml import read_document
from knockbot.domain.reasons import in_words
from knockbot.errors import ActionError, Fault, KnockbotError, Unavailable

T = TypeVar("T")

DONE, FAILED, WRONG_USE = 0, 1, 2
"""The exit statuses: done, failed at its work, wrong usage or config."""

LEVEL = "KNOCKBOT_LOGGING__LEVEL"


@dataclass
class Manner:
    """How this run of the program talks."""

    debug: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; whatever went wrong is one line on stderr."""
    manner = Manner(debug=os.environ.get(LEVEL, "").lower() == "debug")
    try:
        status = commands.main(arguments, prog_name="knockbot", standalone_mode=False, obj=manner)
    except click.Abort:
        return FAILED
    except click.ClickException as error:
        return _told(_usage(error), WRONG_USE)
    except Fault as fault:
        return _told(str(fault), WRONG_USE)
    except KnockbotError as error:
        words = in_words(error.why) if isinstance(error, ActionError) else str(error)
        return _told(f"knockbot: {words}", FAILED)
    except Exception as error:  # the last one to see it; a traceback is for those who ask for it
        if manner.debug:
            raise
        return _told(_unexpected(error), FAILED)
    return status if isinstance(status, int) else DONE


def _told(line: str, status: int) -> int:
    click.echo(line, err=True)
    return status


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "knockbot"
    said = error.format_message().rstrip(".")
    return f'{command}: {said}{" See" if said.endswith("?") else "; see"} "{command} --help"'


def _unexpected(error: Exception) -> str:
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return f"knockbot: unexpected {shown(words, 500)} (run with --debug or {LEVEL}=debug for the traceback)"


# --- options ------------------------------------------------------------------------------------------------------


def _be_verbose(context: click.Context, _parameter: click.Parameter, debug: bool) -> None:
    manner: Manner = context.find_root().obj
    manner.debug = manner.debug or debug


debug_option = click.option(
    "--debug", is_flag=True, expose_value=False, callback=_be_verbose, help="Log more; show tracebacks."
)
config_option = click.option(
    "-c",
    "--config",
    type=click.Path(path_type=Path),
    default="config.yaml",
    show_default=True,
    help="The config file.",
)


def _read_by(read: Callable[[object], T]) -> Callable[[click.Context, click.Parameter, str | None], T | None]:
    """Let an option be read as the config file would read it."""

    def callback(_context: click.Context, _parameter: click.Parameter, value: str | None) -> T | None:
        try:
            return None if value is None else read(value)
        except Fault as fault:
            raise click.BadParameter(fault.message) from None

    return callback


def _settings(path: Path, manner: Manner) -> Settings:
    environ = {**os.environ, LEVEL: "debug"} if manner.debug else dict(os.environ)
    settings = load(path, environ)
    if EXAMPLE_TOKENS & {settings.appservice.as_token, settings.appservice.hs_token}:
        raise Fault(
            'appservice: everyone knows the tokens of the example; "knockbot init" makes new ones', where=str(path)
        )
    return settings


# --- commands -----------------------------------------------------------------------------------------------------


@click.group(no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(knockbot.__version__, message="%(prog)s %(version)s")
@debug_option
def commands() -> None:
    """Knockbot answers join requests (knocks) in Matrix rooms."""


@commands.command("init")
@click.option(
    "--homeserver", metavar="URL", callback=_read_by(read_url), help="The homeserver, as knockbot reaches it."
)
@click.option("--domain", metavar="NAME", callback=_read_by(read_server_name), help="Its server name, as in user IDs.")
@click.option("--admin", metavar="@USER:DOMAIN", callback=_read_by(read_user_id), help="Who administers knockbot.")
@click.option(
    "--address",
    metavar="URL",
    callback=_read_by(read_url),
    help="Knockbot, as the homeserver reaches it.  [default: made from --listen]",
)
@click.option(
    "--listen",
    metavar="HOST[:PORT]",
    callback=_read_by(lambda value: _listen(str(value))),
    default="127.0.0.1",
    show_default=True,
    help="Where knockbot listens.",
)
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    default=".",
    show_default=True,
    help="Where to write both files.",
)
@debug_option
def init_command(
    *,
    homeserver: str | None,
    domain: str | None,
    admin: str | None,
    address: str | None,
    listen: Listen,
    directory: Path,
) -> None:
    """Write config.yaml and registration.yaml with new tokens.

    On a terminal it asks for what is not given; it never overwrites a file.
    """
    files = [directory.absolute() / "config.yaml", directory.absolute() / "registration.yaml"]
    for file in files:
        if os.path.lexists(file):
            raise _exists(file)
    asked = sys.stdin.isatty()
    homeserver = homeserver or _homeserver(asked)
    domain = domain or _domain(homeserver, asked)
    admin = admin or _admin(asked)
    config = _config_text(homeserver, domain, admin, address or _address(listen), listen)
    settings = read_settings(read_document(config).value)
    _write_all({files[0]: config, files[1]: registration(settings)})
    click.echo(_next_steps(*files))


@commands.command("registration")
@config_option
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path), help="Write it there.")
@debug_option
@click.pass_obj
def registration_command(manner: Manner, config: Path, output: Path | None) -> None:
    """Print or write the registration that fits the config."""
    written = registration(_settings(config, manner))
    if output is None:
        click.echo(written, nl=False)
    elif _holds(output, written):
        click.echo(f"{output} fits {config} as it is.")
    else:
        _write_all({output: written})
        click.echo(f"Wrote {output}. Synapse reads it when it starts.")


@commands.command("check")
@config_option
@debug_option
@click.pass_obj
def check_command(manner: Manner, config: Path) -> int:
    """Check the config and the way to the homeserver."""
    settings = _settings(config, manner)
    from knockbot.check import check  # noqa: PLC0415 - slow to import, and only these commands need it

    return DONE if asyncio.run(check(settings, click.echo)) else FAILED


@commands.command("run")
@config_option
@debug_option
@click.pass_obj
def run_command(manner: Manner, config: Path) -> None:
    """Run until SIGTERM or SIGINT, then stop cleanly."""
    settings = _settings(config, manner)
    from knockbot.app import run  # noqa: PLC0415 - as above

    asyncio.run(run(settings, lambda: _settings(config, manner)))


@commands.command("recovery-key")
@config_option
@debug_option
@click.pass_obj
def recovery_key_command(manner: Manner, config: Path) -> None:
    """Print the recovery key of the bot's account. Store it."""
    settings = _with_extra(_settings(config, manner))
    from knockbot.matrix.crypto.olm import recovery_key  # noqa: PLC0415 - there only with the extra

    click.echo(recovery_key(settings.pickle_key))


@commands.command("forget-keys")
@config_option
@debug_option
@click.pass_obj
def forget_keys_command(manner: Manner, config: Path) -> None:
    """Let the bot start with a new device."""
    asyncio.run(_forget_keys(_with_extra(_settings(config, manner))))
    click.echo("The bot's keys are forgotten. It gets a new device when it starts.")


def _with_extra(settings: Settings) -> Settings:
    if not can_encrypt():
        raise Unavailable(WITHOUT_EXTRA)
    return settings


async def _forget_keys(settings: Settings) -> None:
    from knockbot.matrix.crypto.olm import forget_keys  # noqa: PLC0415 - as above
    from knockbot.store.db import opened  # noqa: PLC0415 - as above

    async with opened(settings.database) as db:
        await forget_keys(db, _now())


@commands.command("export")
@config_option
@click.argument("file", type=click.Path(path_type=Path), required=False)
@debug_option
@click.pass_obj
def export_command(manner: Manner, config: Path, file: Path | None) -> None:
    """Write all records to FILE, or print them. Knockbot may run meanwhile."""
    settings = _settings(config, manner)
    from knockbot.backup.dump import export  # noqa: PLC0415 - as above

    def write_all(write: Callable[[bytes], object]) -> None:
        counts = asyncio.run(export(settings.database, settings.bot_user_id, _now(), write))
        click.echo(f"Wrote {_counted(counts)}{f' to {file}' if file else ''}.", err=True)

    if file is None:
        write_all(sys.stdout.buffer.write)
        sys.stdout.buffer.flush()
    else:
        _write_new(file, write_all)


@commands.command("import")
@config_option
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True))
@debug_option
@click.pass_obj
def import_command(manner: Manner, config: Path, file: Path) -> None:
    """Import what export wrote from FILE ("-": standard input) into an empty database."""
    settings = _settings(config, manner)
    from knockbot.backup.dump import restore  # noqa: PLC0415 - as above

    try:
        with click.open_file(str(file), "rb") as lines:
            name = "standard input" if str(file) == "-" else str(file)
            header, counts = asyncio.run(restore(settings.database, lines, name, settings.bot_user_id, _now()))
    except OSError as error:
        raise KnockbotError(f"cannot read {file}: {error.strerror}") from None
    click.echo(f"Imported {_counted(counts)}, as knockbot {header.knockbot} wrote them. Now: knockbot run")


def _now() -> int:
    return time.time_ns() // 1_000_000


def _counted(counts: Mapping[str, int]) -> str:
    return f"{sum(counts.values())} records, {counts['requests']} requests among them"


@commands.command("demo")
@click.option("--keep", is_flag=True, help="Stay up afterwards, for a look around with any client.")
@debug_option
def demo_command(keep: bool) -> int:
    """Play the whole story on a throwaway homeserver."""
    from knockbot.demo.story import main as play  # noqa: PLC0415 - it is installed apart, and slow

    return play(keep)


# --- what init asks and guesses -----------------------------------------------------------------------------------


def _homeserver(asked: bool) -> str:
    default = "http://localhost:8008"
    return _answer("URL of the homeserver", read_url, default) if asked else default


def _domain(homeserver: str, asked: bool) -> str:
    likely = _likely_domain(homeserver)
    if asked:
        return _answer("Its server name, as in @user:NAME", read_server_name, likely)
    if likely is None:
        raise click.UsageError(f"--domain is needed: {homeserver} does not show the server name.")
    return likely


def _admin(asked: bool) -> str | None:
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
    """The host of the URL, unless it is hardly a server name: an address, a bare word, or ``matrix.example.org``."""
    host = urlsplit(homeserver).hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        first, dot, _ = host.partition(".")
        return host if dot and first not in _SERVICE_NAMES else None
    return None


def _listen(value: str) -> Listen:
    if is_ip_address(value) and ":" in value:
        value = f"[{value}]"  # of an IPv6 address alone, what stands behind the last ":" is no port
    has_port = value.rpartition(":")[2].isdecimal() and ":" in value
    return read_listen(value if has_port else f"{value}:{keys_of(AppService)['port'].default}")


def _address(listen: Listen) -> str:
    """How a homeserver on the same machine reaches us, or on another one where we listen on a name or address."""
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


def _config_text(homeserver: str, domain: str, admin: str | None, address: str, listen: Listen) -> str:
    return CONFIG.format(
        homeserver=quoted(homeserver),
        domain=quoted(domain),
        admin=quoted(admin) if admin else _NO_ADMIN,
        address=quoted(address),
        hostname=quoted(listen.host),
        port=listen.port,
        as_token=quoted(secrets.token_urlsafe(48)),
        hs_token=quoted(secrets.token_urlsafe(48)),
        encryption="true" if can_encrypt() else "false",
        pickle_key=quoted(secrets.token_urlsafe(48)),
    )


def _next_steps(config: Path, registered: Path) -> str:
    in_yaml = str(registered) if re.fullmatch(r"[\w./-]+", str(registered)) else quoted(str(registered))
    return f"""\
Wrote {config}
  and {registered}; both contain secrets, and only you can read them.

1. Put these two lines into homeserver.yaml (only the second, if the first is there already):

app_service_config_files:
  - {in_yaml}

2. If Synapse runs as another user, it cannot read the file there: copy it, and name the copy in these lines, as in
   sudo install --owner=matrix-synapse --mode=0400 {shlex.quote(str(registered))} /etc/matrix-synapse/knockbot.yaml
   Then restart Synapse.
3. knockbot check -c {shlex.quote(str(config))}
4. knockbot run -c {shlex.quote(str(config))}"""


# --- files --------------------------------------------------------------------------------------------------------


def _exists(file: Path) -> KnockbotError:
    return KnockbotError(f"{file} exists already and was not changed: move it away or choose another place")


def _holds(file: Path, text: str) -> bool:
    try:
        return file.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False


def _write_all(files: dict[Path, str]) -> None:
    """Write new files that only their owner can read: all of them, or none."""
    begun: list[Path] = []
    try:
        for file, text in files.items():
            _make_directory(file.parent)
            file.touch(mode=0o600, exist_ok=False)
            begun.append(file)
            file.write_text(text, encoding="utf-8")
    except BaseException as error:
        for half in begun:
            half.unlink()
        if isinstance(error, FileExistsError):
            raise _exists(file) from None
        if isinstance(error, OSError):
            raise KnockbotError(f"cannot write {file}: {error.strerror}") from None
        raise


def _write_new(file: Path, write_all: Callable[[Callable[[bytes], object]], None]) -> None:
    """Write a new file that only its owner can read, to its end or not at all."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise _exists(file) from None
    except OSError as error:
        raise KnockbotError(f"cannot write {file}: {error.strerror}") from None
    try:
        with os.fdopen(descriptor, "wb") as out:
            write_all(out.write)
            out.flush()
            os.fsync(out.fileno())
    except BaseException as error:
        file.unlink()
        if isinstance(error, OSError):
            raise KnockbotError(f"cannot write {file}: {error.strerror}") from None
        raise


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise KnockbotError(f"cannot make the directory {directory}: {error.strerror}") from None
