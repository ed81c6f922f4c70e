"""Codes: how one looks that lets its holder in, how it is found in what people write, and what is kept of it.

A code is sixteen letters and digits, of an alphabet in which nothing looks like something else, in groups of four: more
than 75 bits, which nobody guesses. Only a salted hash of it is stored. In a text that is kept its name stands in its
place.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from knockbot.documents.text import plain
from knockbot.times import DAY, HOUR

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
"""Thirty-two signs, without i, l, o and u."""

LENGTH: Final = 16
GROUP: Final = 4

MOST_IN_TEXT: Final = 5
"""Codes in one text that are tried; what looks like one after these is hidden, and does not count."""

MOST_WRONG: Final = 10
WRONG_WITHIN: Final = HOUR
"""So many wrong codes of one applicant at one room within this time (milliseconds) are taken for guessing."""

SHUT_OUT: Final = DAY
"""Milliseconds for which no code of theirs counts then."""

MOST_USES: Final = 1000
MOST_CODES: Final = 100
"""Codes of one room that are in force."""

LONGEST_NAME: Final = 40

_SAID: Final = {"o": "0", "i": "1", "l": "1"}
"""What people read in place of a sign."""

_DASH = "[-\u2010-\u2015\u2212]"
_SIGN = "[0-9A-Za-z]"
_STRICT = re.compile(
    rf"(?<!{_SIGN})(?<!{_DASH})(?:{_SIGN}{{4}}(?:\s?{_DASH}\s?{_SIGN}{{4}}){{3}}|(?=[A-Za-z]*[0-9]){_SIGN}{{16}})"
    rf"(?!{_SIGN}|{_DASH}{_SIGN})"
)
"""Four groups with dashes between them, or sixteen signs with a digit among them: no word looks so."""

_BETWEEN = rf"(?:\s{{0,2}}(?:{_DASH}|[_./:,])\s{{0,2}}|\s{{1,2}})?"
_GROUPS = re.compile(rf"(?<!{_SIGN}){_SIGN}{{4}}(?:{_BETWEEN}{_SIGN}{{4}}){{3,}}(?!{_SIGN})")
"""Groups with anything between them, or nothing, as people type who were told a code on the telephone."""

_ID = re.compile(
    r"(?:[!$]|%2[14])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"  # a room of version 12, or an event
    r"|[!@#$][^\s:]{1,255}:[\w.\[\]-]+"
)
"""Matrix IDs: their signs are chance, or somebody's name, and are no code unless it is written as one."""

_GROUP = re.compile(rf"{_SIGN}{{4}}")
_MIXED = re.compile(r"[0-9]*[A-Za-z]+[0-9]|[0-9]+[A-Za-z]")
"""A letter and a digit in a group: each group of a code has both, and few words."""


def new_code(chance: bytes) -> str:
    """A code from sixteen or more random bytes. Each group has a letter and a digit, so that it is found however it is
    written."""
    signs = [ALPHABET[byte % len(ALPHABET)] for byte in chance[:LENGTH]]
    for at in range(0, LENGTH, GROUP):
        group = signs[at : at + GROUP]
        if not any(sign.isdigit() for sign in group):
            signs[at] = ALPHABET[chance[at] % 10]
        elif all(sign.isdigit() for sign in group):
            signs[at] = ALPHABET[10 + chance[at] % 22]
    return written("".join(signs))


def written(code: str) -> str:
    """A code in its groups, as people type it."""
    return "-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP))


def normal(text: str) -> str:
    """A code as it is compared: only its signs, in small letters, and with those that were meant."""
    signs = "".join(re.findall(_SIGN, text)).lower()
    return "".join(_SAID.get(sign, sign) for sign in signs)


@dataclass(frozen=True, slots=True)
class _Found:
    """A part of a text that looks like a code, and what it may mean: one code, or one of several that overlap."""

    start: int
    end: int
    meant: tuple[str, ...]


def _found(text: str) -> list[_Found]:
    """What looks like a code in a text, in order."""
    strict = [_Found(one.start(), one.end(), (normal(one[0]),)) for one in _STRICT.finditer(text)]
    others = text  # what stands around a code, or around an ID, is looked at by itself
    for apart in (_STRICT, _ID):
        others = apart.sub(lambda one: "\n" * len(one[0]), others)
    loose = [found for run in _GROUPS.finditer(others) for found in _in_a_run(run)]
    return sorted([*strict, *loose], key=lambda one: one.start)


def _in_a_run(run: re.Match[str]) -> list[_Found]:
    """The codes among groups that follow each other."""
    groups = [(run.start() + one.start(), run.start() + one.end(), one[0]) for one in _GROUP.finditer(run[0])]
    mixed = [_MIXED.match(signs) is not None for _, _, signs in groups]
    counts = [sum(mixed[at : at + 4]) for at in range(len(groups) - 3)]
    needed = max(3, *counts)
    found: list[_Found] = []
    for at, count in enumerate(counts):
        if count < needed:
            continue
        four = groups[at : at + 4]
        start, end, code = four[0][0], four[-1][1], normal("".join(signs for _, _, signs in four))
        if found and start < found[-1].end:
            before = found.pop()
            found.append(_Found(before.start, end, (*before.meant, code)[:MOST_IN_TEXT]))
        else:
            found.append(_Found(start, end, (code,)))
    return found


def found_in(text: str) -> list[tuple[str, ...]]:
    """What looks like codes in a text, as they are compared; each once, and no more than are tried. Where codes
    overlap, one of these may be meant."""
    both = [one.meant for read in (text, plain(text)) for one in _found(read)]
    return list(dict.fromkeys(both))[:MOST_IN_TEXT]


UNKNOWN: Final = "[…]"
"""What stands in a text in place of what looks like a code and is none."""


def masked(text: str, names: Mapping[str, str]) -> str:
    """A text in which the names of codes stand in their places; as a reader sees it where only that shows one."""
    hidden = _hidden(text, names)
    seen = plain(hidden)
    return _hidden(seen, names) if _found(seen) else hidden


def _hidden(text: str, names: Mapping[str, str]) -> str:
    parts, at = [], 0
    for one in _found(text):
        name = next((names[code] for code in one.meant if code in names), None)
        parts += [text[at : one.start], f"[{name}]" if name is not None else UNKNOWN]
        at = one.end
    return "".join([*parts, text[at:]])


def digest(code: str, salt: str) -> str:
    """The salted hash of a code as it is compared."""
    return hmac.new(bytes.fromhex(salt), code.encode(), hashlib.sha256).hexdigest()


def is_it(code: str, salt: str, kept: str) -> bool:
    """Whether a hash is that of a code; the time that this takes tells nothing."""
    return hmac.compare_digest(digest(code, salt), kept)


_NAME = re.compile(r"[\w.-]*[^\W\d_][\w.-]*")


YES_OR_NO: Final = frozenset({"yes", "no", "on", "off", "true", "false"})
"""What people write for true and false: where a policy names a code, this is surely no name."""


def is_name(text: str) -> bool:
    """Whether a code may be called so: one word with a letter in it, that is no code itself, and neither yes nor no."""
    if text.casefold() in YES_OR_NO:
        return False
    return len(text) <= LONGEST_NAME and _NAME.fullmatch(text) is not None and not found_in(text)


def free_name(taken: Callable[[str], bool]) -> str:
    """The first name that the bot itself gives to a code."""
    return next(name for number in range(1, MOST_CODES + 2) if not taken(name := f"code-{number}"))
