"""The command line: init, registration, check, run, export, import, demo; a fault is one line a person can act on."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

import knockbot
from knockbot.cli.files import exists, holds, write_all, write_new
from knockbot.cli.init import address_of, ask_admin, ask_domain, ask_homeserver, config_text, next_steps, read_where
from knockbot.config.registration import registration
from knockbot.config.settings import WITHOUT_EXTRA, Settings, can_encrypt, read_settings
from knockbot.config.sources import EXAMPLE_TOKENS, load
from knockbot.config.values import Listen, read_server_name, read_url, read_user_id
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
    """Run one command and return its exit status; any failure is one line on stderr."""
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
    except Exception as error:  # nobody else handles it; the traceback is shown only on request
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
    """Read an option as the config file would read it."""

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
    callback=_read_by(lambda value: read_where(str(value))),
    default="127.0.0.1",
    show_default=True,
    help="Where knockbot listens.",
)
@click.option(
    "--membership-queries",
    is_flag=True,
    help="Ask the homeserver for the right to query who is in rooms that the bot is not in (MSC4502, experimental).",
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
    membership_queries: bool,
    directory: Path,
) -> None:
    """Write config.yaml and registration.yaml with new tokens.

    On a terminal it asks for what is not given; it never overwrites a file.
    """
    files = [directory.absolute() / "config.yaml", directory.absolute() / "registration.yaml"]
    for file in files:
        if os.path.lexists(file):
            raise exists(file)
    asked = sys.stdin.isatty()
    homeserver = homeserver or ask_homeserver(asked)
    domain = domain or ask_domain(homeserver, asked)
    admin = admin or ask_admin(asked)
    reached = address or address_of(listen)
    config = config_text(homeserver, domain, admin, reached, listen, membership_queries=membership_queries)
    settings = read_settings(read_document(config).value)
    write_all({files[0]: config, files[1]: registration(settings)})
    click.echo(next_steps(*files, membership_queries=membership_queries))


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
    elif holds(output, written):
        click.echo(f"{output} fits {config} as it is.")
    else:
        write_all({output: written})
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
    from knockbot.matrix.crypto.secret import recovery_key  # noqa: PLC0415 - there only with the extra

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
    from knockbot.matrix.crypto.machine import forget_keys  # noqa: PLC0415 - as above
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
        write_new(file, write_all)


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
