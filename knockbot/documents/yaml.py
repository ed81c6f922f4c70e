"""YAML as people write it: a small, safe part of YAML 1.2, and for every value the line it is on.

The parser's events are read one by one and nothing is ever constructed, so a document that is too deep or uses what
is refused (anchors, aliases, tags, merge keys) ends at that spot and costs nothing more.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)

from knockbot.documents.reading import found
from knockbot.documents.text import shown
from knockbot.errors import Fault

Path = tuple[str | int, ...]
"""The way to a value inside a document: ``("rules", 2, "when", "server")``."""

DEEPEST = 32
"""Collections inside collections; the outermost counts as one.

More than the language of policies allows: that has its own limit (`criteria.MAX_DEPTH`) with a better message.
"""

LONGEST = 64 * 1024
"""Characters in a document, unless the caller says otherwise: no Matrix event is longer."""

LARGEST = 2**53 - 1
"""The largest whole number, as in Matrix's canonical JSON: beyond it, programs disagree on what was written."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a person wrote, as plain values, together with the place of each value."""

    value: Any
    """dict, list, str, int, float, bool or None, and nothing else all the way down; every key is a str."""
    name: str = ""
    lines: Mapping[Path, int] = field(default_factory=dict, repr=False)

    def where(self, path: Path = ()) -> str:
        """The place as text: ``config.yaml:12``, or ``line 12`` in a document without a name.

        What is not written (a missing key) has the place of the nearest thing around it.
        """
        while path and path not in self.lines:
            path = path[:-1]
        return _place(self.name, self.lines.get(path, 1))

    def located(self, fault: Fault) -> Fault:
        """The same fault, with its place in this document."""
        return fault.located(self.where(fault.path))


def read_document(text: str, name: str = "", *, deepest: int = DEEPEST, longest: int = LONGEST) -> Document:
    """Read one YAML document.

    The scalars are those of YAML 1.2's core schema: ``yes`` and ``2026-11-21`` are text. Raises `Fault`, naming the
    line, for anything malformed, ambiguous (the same key twice) or refused; and for a document with nothing in it.
    """
    if len(text) > longest:
        raise Fault("too long: {length} characters, at most {most}", where=name, length=len(text), most=longest)
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return _Reading(text, name, deepest).document()


def dump(value: Any) -> str:
    """The value as YAML in block style, its keys in their order; `read_document` gives the same value back."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # its default is None
    yaml.width = 2**16  # never fold a line: a pattern broken in two is hard to read
    yaml.representer.ignore_aliases = lambda _data: True
    out = StringIO()
    yaml.dump(value, out)
    return out.getvalue()


def unfenced(text: str) -> str:
    """The YAML in a chat message, without the code fence that may be around it.

    Some clients indent with no-break spaces; YAML knows none, so they become plain ones.
    """
    text = text.replace("\u00a0", " ")
    body = text.strip()
    if not body.startswith(_FENCE):
        return text
    info, _, rest = body.removeprefix(_FENCE).partition("\n")
    if info.strip() and not info.strip().isalnum():  # everything on one line
        rest = f"{info}\n{rest}"
    return rest.rstrip().removesuffix(_FENCE)


_FENCE = "```"


# --- the walk over the events -----------------------------------------------------------------------------------

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""Control characters, line breaks that only some programs recognise, and what UTF-8 cannot hold."""

_DIRECTIVE = re.compile(r"^%", re.MULTILINE)

_BEYOND_UNICODE = re.compile(r"\\U(?!000|0010)[0-9A-Fa-f]{8}")

_REFUSED = {
    "alias": 'aliases are not accepted; text that begins with "*" needs quotes',
    "anchor": 'anchors are not accepted; text that begins with "&" needs quotes',
    "tag": 'tags are not accepted; text that begins with "!" needs quotes',
    "directive": 'directives are not accepted; text that begins with "%" needs quotes',
}


class _Reading:
    """One document being read."""

    def __init__(self, text: str, name: str, deepest: int) -> None:
        self.text = text
        self.name = name
        self.deepest = deepest
        self.lines: dict[Path, int] = {}
        self.events = self._parsed()

    def document(self) -> Document:
        self._refuse_forbidden(self.text)
        # Before the parser sees it: on an odd version ruamel fails with any error that int() or an assert raises.
        if directive := _DIRECTIVE.search(self.text):
            raise self._fault(_REFUSED["directive"], _line_of(directive))
        next(self.events)  # the start of the stream
        start = next(self.events)
        if isinstance(start, StreamEndEvent):
            raise self._fault("nothing is written here", 1)
        value = self._value(next(self.events), ())
        if value is None:
            raise self._fault("nothing is written here", 1)
        next(self.events)  # the end of the document
        if isinstance(following := next(self.events), DocumentStartEvent):
            raise self._fault("a second document begins here; only one is accepted", _line(following))
        return Document(value, self.name, self.lines)

    def _value(self, event: Event, path: Path) -> Any:
        line = _line(event)
        self.lines.setdefault(path, line)
        self._refuse_reference(event)
        if isinstance(event, ScalarEvent):
            return self._scalar(event)
        if len(path) >= self.deepest:
            raise self._fault("nested too deeply: at most {most} levels", line, most=self.deepest)
        return self._mapping(path) if isinstance(event, MappingStartEvent) else self._sequence(path)

    def _mapping(self, path: Path) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self.events), MappingEndEvent):
            key = self._key(event)
            here = (*path, key)
            if key in mapping:
                first = self.lines[here]
                said = "the key {found} is here a second time (first: line {first})"
                raise self._fault(said, event, found=found(key), first=first)
            self.lines[here] = _line(event)
            mapping[key] = self._value(next(self.events), here)
        return mapping

    def _sequence(self, path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self.events), SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _key(self, event: Event) -> str:
        self._refuse_reference(event)
        if not isinstance(event, ScalarEvent):
            raise self._fault("a key must be text, and not a list or keys and values", event)
        if event.value == "<<":
            raise self._fault('merge keys ("<<") are not accepted', event)
        if event.style is None and (mark := _NO_HYPHEN.match(event.value)):
            raise self._fault('{mark} is no hyphen: type "- " before each part of a list', event, mark=mark[0])
        if event.style is None and _NO_BLANK.match(event.value):
            raise self._fault('a blank is missing behind the "-" of {found}', event, found=found(event.value))
        self._scalar(event)
        return str(event.value)  # a number, or a word such as true, is a name like any other where names are wanted

    def _scalar(self, event: ScalarEvent) -> Any:
        value = event.value
        self._refuse_forbidden(value, event)
        if event.style is not None:  # quoted, or a block of text
            return value
        if mark := _curly_quote(value):
            raise self._fault(_NO_QUOTATION_MARK, event, mark=mark)
        for pattern, meaning in SCALARS:
            if pattern.fullmatch(value):
                try:
                    return meaning(value)
                except OverflowError as error:
                    raise self._fault(error.args[0], event, number=error.args[1]) from None
        return value

    def _refuse_reference(self, event: Event) -> None:
        if isinstance(event, AliasEvent):
            raise self._fault(_REFUSED["alias"], event)
        if getattr(event, "anchor", None):
            raise self._fault(_REFUSED["anchor"], event)
        if getattr(event, "tag", None):
            raise self._fault(_REFUSED["tag"], event)

    def _refuse_forbidden(self, text: str, event: Event | None = None) -> None:
        if found := _FORBIDDEN.search(text):
            spot = event or _line_of(found)
            said = "the character {character} is not accepted"
            if event is not None:  # it is in an escape; in the text itself it would have been found
                said = ESCAPED
            raise self._fault(said, spot, character=f"U+{ord(found[0]):04X}")

    def _parsed(self) -> Iterator[Event]:
        """The parser's events; what it cannot parse becomes a fault of one line."""
        try:
            yield from YAML(typ="safe", pure=True).parse(self.text)
        except MarkedYAMLError as error:
            raise self._malformed(error) from None
        except (ValueError, OverflowError):
            # ruamel hands the number in an escape straight to chr().
            beyond = _BEYOND_UNICODE.search(self.text)
            line = _line_of(beyond) if beyond else 1
            raise self._fault("not valid YAML: no character has the number in this escape", line) from None

    def _malformed(self, error: MarkedYAMLError) -> Fault:
        problem, context = error.problem or "", error.context or ""
        begun = error.context_mark or error.problem_mark
        spot = error.problem_mark or begun
        said, words = NOT_VALID, f"{context}, {problem}" if context else problem
        for pattern, mend in MENDS:
            if pattern.search(f"{context}: {problem}"):
                said = mend
                spot = begun if "closed" in mend else spot
                break
        if found := _CANNOT_BEGIN.search(problem):
            return self._fault(_NEEDS_QUOTES, spot.line + 1 if spot else 1, character=found["character"])
        lines = self.text.split("\n")
        if begun and spot and "flow" in context:
            for number, written in enumerate(lines[begun.line : spot.line + 1], begun.line + 1):
                if _NOTE_IN_BRACKETS.search(written):
                    return self._fault(_NEEDS_QUOTES, number, character="#")
        line = lines[spot.line : spot.line + 1] if spot else []
        number = spot.line + 1 if spot else 1
        if curly := _CURLY.search("".join(line)):
            return self._fault(_NO_QUOTATION_MARK, number, mark=curly[0])
        return self._fault(said, number, **({"words": shown(words, 300)} if said is NOT_VALID else {}))

    def _fault(self, template: str, at: Event | int, **args: Any) -> Fault:
        line = at if isinstance(at, int) else _line(at)
        return Fault(template, where=_place(self.name, line), **args)


NOT_VALID = "not valid YAML: {words}"
_NEEDS_QUOTES = 'text that begins with "{character}" needs quotes'


_CURLY = re.compile("[\u201c\u201d\u201e\u201f]")
_CURLY_BEGINS = re.compile("[\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f]")
_NO_QUOTATION_MARK = '{mark} is not a quotation mark in YAML: type ", or put " around text that has it'


def _curly_quote(text: str) -> str | None:
    """The curly quotation mark that a keyboard wrote instead of a plain one, where it is used like a plain one.

    In the middle of a text it is part of the text, like the apostrophe in “don’t”.
    """
    curly = _CURLY.findall(text)
    alone = len(curly) == 1 and text.endswith(curly[0])
    return text[0] if _CURLY_BEGINS.match(text) else curly[0] if alone else None


_NO_HYPHEN = re.compile("[\u2010-\u2015\u2022\u2212](?=\\s)")
"""A dash or another mark that a keyboard or a text program made of the hyphen before a part of a list."""

_NO_BLANK = re.compile(r"-[^\W\d]")

_NOTE_IN_BRACKETS = re.compile(r"[:,\[{]\s+#\S")
"""For YAML the rest of such a line is a comment, including the closing bracket."""

_CANNOT_BEGIN = re.compile(r"found character '(?P<character>[@`%|>])' that cannot start any token")

ESCAPED = (
    'the character {character} is not accepted; a "\\" in double quotes needs another one before it, or single quotes'
)

BACKSLASH = 'a "\\" in double quotes needs another one before it, or single quotes'

MENDS = (
    (re.compile(r"found character '\\t' that cannot"), "indent with spaces, not with tabs"),
    (re.compile(r"scanning an alias"), _REFUSED["alias"]),
    (re.compile(r"scanning an anchor"), _REFUSED["anchor"]),
    (re.compile(r"(scanning|parsing) an? tag|tag handle"), _REFUSED["tag"]),
    (re.compile(r"scanning a directive"), _REFUSED["directive"]),
    (re.compile(r"block scalar: expected"), 'text that begins with "|" or ">" needs quotes'),
    (re.compile(r"quoted scalar: found unexpected end of stream"), "a quotation mark is never closed"),
    (re.compile(r"flow (sequence|mapping|node): .*<stream end>"), "a bracket is never closed"),
    (
        re.compile(r"flow (sequence|mapping): expected ','"),
        "a bracket that begins here is never closed, or a comma is missing in it",
    ),
    (re.compile(r"unknown escape character"), BACKSLASH),
    (re.compile(r"expected '<document start>'"), "there is something after the end of the document"),
    (
        re.compile(r"mapping values are not allowed"),
        'a ":" where none is possible: begin a new line, or put quotes around text with ":"',
    ),
    (re.compile(r"could not find expected ':'"), 'a line that is not "key: value"'),
    (re.compile(r"block (mapping|collection): .*<block end>"), "this line is not indented like those around it"),
)
"""What the parser says, and what a person can do about it."""


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1


def _line_of(found: re.Match[str]) -> int:
    return found.string.count("\n", 0, found.start()) + 1


def _place(name: str, line: int) -> str:
    return f"{name}:{line}" if name else f"line {line}"


# --- scalars ------------------------------------------------------------------------------------------------------


def _whole_number(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    # Python refuses to convert very long digits; none that long is within the limit.
    number = int(text, base) if len(text) <= 100 else LARGEST + 1
    if abs(number) > LARGEST:
        raise OverflowError("the number {number} is too large", shown(text, 30))
    return number


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise OverflowError("the number {number} is too large", shown(text, 30))
    return number


def _not_finite(text: str) -> float:
    raise OverflowError("{number} is not accepted as a number; put it in quotes if it is text", text)


SCALARS: tuple[tuple[re.Pattern[str], Callable[[str], Any]], ...] = (
    (re.compile(r"~|null|Null|NULL|"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"), _whole_number),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), _number),
    (re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"), _not_finite),
)
"""What an unquoted word means, by YAML 1.2's core schema (chapter 10.3.2); every other word is text."""
