"""Plain YAML data read with care: each fault says what was expected, what was found, and leads to the spot."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches

from knockbot.documents.text import shown, storable
from knockbot.errors import Fault
from knockbot.times import DAY, HOUR, MINUTE, SECOND, WEEK

Path = tuple[str | int, ...]


def mapping(value: object, path: Path) -> Mapping[str, object]:
    """A mapping with text as keys."""
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise Fault('expected keys and values, found {found}; remove the "-" before them', path, found=found(value))
        raise Fault("expected keys and values, found {found}", path, found=found(value))
    for key in value:
        if not isinstance(key, str):
            raise Fault("expected text as key, found {found}: put it in quotes", path, found=found(key))
    return value


def one_or_more(value: object, path: Path) -> list[tuple[object, Path]]:
    """What a key holds that takes one value or a list of them, each with its own path."""
    if not isinstance(value, list):
        return [(value, path)]
    return list(items(value, path))


def items(value: object, path: Path) -> Iterator[tuple[object, Path]]:
    """The items of a list that must not be empty, each with its own path."""
    if not isinstance(value, list):
        if isinstance(value, dict):
            raise Fault('expected a list, found {found}; write "- " before each part', path, found=found(value))
        if value is None:
            said = 'expected a list, found {found} (in YAML, text that begins with "#" needs quotes)'
            raise Fault(said, path, found=found(value))
        raise Fault("expected a list, found {found}", path, found=found(value))
    if not value:
        raise Fault("the list is empty", path)
    return ((item, (*path, place)) for place, item in enumerate(value))


def text(value: object, path: Path, most: int) -> str:
    """Text of at most `most` characters that is not blank; a number or yes/no is a mistake, not text."""
    if not isinstance(value, str):
        raise Fault(_no_text(value), path, found=found(value))
    if not value.strip():
        raise Fault("expected text, found none", path)
    if len(value) > most:
        raise Fault("too long: {length} characters, at most {most}", path, length=len(value), most=most)
    return storable(value)


def whole_number(value: object, path: Path, most: int, *, least: int = 0) -> int:
    """A whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise Fault(
            "expected a whole number from {least} to {most}, found {found}",
            path,
            least=least,
            most=most,
            found=found(value),
        )
    return value


def yes_or_no(value: object, path: Path) -> bool:
    """True or false; ``yes`` and ``on`` are text for one YAML reader and true for another, so neither is accepted."""
    if not isinstance(value, bool):
        raise Fault("expected true or false, found {found}", path, found=found(value))
    return value


DURATIONS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}
"""Milliseconds in each unit a duration is written in."""


def duration(value: object, path: Path) -> int:
    """A span of time such as ``7d`` or ``12h``, in milliseconds."""
    written = re.fullmatch(r"([0-9]{1,6})([smhdw])", value) if isinstance(value, str) else None
    if written is None:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{7,}[smhdw]", value):
            raise Fault("the time {found} is too long", path, found=found(value))
        raise Fault("expected a time such as 30m, 12h or 7d, found {found}", path, found=found(value))
    if int(written[1]) == 0:
        raise Fault("expected a time longer than zero, found {found}", path, found=found(value))
    return int(written[1]) * DURATIONS[written[2]]


def time_of_day(value: object, path: Path) -> int:
    """A time of day such as ``22:00``, in minutes after midnight."""
    written = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])", value) if isinstance(value, str) else None
    if written is None:
        raise Fault('expected a time of day such as "07:30", found {found}', path, found=found(value))
    return 60 * int(written[1]) + int(written[2])


def written_duration(milliseconds: int) -> str:
    """A span of time as `duration` reads it, in the largest unit that gives a whole number."""
    unit = max((u for u in DURATIONS if milliseconds % DURATIONS[u] == 0), key=DURATIONS.__getitem__, default="s")
    return f"{milliseconds // DURATIONS[unit]}{unit}"


def one_of(value: object, path: Path, known: Collection[str], later: Collection[str] = ()) -> str:
    """One of the known words."""
    if not isinstance(value, str):
        raise Fault("expected one of {known}, found {found}", path, known=", ".join(known), found=found(value))
    if value not in known:
        raise unknown_word(value, known, later, path, what="word")
    return value


def unknown_word(word: str, known: Collection[str], later: Collection[str], path: Path, *, what: str) -> Fault:
    """The fault for a word that is none of the known ones: it names the nearest, or all."""
    if word in later:
        return Fault("{found} comes in a later version", path, found=found(word))
    if len([part for part in re.split(r"[\s,;|/]+", word) if part in known]) > 1:
        return Fault("expected one of {known}, found {found}", path, known=", ".join(known), found=found(word))
    nearest = get_close_matches(word.lower(), known, n=1)
    if nearest and found(word) == found(nearest[0]):
        return Fault(
            "unknown {what} {found}: a space or another character that cannot be seen is in it",
            path,
            what=what,
            found=found(word),
        )
    if nearest:
        said = 'unknown {what} {found}; did you mean "{nearest}"?'
        return Fault(said, path, what=what, found=found(word), nearest=nearest[0])
    return Fault("unknown {what} {found}; known: {known}", path, what=what, found=found(word), known=", ".join(known))


def found(value: object) -> str:
    """A value in words, for a fault: strangers and admins both may have written it, so it is cut and cleaned.

    What looks like a secret is not shown: it may be in the wrong place, and a fault ends up in logs.
    """
    if isinstance(value, str):
        told = in_clear(value)
        return "what looks like a secret" if told is None else f'"{shown(told, 60)}"'
    if isinstance(value, int) and value.bit_length() > 64:
        return "a huge number"  # which Python may refuse to spell
    if isinstance(value, (bool, int, float)):
        return str(value).lower()
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else "keys and values" if isinstance(value, dict) else "something else"


def in_clear(value: str) -> str | None:
    """The text without credentials; `None` where all of it looks like a secret."""
    return None if looks_secret(value) else _CREDENTIALS.sub(r"\g<key>…", value)


_CREDENTIALS = re.compile(
    r"(?<=://)([^/\s@]*:[^/\s]*|[^/\s@]{20,})(?=@)|(?<=[?&#])(?P<key>[^=&]*(token|secret|password|key)=)[^&#]*",
    re.IGNORECASE,
)
"""The private parts of a URL: user and password, and what is called a token."""
_SECRET = re.compile(r"(?=.*[0-9])((?=.*[a-z])(?=.*[A-Z])[0-9A-Za-z_~+=-]{20,}|(?=.*[a-z])[0-9a-z]{20,})")


def looks_secret(text: str) -> bool:
    """Whether this looks like a token or a key, or a path of them: long, and of letters and digits in no order."""
    return not re.search(r"[^0-9A-Za-z_~+/=.-]", text) and any(map(_SECRET.fullmatch, re.split(r"[/.]", text)))


def spelled(path: Path) -> str:
    """A path as people read it: keys with dots between, places in lists counted from one (``when.server.#2``)."""
    return ".".join(f"#{step + 1}" if isinstance(step, int) else step for step in path)


@contextmanager
def faults_at(path: Path) -> Iterator[None]:
    """Every fault that is raised inside belongs to this spot."""
    try:
        yield
    except Fault as fault:
        raise fault.at(path) from None


def _no_text(value: object) -> str:
    """What is said of what is no text."""
    if value is None:
        return 'expected text, found {found} (in YAML, text that begins with "#" needs quotes)'
    if isinstance(value, (list, dict)):
        return "expected text, found {found}"
    return "expected text, found {found}: put it in quotes"
