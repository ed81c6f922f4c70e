"""Letters (`letters:` of a policy): which of its steps a request's applicant is told about, in their conversation."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from knockbot.documents.reading import Path, duration, found, written_duration, yes_or_no
from knockbot.documents.schema import form, key
from knockbot.errors import Fault
from knockbot.times import DAY

LONGEST: Final = 30 * DAY
"""Milliseconds after which somebody can be told at most that they still wait."""


def _after(value: object, path: Path) -> int | None:
    """After what time; `false` for never."""
    if value is False:
        return None
    if value is True:
        raise Fault("expected a time such as 24h, or false, found {found}", path, found=found(value))
    span = duration(value, path)
    if span > LONGEST:
        raise Fault("expected a time of {most} at most", path, most=written_duration(LONGEST))
    return span


@dataclass(frozen=True, slots=True)
class LetterRule:
    """What applicants are told; each field is a key, and nothing is told unless its key is set."""

    received: bool = key(yes_or_no, written=False)
    """That their request waits for the moderators."""
    waiting: int | None = key(_after, default=None)
    """That it still waits, after so many milliseconds."""
    accepted: bool = key(yes_or_no, written=False)
    rejected: bool = key(yes_or_no, written=False)
    """With the reason that was written for them."""
    invited: int | None = key(_after, default=None)
    """That they have not joined yet, so many milliseconds after they were accepted."""
    expired: bool = key(yes_or_no, written=False)
    """That their invite has expired, or that nobody answered in time."""

    def __str__(self) -> str:
        """As it is written in a policy."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        set_ = [f"{name}: {_written(value)}" for name, value in said.items() if value]
        return f"{{{', '.join(set_)}}}" if set_ else "none"


def _written(value: bool | int) -> str:
    return "true" if value is True else written_duration(value)


_READ = form(LetterRule)


def read_letters(value: object, path: Path) -> LetterRule:
    """What a policy says of letters."""
    return _READ(value, path)
