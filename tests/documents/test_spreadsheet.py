"""A table is read as any spreadsheet program writes it, or it is said why not; no file makes it raise anything else."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.documents.spreadsheet import LONGEST_CELL, NoTable, Unreadable, rows


def read(content: bytes | str) -> list[tuple[int, list[str]]]:
    """The rows of a file whose first cells begin with @."""
    return [
        *rows(
            content.encode() if isinstance(content, str) else content,
            lambda cell: re.fullmatch(r"@[\w:.]+", cell) is not None,
        )
    ]


SAME = [(1, ["@a:b.c", "x, y", "z"]), (2, ["@d:e.f", "", "Grüße; an alle"])]


@pytest.mark.parametrize(
    "content",
    [
        '@a:b.c,"x, y",z\n@d:e.f,,Grüße; an alle\n',
        '@a:b.c;x, y;z\n@d:e.f;;"Grüße; an alle"\n',
        "@a:b.c\tx, y\tz\n@d:e.f\t\tGrüße; an alle",
        '"@a:b.c";"x, y";"z"\r\n"@d:e.f";"";"Grüße; an alle"\r\n',
        '@a:b.c,"x, y",z\r@d:e.f,,Grüße; an alle\r',
        ' @a:b.c ,"x, y", z \n@d:e.f, ,Grüße; an alle',
        '\ufeff@a:b.c,"x, y",z\n@d:e.f,,Grüße; an alle',
        '\ufeff@a:b.c;x, y;z\n@d:e.f;;"Grüße; an alle"\n'.encode("utf-16-le"),
        "\ufeff@a:b.c\tx, y\tz\n@d:e.f\t\tGrüße; an alle".encode("utf-16-be"),
    ],
)
def test_it_is_read_with_any_delimiter_quotes_line_ends_and_mark(content: bytes | str) -> None:
    assert read(content) == SAME


def test_the_line_by_which_excel_names_the_delimiter_counts_as_a_line() -> None:
    assert read("sep=;\r\n@a:b.c;x\r\n") == [(2, ["@a:b.c", "x"])]
    assert read("SEP=,\n@a:b.c;x,y") == [(2, ["@a:b.c;x", "y"])]


def test_each_row_has_the_number_of_the_line_that_it_begins_in() -> None:
    content = '@a:b.c,"one\ntwo\n\nfour"\n\n,,\n@d:e.f\n'
    assert read(content) == [(1, ["@a:b.c", "one\ntwo\n\nfour"]), (7, ["@d:e.f"])]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", ",,,\n,,", "sep=;"])
def test_a_file_with_nothing_in_it_has_no_rows(content: str) -> None:
    assert read(content) == []


@pytest.mark.parametrize(
    ("content", "why", "line"),
    [
        (b"PK\x03\x04 an xlsx", Unreadable.SPREADSHEET, 0),
        (b"\xd0\xcf\x11\xe0 an xls", Unreadable.SPREADSHEET, 0),
        ("@a:b.c,Grüße".encode("latin-1"), Unreadable.NOT_UTF8, 0),
        (b"@a:b.c\0", Unreadable.NOT_UTF8, 0),
        (b"\x89PNG\r\n\x1a\n\0", Unreadable.NOT_UTF8, 0),
        (b"\xff\xfea", Unreadable.NOT_UTF8, 0),
        (b'@a:b.c,x\n@d:e.f,"never closed\n@g:h.i', Unreadable.BROKEN, 2),
        (b'@a:b.c,x\n@d:e.f,"closed" and more\n', Unreadable.BROKEN, 2),
        (b"@a:b.c," + b"x" * (LONGEST_CELL + 1), Unreadable.LONG, 1),
        (b"@a:b.c," + b"x" * 200_000, Unreadable.LONG, 1),
    ],
)
def test_what_is_no_table_is_told_with_its_line(content: bytes, why: Unreadable, line: int) -> None:
    with pytest.raises(NoTable) as raised:
        read(content)
    assert (raised.value.why, raised.value.line) == (why, line)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode(errors="replace")))
def test_no_file_makes_it_raise_anything_else(content: bytes) -> None:
    try:
        for line, cells in read(content):
            assert line >= 1
            assert any(cells)
    except NoTable:
        pass


CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20).map(str.strip)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=4), max_size=6), st.sampled_from([",", ";", "\t"]))
def test_what_python_has_written_comes_back(table: list[list[str]], delimiter: str) -> None:
    table = [[f"@u{number}:a.b", *row] for number, row in enumerate(table)]
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(table)
    assert [cells for _, cells in read(out.getvalue())] == table
