"""What config.yaml says, as frozen settings: each part with a row for each of its keys.

config.example.yaml explains what the keys mean, and why they have their defaults.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from knockbot.config.policies import WrittenPolicy, written_policy
from knockbot.config.values import (
    Format,
    Level,
    Listen,
    Permission,
    Trust,
    read_budget,
    read_ca_file,
    read_content_uri,
    read_database,
    read_display_name,
    read_host,
    read_identity_server_name,
    read_listen,
    read_localpart,
    read_permitted,
    read_pickle_key,
    read_port,
    read_room,
    read_server_name,
    read_service_id,
    read_terms,
    read_token,
    read_url,
)
from knockbot.documents.reading import Path as Keys
from knockbot.documents.reading import duration, yes_or_no
from knockbot.documents.schema import Form, Named, form, key, word
from knockbot.domain.ids import is_user_id, server_of
from knockbot.domain.languages import Language


@dataclass(frozen=True, slots=True, kw_only=True)
class Homeserver:
    """The homeserver knockbot runs beside."""

    address: str = key(read_url)
    domain: str = key(read_server_name)


@dataclass(frozen=True, slots=True, kw_only=True)
class AppService:
    """Knockbot as the homeserver knows it."""

    address: str = key(read_url)
    hostname: str = key(read_host, written="127.0.0.1")
    port: int = key(read_port, written=29331)
    id: str = key(read_service_id, written="knockbot")
    bot_username: str = key(read_localpart, written="knockbot")
    bot_displayname: str = key(read_display_name, written="Knockbot")
    bot_avatar: str | None = key(read_content_uri, default=None)
    as_token: str = key(read_token, secret=True)
    hs_token: str = key(read_token, secret=True)
    membership_queries: bool = key(yes_or_no, written=False)
    """Whether the registration asks for the right to query who is in rooms that the bot is not in (MSC4502)."""
    allow_password: bool = key(yes_or_no, written=False)
    """Whether knockbot runs although its account has a password, because only the server's admin knows it."""

    @property
    def listen(self) -> Listen:
        """Where this process listens for the homeserver."""
        return Listen(self.hostname, self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What applies to protected rooms that set nothing else."""

    language: Language = key(word(Language), written="en")
    """The language of cards, lines and replies where no policy sets one."""
    policy: WrittenPolicy = key(written_policy, written={"rules": [], "otherwise": "forward"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A room protected from config.yaml; chat cannot change it."""

    management_room: str = key(read_room)
    policy: WrittenPolicy | None = key(written_policy, default=None)
    """`None` is the default policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityServer:
    """An identity server: asked about the keys of third-party invites, and for new ones."""

    url: str = key(read_url)
    accept_terms: tuple[str, ...] | bool = key(read_terms, written=False)
    """The URLs of the terms that are accepted in the bot's name; true for all terms that the server asks for."""
    ca_file: str | None = key(read_ca_file, default=None)
    """An absolute path; `None` is what the system trusts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuing:
    """Invites to addresses that the bot issues for moderators."""

    per_moderator: int = key(read_budget, written=10)
    per_room: int = key(read_budget, written=30)
    """How many in 24 hours; 0 for none at all."""
    keep_addresses: int = key(duration, written="30d")
    """How long an address is kept after its invite is no longer valid, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Telling applicants of other servers that they were rejected."""

    per_day: int = key(read_budget, written=100)
    """How many in 24 hours, for all rooms together; 0 for none at all."""


def can_encrypt() -> bool:
    """Whether the extra that encryption needs is installed."""
    return all(find_spec(name) is not None for name in ("olm", "Crypto", "unpaddedbase64", "base58"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """Encrypted rooms: whether the bot reads and writes there, and how."""

    allow: bool = key(yes_or_no, written=False)
    trust: Trust = key(word(Trust), written="all")
    appservice: bool = key(yes_or_no, written=False)
    """Whether what is for the bot's device comes in transactions (MSC2409, MSC3202), or is fetched by /sync."""
    pickle_key: str | None = key(read_pickle_key, default=None, secret=True)
    """The secret that encrypts the keys in the database; `None` is one made from the as_token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Figures for Prometheus."""

    enabled: bool = key(yes_or_no, written=False)
    listen: Listen = key(read_listen, written="127.0.0.1:29332")


@dataclass(frozen=True, slots=True, kw_only=True)
class Logging:
    """What is logged, and how."""

    level: Level = key(word(Level), written="info")
    format: Format = key(word(Format), written="text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of config.yaml, checked and complete."""

    homeserver: Homeserver = key(form(Homeserver))
    appservice: AppService = key(form(AppService))
    database: str = key(read_database, written="sqlite:knockbot.db", secret=True)
    """``postgres://…``, or ``sqlite:`` and an absolute path, percent-encoded."""
    permissions: dict[str, Permission] = key(Named(read_permitted, word(Permission)))
    defaults: Defaults = key(form(Defaults))
    rooms: dict[str, Room] = key(Named(read_room, form(Room)))
    """By alias or room ID, as written."""
    identity_servers: dict[str, IdentityServer] = key(Named(read_identity_server_name, form(IdentityServer)))
    """By the name that is in the URLs of their keys, lower case; the first one issues invites."""
    issuing: Issuing = key(form(Issuing))
    notices: Notices = key(form(Notices))
    encryption: Encryption = key(form(Encryption))
    metrics: Metrics = key(form(Metrics))
    logging: Logging = key(form(Logging))

    file: Path | None = field(default=None, compare=False, repr=False)
    """The config.yaml that this was read from."""

    @property
    def registration_file(self) -> Path | None:
        """Where `knockbot init` writes the registration: beside the config."""
        return self.file.with_name("registration.yaml") if self.file else None

    @property
    def bot_user_id(self) -> str:
        """The bot's own user ID."""
        return f"@{self.appservice.bot_username}:{self.homeserver.domain}"

    @property
    def pickle_key(self) -> str:
        """The secret that encrypts the keys in the database."""
        return self.encryption.pickle_key or f"as_token {self.appservice.as_token}"

    def permission_of(self, user_id: str) -> Permission | None:
        """What somebody may ask the bot to do: by their own entry, else their server's, else that for everybody."""
        if not is_user_id(user_id):
            return None
        grants = (user_id, server_of(user_id).lower(), "*")
        return next((self.permissions[who] for who in grants if who in self.permissions), None)


SETTINGS = form(Settings)


def read_settings(value: object, directory: Path | None = None) -> Settings:
    """The settings that plain YAML data describes; relative paths in it start at `directory`, or where we were started.

    Raises `Fault`; where there is more than one, `Faults`.
    """
    directory = directory or Path.cwd()
    server: Form[IdentityServer] = form(IdentityServer).reading(ca_file=partial(read_ca_file, directory=directory))
    return SETTINGS.reading(
        database=partial(read_database, directory=directory),
        identity_servers=Named(read_identity_server_name, server),
    )(value, ())


WITHOUT_EXTRA = 'encryption needs Linux, Python 3.11 or 3.12, and "pip install knockbot[e2ee]"; otherwise say false'


def contradictions(settings: Settings) -> Iterator[tuple[Keys, str]]:
    """Mistakes that no single value shows: the key to fix, and what is wrong with it."""
    if settings.appservice.as_token == settings.appservice.hs_token:
        # Otherwise somebody who overhears one direction could act in the other.
        yield ("appservice", "hs_token"), "expected another token than as_token"
    if not is_user_id(settings.bot_user_id):
        yield ("appservice", "bot_username"), "too long: a user ID has at most 255 characters"
    if settings.encryption.allow and not can_encrypt():
        yield ("encryption", "allow"), WITHOUT_EXTRA
    secret = {settings.appservice.as_token, settings.appservice.hs_token, settings.encryption.pickle_key}
    for shown in ("id", "bot_username", "bot_displayname"):
        if getattr(settings.appservice, shown) in secret:
            yield ("appservice", shown), "this is one of the secrets, and everyone would see it"
    for who in settings.permissions:
        if _is_bare_word(who) and who != settings.homeserver.domain.lower():
            yield ("permissions", who), f"expected a user ID (@{who}:{settings.homeserver.domain}) or a server's name"
    for name, room in settings.rooms.items():
        if room.management_room == name:
            yield ("rooms", name, "management_room"), "expected another room than the one it manages"


def _is_bare_word(who: str) -> bool:
    """Whether this would be read as a server, but is most likely only a user's name."""
    return who not in ("*", "localhost") and not any(mark in who for mark in ".:@")
