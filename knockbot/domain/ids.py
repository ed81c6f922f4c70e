"""Matrix identifiers as strangers and room admins write them: recognises, parses and matches them with globs.

The grammar is that of the specification's appendix "Identifier Grammar"; nothing here raises on hostile input.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

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
"""How a matrix: URI writes the first character of an identifier; the longer names are from older drafts."""


# --- recognising them -----------------------------------------------------------------------------------------


def is_user_id(text: str) -> bool:
    """Whether this is a user ID; historical ones too, whose localpart may hold anything but ``:`` and NUL."""
    return text.startswith("@") and _names_a_server(text)


def is_alias(text: str) -> bool:
    """Whether this is a room alias."""
    return text.startswith("#") and _names_a_server(text)


def room_meant(name: str, pinned: Mapping[str, str]) -> str | None:
    """The room that a name means where these names are pinned: an ID may mean another room there, as after an upgrade.

    None for an alias that is not pinned: it is not known which room it means.
    """
    return pinned.get(name, None if is_alias(name) else name)


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


# --- parsing them ---------------------------------------------------------------------------------------------


def server_of(identifier: str) -> str:
    """The server of a user ID or alias: all after the first ``:``, port included; empty if there is none.

    Never use this for a room ID: its server may have left long ago, and from room version 12 on there is none.
    """
    return identifier.partition(":")[2]


def localpart_of(user_id: str) -> str:
    """What stands between the ``@`` and the first ``:`` of a user ID; it may be empty."""
    return user_id[1:].partition(":")[0]


def host_of(server: str) -> str:
    """The host of a server name, lower case and without port; an IPv6 literal keeps its brackets.

    This is the form in which server ACLs (m.room.server_acl) compare servers.
    """
    if server.startswith("["):
        address, bracket, _ = server.partition("]")
        return (address + bracket).lower()
    return server.partition(":")[0].lower()


def whole_server(server: str) -> str:
    """What stands for everybody from a server (``*:example.org``), as the criterion `server` compares hosts."""
    return f"*:{host_of(server)}"


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
    """The identifier that a link leads to, and the link's query; text that is no link is itself the identifier."""
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

_WILDCARD = re.compile(r"[*?]")

GLOB_MEMORY = 400
"""The most bytes of memory for one glob, without its text."""


def is_literal(text: str) -> bool:
    """Whether a glob has no wildcard, so that it matches one text only."""
    return "*" not in text and "?" not in text


@dataclass(frozen=True, slots=True)
class Globs:
    """Several Matrix globs, one of which has to match: ``*`` is any number of characters, ``?`` exactly one, and the
    whole text must match.

    Ban lists are long: a text is compared only with the globs that begin and end as it does, so the time grows with
    the lengths that such ends have, and with the globs that both begin and end with a wildcard. Nothing is compiled:
    a glob takes little more memory than its text, no matter what is in it.
    """

    texts: tuple[str, ...]
    ignore_case: bool
    _literals: Mapping[str, str] = field(compare=False, repr=False)
    _within: Mapping[str, str] = field(compare=False, repr=False)
    """Those with one ``*`` at each end and no other wildcard, by the text between them."""
    _by_ends: Mapping[tuple[int, int], Mapping[str, list[str]]] = field(compare=False, repr=False)
    """By the lengths of what each begins and ends with, then by these ends themselves, one after the other."""

    @property
    def looked_through(self) -> int:
        """How many of them are compared with a text one by one: those that begin and end with a wildcard."""
        return len(self._within) + len(self._by_ends.get((0, 0), {}).get("", ()))

    @property
    def memory(self) -> int:
        """The bytes that they take, at most."""
        return sum(GLOB_MEMORY + 4 * len(text) for text in self.texts)

    def first_match(self, text: str) -> str | None:
        """A glob that matches the text, as it was written; none if none matches."""
        held = Held(text.lower() if self.ignore_case else text)
        literal = self._literals.get(held.text)
        if literal is not None:
            return literal
        for part, glob in self._within.items():
            if part in held.text:
                return glob
        return next((glob for glob, ends in self._candidates(held.text) if held.fits(self._folded(glob), ends)), None)

    def _folded(self, glob: str) -> str:
        return glob.lower() if self.ignore_case else glob

    def _candidates(self, text: str) -> Iterator[tuple[str, tuple[int, int]]]:
        for ends, by_ends in self._by_ends.items():
            head, tail = ends
            if head + tail <= len(text):
                for glob in by_ends.get(text[:head] + text[len(text) - tail :], ()):
                    yield glob, ends


def globs(texts: Iterable[str], *, ignore_case: bool = False) -> Globs:
    """Several Matrix globs, prepared for matching; `Fault` if one is longer than any identifier can be."""
    texts = tuple(texts)
    literals: dict[str, str] = {}
    within: dict[str, str] = {}
    by_ends: dict[tuple[int, int], dict[str, list[str]]] = {}
    for text in texts:
        if len(text) > MAX_ID_BYTES:
            raise Fault("too long: {length} characters, at most {most}", length=len(text), most=MAX_ID_BYTES)
        folded = text.lower() if ignore_case else text
        if is_literal(folded):
            literals[folded] = text
        elif folded[0] == "*" == folded[-1] and len(folded) > 1 and is_literal(folded[1:-1]):
            within[folded[1:-1]] = text
        else:
            head, tail = ends_of(folded)
            ends = folded[:head] + folded[len(folded) - tail :]
            by_ends.setdefault((head, tail), {}).setdefault(ends, []).append(text)
    return Globs(texts, ignore_case, literals, within, by_ends)


def ends_of(glob: str) -> tuple[int, int]:
    """The number of characters before the first wildcard of a glob, and after the last one."""
    wild = [found.start() for found in _WILDCARD.finditer(glob)]
    return wild[0], len(glob) - wild[-1] - 1


def matches(glob: str, text: str) -> bool:
    """Whether a glob matches a whole text, to the letter."""
    return text == glob if is_literal(glob) else Held(text).matches(glob)


class Held:
    """A text that globs are compared with. The time for one glob grows only linearly with the text's length."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._places: dict[str, int] | None = None

    def matches(self, glob: str) -> bool:
        """Whether a glob with a wildcard matches the text."""
        ends = head, tail = ends_of(glob)
        if not self.text.startswith(glob[:head]) or not self.text.endswith(glob[len(glob) - tail :]):
            return False
        return self.fits(glob, ends)

    def fits(self, glob: str, ends: tuple[int, int]) -> bool:
        """Whether a glob matches the text; its two ends are known to match."""
        start, stop = ends[0], len(self.text) - ends[1]
        first, *others = glob[ends[0] : len(glob) - ends[1]].split("*")
        if not others:
            return stop - start == len(first) and self._stands_at(first, start)
        last = others.pop()
        if stop - start < len(first) + len(last):
            return False
        if not (self._stands_at(first, start) and self._stands_at(last, stop - len(last))):
            return False
        at, stop = start + len(first), stop - len(last)
        for part in others:
            at = self._end_of(part, at, stop)
            if at < 0:
                return False
        return True

    def _stands_at(self, part: str, at: int) -> bool:
        if "?" not in part:
            return self.text.startswith(part, at)
        return all(wanted in ("?", found) for wanted, found in zip(part, self.text[at : at + len(part)], strict=False))

    def _end_of(self, part: str, start: int, stop: int) -> int:
        """The end of the first place that a part of a glob matches; -1 if there is none."""
        if "?" not in part:
            found = self.text.find(part, start, stop)
            return found + len(part) if found >= 0 else -1
        room = stop - start - len(part) + 1
        fitting = ((1 << room) - 1) << start if room > 0 else 0
        for offset, character in enumerate(part):
            if character != "?":
                fitting &= self._places_of(character) >> offset
        lowest = (fitting & -fitting).bit_length() - 1
        return lowest + len(part) if fitting else -1

    def _places_of(self, character: str) -> int:
        """The places of a character in the text, one bit for each."""
        if self._places is None:
            self._places = {}
            for place, one in enumerate(self.text):
                self._places[one] = self._places.get(one, 0) | 1 << place
        return self._places.get(character, 0)
