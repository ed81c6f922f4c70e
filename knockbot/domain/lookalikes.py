"""Names that look alike: whether somebody could take one for the other at a glance.

Two names look alike if they have a key in common. A key is the skeleton of the name by UTS 39 (Unicode Technical
Standard 39, section 4), made coarser for a reader who only glances: without accents and emoji, every mark a blank, none
at the ends; ``rn`` is ``m``, and ``vv`` is ``w``. A name has several keys, because it can be read in several ways:

- In its own case, in small letters, and in the small letters of the Latin text that it looks like. A capital ``I``
  looks like ``l`` only as long as it is a capital; ``ADMIN`` means ``admin`` only once it is none; and the Greek
  capital Nu looks like ``N``, but the small one like ``v``. An ``l`` among capitals is read as an ``I``.
- With a picture in its middle as nothing, or as a blank; with flags as letters; without small raised letters at its
  ends.
- With and without what somebody adds to a name: ``Alice (admin)``, ``Mod Alice``, ``@alice:example.org``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from itertools import groupby
from typing import Final

from knockbot.documents.text import beginning, plain, visible
from knockbot.domain.languages import Language
from knockbot.domain.model import NAME_KEPT

LONGEST: Final = 255
"""Characters of a name that are compared, of those that a reader sees; no user ID is longer."""

OFFICES: Mapping[Language, tuple[str, ...]] = {
    Language.EN: (
        *("admin", "admins", "administrator", "administration", "mod", "mods", "moderator", "moderators", "moderation"),
        *("staff", "support", "team", "official", "owner", "bot", "help", "helpdesk", "helper", "service"),
    ),
    Language.DE: (
        *("administratorin", "moderatorin", "moderatoren", "leitung", "leiter", "leiterin", "betreiber", "betreiberin"),
        *("inhaber", "inhaberin", "hilfe", "helferin", "offiziell", "offizielle", "offizieller", "mitarbeiter"),
    ),
}
"""Words of office: who adds one to somebody's name still looks like them. Those of every language count."""

_LITTLE = (
    *("the", "a", "your", "our", "of", "for", "at", "in", "is", "and", "s"),
    *("der", "die", "das", "von", "vom", "für", "im", "am", "ist", "und"),
)
"""Words that join a word of office to a name: ``Alice, the admin of Garden``."""

_ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
"""Combining marks that go with any letter. The vowels of many scripts are marks too: they stay."""

_ASIDE = re.compile(r"[(\[{<][^)\]}>]*(?:[)\]}>]|$)")
"""A remark in brackets."""

_ADDED = re.compile("[/:|].*|\\s[\u2013\u2014\u00b7\u2022-]\\s.*", re.DOTALL)
"""What follows a slash, a bar, a colon, or a dash between blanks: a role, or the server of a user ID."""

_STROKES = re.compile("[l1|\u04cf\u01c0\u2223]")
"""What looks like a capital I."""

_PICTURES = ("So", "Sk")
"""The categories of emoji, and of what changes their colour."""

_SAME_SHAPES = (("m", "rn"), ("w", "vv"))
"""Letters that look like two others; UTS 39 has the first, and the library leaves both out."""


def _alphabet(first: int) -> dict[int, str]:
    """Signs that show the letters A to Z, from this code point on."""
    return {first + place: chr(ord("A") + place) for place in range(26)}


_LETTERS: Final = _alphabet(0x1F150) | _alphabet(0x1F170) | {0x13F: "L", 0x140: "l", 0x13C6: "I"}
"""Letters in black circles and squares, which Unicode does not tell to be letters; an L whose dot would become a mark
of its own; and a Cherokee letter that UTS 39 leaves out."""

_FLAGS: Final = _alphabet(0x1F1E6)
"""Regional indicators: two of them can be a flag."""

_BLANKS: Final = {0x115F: " ", 0x1160: " ", 0x3164: " ", 0xFFA0: " "}
"""Hangul fillers: some clients show a blank, others nothing."""


def look_alike(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether one of these names looks like one of those."""
    mine = frozenset[str]().union(*map(keys, one))
    return any(mine & keys(name) for name in other)


def keys(name: str) -> frozenset[str]:
    """What two names that look alike have in common; none for a name without anything to see."""
    return _keys(beginning(name, NAME_KEPT))


@lru_cache(maxsize=1024)
def _keys(name: str) -> frozenset[str]:
    seen = {without_accents(plain(text)[:LONGEST]) for text in _readings(name)}
    cased = {one for text in seen for part in _parts(text) for one in _cased(part)}
    found = {key for text in cased for key in _without_offices(_skeleton(text))} - {""}
    # A name of nothing but emoji or marks looks like the same ones.
    return frozenset(found or {plain(name)[:LONGEST]} - {""})


@lru_cache(maxsize=4096)
def close_keys(text: str) -> frozenset[str]:
    """What two texts have in common that look alike even to who looks closely: case does not count, nor does which of
    several letters of one shape it is. Marks, accents, emoji and what is added do."""
    seen = plain(text.translate(_LETTERS))[:LONGEST]
    return frozenset(_shape(one) for one in _cased(seen))


def _readings(name: str) -> Iterator[str]:
    """What the signs of a name can be taken for."""
    text = name.translate(_LETTERS)
    yield text.translate(_FLAGS)
    bare = _without_raised(text.translate(_BLANKS))
    yield bare
    yield "".join(" " if _is_picture(character) else character for character in bare)
    yield _without_raised(text)


def _without_raised(text: str) -> str:
    """A text without small raised or lowered letters at its ends: ``Alice™``, ``Alice²``."""
    seen = visible(text)
    first = next((place for place, one in enumerate(seen) if not _is_raised(one)), len(seen))
    last = next((place for place, one in enumerate(reversed(seen)) if not _is_raised(one)), 0)
    return seen[first : len(seen) - last]


def _is_raised(character: str) -> bool:
    return unicodedata.decomposition(character).startswith(("<super>", "<sub>"))


def _is_picture(character: str) -> bool:
    return unicodedata.category(character) in _PICTURES and not unicodedata.decomposition(character)


def without_accents(text: str) -> str:
    """A text without the marks that go with any letter."""
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text)))


def _parts(text: str) -> set[str]:
    """A name as it is, and without what somebody added to it, such as a role or a server."""
    without = _ASIDE.sub(" ", text)
    return {text, without, _ADDED.sub("", without)}


def _cased(text: str) -> set[str]:
    """The ways to read a text whose letters are capitals, or look like some."""
    read = {text, text.casefold()}
    for one in (text, _latin(text)):
        read.add(one.casefold())
        if _STROKES.sub("", one).isupper():
            read.add(_STROKES.sub("I", one).casefold())
    return read


def _without_offices(key: str) -> set[str]:
    """A key, and what of it stands before, between and after words of office."""
    words = key.split()
    offices, little = _as_keys(*OFFICES.values()), _as_keys(_LITTLE)
    if offices.isdisjoint(words):
        return {key}
    names = (list(group) for is_office, group in groupby(words, offices.__contains__) if not is_office)
    return {key, *(" ".join(_trimmed(name, little)) for name in names)}


def _trimmed(words: list[str], little: frozenset[str]) -> list[str]:
    named = [place for place, word in enumerate(words) if word not in little]
    return words[named[0] : named[-1] + 1] if named else []


@cache
def _as_keys(*tables: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_skeleton(without_accents(word)) for words in tables for word in words)


def _latin(text: str) -> str:
    """The Latin text that it looks like, in the same case, as far as there is one."""
    if text.isascii():
        return text
    from disarm import normalize_confusables  # noqa: PLC0415 (as in `_shape`)

    return normalize_confusables(text)


def _skeleton(text: str) -> str:
    return " ".join("".join(map(_marked, _shape(text))).split())


def _shape(text: str) -> str:
    # It takes a twentieth of a second and 11 MB when it is first imported, and not everybody needs it.
    from disarm import skeleton_key  # noqa: PLC0415 (see above)

    skeleton = skeleton_key(text, digit_policy="tr39")
    for letter, shape in _SAME_SHAPES:
        skeleton = skeleton.replace(letter, shape)
    return skeleton


def _marked(character: str) -> str:
    """A character of a skeleton: pictures are nothing, and marks are blanks."""
    category = unicodedata.category(character)
    return "" if category in _PICTURES else " " if category[0] in "PSZ" else character
