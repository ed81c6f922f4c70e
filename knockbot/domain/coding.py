"""Frozen values as JSON, field by field: reading gives exactly what was written, and refuses everything else.

    KICK = Coding(Kick)
    stored = json.dumps(KICK.encode(kick))
    assert KICK.decode(json.loads(stored)) == kick

A field with its default value is left out, so that a new field with a default can read what was stored before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

from knockbot.domain.notices import Notice, decoded, encoded

T = TypeVar("T")
Convert = Callable[[Any], Any]


class Malformed(ValueError):
    """What is stored is not what this program writes."""


class Coding(Generic[T]):
    """How the values of a frozen dataclass are written as JSON, and read.

    Its fields may be texts, whole numbers, truths, words of an enumeration, notices, other such values, tuples of
    those, JSON objects as they are, and each of these may also be `None`.
    """

    def __init__(self, make: type[T]) -> None:
        hints = get_type_hints(make)
        self._make = make
        self._fields = [
            (field.name, field.default, *_converts(hints[field.name]))
            for field in fields(make)  # type: ignore[arg-type]  # it is a dataclass
        ]
        self._read = {name: read for name, _, _, read in self._fields}

    def encode(self, value: T) -> dict[str, Any]:
        """A value as a JSON object."""
        there = [(name, getattr(value, name), default, write) for name, default, write, _ in self._fields]
        return {name: write(part) for name, part, default, write in there if default is MISSING or part != default}

    def decode(self, stored: object) -> T:
        """The value that was written. Raises `Malformed`."""
        if not isinstance(stored, dict):
            raise Malformed(f"{self._make.__name__}: {stored!r}")
        try:
            return self._make(**{name: self._read[name](part) for name, part in stored.items()})
        except (KeyError, TypeError, ValueError) as error:
            raise Malformed(f"{self._make.__name__}: {error!r}") from error


def _converts(hint: Any) -> tuple[Convert, Convert]:
    """Functions that write and read a value of a type; the one that reads raises for anything else."""
    if get_origin(hint) in (Union, UnionType):
        (kind,) = (part for part in get_args(hint) if part is not type(None))
        write, read = _converts(kind)
        return _or_nothing(write), _or_nothing(read)
    if get_origin(hint) is tuple:
        return _tuple(*get_args(hint))
    if get_origin(hint) is Mapping:
        return dict, _exactly(dict)
    if hint is Notice:
        return encoded, decoded
    return _of_one(hint)


def _of_one(hint: type[Any]) -> tuple[Convert, Convert]:
    if is_dataclass(hint):
        coding: Coding[Any] = Coding(hint)
        return coding.encode, coding.decode
    if issubclass(hint, Enum):
        return _value_of, hint
    assert hint in (str, int, bool), f"{hint} cannot be written as JSON"
    return _as_it_is, _exactly(hint)


def _or_nothing(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _tuple(*parts: Any) -> tuple[Convert, Convert]:
    """Of any length if the second part is `...`, else exactly these."""
    if parts[1:] == (...,):
        write, read = _converts(parts[0])
        return (lambda values: [write(value) for value in values]), (lambda stored: tuple(map(read, _list(stored))))
    converts = [_converts(part) for part in parts]
    return (
        lambda values: [write(value) for (write, _), value in zip(converts, values, strict=True)],
        lambda stored: tuple(read(value) for (_, read), value in zip(converts, _list(stored), strict=True)),
    )


def _list(stored: Any) -> list[Any]:
    return list(_exactly(list)(stored))


def _exactly(kind: type) -> Convert:
    def read(value: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"{value!r} is no {kind.__name__}")
        return value

    return read


def _as_it_is(value: Any) -> Any:
    return value


def _value_of(word: Enum) -> Any:
    return word.value
