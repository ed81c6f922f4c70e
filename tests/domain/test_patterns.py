"""Patterns of room admins are RE2: what it cannot run fast is refused in words, and nothing is written to stderr."""

from __future__ import annotations

import pytest

from knockbot.domain.patterns import MAX_SIZE, pattern
from knockbot.errors import Fault


@pytest.mark.parametrize(
    ("source", "text", "expected"),
    [
        ("student", "I am a student.", True),
        ("^student$", "I am a student.", False),
        ("(?i)STAFF", "staff", True),
        (r"\p{Cyrillic}", "привет", True),
        ("a.b", "a\nb", True),
        ("é", "\ud800é", True),
        ("", "anything", True),
    ],
)
def test_a_pattern_is_found_anywhere_in_the_text(source: str, text: str, expected: bool) -> None:
    assert pattern(source).found_in(text) is expected


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("(student", "not a pattern that RE2 understands: missing ): (student"),
        ("(?=x)", "not a pattern that RE2 understands: invalid perl operator: (?="),
        (r"(a)\1", r"not a pattern that RE2 understands: invalid escape sequence: \1"),
        ("a{1001}", "not a pattern that RE2 understands: invalid repetition size: {1001}"),
        ("a" * 1001, "the pattern is too long: 1001 characters, at most 1000"),
        (r"\pL{500}", "not a pattern that RE2 understands: pattern too large - compile failed"),
    ],
)
def test_what_re2_cannot_run_is_refused_in_its_own_words(
    source: str, words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Fault) as caught:
        pattern(source)
    assert str(caught.value) == words
    assert capfd.readouterr() == ("", "")


def test_a_pattern_that_would_be_slow_is_refused_and_one_of_words_is_not() -> None:
    assert pattern(r"\pL+ \pL+").size <= MAX_SIZE
    with pytest.raises(Fault, match=f"too large: it compiles to [0-9]+ steps, at most {MAX_SIZE}"):
        pattern(r"\pL{10}")


def test_a_pattern_made_to_hang_does_not() -> None:
    assert not pattern("(x+x+)+y").found_in("x" * 60_000)
