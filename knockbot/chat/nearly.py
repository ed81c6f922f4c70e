"""Whether words that follow a command begin with something that was probably meant as a room, and not as a text."""

from __future__ import annotations

import difflib
import re

from knockbot.chat.typed import LONGEST_NAME
from knockbot.documents.text import plain

ALIKE = 0.75
"""The likeness (0 to 1) from which on words are nearly a name: one letter more, less or swapped in a short name."""

_LITTLE = frozenset(
    [
        "the",
        "a",
        "at",
        "in",
        "on",
        "for",
        "only",
        "just",
        "to",
        "from",
        "and",
        "der",
        "die",
        "das",
        "den",
        "dem",
        "im",
        "am",
        "an",
        "auf",
        "bei",
        "für",
        "nur",
        "und",
    ]
)
"""Words that people put before the name of a room."""

_ALL = frozenset({"all", "all rooms", "both", "both rooms", "everywhere", "alle", "beide", "überall"})
"""Texts that are nothing but a word for all rooms."""


def is_all(text: str) -> bool:
    """Whether a text says nothing but that all are meant."""
    return " ".join(_letters(text)) in _ALL


def begins_nearly(text: str, name: str) -> bool:
    """Whether a text begins with a room's name or nearly with it: with a slip, after a little word, or cut short."""
    wanted, words = _letters(name), _letters(text)
    while words and words[0] in _LITTLE and words[: len(wanted)] != wanted:
        words = words[1:]
    if not words or not wanted:
        return False
    cut_short = words == wanted[: len(words)]
    return cut_short or any(_are_alike("".join(words[:count]), "".join(wanted)) for count in {1, len(wanted)})


def _are_alike(typed: str, wanted: str) -> bool:
    return difflib.SequenceMatcher(None, typed, wanted, autojunk=False).ratio() >= ALIKE


def _letters(text: str) -> list[str]:
    words = plain(text[:LONGEST_NAME]).casefold().split()
    return [letters for word in words if (letters := re.sub(r"\W", "", word))]
