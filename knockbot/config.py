"""config.yaml, the environment and secret files, read into frozen `Settings`; each mistake named by file, line and key.

What the keys mean, and why their defaults are what they are, is told in config.example.yaml.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar
from urllib.parse import quote, urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_core import ErrorDetails

from knockbot.documents.reading import Path as Keys
from knockbot.documents.reading import duration, found, looks_secret, one_of, text, unknown_word, whole_number
from knockbot.documents.yaml import DEEPEST, LONGEST, Document, dump, read_document
from knockbot.domain.ids import is_alias, is_room_id, is_server_name, is_user_id, server_of
from knockbot.domain.policy import MAX_MEMORY, Policy, parse_policy, place_of
from knockbot.errors import Fault

T = TypeVar("T")

LONGEST_FILE = 1024 * 1024
"""Characters in config.yaml; with many rooms it is longer than a policy typed in chat may be."""

POLICY_DEPTH = 3
"""How deep in config.yaml a room's policy stands: ``rooms``, the room, ``policy``."""


class Faults(Fault):
    """Several mistakes found at once; the text has one line for each."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


# --- values -------------------------------------------------------------------------------------------------------


class Permission(StrEnum):
    """What somebody may ask of the bot; neither gives any power over applicants."""

    USER = "user"
    """May invite the bot and have rooms protected."""
    ADMIN = "admin"
    """May also see all protected rooms and unprotect any."""


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Trust(StrEnum):
    """From whose devices commands count in encrypted rooms."""

    ALL = "all"
    """From every device of whoever is in the room."""
    VERIFIED = "verified"
    """From those that their owner has verified."""


class Format(StrEnum):
    """How the log is written: for people, or one JSON object a line."""

    TEXT = "text"
    JSON = "json"


class Listen(NamedTuple):
    """Where to listen; an IPv6 address has lost its brackets."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class WrittenPolicy:
    """A policy, and its text as YAML for people to read."""

    policy: Policy
    text: str


def read_policy(text: str, name: str = "") -> Policy:
    """The policy that a YAML text describes; `Fault` with its line (``line 4: rule "spam": …``) if it is none, or would
    take too much memory."""
    policy = _read_policy(text, name, LONGEST)
    if policy.memory > MAX_MEMORY:
        size = f"{policy.memory // 2**20} MB, at most {MAX_MEMORY // 2**20}"
        raise Fault(f"it would take too much memory, {size}: it has too many patterns", where=name)
    return policy


def read_known_policy(text: str) -> Policy:
    """A policy that was taken before, by a command or from a config file, which may be longer."""
    return _read_policy(text, "", len(text))


def _read_policy(text: str, name: str, longest: int) -> Policy:
    document = read_document(text, name, longest=longest)
    try:
        return parse_policy(document.value)
    except Fault as fault:
        raise document.located(fault) from None


def place_in_policy(text: str, find: Callable[[object], Keys]) -> str:
    """Where something stands in the text of a policy, as its faults say it: ``line 4: rule "spam": then``."""
    document = read_document(text, longest=len(text))
    path = find(document.value)
    return ": ".join(filter(None, (document.where(path), place_of(document.value, path))))


def _written_policy(value: object) -> WrittenPolicy:
    return WrittenPolicy(parse_policy(value), dump(value))


def read_url(value: object) -> str:
    """An http(s) URL without a slash at its end."""
    url = text(value, (), 2000)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it is read here for the error it raises on a bad port
    except ValueError:
        raise Fault(f"expected a URL, found {found(url)}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise Fault(f"expected an http:// or https:// URL, found {found(url)}")
    if parts.username is not None or parts.query or parts.fragment:
        raise Fault(f"expected a URL without user, query or fragment, found {found(url)}")
    return url.rstrip("/")


def read_server_name(value: object) -> str:
    """A server name: what stands behind the colon in a user ID."""
    name = text(value, (), 255)
    if not is_server_name(name):
        raise Fault(f"expected a server name such as example.org, found {found(name)}")
    return name


def read_user_id(value: object) -> str:
    """A full user ID."""
    user_id = text(value, (), 255)
    if not is_user_id(user_id):
        raise Fault(f"expected a user ID such as @alice:example.org, found {found(user_id)}")
    return user_id


def read_listen(value: object) -> Listen:
    """``host:port``; an IPv6 address stands in brackets."""
    written = text(value, (), 300)
    host, _, port = written.rpartition(":")
    if not host or not port.isdecimal() or (":" in host and not host.startswith("[")):
        raise Fault(f"expected host:port, found {found(written)}")
    return Listen(_host(host), _port(int(port[:9])))


def _port(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Fault(f"expected a number, found {found(value)}")
    if not 1 <= value <= 65535:
        raise Fault(f"expected a port from 1 to 65535, found {value}")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Fault(f"expected true or false, found {found(value)}")
    return value


def _host(value: object) -> str:
    written = text(value, (), 255)
    host = written[1:-1] if written.startswith("[") and written.endswith("]") else written
    if host.isdecimal() or (not _HOST.fullmatch(host) and not is_ip_address(host)):  # a port, most likely
        raise Fault(f"expected a host name or an IP address, found {found(written)}")
    return host


_HOST = re.compile(r"[0-9A-Za-z]([0-9A-Za-z._-]*[0-9A-Za-z])?\.?")


def is_ip_address(host: str) -> bool:
    """Whether this is an IP address, of either kind, without brackets."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


_WORD = re.compile(r"[0-9A-Za-z._~-]+")
_LOCALPART = re.compile(r"[0-9a-z._=/+-]+")


def _service_id(value: object) -> str:
    word = text(value, (), 100)
    if not _WORD.fullmatch(word):
        raise Fault(f"expected letters, digits and . _ ~ - only, found {found(word)}")
    return word


def _localpart(value: object) -> str:
    localpart = text(value, (), 200).removeprefix("@")
    if not _LOCALPART.fullmatch(localpart):
        raise Fault(f"expected lower-case letters, digits and . _ = - / + only, found {found(localpart)}")
    return localpart


def _display_name(value: object) -> str:
    return text(value, (), 100)


_CONTENT_URI = re.compile(r"mxc://([^/\s]+)/([A-Za-z0-9_-]{1,255})")


def _content_uri(value: object) -> str:
    uri = text(value, (), 1000)
    parts = _CONTENT_URI.fullmatch(uri)
    if parts is None or not is_server_name(parts[1]):
        raise Fault(f"expected the address of a picture on a homeserver, mxc://SERVER/ID, found {found(uri)}")
    return uri


def _token(value: object) -> str:
    # What was found is not told: logs and chats are where this fault ends up.
    if not isinstance(value, str):
        raise Fault("expected text; put the token in quotes")
    if not value or not value.isprintable() or " " in value:
        raise Fault("expected a token: neither empty nor with blanks in it")
    return value


SHORTEST_PICKLE_KEY = 20
"""Characters. Keys that are stolen with the database must not open by trial and error."""


def _pickle_key(value: object) -> str:
    # Again, what was found is not told.
    if not isinstance(value, str):
        raise Fault("expected text; put the key in quotes")
    if len(value) < SHORTEST_PICKLE_KEY or not value.isprintable():
        raise Fault(f"expected a secret of {SHORTEST_PICKLE_KEY} characters at least")
    return value


def _database(value: object, directory: Path) -> str:
    url = value.strip() if isinstance(value, str) else ""
    if url.startswith(("postgres://", "postgresql://")):
        return _postgres(url)
    scheme, _, path = url.partition(":")
    if scheme != "sqlite" or not path:
        raise Fault("expected sqlite:knockbot.db or postgres://user:password@host/knockbot")
    if path.startswith("//"):
        # Libraries disagree on what sqlite://x.db is; some take the root of the file system for the database.
        raise Fault("expected sqlite:knockbot.db (beside config.yaml) or sqlite:/path/knockbot.db, without //")
    if path.startswith(":memory:") or not path.isprintable():
        raise Fault("expected the path of a file: what knockbot has promised must outlive a restart")
    return f"sqlite:{quote(str(directory / path))}"


def _postgres(url: str) -> str:
    """The address of a PostgreSQL database. What was found is not told: a password may stand in it."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it is read here for the error it raises on a bad port
        whole = not parts.fragment
    except ValueError:
        whole = False
    if not whole:
        raise Fault(
            "expected postgres://user:password@host/knockbot; in the password, # / ? [ ] @ and % are written %23 %2F "
            "%3F %5B %5D %40 and %25"
        )
    return url


def _room(value: object) -> str:
    room = text(value, (), 255)
    if not is_alias(room) and not is_room_id(room):
        raise Fault(f"expected a room such as #garden:example.org or its !id, found {found(room)}")
    return room


def _permitted(value: object) -> str:
    who = text(value, (), 255)
    if who == "*":
        return who
    if "*" in who or "?" in who:
        raise Fault(f'expected no glob but a user, a server or "*" alone, found {found(who)}')
    if is_user_id(who):
        return who
    if not is_server_name(who):
        raise Fault(f'expected "*", a server or a full user ID, found {found(who)}')
    return who.lower()


def _identity_server_name(value: object) -> str:
    name = text(value, (), 255)
    if not is_server_name(name):
        raise Fault(f"expected the name of an identity server such as vector.im, found {found(name)}")
    return name.lower()


def _budget(value: object) -> int:
    return whole_number(value, (), 100_000)


def _span(value: object) -> int:
    return duration(value, ())


def _terms(value: object) -> tuple[str, ...] | bool:
    if isinstance(value, bool):
        return value
    if not isinstance(value, list):
        raise Fault(f"expected true, false or a list of URLs, found {found(value)}")
    return tuple(_terms_url(url) for url in value)


def _terms_url(value: object) -> str:
    # As the identity server writes it, to the letter: another spelling would be other terms to it.
    url = text(value, (), 2000)
    if not url.startswith(("http://", "https://")):
        raise Fault(f"expected the URLs of terms, found {found(url)}")
    return url


def _ca_file(value: object, directory: Path) -> str:
    path = directory / text(value, (), 4000)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        raise Fault(f"cannot read {path}: it holds no certificates in PEM form") from None
    except OSError as error:
        raise Fault(f"cannot read {path}: {error.strerror}") from None
    return str(path)


def _permission(value: object) -> Permission:
    return Permission(one_of(value, (), tuple(Permission)))


def _level(value: object) -> Level:
    return Level(one_of(value, (), tuple(Level)))


def _trust(value: object) -> Trust:
    return Trust(one_of(value, (), tuple(Trust)))


def _format(value: object) -> Format:
    return Format(one_of(value, (), tuple(Format)))


def _by(read: Callable[[object], T]) -> PlainValidator:
    """Let pydantic read a value by one of the functions above; the fault travels inside the ValueError."""

    def validate(value: object) -> T:
        try:
            return read(value)
        except Fault as fault:
            raise ValueError(fault) from None

    return PlainValidator(validate)


# --- settings -----------------------------------------------------------------------------------------------------


class Part(BaseModel):
    """A part of config.yaml: frozen, and no other keys than these."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)


class Homeserver(Part):
    """The homeserver knockbot runs beside."""

    address: Annotated[str, _by(read_url)]
    domain: Annotated[str, _by(read_server_name)]


class AppService(Part):
    """Knockbot as the homeserver knows it."""

    address: Annotated[str, _by(read_url)]
    hostname: Annotated[str, _by(_host)] = "127.0.0.1"
    port: Annotated[int, _by(_port)] = 29331
    id: Annotated[str, _by(_service_id)] = "knockbot"
    bot_username: Annotated[str, _by(_localpart)] = "knockbot"
    bot_displayname: Annotated[str, _by(_display_name)] = "Knockbot"
    bot_avatar: Annotated[str, _by(_content_uri)] | None = None
    as_token: Annotated[str, _by(_token)] = Field(repr=False)
    hs_token: Annotated[str, _by(_token)] = Field(repr=False)
    allow_password: Annotated[bool, _by(_flag)] = False
    """Whether knockbot runs although its account has a password, as it is one that only the server's admin knows."""

    @property
    def listen(self) -> Listen:
        """Where this process listens for the homeserver."""
        return Listen(self.hostname, self.port)


class Defaults(Part):
    """What holds for protected rooms that say nothing else."""

    policy: Annotated[WrittenPolicy, _by(_written_policy)] = _written_policy({"rules": [], "otherwise": "forward"})


class Room(Part):
    """A room protected from config.yaml; chat cannot change it."""

    management_room: Annotated[str, _by(_room)]
    policy: Annotated[WrittenPolicy | None, _by(_written_policy)] = None
    """`None` is the default policy."""


class IdentityServer(Part):
    """An identity server: asked about the keys of third-party invites, and for new ones."""

    url: Annotated[str, _by(read_url)]
    accept_terms: Annotated[tuple[str, ...] | bool, _by(_terms)] = False
    """The URLs of the terms that are accepted in the bot's name; true for whatever it asks."""
    ca_file: str | None = None
    """An absolute path; `None` is what the system trusts."""

    @field_validator("ca_file", mode="plain")
    @classmethod
    def _read_ca_file(cls, value: object, info: ValidationInfo) -> str:
        try:
            return _ca_file(value, (info.context or {}).get("directory", Path.cwd()))
        except Fault as fault:
            raise ValueError(fault) from None


class Issuing(Part):
    """Invites to addresses that the bot issues for moderators."""

    per_moderator: Annotated[int, _by(_budget)] = 10
    per_room: Annotated[int, _by(_budget)] = 30
    """How many in 24 hours; 0 for none at all."""
    keep_addresses: Annotated[int, _by(_span)] = 30 * 86_400_000
    """How long an address is kept after its invite has ceased to stand, in milliseconds."""


class Notices(Part):
    """Telling applicants of other servers that they were rejected."""

    per_day: Annotated[int, _by(_budget)] = 100
    """How many in 24 hours, for all rooms together; 0 for none at all."""


def can_encrypt() -> bool:
    """Whether the extra that encryption takes is installed."""
    return all(find_spec(name) is not None for name in ("olm", "Crypto", "unpaddedbase64", "base58"))


class Encryption(Part):
    """Encrypted rooms: whether the bot reads and writes there, and how."""

    allow: Annotated[bool, _by(_flag)] = False
    trust: Annotated[Trust, _by(_trust)] = Trust.ALL
    appservice: Annotated[bool, _by(_flag)] = False
    """Whether what is for the bot's device comes in transactions (MSC2409, MSC3202), or is fetched by /sync."""
    pickle_key: Annotated[str | None, _by(_pickle_key)] = Field(default=None, repr=False)
    """What the keys in the database are locked with; `None` is one made from the as_token."""


class Metrics(Part):
    """Figures for Prometheus."""

    enabled: Annotated[bool, _by(_flag)] = False
    listen: Annotated[Listen, _by(read_listen)] = Listen("127.0.0.1", 29332)


class Logging(Part):
    """What is logged, and how."""

    level: Annotated[Level, _by(_level)] = Level.INFO
    format: Annotated[Format, _by(_format)] = Format.TEXT


class Settings(Part):
    """All of config.yaml, checked and complete."""

    homeserver: Homeserver
    appservice: AppService
    database: str = Field("sqlite:knockbot.db", validate_default=True, repr=False)
    """``postgres://…``, or ``sqlite:`` and an absolute path, percent-encoded."""
    permissions: dict[Annotated[str, _by(_permitted)], Annotated[Permission, _by(_permission)]] = Field(
        default_factory=dict
    )
    defaults: Defaults = Defaults()
    rooms: dict[Annotated[str, _by(_room)], Room] = Field(default_factory=dict)
    """By alias or room ID, as written."""
    identity_servers: dict[Annotated[str, _by(_identity_server_name)], IdentityServer] = Field(default_factory=dict)
    """By the name that stands in the URLs of their keys, lower case; the first one issues invites."""
    issuing: Issuing = Issuing()
    notices: Notices = Notices()
    encryption: Encryption = Encryption()
    metrics: Metrics = Metrics()
    logging: Logging = Logging()

    @field_validator("database", mode="plain")
    @classmethod
    def _read_database(cls, value: object, info: ValidationInfo) -> str:
        try:
            return _database(value, (info.context or {}).get("directory", Path.cwd()))
        except Fault as fault:
            raise ValueError(fault) from None

    _file: Path | None = PrivateAttr(None)
    """The config.yaml that this was read from."""

    @property
    def registration_file(self) -> Path | None:
        """Where `knockbot init` writes the registration: beside the config."""
        return self._file.with_name("registration.yaml") if self._file else None

    @property
    def bot_user_id(self) -> str:
        """The bot's own user ID."""
        return f"@{self.appservice.bot_username}:{self.homeserver.domain}"

    @property
    def pickle_key(self) -> str:
        """What the keys in the database are locked with."""
        return self.encryption.pickle_key or f"as_token {self.appservice.as_token}"

    def permission_of(self, user_id: str) -> Permission | None:
        """What somebody may ask of the bot: by their own entry, else their server's, else that for everybody."""
        if not is_user_id(user_id):
            return None
        grants = (user_id, server_of(user_id).lower(), "*")
        return next((self.permissions[who] for who in grants if who in self.permissions), None)


WITHOUT_EXTRA = 'encryption takes Linux, Python 3.11 or 3.12, and "pip install knockbot[e2ee]"; without, say false'


def _contradictions(settings: Settings) -> Iterator[tuple[Keys, str]]:
    """Mistakes that no value shows alone: the key to mend, and what is wrong with it."""
    if settings.appservice.as_token == settings.appservice.hs_token:
        # Whoever overhears one direction could otherwise act in the other.
        yield ("appservice", "hs_token"), "expected another token than as_token"
    if not is_user_id(settings.bot_user_id):
        yield ("appservice", "bot_username"), "too long: a user ID has at most 255 characters"
    if settings.encryption.allow and not can_encrypt():
        yield ("encryption", "allow"), WITHOUT_EXTRA
    secret = {settings.appservice.as_token, settings.appservice.hs_token, settings.encryption.pickle_key}
    for key in ("id", "bot_username", "bot_displayname"):
        if getattr(settings.appservice, key) in secret:
            yield ("appservice", key), "one of the secrets stands here, and everybody would see it"
    for who in settings.permissions:
        if _is_bare_word(who) and who != settings.homeserver.domain.lower():
            yield ("permissions", who), f"expected a user ID (@{who}:{settings.homeserver.domain}) or a server's name"
    for name, room in settings.rooms.items():
        if room.management_room == name:
            yield ("rooms", name, "management_room"), "expected another room than the one it manages"


def _is_bare_word(who: str) -> bool:
    """Whether this can hardly be the server that it would be taken for: a user's name alone, most likely."""
    return who not in ("*", "localhost") and not any(mark in who for mark in ".:@")


# --- loading ------------------------------------------------------------------------------------------------------

ENVIRONMENT = "KNOCKBOT_"
"""What the environment variables that stand for keys begin with."""

_SERVICE = "KNOCKBOT_((?!.*__)[0-9A-Z_]+_)?"
_OF_A_SERVICE = re.compile(
    f"{_SERVICE}(SERVICE_HOST|SERVICE_PORT(_[0-9A-Z_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR))"
)
_ADDRESS_OF_A_SERVICE = re.compile(f"{_SERVICE}PORT(_[0-9]+_(TCP|UDP|SCTP))?")


def _is_of_a_service(name: str, value: str) -> bool:
    """Whether Kubernetes, or Docker, put a variable there for a service called knockbot, or knockbot-something.

    Those that end like a key of ours hold an address (``tcp://…``), which no key does.
    """
    if _OF_A_SERVICE.fullmatch(name):
        return True
    return bool(_ADDRESS_OF_A_SERVICE.fullmatch(name) and re.match("(tcp|udp|sctp)://", value))


SECRETS: tuple[Keys, ...] = (
    ("appservice", "as_token"),
    ("appservice", "hs_token"),
    ("database",),
    ("encryption", "pickle_key"),
)
"""The keys whose value may also stand in a file, named by the key with ``_file`` behind it."""

LONGEST_SECRET = 10_000

EXAMPLE_TOKENS = frozenset({"replace-this-as-token", "replace-this-hs-token"})
"""The tokens of config.example.yaml, which everybody knows."""


def load(path: Path, environ: Mapping[str, str]) -> Settings:
    """Read config.yaml, and what the environment says over it.

    Relative paths inside it start at its own directory. Raises `Fault`; where there is more than one, `Faults`.
    """
    sources = _Sources(_read(path), path.absolute().parent)
    sources.overlay(environ)
    sources.read_secrets()
    settings = sources.settings()
    settings._file = path.absolute()  # noqa: SLF001 - no key of the config, and so not for the reader of keys
    return settings


def _read(path: Path) -> Document:
    try:
        written = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Fault("cannot be read: it is not UTF-8 text", where=str(path)) from None
    except FileNotFoundError:
        raise Fault('there is no such file; "knockbot init" writes one', where=str(path)) from None
    except OSError as error:
        raise Fault(f"cannot be read: {error.strerror}", where=str(path)) from None
    document = read_document(written, str(path), deepest=DEEPEST + POLICY_DEPTH, longest=LONGEST_FILE)
    if not isinstance(document.value, dict):
        raise Fault(f"expected keys and values, found {found(document.value)}", where=document.where())
    return document


class _Sources:
    """The values gathered from file and environment, where each comes from, and the faults found on the way."""

    def __init__(self, document: Document, directory: Path) -> None:
        self.document = document
        self.directory = directory
        # A part whose keys are all commented out is an empty one.
        empty: dict[str, Any] = {
            key: {} for key in Settings.model_fields if key != "database" and document.value.get(key) is None
        }
        self.values: dict[str, Any] = document.value | empty
        self.origins: dict[Keys, str] = {}
        """For what does not come from its own key in the file: words for where it does."""
        self.faults: dict[Keys, Fault] = {}

    def overlay(self, environ: Mapping[str, str]) -> None:
        """Let the environment have the last word."""
        overrides: dict[Keys, Any] = {}
        for name in sorted(environ):
            if not name.startswith(ENVIRONMENT) or _is_of_a_service(name, environ[name]):
                continue
            path: Keys = tuple(name.removeprefix(ENVIRONMENT).lower().split("__"))
            self.origins[path] = name
            try:
                overrides[path] = _from_environment(path, environ[name])
            except Fault as fault:
                self._add(path, fault)
        for path in overrides:
            if twin := _TWINS.get(path):
                self._take(twin)
        for path, value in overrides.items():
            self._part_of(path)[str(path[-1])] = value

    def read_secrets(self) -> None:
        """Put what stands in secret files in the place of their names."""
        for secret in SECRETS:
            in_file = _TWINS[secret]
            beside = str(secret[-1]) in self._part_of(secret)
            if str(in_file[-1]) not in self._part_of(in_file):
                continue
            file = self._take(in_file)
            self.origins[secret] = self._place(in_file)
            try:
                if beside:
                    raise Fault(f"{secret[-1]} is given too; only one of the two is accepted")
                self._part_of(secret)[str(secret[-1])] = self._secret(file)
            except Fault as fault:
                self._add(secret, fault)

    def settings(self) -> Settings:
        """The settings, or all faults at once."""
        try:
            settings = Settings.model_validate(self.values, context={"directory": self.directory})
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                self._add(*_explained(detail))
        else:
            for path, message in _contradictions(settings):
                self._add(path, Fault(message))
        if self.faults:
            raise self._all_faults()
        return settings

    def _part_of(self, path: Keys) -> dict[str, Any]:
        """The mapping that a path's last key stands in; where something else was written, one that goes nowhere."""
        part = self.values.get(str(path[0])) if len(path) > 1 else self.values
        return part if isinstance(part, dict) else {}

    def _take(self, path: Keys) -> Any:
        return self._part_of(path).pop(str(path[-1]), None)

    def _secret(self, file: object) -> str:
        name = text(file, (), 4000)
        if "://" in name or looks_secret(name):
            raise Fault("expected the name of a file; does the secret itself stand here?")
        path = self.directory / name
        try:
            with path.open(encoding="utf-8") as opened:
                return opened.read(LONGEST_SECRET).strip()
        except UnicodeDecodeError:
            raise Fault(f"cannot read {path}: it is not UTF-8 text") from None
        except OSError as error:
            raise Fault(f"cannot read {path}: {error.strerror}") from None

    def _add(self, path: Keys, fault: Fault) -> None:
        """Note a fault, unless this key already has one."""
        self.faults.setdefault(path, Fault(fault.message, path, self._place(path, fault.path)))

    def _place(self, path: Keys, inside: Keys = ()) -> str:
        """Where a value was written, and its key; `inside` leads on to the very line of a fault in a policy."""
        for length in range(len(path), 0, -1):
            if origin := self.origins.get(path[:length]):
                return ": ".join(filter(None, (origin, _spelled(path[length:]))))
        known = path[:1] in self.document.lines
        where = self.document.where(path + inside) if known else self.document.name
        return f"{where}: {_spelled(path)}"

    def _all_faults(self) -> Fault:
        faults = sorted(self.faults.values(), key=lambda fault: self._line(fault.path))
        return faults[0] if len(faults) == 1 else Faults(tuple(faults))

    def _line(self, path: Keys) -> int:
        """Where in the file a fault belongs; that of a secret where its file is named."""
        path = path if path in self.document.lines else _TWINS.get(path, path)
        while path and path not in self.document.lines:
            path = path[:-1]
        return self.document.lines[path] if path else 0


def _in_file(secret: Keys) -> Keys:
    return (*secret[:-1], f"{secret[-1]}_file")


_TWINS = {secret: _in_file(secret) for secret in SECRETS} | {_in_file(secret): secret for secret in SECRETS}
"""Either of the two ways to give a secret, to the other one."""

_TEXTS: tuple[Any, ...] = (str, str | None, Level, Format, Listen, Trust)
"""Kinds of value that an environment variable gives letter by letter; others are YAML in it."""


def _from_environment(path: Keys, written: str) -> Any:
    """The value of an environment variable."""
    if path[0] not in known_keys():
        raise unknown_word(str(path[0]), known_keys(), (), (), what="key")
    keys = known_keys(path[:-1])
    if not keys or len(path) > 2:
        raise Fault(f"cannot be set by itself; give {ENVIRONMENT}{str(path[0]).upper()} the whole, as YAML")
    if path[-1] not in keys:
        raise unknown_word(str(path[-1]), keys, (), (), what="key")
    if keys[str(path[-1])] in _TEXTS:
        return written
    return read_document(written, deepest=DEEPEST + POLICY_DEPTH, longest=LONGEST_FILE).value


def known_keys(path: Keys = ()) -> dict[str, Any]:
    """The keys that may stand in a part of config.yaml, with the type of each; none where keys are free or absent."""
    model = _model_at(path)
    keys = {name: field.annotation for name, field in model.model_fields.items()} if model else {}
    return keys | {str(file[-1]): str for file in map(_in_file, SECRETS) if file[:-1] == path}


def _model_at(path: Keys) -> type[Part] | None:
    match path:
        case ():
            return Settings
        case ("rooms", _):
            return Room
        case ("identity_servers", _):
            return IdentityServer
        case (str(name),) if name in Settings.model_fields:
            annotation = Settings.model_fields[name].annotation
            return annotation if isinstance(annotation, type) and issubclass(annotation, Part) else None
    return None


def _explained(detail: ErrorDetails) -> tuple[Keys, Fault]:
    """The key that pydantic complains of, and the complaint in our words."""
    path = tuple(step for step in detail["loc"] if step != "[key]")
    match detail["type"]:
        case "missing":
            return path, Fault("missing")
        case "extra_forbidden":
            return path, unknown_word(str(path[-1]), known_keys(path[:-1]), (), (), what="key")
        case "value_error":
            fault = detail["ctx"]["error"].args[0]
            assert isinstance(fault, Fault)
            return path, fault
    return path, Fault(f"expected keys and values, found {found(detail['input'])}")


_SIMPLE = re.compile(r"[0-9A-Za-z_]+")


def _spelled(path: Keys) -> str:
    """A path as people read it: ``rooms."#garden:example.org".policy``."""
    return ".".join(
        str(step) if _SIMPLE.fullmatch(str(step)) and not looks_secret(str(step)) else found(step) for step in path
    )


# --- the registration ---------------------------------------------------------------------------------------------

REGISTRATION = """\
# Tells the homeserver about knockbot. It belongs to config.yaml: "knockbot registration" writes it anew.
id: {id}
url: {url}
as_token: {as_token}
hs_token: {hs_token}
sender_localpart: {sender_localpart}
rate_limited: false
receive_ephemeral: {ephemeral}
{lines}namespaces:
  users:
    - exclusive: true
      regex: {users}
  aliases: []
  rooms: []
"""


TRANSACTION_LINES = """\
org.matrix.msc3202: true
io.element.msc4190: true
"""
"""What makes Synapse send what is for the bot's device in transactions, together with two flags of its own."""


def registration(settings: Settings) -> str:
    """The registration that fits the settings, as YAML; the same settings give the same text."""
    service = settings.appservice
    values = {
        "id": service.id,
        "url": service.address,
        "as_token": service.as_token,
        "hs_token": service.hs_token,
        "sender_localpart": sender_localpart(service.as_token),
        "users": f"^{re.escape(settings.bot_user_id)}$",
    }
    by_transactions = settings.encryption.allow and settings.encryption.appservice
    lines = TRANSACTION_LINES if by_transactions else ""
    plain = {"ephemeral": "true" if by_transactions else "false", "lines": lines}
    return REGISTRATION.format_map({key: quoted(value) for key, value in values.items()} | plain)


def registration_differences(settings: Settings, written: str) -> list[str]:
    """In what a registration differs from the one that fits the settings; what a token is, is not told.

    Keys that are not ours are left alone. Raises `Fault` for what is no registration.
    """
    theirs, ours = (read_document(text).value for text in (written, registration(settings)))
    if not isinstance(theirs, dict):
        raise Fault("it is no registration")
    found_at = {key: theirs.get(key, False if value in (True, False) else None) for key, value in ours.items()}
    differing = [key for key, value in ours.items() if key != "namespaces" and found_at[key] != value]
    # What makes the homeserver send more than we read costs it work, and is no fault.
    plain = [key for key in differing if not (ours[key] is False and key == "receive_ephemeral")]
    differences = [_difference(key, found_at[key], ours[key]) for key in plain]
    return differences + ([] if _covers(theirs.get("namespaces"), settings.bot_user_id) else [NOT_COVERED])


NOT_COVERED = "no exclusive namespace under namespaces.users covers the bot"


def _difference(key: str, theirs: object, ours: object) -> str:
    if key.endswith("_token") or key == "sender_localpart":
        return f"{key} is another one"
    return f"{key} is {found(theirs)} there, and has to be {found(ours)}"


def _covers(namespaces: object, user_id: str) -> bool:
    users = namespaces.get("users") if isinstance(namespaces, dict) else None
    for one in users if isinstance(users, list) else []:
        if isinstance(one, dict) and one.get("exclusive") is True and isinstance(one.get("regex"), str):
            try:
                if re.match(one["regex"], user_id):
                    return True
            except re.error:
                continue
    return False


def sender_localpart(as_token: str) -> str:
    """The localpart of the user that stands beside the bot in the registration, and is never used.

    It is as random as the token it is made from, so that nobody can have taken the name; being made from it, it
    stays the same whenever the registration is written anew.
    """
    return "_knockbot_" + hashlib.sha256(b"knockbot sender_localpart " + as_token.encode()).hexdigest()[:24]


def quoted(text: str) -> str:
    """Printable text as a YAML scalar that is text to readers of YAML 1.1 too, such as Synapse's."""
    return "'" + text.replace("'", "''") + "'"
