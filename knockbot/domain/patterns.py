"""Patterns that room admins write for strangers' text: RE2, so that the time is linear in the length of the text.

RE2 lets other threads work while it matches.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import re2

from knockbot.documents.text import storable
from knockbot.errors import Fault

MAX_SOURCE = 1000
"""The most characters of a pattern."""

MAX_SIZE = 5000
"""Instructions (steps) a pattern may compile to. RE2's time is linear in the text, but also in this: in the worst case,
one step takes half a nanosecond for each byte of the text. ``\\pL`` alone is 1200."""

MEMORY = 16 * 1024
STEP_MEMORY = 256
"""Bytes that a pattern may take, and how many more for each of its steps. RE2 respects this limit: if it is too low for
its fast algorithm, RE2 uses its slow one."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled RE2 pattern; `size` is the number of its steps."""

    source: str
    size: int
    _program: Any = field(compare=False, repr=False)

    @property
    def memory(self) -> int:
        """The most bytes of memory that it needs."""
        return MEMORY + STEP_MEMORY * self.size

    def found_in(self, text: str) -> bool:
        """Whether some part of the text matches."""
        return self._program.search(storable(text).encode()) is not None


def pattern(source: str) -> Pattern:
    """Compile an RE2 pattern; `Fault`, with RE2's message, if it is invalid or would be too slow."""
    source = storable(source)
    if len(source) > MAX_SOURCE:
        raise Fault("the pattern is too long: {length} characters, at most {most}", length=len(source), most=MAX_SOURCE)
    try:
        size = re2.compile(source, _options()).programsize
    except re2.error as error:
        raise Fault("not a pattern that RE2 understands: {words}", words=_own_words(error)) from None
    if size > MAX_SIZE:
        raise Fault("the pattern is too large: it compiles to {size} steps, at most {most}", size=size, most=MAX_SIZE)
    return Pattern(source, size, re2.compile(source, _options(MEMORY + STEP_MEMORY * size)))


def _options(memory: int | None = None) -> Any:
    options = re2.Options()
    options.log_errors = False  # otherwise RE2 also writes each error to stderr
    options.never_capture = True  # only whether it matches is needed, and that is much faster
    options.dot_nl = True  # an old display name may hold a newline
    if memory is not None:
        options.max_mem = memory
    return options


def _own_words(error: Exception) -> str:
    words = error.args[0] if error.args else ""
    return words.decode(errors="replace") if isinstance(words, bytes) else str(words)
