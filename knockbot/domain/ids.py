"""Matrix identifiers as strangers and room admins write them: told apart, taken apart, and matched by globs.

The grammar is that of the specification's appendix "Identifier Grammar"; nothing here raises on hostile input.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from knockbot.domain.patterns import Pattern, escaped, pattern
from knockbot.errors import Fault

MAX_ID_BYTES = 255
MAX_VIA = 10
"""Servers taken from one link; more would only make joining slower."""

_SERVER_NAME = re.compile(r"(?:[0-9A-Za-z.-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_HASH = re.compile(r"[0-9A-Za-z_-]+")
_MATRIX_TO = re.compile(r"https?://matrix\.to/#/(?P<path>[^?]*)(?:\?(?P<query>.*))?", re.IGNORECASE | re.DOTALL)
_MATRIX_URI = re.compile(
    r"matrix:(?://[^/?#]*/)?(?P<kind>[a-z]+)/(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?", re.IGNORECASE | re.DOTALL
)
_SIGILS = {"r": "#", "room": "#", "roomid": "!", "u": "@", "user": "@"}
"""How a matrix: URI writes the first character of an identifier; the longer words are of older drafts."""


# --- telling them apart ---------------------------------------------------------------------------------------


def is_user_id(text: str) -> bool:
    """Whether this is a user ID; historical ones too, whose localpart may hold anything but ``:`` and NUL."""
    return text.startswith("@") and _names_a_server(text)


def is_alias(text: str) -> bool:
    """Whether this is a room alias."""
    return text.startswith("#") and _names_a_server(text)


def is_room_id(text: str) -> bool:
    """Whether this is a room ID: with a server, or from room version 12 on a bare hash."""
    if not text.startswith("!"):
        return False
    return _names_a_server(text) if ":" in text else _is_short(text) and _HASH.fullmatch(text[1:]) is not None


def is_server_name(text: str) -> bool:
    """Whether this is a server name: a host or an IP literal, perhaps with a port."""
    return _SERVER_NAME.fullmatch(text) is not None


def _names_a_server(text: str) -> bool:
    return _is_short(text) and "\0" not in text and is_server_name(server_of(text))


def _is_short(text: str) -> bool:
    try:
        return len(text.encode()) <= MAX_ID_BYTES
    except UnicodeEncodeError:  # a lone surrogate
        return False


# --- taking them apart ----------------------------------------------------------------------------------------


def server_of(identifier: str) -> str:
    """The server of a user ID or alias: all after the first ``:``, port included; empty where there is none.

    Never ask this of a room ID: that server may long have left, and from room version 12 on there is none.
    """
    return identifier.partition(":")[2]


def host_of(server: str) -> str:
    """The host of a server name, lower case and without port; an IPv6 literal keeps its brackets.

    This is the form in which server ACLs (m.room.server_acl) compare servers.
    """
    if server.startswith("["):
        address, bracket, _ = server.partition("]")
        return (address + bracket).lower()
    return server.partition(":")[0].lower()


@dataclass(frozen=True, slots=True)
class RoomReference:
    """A room as somebody named it: its ID or alias, and servers through which it may be reached."""

    room: str
    via: tuple[str, ...] = ()


def room_reference(text: str) -> RoomReference | None:
    """The room that an ID, alias, matrix.to link or matrix: URI names; a link to an event names its room."""
    identifier, query = _linked(text.strip())
    if identifier is None or not (is_room_id(identifier) or is_alias(identifier)):
        return None
    return RoomReference(identifier, _via(query))


def user_reference(text: str) -> str | None:
    """The user ID that a user ID, matrix.to link (the target of a pill) or matrix: URI names."""
    identifier, _ = _linked(text.strip())
    return identifier if identifier is not None and is_user_id(identifier) else None


def _linked(text: str) -> tuple[str | None, str]:
    """The identifier a link leads to and the link's query; text that is no link is itself the identifier."""
    if link := _MATRIX_TO.fullmatch(text):
        return _first_segment(link["path"]), link["query"] or ""
    if link := _MATRIX_URI.fullmatch(text):
        sigil, name = _SIGILS.get(link["kind"].lower()), _first_segment(link["path"])
        return (sigil + name if sigil and name is not None else None), link["query"] or ""
    return text, ""


def _first_segment(path: str) -> str | None:
    # Split before decoding: an encoded slash belongs to the name.
    return _decoded(path.partition("/")[0])


def _decoded(text: str) -> str | None:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return None


def _via(query: str) -> tuple[str, ...]:
    pairs = (pair.partition("=") for pair in query.split("&"))
    servers = (_decoded(value) for key, _, value in pairs if key == "via")
    return tuple(dict.fromkeys(server for server in servers if server and is_server_name(server)))[:MAX_VIA]


# --- globs ----------------------------------------------------------------------------------------------------

_GLOB_PARTS = re.compile(r"\*+|\?|[^*?]+")


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled Matrix glob: ``*`` is any number of characters, ``?`` is exactly one, and the whole text must fit."""

    text: str
    ignore_case: bool
    ends: tuple[str, str]
    """What every text that fits begins and ends with: all before the first wildcard, and all after the last."""
    _pattern: Pattern | None = field(compare=False, repr=False)
    """None where there is nothing between the two but one ``*``: then they say it all."""

    def matches(self, text: str) -> bool:
        """Whether the text fits, in time linear in its length."""
        text = text.lower() if self.ignore_case else text
        if self._pattern is not None:
            return self._pattern.fits(text)
        head, tail = self.ends
        return len(text) >= len(head) + len(tail) and text.startswith(head) and text.endswith(tail)


def glob(text: str, *, ignore_case: bool = False) -> Glob:
    """Compile a Matrix glob; `Fault` if it is longer than any identifier can be."""
    if len(text) > MAX_ID_BYTES:
        raise Fault(f"too long: {len(text)} characters, at most {MAX_ID_BYTES}")
    parts = _GLOB_PARTS.findall(text.lower() if ignore_case else text)
    head = "".join(parts[:1]) if parts and is_literal(parts[0]) else ""
    tail = parts[-1] if parts and is_literal(parts[-1]) else ""
    between = parts[1 if head else 0 : -1 if tail else None]
    plain = len(between) == 1 and between[0].startswith("*")
    return Glob(text, ignore_case, (head, tail), None if plain else pattern(_as_pattern(parts)))


@dataclass(frozen=True, slots=True)
class Globs:
    """Several globs of which any may match.

    Lists of bans are long: a text is held only against those that begin and end as it does, so the time grows with
    the lengths that such ends have, and with the globs that both begin and end with a wildcard.
    """

    texts: tuple[str, ...]
    ignore_case: bool
    _literals: Mapping[str, str] = field(compare=False, repr=False)
    _by_ends: Mapping[tuple[int, int], Mapping[tuple[str, str], list[Glob]]] = field(compare=False, repr=False)
    """By the lengths of their ends, then by the ends themselves."""

    def first_match(self, text: str) -> str | None:
        """A glob that the text fits, as it was written; none if it fits none."""
        text = text.lower() if self.ignore_case else text
        literal = self._literals.get(text)
        if literal is not None:
            return literal
        return next((glob.text for glob in self._candidates(text) if glob.matches(text)), None)

    def _candidates(self, text: str) -> Iterator[Glob]:
        for (head, tail), globs in self._by_ends.items():
            if head + tail <= len(text):
                yield from globs.get((text[:head], text[len(text) - tail :]), ())


def globs(texts: Iterable[str], *, ignore_case: bool = False) -> Globs:
    """Compile several Matrix globs; `Fault` if one is longer than any identifier can be."""
    texts = tuple(texts)
    literals = {text.lower() if ignore_case else text: text for text in texts if is_literal(text)}
    by_ends: dict[tuple[int, int], dict[tuple[str, str], list[Glob]]] = {}
    for one in (glob(text, ignore_case=ignore_case) for text in texts if not is_literal(text)):
        head, tail = one.ends
        by_ends.setdefault((len(head), len(tail)), {}).setdefault(one.ends, []).append(one)
    return Globs(texts, ignore_case, literals, by_ends)


def is_literal(text: str) -> bool:
    """Whether a glob has no wildcard, so that it matches one text only."""
    return "*" not in text and "?" not in text


def _as_pattern(parts: Iterable[str]) -> str:
    wildcards = {"*": ".*", "?": "."}
    return "".join(wildcards.get(part[0]) or escaped(part) for part in parts)
