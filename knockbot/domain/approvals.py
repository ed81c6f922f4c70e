"""Approvals in advance, as people write them: one in a command, one on each line of a message, or a table (CSV).

A user ID stands for a user, `*:host` for everybody of a server. Nothing of a list is taken while one of its lines is
wrong: each wrong one is named by its number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from typing import TypeVar

from knockbot.documents import spreadsheet
from knockbot.documents.spreadsheet import LONGEST_CELL, NoTable, Unreadable
from knockbot.documents.text import storable
from knockbot.domain.ids import (
    MAX_ID_BYTES,
    is_server_name,
    is_user_id,
    room_reference,
    server_of,
    user_reference,
    whole_server,
)
from knockbot.domain.notices import Choice, Code, Letters, Notice, Number, below, notice
from knockbot.errors import Refused

MOST_ENTRIES = 10_000
"""Entries of one list."""

LONGEST_NOTE = 300
"""Characters of a note."""

LAST_DAY = date(2999, 12, 31)
"""The last day that an approval may end with: later ones are typing errors, or mean for ever, which no date says."""

WRONG_TOLD = 10
"""Wrong lines that a reply names."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who is to be approved, until the end of a day; without one for ever."""

    who: str
    """A user ID, or `*:host` for everybody of a server."""
    until: date | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Wrong:
    """A line that cannot be taken, and why."""

    line: int
    why: Notice


@dataclass(frozen=True, slots=True)
class Written:
    """What a list says: each user and server once, as the last line about it has it."""

    entries: tuple[Entry, ...]
    repeated: int = 0
    """How many lines were about somebody of whom a later line says it anew."""


def together(*lists: Written) -> Written:
    """Several lists as one."""
    entries = {entry.who: entry for one in lists for entry in one.entries}
    many = sum(len(one.entries) for one in lists)
    return Written(tuple(entries.values()), many - len(entries) + sum(one.repeated for one in lists))


# --- its parts ------------------------------------------------------------------------------------------------

_EVERYBODY = re.compile(r"@?\*:(.+)", re.DOTALL)


def read_who(text: str) -> str:
    """The user, or the server, that a word means. Raises `Refused`."""
    word = text.strip().removeprefix("'").rstrip(",;")  # spreadsheets put a ' before what looks like a formula
    everybody = _EVERYBODY.fullmatch(word)
    if everybody is not None and is_server_name(everybody[1]):
        whole = whole_server(everybody[1])
        if len(whole) != len(f"*:{everybody[1]}"):
            raise Refused(notice("allow.port", server=Code(whole)))
        return whole
    first, *more = re.split("[;,]", word)
    if more and (first.lower() in HEADINGS or is_who(first)):
        raise Refused(notice("allow.looks_like_csv", example=Code("@ana:example.org until 2027-01-31 note")))
    user_id = user_reference(word)
    if user_id is None:
        raise Refused(_no_one(word))
    if set("*?") & set(user_id):
        raise Refused(notice("allow.pattern", text=Letters(word), key=Code("user")))
    return storable(user_id)


def has_capitals(user_id: str) -> bool:
    """Whether a user ID has capital letters: only very old accounts have (Matrix specification, "Historical User IDs"),
    so it may be a slip."""
    return re.search("[A-Z]", user_id) is not None


def _no_one(word: str) -> Notice:
    if set("*?") & set(word) and (":" in word or "." in word):
        return notice("allow.pattern", text=Letters(word), key=Code("user"))
    if word.startswith("@") and len(word.encode()) > MAX_ID_BYTES:
        return notice("allow.long_id", most=Number(MAX_ID_BYTES), text=Letters(word, 60))
    return notice("allow.no_one", text=Letters(word, 60), user=Code("@ana:example.org"), server=Code("*:example.org"))


def is_who(text: str) -> bool:
    """Whether a word means a user or a server."""
    try:
        read_who(text)
    except Refused:
        return False
    return True


def is_about(who: str) -> str:
    """The server that an entry is about as a whole; empty for a user."""
    return "" if is_user_id(who) else who.removeprefix("*:")


def names_of(user_id: str) -> tuple[str, str]:
    """What an approval of a user may be for: the user, or everybody of their server."""
    return user_id, whole_server(server_of(user_id))


def read_day(text: str, today: date) -> date:
    """The day that is written so, `2026-12-24`, and not before today. Raises `Refused`."""
    try:
        day = date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else None
    except ValueError:
        day = None
    if day is None:
        raise Refused(_no_date(text, Code(f"{today.year + 1}-01-31")))
    if day < today:
        raise Refused(notice("allow.past", date=Code(text)))
    if day > LAST_DAY:
        raise Refused(notice("allow.far", date=Code(text), last=Code(LAST_DAY.isoformat())))
    return day


def _no_date(text: str, example: Code) -> Notice:
    if not text.strip('"\u201c\u201d\u201e'):
        return notice("allow.no_until", until=Code("until"), example=example)
    return notice("allow.no_date", text=Letters(text, 60), example=example)


def end_of(day: date, zone: tzinfo = UTC) -> int:
    """The last millisecond of a day in a time zone, since the epoch."""
    return round(datetime.combine(day + timedelta(days=1), datetime.min.time(), zone).timestamp() * 1000) - 1


def today(now: int, zone: tzinfo = UTC) -> date:
    """The day that it is now in a time zone."""
    return datetime.fromtimestamp(now / 1000, zone).date()


_UNTIL = re.compile(r"until\b[:\s]*(\S*)\s*", re.IGNORECASE)


def split_until(text: str) -> tuple[str | None, str]:
    """What follows `until` at the beginning of a text, and the rest; none where it does not begin so."""
    found = _UNTIL.match(text)
    return (found[1].rstrip(",;"), text[found.end() :]) if found is not None else (None, text)


def read_note(text: str) -> str:
    """A note. Raises `Refused` where it is too long."""
    note = storable(text.strip())
    if len(note) > LONGEST_NOTE:
        raise Refused(notice("allow.long_note", most=Number(LONGEST_NOTE)))
    return note


def read_terms(until: str | None, note: str, today: date) -> tuple[date | None, str]:
    """What follows `until`, where that is there, and a note. Raises `Refused`, also where a word of the note may be
    meant as something else; a note in quotes is taken as it is."""
    quoted = _QUOTED.fullmatch(note.strip())
    if quoted is None:
        _insist_on_a_plain_note(note.split(), today)
    return (read_day(until, today) if until is not None else None), read_note(quoted[1] if quoted is not None else note)


_QUOTED = re.compile('["\u201c\u201d\u201e](.*)["\u201c\u201d]', re.DOTALL)

_DATE = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}|\d{1,2}[-./]\d{1,2}[-./](?:\d{4}|\d\d)", re.ASCII)
"""How people write a day, rightly or wrongly."""


def is_quoted(text: str) -> bool:
    """Whether a note is in quotes, and so nothing else."""
    return _QUOTED.fullmatch(text.strip()) is not None


def _insist_on_a_plain_note(words: Sequence[str], today: date) -> None:
    """No user, room or date is taken for a note: what somebody wrote there would silently not count."""
    for word in words:
        if is_who(word):
            raise Refused(notice("allow.one_a_line"))
        if room_reference(word.rstrip(",;.")) is not None:
            raise Refused(notice("allow.room_in_note", text=Letters(word, 60)))
        if _DATE.fullmatch(word.strip(",;.:()")):
            example = Code(f"until {today.year + 1}-01-31")
            raise Refused(notice("allow.date_in_note", text=Letters(word, 60), example=example))


# --- lines of a message ---------------------------------------------------------------------------------------

_BULLET = re.compile(r"\s*(?:[-*•–]|\d{1,5}[.)])\s+")


def read_lines(text: str, today: date, first: int = 2) -> Written:
    """One on each line: who, then perhaps `until DATE`, then perhaps a note; `first` is the number of the first line.
    Raises `Refused`."""

    def read(line: str) -> Entry:
        who, *rest = line.split(maxsplit=1)
        return Entry(read_who(who), *read_terms(*split_until(rest[0] if rest else ""), today))

    lines = ((number, _BULLET.sub("", line, count=1).strip()) for number, line in enumerate(text.split("\n"), first))
    return _taken(((number, line) for number, line in lines if line and not line.startswith("```")), read)


def read_lines_or(text: str, linked: str, today: date) -> Written:
    """The same; where something is wrong with the lines as they were typed, the lines with what their mentions link to
    count, if those are right. Raises `Refused`."""
    try:
        return read_lines(text, today)
    except Refused:
        with suppress(Refused):
            return read_lines(linked, today)
        raise


T = TypeVar("T")


def _taken(lines: Iterable[tuple[int, T]], read: Callable[[T], Entry]) -> Written:
    """What the lines say. Raises `Refused` where one of them is wrong, and where they say too much or nothing."""
    entries: dict[str, Entry] = {}
    wrong: list[Wrong] = []
    repeated = count = 0
    for number, line in lines:
        try:
            entry = read(line)
        except Refused as refused:
            count += 1
            wrong += [Wrong(number, refused.said)] if count <= WRONG_TOLD else []
            continue
        repeated += entry.who in entries
        entries[entry.who] = entry
        if len(entries) > MOST_ENTRIES:
            raise Refused(notice("allow.long_list", most=Number(MOST_ENTRIES)))
    if wrong:
        raise Refused(_named(wrong, count))
    if not entries:
        raise Refused(notice("allow.empty"))
    return Written(tuple(entries.values()), repeated)


def _named(wrong: Sequence[Wrong], count: int) -> Notice:
    """The first wrong lines, each with its number and why, and how many there are."""
    more = count - len(wrong)
    return below(
        notice("allow.wrong_lines", count=Number(count)),
        *(notice("allow.wrong_line", line=Number(one.line), why=one.why) for one in wrong),
        notice("allow.more_wrong_lines", count=Number(more)) if more else None,
    )


# --- a table --------------------------------------------------------------------------------------------------

HEADINGS: Mapping[str, str] = {
    **dict.fromkeys(("user", "users", "user id", "mxid", "matrix id", "matrix", "who"), "who"),
    **dict.fromkeys(("until", "date", "expires"), "until"),
    **dict.fromkeys(("note", "notes", "comment", "comments"), "note"),
}
"""The headings that are known, without case; `_` and `-` are blanks. Columns with others are left alone."""

UNNAMED: Mapping[str, int] = {"who": 0, "until": 1, "note": 2}
"""The columns of a table without headings."""


def read_table(content: bytes, today: date) -> Written:
    """A table (CSV), with or without a row of headings. Raises `Refused`."""
    try:
        return _taken(_rows(content), partial(_read_row, today=today))
    except NoTable as fault:
        raise Refused(_no_table(fault)) from None


def _no_table(fault: NoTable) -> Notice:
    if fault.why is Unreadable.LONG:
        return notice("allow.long_cell", line=Number(fault.line), most=Number(LONGEST_CELL))
    if fault.why is Unreadable.BROKEN:
        return notice("allow.broken_table", line=Number(fault.line))
    return notice("allow.no_table", how=Choice(fault.why))


@dataclass(frozen=True, slots=True)
class _Row:
    cells: Sequence[str]
    columns: Mapping[str, int]
    width: int
    """How many columns there are."""
    may_be_headings: bool = False
    """Whether it is the first row: words that nobody is called by may be meant as headings there."""

    def cell(self, name: str) -> str:
        at = self.columns.get(name)
        return self.cells[at] if at is not None and at < len(self.cells) else ""


def _rows(content: bytes) -> Iterator[tuple[int, _Row]]:
    columns, width = UNNAMED, len(UNNAMED)
    first = True
    for number, cells in spreadsheet.rows(content, _begins_a_row):
        named = _headings(cells) if first else None
        may_be_headings, first = first, False
        if named is not None:
            columns, width = named, len(cells)
        else:
            yield number, _Row(cells, columns, width, may_be_headings)


def _begins_a_row(cell: str) -> bool:
    return _heading(cell) in HEADINGS or (is_who(cell) and cell[-1] not in ",;")


def _headings(cells: Sequence[str]) -> Mapping[str, int] | None:
    """The known columns, by the headings in the first row; none where that is no row of headings.

    Raises `Refused` where two mean the same: nobody can say which of them counts.
    """
    known = [(HEADINGS[name], at) for at, name in enumerate(map(_heading, cells)) if name in HEADINGS]
    found = dict(known)
    if "who" not in found or any(map(is_who, cells)):
        return None
    if len(found) < len(known):
        meant = [name for name, _ in known]
        twice = [cells[at] for name, at in known if meant.count(name) > 1]
        raise Refused(notice("allow.same_columns", first=Letters(twice[0], 60), other=Letters(twice[1], 60)))
    return found


def _heading(cell: str) -> str:
    return " ".join(re.sub("[_-]", " ", cell).lower().split())


_PLAIN_WORDS = re.compile(r"[^\W\d_][\w -]*")
"""What may be a heading in some language, and is no user and no server."""


def _read_row(row: _Row, today: date) -> Entry:
    if any(row.cells[row.width :]):
        raise Refused(notice("allow.many_cells", count=Number(row.width)))
    who, until, note = row.cell("who"), row.cell("until"), row.cell("note")
    if row.may_be_headings and len(row.cells) > 1 and _PLAIN_WORDS.fullmatch(who):
        raise Refused(notice("allow.no_heading", text=Letters(who, 60), heading=Code("user")))
    if row.columns is UNNAMED and not note and until and not re.match("[0-9]|until", until, re.IGNORECASE):
        until, note = "", until
    said, rest = split_until(until)
    until = until if said is None else f"{said} {rest}".strip()
    return Entry(read_who(who), read_day(until, today) if until else None, read_note(note))
