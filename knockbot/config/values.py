"""What single keys of config.yaml hold, and how each is read."""

from __future__ import annotations

import ipaddress
import re
import ssl
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from knockbot.documents.reading import Path as Keys
from knockbot.documents.reading import found, text, whole_number
from knockbot.domain.ids import is_alias, is_room_id, is_server_name, is_user_id
from knockbot.errors import Fault


class Permission(StrEnum):
    """What somebody may ask the bot to do; neither permission gives any power over applicants."""

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
    """From every device of every member of the room."""
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


def read_url(value: object, path: Keys = ()) -> str:
    """An http(s) URL without a slash at its end."""
    url = text(value, path, 2000)
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it is read here for the error it raises on a bad port
    except ValueError:
        raise Fault(f"expected a URL, found {found(url)}", path) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise Fault(f"expected an http:// or https:// URL, found {found(url)}", path)
    if parts.username is not None or parts.query or parts.fragment:
        raise Fault(f"expected a URL without user, query or fragment, found {found(url)}", path)
    return url.rstrip("/")


def read_server_name(value: object, path: Keys = ()) -> str:
    """A server name: the part after the colon in a user ID."""
    name = text(value, path, 255)
    if not is_server_name(name):
        raise Fault(f"expected a server name such as example.org, found {found(name)}", path)
    return name


def read_user_id(value: object, path: Keys = ()) -> str:
    """A full user ID."""
    user_id = text(value, path, 255)
    if not is_user_id(user_id):
        raise Fault(f"expected a user ID such as @alice:example.org, found {found(user_id)}", path)
    return user_id


def read_listen(value: object, path: Keys = ()) -> Listen:
    """``host:port``; an IPv6 address is in brackets."""
    written = text(value, path, 300)
    host, _, port = written.rpartition(":")
    if not host or not port.isdecimal() or (":" in host and not host.startswith("[")):
        raise Fault(f"expected host:port, found {found(written)}", path)
    return Listen(read_host(host, path), read_port(int(port[:9]), path))


def read_port(value: object, path: Keys) -> int:
    """A port, as a number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise Fault(f"expected a number, found {found(value)}", path)
    if not 1 <= value <= 65535:
        raise Fault(f"expected a port from 1 to 65535, found {value}", path)
    return value


def read_host(value: object, path: Keys) -> str:
    """A host name or an IP address; an IPv6 address may have brackets, and loses them."""
    written = text(value, path, 255)
    host = written[1:-1] if written.startswith("[") and written.endswith("]") else written
    if host.isdecimal() or (not _HOST.fullmatch(host) and not is_ip_address(host)):  # a port, most likely
        raise Fault(f"expected a host name or an IP address, found {found(written)}", path)
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


def read_service_id(value: object, path: Keys) -> str:
    """The ID of an application service: it is used in URLs."""
    word = text(value, path, 100)
    if not _WORD.fullmatch(word):
        raise Fault(f"expected letters, digits and . _ ~ - only, found {found(word)}", path)
    return word


def read_localpart(value: object, path: Keys) -> str:
    """The part before the colon in the bot's user ID."""
    localpart = text(value, path, 200).removeprefix("@")
    if not _LOCALPART.fullmatch(localpart):
        raise Fault(f"expected lower-case letters, digits and . _ = - / + only, found {found(localpart)}", path)
    return localpart


def read_display_name(value: object, path: Keys) -> str:
    """A name for people to see."""
    return text(value, path, 100)


_CONTENT_URI = re.compile(r"mxc://([^/\s]+)/([A-Za-z0-9_-]{1,255})")


def read_content_uri(value: object, path: Keys) -> str:
    """The ``mxc://`` address of a picture."""
    uri = text(value, path, 1000)
    parts = _CONTENT_URI.fullmatch(uri)
    if parts is None or not is_server_name(parts[1]):
        raise Fault(f"expected the address of a picture on a homeserver, mxc://SERVER/ID, found {found(uri)}", path)
    return uri


def read_token(value: object, path: Keys) -> str:
    """A secret of the registration."""
    # The fault does not show what was found, because it ends up in logs and chats.
    if not isinstance(value, str):
        raise Fault("expected text; put the token in quotes", path)
    if not value or not value.isprintable() or " " in value:
        raise Fault("expected a token: neither empty nor with blanks in it", path)
    return value


SHORTEST_PICKLE_KEY = 20
"""Characters. If keys are stolen with the database, nobody must be able to guess this secret by trial and error."""


def read_pickle_key(value: object, path: Keys) -> str:
    """A secret that encrypts the keys in the database."""
    # Again, the fault does not show what was found.
    if not isinstance(value, str):
        raise Fault("expected text; put the key in quotes", path)
    if len(value) < SHORTEST_PICKLE_KEY or not value.isprintable():
        raise Fault(f"expected a secret of {SHORTEST_PICKLE_KEY} characters at least", path)
    return value


def read_database(value: object, path: Keys, directory: Path = Path()) -> str:
    """``postgres://…``, or ``sqlite:`` and the whole path, percent-encoded; a relative path starts at `directory`."""
    url = value.strip() if isinstance(value, str) else ""
    if url.startswith(("postgres://", "postgresql://")):
        return _postgres(url, path)
    scheme, _, file = url.partition(":")
    if scheme != "sqlite" or not file:
        raise Fault("expected sqlite:knockbot.db or postgres://user:password@host/knockbot", path)
    if file.startswith("//"):
        # Libraries disagree on what sqlite://x.db is; some take the root of the file system for the database.
        raise Fault("expected sqlite:knockbot.db (next to config.yaml) or sqlite:/path/knockbot.db, without //", path)
    if file.startswith(":memory:") or not file.isprintable():
        raise Fault("expected the path of a file: what knockbot has promised must outlive a restart", path)
    return f"sqlite:{quote(str(directory / file))}"


def _postgres(url: str, path: Keys) -> str:
    """The address of a PostgreSQL database. A fault does not show what was found: there may be a password in it."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - it is read here for the error it raises on a bad port
        whole = not parts.fragment
    except ValueError:
        whole = False
    if not whole:
        raise Fault(
            "expected postgres://user:password@host/knockbot; in the password, # / ? [ ] @ and % are written %23 %2F "
            "%3F %5B %5D %40 and %25",
            path,
        )
    return url


def read_room(value: object, path: Keys) -> str:
    """A room ID or alias."""
    room = text(value, path, 255)
    if not is_alias(room) and not is_room_id(room):
        raise Fault(f"expected a room such as #garden:example.org or its !id, found {found(room)}", path)
    return room


def read_permitted(value: object, path: Keys) -> str:
    """Whose permission it is: everybody's (``*``), a server's in lower case, or one user's."""
    who = text(value, path, 255)
    if who == "*":
        return who
    if "*" in who or "?" in who:
        raise Fault(f'expected no glob but a user, a server or "*" alone, found {found(who)}', path)
    if is_user_id(who):
        return who
    if not is_server_name(who):
        raise Fault(f'expected "*", a server or a full user ID, found {found(who)}', path)
    return who.lower()


def read_identity_server_name(value: object, path: Keys) -> str:
    """The name of an identity server, in lower case."""
    name = text(value, path, 255)
    if not is_server_name(name):
        raise Fault(f"expected the name of an identity server such as vector.im, found {found(name)}", path)
    return name.lower()


def read_budget(value: object, path: Keys) -> int:
    """How many are allowed."""
    return whole_number(value, path, 100_000)


def read_terms(value: object, path: Keys) -> tuple[str, ...] | bool:
    """Which terms of an identity server are accepted: none, those of these URLs, or all."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, list):
        raise Fault(f"expected true, false or a list of URLs, found {found(value)}", path)
    return tuple(_terms_url(url, (*path, place)) for place, url in enumerate(value))


def _terms_url(value: object, path: Keys) -> str:
    # Exactly as the identity server writes it: for the server, another spelling means other terms.
    url = text(value, path, 2000)
    if not url.startswith(("http://", "https://")):
        raise Fault(f"expected the URLs of terms, found {found(url)}", path)
    return url


def read_ca_file(value: object, path: Keys, directory: Path = Path()) -> str:
    """The path of a file with certificates; a relative one starts at `directory`."""
    file = directory / text(value, path, 4000)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        raise Fault(f"cannot read {file}: it has no certificates in PEM form", path) from None
    except OSError as error:
        raise Fault(f"cannot read {file}: {error.strerror}", path) from None
    return str(file)
