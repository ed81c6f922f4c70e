"""Text from strangers comes out harmless, whatever went in."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knockbot.documents.text import LONGEST_JUDGED, judged, plain, shown, shown_id, storable, without_variation_selector

ANY_TEXT = st.text(st.characters(exclude_categories=()))
"""Lone surrogates included, which `json.loads` makes of an escape such as ``\\ud800``."""


def every_character() -> list[str]:
    """A million of them: made where they are looked at, not by whoever only collects the tests."""
    return [chr(point) for point in range(sys.maxunicode + 1)]


def hidden(text: str) -> list[str]:
    """The characters that no reader sees: control, bidi, zero-width, surrogates."""
    return [character for character in text if unicodedata.category(character) in ("Cc", "Cf", "Cs")]


# --- to be stored ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("please let me in", "please let me in"),
        ("a\0b\u202e\nc", "a\ufffdb\u202e\nc"),
        ("\ud800", "\ufffd"),
        ("\ud83d\ude00", "\ufffd\ufffd"),
        ("😀", "😀"),
    ],
)
def test_only_what_no_database_takes_is_replaced(text: str, expected: str) -> None:
    assert storable(text) == expected


@given(ANY_TEXT)
def test_storable_text_is_utf8_without_nul_and_as_long_as_before(text: str) -> None:
    assert b"\0" not in storable(text).encode()
    assert len(storable(text)) == len(text)


# --- to be judged ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  please let me in \n", "please let me in"),
        ("line one\nline two\tend", "line one line two end"),
        ("one\u2028two\u2029three\u0085four", "one two three four"),
        ("a\0b\u202e\nc", "ab c"),
        ("st\u200bu\u200cd\u200de\u2060n\ufefft", "student"),
        ("st\u00adu\U000e0001dent", "student"),
        ("e\u200b\u0301", "é"),
        ("ｓｔｕｄｅｎｔ", "student"),
        ("𝐬𝐭𝐮𝐝𝐞𝐧𝐭", "student"),
        ("ﬁne", "fine"),
        ("student\u00a0union", "student union"),
        ("\u3164\u115f\u1160\uffa0\u2800", ""),
        ("\u034f\ufe0f", ""),
        ("مرحبا", "مرحبا"),
        ("", ""),
    ],
)
def test_patterns_see_through_disguises(text: str, expected: str) -> None:
    assert plain(text) == expected


@given(ANY_TEXT)
def test_plain_text_is_normal_and_hides_nothing(text: str) -> None:
    result = plain(text)
    assert hidden(result) == []
    assert unicodedata.is_normalized("NFKC", result)
    assert result == result.strip()


def test_plain_text_made_of_every_character_hides_nothing() -> None:
    result = plain("a".join(every_character()))
    assert len(result) > 2_000_000
    assert hidden(result) == []


def test_a_tower_of_marks_is_cut_before_normalizing_it_takes_quadratic_time() -> None:
    tower = "a" + "\u0301" * 30_000 + "\u0327" * 30_000
    assert len(unicodedata.normalize("NFKD", plain(tower))) == 1 + 8
    assert len(shown(tower, 1000)) == 1 + 8


def test_no_character_that_normalizes_into_a_mark_gets_round_that() -> None:
    starts_with_a_mark = [c for c in every_character() if unicodedata.combining(unicodedata.normalize("NFKD", c)[0])]
    assert len(starts_with_a_mark) > 800
    assert [c for c in starts_with_a_mark if len(plain("a" + c * 100)) > 1 + 3 * 8] == []


# --- to be shown ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("please let me in", 100, "please let me in"),
        ("please let me in", 16, "please let me in"),
        ("please let me in", 15, "please let me…"),
        ("please let me in", 10, "please le…"),
        ("please let me in", 1, "…"),
        ("two\nlines\r\nand \t blanks", 100, "two lines and blanks"),
        ("one\u2028two\u2029three\u0085four", 100, "one two three four"),
        ("evil\u202etxt.exe\u2066!\u2069", 100, "eviltxt.exe!"),
        ("\x1b[31mred\x07\0", 100, "[31mred"),
        ("\ud800", 100, ""),
        ("ｓｔｕｄｅｎｔ", 100, "ｓｔｕｄｅｎｔ"),
        ("👩\u200d🌾", 100, "👩🌾"),
        ("<b>&amp;", 100, "<b>&amp;"),
    ],
)
def test_text_is_shown_as_written_on_one_line_and_cut(text: str, limit: int, expected: str) -> None:
    assert shown(text, limit) == expected


@given(ANY_TEXT, st.integers(1, 50))
def test_shown_text_is_one_short_line_that_hides_nothing(text: str, limit: int) -> None:
    result = shown(text, limit)
    assert len(result) <= limit
    assert hidden(result) == []
    assert len(result.splitlines()) <= 1


@given(ANY_TEXT, st.integers(1, 50))
def test_what_was_shown_once_is_not_cut_again(text: str, limit: int) -> None:
    assert shown(shown(text, limit), limit) == shown(text, limit)


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [
        ("@ana:tulip.example", "@ana:tulip.example"),
        ("@an\u200ba:tulip.example", "@an⟨U+200B⟩a:tulip.example"),
        ("@\u202eana:tulip.example", "@⟨U+202E⟩ana:tulip.example"),
        ("@ana\n\ud800:tulip.example", "@ana⟨U+000A⟩⟨U+D800⟩:tulip.example"),
        ("@ana b\u00a0c:tulip.example", "@ana b⟨U+00A0⟩c:tulip.example"),
        ("@josé<b>:tulip.example", "@josé<b>:tulip.example"),
    ],
)
def test_a_user_id_never_looks_like_another(identifier: str, expected: str) -> None:
    assert shown_id(identifier) == expected


@pytest.mark.parametrize(("emoji", "expected"), [("❌\ufe0f", "❌"), ("✅", "✅"), ("\ufe0f", "")])
def test_emoji_are_compared_without_variation_selector(emoji: str, expected: str) -> None:
    assert without_variation_selector(emoji) == expected


def test_what_is_judged_of_a_text_is_bounded_before_and_after_it_grows() -> None:
    """U+FDFA becomes eighteen characters, and a tower of marks many."""
    assert len(judged("\ufdfa" * LONGEST_JUDGED)) == LONGEST_JUDGED
    assert len(judged(("e" + "\u0301" * 9) * LONGEST_JUDGED)) <= LONGEST_JUDGED
    assert judged("a " * LONGEST_JUDGED) == ("a " * (LONGEST_JUDGED // 2)).strip()
