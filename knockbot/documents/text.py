"""Strangers' text made harmless: fit to be stored, to be judged, and to be shown to people."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator
from itertools import islice

REPLACEMENT = "\ufffd"
ELLIPSIS = "…"

NAME_LIMIT = 60
REASON_LIMIT = 500
"""Characters of a stranger's text that are shown at most."""

MOST_MARKS = 8
"""How many combining marks in a row are kept: no script needs more, towers of them cover the lines above, and
Unicode normalization takes time quadratic in their number."""

LONGEST_JUDGED = 65_536
"""Characters of a text that policies judge: the first ones, both before and after it is normalized. Normalization can
turn one letter into eighteen (U+FDFA). No event holds more."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs"})
"""Controls, format characters (bidi, zero-width, joiners, tags) and surrogates: categories of the Unicode database."""

_HIDDEN_LETTERS = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2065\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xFFF0, 0xFFF9)))
    + "".join(map(chr, range(0xE0000, 0xE1000)))
)
"""What else is invisible (Unicode's Default_Ignorable_Code_Point): fillers, variation selectors, tags."""

_BLANK_LETTERS = frozenset("\u2800")
"""Looks like a space, but has another category: the empty braille cell."""

_HALFWIDTH_MARKS = frozenset("\uff9e\uff9f")
"""Have the category of letters, but are normalized into combining marks."""


def storable(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD.

    PostgreSQL's text takes no NUL, and UTF-8 has no lone surrogates; JSON, and so a Matrix event, may hold both.
    """
    return _UNSTORABLE.sub(REPLACEMENT, text)


def plain(text: str) -> str:
    """The text as a reader sees it: NFKC, nothing invisible in it, every blank a space, none at the ends."""
    # Hidden characters go first: what they kept apart is then normalized together.
    return unicodedata.normalize("NFKC", "".join(_seen(text))).strip()


def visible(text: str) -> str:
    """The text without anything invisible, every blank a space, none at the ends; its letters stay as they are."""
    return "".join(_seen(text)).strip()


def beginning(text: str, most: int) -> str:
    """The text if it is no longer than that; else the first so many characters of what a reader sees, blanks run
    together. So a thousand invisible characters cannot push a name out of what is kept of it.
    """
    return text if len(text) <= most else "".join(islice(_run_together(_seen(text)), most))


def judged(text: str) -> str:
    """The text as policies judge it: the beginning of what a reader sees."""
    return plain(text[:LONGEST_JUDGED])[:LONGEST_JUDGED]


LONGEST_COMPARED = 1000
"""Characters of a text that count when it is compared with others: the first ones."""


def gist(text: str) -> str:
    """The text as it is compared with others: what a reader sees, in whichever case, its words one blank apart."""
    return " ".join(plain(text[:LONGEST_COMPARED]).casefold().split())


def shown(text: str, limit: int) -> str:
    """The text on one line for people: nothing invisible, blanks run together, at most `limit` characters.

    It is not escaped: the code that puts it into HTML does that.
    """
    line = " ".join("".join(_seen(text)).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + ELLIPSIS


def shown_id(identifier: str) -> str:
    """A Matrix identifier in full, with what a reader could not see spelled out (``⟨U+202E⟩``).

    To drop a hidden character here would make one user look like another.
    """
    return "".join(_spelled(c) if _is_hidden(c) or (_is_blank(c) and c != " ") else c for c in identifier)


def spelled_out(text: str, kept: Container[str] = "") -> str:
    """A text with every control, format and half character in it spelled out, but those `kept`; line breaks stay.

    So text from strangers that was not cleaned before cannot hide anything, or reverse the direction of the line.
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(_spelled(c) if _is_control(c) and c != "\n" and c not in kept else c for c in text)


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN_CATEGORIES


def _spelled(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


# --- put into a sentence --------------------------------------------------------------------------------------

LEFT_TO_RIGHT, ISOLATE, ISOLATE_LEFT_TO_RIGHT, END_ISOLATE = "\u200e", "\u2068", "\u2066", "\u2069"
LINK_BREAK = "\u2060"

OURS = frozenset({LEFT_TO_RIGHT, ISOLATE, ISOLATE_LEFT_TO_RIGHT, END_ISOLATE, LINK_BREAK})
"""The only invisible characters that the bot writes itself. They never come from a stranger: they are removed from
what strangers wrote (`shown`), or spelled out in it (`spelled_out`)."""

_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})
"""The bidirectional classes that change the order of the text around them (UAX #9)."""

_LINK = re.compile(r"(?<=[.@\u3002\uff0e\uff61])(?=\w)|(?<=:)(?=[^\s\d])|(?<=[^\d]:)(?=\d)")
"""Where a link can be broken: in `https://…`, `example.com`, `#room:server`, `@user:server`, `a@b`, `mailto:…`, and in
the `@room` of old push rules; not in a time of day. After the character, not before it: some clients would read it as
the end of a name, and no client reads it as the beginning of a top-level domain."""


def turns(text: str) -> bool:
    """Whether a text has letters or digits that run from right to left, and so can move the text around it."""
    return not text.isascii() and any(unicodedata.bidirectional(c) in _RIGHT_TO_LEFT for c in text)


def isolated(text: str, start: str = ISOLATE) -> str:
    """The text, marked so that its direction moves nothing around it: a name takes no `@` from an ID next to it."""
    return f"{start}{text}{END_ISOLATE}" if turns(text) else text


def unlinked(text: str) -> str:
    """The text, changed so that no client makes a link, a mention or a pill of anything in it."""
    return _LINK.sub(LINK_BREAK, text)


def harmless(text: str) -> str:
    """Text that somebody wrote, made safe for a sentence of ours: on one line, nothing hidden, nothing moved, nothing
    to click.
    """
    return isolated(unlinked(spelled_out(text.replace("\n", " "))))


def without_marks(text: str) -> str:
    """Text that somebody copied from a message of the bot, as it was before the bot made it harmless."""
    return "".join(c for c in text if c not in OURS)


def without_variation_selector(emoji: str) -> str:
    """The emoji without U+FE0F: clients differ in whether they send ``❌`` or ``❌`` followed by it."""
    return emoji.replace("\ufe0f", "")


def _seen(text: str) -> Iterable[str]:
    """The characters a reader sees, every blank as a space, and no tower of combining marks."""
    return text if text.isascii() and text.isprintable() else _looked_through(text)


def _run_together(characters: Iterable[str]) -> Iterator[str]:
    """Characters without blanks at the beginning, and with one blank for several in a row."""
    before = " "
    for character in characters:
        if character != " " or before != " ":
            yield character
        before = character


def _looked_through(text: str) -> Iterator[str]:
    marks = 0
    for character in text:
        if _is_blank(character):
            yield " "
        elif not _is_hidden(character):
            marks = marks + 1 if _is_mark(character) else 0
            if marks <= MOST_MARKS:
                yield character


def _is_blank(character: str) -> bool:
    return character.isspace() or character in _BLANK_LETTERS


def _is_hidden(character: str) -> bool:
    return _is_control(character) or character in _HIDDEN_LETTERS


def _is_mark(character: str) -> bool:
    return (
        unicodedata.combining(character) != 0
        or unicodedata.category(character) in ("Mn", "Me")
        or character in _HALFWIDTH_MARKS
    )
