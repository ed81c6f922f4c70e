"""The rows of a table that a spreadsheet program wrote as text (CSV), each with the number of the line it begins in.

RFC 4180 as programs really write it: with commas, semicolons or tabs, with or without quotes, with a byte order mark,
with `sep=;` in the first line (Excel).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import Final

from knockbot.errors import KnockbotError

DELIMITERS: Final = (";", "\t", ",")
"""What may separate cells; where nothing else decides, the first of these that the first line has."""

LONGEST_CELL: Final = 10_000
"""Characters: a quote that is never closed swallows the rest of the file."""


class Unreadable(StrEnum):
    """Why a file is no table."""

    SPREADSHEET = "spreadsheet"
    """A spreadsheet in its program's own format."""
    NOT_UTF8 = "not_utf8"
    BROKEN = "broken"
    """A quote is never closed, or stands where none may."""
    LONG = "long"
    """A cell has more than `LONGEST_CELL` characters."""


class NoTable(KnockbotError):
    """A file that cannot be read as a table; `line` is where, if that is known."""

    def __init__(self, why: Unreadable, line: int = 0) -> None:
        super().__init__(why.value)
        self.why = why
        self.line = line


def rows(content: bytes, is_cell: Callable[[str], bool]) -> Iterator[tuple[int, list[str]]]:
    """The rows that are not empty, with the lines they begin in. Raises `NoTable`.

    `is_cell` knows what may stand in the first cell: that decides what separates cells.
    """
    text = _text(content)
    said, after, skipped = _said_delimiter(text)
    delimiter = said or _delimiter(after, is_cell)
    reader = csv.reader(io.StringIO(after, newline=""), delimiter=delimiter, strict=True)
    begin = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield begin + skipped, cells
            if any(len(cell) > LONGEST_CELL for cell in cells):
                raise NoTable(Unreadable.LONG, begin + skipped)
            begin = reader.line_num + 1
    except csv.Error as error:
        is_long = "field limit" in str(error)
        raise NoTable(Unreadable.LONG if is_long else Unreadable.BROKEN, begin + skipped) from None


def _text(content: bytes) -> str:
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):  # xlsx and ods; xls
        raise NoTable(Unreadable.SPREADSHEET)
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise NoTable(Unreadable.NOT_UTF8) from None
    if "\0" in text:
        raise NoTable(Unreadable.NOT_UTF8)
    return text


def _said_delimiter(text: str) -> tuple[str, str, int]:
    """What Excel's line `sep=;` says, the text after it, and how many lines that are."""
    first, _, after = text.partition("\n")
    first = first.rstrip("\r")
    if len(first) == len("sep=;") and first.lower().startswith("sep=") and first[-1] in DELIMITERS:
        return first[-1], after, 1
    return "", text, 0


def _delimiter(text: str, is_cell: Callable[[str], bool]) -> str:
    line = next((line for line in text.splitlines() if line.strip()), "")
    for delimiter in DELIMITERS:
        if delimiter in line and is_cell(line.partition(delimiter)[0].strip().strip('"').strip()):
            return delimiter
    return next((delimiter for delimiter in DELIMITERS if delimiter in line), ",")
