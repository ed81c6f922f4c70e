"""Names that look alike: whether somebody could take one for the other at a glance.

Two names look alike if they have a key in common. A key is the skeleton of the name by UTS 39 (Unicode Technical
Standard 39, section 4), made coarser for a reader who only glances: without accents, emoji, and what stands before the
first letter or after the last one; ``rn`` is ``m``, and ``vv`` is ``w``. There are up to three, because a capital ``I``
looks like ``l`` only as long as it is a capital, ``ADMIN`` means ``admin`` only once it is none, and an ``l`` among
capitals is read as an ``I``. What somebody adds to a name (``Alice (admin)``, ``@alice:example.org``) is looked at with
and without.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from itertools import takewhile

from knockbot.documents.text import judged

LONGEST = 255
"""Characters of a name that are compared; no user ID is longer."""

_ACCENTS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
"""Combining marks that go with any letter. The vowels of many scripts are marks too: they stay."""

_ASIDE = re.compile(r"[(\[{<][^)\]}>]*(?:[)\]}>]|$)")
"""A remark in brackets."""

_ADDED = re.compile("[/:].*|\\s[|\u2013\u2014\u00b7\u2022-]\\s.*", re.DOTALL)
"""What follows a slash, a colon, or a dash between blanks: a role, or the server of a user ID."""

_STROKES = re.compile("[l1|\u04cf\u01c0\u2223]")
"""What looks like a capital I."""

_PICTURES = ("So", "Sk")
"""The categories of emoji, and of what changes their colour."""

_SAME_SHAPES = (("m", "rn"), ("w", "vv"))
"""Letters that look like two others; UTS 39 has the first, and the library leaves both out."""


@lru_cache(maxsize=1024)
def keys(name: str) -> frozenset[str]:
    """What two names that look alike have in common; none for a name without anything to see."""
    text = judged(name)[:LONGEST]
    plain = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text)))
    found = {key for part in _parts(plain) for key in _keys(part)}
    return frozenset(found) or (frozenset({text}) if text else frozenset())


def _parts(text: str) -> set[str]:
    """A name as it is, and without what somebody added to it, such as a role or a server."""
    without = _ASIDE.sub(" ", text)
    return {text, without, _ADDED.sub("", without)}


def _keys(text: str) -> set[str]:
    read = [text, text.casefold()]
    if _STROKES.sub("", text).isupper():
        read.append(_STROKES.sub("I", text).casefold())
    return {_skeleton(one) for one in read} - {""}


def look_alike(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether one of these names looks like one of those."""
    mine = frozenset[str]().union(*map(keys, one))
    return any(mine & keys(name) for name in other)


def _skeleton(text: str) -> str:
    # It takes a twentieth of a second and 11 MB when it is first imported, and few policies ask for it.
    from disarm import skeleton_key  # noqa: PLC0415 (see above)

    skeleton = "".join(c for c in skeleton_key(text, digit_policy="tr39") if unicodedata.category(c) not in _PICTURES)
    for letter, shape in _SAME_SHAPES:
        skeleton = skeleton.replace(letter, shape)
    return skeleton[_leading(skeleton) : len(skeleton) - _leading(reversed(skeleton))]


def _leading(characters: Iterable[str]) -> int:
    """How many blanks and punctuation marks come before anything else."""
    return sum(1 for _ in takewhile(lambda character: unicodedata.category(character)[0] in "PSZ", characters))
