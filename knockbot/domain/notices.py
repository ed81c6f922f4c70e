"""What knockbot has to say, and every reason that it stores: a code with typed arguments, and no sentence.

`notice("invite.used", user=User(…), room=Room(…))` is made when something happens. It is stored as JSON and compared
as a value; it becomes a sentence, in the reader's language, only when it is sent (`chat/catalogue.py`). The type of an
argument says what it is, so that rendering knows how to make it harmless.

What is read back may be old, cut off or hostile. Anything that is no notice becomes `UNKNOWN`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, fields
from typing import Any, TypeAlias

from knockbot.documents.text import storable

LONGEST = 20_000
"""Characters of one text that are kept: a policy that is shown has half as many at most."""

MOST_ARGUMENTS = 16
MOST_ITEMS = 1000
"""Items of one list that are kept: no event holds so many lines."""

MOST_NUMBERS = 20
"""Requests that one sentence names."""

DEEPEST = 32
"""Levels of notices and lists inside each other: a policy nests conditions eight deep, and each has its reason."""

GREATEST = 2**53 - 1
"""The largest number that every reader of JSON reads the same way."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """An argument whose texts can be stored, and whose numbers every program reads alike."""

    def __post_init__(self) -> None:
        """Cut what exceeds the limits."""
        for part in fields(self):
            value = getattr(self, part.name)
            object.__setattr__(self, part.name, _text(value) if isinstance(value, str) else _number(value))


def _text(text: str) -> str:
    return storable(str(text)[:LONGEST])


def _number(number: int) -> int:
    return max(-GREATEST, min(GREATEST, int(number)))


@dataclass(frozen=True, slots=True)
class User(Bounded):
    """A user, always shown by the full ID."""

    user_id: str


@dataclass(frozen=True, slots=True)
class Profile(Bounded):
    """A user with a link to their profile: the one that a card is about."""

    user_id: str


@dataclass(frozen=True, slots=True)
class Name(Bounded):
    """The name that somebody gave themselves."""

    text: str


@dataclass(frozen=True, slots=True)
class Hidden(Bounded):
    """A stranger's text that is shown after a click; plain text has `command` instead, which shows all of it."""

    text: str
    limit: int
    command: str


@dataclass(frozen=True, slots=True)
class Sign(Bounded):
    """An emoji of ours."""

    emoji: str


@dataclass(frozen=True, slots=True)
class Room(Bounded):
    """A room, shown by what people call it."""

    room_id: str
    label: str


@dataclass(frozen=True, slots=True)
class Id(Bounded):
    """A Matrix ID or an alias, shown in full."""

    text: str


@dataclass(frozen=True, slots=True)
class Stranger(Bounded):
    """What a stranger wrote: cut at `limit` characters when it is shown, nothing hidden in it, and no link."""

    text: str
    limit: int = 500


@dataclass(frozen=True, slots=True)
class Letters(Bounded):
    """What somebody wrote, to be read letter by letter: the name of a server, what was typed. No link."""

    text: str
    limit: int = 255


@dataclass(frozen=True, slots=True)
class Foreign(Bounded):
    """The text of another program: an error of the homeserver."""

    text: str


@dataclass(frozen=True, slots=True)
class Code(Bounded):
    """What people copy letter by letter: a command, a key of the config. The same in every language."""

    text: str


@dataclass(frozen=True, slots=True)
class Term(Bounded):
    """A term of the policy language: a verdict, a setting. It is code, and the same in every language."""

    text: str


@dataclass(frozen=True, slots=True)
class Rule(Bounded):
    """A rule of a policy: by its name, or by its place (`#3`)."""

    name: str
    origin: str = ""
    """What people call the room whose policy it is a part of, if that is another room."""


@dataclass(frozen=True, slots=True)
class Document(Bounded):
    """A document, shown as it was written: a policy."""

    text: str


@dataclass(frozen=True, slots=True)
class Choice(Bounded):
    """Which of several sentences is meant: `Choice("left")` picks `inviter.fell/left` of the code `inviter.fell`."""

    value: str


@dataclass(frozen=True, slots=True)
class Number(Bounded):
    """How many; a sentence may have a plural for it."""

    value: int


@dataclass(frozen=True, slots=True)
class Numbered(Bounded):
    """A request by its number: #12."""

    number: int


@dataclass(frozen=True, slots=True)
class Level(Bounded):
    """A power level; most are whole numbers."""

    text: str


@dataclass(frozen=True, slots=True)
class Moment(Bounded):
    """A moment, in milliseconds since the epoch, as the clocks of a time zone show it."""

    at: int
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Day(Bounded):
    """The day of a moment, in milliseconds since the epoch, in a time zone."""

    at: int
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Duration(Bounded):
    """A length of time."""

    milliseconds: int


@dataclass(frozen=True, slots=True)
class Span(Duration):
    """A length of time that somebody set: it is not rounded."""


@dataclass(frozen=True, slots=True)
class Ago(Bounded):
    """How long ago something was."""

    milliseconds: int


@dataclass(frozen=True, slots=True)
class Many:
    """Several things with commas between them."""

    items: tuple[Arg, ...]

    def __post_init__(self) -> None:
        """Keep only as many as can be read back."""
        object.__setattr__(self, "items", tuple(self.items[:MOST_ITEMS]))


@dataclass(frozen=True, slots=True)
class Lines(Many):
    """The same, each on its own line."""


@dataclass(frozen=True, slots=True)
class Sentences(Many):
    """The same, one after the other."""


@dataclass(frozen=True, slots=True)
class Dotted(Many):
    """The same, with dots between them."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to say, or a reason: a code, and its arguments by name. `chat/sentences/` has the sentence."""

    code: str
    args: Mapping[str, Arg] = field(default_factory=dict)

    def __hash__(self) -> int:
        """Equal notices are one."""
        return hash(dumps(self))


Plain: TypeAlias = (
    User
    | Profile
    | Name
    | Hidden
    | Sign
    | Room
    | Id
    | Stranger
    | Letters
    | Foreign
    | Code
    | Term
    | Rule
    | Document
    | Choice
    | Number
    | Numbered
    | Level
    | Moment
    | Day
    | Duration
    | Span
    | Ago
)
Arg: TypeAlias = Plain | Many | Notice

_PLAIN: Mapping[str, type[Any]] = {
    "user": User,
    "profile": Profile,
    "name": Name,
    "hidden": Hidden,
    "sign": Sign,
    "room": Room,
    "id": Id,
    "stranger": Stranger,
    "letters": Letters,
    "foreign": Foreign,
    "code": Code,
    "term": Term,
    "rule": Rule,
    "document": Document,
    "choice": Choice,
    "number": Number,
    "numbered": Numbered,
    "level": Level,
    "moment": Moment,
    "day": Day,
    "duration": Duration,
    "span": Span,
    "ago": Ago,
}
"""The name of each kind of argument in storage; its fields follow."""

_LISTS: Mapping[str, type[Many]] = {
    "many": Many,
    "lines": Lines,
    "sentences": Sentences,
    "dotted": Dotted,
}
_TAGS: Mapping[type[Any], str] = {kind: tag for tag, kind in {**_PLAIN, **_LISTS}.items()}
_TYPES: Mapping[str, list[type[Any]]] = {
    tag: [int if part.type == "int" else str for part in fields(kind)] for tag, kind in _PLAIN.items()
}

UNKNOWN = Notice("unknown", {"code": Code("?")})
"""The notice for one that cannot be read."""


def notice(code: str, /, **args: Arg) -> Notice:
    """Something to say, or a reason."""
    return Notice(code, args)


def because(code: str, /, **args: Arg) -> Notice:
    """A reason that is stored; its sentence is in `reasons.py`."""
    return Notice(code, args)


def below(*parts: Notice | None) -> Notice:
    """Notices below each other, as one; `None` is left out."""
    return rows(part for part in parts if part is not None)


def rows(parts: Iterable[Arg]) -> Notice:
    """The same, for every notice."""
    return notice("lines", lines=Lines(tuple(parts)))


def brief(said: Notice) -> str:
    """A notice for the log: its code, and what was put in."""
    return f"{said.code} ({', '.join(f'{name} {_brief(arg)}' for name, arg in said.args.items())})"


def _brief(arg: Arg) -> str:
    if isinstance(arg, Notice):
        return brief(arg)
    if isinstance(arg, Many):
        return ", ".join(map(_brief, arg.items))
    return str(astuple(arg)[0])


def rooms_in(said: Notice) -> Iterator[Room]:
    """Every room that a notice names, however deep."""
    return (arg for arg in _within(said) if isinstance(arg, Room))


def notices_in(said: Notice) -> Iterator[Notice]:
    """A notice, and every notice inside it, however deep."""
    return (arg for arg in _within(said) if isinstance(arg, Notice))


def _within(said: Notice) -> Iterator[Arg]:
    waiting: list[Arg] = [said]
    while waiting:
        arg = waiting.pop()
        yield arg
        if isinstance(arg, Notice):
            waiting += arg.args.values()
        elif isinstance(arg, Many):
            waiting += arg.items


def listed(items: Iterable[Arg]) -> Many:
    """Several things with commas between them."""
    return Many(tuple(items))


def numbered(numbers: Sequence[int]) -> Many:
    """Requests by their numbers, no more than people read."""
    shown: list[Arg] = [Numbered(number) for number in numbers[:MOST_NUMBERS]]
    more = len(numbers) - MOST_NUMBERS
    return listed([*shown, notice("list.more", count=Number(more))] if more > 0 else shown)


# --- as JSON --------------------------------------------------------------------------------------------------


def dumps(said: Notice) -> str:
    """A notice as it is stored by itself; equal notices are equal texts."""
    return json.dumps(encoded(said), sort_keys=True, separators=(",", ":"))


def loads(stored: str | None) -> Notice:
    """A notice as it was stored by itself; `UNKNOWN` if it is no notice."""
    try:
        return decoded(json.loads(stored or ""))
    except (ValueError, RecursionError):
        return UNKNOWN


def encoded(said: Notice) -> dict[str, Any]:
    """A notice as JSON, to be stored with other things."""
    return _encoded_notice(said, 0)


def decoded(value: object) -> Notice:
    """A notice from JSON; `UNKNOWN` if it is no notice."""
    try:
        return _notice(value, 0)
    except _NoNotice:
        return UNKNOWN


class _NoNotice(Exception):
    """What is read is no notice."""


_CODE = re.compile(r"[a-z][a-z0-9_.]{0,99}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def _encoded_notice(said: Notice, depth: int) -> dict[str, Any]:
    if depth >= DEEPEST:
        said = UNKNOWN
    return {"code": said.code, "args": {name: _encoded(arg, depth + 1) for name, arg in said.args.items()}}


def _encoded(arg: Arg, depth: int) -> Any:
    if isinstance(arg, Notice):
        return _encoded_notice(arg, depth)
    if isinstance(arg, Many):
        return [_TAGS[type(arg)], [_encoded(item, depth + 1) for item in arg.items if depth < DEEPEST]]
    return [_TAGS[type(arg)], *astuple(arg)]


def _notice(value: object, depth: int) -> Notice:
    if not isinstance(value, dict) or depth > DEEPEST:
        raise _NoNotice
    code, args = value.get("code"), value.get("args")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        raise _NoNotice
    if not isinstance(args, dict) or len(args) > MOST_ARGUMENTS or not all(map(_NAME.fullmatch, args)):
        raise _NoNotice
    return Notice(code, {name: _arg(arg, depth + 1) for name, arg in args.items()})


def _arg(value: object, depth: int) -> Arg:
    if isinstance(value, dict):
        return _notice(value, depth)
    if not isinstance(value, list) or not value or depth > DEEPEST + 1:
        raise _NoNotice
    tag, *parts = value
    if isinstance(tag, str) and tag in _LISTS:
        return _LISTS[tag](tuple(_arg(item, depth + 1) for item in _items(parts)))
    if not isinstance(tag, str) or [type(part) for part in parts] != _TYPES.get(tag):
        raise _NoNotice
    arg: Arg = _PLAIN[tag](*parts)
    return arg


def _items(parts: list[object]) -> list[object]:
    match parts:
        case [[*items]] if len(items) <= MOST_ITEMS:
            return items
    raise _NoNotice
