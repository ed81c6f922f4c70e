"""Tables of keys: what may be in a mapping that people write, what reads each value, and what applies without it.

A table is written in one of two ways. `key` puts its rows on the fields of a dataclass, where what is read is kept:

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Metrics:
        enabled: bool = key(yes_or_no, written=False)

and `table` takes rows of `Key` where what is read goes on into something else. Either way a key is one row.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Generic, TypeVar, overload

from knockbot.documents.reading import Path, found, mapping, one_of, unknown_word
from knockbot.errors import Fault

T = TypeVar("T")
D = TypeVar("D")
E = TypeVar("E", bound=StrEnum)

Reader = Callable[[object, Path], T]
"""Reads the value at a path, or raises `Fault` with the path to what is wrong in it."""

NEEDED: Any = object()
"""In the place of a default: the key must not be left out."""


class Faults(Fault):
    """Several mistakes found at once; the text has one line for each."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))


def each(fault: Fault) -> tuple[Fault, ...]:
    """The single mistakes of a fault, in the order they were found."""
    return fault.faults if isinstance(fault, Faults) else (fault,)


# --- rows ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Key:
    """A row of a table: a key, what reads its value, and what applies where the key is left out."""

    name: str
    read: Reader[Any]
    default: Any = NEEDED
    written: Any = NEEDED
    """The default as people write it, where it can be written."""
    field: str = ""
    """The field that keeps the value, where it has another name than the key."""
    secret: bool = False
    """Whether it is never shown, and may also be in a file, named by the key with ``_file`` behind it."""

    @property
    def in_file(self) -> str:
        """The key beside it that names a file with the value."""
        return f"{self.name}_file"

    @property
    def is_text(self) -> bool:
        """Whether its value is text, or something that is written as a word. It counts as text where the default cannot
        be written, or where there is none."""
        return not isinstance(self.read, (Form, Named)) and (self.written is NEEDED or isinstance(self.written, str))


Table = Mapping[str, Key]


def table(*rows: Key) -> Table:
    """A table of keys, by name."""
    return {row.name: row for row in rows}


@overload
def key(read: Reader[T], *, name: str = "", secret: bool = False) -> T: ...
@overload
def key(read: Reader[T], *, written: object, name: str = "", secret: bool = False) -> T: ...
@overload
def key(read: Reader[T], *, default: D, name: str = "", secret: bool = False) -> T | D: ...
def key(
    read: Reader[Any], *, written: Any = NEEDED, default: Any = NEEDED, name: str = "", secret: bool = False
) -> Any:
    """A field of a dataclass that is a row of its table: a key that must be there, or has a default.

    A default is given as people would write it (`written`), so that the manual can be checked against it, or as it is.
    """
    if written is not NEEDED:
        default = read(written, ())
    row = Key(name, read, default, written, secret=secret)
    held = dataclasses.MISSING if default is NEEDED else default
    return dataclasses.field(default=held, repr=not secret, metadata={Key: row})


def keys_of(kept_in: type) -> Table:
    """The table that the fields of a dataclass make up."""
    rows = ((field.name, field.metadata[Key]) for field in dataclasses.fields(kept_in) if Key in field.metadata)
    return table(*(replace(row, name=row.name or name, field=name) for name, row in rows))


# --- reading ------------------------------------------------------------------------------------------------------


def read_keys(keys: Table, value: object, path: Path) -> dict[str, Any]:
    """What a mapping with these keys, and no others, says for each of them; raises all faults in it at once."""
    held = mapping(value, path)
    faults = [_unknown(name, keys, path) for name in held if name not in keys]
    read: dict[str, Any] = {}
    for name, row in keys.items():
        try:
            read[row.field or name] = _read(row, held, path)
        except Fault as fault:
            faults += each(fault)
    if faults:
        raise faults[0] if len(faults) == 1 else Faults(faults)
    return read


def _read(row: Key, held: Mapping[str, object], path: Path) -> Any:
    if row.name in held:
        return row.read(held[row.name], (*path, row.name))
    if row.default is not NEEDED:
        return row.default
    if isinstance(row.read, (Form, Named)):  # it may need no key at all, or each missing one is named
        return row.read({}, (*path, row.name))
    raise Fault("missing", (*path, row.name))


def _unknown(name: str, keys: Table, path: Path) -> Fault:
    return unknown_word(name, known_names(keys), (), (*path, name), what="key")


def known_names(keys: Table) -> tuple[str, ...]:
    """The names that may be in a mapping, including those of files with secrets."""
    return (*keys, *(row.in_file for row in keys.values() if row.secret))


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    """A mapping with the keys of a table, read into a frozen value; one with nothing in it is an empty one."""

    make: Callable[..., T]
    keys: Table

    def __call__(self, value: object, path: Path) -> T:
        return self.make(**read_keys(self.keys, _part(value, path), path))

    def inside(self, step: str | int) -> Reader[Any] | None:
        """What reads the value of a key."""
        row = self.keys.get(str(step))
        return row.read if row else None

    def reading(self, **readers: Reader[Any]) -> Form[T]:
        """The same, with other readers for some keys; their defaults are read by these as well."""
        return replace(self, keys={name: _by(row, readers.get(name)) for name, row in self.keys.items()})


def _by(row: Key, reader: Reader[Any] | None) -> Key:
    if reader is None:
        return row
    return replace(row, read=reader, default=row.default if row.written is NEEDED else reader(row.written, ()))


def form(kept_in: type[T]) -> Form[T]:
    """What reads a mapping into a dataclass whose fields are a table."""
    return Form(kept_in, keys_of(kept_in))


@dataclass(frozen=True, slots=True)
class Named(Generic[T]):
    """A mapping whose keys people choose; one with nothing in it is an empty one."""

    name: Reader[str]
    value: Reader[T]

    def __call__(self, value: object, path: Path) -> dict[str, T]:
        read: dict[str, T] = {}
        faults: list[Fault] = []
        for name, held in _part(value, path).items():
            here = (*path, name)
            try:
                called = self.name(name, here)
                if called in read:
                    raise Fault("{found} is here a second time, in another spelling", here, found=found(called))
                read[called] = self.value(held, here)
            except Fault as fault:
                faults += each(fault)
        if faults:
            raise faults[0] if len(faults) == 1 else Faults(faults)
        return read

    def inside(self, _step: str | int) -> Reader[Any]:
        """What reads the value of any key."""
        return self.value


def _part(value: object, path: Path) -> Mapping[str, object]:
    # A part whose keys are all commented out is nothing to YAML.
    return {} if value is None else mapping(value, path)


def word(words: type[E], later: Iterable[str] = ()) -> Reader[E]:
    """Reads one word of an enumeration; those in `later` are words of a later version."""
    known, coming = tuple(words), tuple(later)

    def read(value: object, path: Path) -> E:
        return words(one_of(value, path, known, coming))

    return read
