"""From a row of a query to a value: the fields of a frozen dataclass say which columns are read, and how.

    _REQUEST = Row(Request, "requests", by="done_by", decision=Column("decision_json", _decision))
    rows = await tx.fetch(f"{_REQUEST.select} WHERE room_id = $1", room_id)
    return _REQUEST.all(rows)

A field is read from the column of its name. A boolean is made from the number that SQLite stores for it, a member of
an enumeration from its text, and a notice from its JSON; any other value that is not plain says how it is read.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from knockbot.domain.notices import Notice, loads

T = TypeVar("T")

PLAIN = frozenset({int, str, float})
"""What both engines give as it is."""


@dataclass(frozen=True, slots=True)
class Column:
    """The column of a field, or an expression with its name, and what reads its value; NULL is not read, but kept."""

    sql: str
    read: Callable[[Any], Any] | None = None

    @property
    def name(self) -> str:
        """What the column is called in the row."""
        return self.sql.rpartition(" AS ")[2].rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a field that is made from several, and what makes its value from their row."""

    sql: tuple[str, ...]
    one: Callable[[Any], Any]


class Row(Generic[T]):
    """How a row of a table becomes a value; `others` are the fields whose column has another name, or that say how they
    are read. A `Row` in it reads a value inside the value from the same row."""

    def __init__(self, make: type[T], table: str, **others: str | Column | Columns | Row[Any]) -> None:
        hints = get_type_hints(make)
        fields = [field.name for field in dataclasses.fields(make)]  # type: ignore[arg-type]  # it is a dataclass
        parts = {name: _part(make, name, hints[name], others.pop(name, name)) for name in fields}
        assert not others, f"{make.__name__} has no field {', '.join(others)}"
        self.table = table
        self._make: Callable[..., T] = make
        self._inner = [(place, part) for place, part in enumerate(parts.values()) if isinstance(part, Row | Columns)]
        columns = {name: part for name, part in parts.items() if isinstance(part, Column)}
        self._names = [columns[name].name if name in columns else None for name in fields]
        self._read = [
            (place, columns[name].name, read)
            for place, name in enumerate(fields)
            if name in columns and (read := columns[name].read) is not None
        ]
        self.sql: tuple[str, ...] = (
            *(p.sql for p in columns.values()),
            *(sql for _, row in self._inner for sql in row.sql),
        )
        """What is selected, column by column."""
        self.columns = ", ".join(self.sql)
        """The columns that are read, as SQL lists them."""
        self.select = f"SELECT {self.columns} FROM {self.table}"
        """The beginning of a query for them."""

    def one(self, row: Any) -> T:
        """The value of a row."""
        values = [row[name] if name is not None else None for name in self._names]
        for place, name, read in self._read:
            values[place] = read(row[name])
        for place, inner in self._inner:
            values[place] = inner.one(row)
        return self._make(*values)

    def maybe(self, row: Any) -> T | None:
        """The value of a row, if there is one."""
        return self.one(row) if row is not None else None

    def all(self, rows: Iterable[Any]) -> list[T]:
        """The values of rows, in their order."""
        return [self.one(row) for row in rows]


def _part(make: type, name: str, hint: Any, said: str | Column | Columns | Row[Any]) -> Column | Columns | Row[Any]:
    if not isinstance(said, str):
        return said
    kind, may_be_nothing = _kind(hint)
    if kind in PLAIN:
        return Column(said)
    if kind is Notice:
        return Column(said, optional(loads) if may_be_nothing else loads)
    assert isinstance(kind, type), f"{make.__name__}.{name} has to say how it is read"
    assert kind is bool or issubclass(kind, Enum), f"{make.__name__}.{name} has to say how it is read"
    read = bool if kind is bool else _word(kind)
    return Column(said, optional(read) if may_be_nothing else read)


def _word(words: type[Enum]) -> Callable[[Any], Any]:
    # A look-up in a dict takes a fifth of the time that the enumeration itself takes.
    return {word.value: word for word in words}.__getitem__


def _kind(hint: Any) -> tuple[Any, bool]:
    """What a field holds, and whether it may be `None`."""
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    kinds = [kind for kind in get_args(hint) if kind is not type(None)]
    return (kinds[0] if len(kinds) == 1 else hint), True


def optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The same reader, which leaves `None` as it is."""
    return lambda value: None if value is None else read(value)
