"""Who is approved in advance is read from a word, from lines and from tables, and nothing of a list with a mistake."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.chat.catalogue import render
from knockbot.documents.text import without_marks
from knockbot.domain import approvals
from knockbot.domain.approvals import (
    MOST_ENTRIES,
    Entry,
    Written,
    end_of,
    has_capitals,
    is_about,
    names_of,
    read_day,
    read_lines,
    read_table,
    read_who,
    split_until,
    together,
)
from knockbot.domain.ids import server_of, whole_server
from knockbot.domain.notices import Notice
from knockbot.errors import Refused

TODAY = date(2026, 11, 30)
ANA, BEN = "@ana:tulip.example", "@ben:rose.example"
DAY = date(2026, 12, 24)


def english(said: Notice) -> str:
    """A notice as people read it."""
    return without_marks(render(said).plain)


def refused(read: Callable[[], object]) -> str:
    """What is said about a mistake."""
    with pytest.raises(Refused) as raised:
        read()
    return english(raised.value.said)


# --- its parts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "who"),
    [
        (ANA, ANA),
        (f"{ANA},", ANA),
        (f" {ANA};", ANA),
        (f"'{ANA}", ANA),
        (f"https://matrix.to/#/{ANA}", ANA),
        ("matrix:u/ana:tulip.example", ANA),
        ("@Ana:tulip.example:8448", "@Ana:tulip.example:8448"),
        ("*:tulip.example", "*:tulip.example"),
        ("@*:tulip.example", "*:tulip.example"),
        ("*:Tulip.EXAMPLE", "*:tulip.example"),
        ("*:[::1]", "*:[::1]"),
    ],
)
def test_a_user_or_a_whole_server_is_meant(word: str, who: str) -> None:
    assert read_who(word) == who
    assert is_about(who) == ("" if who.startswith("@") else who[2:])


@pytest.mark.parametrize(("user", "has"), [(ANA, False), ("@Ana:a.b", True), ("@ana:A.b", True), ("@ÄÖ:a.b", False)])
def test_capital_letters_in_a_user_id_are_found(user: str, has: bool) -> None:
    assert has_capitals(user) is has


@pytest.mark.parametrize(
    "word", ["", "ana", "ana:tulip.example", "@ana", "@ana:", "tulip.example", "#ana:tulip.example", "*", "@*"]
)
def test_anything_else_is_nobody(word: str) -> None:
    assert "This is not a user ID and not a server" in refused(lambda: read_who(word))


@pytest.mark.parametrize("word", ["*:*", "*:*.example", "@a*:b.c", "@a?:b.c", "@*a:b.c", "*.example", "@*:b?.c"])
def test_other_patterns_belong_into_the_policy(word: str) -> None:
    assert "This is a pattern" in refused(lambda: read_who(word))


@pytest.mark.parametrize("user", [ANA, "@Rosa:Rose.EXAMPLE:443", "@x:[::1]:8448"])
def test_what_may_apply_to_somebody_is_their_id_and_their_server(user: str) -> None:
    whole, server = names_of(user)
    assert whole == read_who(user)
    assert server == whole_server(server_of(user))


@pytest.mark.parametrize(
    ("word", "host"),
    [("*:tulip.example:8448", "tulip.example"), ("*:1.2.3.4:80", "1.2.3.4"), ("@*:[::1]:8448", "[::1]")],
)
def test_a_port_of_a_whole_server_is_refused_and_not_left_out(word: str, host: str) -> None:
    assert refused(lambda: read_who(word)).endswith(f"whatever its port. Write it without the port: *:{host}.")


@pytest.mark.parametrize("line", [f"{ANA};2027-01-31;choir", f"{ANA},2027-01-31", "user;until;note", "mxid,note"])
def test_a_line_of_csv_that_is_pasted_is_known_as_that(line: str) -> None:
    assert "This looks like CSV. Send it as a file" in refused(lambda: read_lines(line, TODAY))


@pytest.mark.parametrize(
    ("note", "says"),
    [
        ("#other:lab.test", "Is “#other:lab.test” the room, or part of the note?"),
        ("from !abc:lab.test", "Is “!abc:lab.test” the room"),
        ("https://matrix.to/#/#other:lab.test choir", "the room, or part of the note?"),
        ("2026-12-24", "Is “2026-12-24” the end of the pre-approval, or part of the note? Write an end like this: "),
        ("bis 2027-12-24", "Is “2027-12-24” the end"),
        ("bis 24.12.2027, alto", "Is “24.12.2027,” the end"),
        ("12/24/27", "Is “12/24/27” the end"),
    ],
)
def test_a_room_or_a_date_is_not_taken_for_a_note(note: str, says: str) -> None:
    assert says in refused(lambda: approvals.read_terms(None, note, TODAY))
    assert says in refused(lambda: read_lines(f"{ANA} {note}", TODAY))
    assert approvals.read_terms(None, f'"{note}"', TODAY) == (None, note)
    assert approvals.read_terms(None, f"„{note}“", TODAY) == (None, note)
    assert read_table(f"{ANA},,{note.replace(',', '')}".encode(), TODAY).entries[0].note == note.replace(",", "")


@pytest.mark.parametrize("note", ["choir", "room 2.14", "1.5 years", "version 1.2.3.4", "#1 of the list", "24/7"])
def test_any_other_note_is_a_note(note: str) -> None:
    assert approvals.read_terms(None, note, TODAY) == (None, note)


@pytest.mark.parametrize("text", ["2026-12-24", "2026-11-30", "2999-12-31"])
def test_a_day_is_written_as_year_month_and_day(text: str) -> None:
    assert read_day(text, TODAY).isoformat() == text


@pytest.mark.parametrize(
    "text",
    ["24.12.2026", "12/24/2026", "2026-12-32", "2026-2-3", "20261224", "2026-W52-4", "tomorrow", "２０２６-12-24"],
)
def test_other_forms_are_no_date_and_the_right_form_is_shown(text: str) -> None:
    assert refused(lambda: read_day(text, TODAY)).endswith("”. Write it like this: 2027-01-31.")


@pytest.mark.parametrize("text", ["", "“”", '"'])
def test_no_date_at_all_is_told_as_missing(text: str) -> None:
    said = refused(lambda: read_day(text, TODAY))
    assert said == "The date after until is missing. Write it like this: 2027-01-31."


def test_yesterday_is_over() -> None:
    assert refused(lambda: read_day("2026-11-29", TODAY)) == "2026-11-29 is in the past."


@pytest.mark.parametrize("text", ["3000-01-01", "9999-12-31"])
def test_a_day_that_no_calendar_has_room_for_is_refused(text: str) -> None:
    said = refused(lambda: read_day(text, TODAY))
    assert said.startswith(f"{text} is too late: the last possible day is 2999-12-31.")


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Etc/GMT+12")])
def test_the_end_of_the_last_day_is_told_as_that_day_in_every_time_zone(zone: ZoneInfo) -> None:
    assert approvals.today(end_of(approvals.LAST_DAY, zone), zone) == approvals.LAST_DAY


@pytest.mark.parametrize(
    ("zone", "ends"),
    [(UTC, "2026-12-25T00:00:00+00:00"), (ZoneInfo("Europe/Berlin"), "2026-12-24T23:00:00+00:00")],
)
def test_a_day_ends_where_the_next_one_begins_in_its_time_zone(zone: ZoneInfo, ends: str) -> None:
    last = end_of(DAY, zone)
    assert last + 1 == datetime.fromisoformat(ends).timestamp() * 1000
    assert approvals.today(last, zone) == DAY
    assert approvals.today(last + 1, zone) == date(2026, 12, 25)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("until 2026-12-24 hello", ("2026-12-24", "hello")),
        ("Until: 2026-12-24, hello", ("2026-12-24", "hello")),
        ("until", ("", "")),
        ("untilled land", (None, "untilled land")),
        ("", (None, "")),
    ],
)
def test_until_stands_before_the_note(text: str, parts: tuple[str | None, str]) -> None:
    assert split_until(text) == parts


# --- lines ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "entry"),
    [
        (ANA, Entry(ANA)),
        (f"  {ANA}  ", Entry(ANA)),
        (f"- {ANA} from the choir", Entry(ANA, note="from the choir")),
        (f"* {ANA}", Entry(ANA)),
        ("* *:tulip.example", Entry("*:tulip.example")),
        ("*:tulip.example", Entry("*:tulip.example")),
        (f"• {ANA}\tuntil 2026-12-24", Entry(ANA, DAY)),
        (f"12. {ANA} until 2026-12-24 choir", Entry(ANA, DAY, "choir")),
        (f"3) {ANA}, choir", Entry(ANA, note="choir")),
        (f"{ANA} =1+1", Entry(ANA, note="=1+1")),
    ],
)
def test_a_line_names_one_with_a_date_and_a_note(line: str, entry: Entry) -> None:
    assert read_lines(f"\n{line}\n\n", TODAY) == Written((entry,))


def test_a_code_fence_around_the_lines_is_left_out() -> None:
    assert read_lines(f"```text\n{ANA}\n```", TODAY) == Written((Entry(ANA),))


def test_the_last_line_about_somebody_counts_and_the_others_are_counted() -> None:
    text = f"{ANA} one\n{BEN}\n{ANA} two\n{ANA} until 2026-12-24"
    assert read_lines(text, TODAY) == Written((Entry(ANA, DAY), Entry(BEN)), repeated=2)
    both = together(Written((Entry(BEN, DAY),)), read_lines(text, TODAY))
    assert both == Written((Entry(BEN), Entry(ANA, DAY)), repeated=3)


def test_the_first_wrong_lines_are_named_with_why_and_the_others_are_counted() -> None:
    said = refused(lambda: read_lines("\n".join([ANA, "nobody", *["@x:y.z until 2001-01-01"] * 11]), TODAY))
    assert said.split("\n") == [
        "Nothing is changed, because 12 lines are wrong:",
        f"line 3: {refused(lambda: read_who('nobody'))}",
        *[f"line {number}: 2001-01-01 is in the past." for number in range(4, 13)],
        "… and 2 more lines",
    ]


def test_one_line_names_one() -> None:
    assert "a line of their own" in refused(lambda: read_lines(f"{ANA} {BEN}", TODAY))


@pytest.mark.parametrize("text", ["", "\n", "```\n```", "- \n"])
def test_a_list_with_nobody_is_a_mistake(text: str) -> None:
    assert refused(lambda: read_lines(text, TODAY)) == "The list names nobody."


# --- tables ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "entries"),
    [
        (ANA, [Entry(ANA)]),
        (f"{ANA},2026-12-24,choir", [Entry(ANA, DAY, "choir")]),
        (f"{ANA};2026-12-24;Anna, choir", [Entry(ANA, DAY, "Anna, choir")]),
        (f'{ANA},,"Anna, choir"', [Entry(ANA, None, "Anna, choir")]),
        (f"{ANA},until 2026-12-24", [Entry(ANA, DAY)]),
        (f"{ANA},choir", [Entry(ANA, None, "choir")]),
        (f"{ANA},\n{BEN}\n", [Entry(ANA), Entry(BEN)]),
        (f"user,until,note\n{ANA},2026-12-24,choir", [Entry(ANA, DAY, "choir")]),
        (f"\ufeffNote;MXID;Until\nchoir;{ANA};2026-12-24\n;{BEN};", [Entry(ANA, DAY, "choir"), Entry(BEN)]),
        (f"Name;Matrix_ID;E-Mail\nAna;{ANA};ana@x.example", [Entry(ANA)]),
        (f"sep=;\r\nMatrix-ID\r\n{ANA}\r\n", [Entry(ANA)]),
        ("*:tulip.example,,all of us", [Entry("*:tulip.example", None, "all of us")]),
        (f"'{ANA},,=HYPERLINK(1)", [Entry(ANA, None, "=HYPERLINK(1)")]),
        (f'{ANA},,"two\nlines"', [Entry(ANA, None, "two\nlines")]),
    ],
)
def test_a_table_is_read_with_and_without_headings(table: str, entries: list[Entry]) -> None:
    assert read_table(table.encode(), TODAY) == Written(tuple(entries))


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "The list names nobody."),
        ("user,until,note\n", "The list names nobody."),
        (
            "Name,E-Mail\nAna,ana@x.example",
            "line 1: This is not a user ID and not a server: “Name”. If it is the heading",
        ),
        (
            f"Benutzer;bis;Notiz\n{ANA};;",
            "line 1: This is not a user ID and not a server: “Benutzer”. If it is the heading",
        ),
        (f"{ANA},\nBenutzer,bis", "line 2: This is not a user ID and not a server: “Benutzer”. Write"),
        ("x" * 100_000, "a cell in line 1 of the file has more than 10,000 characters"),
        (f"@{'x' * 250}:tulip.example", "A user ID has at most 255 bytes, and this one is longer: “@xxx"),
        (f"user,until\n{ANA},”", "line 2: The date after until is missing. Write it like this: "),
        (
            f"{ANA}\n\n=cmd|' /C calc'!A0\n",
            "because 1 line is wrong:\nline 3: This is not a user ID and not a server: “=cmd|' /C calc'!A0”",
        ),
        (f"{ANA},24.12.2026", "line 1: This is not a date: “24.12.2026”"),
        (f"user,until\n{ANA},soon", "line 2: This is not a date: “soon”"),
        (f"{ANA},2001-01-01,x", "line 1: 2001-01-01 is in the past."),
        (f"{ANA},,Anna, choir", "line 1: There are more than 3 columns."),
        (f"user,note\n{ANA},Anna, choir", "line 2: There are more than 2 columns."),
        (f"{ANA},,{'x' * 301}", "line 1: The note has more than 300 characters."),
        (f"user,note,User\n{ANA},x,{BEN}", "two columns of the file mean the same: “user” and “User”."),
        (f"note,mxid,matrix-id\nx,{ANA},", "two columns of the file mean the same: “mxid” and “matrix-id”."),
        (f"user,until,expires\n{ANA},,2999-01-01", "two columns of the file mean the same: “until” and “expires”."),
        (f'{ANA},"never closed', "the quotes in line 1 of the file are wrong"),
        (f"{ANA}\0", "This file is no CSV in UTF-8."),
        ("PK\x03\x04", "This file is a spreadsheet."),
    ],
)
def test_a_mistake_in_a_table_is_told_with_its_line(table: str, says: str) -> None:
    assert says in refused(lambda: read_table(table.encode(), TODAY))


def test_a_list_has_an_end() -> None:
    lines = [f"@u{number}:tulip.example" for number in range(MOST_ENTRIES)]
    assert len(read_table("\n".join(lines).encode(), TODAY).entries) == MOST_ENTRIES
    assert "more than 10,000 entries" in refused(lambda: read_table("\n".join([*lines, ANA]).encode(), TODAY))
    many = "\n".join(f"@u{number}:tulip.example" for number in range(100_000))
    assert "more than 10,000 entries" in refused(lambda: read_table(many.encode(), TODAY))
    wrong = refused(lambda: read_table("\n".join(["nobody"] * 100_000).encode(), TODAY))
    assert wrong.startswith("Nothing is changed, because 100,000 lines are wrong:\nline 1: ")
    assert read_table("\n".join([ANA] * 100_000).encode(), TODAY).repeated == 99_999


WORDS = st.sampled_from([ANA, BEN, "*:a.b", "user", "until", "2026-12-24", "note", ",", ";", "\n", '"', "@", "=1", " "])


@given(
    st.binary(max_size=200)
    | st.lists(WORDS | st.text(max_size=5), max_size=30).map(lambda many: "".join(many).encode())
)
def test_no_table_does_more_than_to_be_taken_or_refused(content: bytes) -> None:
    try:
        written = read_table(content, TODAY)
    except Refused as no:
        english(no.said)
        return
    assert written.entries
    assert len({entry.who for entry in written.entries}) == len(written.entries)
    for entry in written.entries:
        assert read_who(entry.who) == entry.who
        assert entry.until is None or entry.until >= TODAY


@given(st.lists(WORDS | st.text(max_size=5), max_size=30).map("".join))
def test_no_lines_do_more_than_to_be_taken_or_refused(text: str) -> None:
    try:
        assert read_lines(text, TODAY).entries
    except Refused as no:
        english(no.said)
