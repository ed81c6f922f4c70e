"""Codes: how one looks that lets its holder in, how it is found in what people write, and what is kept of it.

A code is sixteen letters and digits, of an alphabet in which nothing looks like something else, in groups of four: 80
bits, which nobody guesses. Only a salted hash of it is stored. In a text that is kept its name stands in its place.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from typing import Final

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
_LIKE_A_CODE = re.compile(
    rf"(?<!{_SIGN})(?<!{_DASH})(?:{_SIGN}{{4}}(?:\s?{_DASH}\s?{_SIGN}{{4}}){{3}}|(?=[A-Za-z]*[0-9]){_SIGN}{{16}})"
    rf"(?!{_SIGN}|{_DASH}{_SIGN})"
)
"""Four groups with dashes between them, or sixteen signs with a digit among them: no word looks so."""


def new_code(chance: bytes) -> str:
    """A code from sixteen or more random bytes; it has a digit, so that it is found without its dashes too."""
    signs = [ALPHABET[byte % len(ALPHABET)] for byte in chance[:LENGTH]]
    if not any(sign.isdigit() for sign in signs):
        signs[0] = ALPHABET[chance[0] % 10]
    return written("".join(signs))


def written(code: str) -> str:
    """A code in its groups, as people type it."""
    return "-".join(code[at : at + GROUP] for at in range(0, LENGTH, GROUP))


def normal(text: str) -> str:
    """A code as it is compared: without dashes and case, and with the signs that were meant."""
    signs = re.sub(rf"\s|{_DASH}", "", text).lower()
    return "".join(_SAID.get(sign, sign) for sign in signs)


def found_in(text: str) -> list[str]:
    """What looks like a code in a text, as it is compared; each once, and no more than are tried."""
    return list(dict.fromkeys(normal(one[0]) for one in _LIKE_A_CODE.finditer(text)))[:MOST_IN_TEXT]


UNKNOWN: Final = "[…]"
"""What stands in a text in place of what looks like a code and is none."""


def masked(text: str, names: Mapping[str, str]) -> str:
    """A text in which the names of codes stand in their places."""

    def name(one: re.Match[str]) -> str:
        known = names.get(normal(one[0]))
        return f"[{known}]" if known is not None else UNKNOWN

    return _LIKE_A_CODE.sub(name, text)


def digest(code: str, salt: str) -> str:
    """The salted hash of a code as it is compared."""
    return hmac.new(bytes.fromhex(salt), code.encode(), hashlib.sha256).hexdigest()


def is_it(code: str, salt: str, kept: str) -> bool:
    """Whether a hash is that of a code; the time that this takes tells nothing."""
    return hmac.compare_digest(digest(code, salt), kept)


_NAME = re.compile(r"[\w.-]*[^\W\d_][\w.-]*")


def is_name(text: str) -> bool:
    """Whether a code may be called so: one word with a letter in it, that is no code itself."""
    return len(text) <= LONGEST_NAME and _NAME.fullmatch(text) is not None and not found_in(text)


def free_name(taken: Callable[[str], bool]) -> str:
    """The first name that the bot itself gives to a code."""
    return next(name for number in range(1, MOST_CODES + 2) if not taken(name := f"code-{number}"))
