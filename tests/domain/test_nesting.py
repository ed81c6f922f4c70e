"""JSON that is nested deeper than Python can follow is read and written, as far as the door needs it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from knockbot.domain.nesting import DEEPEST, read, written

pytestmark = pytest.mark.usefixtures("tidy")


def nested(levels: int) -> str:
    """Lists and objects in turn, beside something that matters."""
    return '{"kept": "[\\"{", "deep": ' + '[{"a":' * levels + "0" + "}]" * levels + ', "also": 1}'


@pytest.mark.parametrize("levels", [1, DEEPEST, 600, 100_000])
def test_what_stands_beside_it_is_read(levels: int) -> None:
    found = read(nested(levels))

    assert (found["kept"], found["also"]) == ('["{', 1)


def test_what_could_be_read_can_be_written() -> None:
    deep: Any = 0
    for _ in range(5_000):
        deep = {"a": [deep]}

    assert json.loads(written({"kept": 1, "deep": deep}))["kept"] == 1


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, b"\xff", "nonsense"])
def test_what_is_no_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        read(text)


def test_an_integer_of_any_length_is_read() -> None:
    assert read('{"a": ' + "9" * 10_000 + "}") == {"a": float("inf")}
