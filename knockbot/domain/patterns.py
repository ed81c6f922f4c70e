"""Patterns that room admins write and strangers' text is held against: RE2, so the time taken is linear in the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import re2

from knockbot.domain.text import storable
from knockbot.errors import Fault

MAX_SOURCE = 1000
"""Characters a pattern may have."""

MAX_SIZE = 5000
"""Instructions a pattern may compile to. RE2's time is linear in the text, but also in this: at this size a reason
of 60 kB takes some two seconds at the very worst. ``\\pL`` alone is 1200."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled RE2 pattern; `size` is the number of its instructions."""

    source: str
    size: int
    _program: Any = field(compare=False, repr=False)

    def found_in(self, text: str) -> bool:
        """Whether some part of the text matches."""
        return self._program.search(storable(text).encode()) is not None

    def fits(self, text: str) -> bool:
        """Whether the text matches as a whole."""
        return self._program.fullmatch(storable(text).encode()) is not None


def pattern(source: str) -> Pattern:
    """Compile an RE2 pattern; `Fault`, in RE2's own words, if it is none or would be too slow."""
    source = storable(source)
    if len(source) > MAX_SOURCE:
        raise Fault(f"the pattern is too long: {len(source)} characters, at most {MAX_SOURCE}")
    try:
        program = re2.compile(source, _options())
    except re2.error as error:
        raise Fault(f"not a pattern that RE2 understands: {_own_words(error)}") from None
    if program.programsize > MAX_SIZE:
        raise Fault(f"the pattern is too large: it compiles to {program.programsize} steps, at most {MAX_SIZE}")
    return Pattern(source, program.programsize, program)


def escaped(text: str) -> str:
    """The pattern that matches just this text."""
    return str(re2.escape(storable(text)))


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False  # else RE2 writes each fault to stderr as well
    options.never_capture = True  # only whether it matches is asked, and that is much faster
    options.dot_nl = True  # an old user ID may hold a newline
    return options


def _own_words(error: Exception) -> str:
    words = error.args[0] if error.args else ""
    return words.decode(errors="replace") if isinstance(words, bytes) else str(words)
