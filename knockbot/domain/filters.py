"""Filters: which of the pending requests somebody means, by server, user, text and waiting time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from knockbot.documents.reading import duration, written_duration
from knockbot.documents.text import gist
from knockbot.domain.ids import MAX_ID_BYTES, host_of, matches, server_of
from knockbot.domain.model import Request
from knockbot.domain.notices import Code, Notice, Number, Stranger, brief, notice
from knockbot.errors import Fault

LONGEST_TEXT = 200
"""Characters that `text` looks for at most."""

SHOWN = 60
"""Characters of a word that a complaint repeats."""


class NotFilters(Exception):
    """Filters that cannot be meant, as `said` says."""

    def __init__(self, said: Notice) -> None:
        super().__init__(brief(said))
        self.said = said


@dataclass(frozen=True, slots=True)
class Filters:
    """What a request must fit; what is not set fits all."""

    server: str | None = None
    """A glob for the server of the applicant, in lower case and without port."""
    user: str | None = None
    """A glob for the user ID of the applicant, in lower case."""
    text: str | None = None
    """What the reason contains, as a reader sees it, in whichever case (`gist`)."""
    older: int | None = None
    """Milliseconds that the request has waited at least."""
    newer: int | None = None
    """Milliseconds that it has waited at most."""

    def fit(self, request: Request, now: int) -> bool:
        """Whether a request fits all of them at a moment. Of a long reason only the beginning counts."""
        waited = now - request.opened_at
        return (
            (self.server is None or matches(self.server, host_of(server_of(request.subject))))
            and (self.user is None or matches(self.user, request.subject.lower()))
            and (self.older is None or waited >= self.older)
            and (self.newer is None or waited <= self.newer)
            and (self.text is None or self.text in gist(request.reason))
        )

    @property
    def written(self) -> str:
        """They as a command would have them; empty if there are none."""
        spans = {"older": self.older, "newer": self.newer}
        words = {"server": self.server, "user": self.user}
        said = [f"{name}:{_quoted(word)}" for name, word in words.items() if word is not None]
        said += [f'text:"{self.text}"'] if self.text is not None else []
        said += [f"{name}:{written_duration(span)}" for name, span in spans.items() if span is not None]
        return " ".join(said)


EVERYBODY = Filters()


def _quoted(word: str) -> str:
    return f'"{word}"' if " " in word else word


def read(text: str) -> tuple[Filters, str]:
    """The filters in a text, in any order, and the rest of the text.

    Raises `NotFilters` for one that is written wrongly, or that is given twice; what is said names it.
    """
    found = EVERYBODY
    for written in _FILTER.finditer(text):
        name = written["name"].lower()
        if getattr(found, name) is not None:
            raise NotFilters(notice("ask.filter_twice", filter=Code(f"{name}:")))
        found = replace(found, **{name: READERS[name](name, _value(name, written))})
    rest = " ".join(_FILTER.sub(" ", text).split())
    unknown = _ANY_FILTER.search(rest)
    if unknown is not None and unknown["name"].lower() not in READERS:
        names = Code(" ".join(f"{name}:" for name in READERS))
        raise NotFilters(notice("ask.filter_unknown", text=Stranger(unknown[0], SHOWN), filters=names))
    return found, rest


def first_in(text: str) -> str | None:
    """The first filter that a text has, as it is written."""
    found = next((one for one in _FILTER.finditer(text) if one["quoted"] or one["word"]), None)
    return found[0] if found is not None else None


_OPEN, _CLOSE = '"\u201c\u201d\u201e\u00ab\u00bb', '"\u201c\u201d\u00ab\u00bb'
"""Quotes as people and phones write them: “…”, „…“, «…», »…«."""

_FILTER = re.compile(
    rf"(?<!\S)(?P<name>server|user|text|older|newer):"
    rf"(?:[{_OPEN}](?P<quoted>[^{_OPEN}]*)[{_CLOSE}](?!\S)|(?P<word>\S*))",
    re.IGNORECASE,
)
_ANY_FILTER = re.compile(r"(?<!\S)(?!matrix:)(?P<name>[a-z]{2,20}):(?!//)\S*", re.IGNORECASE)
"""What looks like a filter, known or not; not a link."""


def _value(name: str, written: re.Match[str]) -> str:
    """What stands behind the colon, without its quotes."""
    value: str = written["quoted"] if written["quoted"] is not None else written["word"]
    if not value.strip() or (written["quoted"] is None and value[0] in _OPEN):
        raise NotFilters(notice("ask.filter_empty", filter=Code(EXAMPLES[name])))
    return value


def _glob(name: str, value: str) -> str:
    if len(value) > MAX_ID_BYTES:
        raise NotFilters(notice("ask.filter_long", filter=Code(f"{name}:"), most=Number(MAX_ID_BYTES)))
    return value.lower()


def _words(name: str, value: str) -> str:
    words = gist(value)
    if len(value) > LONGEST_TEXT:
        raise NotFilters(notice("ask.filter_long", filter=Code(f"{name}:"), most=Number(LONGEST_TEXT)))
    if not words:
        raise NotFilters(notice("ask.filter_empty", filter=Code(EXAMPLES[name])))
    return words


def _span(name: str, value: str) -> int:
    try:
        return duration(value.lower(), ())
    except Fault:
        text = Stranger(f"{name}:{value}", SHOWN)
        raise NotFilters(notice("ask.filter_time", text=text, example=Code(EXAMPLES[name]))) from None


READERS: Mapping[str, Callable[[str, str], Any]] = {
    "server": _glob,
    "user": _glob,
    "text": _words,
    "older": _span,
    "newer": _span,
}
"""How the value of each filter is read."""

EXAMPLES: Mapping[str, str] = {
    "server": "server:*.example.org",
    "user": "user:@spam*",
    "text": 'text:"free money"',
    "older": "older:1d",
    "newer": "newer:1h",
}
